"""How a log reads: sets and exercises as lines, in the person's language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from posthouse.kits.i18n import N_, Messages
from posthouse_apps.workouts.catalogue import EXERCISES, name_of
from posthouse_apps.workouts.diary import OWN
from posthouse_apps.workouts.history import Record, e1rm_g, personal_records
from posthouse_apps.workouts.parsing import Line, WorkSet, kilograms, to_text

messages = Messages.load(Path(__file__).with_name("messages.txt"))

ENDINGS = (N_("conversation.cancelled"),)
"""Texts that the platform asks for by itself."""

Texts = Callable[..., str]
"""`t(key, **values)` of a turn or a talk."""


class Entry(msgspec.Struct, frozen=True):
    """One exercise of a draft, after it is known which one is meant."""

    exercise: str
    sets: list[WorkSet]

    def records(self) -> list[dict[str, Any]]:
        """Its sets as the diary takes them."""
        return [{"exercise": self.exercise} | msgspec.to_builtins(one) for one in self.sets]


def exercise_name(exercise: str, lang: str) -> str:
    """What an exercise is called: in the catalogue's words, or in the person's own."""
    if exercise.startswith(OWN):
        return exercise[len(OWN) :]
    if exercise not in EXERCISES:
        return exercise
    name = name_of(exercise, spoken(lang))
    return name[:1].upper() + name[1:]


def spoken(lang: str) -> str:
    """The language in which exercises have names: Russian or English."""
    return "ru" if lang.split("-")[0] == "ru" else "en"


def entry_lines(entries: Sequence[Entry], t: Texts, lang: str) -> str:
    """A draft for people: a line for each exercise."""
    return "\n".join(f"• {exercise_name(one.exercise, lang)}: {sets_text(one.sets, t)}" for one in entries)


def record_lines(records: Iterable[Record], t: Texts, lang: str) -> str:
    """The sets of one day for people."""
    entries = [
        Entry(exercise, [WorkSet(one.reps, one.weight_g, one.seconds) for one in sets])
        for exercise, sets in groupby(records, key=lambda record: record.exercise)
    ]
    return entry_lines(entries, t, lang)


def day_lines(day: Sequence[dict[str, Any]], t: Texts, lang: str) -> str:
    """The same for sets as plain data."""
    entries = [
        Entry(exercise, [WorkSet(one["reps"], one["weight_g"], one["seconds"]) for one in sets])
        for exercise, sets in groupby(day, key=lambda one: str(one["exercise"]))
    ]
    return entry_lines(entries, t, lang)


def sets_text(sets: Sequence[WorkSet], t: Texts) -> str:
    """`3 × 8 × 60 kg, 5 × 100 kg`: equal sets in a row are counted."""
    runs = [(one, len(list(run))) for one, run in groupby(sets)]
    return ", ".join(f"{count} × {set_text(one, t)}" if count > 1 else set_text(one, t) for one, count in runs)


def set_text(one: WorkSet, t: Texts) -> str:
    """One set."""
    if one.seconds is not None:
        return t("set.seconds", n=one.seconds)
    if one.weight_g is None:
        return t("set.reps", n=one.reps or 0)
    weight = t("set.bodyweight") if one.weight_g == 0 else t("set.kg", n=kilograms(one.weight_g))
    return weight if one.reps is None else f"{one.reps} × {weight}"


def as_written(entries: Sequence[Entry], lang: str) -> str:
    """A draft as its author might have written it, to be sent back corrected."""
    return to_text([Line(exercise_name(one.exercise, lang), one.sets) for one in entries])


def broken_line(broken: dict[str, Any], t: Texts, lang: str) -> str:
    """A record that was broken, for people."""
    in_grams = broken["kind"] in ("weight", "e1rm")
    before, now = (kilograms(broken[name]) if in_grams else str(broken[name]) for name in ("before", "now"))
    exercise = exercise_name(broken["exercise"], lang)
    return t(f"broken.{broken['kind']}", exercise=exercise, before=before, now=now)


def records_text(records: Sequence[Record], t: Texts, lang: str) -> str:
    """All personal records."""
    lines = []
    for exercise, best in personal_records(records).items():
        parts = []
        if best.heaviest is not None and best.heaviest.weight_g:
            heaviest = best.heaviest
            parts.append(t("records.heaviest", set=set_text(WorkSet(heaviest.reps, heaviest.weight_g), t)))
        if best.strongest is not None and (strongest := e1rm_g(best.strongest)):
            parts.append(t("records.e1rm", n=kilograms(strongest)))
        if best.longest is not None:
            parts.append(t("records.longest", set=set_text(WorkSet(seconds=best.longest.seconds), t)))
        if not parts and best.most_reps:
            parts.append(t("set.reps", n=max(record.reps or 0 for record in best.most_reps.values())))
        lines.append(f"• {exercise_name(exercise, lang)}: {', '.join(parts)}")
    return "\n".join([t("records.title"), "", *lines])
