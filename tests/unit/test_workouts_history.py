"""What a list of sets amounts to."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse_apps.workouts.history import (
    FORMULA_STARTS,
    Broken,
    PersonalRecords,
    Point,
    Record,
    Totals,
    e1rm_g,
    personal_records,
    progress,
    records_broken,
    summary,
    to_csv,
)

DAY = date(2025, 1, 6)


def squat(reps: int, kg: int, *, day: int = 0) -> Record:
    return Record(DAY + timedelta(days=day), "squat", reps, kg * 1000)


def plank(seconds: int, *, day: int = 0) -> Record:
    return Record(DAY + timedelta(days=day), "plank", seconds=seconds)


def pull_up(reps: int, *, weight_g: int | None = None, day: int = 0) -> Record:
    return Record(DAY + timedelta(days=day), "pull_up", reps, weight_g)


records = st.lists(
    st.builds(
        Record,
        day=st.dates(date(2024, 1, 1), date(2025, 12, 31)),
        exercise=st.sampled_from(["squat", "plank", "own-1"]),
        reps=st.none() | st.integers(1, 40),
        weight_g=st.none() | st.just(0) | st.integers(1, 300_000),
        seconds=st.none() | st.integers(1, 600),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("reps", "weight_g", "estimate"),
    [
        (1, 100_000, 100_000),
        (5, 100_000, 116_666),
        (10, 60_000, 80_000),
        (12, 60_000, 84_000),
        (13, 60_000, None),
        (5, 0, None),
        (5, None, None),
        (None, 24_000, None),
    ],
)
def test_the_estimated_one_rep_max_is_epleys_rounded_down(
    reps: int | None, weight_g: int | None, estimate: int | None
) -> None:
    """One rep is itself, two to twelve are Epley's estimate in whole grams, more reps and bodyweight tell nothing."""
    assert e1rm_g(Record(DAY, "squat", reps, weight_g)) == estimate


def test_personal_records_are_the_best_sets_of_each_exercise() -> None:
    """The heaviest, the strongest by estimate, the most reps at each weight and the longest time."""
    heavy, strong, many = squat(1, 120), squat(8, 100, day=1), squat(20, 60, day=2)
    best = personal_records([squat(5, 100), strong, heavy, many, plank(60), plank(90, day=3)])
    assert best == {
        "squat": PersonalRecords(heavy, strong, {120_000: heavy, 100_000: strong, 60_000: many}, None),
        "plank": PersonalRecords(longest=plank(90, day=3)),
    }


def test_the_earliest_of_equal_sets_holds_the_record() -> None:
    """Doing it again is no new record, in whatever order the sets come."""
    assert personal_records([squat(5, 100, day=4), squat(5, 100)])["squat"].heaviest == squat(5, 100)


def test_bodyweight_counts_reps_whether_it_was_said_or_not() -> None:
    """Sets without a weight and sets at bodyweight compete for the most reps."""
    best = personal_records([pull_up(8), pull_up(10, weight_g=0)])["pull_up"]
    assert best.most_reps == {0: pull_up(10, weight_g=0)}
    assert best.strongest is None


def test_broken_records_say_what_was_beaten() -> None:
    """Each record that fell comes with the set, the old value and the new one."""
    new = squat(6, 105, day=7)
    assert records_broken([squat(5, 100), squat(5, 105)], [squat(4, 105, day=7), new]) == [
        Broken("e1rm", new, 122_500, 126_000),
        Broken("reps", new, 5, 6),
    ]
    assert records_broken([plank(60)], [plank(75, day=1)]) == [Broken("time", plank(75, day=1), 60, 75)]


def test_the_first_added_weight_beats_bodyweight() -> None:
    """Bodyweight that was said is a weight of nothing, so ten kilograms more are a record."""
    new = pull_up(3, weight_g=10_000, day=1)
    assert records_broken([pull_up(10, weight_g=0)], [new]) == [Broken("weight", new, 0, 10_000)]


def test_a_first_time_and_an_equal_set_break_nothing() -> None:
    """There is no record of an exercise never done, of a weight never lifted, nor in doing the same."""
    assert records_broken([], [squat(5, 100)]) == []
    assert records_broken([squat(5, 100)], [squat(5, 100, day=1), squat(12, 60, day=1)]) == []


@given(records, records)
def test_after_a_record_is_broken_it_is_the_record(before: list[Record], new: list[Record]) -> None:
    """A broken record is above what it beat, and breaking it once more needs more."""
    for broken in records_broken(before, new):
        assert broken.now > broken.before
    assert records_broken([*before, *new], new) == []


def test_progress_has_a_point_for_each_day() -> None:
    """Days are in order, with the best estimate, the volume and the most reps; other exercises are left out."""
    done = [squat(5, 110, day=3), squat(5, 100), squat(8, 90), plank(60), squat(15, 60, day=5)]
    assert progress(done, "squat") == [
        Point(DAY, 116_666, 5 * 100_000 + 8 * 90_000, 8, None),
        Point(DAY + timedelta(days=3), 128_333, 550_000, 5, None),
        Point(DAY + timedelta(days=5), None, 900_000, 15, None),
    ]
    assert progress(done, "plank") == [Point(DAY, None, 0, None, 60)]
    assert progress(done, "dip") == []


def test_a_summary_counts_days_sets_reps_volume_and_time() -> None:
    """Totals of all and of each exercise, the one with the most sets first, within the days asked for."""
    done = [plank(60), squat(5, 100), squat(5, 100), squat(3, 110, day=2), squat(1, 130, day=9)]
    told = summary(done, since=DAY, until=DAY + timedelta(days=2))
    assert (told.first_day, told.last_day) == (DAY, DAY + timedelta(days=2))
    assert told.totals == Totals(days=2, sets=4, reps=13, volume_g=1_330_000, seconds=60)
    assert told.exercises == {"squat": Totals(2, 3, 13, 1_330_000, 0), "plank": Totals(1, 1, 0, 0, 60)}
    assert list(told.exercises) == ["squat", "plank"]


def test_a_summary_of_nothing_is_empty() -> None:
    """Without sets there are no days and no totals."""
    told = summary([])
    assert (told.first_day, told.last_day, told.totals, told.exercises) == (None, None, Totals(), {})


def rows(file: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def test_the_file_opens_in_a_spreadsheet() -> None:
    """UTF-8 with a byte order mark, a header, ISO dates, kilograms with a point, empty cells for what was not said."""
    file = to_csv([Record(DAY, "bench_press", 5, 62_500), plank(90), pull_up(8, weight_g=0)], "ru")
    assert file.startswith(b"\xef\xbb\xbf")
    assert file.endswith(b"\r\n")
    assert rows(file) == [
        ["Дата", "Упражнение", "Повторы", "Вес, кг", "Секунды"],
        ["2025-01-06", "жим лёжа", "5", "62.5", ""],
        ["2025-01-06", "планка", "", "", "90"],
        ["2025-01-06", "подтягивания", "8", "0", ""],
    ]


def test_the_file_is_english_for_any_other_language() -> None:
    """Headers and names of exercises are English unless Russian is asked for."""
    table = rows(to_csv([squat(5, 100)], "de"))
    assert table == [["Date", "Exercise", "Reps", "Weight, kg", "Seconds"], ["2025-01-06", "squat", "5", "100", ""]]


def test_the_persons_own_exercises_have_their_names() -> None:
    """A name is taken from those given; an exercise without one is shown by its id."""
    done = [Record(DAY, "own-1", 5), Record(DAY, "own-2", 5)]
    assert [row[1] for row in rows(to_csv(done, "en", names={"own-1": 'Zercher, "deep"'}))[1:]] == [
        'Zercher, "deep"',
        "own-2",
    ]


@pytest.mark.parametrize("start", [*FORMULA_STARTS, " =", "\u00a0@"])
def test_a_name_cannot_be_a_formula(start: str) -> None:
    """A name that a spreadsheet could run is kept as text by an apostrophe."""
    name = start + 'HYPERLINK("http://example.org")'
    assert rows(to_csv([Record(DAY, "own-1", 5)], "en", names={"own-1": name}))[1][1] == f"'{name}"


@given(records)
def test_every_set_is_a_row(done: list[Record]) -> None:
    """The file has a row for each set, in order, all with the same columns."""
    table = rows(to_csv(done, "en"))
    assert [row[0] for row in table[1:]] == [record.day.isoformat() for record in done]
    assert {len(row) for row in table} == {5}
