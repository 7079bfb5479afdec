"""Draws how an exercise progressed as a PNG: round ticks, dates, a line with dots, the best day marked.

    title                                    900 × 560, light
    kg
    120 ┤            ╭──●  best
    100 ┤   ●───●────╯
        └────┬───────┬──────
           5 Jan   12 Jan

The horizontal axis is time, so a pause is as wide as it was long; the line across one of more than four weeks is
dashed. The vertical axis begins near the lowest value, not at zero: two kilograms more are the news.

Fonts: Pillow's own has no Cyrillic letters. The first of `FONT_NAMES` that the system has is used; where there is
none, Cyrillic is written in Latin letters. A character that the font lacks, such as an emoji, is left out.

Pure but for reading the font's file, and takes some tens of milliseconds: a bot draws in a job, not in a turn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from babel.dates import format_date
from babel.numbers import format_decimal
from PIL import Image, ImageDraw, ImageFont

from posthouse_apps.workouts.history import Point

Measure = Literal["e1rm", "volume", "reps", "time"]

WIDTH, HEIGHT = 900, 560  # pixels
LEFT, RIGHT, TOP, BOTTOM = 84, 36, 104, 58  # margins around the plot
SCALE = 2  # drawn larger and shrunk, which smooths the lines

TICKS_MAX = 6
PAUSE = timedelta(days=28)

PAPER, INK, QUIET, GRID = "#FFFFFF", "#1F2937", "#6B7280", "#E5E7EB"
LINE, SHADE, BEST, BEST_INK = "#2563EB", "#EEF3FE", "#F59E0B", "#92400E"

FONT_NAMES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
)
"""Looked for in the system's font folders, in this order."""

UNITS: dict[Measure, tuple[str, str]] = {
    "e1rm": ("kg", "кг"),
    "volume": ("kg", "кг"),
    "reps": ("reps", "повт."),
    "time": ("min:s", "мин:с"),
}
"""In English and in Russian."""

LATIN: dict[str, str] = dict(zip("абвгдеёзийклмнопрстуфыэьъ", [*"abvgdeeziyklmnoprstufye", "", ""], strict=True)) | {
    "ж": "zh",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ю": "yu",
    "я": "ya",
}

_Spot = tuple[float, float]


def draw_progress(
    points: Sequence[Point],
    *,
    title: str,
    lang: str,
    measure: Measure | None = None,
    font_names: Sequence[str] = FONT_NAMES,
) -> bytes:
    """A PNG of the points that have a value, or raise ValueError if none has.

    Without `measure` it is what the points tell most of: estimated one-rep max, else volume, reps or time. Units,
    dates and numbers are Russian for `ru`, English for any other language; the title is drawn as given, cut to fit.
    """
    shown = measure or measure_of(points)
    dots = sorted((point.day, value) for point in points if (value := _value(point, shown)) is not None)
    if not dots:
        raise ValueError(f"no point has a value of {shown!r}; a chart needs one")
    picture = _Picture.blank(tuple(font_names), "ru" if lang == "ru" else "en")
    axes = _Axes.around(dots, shown)
    _draw_frame(picture, axes, title, shown)
    _draw_line(picture, axes, dots)
    _draw_best(picture, axes, dots, shown)
    return picture.png()


def measure_of(points: Sequence[Point]) -> Measure:
    """The first measure that any of the points has a value of; of none, estimated one-rep max."""
    order: tuple[Measure, ...] = ("e1rm", "volume", "reps", "time")
    return next((one for one in order if any(_value(point, one) is not None for point in points)), "e1rm")


def _value(point: Point, measure: Measure) -> int | None:
    match measure:
        case "e1rm":
            return point.best_e1rm_g
        case "volume":
            return point.volume_g or None
        case "reps":
            return point.best_reps
        case "time":
            return point.best_seconds


# --- Axes ---


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a day and a value lie on the picture, in pixels."""

    first: date
    last: date
    ticks: Sequence[int]

    @classmethod
    def around(cls, dots: Sequence[tuple[date, int]], measure: Measure) -> _Axes:
        values = [value for _, value in dots]
        return cls(dots[0][0], dots[-1][0], round_ticks(min(values), max(values), measure))

    def x(self, day: date) -> float:
        left, right = LEFT + 24, WIDTH - RIGHT - 24
        span = (self.last - self.first).days
        return left + (right - left) * ((day - self.first).days / span if span else 0.5)

    def y(self, value: int) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - low) / (high - low)


def round_ticks(low: int, high: int, measure: Measure) -> list[int]:
    """At most six round values, evenly apart, that include `low` and `high`; at least two."""
    if low == high:
        margin = max(low // 20, 5000 if measure in ("e1rm", "volume") else 1)
        low, high = max(low - margin, 0), high + margin
    for step in _steps(measure):
        start, end = low // step * step, -(-high // step) * step
        if (end - start) // step < TICKS_MAX:
            return list(range(start, end + 1, step))
    raise AssertionError("unreachable: the steps never end")


def _steps(measure: Measure) -> Iterator[int]:
    """Round distances between ticks, in the unit of the measure, ever larger."""
    if measure == "time":
        yield from (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
    power = 500 if measure in ("e1rm", "volume") else 1 if measure == "reps" else 3600
    while True:
        yield from (power, power * 2, power * 5)
        power *= 10


def date_ticks(first: date, last: date) -> tuple[list[date], str]:
    """At most six days between two, evenly apart as a calendar counts, and the date format that tells them apart."""
    for days in (1, 2, 3):
        if (last - first).days // days < TICKS_MAX:
            return [first + timedelta(days=n) for n in range(0, (last - first).days + 1, days)], "d MMM"
    for days in (7, 14):
        monday = first + timedelta(days=-first.weekday() % 7)
        if (last - monday).days // days < TICKS_MAX:
            return [monday + timedelta(days=n) for n in range(0, (last - monday).days + 1, days)], "d MMM"
    month_first = _month(first) + (first.day > 1)
    for step in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12000, 24000):
        months = range(-(-month_first // step) * step, _month(last) + 1, step)
        if len(months) <= TICKS_MAX:
            break
    return [date(month // 12, month % 12 + 1, 1) for month in months], "LLL y" if step < 12 else "y"


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


# --- Drawing ---


@dataclass(frozen=True, slots=True)
class _Picture:
    """A canvas that takes pixels of the finished picture."""

    image: Image.Image
    draw: ImageDraw.ImageDraw
    font_names: tuple[str, ...]
    lang: str

    @classmethod
    def blank(cls, font_names: tuple[str, ...], lang: str) -> _Picture:
        image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
        return cls(image, ImageDraw.Draw(image), font_names, lang)

    def line(self, spots: Sequence[_Spot], color: str, width: float) -> None:
        self.draw.line([_scaled(spot) for spot in spots], color, round(width * SCALE), joint="curve")

    def area(self, spots: Sequence[_Spot], color: str) -> None:
        self.draw.polygon([_scaled(spot) for spot in spots], color)

    def dot(self, spot: _Spot, radius: float, color: str) -> None:
        self.draw.circle(_scaled(spot), radius * SCALE, color)

    def label(self, spot: _Spot, text: str, size: int, color: str, anchor: str, *, width_max: int = WIDTH) -> None:
        """Text with its anchor (Pillow's two letters) at a spot, cut where it gets too wide."""
        font = _font(size * SCALE, self.font_names)
        words = _legible(text, font)
        if font.getlength(words) > width_max * SCALE:
            while words and font.getlength(words + "...") > width_max * SCALE:
                words = words[:-1]
            words = words.rstrip() + "..."
        self.draw.text(_scaled(spot), words, color, font, anchor=anchor)

    def text_width(self, text: str, size: int) -> float:
        font = _font(size * SCALE, self.font_names)
        return font.getlength(_legible(text, font)) / SCALE

    def png(self) -> bytes:
        file = io.BytesIO()
        self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(file, "PNG")
        return file.getvalue()


def _scaled(spot: _Spot) -> _Spot:
    return spot[0] * SCALE, spot[1] * SCALE


def _draw_frame(picture: _Picture, axes: _Axes, title: str, measure: Measure) -> None:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    picture.label((LEFT - 48, 42), title, 24, INK, "lm", width_max=right - LEFT + 48)
    picture.label((LEFT - 12, TOP - 24), UNITS[measure][picture.lang == "ru"], 14, QUIET, "rm")
    for tick in axes.ticks:
        y = axes.y(tick)
        picture.line([(LEFT, y), (right, y)], GRID, 1)
        picture.label((LEFT - 12, y), _shown(tick, measure, picture.lang), 15, QUIET, "rm", width_max=LEFT - 16)
    days, pattern = date_ticks(axes.first, axes.last)
    for day in days:
        x = axes.x(day)
        picture.line([(x, floor), (x, floor + 6)], QUIET, 1)
        picture.label((x, floor + 24), format_date(day, pattern, locale=picture.lang), 15, QUIET, "mm")
    picture.line([(LEFT, floor), (right, floor)], QUIET, 1)


def _draw_line(picture: _Picture, axes: _Axes, dots: Sequence[tuple[date, int]]) -> None:
    """Stretches without a pause are lines with a shade below; what lies between them is dashed."""
    stretches: list[list[tuple[date, int]]] = [[dots[0]]]
    for before, dot in pairwise(dots):
        if dot[0] - before[0] > PAUSE:
            stretches.append([])
        stretches[-1].append(dot)
    spots = [[(axes.x(day), axes.y(value)) for day, value in stretch] for stretch in stretches]
    floor = HEIGHT - BOTTOM - 1
    for stretch in spots:
        if len(stretch) > 1:
            picture.area([(stretch[0][0], floor), *stretch, (stretch[-1][0], floor)], SHADE)
    for tick in axes.ticks[1:]:
        picture.line([(LEFT, axes.y(tick)), (WIDTH - RIGHT, axes.y(tick))], GRID, 1)  # again, over the shade
    for before_pause, after_pause in pairwise(spots):
        _draw_dashes(picture, before_pause[-1], after_pause[0])
    radius = 5.5 if len(dots) <= 30 else 3.5 if len(dots) <= 100 else 0
    for stretch in spots:
        if len(stretch) > 1:
            picture.line(stretch, LINE, 3 if radius else 2)
        for spot in stretch:
            picture.dot(spot, radius or 2, LINE)
            if radius > 5:
                picture.dot(spot, radius - 2.5, PAPER)


def _draw_dashes(picture: _Picture, start: _Spot, end: _Spot) -> None:
    length = max(((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5, 1)
    dashes = max(round(length / 12), 1)
    for n in range(dashes):
        a, b = n / dashes, (n + 0.5) / dashes
        picture.line([_between(start, end, a), _between(start, end, b)], "#93B4F5", 2)


def _between(start: _Spot, end: _Spot, share: float) -> _Spot:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _draw_best(picture: _Picture, axes: _Axes, dots: Sequence[tuple[date, int]], measure: Measure) -> None:
    """Marks the earliest of the best days and names its value and date above it."""
    day, value = min(dots, key=lambda dot: (-dot[1], dot[0]))
    x, y = axes.x(day), axes.y(value)
    picture.dot((x, y), 9, PAPER)
    picture.dot((x, y), 7.5, BEST)
    unit = "" if measure == "time" else " " + UNITS[measure][picture.lang == "ru"]
    date_text = format_date(day, "d MMM y", locale=picture.lang)
    text = f"{_shown(value, measure, picture.lang)}{unit}, {date_text}"
    half = picture.text_width(text, 15) / 2 + 12
    center = min(max(x, LEFT + half), WIDTH - RIGHT - half)
    box = (center - half, y - 44, center + half, y - 17)
    picture.draw.rounded_rectangle([edge * SCALE for edge in box], 8 * SCALE, "#FEF3C7")
    picture.label((center, y - 30.5), text, 15, BEST_INK, "mm")


def _shown(value: int, measure: Measure, lang: str) -> str:
    if measure == "time":
        return f"{value // 60}:{value % 60:02}"
    number = Decimal(value) / 1000 if measure in ("e1rm", "volume") else Decimal(value)
    return format_decimal(number, "#,##0.#", locale=lang)


# --- Letters ---


def _font(size: int, names: tuple[str, ...]) -> ImageFont.FreeTypeFont:
    path = _font_path(names)
    font = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


@lru_cache(maxsize=8)
def _font_path(names: tuple[str, ...]) -> str | None:
    """Where the first of these fonts lies. Remembered, because Pillow searches every font folder."""
    for name in names:
        try:
            return str(ImageFont.truetype(name, 12).path)
        except OSError:
            continue
    return None


def _legible(text: str, font: ImageFont.FreeTypeFont) -> str:
    """The text in characters that the font has: what it lacks in Latin letters, or not at all."""
    has = _glyphs(font)
    return " ".join("".join(char if has(char) else _latin(char) for char in text).split())


def _glyphs(font: ImageFont.FreeTypeFont) -> Callable[[str], bool]:
    missing = bytes(font.getmask("\uffff"))  # never a character, so this is the mark for a missing one
    return lambda char: char.isspace() or bytes(font.getmask(char)) != missing


def _latin(char: str) -> str:
    latin = LATIN.get(char.lower(), "")
    return latin.capitalize() if char.isupper() else latin
