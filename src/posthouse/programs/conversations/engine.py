"""The replay engine: runs a coroutine to the point where it waits, and on from there, now or after a restart.

    advance ──► runs until the coroutine ends (`Finished`) or waits for something outside (`Wait`)
    Journal     what it was told and has done so far, in order; replaying it brings a new coroutine to the same point

It knows nothing of Telegram, sessions or stores. A suspended coroutine stays suspended at its own `yield`; whoever
continues it may be another task of another turn. What it awaits besides (a query, an HTTP call) goes to the event loop
as if the coroutine were awaited directly.

Divergence: every operation has a name (`ask.number`, `step.charge`). When the code asks for another one than the
journal has at that place, nothing is executed: the coroutine gets `Diverged`, which says both, and where in the code.
"""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Generator
from types import FrameType, coroutine
from typing import Any

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.programs.conversations.errors import Diverged

JOURNAL_MAX = 1_000
"""Entries of one journal. A conversation that goes round for ever restarts itself instead (`Talk.restart`)."""

RECORD_BYTES_MAX = 65_536


class Record(msgspec.Struct, omit_defaults=True, gc=False):
    """One entry of a journal. `at` is where in the code it was made, for people; it is never compared."""

    op: str
    value: Any = None
    error: str = ""
    at: str = ""


class Wait(msgspec.Struct, eq=False):
    """What a coroutine waits for; `spec` is the caller's business."""

    op: str
    spec: Any


class Finished(msgspec.Struct, eq=False):
    """The coroutine has returned."""

    value: Any


@coroutine
def suspend(wait: Wait) -> Generator[Wait, Any, Any]:
    """Hand a wait to whoever runs the coroutine; returns what it is continued with."""
    return (yield wait)


@coroutine
def advance(
    running: Coroutine[Any, Any, Any], answer: Any = None, error: BaseException | None = None
) -> Generator[Any, Any, Wait | Finished]:
    """Start a coroutine or continue it with an answer (or an error), until it waits or ends. Raises what it raises."""
    step: Any = running.send if error is None else running.throw
    value: Any = answer if error is None else error
    while True:
        try:
            waited = step(value)
        except StopIteration as end:
            return Finished(end.value)
        if isinstance(waited, Wait):
            return waited
        try:
            step, value = running.send, (yield waited)
        except BaseException as thrown:  # what it awaited went wrong, or the turn is cancelled
            step, value = running.throw, thrown


class Journal:
    """What a conversation was told and has done, and how far the code has come in it."""

    def __init__(self, records: list[Record] | None = None) -> None:
        self.records: list[Record] = records or []
        self.position = 0
        self.diverged: Diverged | None = None

    @classmethod
    def read(cls, entries: list[bytes]) -> Journal:
        """The journal as it is stored."""
        return cls([_decode(entry) for entry in entries])

    @property
    def is_replaying(self) -> bool:
        """Whether the code has not yet reached what is new."""
        return self.position < len(self.records)

    @property
    def upcoming(self) -> str:
        """The operation that is replayed next, or an empty string."""
        return self.records[self.position].op if self.is_replaying else ""

    def next(self, op: str, where: FrameType) -> Record | None:
        """The record of the next operation, or None when it is new. Raises `Diverged`.

        Once it has, it does so for good: code that catches it does not find its way back into the journal.
        """
        if self.diverged is not None:
            raise self.diverged
        if not self.is_replaying:
            return None
        record = self.records[self.position]
        if record.op != op:
            self.diverged = Diverged(
                f"at {place(where)} the code does {op!r}, but its journal has {record.op!r} there (entry"
                f" {self.position}, made at {record.at}): the conversation was changed while this one was under way;"
                " give the new code another version=, and keep the old function registered under its own for as long as"
                " such conversations may last"
            )
            raise self.diverged
        self.position += 1
        return record

    def add(self, record: Record) -> tuple[int, bytes]:
        """Append a record; returns its ordinal and bytes. Raises `AuthorError` when it is too large or too many."""
        ordinal = len(self.records)
        if ordinal >= JOURNAL_MAX:
            raise AuthorError(
                f"the journal of this conversation has {JOURNAL_MAX} entries at {record.at}: a loop without end must"
                " begin anew now and then, with `talk.restart(…)`, which carries its arguments over"
            )
        try:
            packed = _encode(record)
        except (TypeError, ValueError) as error:
            raise AuthorError(
                f"what {record.op!r} at {record.at} gave is not JSON, so it cannot be kept over a restart ({error}):"
                " return plain values"
            ) from None
        if len(packed) > RECORD_BYTES_MAX:
            raise AuthorError(
                f"what {record.op!r} at {record.at} gave has {len(packed)} bytes; at most {RECORD_BYTES_MAX} are kept:"
                " store it elsewhere and return its id"
            )
        self.records.append(record)
        self.position = len(self.records)
        return ordinal, packed


def caller(depth: int = 2) -> FrameType:
    """The frame of the code that called the function that calls this."""
    return sys._getframe(depth)


def place(frame: FrameType) -> str:
    """Where in the code: `function:line`."""
    return f"{frame.f_code.co_qualname}:{frame.f_lineno}"


def close(running: Coroutine[Any, Any, Any]) -> None:
    """Let go of a suspended coroutine. What its `finally` does is nobody's business any more."""
    try:
        running.close()
    except (Exception, SystemExit):
        pass  # it awaited in a `finally`, or raised there: it is over all the same


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
