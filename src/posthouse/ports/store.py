"""The store: where updates, state, sessions, deliveries and jobs are kept, as a handful of promises.

    Inbox    what was accepted survives                    ingest
    Turns    one turn per lane at a time, all or nothing   claim → (extend) → settle | release
    Sessions what flows and conversations remember         get, owned, journal, find, history, …
    Outbox   deliveries leave in order, within limits      claim → settle
    Jobs     work outside the turn                         claim → (extend) → settle
    Upkeep   crash recovery, retention, gauges             reap, prune, gauges
    Desk     what an operator sees and moves               list, show, replay, discard, release, …

Every adapter passes `posthouse.testing.contracts`. All waiting calls (`ready`) may return spuriously; nothing may
be lost by calling `claim` too often. Times: durations in seconds, moments in epoch seconds of the store's clock.
Every call raises `StoreUnavailable` when the database cannot be reached or written; then nothing was accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from posthouse.core.effects import Effects, JobRequest, Outgoing, StateWrite
from posthouse.core.entries import Incoming
from posthouse.core.leases import (
    CallRecord,
    DeliveryLease,
    DeliverySettlement,
    JobLease,
    JobSettlement,
    Lease,
    Settlement,
)
from posthouse.core.sessions import SessionEvent, SessionRecord

R = TypeVar("R")


class Inbox(Protocol):
    """What is accepted here survives a crash."""

    async def ingest(self, batch: Sequence[Incoming]) -> list[bool]:
        """Store the updates durably and wake their lanes; per update True, or False for a duplicate.

        Returns only after the commit reached the disk. Twice the same update in one batch: the first is stored.
        """
        ...


class TurnTransaction(Protocol):
    """The database transaction of one turn, opened by its first `turn.transact`."""

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        """Run a synchronous `function(connection, *args)` on a SQLAlchemy Core connection, inside the transaction.

        Raises what the function raises; the transaction then is only good for `rollback`.
        Raises `TransactionTimeout` when the budget is used up.
        """
        ...

    async def commit(self, settlement: Settlement) -> bool:
        """Settle and commit in this transaction; False as `Turns.settle` has it, and then nothing is written."""
        ...

    async def rollback(self) -> None:
        """Undo everything the transaction did. Harmless when it has ended already."""
        ...


class Turns(Protocol):
    """One turn per lane at a time, in entry order; what a turn caused is written together or not at all."""

    async def ready(self) -> None:
        """Wait until a lane may be claimable."""
        ...

    async def claim(self, limit: int, depth: int) -> list[Lease]:
        """Take up to `limit` lanes, longest due first, with up to `depth` head entries each; [] when none is due.

        Counts an attempt for each head, durably, before it returns a head that may have run before.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Commit many turns at once, each fenced by its lease; per settlement False when nothing of it was written.

        That is when the lease was lost, or when a session that it moves is no longer where the turn saw it (S0-26,
        B-2): then the lane is free again and its entries run anew, the try counted.
        """
        ...

    async def extend(self, leases: Sequence[Lease]) -> list[Lease]:
        """Keep the leases for another period; returns those that were lost."""
        ...

    async def release(self, leases: Sequence[Lease]) -> None:
        """Give lanes back unworked, at once claimable, the attempt not counted (graceful stop)."""
        ...

    async def open(self, lease: Lease, *, budget_s: float) -> TurnTransaction:
        """Open a database transaction for the turn that holds `lease`."""
        ...

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        """The named pieces of a chat's state that exist."""
        ...

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        """Write state outside any turn, at once and unfenced: for code that runs outside its lane."""
        ...


class Journal(Protocol):
    """Recorded outgoing calls of hosted handlers, so that a retry replays instead of sending again."""

    async def begin(self, lease: Lease, record: CallRecord) -> None:
        """Record durably that a call is about to be made. Raises `LeaseLost` when the lease is gone."""
        ...

    async def end(self, lease: Lease, record: CallRecord, *, durable: bool = False) -> None:
        """Record the call's result (a JSON value), no later than the turn's commit; `durable`: before this returns."""
        ...

    async def recall(self, lease: Lease, entry_id: int) -> list[CallRecord]:
        """The recorded calls of an entry, by ordinal."""
        ...


class Outbox(Protocol):
    """Deliveries of one chat leave in order (within a priority), within Telegram's limits, answers first.

    An outbound lane is one (bot, chat). `Priority.ANSWER` deliveries go in a lane of their own beside the chat's,
    so that they neither wait for the chat's pace nor for its blocked head.
    """

    async def ready(self) -> None:
        """Wait until a delivery may be claimable."""
        ...

    async def claim(self, limit: int) -> list[DeliveryLease]:
        """Take up to `limit` head deliveries that their chat's pace and bot's budget allow now, by priority.

        The attempt is recorded durably before the lease is returned.
        """
        ...

    async def settle(self, settlements: Sequence[DeliverySettlement]) -> list[bool]:
        """End deliveries, pace their chats, remember message handles; False where the lease was lost."""
        ...

    async def admit(self, bot_id: int, chat: int | None) -> float:
        """Spend one call of the bot's (and chat's) budget now, or say how many seconds to wait before asking again.

        For calls that hosted handlers make directly: they share the limits with the sender.
        """
        ...

    async def pause(self, bot_id: int, chat: int | None, delay_s: float) -> None:
        """Close a bot (chat None) or one chat until `delay_s` from now: Telegram's `retry_after`."""
        ...

    async def post(self, deliveries: Sequence[Outgoing]) -> None:
        """Write deliveries outside any turn, at once: a job's progress, an operator's message."""
        ...

    async def message_id(self, bot_id: int, chat: int, handle: str) -> int | None:
        """The Telegram message id last sent under `handle` in this chat."""
        ...


class Cron(msgspec.Struct, frozen=True):
    """One firing of a schedule: `name` at `fire_at` (epoch seconds) queues `request`, once over all processes."""

    name: str
    fire_at: float
    request: JobRequest


class Jobs(Protocol):
    """Work outside the turn: leased, retried, finished in one commit."""

    async def ready(self) -> None:
        """Wait until a job may be claimable."""
        ...

    async def enqueue(self, requests: Sequence[JobRequest]) -> list[int | None]:
        """Queue jobs outside any turn; per request its id, or None when its unique key is still live."""
        ...

    async def claim(self, queues: dict[str, int], *, ttl_s: float) -> list[JobLease]:
        """Take due jobs, up to the given number for each queue, highest priority (smallest number) first."""
        ...

    async def extend(self, leases: Sequence[JobLease], *, ttl_s: float) -> list[JobLease]:
        """Heartbeat: returns the leases that were lost or cancelled by an operator."""
        ...

    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        """End jobs with their effects and completion entries in one commit; False where the lease was lost."""
        ...

    async def fire_timers(self, limit: int) -> tuple[int, float | None]:
        """Move due timers into their lanes; returns (how many, seconds until the next, or None when none waits)."""
        ...

    async def fire_cron(self, firings: Sequence[Cron]) -> list[bool]:
        """Queue the job of each firing unless somebody already did; and `last_fired` remembers it."""
        ...

    async def last_fired(self, names: Sequence[str]) -> dict[str, float]:
        """The newest firing of each named schedule, in epoch seconds."""
        ...


class Gauges(msgspec.Struct):
    """What the metrics page shows of the store. Counts are capped (`capped_at`), never a full count."""

    lanes_waiting: int = 0
    lanes_leased: int = 0
    lanes_blocked: int = 0
    oldest_waiting_s: float = 0.0
    outbox_waiting: int = 0
    oldest_delivery_s: float = 0.0
    jobs_waiting: int = 0
    jobs_running: int = 0
    dead_letters_open: int = 0
    capped_at: int = 10_000


class Reaped(msgspec.Struct):
    """What a reap freed."""

    lanes: int = 0
    deliveries: int = 0
    jobs: int = 0
    workers: int = 0


class Upkeep(Protocol):
    """Recovery, retention and gauges."""

    async def reap(self) -> Reaped:
        """Free what dead processes and overdue leases hold."""
        ...

    async def prune(self, *, seen_s: float, dead_letters_s: float, sessions_s: float = 30 * 86_400.0) -> int:
        """Forget old rows in bounded slices: update ids after `seen_s`, closed dead letters after `dead_letters_s`.

        Sessions, with journal and history, go `sessions_s` after they ended or expired. Returns how many rows went;
        call again while it is not 0.
        """
        ...

    async def gauges(self) -> Gauges: ...

    async def schema(self) -> tuple[str | None, str]:
        """(revision the database has, revision this program wants)."""
        ...


class Row(msgspec.Struct, omit_defaults=True):
    """One line of an operator's list. Which fields are set depends on the list."""

    id: int
    kind: str  # entry, delivery, job, lane
    state: str
    bot_id: int = 0
    lane: int = 0
    what: str = ""  # method of a delivery, task of a job, kind of an entry
    attempts: int = 0
    at: float = 0.0  # received, created, due or died, epoch seconds
    due_at: float | None = None
    error: str = ""
    reason: str = ""
    trace: str = ""
    queue: str = ""
    payload: str | None = None  # only in `show`; JSON text


class Filter(msgspec.Struct, frozen=True):
    """Narrows an operator's list; None means any. `after` is a row id to page on."""

    bot_id: int | None = None
    lane: int | None = None
    state: str | None = None
    kind: str | None = None
    reason: str | None = None
    queue: str | None = None
    after: int | None = None
    limit: int = 50


Rows = list[Row]
Ids = list[int]


class Desk(Protocol):
    """What an operator sees, and the moves an operator makes. Every move is safe to repeat."""

    async def list(self, what: str, filter: Filter) -> Rows:
        """Rows of `what`: "inbox", "outbox", "jobs", "dead" or "lanes" (held and backing off), newest id last."""
        ...

    async def show(self, what: str, id: int) -> Row:
        """One row with its payload. Raises `NotFound`."""
        ...

    async def replay(self, dead_ids: Sequence[int]) -> Ids:
        """Put dead letters back to work (an entry keeps its id, a delivery goes to the back); ids that moved."""
        ...

    async def discard(self, dead_ids: Sequence[int]) -> Ids:
        """Close dead letters without replaying them; ids that moved."""
        ...

    async def release_lane(self, bot_id: int, lane: int, *, skip_head: bool) -> bool:
        """Let a held lane go on: retry its head, or bury the head first. False when it was not held."""
        ...

    async def cancel_job(self, job_id: int) -> bool:
        """Cancel a waiting job, or tell its worker to stop. False when there is no such live job."""
        ...

    async def pause_queue(self, queue: str, paused: bool) -> None:
        """Stop or let go claims from a queue; survives restarts."""
        ...


class SessionFilter(msgspec.Struct, frozen=True):
    """Narrows a list of sessions; None means any. `live` leaves out what has ended or expired."""

    bot_id: int | None = None
    env: str | None = None
    user_id: int | None = None
    flow_kind: str | None = None
    state: str | None = None
    live: bool = True
    limit: int = 50


class FormatShare(msgspec.Struct, frozen=True):
    """How many presses of one event named their session in one `format` (`rev`, `id` or `bare`)."""

    flow_kind: str
    event: str
    format: str
    presses: int


SessionRecords = list[SessionRecord]
SessionHistory = list[SessionEvent]
FormatShares = list[FormatShare]


class Sessions(Protocol):
    """Sessions as they are stored. They change with the commit of a turn alone (`Effects.sessions`)."""

    async def get(self, session_id: str) -> SessionRecord | None:
        """One session, active or not, or None."""
        ...

    async def owned(self, bot_id: int, lane: int, user_ids: Sequence[int]) -> SessionRecords:
        """The active sessions of a lane that these people own (0: those of nobody in particular), newest first."""
        ...

    async def journal(self, session_id: str) -> list[bytes]:
        """The journal of a conversation, by ordinal; empty when it has ended."""
        ...

    async def find(self, filter: SessionFilter) -> SessionRecords:
        """What an operator looks for, the session that changed last first."""
        ...

    async def history(self, session_id: str, *, limit: int = 100) -> SessionHistory:
        """The last `limit` lines of a session's history, oldest first."""
        ...

    async def formats(self, *, since_s: float) -> FormatShares:
        """How the presses of the last `since_s` seconds named their sessions: the share of legacy buttons (S0-48)."""
        ...


class Store(Protocol):
    """One database, all promises. Open with `async with`."""

    @property
    def inbox(self) -> Inbox: ...

    @property
    def turns(self) -> Turns: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def jobs(self) -> Jobs: ...

    @property
    def upkeep(self) -> Upkeep: ...

    @property
    def desk(self) -> Desk: ...

    @property
    def sessions(self) -> Sessions: ...

    async def open(self) -> None:
        """Connect, check the schema and recover what a crash left. Raises `StoreLocked`, `SchemaMismatch`."""
        ...

    async def close(self) -> None:
        """Finish what is queued and let go."""
        ...

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        """Tell the outbox the budgets of a bot, before the first claim."""
        ...

    async def create_tables(self, metadata: Any) -> None:
        """Create the application tables of a SQLAlchemy `MetaData` that do not exist yet; the store is open."""
        ...

    def keep_sessions(self, bot_id: int) -> None:
        """Say that the bot has flows or conversations, before the first claim: its leases bring sessions along."""
        ...


class BotLimits(msgspec.Struct, frozen=True):
    """Telegram's budgets for one bot (telegram.md §8). 0 means no limit."""

    bot_per_s: float = 30.0
    bot_burst: int = 5
    chat_per_s: float = 1.0
    chat_burst: int = 3
    group_per_min: float = 20.0
    group_burst: int = 3
    broadcast_per_s: float = 0.0  # paid broadcasts: up to 1,000 when the bot may


__all__ = [
    "BotLimits",
    "CallRecord",
    "Cron",
    "Desk",
    "Effects",
    "Filter",
    "FormatShare",
    "Gauges",
    "Inbox",
    "Jobs",
    "Journal",
    "Outbox",
    "Reaped",
    "Row",
    "SessionFilter",
    "Sessions",
    "Store",
    "TurnTransaction",
    "Turns",
    "Upkeep",
]
