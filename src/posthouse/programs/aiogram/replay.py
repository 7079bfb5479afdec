"""Which recorded call belongs to which call of a handler that runs again. Values in, values out; no Telegram.

A *record* is one call of an earlier run of the same entry, numbered by its ordinal: the order in which the
calls began. Run again, a handler should make the same calls in the same order, and gets the recorded results.
Three things bend that order in bots that are perfectly sound, so matching knows them:

    aftermath     Calls made while an exception is in flight (`except`, `finally`, `@dp.errors`) are counted
                  apart, from `AFTERMATH` on: a retry that goes well does not make them, and goes on where the
                  others stood.
    gather        Calls that ran side by side may start in another order: a call takes the record that says
                  the same, then the one at its own ordinal, then one about the same target (chat, message).
    idempotent    A call that cannot be seen twice (an answer, an edit, a delete) takes the result of its twin
                  across an exception: a button that was answered in `finally` is not answered again.

What fits in none of these ways is a divergence: it is named and never executed on. The honest limit: another
text to the same chat at the same ordinal counts as the same call, because texts may hold the time of day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from posthouse.core.leases import CallRecord
from posthouse.programs.aiogram.errors import ReplayDiverged
from posthouse.telegram.methods import is_idempotent

AFTERMATH = 1 << 20


class Ending(StrEnum):
    """How a recorded call ended, as far as anybody knows."""

    ANSWERED = "answered"
    REFUSED = "refused"  # Telegram said no: the same again on every replay
    UNSENT = "unsent"  # surely nothing happened: 429, or no connection
    UNKNOWN = "unknown"  # no answer, or none that could be read


class Recorded(msgspec.Struct, omit_defaults=True):
    """The JSON value of a finished record: shaped like Telegram's answer, or the error that the handler saw.

    `says` is a checksum of the parameters. `begun` is the first unused ordinal when an error was raised: a
    later record then proves that the handler went on after it.
    """

    ok: bool
    ending: Ending = Ending.ANSWERED
    target: str = ""
    says: int = 0
    begun: int = 0
    error: str = ""
    message: str = ""
    retry_after: int | None = None
    migrate_to_chat_id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class Ask(msgspec.Struct, frozen=True):
    """One call that a handler wants to make. `aftermath` when an exception is in flight."""

    method: str
    target: str = ""
    says: int = 0
    aftermath: bool = False


class Step(msgspec.Struct, frozen=True):
    """The place of one call: its ordinal, and what an earlier run left there.

    `begun` without `recorded` is a call whose outcome nobody recorded. `survived` says that the handler went
    on after the recorded error.
    """

    ordinal: int
    begun: bool = False
    recorded: Recorded | None = None
    raw: bytes = b""
    survived: bool = False


_read_recorded = msgspec.json.Decoder(Recorded).decode


class Replay:
    """The records of one entry, handed out to its calls one by one."""

    __slots__ = ("_ends", "_next", "_recorded_ends", "_records", "_taken", "_trace", "_unclaimed")

    def __init__(self, records: Sequence[CallRecord], trace: str) -> None:
        self._trace = trace
        self._next = [0, AFTERMATH]
        self._ends = [0, AFTERMATH]
        self._records: dict[int, tuple[CallRecord, Recorded | None]] = {}
        for record in sorted(records, key=lambda record: record.ordinal):
            recorded = None if record.result is None else _read_recorded(record.result)
            self._records[record.ordinal] = (record, recorded)
            self._ends[record.ordinal >= AFTERMATH] = record.ordinal + 1
        self._recorded_ends = tuple(self._ends)
        self._unclaimed = dict.fromkeys(self._records)
        self._taken = set(self._records)

    def step(self, ask: Ask) -> Step:
        """The place of the next call. Raises `ReplayDiverged` when another call stands there."""
        ordinal = self._next[ask.aftermath]
        self._next[ask.aftermath] += 1
        if self._records:
            found = self._match(ordinal, ask)
            if found is not None:
                return self._claim(found)
            if ordinal in self._unclaimed:
                raise self._divergence(ordinal, ask)
            if ordinal in self._taken:  # by a call that changed places
                ordinal = self._ends[ask.aftermath]
            self._taken.add(ordinal)
        self._ends[ask.aftermath] = max(self._ends[ask.aftermath], ordinal + 1)
        return Step(ordinal)

    def begun(self, *, aftermath: bool) -> int:
        """The first ordinal that no run has used yet."""
        return self._ends[aftermath]

    def _match(self, ordinal: int, ask: Ask) -> int | None:
        own = ordinal if ordinal in self._unclaimed and self._fits(ordinal, ask) else None
        if own is not None and self._same(own, ask):
            return own
        same = next(filter(lambda other: self._same(other, ask), self._alike(ask)), None)
        if same is not None or own is not None:
            return own if same is None else same
        return next(filter(lambda other: self._related(other, ask), self._alike(ask)), None)

    def _alike(self, ask: Ask) -> Iterator[int]:
        return (other for other in self._unclaimed if self._records[other][0].method == ask.method)

    def _fits(self, ordinal: int, ask: Ask) -> bool:
        record, recorded = self._records[ordinal]
        return record.method == ask.method and (recorded is None or recorded.target == ask.target)

    def _same(self, ordinal: int, ask: Ask) -> bool:
        recorded = self._records[ordinal][1]
        return recorded is not None and (recorded.target, recorded.says) == (ask.target, ask.says)

    def _related(self, ordinal: int, ask: Ask) -> bool:
        recorded = self._records[ordinal][1]
        if (ordinal >= AFTERMATH) == ask.aftermath:
            return recorded is None or recorded.target == ask.target
        if recorded is None or not recorded.ok:
            return False
        return recorded.target == ask.target and is_idempotent(ask.method)

    def _claim(self, ordinal: int) -> Step:
        del self._unclaimed[ordinal]
        record, recorded = self._records[ordinal]
        survived = recorded is not None and self._recorded_ends[ordinal >= AFTERMATH] > recorded.begun
        return Step(ordinal, True, recorded, record.result or b"", survived)

    def _divergence(self, ordinal: int, ask: Ask) -> ReplayDiverged:
        record, recorded = self._records[ordinal]
        before = record.method if recorded is None else f"{record.method} ({recorded.target})"
        return ReplayDiverged(
            f"Call {ordinal % AFTERMATH} of entry {self._trace} was {before} in an earlier run, but the "
            f"handler now asks for {ask.method} ({ask.target}). A handler that runs again must make the same "
            "calls: keep what it decides by (time, chance, other people's data) in the FSM before it calls, "
            "or return the method instead of awaiting it. Replay the dead letter to start afresh."
        )
