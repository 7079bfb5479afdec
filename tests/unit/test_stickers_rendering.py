"""Stickers: whatever picture and words come in, Telegram takes what comes out, and no two looks are alike."""

from __future__ import annotations

import io
import zlib
from functools import lru_cache
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps, ImageStat

from posthouse_apps.stickers.canvas import STICKER
from posthouse_apps.stickers.captions import CAPTION_MAX, CAPTION_WIDTH, caption_font, legible, wrap
from posthouse_apps.stickers.cutout import Subject, cut_subject
from posthouse_apps.stickers.ornaments import OUTLINES
from posthouse_apps.stickers.rendering import (
    PIXELS_MAX_DECODED,
    SIDE_MIN,
    WEIGHT_MAX,
    Fault,
    Look,
    PhotoUnusable,
    compose,
    drawn_figure,
    encode_sticker,
    open_photo,
    render_pack,
    render_sticker,
)
from posthouse_apps.stickers.sheets import contact_sheet, drawn_person, style_example
from posthouse_apps.stickers.styles import STANCES, TEMPERS, Emotion, Pose, Style, stylise

LOOKS = [Look(style, emotion, pose) for style, emotion, pose in product(Style, Emotion, Pose)]


@lru_cache
def scene(width: int = 640, height: int = 480) -> Image.Image:
    """A drawn person before an evening sky."""
    return ImageOps.fit(drawn_person(), (width, height))


@lru_cache
def thicket(width: int = 640, height: int = 480) -> Image.Image:
    """Patches of every light and colour: nothing that can be cut out."""
    picture = Image.new("RGB", (16, 12))
    for at in range(16 * 12):
        picture.putpixel((at % 16, at // 16), (at * 73 % 256, at * 151 % 256, at * 199 % 256))
    return picture.resize((width, height), Image.Resampling.BICUBIC)


@lru_cache
def figure_on_wall(width: int = 640, height: int = 480) -> Image.Image:
    """A red disc on a grey wall that is lighter to the right."""
    slope = Image.linear_gradient("L").rotate(90).resize((width, height)).point(lambda light: 170 + light // 6)
    wall = Image.merge("RGB", (slope, slope, slope))
    radius = height // 4
    ImageDraw.Draw(wall).ellipse(
        (width // 2 - radius, height // 2 - radius, width // 2 + radius, height // 2 + radius), fill=(200, 40, 40)
    )
    return wall


def saved(picture: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_, **options)
    return buffer.getvalue()


def opened(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded))


@lru_cache
def small_subject() -> Subject:
    """A subject that is quick to draw."""
    subject = cut_subject(scene())
    return Subject(subject.picture.resize((72, 72)), subject.mask.resize((72, 72)), cut=False)


def is_sticker(encoded: bytes) -> bool:
    """What Telegram asks of a static sticker, and that there is something on it and something around it."""
    with opened(encoded) as sticker:
        low, high = sticker.convert("RGBA").getchannel("A").getextrema()
        return (
            sticker.format == "WEBP"
            and sticker.size == (STICKER, STICKER)
            and sticker.mode == "RGBA"
            and len(encoded) <= WEIGHT_MAX
            and (low, high) == (0, 255)
        )


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures' channels, from 0 to 255."""
    stat = ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    return sum(stat.mean) / 3


# What comes out


def test_a_sticker_is_what_telegram_takes() -> None:
    """A photo becomes a WebP of 512 x 512 with transparency that is light enough."""
    assert is_sticker(render_sticker(saved(scene(1280, 960)), Look(Style.POP, Emotion.LOVE, Pose.TILTED, "Hello")))


def test_the_same_photo_and_look_give_the_same_bytes() -> None:
    """Rendering depends on nothing but its arguments, also in the styles with grain and pencil strokes."""
    photo = saved(scene())
    looks = [Look(Style.NOIR, Emotion.PARTY, Pose.LEANING, "Ещё раз"), Look(Style.SKETCH)]
    assert render_pack(photo, looks) == [render_sticker(photo, look) for look in looks]


def test_a_heavy_sticker_is_encoded_in_lower_quality() -> None:
    """Quality falls until the weight fits."""
    noise = Image.effect_noise((STICKER, STICKER), 90).convert("RGBA")
    best, light = encode_sticker(noise), encode_sticker(noise, weight_max=100_000)
    assert len(light) <= 100_000 < len(best) <= WEIGHT_MAX


def test_nothing_reaches_the_canvas_border() -> None:
    """Outline, ornaments and caption stay inside, so that nothing looks cut off."""
    for pose, emotion in zip(
        Pose, (Emotion.PARTY, Emotion.SLEEPY, Emotion.SURPRISED, Emotion.LOVE, Emotion.COOL), strict=True
    ):
        alpha = compose(small_subject(), Look(pose=pose, emotion=emotion, caption="Wide words, wide words")).getchannel(
            "A"
        )
        inner = alpha.copy()
        inner.paste(0, (4, 4, STICKER - 4, STICKER - 4))
        assert inner.getextrema()[1] <= 60, (pose, emotion)  # no more than the end of the shadow


def test_the_outline_is_white() -> None:
    """Walking in from the left, the first opaque point belongs to the white edge."""
    sticker = compose(small_subject(), Look(Style.NOIR))
    row = [sticker.getpixel((x, STICKER // 2)) for x in range(STICKER)]
    assert next(point for point in row if point[3] == 255)[:3] == (255, 255, 255)


# Looks


def test_every_style_emotion_and_pose_go_together() -> None:
    """The figure can be drawn in each of the combinations."""
    for look in LOOKS:
        figure = drawn_figure(small_subject(), look)
        assert figure.mode == "RGBA"
        assert figure.getchannel("A").getextrema()[1] == 255, look


def test_every_two_of_style_emotion_and_pose_make_a_sticker() -> None:
    """The whole sticker is composed for a choice of looks in which every two values meet."""
    poses = list(Pose)
    for (i, style), (j, emotion) in product(enumerate(Style), enumerate(Emotion)):
        sticker = compose(small_subject(), Look(style, emotion, poses[(i + j) % len(poses)]))
        assert (sticker.mode, sticker.size) == ("RGBA", (STICKER, STICKER))


def test_styles_differ_from_one_another() -> None:
    """Any two styles of the same picture are told apart at a glance."""
    picture = scene(240, 240)
    drawn = {style: stylise(picture, style) for style in Style}
    assert {style: one.size for style, one in drawn.items()} == dict.fromkeys(Style, picture.size)
    for one, other in combinations(Style, 2):
        assert difference(drawn[one], drawn[other]) > 4, (one, other)
    # Large pixels keep the colours; all others are far from the original.
    far = {style for style in Style if difference(drawn[style], drawn[Style.ORIGINAL]) > 12}
    assert far >= set(Style) - {Style.ORIGINAL, Style.PIXEL}


def test_emotions_differ_from_one_another() -> None:
    """Each emotion has a face, ornaments or a colour of its own."""
    stickers = [compose(small_subject(), Look(emotion=emotion)) for emotion in Emotion]
    for one, other in combinations(stickers, 2):
        assert difference(one, other) > 1


def test_poses_differ_from_one_another() -> None:
    """Each pose moves the picture."""
    stickers = [compose(small_subject(), Look(pose=pose)) for pose in Pose]
    for one, other in combinations(stickers, 2):
        assert difference(one, other) > 4


def test_a_mirrored_figure_is_the_mirror_of_a_straight_one() -> None:
    """Mirroring changes nothing else, where a style draws no texture."""
    straight = drawn_figure(small_subject(), Look(Style.ORIGINAL))
    mirrored = drawn_figure(small_subject(), Look(Style.ORIGINAL, pose=Pose.MIRRORED))
    assert difference(ImageOps.mirror(straight), mirrored) < 1


def test_every_look_has_its_row_in_the_tables() -> None:
    """No emotion, pose or ornament is without a drawing."""
    assert set(TEMPERS) == set(Emotion)
    assert set(STANCES) == set(Pose)
    assert {ornament.shape for temper in TEMPERS.values() for ornament in temper.ornaments} == set(OUTLINES)


# Captions


@pytest.mark.parametrize(
    "caption",
    [
        None,
        "",
        "   ",
        "Hi",
        "Привет, мир!",
        "ЩЁЛК",
        "🎉🔥",
        "ура 🎉",
        "x" * 500,
        "слово " * 200,
        "a\nb\tc\x00",
        "שלום",
        "e\u0301",
    ],
)
def test_any_caption_makes_a_sticker(caption: str | None) -> None:
    """Long, empty, Cyrillic or not drawable at all: there is a sticker."""
    assert compose(small_subject(), Look(caption=caption)).size == (STICKER, STICKER)


def test_a_caption_is_seen_and_an_empty_one_changes_nothing() -> None:
    """Words show; blanks are no caption."""
    plain, blank, said = (compose(small_subject(), Look(caption=caption)) for caption in (None, " \n", "Да!"))
    assert difference(plain, blank) == 0
    assert difference(plain, said) > 3


def test_a_font_without_cyrillic_gets_latin_letters() -> None:
    """Pillow's own font writes Russian in Latin letters and keeps the case of the words."""
    own = ImageFont.load_default(20)
    assert legible("Привет, Яна! Щётка", own) == "Privet, Yana! Shchetka"
    assert legible("ЖУК И ОБЪЕЗД", own) == "ZHUK I OBEZD"
    assert legible("Хто ї", own) == "Khto yi"


def test_what_no_font_draws_is_left_out() -> None:
    """Emoji that the font lacks and control characters vanish with the blanks around them."""
    assert legible("ура \U0001fae8\u200d \x07 ок", ImageFont.load_default(20)) == "ura ok"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_legible_text_is_one_line_of_bounded_length(caption: str) -> None:
    """Whatever a person types becomes one trimmed printable line, which is legible already."""
    font = caption_font(25)
    text = legible(caption, font)
    assert text == " ".join(text.split())
    assert text.isprintable()
    assert len(text) <= CAPTION_MAX * 4  # of one Cyrillic letter come four Latin ones at most
    assert legible(text[:CAPTION_MAX], font) == text[:CAPTION_MAX].strip()


@settings(max_examples=60, deadline=None)
@given(st.text("abcWЖщ -", max_size=120))
def test_wrapping_loses_no_letter_and_no_line_is_too_wide(text: str) -> None:
    """Lines hold all letters in order, each within the width."""
    font = caption_font(44)
    lines = wrap(text, font, CAPTION_WIDTH)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(font.getlength(line) <= CAPTION_WIDTH for line in lines)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=200))
def test_any_words_make_a_sticker(caption: str) -> None:
    """No text makes rendering fail."""
    assert compose(small_subject(), Look(caption=caption)).size == (STICKER, STICKER)


# Photos


def deep(mode: str) -> Image.Image:
    """A slope in more than eight bits."""
    grey = scene(200, 160).convert("L").convert("I").point(lambda light: light * 200 + 3000)
    return grey if mode == "I" else grey.convert(mode)


PHOTOS = {
    "jpeg": lambda: saved(scene()),
    "mpo": lambda: saved(scene(), "MPO", save_all=True, append_images=[scene()]),
    "progressive": lambda: saved(scene(), progressive=True),
    "grey": lambda: saved(scene().convert("L")),
    "cmyk": lambda: saved(scene().convert("CMYK")),
    "png": lambda: saved(scene(), "PNG"),
    "palette": lambda: saved(scene().quantize(32), "PNG"),
    "palette with a transparent colour": lambda: saved(scene().quantize(32), "PNG", transparency=3),
    "large palette": lambda: saved(scene(1600, 1200).quantize(32), "PNG"),
    "grey with alpha": lambda: saved(scene().convert("LA"), "PNG"),
    "black and white": lambda: saved(scene().convert("1"), "PNG"),
    "16-bit png": lambda: saved(deep("I;16"), "PNG"),
    "large 16-bit png": lambda: saved(deep("I;16").resize((1000, 900)), "PNG"),
    "32-bit tiff": lambda: saved(deep("I"), "TIFF"),
    "float tiff": lambda: saved(deep("F"), "TIFF"),
    "tiff": lambda: saved(scene(), "TIFF"),
    "bmp": lambda: saved(scene(), "BMP"),
    "webp": lambda: saved(scene(), "WEBP"),
    "avif": lambda: saved(scene(200, 160), "AVIF"),
    "gif": lambda: saved(scene(), "GIF"),
    "animated gif": lambda: saved(scene(), "GIF", save_all=True, append_images=[figure_on_wall()]),
    "animated webp": lambda: saved(scene(), "WEBP", save_all=True, append_images=[figure_on_wall()]),
    "panorama": lambda: saved(scene(3000, 70)),
    "tower": lambda: saved(scene(70, 3000)),
    "the smallest": lambda: saved(scene(SIDE_MIN, SIDE_MIN)),
    "one colour": lambda: saved(Image.new("RGB", (300, 200), (90, 120, 200))),
    "nothing to see": lambda: saved(Image.new("RGBA", (300, 200)), "PNG"),
}


@pytest.mark.parametrize("kind", PHOTOS)
def test_any_kind_of_picture_makes_a_sticker(kind: str) -> None:
    """Modes, depths, palettes, animations and odd shapes are all opened, small, in colour."""
    photo = open_photo(PHOTOS[kind]())
    assert photo.mode in ("RGB", "RGBA")
    assert min(photo.size) <= 720
    assert max(photo.size) <= 3 * 720
    assert compose(cut_subject(photo), Look()).size == (STICKER, STICKER)


@pytest.mark.parametrize(
    "kind", ["cmyk", "palette", "16-bit png", "large 16-bit png", "32-bit tiff", "animated gif", "webp"]
)
def test_a_picture_looks_the_same_in_every_format(kind: str) -> None:
    """Colours, or for many bits the lights, survive being opened; an animation shows its first frame."""
    photo = open_photo(PHOTOS[kind]())
    original = scene().resize(photo.size) if "bit" not in kind else scene(200, 160).resize(photo.size).convert("L")
    assert difference(photo.convert("L"), original.convert("L")) < 25


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_stands_upright(orientation: int, format_: str) -> None:
    """The camera's note which side is up is followed, in every format that has it."""
    transposes = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # as the sensor saw it: the note undoes this
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = scene(160, 120)
    seen = upright.transpose(transposes[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = open_photo(saved(seen, format_, exif=exif))
    assert photo.size == upright.size
    assert difference(photo, upright) < 6


def bomb() -> bytes:
    """A file of a few bytes that says it has more pixels than fit into memory."""
    png = bytearray(saved(Image.new("1", (64, 64)), "PNG"))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")  # so that only the size is wrong
    return bytes(png)


@pytest.mark.parametrize(
    ("photo", "fault"),
    [
        (b"", Fault.BROKEN),
        (b"hello", Fault.BROKEN),
        (bytes(range(256)) * 40, Fault.BROKEN),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Fault.BROKEN),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", Fault.BROKEN),
        (saved(scene())[:5000], Fault.BROKEN),
        (saved(scene(), "PNG")[:5000], Fault.BROKEN),
        (saved(scene(SIDE_MIN - 1, 400)), Fault.SMALL),
        (saved(Image.new("1", (5001, PIXELS_MAX_DECODED // 5000)), "PNG"), Fault.LARGE),
        (bomb(), Fault.LARGE),
    ],
    ids=["empty", "text", "bytes", "svg", "postscript", "half a jpeg", "half a png", "tiny", "large", "bomb"],
)
def test_an_unusable_photo_says_why(photo: bytes, fault: Fault) -> None:
    """What can not be used is refused before it is decoded, with a reason in words."""
    with pytest.raises(PhotoUnusable, match=fault.value) as refusal:
        render_sticker(photo, Look())
    assert refusal.value.fault is fault


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_photo_is_opened_or_refused(data: st.DataObject) -> None:
    """Flipped bytes give a picture or `PhotoUnusable`, and nothing else."""
    photo = bytearray(
        data.draw(st.sampled_from([saved(scene(96, 80), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP")]))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        photo[data.draw(st.integers(0, len(photo) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert open_photo(bytes(photo)).mode in ("RGB", "RGBA")
    except PhotoUnusable:
        pass


# Subjects


def test_a_figure_before_a_plain_wall_is_cut_out() -> None:
    """The mask of a disc is a disc, although the wall is lighter on one side."""
    subject = cut_subject(figure_on_wall())
    assert subject.cut
    disc = Image.new("L", subject.mask.size)
    ImageDraw.Draw(disc).ellipse((0, 0, disc.width - 1, disc.height - 1), fill=255)
    assert difference(subject.mask, disc) < 8
    assert abs(subject.mask.width - subject.mask.height) < 12


def test_the_wall_does_not_stay_around_a_cut_figure() -> None:
    """Behind the mask lie the figure's own colours, so that a filter finds no rim to draw."""
    red, green, blue = cut_subject(figure_on_wall()).picture.getpixel((2, 2))
    assert red > 150
    assert max(green, blue) < 90


def test_a_photo_without_a_plain_wall_gets_a_rounded_shape() -> None:
    """Where nothing can be told apart, the corners go and the middle stays."""
    subject = cut_subject(thicket())
    assert not subject.cut
    width, height = subject.mask.size
    assert [subject.mask.getpixel(at) for at in ((0, 0), (width - 1, height - 1), (width // 2, height // 2))] == [
        0,
        0,
        255,
    ]


def test_a_landscape_keeps_its_sky() -> None:
    """A strip of ground from side to side is no figure: the whole photo is used."""
    photo = Image.new("RGB", (640, 400), (120, 180, 240))
    ImageDraw.Draw(photo).polygon(
        [(0, 400), (0, 300), (200, 180), (400, 290), (640, 220), (640, 400)], fill=(40, 90, 50)
    )
    assert not cut_subject(photo).cut


def test_transparency_of_the_photo_is_its_outline() -> None:
    """A picture that was cut out before keeps its shape."""
    picture = scene(300, 300).convert("RGBA")
    shape = Image.new("L", picture.size)
    ImageDraw.Draw(shape).ellipse((100, 50, 200, 250), fill=255)
    picture.putalpha(shape)
    subject = cut_subject(open_photo(saved(picture, "PNG")))
    assert subject.cut
    assert subject.mask.height / subject.mask.width == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_crop_follows_what_is_interesting(side: str) -> None:
    """A face beside the middle of a wide photo is moved towards the middle of the sticker."""
    photo = Image.effect_noise((900, 300), 60).convert("RGB").resize((1200, 400))
    x = 330 if side == "left" else 870
    ImageDraw.Draw(photo).ellipse((x - 90, 90, x + 90, 330), fill=(230, 170, 140))
    picture = cut_subject(photo).picture
    skin = ImageChops.difference(picture, Image.new("RGB", picture.size, (230, 170, 140))).convert("L")
    box = (
        skin.point(lambda far: 255 if far < 12 else 0)
        .resize((56, 56), Image.Resampling.BOX)
        .point(lambda share: 255 if share > 200 else 0)
        .getbbox()
    )
    assert box is not None
    assert 14 <= (box[0] + box[2]) / 2 <= 42


# Sheets and examples


def test_a_contact_sheet_shows_all_stickers_in_rows() -> None:
    """Five stickers in three columns make two rows; fewer stickers than columns make a narrow sheet."""
    sticker = encode_sticker(compose(small_subject(), Look()))
    with opened(contact_sheet([sticker] * 5, columns=3, side=64)) as sheet:
        assert (sheet.format, sheet.size) == ("PNG", (3 * 68 + 4, 2 * 68 + 4))
    with opened(contact_sheet([sticker] * 2, side=64)) as sheet:
        assert sheet.size == (2 * 68 + 4, 68 + 4)


def test_a_contact_sheet_of_nothing_is_refused() -> None:
    """Without stickers or columns there is nothing to show."""
    with pytest.raises(ValueError, match="needs stickers"):
        contact_sheet([])
    with pytest.raises(ValueError, match="columns"):
        contact_sheet([b""], columns=0)


def test_each_style_has_an_example_of_its_own() -> None:
    """The carousel's pictures are small PNGs, all different."""
    examples = {style: style_example(style) for style in Style}
    assert len(set(examples.values())) == len(Style)
    for example in examples.values():
        with opened(example) as picture:
            assert (picture.format, picture.size) == ("PNG", (320, 320))
