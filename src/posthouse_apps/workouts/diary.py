"""The diary: what people trained, and what they call things. Functions for `turn.transact`, the same on both stores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)

from posthouse_apps.workouts.history import Broken, Record, records_broken

metadata = MetaData()

SETS = Table(
    "workout_sets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("exercise", String(120), nullable=False),
    Column("reps", Integer),
    Column("weight_g", Integer),
    Column("seconds", Integer),
    Index("workout_sets_person_day", "person", "day", "id"),
)

# What a person calls an exercise, once they have said which one they mean (C4-4).
NAMES = Table(
    "workout_names",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("person", BigInteger, nullable=False),
    Column("called", String(120), nullable=False),
    Column("exercise", String(120), nullable=False),
    Column("use_count", Integer, nullable=False, default=1),
    UniqueConstraint("person", "called"),
)

HISTORY_DAYS = 5
OWN = "own:"
"""Ids of exercises that a person made up begin so; the rest is the name."""


def names_of(connection: Connection, person: int) -> dict[str, str]:
    """What this person calls which exercise."""
    found = connection.execute(select(NAMES.c.called, NAMES.c.exercise).where(NAMES.c.person == person))
    return {row.called: row.exercise for row in found}


def remember_name(connection: Connection, person: int, called: str, exercise: str) -> None:
    """From now on this person means this exercise by that name."""
    mine = (NAMES.c.person == person) & (NAMES.c.called == called[:120])
    changed = connection.execute(update(NAMES).where(mine).values(exercise=exercise, use_count=NAMES.c.use_count + 1))
    if not changed.rowcount:
        connection.execute(insert(NAMES).values(person=person, called=called[:120], exercise=exercise, use_count=1))


def save(connection: Connection, person: int, day: str, sets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Write the sets of a day (ISO); a set is a `Record` without its day. Returns the records that they broke."""
    exercises = {one["exercise"] for one in sets}
    before = records_of(connection, person, exercises)
    moment = date.fromisoformat(day)
    connection.execute(insert(SETS), [{"person": person, "day": moment, **one} for one in sets])
    new = [Record(moment, **one) for one in sets]
    return [_plain(broken) for broken in records_broken(before, new)]


def replace_day(connection: Connection, person: int, day: str, sets: Sequence[dict[str, Any]]) -> None:
    """Put these sets in the place of everything that was written for a day (C4-8)."""
    moment = date.fromisoformat(day)
    connection.execute(delete(SETS).where((SETS.c.person == person) & (SETS.c.day == moment)))
    if sets:
        connection.execute(insert(SETS), [{"person": person, "day": moment, **one} for one in sets])


def records_of(connection: Connection, person: int, exercises: Iterable[str] | None = None) -> list[Record]:
    """What a person has trained, oldest first; of some exercises, or of all."""
    query = select(SETS.c.day, SETS.c.exercise, SETS.c.reps, SETS.c.weight_g, SETS.c.seconds)
    query = query.where(SETS.c.person == person).order_by(SETS.c.day, SETS.c.id)
    if exercises is not None:
        query = query.where(SETS.c.exercise.in_(list(exercises)))
    return [Record(*row) for row in connection.execute(query)]


def day_of(connection: Connection, person: int, day: str) -> list[dict[str, Any]]:
    """The sets of one day, as plain data."""
    query = select(SETS.c.exercise, SETS.c.reps, SETS.c.weight_g, SETS.c.seconds)
    query = query.where((SETS.c.person == person) & (SETS.c.day == date.fromisoformat(day))).order_by(SETS.c.id)
    return [dict(row._mapping) for row in connection.execute(query)]


def last_days(connection: Connection, person: int, days: int = HISTORY_DAYS) -> list[Record]:
    """What was trained on the newest few days, oldest first."""
    newest = select(SETS.c.day).where(SETS.c.person == person).distinct().order_by(SETS.c.day.desc()).limit(days)
    wanted = [day for (day,) in connection.execute(newest)]
    return [record for record in records_of(connection, person) if record.day in wanted] if wanted else []


def most_trained(connection: Connection, person: int, limit: int = 8) -> list[str]:
    """The exercises that a person trains most, for a question's buttons."""
    count = func.count()
    query = select(SETS.c.exercise).where(SETS.c.person == person).group_by(SETS.c.exercise)
    return [exercise for (exercise,) in connection.execute(query.order_by(count.desc(), SETS.c.exercise).limit(limit))]


def _plain(broken: Broken) -> dict[str, Any]:
    return {"kind": broken.kind, "exercise": broken.record.exercise, "before": broken.before, "now": broken.now}
