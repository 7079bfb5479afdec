"""The dialogues: log a workout, correct a day, show progress. Each is a coroutine that survives any restart.

log        text ─► which exercises? ─► draft ─► [Save] [Edit] [Cancel], or more sets ─► saved, with records
correct    which day? ─► what it is ─► the whole day anew, or [Delete]
progress   which exercise? ─► a chart, drawn in a job
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from posthouse import File, Talk
from posthouse.programs.actions import Kept
from posthouse.programs.conversations import choice
from posthouse.programs.conversations import date as a_date
from posthouse.programs.conversations import text as a_text
from posthouse_apps.workouts import diary
from posthouse_apps.workouts.catalogue import Ambiguous, Found, normalise, resolve
from posthouse_apps.workouts.drawing import draw
from posthouse_apps.workouts.history import progress
from posthouse_apps.workouts.parsing import Draft, OutOfRange, parse
from posthouse_apps.workouts.wording import (
    Entry,
    as_written,
    broken_line,
    day_lines,
    entry_lines,
    exercise_name,
)

SKIP, OWN_EXERCISE = "-", "+"
POINTS_MAX = 200


async def log(talk: Talk, text: str) -> None:
    """From words to saved sets. There is one draft at a time; what is written meanwhile is added to it (C4-1)."""
    entries = await understood(talk, parse(text))
    while entries:
        shown = f"{talk.t('draft', lines=entry_lines(entries, talk.t, talk.language))}\n\n{talk.t('draft.more')}"
        buttons = {name: talk.t(f"draft.{name}") for name in ("approve", "edit", "cancel")}
        kind, answer = await talk.ask_any(shown, press=choice(buttons, columns=3), more=a_text())
        if kind == "more":
            entries += await understood(talk, parse(answer))
        elif answer == "edit":
            written = as_written(entries, talk.language)
            entries = await understood(talk, parse(await talk.ask(talk.t("draft.rewrite", text=written))))
        elif answer == "cancel":
            talk.say(talk.t("draft.cancelled"))
            return
        else:
            await save(talk, entries)
            return
    talk.say(talk.t("draft.empty"))


async def save(talk: Talk, entries: Sequence[Entry]) -> None:
    """Write the draft, and say which records it broke."""
    sets = [one for entry in entries for one in entry.records()]
    today = talk.moment.date().isoformat()
    broken = await talk.transact(diary.save, talk.user_id, today, sets)
    lines = [broken_line(one, talk.t, talk.language) for one in broken]
    talk.say("\n".join([talk.t("draft.saved", n=len(sets)), *lines]))


async def correct(talk: Talk, day: str | None = None) -> None:
    """Show a saved day and put another in its place (C4-8)."""
    chosen = date.fromisoformat(day) if day else None
    if chosen is None:
        retry = talk.t("edit.which_day.retry")
        chosen = await talk.ask(talk.t("edit.which_day"), a_date(), retry=retry)
    sets = await talk.transact(diary.day_of, talk.user_id, chosen.isoformat())
    if not sets:
        talk.say(talk.t("edit.empty_day", day=chosen))
        return
    lines = day_lines(sets, talk.t, talk.language)
    kind, answer = await talk.ask_any(
        talk.t("edit.show", day=chosen, lines=lines),
        press=choice({"delete": talk.t("edit.delete")}),
        text=a_text(),
    )
    entries = [] if kind == "press" else await understood(talk, parse(answer))
    if kind == "text" and not entries:
        return  # nothing was understood, and said so: the day stays as it is
    new = [one for entry in entries for one in entry.records()]
    await talk.transact(diary.replace_day, talk.user_id, chosen.isoformat(), new)
    if not entries:
        talk.say(talk.t("edit.deleted"))
    else:
        talk.say(talk.t("edit.done", day=chosen, lines=entry_lines(entries, talk.t, talk.language)))


async def show_progress(talk: Talk, wanted: str | None = None) -> None:
    """A chart of one exercise."""
    exercise = await identified(talk, wanted, await own_names(talk)) if wanted else await one_of_mine(talk)
    points = await talk.transact(points_of, talk.user_id, exercise) if exercise else []
    if not exercise or not points:
        talk.say(talk.t("progress.none"))
        return
    title = exercise_name(exercise, talk.language)
    key = await talk.job(draw, points=points, title=title, lang=talk.language)
    caption = talk.t("progress.caption", exercise=title, days=len(points))
    talk.photo(File(Kept(key), "progress.png"), caption=caption)


async def one_of_mine(talk: Talk) -> str | None:
    """Ask for one of the exercises that the person trains."""
    mine = await talk.transact(diary.most_trained, talk.user_id)
    if not mine:
        return None
    names = {exercise: exercise_name(exercise, talk.language) for exercise in mine}
    chosen: str = await talk.ask(talk.t("progress.which"), choice(names), retry=talk.t("choose_button"))
    return chosen


def points_of(connection: Any, person: int, exercise: str) -> list[dict[str, Any]]:
    """The newest days of an exercise, as plain data."""
    points = progress(diary.records_of(connection, person, [exercise]), exercise)
    plain: list[dict[str, Any]] = msgspec.to_builtins(points[-POINTS_MAX:])
    return plain


# -- what is meant ------------------------------------------------------------------------------------------------


async def understood(talk: Talk, draft: Draft) -> list[Entry]:
    """The lines of a draft with their exercises; asks where it must, and says what it did not understand."""
    for problem in draft.problems:
        talk.say(range_text(talk, problem))
    if draft.unclear:
        talk.say(talk.t("draft.unclear", pieces=", ".join(f"“{piece}”" for piece in draft.unclear)))
    own = await own_names(talk) if draft.lines else {}
    entries: list[Entry] = []
    for line in draft.lines:
        exercise = await identified(talk, line.exercise_text, own)
        if exercise is not None and line.sets:
            entries.append(Entry(exercise, list(line.sets)))
    return entries


async def identified(talk: Talk, written: str, own: dict[str, str]) -> str | None:
    """The exercise that is meant; a choice is remembered, so that it is asked for once (C4-4). None: leave it out."""
    match = resolve(written, own=own)
    if isinstance(match, Found):
        return match.exercise_id
    candidates = match.candidates if isinstance(match, Ambiguous) else match.suggestions
    options = {exercise: exercise_name(exercise, talk.language) for exercise in candidates}
    options |= {OWN_EXERCISE: talk.t("which.own", text=written[:40]), SKIP: talk.t("which.skip")}
    question, retry = talk.t("which", text=written[:200]), talk.t("choose_button")
    chosen = await talk.ask(question, choice(options), retry=retry)
    if chosen == SKIP:
        return None
    exercise = diary.OWN + normalise(written)[:100] if chosen == OWN_EXERCISE else str(chosen)
    called = normalise(written)
    own[called] = exercise
    await talk.transact(diary.remember_name, talk.user_id, called, exercise)
    return exercise


async def own_names(talk: Talk) -> dict[str, str]:
    """What the person calls which exercise."""
    return await talk.transact(diary.names_of, talk.user_id)


def range_text(talk: Talk, problem: OutOfRange) -> str:
    """What cannot be, for people."""
    values = {"maximum": problem.maximum, "minimum": problem.minimum, "text": problem.text}
    used = {"text": ("maximum",), "sets": ("maximum",), "reps": ("text", "minimum", "maximum")}
    return talk.t(f"range.{problem.what}", **{name: values[name] for name in used.get(problem.what, ("text",))})
