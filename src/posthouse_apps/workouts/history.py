"""What a list of sets amounts to: records, progress, totals, a file for a spreadsheet. Records in, values out.

The *estimated one-rep max* of a set is Epley's, in grams, rounded down so that it never flatters:

    weight_g                          one rep
    weight_g * (30 + reps) // 30      2 to 12 reps
    none                              more reps, no weight, bodyweight

Above twelve reps the formula speaks of endurance: thirty reps would count double.

A weight of None is a weight that was not said, and of 0 bodyweight. For "most reps at a weight" the two are one.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from posthouse_apps.workouts.catalogue import EXERCISES, name_of
from posthouse_apps.workouts.parsing import kilograms

E1RM_REPS_MAX = 12


class Record(msgspec.Struct, frozen=True):
    """One set that was done. `exercise` is an id of the catalogue or of the person's own."""

    day: date
    exercise: str
    reps: int | None = None
    weight_g: int | None = None
    seconds: int | None = None


class PersonalRecords(msgspec.Struct, frozen=True):
    """The best sets of one exercise. Of equal sets the earliest holds the record."""

    heaviest: Record | None = None  # at weight 0 if bodyweight is all there was
    strongest: Record | None = None  # the best estimated one-rep max
    most_reps: dict[int, Record] = {}  # by weight in grams, heaviest first
    longest: Record | None = None


Kind = Literal["weight", "e1rm", "reps", "time"]


class Broken(msgspec.Struct, frozen=True):
    """A record that was beaten: by which set, and from which value to which, in grams, reps or seconds."""

    kind: Kind
    record: Record
    before: int
    now: int


class Point(msgspec.Struct, frozen=True):
    """One day of one exercise: the best of its sets, and its volume, the sum of reps × weight."""

    day: date
    best_e1rm_g: int | None = None
    volume_g: int = 0
    best_reps: int | None = None
    best_seconds: int | None = None


class Totals(msgspec.Struct, frozen=True):
    """What was done of one exercise, or of all."""

    days: int = 0
    sets: int = 0
    reps: int = 0
    volume_g: int = 0
    seconds: int = 0


class Summary(msgspec.Struct, frozen=True):
    """A period in numbers. The exercises come with the most sets first."""

    first_day: date | None
    last_day: date | None
    totals: Totals
    exercises: dict[str, Totals]


def e1rm_g(record: Record) -> int | None:
    """The estimated one-rep max of a set by the rule above, or None where it says nothing."""
    if not record.weight_g or not record.reps or record.reps > E1RM_REPS_MAX:
        return None
    return record.weight_g if record.reps == 1 else record.weight_g * (30 + record.reps) // 30


def volume_g(record: Record) -> int:
    """Reps × weight. A set without either has none."""
    return (record.reps or 0) * (record.weight_g or 0)


def personal_records(records: Iterable[Record]) -> dict[str, PersonalRecords]:
    """The records of each exercise."""
    return {exercise: _records_of(sets) for exercise, sets in _by_exercise(records).items()}


def records_broken(before: Iterable[Record], new: Iterable[Record]) -> list[Broken]:
    """The records of `before` that `new` beats, the best set for each; by exercise in the order of `new`.

    Equal is not beaten, and a first time beats nothing: neither of an exercise, nor of reps at a weight never lifted.
    """
    old = personal_records(before)
    broken: list[Broken] = []
    for exercise, sets in _by_exercise(new).items():
        was, now = old.get(exercise, PersonalRecords()), _records_of(sets)
        broken += _beaten("weight", was.heaviest, now.heaviest, _weight)
        broken += _beaten("e1rm", was.strongest, now.strongest, e1rm_g)
        for weight, record in now.most_reps.items():
            broken += _beaten("reps", was.most_reps.get(weight), record, _reps)
        broken += _beaten("time", was.longest, now.longest, _seconds)
    return broken


def progress(records: Iterable[Record], exercise: str) -> list[Point]:
    """One point for each day on which the exercise was done, in order."""
    days: dict[date, list[Record]] = defaultdict(list)
    for record in records:
        if record.exercise == exercise:
            days[record.day].append(record)
    return [
        Point(
            day,
            _value(_best(sets, e1rm_g), e1rm_g),
            sum(map(volume_g, sets)),
            _value(_best(sets, _reps), _reps),
            _value(_best(sets, _seconds), _seconds),
        )
        for day, sets in sorted(days.items())
    ]


def summary(records: Iterable[Record], *, since: date | None = None, until: date | None = None) -> Summary:
    """The totals of the days from `since` to `until`, both included."""
    kept = [one for one in records if (since is None or one.day >= since) and (until is None or one.day <= until)]
    days = [record.day for record in kept]
    exercises = {exercise: _totals(sets) for exercise, sets in _by_exercise(kept).items()}
    ranked = dict(sorted(exercises.items(), key=lambda item: -item[1].sets))
    return Summary(min(days, default=None), max(days, default=None), _totals(kept), ranked)


HEADERS = {
    "en": ("Date", "Exercise", "Reps", "Weight, kg", "Seconds"),
    "ru": ("Дата", "Упражнение", "Повторы", "Вес, кг", "Секунды"),
}

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A cell that begins with one of these may be run by a spreadsheet."""


def to_csv(records: Iterable[Record], lang: str, *, names: Mapping[str, str] | None = None) -> bytes:
    """The sets as a file for a spreadsheet, in their order; Russian for `ru`, English for any other language.

    UTF-8 with a byte order mark, without which Excel garbles Cyrillic; ISO dates; kilograms with a point. `names` are
    the names of the person's own exercises; one that has none is shown by its id. A name that could be a formula gets
    an apostrophe in front.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADERS.get(lang, HEADERS["en"]))
    for record in records:
        name = _shown_name(record.exercise, lang, names or {})
        weight = "" if record.weight_g is None else kilograms(record.weight_g)
        writer.writerow((record.day.isoformat(), _inert(name), record.reps, weight, record.seconds))
    return file.getvalue().encode("utf-8-sig")


def _by_exercise(records: Iterable[Record]) -> dict[str, list[Record]]:
    exercises: dict[str, list[Record]] = {}
    for record in records:
        exercises.setdefault(record.exercise, []).append(record)
    return exercises


def _records_of(sets: Sequence[Record]) -> PersonalRecords:
    by_weight: dict[int, list[Record]] = {}
    for record in sets:
        if record.reps:
            by_weight.setdefault(record.weight_g or 0, []).append(record)
    most_reps = {weight: _best(by_weight[weight], _reps) for weight in sorted(by_weight, reverse=True)}
    return PersonalRecords(
        heaviest=_best(sets, _weight),
        strongest=_best(sets, e1rm_g),
        most_reps={weight: record for weight, record in most_reps.items() if record},
        longest=_best(sets, _seconds),
    )


_Measure = Callable[[Record], int | None]


def _weight(record: Record) -> int | None:
    return record.weight_g


def _reps(record: Record) -> int | None:
    return record.reps


def _seconds(record: Record) -> int | None:
    return record.seconds


def _value(record: Record | None, measure: _Measure) -> int | None:
    return measure(record) if record else None


def _best(sets: Iterable[Record], measure: _Measure) -> Record | None:
    """The set with the greatest value, the earliest of equals; None if no set has a value."""
    measured = [record for record in sets if measure(record) is not None]
    return min(measured, key=lambda record: (-(measure(record) or 0), record.day), default=None)


def _beaten(kind: Kind, was: Record | None, now: Record | None, measure: _Measure) -> list[Broken]:
    before, after = _value(was, measure), _value(now, measure)
    if now is None or before is None or after is None or after <= before:
        return []
    return [Broken(kind, now, before, after)]


def _totals(sets: Sequence[Record]) -> Totals:
    return Totals(
        days=len({record.day for record in sets}),
        sets=len(sets),
        reps=sum(record.reps or 0 for record in sets),
        volume_g=sum(map(volume_g, sets)),
        seconds=sum(record.seconds or 0 for record in sets),
    )


def _shown_name(exercise: str, lang: str, names: Mapping[str, str]) -> str:
    return name_of(exercise, lang) if exercise in EXERCISES else names.get(exercise, exercise)


def _inert(cell: str) -> str:
    """A spreadsheet ignores blanks before a formula, so they are looked through."""
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) or cell.lstrip().startswith(FORMULA_STARTS) else cell
