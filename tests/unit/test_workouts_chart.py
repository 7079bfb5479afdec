"""The picture of an exercise's progress."""

from __future__ import annotations

import io
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from posthouse_apps.workouts.chart import (
    BEST,
    HEIGHT,
    LINE,
    TICKS_MAX,
    WIDTH,
    Measure,
    date_ticks,
    draw_progress,
    measure_of,
    round_ticks,
)
from posthouse_apps.workouts.history import Point

DAY = date(2025, 1, 6)
MEASURES: tuple[Measure, ...] = ("e1rm", "volume", "reps", "time")


def point(day: int, kg: int) -> Point:
    return Point(DAY + timedelta(days=day), kg * 1000)


def drawn(points: list[Point], *, title: str = "Squat", lang: str = "en", **options: object) -> Image.Image:
    file = draw_progress(points, title=title, lang=lang, **options)  # type: ignore[arg-type]
    image = Image.open(io.BytesIO(file))
    image.load()
    assert image.format == "PNG"
    return image


def spots(image: Image.Image, color: str) -> set[tuple[int, int]]:
    """Where a colour is, exactly."""
    wanted = tuple(bytes.fromhex(color[1:]))
    pixels = image.convert("RGB").load()
    assert pixels is not None
    return {(x, y) for x in range(image.width) for y in range(image.height) if pixels[x, y] == wanted}


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([point(0, 100)], id="one point"),
        pytest.param([point(day, 100) for day in range(4)], id="equal points"),
        pytest.param([point(0, 100), point(0, 110)], id="two on a day"),
        pytest.param([point(day * 2, 80 + day % 37) for day in range(500)], id="500 points"),
        pytest.param([point(0, 100), point(3, 105), point(300, 90), point(2000, 120)], id="pauses"),
        pytest.param([point(0, 1), point(1, 1000)], id="extremes"),
        pytest.param([Point(date.min, 1), Point(date.max, 2)], id="all of time"),
    ],
)
def test_any_points_become_a_picture(points: list[Point]) -> None:
    """One point, equal ones, many and pauses give a picture of one size with a mark."""
    image = drawn(points)
    assert image.size == (WIDTH, HEIGHT)
    assert spots(image, BEST)


def test_the_best_day_is_marked() -> None:
    """The mark is at the highest point: between its neighbours, and above the line's other parts."""
    image = drawn([point(0, 100), point(10, 140), point(20, 100)])
    best = spots(image, BEST)
    assert abs(sum(x for x, _ in best) / len(best) - (84 + WIDTH - 36) / 2) < 2
    assert max(y for _, y in best) < min(max(y for _, y in spots(image, LINE)), HEIGHT / 2)


def test_the_earliest_of_equal_days_is_the_best() -> None:
    """Reaching the same again does not move the mark."""
    best = spots(drawn([point(day, 100) for day in range(5)]), BEST)
    assert max(x for x, _ in best) < WIDTH / 4


def test_order_does_not_matter() -> None:
    """Points are drawn by day, however they come."""
    points = [point(0, 100), point(5, 120), point(9, 110)]
    assert draw_progress(points, title="x", lang="en") == draw_progress(points[::-1], title="x", lang="en")


def test_a_pause_is_not_a_line() -> None:
    """Across more than four weeks the solid line is interrupted."""
    without, with_pause = (spots(drawn([point(0, 100), point(day, 120)]), LINE) for day in (28, 29))
    assert len(with_pause) < len(without) / 2


def test_points_without_a_value_are_left_out() -> None:
    """A day without an estimate draws the same picture as no day."""
    points = [point(0, 100), point(9, 110)]
    assert draw_progress([*points, Point(DAY + timedelta(days=4))], title="x", lang="en") == draw_progress(
        points, title="x", lang="en"
    )


@pytest.mark.parametrize("points", [[], [Point(DAY)]])
def test_without_a_value_there_is_no_picture(points: list[Point]) -> None:
    """Nothing to draw is an error that says so."""
    with pytest.raises(ValueError, match="no point has a value of 'e1rm'; a chart needs one"):
        draw_progress(points, title="x", lang="en")


@pytest.mark.parametrize(
    ("points", "measure"),
    [
        ([Point(DAY, None, 0, 10, 60), Point(DAY, 100_000)], "e1rm"),
        ([Point(DAY, None, 900_000, 15, None)], "volume"),
        ([Point(DAY, None, 0, 10, None)], "reps"),
        ([Point(DAY, None, 0, None, 60)], "time"),
        ([], "e1rm"),
    ],
)
def test_the_measure_is_what_the_points_tell_most_of(points: list[Point], measure: Measure) -> None:
    """Strength before volume, volume before reps, reps before time."""
    assert measure_of(points) == measure


@pytest.mark.parametrize("font_names", [None, ()], ids=["system fonts", "no fonts"])
def test_cyrillic_titles_are_drawn_letter_by_letter(font_names: tuple[str, ...] | None) -> None:
    """Different Cyrillic words look different, so none is a row of boxes; without a font they are in Latin letters."""
    options = {} if font_names is None else {"font_names": font_names}
    pictures = {drawn([point(0, 100)], title=title, lang="ru", **options).tobytes() for title in ("жим", "шаг", "рыл")}
    assert len(pictures) == 3


def test_without_a_font_cyrillic_is_written_in_latin_letters() -> None:
    """A system without fonts draws the Russian title as its transliteration."""
    russian, latin = (
        draw_progress([point(0, 100)], title=title, lang="en", font_names=()) for title in ("Жим лёжа", "Zhim lezha")
    )
    assert russian == latin


def test_a_title_is_cut_to_fit_and_loses_what_cannot_be_drawn() -> None:
    """A long title ends in dots; emoji and line ends leave nothing behind."""
    assert drawn([point(0, 100)], title="long " * 100).size == (WIDTH, HEIGHT)
    assert draw_progress([point(0, 100)], title="Squat\n💪", lang="en", font_names=()) == draw_progress(
        [point(0, 100)], title="Squat", lang="en", font_names=()
    )


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(MEASURES))
def test_ticks_are_few_even_and_hold_all_values(a: int, b: int, measure: Measure) -> None:
    """Two to six ticks with one distance between them, from at most the lowest value to at least the highest."""
    low, high = sorted((a, b))
    ticks = round_ticks(low, high, measure)
    assert 2 <= len(ticks) <= TICKS_MAX
    assert ticks[0] <= low <= high <= ticks[-1]
    assert ticks[0] >= 0
    assert len({after - before for before, after in pairwise(ticks)}) == 1


@pytest.mark.parametrize(
    ("low", "high", "measure", "ticks"),
    [
        (83_000, 119_000, "e1rm", [80_000, 90_000, 100_000, 110_000, 120_000]),
        (100_000, 100_000, "e1rm", [95_000, 97_500, 100_000, 102_500, 105_000]),
        (8, 13, "reps", [8, 9, 10, 11, 12, 13]),
        (8, 14, "reps", [8, 10, 12, 14]),
        (50, 170, "time", [30, 60, 90, 120, 150, 180]),
        (0, 0, "reps", [0, 1]),
    ],
)
def test_ticks_are_round(low: int, high: int, measure: Measure, ticks: list[int]) -> None:
    """Weights go by halves of a kilogram, ones, tens; times by seconds, quarters and whole minutes."""
    assert round_ticks(low, high, measure) == ticks


@given(st.dates(), st.dates())
def test_date_ticks_are_few_and_within_the_days(a: date, b: date) -> None:
    """At most six dates, in order, none outside of what is shown."""
    first, last = sorted((a, b))
    days, _ = date_ticks(first, last)
    assert len(days) <= TICKS_MAX
    assert days == sorted(set(days))
    assert all(first <= day <= last for day in days)


@pytest.mark.parametrize(
    ("span", "ticks", "pattern"),
    [(0, 1, "d MMM"), (5, 6, "d MMM"), (30, 5, "d MMM"), (120, 4, "LLL y"), (2000, 5, "y")],
)
def test_date_ticks_follow_the_calendar(span: int, ticks: int, pattern: str) -> None:
    """Days, then Mondays, then first days of months, then years."""
    days, shown_as = date_ticks(DAY, DAY + timedelta(days=span))
    assert (len(days), shown_as) == (ticks, pattern)
