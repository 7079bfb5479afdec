"""Ornaments: the small shapes beside a figure, as outlines in a square from -1 to 1.

They are drawn larger than they are shown and shrunk, which smooths them. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from posthouse_apps.stickers.styles import INK, Ornament, Shape, mixed

SMOOTHING = 4  # drawn this many times larger, then shrunk

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
        draw.polygon(placed(outline), fill=mixed(ornament.colour, INK, 0.22))
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


def capsule(start: Point, end: Point, radius: float, end_radius: float | None = None) -> list[Point]:
    """A rounded bar between two points, which may taper."""
    along = math.atan2(end[1] - start[1], end[0] - start[0])
    last = radius if end_radius is None else end_radius
    rim = [along + math.pi / 2 + math.pi * step / 12 for step in range(13)]
    tail = [along - math.pi / 2 + math.pi * step / 12 for step in range(13)]
    return [(start[0] + radius * math.cos(a), start[1] + radius * math.sin(a)) for a in rim] + [
        (end[0] + last * math.cos(a), end[1] + last * math.sin(a)) for a in tail
    ]


def ribbon(middle: Sequence[Point], width: float) -> list[Point]:
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
    stroke = ribbon(bend, 0.24)
    quarters = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
    return tuple([(a * x + b * y, c * x + d * y) for x, y in stroke] for a, b, c, d in quarters)


OUTLINES: dict[Shape, tuple[list[Point], ...]] = {
    "heart": (_heart(),),
    "spark": (_around(64, lambda angle: 1 / (abs(math.cos(angle)) ** 0.5 + abs(math.sin(angle)) ** 0.5) ** 2),),
    "star": (_around(10, lambda angle: 0.98 if round(angle / math.pi * 5) % 2 == 0 else 0.47),),
    "drop": (_drop(),),
    "bang": (capsule((0, -0.72), (0, 0.16), 0.27, 0.13), _around(24, lambda _: 0.23)),
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
    "dash": (capsule((0, -0.72), (0, 0.72), 0.24),),
    "streamer": (ribbon([(0.34 * math.sin(9 * t), -0.85 + 1.7 * t) for t in (s / 40 for s in range(41))], 0.26),),
}
OUTLINES["bang"] = (OUTLINES["bang"][0], [(x, y + 0.72) for x, y in OUTLINES["bang"][1]])
