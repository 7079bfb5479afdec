"""Lifecycles as tables: the states of what we keep, and the moves between them.

SQL checks, API enums and diagrams come from these tables or are tested against them.
"""

from __future__ import annotations

from enum import StrEnum


class EntryState(StrEnum):
    WAITING = "waiting"
    LEASED = "leased"
    HELD = "held"
    DONE = "done"
    DEAD = "dead"


class DeliveryState(StrEnum):
    WAITING = "waiting"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    SENT = "sent"
    DEAD = "dead"


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"
    CANCELLED = "cancelled"


ENTRY_MOVES: dict[EntryState, frozenset[EntryState]] = {
    EntryState.WAITING: frozenset({EntryState.LEASED}),
    EntryState.LEASED: frozenset({EntryState.WAITING, EntryState.DONE, EntryState.DEAD, EntryState.HELD}),
    EntryState.HELD: frozenset({EntryState.WAITING, EntryState.DEAD}),
    EntryState.DEAD: frozenset({EntryState.WAITING}),
    EntryState.DONE: frozenset(),
}

DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.WAITING: frozenset({DeliveryState.SENDING}),
    DeliveryState.SENDING: frozenset(
        {DeliveryState.SENT, DeliveryState.WAITING, DeliveryState.UNCERTAIN, DeliveryState.DEAD}
    ),
    DeliveryState.UNCERTAIN: frozenset({DeliveryState.SENDING, DeliveryState.DEAD}),
    DeliveryState.DEAD: frozenset({DeliveryState.WAITING}),
    DeliveryState.SENT: frozenset(),
}

JOB_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.WAITING: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.DONE, JobState.WAITING, JobState.DEAD, JobState.CANCELLED}),
    JobState.DEAD: frozenset({JobState.WAITING}),
    JobState.DONE: frozenset(),
    JobState.CANCELLED: frozenset(),
}
