"""Faces: the round badge of each emotion, drawn with a pen in a square from -1 to 1.

No emoji font is needed, so that a face looks the same everywhere. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from posthouse_apps.stickers.ornaments import OUTLINES, SMOOTHING, Point, capsule, ribbon
from posthouse_apps.stickers.styles import GOLD, INK, ROSE, SKY, WHITE, Colour, Emotion, mixed


def drawn_face(emotion: Emotion, side: int) -> Image.Image:
    """A round face that shows the emotion, in colour on nothing."""
    full = side * SMOOTHING
    face = Image.new("RGBA", (full, full))
    skin, rim = _SKINS.get(emotion, (GOLD, (240, 150, 26)))
    pen = _Pen(ImageDraw.Draw(face), full)
    pen.disc(0, 0, 0.98, rim)
    pen.disc(0, -0.03, 0.91, skin)
    pen.oval(-0.3, -0.62, 0.3, 0.16, mixed(skin, WHITE, 0.45))
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
        self.shape(ribbon(line, width), colour)
        for end in (line[0], line[-1]):
            self.disc(*end, width / 2, colour)

    def bar(self, start: Point, end: Point, width: float, colour: Colour = _BROWN) -> None:
        self.shape(capsule(start, end, width / 2), colour)

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
