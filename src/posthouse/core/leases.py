"""Leases and settlements: to *claim* is to take the right to work, to *settle* is to end what was claimed.

The two directions look alike: a `Lease` on an inbound lane, a `DeliveryLease` on an outbound one, a `JobLease` on
a job. Each carries a `token` that is never used twice; whoever settles with a token that is no longer the current
one is *fenced*: nothing of it is written.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from posthouse.core.effects import Effects
from posthouse.core.entries import Entry
from posthouse.core.sessions import SessionRecord


class Lease(msgspec.Struct, gc=False):
    """The right to run the waiting entries of one lane, oldest first.

    `attempts` counts the tries of the head entry, this one included. `resumed` is True when an earlier run of
    the head may have left recorded calls behind (a retry, or the first claim after a crash); then the lease
    carries the head alone. `states` holds the lane's pieces of state by name; when `states_complete` is False
    a name that is absent must be asked for with `Turns.read_states`. `sessions` holds the lane's active sessions by
    id; when `sessions_complete` is False there are more, to be asked for with `Sessions.owned`.
    """

    bot_id: int
    lane: int
    token: int
    attempts: int
    entries: list[Entry]
    states: dict[str, bytes]
    states_complete: bool = True
    resumed: bool = False
    sessions: dict[str, SessionRecord] = {}
    sessions_complete: bool = True


class Burial(msgspec.Struct, frozen=True, gc=False):
    """One entry to be moved to the dead letters."""

    entry_id: int
    error: str
    reason: str
    attempts: int = 1


class Settlement(msgspec.Struct):
    """The end of a lease, or with `keep` a station on the way.

    `done` are the entry ids that are finished, `effects` all that they asked for, `buried` those given up.
    `delay_s` postpones what is left in the lane (a retry); then `attempts` stands. `hold` blocks the lane with
    that reason until an operator releases it. `journaled` says that recorded calls of the done entries exist
    and go with them.
    """

    lease: Lease
    done: list[int]
    effects: Effects
    buried: list[Burial] = []
    delay_s: float = 0.0
    hold: str | None = None
    keep: bool = False
    journaled: bool = False


class CallRecord(msgspec.Struct, gc=False):
    """One outgoing call of a hosted handler: the `ordinal`-th call of the entry.

    `result` None means that the call was begun and its outcome is not known.
    """

    entry_id: int
    ordinal: int
    method: str
    result: bytes | None = None


def rounds(settlements: Sequence[Settlement]) -> list[list[Settlement]]:
    """Batches in which no lane comes twice, in the order given."""
    batches: list[list[Settlement]] = []
    count: dict[tuple[int, int], int] = {}
    for settlement in settlements:
        lane = (settlement.lease.bot_id, settlement.lease.lane)
        place = count[lane] = count.get(lane, -1) + 1
        if place == len(batches):
            batches.append([])
        batches[place].append(settlement)
    return batches


class DeliveryLease(msgspec.Struct, gc=False):
    """The right to send one delivery. `unknown` is True when an earlier attempt ended without a known outcome."""

    id: int
    bot_id: int
    chat: int
    token: int
    attempts: int
    method: str
    payload: bytes
    priority: int
    when_uncertain: str
    handle: str | None
    cause: int
    trace: str
    created_at: float
    unknown: bool = False


class DeliverySettlement(msgspec.Struct, gc=False):
    """The end of one delivery lease. Exactly one of the following shapes:

    - sent: `sent` True; `message_id` is remembered under the delivery's handle; the chat rests for `pace_s`
    - again: `delay_s` not None; `counted` False gives the attempt back (429); `unknown` marks it uncertain
    - dead: `reason` not None, with `error`; kept as a dead letter
    - dropped: none of these; forgotten
    `migrated_to` moves everything of the chat to a new chat id first.
    """

    lease: DeliveryLease
    sent: bool = False
    message_id: int | None = None
    pace_s: float = 0.0
    delay_s: float | None = None
    counted: bool = True
    unknown: bool = False
    reason: str | None = None
    error: str = ""
    migrated_to: int | None = None


class JobLease(msgspec.Struct, gc=False):
    """The right to run one job until `ttl_s` after the last `extend`. `attempts` includes this try."""

    id: int
    token: int
    queue: str
    task: str
    args: bytes
    attempts: int
    attempts_max: int
    bot_id: int
    lane: int
    notify: bool
    data: bytes
    trace: str
    cancelled: bool = False


class JobSettlement(msgspec.Struct):
    """The end of one job lease: finished (`result` JSON), again (`delay_s`), or dead (`reason`, `error`).

    `counted` False gives the attempt of an "again" back: the platform stopped, the job did nothing wrong.

    `effects` and the completion entry of a `notify` job commit with it (architecture §9).
    """

    lease: JobLease
    result: bytes = b"null"
    effects: Effects = msgspec.field(default_factory=Effects)
    delay_s: float | None = None
    counted: bool = True
    reason: str | None = None
    error: str = ""
