"""What a sticker can look like: styles as filters over a picture, emotions as tempers, poses as numbers.

    Style    a filter            RGB picture → RGB picture of the same size
    Emotion  a `Temper`          a wash of colour, a nudge to the pose, a face, ornaments around it
    Pose     a `Stance`          how far the picture is turned, mirrored and moved in

The ornaments and faces that a temper names are drawn in `ornaments` and `faces`.

Pure. A filter takes some tens of milliseconds for the size of a sticker.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageMath, ImageOps

Colour = tuple[int, int, int]

TEXTURE = 512  # pixels: no picture that a filter gets is larger
INK: Colour = (29, 25, 40)
WHITE: Colour = (255, 255, 255)


class Style(StrEnum):
    """How the picture is drawn."""

    ORIGINAL = "original"
    COMIC = "comic"
    PASTEL = "pastel"
    NOIR = "noir"
    POP = "pop"
    SKETCH = "sketch"
    NEON = "neon"
    PIXEL = "pixel"


class Emotion(StrEnum):
    """What the sticker says. `CALM` is the quiet one: no face, two leaves."""

    CALM = "calm"
    HAPPY = "happy"
    LOVE = "love"
    LAUGHING = "laughing"
    COOL = "cool"
    SURPRISED = "surprised"
    SAD = "sad"
    ANGRY = "angry"
    SLEEPY = "sleepy"
    PARTY = "party"


class Pose(StrEnum):
    """How the picture stands."""

    STRAIGHT = "straight"
    TILTED = "tilted"
    LEANING = "leaning"
    MIRRORED = "mirrored"
    ZOOMED = "zoomed"


@dataclass(frozen=True, slots=True)
class Stance:
    """How far a picture is turned (degrees, counter-clockwise), moved in (1 is not at all) and whether mirrored."""

    turn: float = 0.0
    zoom: float = 1.0
    mirrored: bool = False


STANCES: dict[Pose, Stance] = {
    Pose.STRAIGHT: Stance(),
    Pose.TILTED: Stance(turn=9),
    Pose.LEANING: Stance(turn=-11, zoom=1.1),
    Pose.MIRRORED: Stance(mirrored=True),
    Pose.ZOOMED: Stance(zoom=1.4),
}

Shape = Literal["heart", "spark", "star", "drop", "bang", "vein", "zed", "leaf", "bolt", "dash", "streamer"]


@dataclass(frozen=True, slots=True)
class Ornament:
    """One small shape beside the picture: its centre and radius as parts of the canvas, turned by degrees."""

    shape: Shape
    x: float
    y: float
    radius: float
    colour: Colour
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Temper:
    """How an emotion shows: a wash of `colour`, a nudge to the pose, a face or none, and ornaments."""

    colour: Colour
    wash: float  # 0 leaves the picture as it is, 1 replaces it
    ornaments: tuple[Ornament, ...]
    turn: float = 0.0
    stretch: float = 1.0  # taller above 1, wider below
    face: bool = True


GOLD: Colour = (255, 200, 46)
ROSE: Colour = (255, 77, 125)
RED: Colour = (239, 62, 54)
SKY: Colour = (74, 171, 255)
AQUA: Colour = (64, 214, 200)
LEAF: Colour = (104, 190, 96)
PLUM: Colour = (139, 99, 232)
ORANGE: Colour = (255, 140, 50)

TEMPERS: dict[Emotion, Temper] = {
    Emotion.CALM: Temper(
        LEAF,
        0.05,
        (Ornament("leaf", 0.13, 0.80, 0.085, LEAF, 38), Ornament("leaf", 0.20, 0.88, 0.065, (143, 209, 120), -20)),
        face=False,
    ),
    Emotion.HAPPY: Temper(
        GOLD,
        0.08,
        (
            Ornament("spark", 0.14, 0.17, 0.085, GOLD),
            Ornament("spark", 0.25, 0.09, 0.042, ORANGE),
            Ornament("spark", 0.88, 0.24, 0.055, GOLD),
        ),
        turn=2,
    ),
    Emotion.LOVE: Temper(
        ROSE,
        0.13,
        (
            Ornament("heart", 0.14, 0.20, 0.095, ROSE, 18),
            Ornament("heart", 0.27, 0.10, 0.050, (255, 130, 160), -12),
            Ornament("heart", 0.88, 0.18, 0.065, RED, -20),
            Ornament("heart", 0.09, 0.72, 0.045, (255, 130, 160), 12),
        ),
    ),
    Emotion.LAUGHING: Temper(
        ORANGE,
        0.08,
        (
            Ornament("dash", 0.10, 0.27, 0.055, ORANGE, 70),
            Ornament("dash", 0.15, 0.15, 0.055, GOLD, 45),
            Ornament("dash", 0.27, 0.08, 0.055, ORANGE, 20),
        ),
        turn=-4,
        stretch=0.97,
    ),
    Emotion.COOL: Temper(
        AQUA,
        0.11,
        (
            Ornament("star", 0.14, 0.19, 0.085, AQUA, 12),
            Ornament("star", 0.88, 0.17, 0.055, PLUM, -14),
            Ornament("bolt", 0.10, 0.74, 0.075, GOLD, 10),
        ),
        turn=-3,
    ),
    Emotion.SURPRISED: Temper(
        SKY,
        0.06,
        (
            Ornament("bang", 0.88, 0.18, 0.115, RED, -14),
            Ornament("bang", 0.77, 0.11, 0.070, ORANGE, -4),
            Ornament("dash", 0.12, 0.21, 0.050, SKY, 55),
            Ornament("dash", 0.21, 0.12, 0.050, SKY, 35),
        ),
        stretch=1.05,
    ),
    Emotion.SAD: Temper(
        (70, 110, 190),
        0.20,
        (
            Ornament("drop", 0.13, 0.17, 0.075, SKY),
            Ornament("drop", 0.24, 0.27, 0.050, (128, 196, 255)),
            Ornament("drop", 0.88, 0.20, 0.060, SKY),
        ),
        turn=3,
        stretch=0.98,
    ),
    Emotion.ANGRY: Temper(
        RED,
        0.17,
        (
            Ornament("vein", 0.86, 0.17, 0.095, RED, 8),
            Ornament("bolt", 0.13, 0.19, 0.095, ORANGE, -12),
            Ornament("dash", 0.09, 0.38, 0.045, RED, 85),
        ),
        stretch=0.97,
    ),
    Emotion.SLEEPY: Temper(
        (82, 84, 170),
        0.18,
        (
            Ornament("zed", 0.76, 0.25, 0.045, PLUM, -6),
            Ornament("zed", 0.83, 0.16, 0.062, PLUM, 6),
            Ornament("zed", 0.92, 0.07, 0.050, SKY, 12),
            Ornament("star", 0.13, 0.18, 0.055, GOLD, 10),
        ),
        turn=5,
    ),
    Emotion.PARTY: Temper(
        (255, 120, 200),
        0.06,
        (
            Ornament("streamer", 0.13, 0.22, 0.095, ROSE, 28),
            Ornament("streamer", 0.88, 0.20, 0.085, SKY, -30),
            Ornament("dash", 0.27, 0.09, 0.038, GOLD, 30),
            Ornament("dash", 0.74, 0.08, 0.038, LEAF, -50),
            Ornament("star", 0.09, 0.42, 0.045, GOLD, 20),
            Ornament("spark", 0.93, 0.42, 0.045, PLUM),
        ),
        turn=-2,
    ),
}


# Filters


def stylise(picture: Image.Image, style: Style) -> Image.Image:
    """The picture drawn in the style, in the same size."""
    return _FILTERS[style](picture)


def wash(picture: Image.Image, emotion: Emotion) -> Image.Image:
    """The picture with a breath of the emotion's colour: its lights and darks stay."""
    temper = TEMPERS[emotion]
    toned = ImageOps.colorize(
        picture.convert("L"), black=mixed(INK, temper.colour, 0.15), mid=temper.colour, white=mixed(WHITE, GOLD, 0.05)
    )
    return Image.blend(picture, toned, temper.wash)


def _original(picture: Image.Image) -> Image.Image:
    lively = ImageEnhance.Color(_levelled(picture)).enhance(1.14)
    return lively.filter(ImageFilter.UnsharpMask(radius=2, percent=55, threshold=2))


def _comic(picture: Image.Image) -> Image.Image:
    """Few flat tones, saturated, with ink where the picture has edges and dots in its shadows."""
    flat = _painted(_levelled(picture), rounds=2)
    luma, blue, red = flat.convert("YCbCr").split()
    luma = luma.filter(ImageFilter.GaussianBlur(1.5))
    flat = Image.merge("YCbCr", (luma.point(_stairs(5)), blue, red)).convert("RGB")
    flat = ImageEnhance.Brightness(ImageEnhance.Color(flat).enhance(1.4)).enhance(1.06)
    dots = _dots(luma.filter(ImageFilter.GaussianBlur(3)).point(lambda light: min(255, 95 + light * 2)), period=7)
    shaded = Image.composite(flat, ImageEnhance.Brightness(flat).enhance(0.72), dots)
    return Image.composite(shaded, Image.new("RGB", picture.size, INK), _unlined(luma, width=1.3, force=20))


def _pastel(picture: Image.Image) -> Image.Image:
    """Soft and milky: blurred light over smoothed forms, darks lifted towards lavender, lights towards cream."""
    smooth = _painted(_levelled(picture), rounds=1)
    glow = ImageChops.screen(smooth, smooth.filter(ImageFilter.GaussianBlur(9)).point(lambda light: light // 2))
    milky = glow.filter(_grade("pastel"))
    luma = smooth.convert("L")
    pencil = _unlined(luma, width=1.6, force=10).point(lambda light: 120 + light * 135 // 255)
    return Image.composite(milky, Image.new("RGB", picture.size, (150, 104, 148)), pencil)


def _noir(picture: Image.Image) -> Image.Image:
    """Two tones, hard light, the grain of film."""
    luma = _levelled(picture).convert("L").filter(ImageFilter.GaussianBlur(0.6)).point(_contrast(1.5))
    grained = ImageChops.add(luma, _cropped(_grain(), picture.size), scale=1, offset=-128)
    return ImageOps.colorize(grained, black=(16, 13, 30), mid=(112, 92, 122), white=(255, 246, 228), midpoint=118)


def _pop(picture: Image.Image) -> Image.Image:
    """A print of few loud inks, with a dot screen between them."""
    luma = _painted(_levelled(picture), rounds=1).convert("L").point(_contrast(1.25))
    print_ = ImageOps.colorize(luma.point(_stairs(4)), black=(58, 20, 110), mid=(255, 58, 128), white=(255, 232, 64))
    own = ImageEnhance.Color(picture).enhance(2.2)
    loud = Image.blend(print_, own, 0.16)
    lights = _dots(luma.point(lambda light: max(0, min(255, light * 2 - 170))), period=9)
    dotted = Image.composite(ImageChops.screen(loud, Image.new("RGB", picture.size, (70, 50, 20))), loud, lights)
    darks = _dots(luma.point(lambda light: min(255, 40 + light * 2)), period=9)
    dotted = Image.composite(dotted, Image.new("RGB", picture.size, (40, 24, 120)), darks)
    return Image.composite(dotted, Image.new("RGB", picture.size, (38, 10, 66)), _unlined(luma, width=1.5, force=16))


def _sketch(picture: Image.Image) -> Image.Image:
    """Graphite on warm paper: lines where light changes, strokes where it is dark, a hint of colour."""
    luma = _levelled(picture).convert("L")
    # Dividing by a blurred copy leaves white wherever nothing changes: what is left are the lines of a pencil.
    lines = ImageMath.lambda_eval(
        lambda given: given["convert"](given["min"](given["luma"] * 255 / (given["soft"] + 1), 255), "L"),
        luma=luma,
        soft=luma.filter(ImageFilter.GaussianBlur(7)),
    ).point(_contrast(1.3))
    shade = luma.filter(ImageFilter.GaussianBlur(3))
    strokes = ImageChops.lighter(
        _cropped(_strokes(45), picture.size), shade.point(lambda light: min(255, 60 + light * 2))
    )
    cross = ImageChops.lighter(
        _cropped(_strokes(-50), picture.size), shade.point(lambda light: min(255, 110 + light * 4))
    )
    graphite = ImageChops.multiply(ImageChops.multiply(lines, strokes), cross)
    graphite = ImageChops.multiply(graphite, _unlined(luma, width=1.2, force=9))
    drawn = ImageOps.colorize(graphite, black=(46, 44, 58), white=(253, 250, 243))
    colour = ImageEnhance.Brightness(_painted(picture, rounds=1)).enhance(1.35)
    return Image.blend(drawn, ImageChops.multiply(drawn, colour), 0.45)


def _neon(picture: Image.Image) -> Image.Image:
    """Edges glowing on a dark wall."""
    luma = _painted(_levelled(picture), rounds=1).convert("L")
    tubes = ImageChops.invert(_unlined(luma, width=1.8, force=26))
    halo = tubes.filter(ImageFilter.GaussianBlur(6)).point(lambda light: min(255, light * 2))
    wall = ImageOps.colorize(luma, black=(14, 8, 40), mid=(58, 26, 110), white=(150, 70, 190))
    light = Image.composite(
        Image.new("RGB", picture.size, (255, 70, 190)),
        Image.new("RGB", picture.size, (40, 220, 255)),
        _slope(picture.size),
    )
    lit = ImageChops.screen(wall, ImageChops.multiply(light, Image.merge("RGB", (halo, halo, halo))))
    return Image.composite(Image.blend(light, Image.new("RGB", picture.size, WHITE), 0.55), lit, tubes)


def _pixel(picture: Image.Image) -> Image.Image:
    """Large squares of a few colours, as an old console would show it."""
    across = 60
    small = ImageEnhance.Color(_levelled(picture)).enhance(1.35)
    side = max(picture.size) / across
    small = small.resize(
        (max(1, round(picture.width / side)), max(1, round(picture.height / side))), Image.Resampling.BOX
    )
    few = small.quantize(20, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return few.convert("RGB").resize(picture.size, Image.Resampling.NEAREST)


_FILTERS: dict[Style, Callable[[Image.Image], Image.Image]] = {
    Style.ORIGINAL: _original,
    Style.COMIC: _comic,
    Style.PASTEL: _pastel,
    Style.NOIR: _noir,
    Style.POP: _pop,
    Style.SKETCH: _sketch,
    Style.NEON: _neon,
    Style.PIXEL: _pixel,
}


def _levelled(picture: Image.Image) -> Image.Image:
    """The picture a little lighter if it is dark and darker if it is light, and with more contrast if it is dull."""
    clear = Image.blend(picture, ImageOps.autocontrast(picture, cutoff=(0.5, 1), preserve_tone=True), 0.7)
    light = clear.convert("L").resize((1, 1), Image.Resampling.BOX).tobytes()[0]
    gamma = max(0.6, min(1.2, math.log(0.48) / math.log((light + 1) / 258)))
    return clear.point([round((level / 255) ** gamma * 255) for level in range(256)] * 3)


def _painted(picture: Image.Image, *, rounds: int) -> Image.Image:
    """The picture without its small detail but with its edges, at half the size, because a median is slow."""
    small = picture.resize((max(3, picture.width // 2), max(3, picture.height // 2)), Image.Resampling.BOX)
    for _ in range(rounds):
        small = small.filter(ImageFilter.MedianFilter(3))
    return small.resize(picture.size, Image.Resampling.BICUBIC)


def _unlined(luma: Image.Image, *, width: float, force: int) -> Image.Image:
    """White paper with black lines where the picture is darker than what surrounds it."""
    fine, coarse = (
        luma.filter(ImageFilter.GaussianBlur(width * 0.6)),
        luma.filter(ImageFilter.GaussianBlur(width * 2.2)),
    )
    return ImageChops.subtract(coarse, fine).point(lambda depth: 255 - min(255, max(0, depth - 3) * force))


def _dots(luma: Image.Image, *, period: int) -> Image.Image:
    """The picture as black dots on white: the darker, the larger."""
    return ImageChops.subtract(luma, _cropped(_screen(period), luma.size), scale=1, offset=0).point(
        lambda light: min(255, light * 6)
    )


@lru_cache(maxsize=4)
def _stairs(levels: int) -> list[int]:
    """A curve of flat steps with short slopes between them, which keep the borders smooth."""
    curve = []
    for light in range(256):
        step, rest = divmod(light / 255 * levels, 1)
        level = min(levels - 1, step + max(0.0, (rest - 0.85) / 0.15)) + 0.5
        curve.append(round(max(0.0, min(1.0, 0.5 + (level / levels - 0.5) * 1.12)) * 255))
    return curve


@lru_cache(maxsize=4)
def _contrast(force: float) -> list[int]:
    """A curve that pushes lights and darks apart and leaves black, white and the middle."""
    curve = []
    for light in range(256):
        x = light / 255
        s = x * x * (3 - 2 * x)
        y = x + (s - x) * force
        curve.append(round(max(0.0, min(1.0, y)) * 255))
    return curve


@lru_cache(maxsize=2)
def _grade(name: Literal["pastel"]) -> ImageFilter.Color3DLUT:
    """A table from colours to colours."""

    def pastel(red: float, green: float, blue: float) -> tuple[float, float, float]:
        grey = 0.3 * red + 0.59 * green + 0.11 * blue
        lift, cream = (0.36, 0.29, 0.42), (1.0, 0.985, 0.955)
        soft = [grey + (channel - grey) * 1.05 for channel in (red, green, blue)]
        out = [
            low + (high - low) * channel**0.85
            for low, high, channel in zip(lift, cream, soft_clamped(soft), strict=True)
        ]
        return out[0], out[1], out[2]

    def soft_clamped(channels: list[float]) -> list[float]:
        return [max(0.0, min(1.0, channel)) for channel in channels]

    return ImageFilter.Color3DLUT.generate(17, pastel)


@lru_cache(maxsize=4)
def _screen(period: int) -> Image.Image:
    """The threshold of every point for `_dots`: a grid at 45 degrees."""
    side = period * 2
    tile = Image.new("L", (side, side))
    for x in range(side):
        for y in range(side):
            u, v = math.pi * (x + y) / period, math.pi * (x - y) / period
            tile.putpixel((x, y), round(127 + 110 * math.cos(u) * math.cos(v)))
    return _tiled(tile)


@lru_cache(maxsize=4)
def _strokes(turn: int) -> Image.Image:
    """White paper with slanting pencil strokes over all of it."""
    side = TEXTURE * 3 // 2
    paper = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(paper)
    state = 7
    for y in range(0, side, 5):
        x = -(y * 37 % 90)
        while x < side:
            state = (state * 1103515245 + 12345) % 2**31
            length, grey = 60 + state // 65536 % 70, 120 + state // 4096 % 60
            draw.line((x, y + state % 3, x + length, y + state // 8 % 3), fill=grey, width=2)
            x += length + 8 + state // 512 % 14
    turned = paper.rotate(turn, Image.Resampling.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(0.6))
    edge = (side - TEXTURE) // 2
    return turned.crop((edge, edge, edge + TEXTURE, edge + TEXTURE))


@lru_cache(maxsize=1)
def _grain() -> Image.Image:
    """Film grain around middle grey. Not Pillow's noise: that differs from run to run."""
    state, grains = 12345, bytearray()
    for _ in range(128 * 128):
        state = (state * 1103515245 + 12345) % 2**31
        grains.append(128 + (state >> 16) % 37 - 18)
    return _tiled(Image.frombytes("L", (128, 128), bytes(grains)).filter(ImageFilter.GaussianBlur(0.5)))


def _cropped(texture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return texture.crop((0, 0, *size))


def _slope(size: tuple[int, int]) -> Image.Image:
    """Black to white from the lower left to the upper right."""
    slope = Image.frombytes("L", (2, 2), bytes((128, 255, 0, 128)))
    return slope.resize(size, Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))


def _tiled(tile: Image.Image) -> Image.Image:
    wall = Image.new("L", (TEXTURE, TEXTURE))
    for x in range(0, TEXTURE, tile.width):
        for y in range(0, TEXTURE, tile.height):
            wall.paste(tile, (x, y))
    return wall


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """The first colour with a share of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
