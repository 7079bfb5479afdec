"""Makes a Telegram sticker from a photo: opened, cropped, cut out, drawn in a style, decorated, outlined, encoded.

    bytes ─► photo ─► subject ─► figure ─────────────────► canvas ─► WebP
             upright,  what is    style, wash,              ornaments, face, caption;
             small     cut out    turned, mirrored, fitted  white outline, shadow

A photo becomes a subject once and a subject becomes any number of stickers. When the upper border of the photo is of
nearly one colour, or the photo has transparency of its own, the subject is what stands before it; otherwise it is the
interesting part of the photo in a rounded shape. Faces are not recognised: skin, colour and detail near the middle are.

Bounded: a photo's pixels are counted before they are decoded, a JPEG is decoded small, and everything after that works
on two megapixels at most. The same photo and look give the same bytes, as long as the fonts stay the same.

Fonts: Pillow's own has no Cyrillic letters. The first of `FONT_NAMES` that the system has is used; where there is
none, Cyrillic is written in Latin letters. A character that the font lacks, such as most emoji, is left out.

Pure but for reading the font's file, and takes a fifth of a second: a bot renders in a job, not in a turn.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from posthouse_apps.stickers.styles import (
    INK,
    STANCES,
    TEMPERS,
    WHITE,
    Emotion,
    Pose,
    Stance,
    Style,
    drawn_face,
    drawn_ornament,
    stylise,
    wash,
)

STICKER = 512  # pixels on both sides, as Telegram asks
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

FLOOD = 128  # pixels on the longer side of the flooded copy
LIKE = 26  # the largest difference in a channel at which a point is still wall
PLAIN_MIN = 0.9  # of the border must be wall
UPPER = 0.55  # of the sides counts as border: below stand shoulders and tables
WANDER_MAX = 11  # a disc's border is 4.5 times the root of its area, a standing person's about 8

FIGURE = 448  # pixels a figure is drawn in
EDGE = 22  # pixels of the canvas kept free for outline and shadow
FACE = 124
CAPTION_MAX = 160  # characters
CAPTION_WIDTH = STICKER - 56
CAPTION_OVERLAP = 24  # pixels of the figure that a caption may hide
CAPTION_LINES = 4
CAPTION_SIZES = (72, 64, 56, 50, 44, 38, 33, 29, 25)

FONT_NAMES = (
    "DejaVuSans-Bold.ttf",
    "NotoSans-Bold.ttf",
    "LiberationSans-Bold.ttf",
    "Arial Bold.ttf",
    "arialbd.ttf",
)
"""Looked for in the system's font folders, in this order."""

LATIN: dict[str, str] = dict(
    zip("абвгдеёзийклмнопрстуфыэьъіўґє", [*"abvgdeeziyklmnoprstufye", "", "", *"iuge"], strict=True)
) | {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya", "ї": "yi"}

Box = tuple[int, int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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


@dataclass(frozen=True, slots=True)
class Subject:
    """What a sticker is made of: a picture and, in the same size, how much of each point is kept.

    `cut` says that the mask follows the subject's own outline; otherwise it is a rounded shape.
    """

    picture: Image.Image
    mask: Image.Image
    cut: bool


def render_sticker(photo: bytes, look: Look) -> bytes:
    """A WebP of 512 x 512 pixels with transparency, at most 512 KiB, or raise `PhotoUnusable`."""
    return render_pack(photo, [look])[0]


def render_pack(photo: bytes, looks: Iterable[Look]) -> list[bytes]:
    """One sticker for each look, in order; the photo is opened and cut out once. Or raise `PhotoUnusable`."""
    subject = cut_subject(open_photo(photo))
    return [encode_sticker(compose(subject, look)) for look in looks]


def contact_sheet(stickers: Sequence[bytes], *, columns: int = 4, side: int = 256) -> bytes:
    """A PNG of all stickers in rows, each in a square of so many pixels, on soft checks."""
    if not stickers or columns < 1:
        raise ValueError(f"a contact sheet needs stickers and columns, got {len(stickers)} and {columns}")
    columns = min(columns, len(stickers))
    rows = -(-len(stickers) // columns)
    gap = side // 16
    sheet = _checks((columns * (side + gap) + gap, rows * (side + gap) + gap))
    for index, sticker in enumerate(stickers):
        row, column = divmod(index, columns)
        with Image.open(io.BytesIO(sticker)) as opened:
            tile = opened.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(tile, (gap + column * (side + gap), gap + row * (side + gap)), tile)
    return _png(sheet)


@lru_cache(maxsize=len(Style))
def style_example(style: Style, side: int = 320) -> bytes:
    """A PNG that shows the style on a drawn person, for a person who has sent no photo yet."""
    person = drawn_person().resize((FIGURE, FIGURE), Image.Resampling.LANCZOS)
    subject = Subject(person, _rounded(person.size), cut=False)
    sticker = compose(subject, Look(style)).resize((side, side), Image.Resampling.LANCZOS)
    page = _checks((side, side))
    page.paste(sticker, (0, 0), sticker)
    return _png(page)


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


# The subject


def cut_subject(photo: Image.Image) -> Subject:
    """The part of an opened photo that a sticker is made of."""
    picture = photo.convert("RGB")
    outline = _own_outline(photo) or _outline_before_plain(picture)
    if outline is None or _is_ground(_kept_box(outline), picture.width):
        picture = picture.crop(_interesting(picture))
        picture = picture.resize((FIGURE, FIGURE), Image.Resampling.LANCZOS)
        return Subject(picture, _rounded(picture.size), cut=False)
    box = _kept_box(outline)
    scale = FIGURE / max(box[2] - box[0], box[3] - box[1])
    size = max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale))
    mask = outline.crop(box).resize(size, Image.Resampling.BICUBIC)
    picture = picture.crop(box).resize(size, Image.Resampling.LANCZOS)
    mask = ImageChops.darker(mask, _rounded(size, exponent=9))  # no sharp corners where the photo's border cut it off
    return Subject(_without_wall(picture, mask), mask, cut=True)


def _without_wall(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The subject's own colours spread over what is cut away, so that no filter draws the wall into its rim."""
    own = picture.convert("RGBA")
    own.putalpha(mask.point(lambda kept: 255 if kept > 200 else 0))
    spread = Image.new("RGB", (1, 1))
    for cells in (1, 12, 40):
        coarse = own.resize((cells, cells), Image.Resampling.BOX).convert("RGBA")
        spread = spread.resize((cells, cells), Image.Resampling.BICUBIC)
        spread.paste(coarse.convert("RGB"), mask=coarse.getchannel("A").point(lambda kept: 255 if kept else 0))
    return Image.composite(picture, spread.resize(picture.size, Image.Resampling.BICUBIC), own.getchannel("A"))


def _kept_box(outline: Image.Image) -> Box:
    """The smallest rectangle around what a mask keeps."""
    return outline.point(lambda kept: 255 if kept > 127 else 0).getbbox() or (0, 0, *outline.size)


def _is_ground(box: Box, width: int) -> bool:
    """Whether what was cut out is a low strip from side to side: hills under a sky, a table before a wall."""
    return box[2] - box[0] > width * 0.96 and box[3] - box[1] < width * 0.55


def _own_outline(photo: Image.Image) -> Image.Image | None:
    """The transparency that the photo came with, if it shapes anything."""
    if photo.mode != "RGBA":
        return None
    alpha = photo.getchannel("A")
    kept = _share(alpha)
    return alpha if 0.04 < kept < 0.97 else None


def _outline_before_plain(picture: Image.Image) -> Image.Image | None:
    """What stands before a wall of nearly one colour, or nothing if there is no such wall or it can not be told apart.

    The wall's colour is taken at both upper corners and halfway down, so that light falling on it does no harm. A small
    copy is flooded from its border; in the large one everything like the wall goes, but only where the flood came.
    """
    scale = FLOOD / max(picture.size)
    size = max(8, round(picture.width * scale)), max(8, round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.BOX)
    wall = _wall(small)
    unlike = _unlike(small, wall.resize(size)).tobytes()
    if _plainness(unlike, size) < PLAIN_MIN:
        return None
    flooded = _flooded(unlike, size)
    kept = _largest(flooded, size)
    if kept is None:
        return None
    reach = ImageChops.invert(Image.frombytes("L", size, kept)).filter(ImageFilter.MaxFilter(3))
    reach = reach.resize(picture.size, Image.Resampling.BILINEAR)
    soft = picture.filter(ImageFilter.GaussianBlur(1))
    like = _unlike(soft, wall.resize(picture.size)).point(lambda far: max(0, min(255, (LIKE + 4 - far) * 255 // 12)))
    islands = ImageChops.invert(Image.frombytes("L", size, kept).filter(ImageFilter.MaxFilter(3)))
    gone = ImageChops.lighter(ImageChops.darker(like, reach), islands.resize(picture.size, Image.Resampling.BILINEAR))
    # Blurred and made steep again below the middle: smooth, and a breath smaller, so that no rim of wall is left.
    return gone.filter(ImageFilter.GaussianBlur(2.2)).point(lambda share: max(0, min(255, (110 - share) * 4)))


def _wall(small: Image.Image) -> Image.Image:
    """What the photo would be without its subject, as a small picture that is stretched over it."""
    width, height = small.size
    patch = max(2, min(small.size) // 12)
    row = round(height * UPPER) - patch
    corners = [(0, 0), (width - patch, 0), (0, row), (width - patch, row)]
    colours = [_median(small.crop((x, y, x + patch, y + patch))) for x, y in corners]
    two = Image.new("RGB", (2, 2))
    for index, colour in enumerate(colours):
        two.putpixel((index % 2, index // 2), colour)
    upper = two.resize((width, round(height * UPPER)), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    wall = Image.new("RGB", small.size)
    lowest = upper.crop((0, upper.height - 1, width, upper.height)).resize(small.size)
    wall.paste(lowest)
    wall.paste(upper)
    return wall


def _median(patch: Image.Image) -> tuple[int, int, int]:
    red, green, blue = (sorted(band.tobytes())[patch.width * patch.height // 2] for band in patch.split())
    return red, green, blue


def _unlike(picture: Image.Image, wall: Image.Image) -> Image.Image:
    """How far each point is from the wall: the largest difference of its channels."""
    red, green, blue = ImageChops.difference(picture, wall).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _plainness(unlike: bytes, size: tuple[int, int]) -> float:
    """The share of the upper border that is wall."""
    width, height = size
    border = list(unlike[:width])
    for y in range(1, round(height * UPPER)):
        border += (unlike[y * width], unlike[(y + 1) * width - 1])
    return sum(far <= LIKE for far in border) / len(border)


def _flooded(unlike: bytes, size: tuple[int, int]) -> bytearray:
    """White wherever wall can be reached from the border over wall."""
    width, height = size
    wet = bytearray(width * height)
    rim = [*range(width), *range((height - 1) * width, height * width)]
    rim += [y * width + x for y in range(height) for x in (0, width - 1)]
    front = [at for at in rim if unlike[at] <= LIKE]
    for at in front:
        wet[at] = 255
    while front:
        at = front.pop()
        for near in _beside(at, width, height):
            if not wet[near] and unlike[near] <= LIKE:
                wet[near] = 255
                front.append(near)
    return wet


def _largest(flooded: bytearray, size: tuple[int, int]) -> bytes | None:
    """White where the largest dry pieces are, or nothing if they are no good subject.

    Good is neither a crumb nor everything, and has a border that does not wander: a white shirt before a white wall is
    flooded in creeks, and a rounded shape looks better than a shirt with holes.
    """
    width, height = size
    piece_of = [0] * (width * height)
    areas = [0]
    for start in range(width * height):
        if flooded[start] or piece_of[start]:
            continue
        areas.append(0)
        piece_of[start] = len(areas) - 1
        front = [start]
        while front:
            at = front.pop()
            areas[-1] += 1
            for near in _beside(at, width, height):
                if not flooded[near] and not piece_of[near]:
                    piece_of[near] = len(areas) - 1
                    front.append(near)
    keep = [area >= max(areas) * 0.15 and area > 0 for area in areas]
    kept = bytes(255 if keep[piece] else 0 for piece in piece_of)
    area = kept.count(255)
    if not 0.06 <= area / (width * height) <= 0.85:
        return None
    rim = sum(one != two for one, two in pairwise(kept)) + sum(
        one != two for one, two in zip(kept, kept[width:], strict=False)
    )
    return kept if rim <= WANDER_MAX * math.sqrt(area) else None


def _beside(at: int, width: int, height: int) -> Iterable[int]:
    x = at % width
    if x:
        yield at - 1
    if x < width - 1:
        yield at + 1
    if at >= width:
        yield at - width
    if at < width * (height - 1):
        yield at + width


def _interesting(picture: Image.Image) -> Box:
    """The square that holds most of what draws the eye: skin, colour and detail, the more the nearer to the middle."""
    scale = 56 / max(picture.size)
    small = picture.resize(
        (max(4, round(picture.width * scale)), max(4, round(picture.height * scale))), Image.Resampling.BOX
    )
    width, height = small.size
    detail = small.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1.5)).tobytes()
    colour = small.convert("HSV").getchannel("S").tobytes()
    _, blue, red = (band.tobytes() for band in small.convert("YCbCr").split())
    total = sum_x = sum_y = sum_xx = sum_yy = 0.0
    for y in range(1, height - 1):  # without the border, where an edge filter shows the frame
        for x in range(1, width - 1):
            at = y * width + x
            u, v = x / width - 0.5, y / height - 0.5
            skin = 110 if 135 <= red[at] <= 173 and 80 <= blue[at] <= 126 else 0
            weight = (detail[at] + 0.25 * colour[at] + skin + 2) * math.exp(-(u * u + v * v) * 5)
            total += weight
            sum_x, sum_y = sum_x + weight * x, sum_y + weight * y
            sum_xx, sum_yy = sum_xx + weight * x * x, sum_yy + weight * y * y
    middle_x, middle_y = sum_x / total, sum_y / total
    spread = math.sqrt(max(0.0, (sum_xx + sum_yy) / total - middle_x**2 - middle_y**2))
    short = min(picture.size)
    # An even square spreads by 0.41 of its side; half as much again is air around what was found.
    side = round(max(0.66 * short, min(short, spread / 0.41 * 1.5 / scale)))
    left = round(min(max(0, middle_x / scale - side / 2), picture.width - side))
    top = round(min(max(0, middle_y / scale - side / 2), picture.height - side))
    return left, top, left + side, top + side


def _share(mask: Image.Image) -> float:
    """How much of a mask is white."""
    return sum(count * value for value, count in enumerate(mask.histogram())) / (255 * mask.width * mask.height)


@lru_cache(maxsize=16)
def _rounded(size: tuple[int, int], exponent: float = 4.2) -> Image.Image:
    """A superellipse that fills the size: between an oval and a rectangle, without a visible corner."""
    width, height = size[0] * 2, size[1] * 2
    outline = []
    for step in range(240):
        cos, sin = math.cos(math.pi * step / 120), math.sin(math.pi * step / 120)
        outline.append(
            (
                width / 2 * (1 + math.copysign(abs(cos) ** (2 / exponent), cos)),
                height / 2 * (1 + math.copysign(abs(sin) ** (2 / exponent), sin)),
            )
        )
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask.resize(size, Image.Resampling.BOX)


# The sticker


def compose(subject: Subject, look: Look) -> Image.Image:
    """The sticker as RGBA, before it is encoded."""
    caption = _drawn_caption(look.caption or "")
    floor = STICKER - EDGE - (caption.height - min(CAPTION_OVERLAP, caption.height // 3) if caption else 0)
    canvas = Image.new("RGBA", (STICKER, STICKER))
    figure = drawn_figure(subject, look)
    room = floor - EDGE
    figure = _fitted(figure, STICKER - 2 * EDGE - 14, room)
    canvas.alpha_composite(figure, ((STICKER - figure.width) // 2, EDGE + (room - figure.height) // 2))
    canvas.alpha_composite(_edged(_decoration(look, floor), 5))
    if caption:
        canvas.alpha_composite(caption, ((STICKER - caption.width) // 2, STICKER - EDGE - caption.height + 6))
    return _shadowed(_edged(canvas, 9))


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
        return picture, _rounded(size)
    mask = subject.mask.resize(size, Image.Resampling.BICUBIC, box=box).filter(ImageFilter.GaussianBlur(scale * 1.2))
    mask = mask.point(lambda kept: max(0, min(255, (kept - 130) * 5)))  # enlarged, the edge would be a blur
    return picture, ImageChops.darker(mask, _rounded(size, exponent=7))


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
        layer.alpha_composite(drawn, _inside(x - drawn.width // 2, y - drawn.height // 2, drawn))
    if temper.face:
        drawn = drawn_face(look.emotion, FACE)
        layer.alpha_composite(drawn, (STICKER - EDGE - FACE, floor - FACE))
    return ImageOps.mirror(layer) if _stance(look).mirrored else layer


def _inside(left: int, top: int, drawn: Image.Image) -> tuple[int, int]:
    """The nearest place that keeps a shape and its edge on the canvas."""
    return (
        max(EDGE - 4, min(left, STICKER - EDGE + 4 - drawn.width)),
        max(EDGE - 4, min(top, STICKER - EDGE + 4 - drawn.height)),
    )


def _edged(layer: Image.Image, width: int) -> Image.Image:
    """The layer on a white edge of so many pixels that follows its outline, rounded where it is sharp."""
    # A blurred straight edge has fallen to a tenth at 1.28 of the blur's radius: cut off there, it has moved outwards.
    grown = layer.getchannel("A").filter(ImageFilter.GaussianBlur(width / 1.28))
    edge = Image.new("RGBA", layer.size, (*WHITE, 255))
    edge.putalpha(grown.point(lambda light: max(0, min(255, (light - 18) * 16))))
    edge.alpha_composite(layer)
    return edge


def _shadowed(layer: Image.Image) -> Image.Image:
    """The layer over its own soft shadow, which falls a little downwards."""
    shade = ImageChops.offset(layer.getchannel("A").filter(ImageFilter.GaussianBlur(5)), 0, 4)
    shadow = Image.new("RGBA", layer.size, (*INK, 255))
    shadow.putalpha(shade.point(lambda light: light * 90 // 255))
    shadow.alpha_composite(layer)
    return shadow


# The caption


def _drawn_caption(caption: str) -> Image.Image | None:
    """The caption in white letters with a dark rim, on nothing and cropped; or None if no letter is left of it."""
    text = legible(caption, caption_font(CAPTION_SIZES[0]))
    if not text:
        return None
    lines, font, size = _set(text)
    rim = max(3, size // 11)
    step = round(size * 1.12)
    layer = Image.new("RGBA", (STICKER - 2 * EDGE + 16, step * len(lines) + size))
    draw = ImageDraw.Draw(layer)
    for stroke, fill in ((rim, INK), (0, WHITE)):  # all rims first: none covers the letters of the line above
        for row, line in enumerate(lines):
            draw.text(
                (layer.width / 2, step * row + size),
                line,
                font=font,
                fill=fill,
                anchor="ms",
                stroke_width=stroke,
                stroke_fill=INK,
            )
    box = layer.getbbox()
    return layer.crop(box) if box else None


def _set(text: str) -> tuple[list[str], Font, int]:
    """The text in lines, in the largest letters in which it fits; in the smallest, it ends in an ellipsis."""
    for size in CAPTION_SIZES:
        font = caption_font(size)
        lines = wrap(text, font, CAPTION_WIDTH)
        rows_max = 1 if size > 56 else 2 if size > 44 else 3 if size > 38 else CAPTION_LINES
        if len(lines) <= rows_max and not (size > CAPTION_SIZES[-1] and _breaks_word(text, lines)):
            return lines, font, size
    last = lines[CAPTION_LINES - 1]
    while last and font.getlength(last + "…") > CAPTION_WIDTH:
        last = last[:-1]
    return [*lines[: CAPTION_LINES - 1], last.rstrip() + "…"], font, size


def _breaks_word(text: str, lines: Sequence[str]) -> bool:
    return " ".join(lines) != text


def wrap(text: str, font: Font, width: float) -> list[str]:
    """The text in lines no wider than so many pixels, broken between words, and within one that is too wide alone."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        line = ""
        for letter in word:
            if line and font.getlength(line + letter) > width:
                lines.append(line)
                line = ""
            line += letter
    return [*lines, line] if line else lines


def legible(caption: str, font: Font) -> str:
    """The caption on one line with only what the font can draw; Cyrillic in Latin letters if it has none of its own."""
    text = " ".join(unicodedata.normalize("NFC", caption[:CAPTION_MAX]).split())
    if not _draws("Ж", font):
        latin = "".join(_in_latin(letter) for letter in text)
        text = latin.upper() if text.isupper() else latin
    drawable = {letter for letter in set(text) if letter == " " or (letter.isprintable() and _draws(letter, font))}
    return " ".join("".join(letter for letter in text if letter in drawable).split())


def _in_latin(letter: str) -> str:
    latin = LATIN.get(letter.lower())
    if latin is None:
        return letter
    return latin if letter.islower() else latin.capitalize()


def _draws(letter: str, font: Font) -> bool:
    """Whether the font has the letter: what it lacks looks like what no font has."""
    shown, missing = font.getmask(letter), font.getmask("\U0010fffe")
    return (shown.size, bytes(shown)) != (missing.size, bytes(missing))


@lru_cache(maxsize=32)
def caption_font(size: int) -> Font:
    """The font that captions are set in; Pillow's own where the system has none of `FONT_NAMES`."""
    path = _font_path()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _font_path() -> str | None:
    for name in FONT_NAMES:
        try:
            return str(ImageFont.truetype(name, 12).path)
        except OSError:
            continue
    return None


# Around the stickers


def _checks(size: tuple[int, int], check: int = 16) -> Image.Image:
    """Soft checks, which show that what lies on them is transparent."""
    page = Image.new("RGB", size, (236, 239, 246))
    draw = ImageDraw.Draw(page)
    for y in range(0, size[1], check):
        for x in range(y // check % 2 * check, size[0], check * 2):
            draw.rectangle((x, y, x + check - 1, y + check - 1), fill=(224, 229, 240))
    return page


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@lru_cache(maxsize=1)
def drawn_person() -> Image.Image:
    """A drawn person before an evening sky, for examples."""
    scale = 2
    side = 480 * scale
    picture = Image.new("RGB", (1, 3))
    for row, colour in enumerate(((122, 196, 255), (255, 214, 170), (255, 150, 130))):
        picture.putpixel((0, row), colour)
    picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)

    def oval(x: float, y: float, wide: float, high: float, colour: tuple[int, int, int]) -> None:
        draw.ellipse([(n * scale) for n in (x - wide, y - high, x + wide, y + high)], fill=colour)

    oval(386, 96, 44, 44, (255, 244, 200))
    oval(90, 470, 190, 110, (104, 140, 120))
    oval(420, 480, 210, 130, (84, 118, 108))
    oval(240, 520, 176, 150, (44, 110, 170))  # jacket
    oval(240, 232, 128, 142, (74, 44, 36))  # hair
    oval(240, 330, 118, 110, (74, 44, 36))
    draw.rounded_rectangle([n * scale for n in (204, 310, 276, 420)], 30 * scale, fill=(214, 154, 122))
    oval(240, 396, 52, 34, (214, 154, 122))
    oval(240, 250, 96, 116, (240, 186, 152))
    draw.pieslice([n * scale for n in (138, 108, 342, 330)], 186, 354, fill=(74, 44, 36))
    oval(206, 196, 76, 40, (74, 44, 36))
    for x in (200, 280):
        oval(x, 254, 15, 11, (255, 255, 255))
        oval(x, 254, 9, 10, (60, 40, 34))
        oval(x - 3, 250, 3, 3, (255, 255, 255))
        draw.arc([n * scale for n in (x - 24, 222, x + 24, 254)], 215, 325, fill=(74, 44, 36), width=5 * scale)
        oval(x + (x - 240) * 0.45, 292, 20, 13, (246, 160, 136))
    draw.arc([n * scale for n in (228, 262, 252, 292)], 20, 150, fill=(196, 128, 100), width=4 * scale)
    draw.chord([n * scale for n in (204, 282, 276, 336)], 15, 165, fill=(176, 60, 66))
    return picture.filter(ImageFilter.GaussianBlur(1.5)).resize((480, 480), Image.Resampling.LANCZOS)
