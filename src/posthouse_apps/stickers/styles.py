"""What a sticker can look like: styles as filters over a picture, emotions as drawn badges, poses as numbers.

    Style    a filter            RGB picture → RGB picture of the same size
    Emotion  a `Temper`          a wash of colour, a nudge to the pose, a face, ornaments around it
    Pose     a `Stance`          how far the picture is turned, mirrored and moved in

Everything is drawn from polygons and arcs; no emoji font is needed, so that a sticker looks the same everywhere. Shapes
are given in a square from -1 to 1, drawn larger than they are shown and shrunk, which smooths them.

Pure. A filter takes some tens of milliseconds for the size of a sticker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageMath, ImageOps

Colour = tuple[int, int, int]

SMOOTHING = 4  # drawn this many times larger, then shrunk
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
        picture.convert("L"), black=_mixed(INK, temper.colour, 0.15), mid=temper.colour, white=_mixed(WHITE, GOLD, 0.05)
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


# Ornaments and faces

Point = tuple[float, float]


def drawn_ornament(ornament: Ornament, canvas: int) -> Image.Image:
    """The ornament in colour on nothing, as large as it is shown on a canvas of so many pixels."""
    side = round(ornament.radius * canvas * 2)
    layer = Image.new("RGBA", (side * SMOOTHING, side * SMOOTHING))
    draw = ImageDraw.Draw(layer)
    half = side * SMOOTHING / 2
    turn = math.radians(ornament.turn)
    cos, sin = math.cos(turn), math.sin(turn)

    def placed(points: Sequence[Point], dx: float = 0.0, dy: float = 0.0, scale: float = 1.0) -> list[Point]:
        turned = (
            ((x * scale + dx) * cos + (y * scale + dy) * sin, (y * scale + dy) * cos - (x * scale + dx) * sin)
            for x, y in points
        )
        return [(half + x * half, half + y * half) for x, y in turned]

    for outline in OUTLINES[ornament.shape]:
        draw.polygon(placed(outline), fill=_mixed(ornament.colour, INK, 0.22))
        draw.polygon(placed(_inset(outline), dx=-0.02, dy=-0.03), fill=ornament.colour)
    return layer.resize((side, side), Image.Resampling.BOX)


def _inset(outline: Sequence[Point]) -> list[Point]:
    """The outline drawn a little smaller around its own middle: what stays outside is its shaded rim."""
    middle_x = sum(x for x, _ in outline) / len(outline)
    middle_y = sum(y for _, y in outline) / len(outline)
    return [(middle_x + (x - middle_x) * 0.86, middle_y + (y - middle_y) * 0.86) for x, y in outline]


def _around(count: int, radius: Callable[[float], float]) -> list[Point]:
    """Points around the middle, from the top, at a distance that depends on the angle."""
    angles = [2 * math.pi * step / count for step in range(count)]
    return [(radius(angle) * math.sin(angle), -radius(angle) * math.cos(angle)) for angle in angles]


def _heart() -> list[Point]:
    angles = [2 * math.pi * step / 60 for step in range(60)]
    return [
        (
            math.sin(angle) ** 3 * 0.92,
            -(13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)) / 17.5
            - 0.1,
        )
        for angle in angles
    ]


def _drop() -> list[Point]:
    angles = [2 * math.pi * step / 60 for step in range(60)]
    return [(0.62 * math.sin(angle) * math.sin(angle / 2) * 1.25, -0.95 * math.cos(angle)) for angle in angles]


def _capsule(start: Point, end: Point, radius: float, end_radius: float | None = None) -> list[Point]:
    """A rounded bar between two points, which may taper."""
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    last = radius if end_radius is None else end_radius
    rim = [along + math.pi / 2 + math.pi * step / 12 for step in range(13)]
    tail = [along - math.pi / 2 + math.pi * step / 12 for step in range(13)]
    return [(start[0] + radius * math.cos(a), start[1] + radius * math.sin(a)) for a in rim] + [
        (end[0] + last * math.cos(a), end[1] + last * math.sin(a)) for a in tail
    ]


def _ribbon(middle: Sequence[Point], width: float) -> list[Point]:
    """A band of even width along a line."""
    left, right = [], []
    for index, (x, y) in enumerate(middle):
        before, after = middle[max(0, index - 1)], middle[min(len(middle) - 1, index + 1)]
        along = math.atan2(after[1] - before[1], after[0] - before[0])
        dx, dy = math.sin(along) * width / 2, -math.cos(along) * width / 2
        left.append((x + dx, y + dy))
        right.append((x - dx, y - dy))
    return left + right[::-1]


def _vein() -> tuple[list[Point], ...]:
    """The four bent strokes of a cartoon's bulging vein."""
    bend = [
        (0.2 + 0.72 * (1 - math.cos(a)) * 0.95, 0.9 - 0.7 * math.sin(a))
        for a in (math.pi / 2 * s / 10 for s in range(11))
    ]
    stroke = _ribbon(bend, 0.24)
    quarters = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
    return tuple([(a * x + b * y, c * x + d * y) for x, y in stroke] for a, b, c, d in quarters)


OUTLINES: dict[Shape, tuple[list[Point], ...]] = {
    "heart": (_heart(),),
    "spark": (_around(64, lambda angle: 1 / (abs(math.cos(angle)) ** 0.5 + abs(math.sin(angle)) ** 0.5) ** 2),),
    "star": (_around(10, lambda angle: 0.98 if round(angle / math.pi * 5) % 2 == 0 else 0.47),),
    "drop": (_drop(),),
    "bang": (_capsule((0, -0.72), (0, 0.16), 0.27, 0.13), _around(24, lambda _: 0.23)),
    "vein": _vein(),
    "zed": (
        [
            (-0.75, -0.85),
            (0.75, -0.85),
            (0.75, -0.5),
            (-0.2, 0.5),
            (0.75, 0.5),
            (0.75, 0.85),
            (-0.75, 0.85),
            (-0.75, 0.5),
            (0.2, -0.5),
            (-0.75, -0.5),
        ],
    ),
    "leaf": (
        [(0.5 * math.sin(math.pi * t), -0.95 + 1.9 * t) for t in (s / 20 for s in range(21))]
        + [(-0.5 * math.sin(math.pi * t), -0.95 + 1.9 * t) for t in (s / 20 for s in range(20, 0, -1))],
    ),
    "bolt": ([(0.15, -0.98), (-0.6, 0.15), (-0.08, 0.15), (-0.25, 0.98), (0.6, -0.25), (0.08, -0.25), (0.45, -0.98)],),
    "dash": (_capsule((0, -0.72), (0, 0.72), 0.24),),
    "streamer": (_ribbon([(0.34 * math.sin(9 * t), -0.85 + 1.7 * t) for t in (s / 40 for s in range(41))], 0.26),),
}
OUTLINES["bang"] = (OUTLINES["bang"][0], [(x, y + 0.72) for x, y in OUTLINES["bang"][1]])


def drawn_face(emotion: Emotion, side: int) -> Image.Image:
    """A round face that shows the emotion, in colour on nothing."""
    full = side * SMOOTHING
    face = Image.new("RGBA", (full, full))
    skin, rim = _SKINS.get(emotion, (GOLD, (240, 150, 26)))
    pen = _Pen(ImageDraw.Draw(face), full)
    pen.disc(0, 0, 0.98, rim)
    pen.disc(0, -0.03, 0.91, skin)
    pen.oval(-0.3, -0.62, 0.3, 0.16, _mixed(skin, WHITE, 0.45))
    _FEATURES[emotion](pen)
    return face.resize((side, side), Image.Resampling.BOX)


_SKINS: dict[Emotion, tuple[Colour, Colour]] = {
    Emotion.SAD: ((150, 196, 250), (84, 134, 214)),
    Emotion.ANGRY: ((255, 104, 72), (206, 44, 40)),
    Emotion.SLEEPY: ((190, 176, 250), (126, 108, 212)),
}

_BROWN: Colour = (84, 44, 20)


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws in a square from -1 to 1."""

    draw: ImageDraw.ImageDraw
    side: int

    def at(self, *numbers: float) -> list[float]:
        return [(number + 1) * self.side / 2 for number in numbers]

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        self.oval(x, y, radius, radius, colour)

    def oval(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        self.draw.ellipse(self.at(x - wide, y - high, x + wide, y + high), fill=colour)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        self.draw.polygon([(self.at(x)[0], self.at(y)[0]) for x, y in points], fill=colour)

    def curve(self, x: float, y: float, wide: float, bend: float, width: float, colour: Colour = _BROWN) -> None:
        """A stroke with round ends that hangs by `bend` in its middle, or arches if that is negative."""
        line = [(x + wide * t, y + bend * (1 - t * t)) for t in (step / 12 - 1 for step in range(25))]
        self.shape(_ribbon(line, width), colour)
        for end in (line[0], line[-1]):
            self.disc(*end, width / 2, colour)

    def bar(self, start: Point, end: Point, width: float, colour: Colour = _BROWN) -> None:
        self.shape(_capsule(start, end, width / 2), colour)

    def grin(self, y: float, wide: float, high: float) -> None:
        """An open laughing mouth with teeth and tongue."""
        arc = [(wide * math.cos(a), y + high * math.sin(a)) for a in (math.pi * s / 30 for s in range(31))]
        self.shape(arc, (116, 26, 30))
        tongue = [(x * 0.62, max(y + high * 0.55, point)) for x, point in arc]
        self.shape(tongue, (245, 96, 106))
        teeth = [(x * 0.94, min(y + high * 0.26, point)) for x, point in arc]
        self.shape(teeth, WHITE)


def _calm(pen: _Pen) -> None:
    for x in (-0.36, 0.36):
        pen.curve(x, -0.14, 0.19, 0.1, 0.09)
    pen.curve(0, 0.3, 0.3, 0.14, 0.09)


def _happy(pen: _Pen) -> None:
    for x in (-0.36, 0.36):
        pen.curve(x, -0.06, 0.17, -0.2, 0.1)
        pen.disc(x * 1.6, 0.2, 0.14, (255, 160, 90))
    pen.grin(0.1, 0.5, 0.56)


def _love(pen: _Pen) -> None:
    for x in (-0.4, 0.4):
        pen.shape([(x + px * 0.33, -0.16 + py * 0.33) for px, py in OUTLINES["heart"][0]], (232, 40, 76))
    pen.grin(0.22, 0.42, 0.42)


def _laughing(pen: _Pen) -> None:
    for side in (-1, 1):
        pen.bar((side * 0.55, -0.32), (side * 0.24, -0.17), 0.1)
        pen.bar((side * 0.55, -0.02), (side * 0.24, -0.17), 0.1)
    pen.grin(0.08, 0.56, 0.64)
    for side in (-1, 1):
        tear = [(side * 0.7 + x * 0.24, 0.16 + y * 0.26) for x, y in OUTLINES["drop"][0]]
        pen.shape(tear, (86, 180, 255))


def _cool(pen: _Pen) -> None:
    pen.bar((-0.82, -0.28), (0.82, -0.28), 0.12, INK)
    for side in (-1, 1):
        glass = [
            (side * 0.08, -0.3),
            (side * 0.76, -0.3),
            (side * 0.68, 0.06),
            (side * 0.5, 0.16),
            (side * 0.28, 0.12),
            (side * 0.12, -0.06),
        ]
        pen.shape(glass, INK)
        pen.bar((side * 0.4 - 0.12, 0.0), (side * 0.4 + 0.06, -0.2), 0.06, (120, 116, 150))
    pen.curve(0.08, 0.42, 0.32, 0.14, 0.1)


def _surprised(pen: _Pen) -> None:
    for side in (-1, 1):
        pen.disc(side * 0.36, -0.16, 0.22, WHITE)
        pen.disc(side * 0.36, -0.16, 0.1, _BROWN)
        pen.curve(side * 0.38, -0.5, 0.18, -0.12, 0.08)
    pen.oval(0, 0.46, 0.21, 0.28, (116, 26, 30))


def _sad(pen: _Pen) -> None:
    brown = (34, 56, 104)
    for side in (-1, 1):
        pen.oval(side * 0.34, -0.06, 0.11, 0.15, brown)
        pen.disc(side * 0.34 - 0.03, -0.12, 0.045, WHITE)
        pen.bar((side * 0.52, -0.32), (side * 0.22, -0.44), 0.08, brown)
    pen.curve(0, 0.58, 0.3, -0.2, 0.1, brown)
    pen.shape([(-0.44 + x * 0.24, 0.32 + y * 0.26) for x, y in OUTLINES["drop"][0]], (30, 130, 240))


def _angry(pen: _Pen) -> None:
    dark = (84, 10, 16)
    for side in (-1, 1):
        pen.oval(side * 0.34, 0.0, 0.12, 0.15, dark)
        pen.bar((side * 0.62, -0.36), (side * 0.16, -0.14), 0.12, dark)
    pen.curve(0, 0.58, 0.34, -0.2, 0.11, dark)


def _sleepy(pen: _Pen) -> None:
    dark = (58, 44, 124)
    for x in (-0.38, 0.38):
        pen.curve(x, -0.1, 0.2, 0.13, 0.09, dark)
    pen.oval(0.04, 0.4, 0.15, 0.18, dark)


def _party(pen: _Pen) -> None:
    for x in (-0.34, 0.34):
        pen.oval(x, 0.02, 0.11, 0.15, _BROWN)
        pen.disc(x - 0.03, -0.04, 0.045, WHITE)
    pen.grin(0.3, 0.44, 0.42)
    pen.shape([(-0.54, -0.34), (0.54, -0.34), (0.06, -0.99)], ROSE)
    pen.bar((-0.26, -0.6), (0.32, -0.56), 0.12, WHITE)
    pen.bar((-0.52, -0.34), (0.52, -0.34), 0.15, SKY)


_FEATURES: dict[Emotion, Callable[[_Pen], None]] = {
    Emotion.CALM: _calm,
    Emotion.HAPPY: _happy,
    Emotion.LOVE: _love,
    Emotion.LAUGHING: _laughing,
    Emotion.COOL: _cool,
    Emotion.SURPRISED: _surprised,
    Emotion.SAD: _sad,
    Emotion.ANGRY: _angry,
    Emotion.SLEEPY: _sleepy,
    Emotion.PARTY: _party,
}


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    """The first colour with a share of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
