"""Entries: what waits in a lane.

An *entry* is one inbox row: an update from Telegram, a finished job, or a due timer. A *lane* is one ordered
stream, (bot, chat). Inside a lane entries run in the order of `entry_id`:

    updates  entry_id = update_id                       (0 … 2**40, Telegram uses 31 bits)
    events   entry_id = EVENT_FLOOR + 2 * row id (+ 1)  (negative: events run before waiting updates)

so one signed 64-bit integer is identity, de-duplication key and order on every store. A job's completion and a
timer's firing derive their entry id from their own row, so that moving either into a lane twice is harmless.
"""

from __future__ import annotations

import msgspec

EVENT_FLOOR = -(2**41)
UPDATE_ID_MAX = 2**40

# Telegram's chat and user ids have at most 52 significant bits; a lane key never needs more.
LANE_KEY_BOUND = 2**52


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One update on its way into the inbox: only what routing needs, and the raw body."""

    bot_id: int
    lane: int
    update_id: int
    payload: bytes
    kind: str = "message"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One inbox row as a turn sees it. `received_at` is epoch seconds."""

    bot_id: int
    lane: int
    entry_id: int
    payload: bytes
    received_at: float

    @property
    def is_update(self) -> bool:
        return self.entry_id >= 0


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="timer"):
    """A due timer, as the JSON payload of its entry: the `name` and `data` given to `turn.after`."""

    name: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    cause: str = ""


class Completion(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="job"):
    """A finished job, as the JSON payload of its entry. `error` is None when the job succeeded."""

    job_id: int
    task: str
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    cause: str = ""


def entry_id_of_job(job_id: int) -> int:
    return EVENT_FLOOR + 2 * job_id


def entry_id_of_timer(timer_id: int) -> int:
    return EVENT_FLOOR + 2 * timer_id + 1


def trace_of(bot_id: int, entry_id: int) -> str:
    """The trace id that every log line and delivery of this entry carries (S2-66): derived, never stored twice."""
    return f"{bot_id}:{entry_id}"
