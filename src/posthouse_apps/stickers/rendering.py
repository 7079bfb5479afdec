"""Makes a Telegram sticker from a photo: opened, cropped, cut out, drawn in a style, decorated, outlined, encoded.

    bytes ─► photo ─► subject ─► figure ─────────────────► canvas ─► WebP
             upright,  what is    style, wash,              ornaments, face, caption;
             small     cut out    turned, mirrored, fitted  white outline, shadow

This is the road; what it passes has files of its own: `cutout` finds the subject, `styles` says what a look is, and
`ornaments`, `faces` and `captions` draw what is put on the `canvas`. A photo becomes a subject once and a subject
becomes any number of stickers.

Bounded: a photo's pixels are counted before they are decoded, a JPEG is decoded small, and everything after that works
on two megapixels at most. The same photo and look give the same bytes, as long as the fonts stay the same.

Pure but for reading the font's file, and takes a fifth of a second: a bot renders in a job, not in a turn.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from PIL import ExifTags, Image, ImageChops, ImageFilter, ImageOps

from posthouse_apps.stickers.canvas import EDGE, STICKER, edged, inside, shadowed
from posthouse_apps.stickers.captions import drawn_caption
from posthouse_apps.stickers.cutout import Subject, cut_subject, rounded
from posthouse_apps.stickers.faces import drawn_face
from posthouse_apps.stickers.ornaments import drawn_ornament
from posthouse_apps.stickers.styles import STANCES, TEMPERS, Emotion, Pose, Stance, Style, stylise, wash

WEIGHT_MAX = 512 * 1024  # bytes
QUALITIES = (90, 80, 65, 50, 35, 20, 5)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "ICO", "QOI")
"""What is read. Not all that Pillow can: it would start Ghostscript for an EPS, and take noise for a TGA."""

SIDE_MIN = 64  # pixels
PIXELS_MAX = {"JPEG": 64_000_000, "MPO": 64_000_000}  # a JPEG is decoded down to an eighth
PIXELS_MAX_DECODED = 20_000_000  # other formats come at full size, four bytes a pixel
SHORT_SIDE = 720  # pixels that a photo's shorter side is reduced to
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation."""
ASPECT_MAX = 3  # what is longer is cut to its middle

FACE = 124
CAPTION_OVERLAP = 24  # pixels of the figure that a caption may hide


class Fault(StrEnum):
    """Why a photo can not be used, in words for a person."""

    BROKEN = "not a picture"
    SMALL = "too small"
    LARGE = "too large"


class PhotoUnusable(Exception):
    """The photo can not be made a sticker of; `fault` says why, and another photo may do."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Look:
    """Everything about a sticker but the photo."""

    style: Style = Style.ORIGINAL
    emotion: Emotion = Emotion.CALM
    pose: Pose = Pose.STRAIGHT
    caption: str | None = None


def render_sticker(photo: bytes, look: Look) -> bytes:
    """A WebP of 512 x 512 pixels with transparency, at most 512 KiB, or raise `PhotoUnusable`."""
    return render_pack(photo, [look])[0]


def render_pack(photo: bytes, looks: Iterable[Look]) -> list[bytes]:
    """One sticker for each look, in order; the photo is opened and cut out once. Or raise `PhotoUnusable`."""
    subject = cut_subject(open_photo(photo))
    return [encode_sticker(compose(subject, look)) for look in looks]


# The photo


def open_photo(photo: bytes) -> Image.Image:
    """The photo upright and small, as RGB or, with transparency, RGBA. An animation gives its first frame."""
    try:
        with Image.open(io.BytesIO(photo), formats=FORMATS) as opened:
            _measure(opened)
            opened.draft("RGB", (SHORT_SIDE, SHORT_SIDE))  # before anything loads the pixels
            reduced = _coloured(_reduced(opened))
            turn = TURNS.get(opened.getexif().get(ExifTags.Base.Orientation, 1))  # loaded by now: a TIFF turns itself
            return reduced if turn is None else reduced.transpose(turn)
    except PhotoUnusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoUnusable(Fault.LARGE) from None
    except Exception as error:  # a malformed file makes Pillow's plugins raise whatever they stumble over
        raise PhotoUnusable(Fault.BROKEN) from error


def _measure(opened: Image.Image) -> None:
    if min(opened.size) < SIDE_MIN:
        raise PhotoUnusable(Fault.SMALL)
    if opened.width * opened.height > PIXELS_MAX.get(opened.format or "", PIXELS_MAX_DECODED):
        raise PhotoUnusable(Fault.LARGE)


def _reduced(opened: Image.Image) -> Image.Image:
    """The photo without what is far from its middle on a very long side, and at most `SHORT_SIDE` on the other."""
    short = min(opened.size)
    width, height = min(opened.width, short * ASPECT_MAX), min(opened.height, short * ASPECT_MAX)
    left, top = (opened.width - width) // 2, (opened.height - height) // 2
    box = (left, top, left + width, top + height)
    if short <= SHORT_SIDE:
        return opened.crop(box)
    # The numbers of a palette are no colours and can not be averaged.
    whole = opened.convert("RGBA") if opened.mode in ("P", "PA", "1") else opened
    scale = SHORT_SIDE / short
    size = round(width * scale), round(height * scale)
    return whole.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)


def _coloured(photo: Image.Image) -> Image.Image:
    """The photo in RGB or RGBA, whatever it came in. Sixteen bits and floats are stretched over what they use."""
    if photo.mode in ("F", "I") or photo.mode.startswith("I;16"):
        deep = photo.convert("F")
        extrema = deep.getextrema()
        low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]  # one band: two numbers
        scale = 255 / (high - low) if high > low else 0.0
        return deep.point(lambda value: value * scale - low * scale).convert("L").convert("RGB")
    if photo.has_transparency_data:
        return photo.convert("RGBA")
    return photo.convert("RGB")


# The sticker


def compose(subject: Subject, look: Look) -> Image.Image:
    """The sticker as RGBA, before it is encoded."""
    caption = drawn_caption(look.caption or "")
    floor = STICKER - EDGE - (caption.height - min(CAPTION_OVERLAP, caption.height // 3) if caption else 0)
    canvas = Image.new("RGBA", (STICKER, STICKER))
    figure = drawn_figure(subject, look)
    room = floor - EDGE
    figure = _fitted(figure, STICKER - 2 * EDGE - 14, room)
    canvas.alpha_composite(figure, ((STICKER - figure.width) // 2, EDGE + (room - figure.height) // 2))
    canvas.alpha_composite(edged(_decoration(look, floor), 5))
    if caption:
        canvas.alpha_composite(caption, ((STICKER - caption.width) // 2, STICKER - EDGE - caption.height + 6))
    return shadowed(edged(canvas, 9))


def encode_sticker(sticker: Image.Image, *, weight_max: int = WEIGHT_MAX) -> bytes:
    """The sticker as WebP in the best quality that weighs no more than so many bytes, or else in the lowest."""
    encoded = b""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        sticker.save(buffer, "WEBP", quality=quality, method=4)
        encoded = buffer.getvalue()
        if len(encoded) <= weight_max:
            break
    return encoded


def _stance(look: Look) -> Stance:
    """The pose with the emotion's nudge."""
    stance = STANCES[look.pose]
    return replace(stance, turn=stance.turn + TEMPERS[look.emotion].turn)


def drawn_figure(subject: Subject, look: Look) -> Image.Image:
    """The subject in its style and pose, as large as it comes."""
    stance = _stance(look)
    picture, mask = subject.picture, subject.mask
    if stance.zoom > 1:
        picture, mask = _moved_in(subject, stance.zoom)
    if stance.mirrored:
        picture, mask = ImageOps.mirror(picture), ImageOps.mirror(mask)
    figure = wash(stylise(picture, look.style), look.emotion)
    figure.putalpha(mask)
    stretch = TEMPERS[look.emotion].stretch
    if stretch != 1:
        figure = figure.resize((figure.width, round(figure.height * stretch)), Image.Resampling.BICUBIC)
    if stance.turn:
        figure = ImageOps.expand(figure, 2, (0, 0, 0, 0))  # turning leaves steps where colour ends at the border
        figure = figure.rotate(stance.turn, Image.Resampling.BICUBIC, expand=True)
    return figure.crop(figure.getchannel("A").point(lambda kept: 255 if kept > 20 else 0).getbbox())


def _moved_in(subject: Subject, zoom: float) -> tuple[Image.Image, Image.Image]:
    """The upper middle of the subject: where a head is, if there is one."""
    width, height = subject.picture.size
    # Of a tall subject, a whole person, the height goes first: the legs.
    cut_width = round(width / (zoom if width >= height * 0.8 else 1))
    cut_height = round(max(min(height, width * 1.1) / zoom, height / zoom**3))
    left, top = (width - cut_width) // 2, round((height - cut_height) * (0.0 if subject.cut else 0.35))
    box = (left, top, left + cut_width, top + cut_height)
    scale = max(width, height) / max(cut_width, cut_height)
    size = max(1, round(cut_width * scale)), max(1, round(cut_height * scale))
    picture = subject.picture.resize(size, Image.Resampling.BICUBIC, box=box)
    if not subject.cut:
        return picture, rounded(size)
    mask = subject.mask.resize(size, Image.Resampling.BICUBIC, box=box).filter(ImageFilter.GaussianBlur(scale * 1.2))
    mask = mask.point(lambda kept: max(0, min(255, (kept - 130) * 5)))  # enlarged, the edge would be a blur
    return picture, ImageChops.darker(mask, rounded(size, exponent=7))


def _fitted(figure: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / figure.width, height / figure.height)
    size = max(1, round(figure.width * scale)), max(1, round(figure.height * scale))
    return figure.resize(size, Image.Resampling.LANCZOS)


def _decoration(look: Look, floor: int) -> Image.Image:
    """The emotion's ornaments and face on nothing, above the caption; in a mirrored pose they swap sides."""
    temper = TEMPERS[look.emotion]
    layer = Image.new("RGBA", (STICKER, STICKER))
    squeeze = (floor + EDGE) / STICKER
    for ornament in temper.ornaments:
        drawn = drawn_ornament(ornament, STICKER)
        x, y = round(ornament.x * STICKER), round(ornament.y * STICKER * squeeze)
        layer.alpha_composite(drawn, inside(x - drawn.width // 2, y - drawn.height // 2, drawn))
    if temper.face:
        drawn = drawn_face(look.emotion, FACE)
        layer.alpha_composite(drawn, (STICKER - EDGE - FACE, floor - FACE))
    return ImageOps.mirror(layer) if _stance(look).mirrored else layer
