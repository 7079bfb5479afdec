"""The contract once more, as a store in memory: `Model` is the data, `ModelStore` a process that works on it.

    Model        what the disk of a real store would have; survives `ModelStore.crash`
    ModelStore   the leases, and the promises of `ports.store` over the model

Everything is a plain dictionary and a loop over all of it: slow, small, meant to be read beside the contract.
The property test drives an adapter and this side by side; it also serves tests that may write no file.
Absent on purpose: waiting (`ready` returns at once), several processes, and any thought of speed.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from sqlalchemy import create_engine, event
from sqlalchemy.pool import StaticPool

from posthouse.core.effects import Effects, JobRequest, Outgoing, Priority, StateWrite, TimerRequest
from posthouse.core.entries import Completion, Entry, Incoming, entry_id_of_job, entry_id_of_timer
from posthouse.core.errors import AuthorError, LeaseLost, NotFound, StoreLocked, TransactionTimeout
from posthouse.core.leases import (
    Burial,
    CallRecord,
    DeliveryLease,
    DeliverySettlement,
    JobLease,
    JobSettlement,
    Lease,
    Settlement,
)
from posthouse.core.sessions import SessionChanges, SessionEvent, SessionRecord, moved
from posthouse.ports.clock import Clock
from posthouse.ports.store import BotLimits, Cron, Filter, FormatShare, Gauges, Reaped, Row, SessionFilter

R = TypeVar("R")
LaneKey = tuple[int, int]
_NEVER = float("inf")


@dataclass
class Held:
    """Who holds a lane, a delivery or a job, and until when."""

    token: int
    expires_at: float


@dataclass
class Lane:
    """One inbound lane: its entries by id, and when it may be claimed."""

    entries: dict[int, Entry] = field(default_factory=dict)
    due_at: float = 0.0
    tries: dict[int, int] = field(default_factory=dict)  # by entry: how often it may have run
    carried: list[int] = field(default_factory=list)  # what the lease gave out
    hold: str | None = None
    held: Held | None = None

    def lost(self, now: float) -> None:
        """Take the lane from its holder: whatever the lease carried may have run."""
        for entry_id in self.carried:
            if entry_id in self.entries:
                self.tries[entry_id] = max(1, self.tries.get(entry_id, 0))
        self.held, self.due_at = None, now

    def finish(self, entry_id: int) -> Entry:
        self.tries.pop(entry_id, None)
        return self.entries.pop(entry_id)


@dataclass
class Delivery:
    id: int
    wanted: Outgoing
    chat: int
    created_at: float
    attempts: int = 0
    due_at: float = 0.0
    unknown: bool = False
    held: Held | None = None


@dataclass
class Job:
    id: int
    wanted: JobRequest
    due_at: float
    attempts: int = 0
    cancelled: bool = False
    held: Held | None = None


@dataclass
class Timer:
    id: int
    wanted: TimerRequest
    due_at: float


@dataclass
class Bucket:
    """A budget as one moment: the earliest time at which everything spent so far is earned back (GCRA)."""

    earned_at: float = 0.0

    def wait_s(self, now: float, per_s: float, burst: int) -> float:
        """Seconds until one more may be spent; 0 when it may be now."""
        if per_s <= 0:
            return 0.0
        return max(0.0, max(self.earned_at, now) + 1 / per_s - (now + max(1, burst) / per_s))

    def spend(self, now: float, per_s: float) -> None:
        if per_s > 0:
            self.earned_at = max(self.earned_at, now) + 1 / per_s


@dataclass
class DeadLetter:
    id: int
    kind: str
    item: Entry | Outgoing | JobRequest
    bot_id: int
    lane: int
    attempts: int
    error: str
    reason: str
    died_at: float
    closed_at: float | None = None


@dataclass
class Model:
    """What survives a crash."""

    seen: dict[tuple[int, int], float] = field(default_factory=dict)
    lanes: dict[LaneKey, Lane] = field(default_factory=dict)
    states: dict[LaneKey, dict[str, bytes]] = field(default_factory=dict)
    sessions: dict[str, SessionRecord] = field(default_factory=dict)
    history: list[SessionEvent] = field(default_factory=list)
    journals: dict[str, dict[int, bytes]] = field(default_factory=dict)
    calls: dict[tuple[int, int, int], dict[int, CallRecord]] = field(default_factory=dict)
    outbox: dict[int, Delivery] = field(default_factory=dict)
    handles: dict[tuple[int, int, str], int] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    timers: dict[int, Timer] = field(default_factory=dict)
    fired: dict[str, set[float]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    owned: bool = False
    counter: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        # The driver would commit before DDL on its own; let SQLAlchemy's transactions be the only ones.
        event.listen(self.engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(self.engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    def next_id(self) -> int:
        return next(iter(self.counter))

    def lane(self, bot_id: int, lane: int) -> Lane:
        return self.lanes.setdefault((bot_id, lane), Lane())

    def put(self, entry: Entry, now: float) -> None:
        """Add an entry to its lane, and wake the lane when it was idle."""
        lane = self.lane(entry.bot_id, entry.lane)
        if not lane.entries:
            lane.due_at = now
        lane.entries[entry.entry_id] = entry

    def bury(self, item: Entry | Outgoing | JobRequest, attempts: int, error: str, reason: str, now: float) -> None:
        kind = "entry" if isinstance(item, Entry) else "delivery" if isinstance(item, Outgoing) else "job"
        lane = item.chat if isinstance(item, Outgoing) else item.lane
        number = self.next_id()
        self.dead[number] = DeadLetter(number, kind, item, item.bot_id, lane, attempts, error, reason, now)

    def write(self, writes: Sequence[StateWrite]) -> None:
        for write in writes:
            pieces = self.states.setdefault((write.bot_id, write.lane), {})
            if write.data is None:
                pieces.pop(write.name, None)
            else:
                pieces[write.name] = write.data

    def change(self, changes: SessionChanges) -> None:
        """What a turn wants of sessions; one that ends loses its journal."""
        for write in changes.writes:
            self.sessions[write.record.id] = write.record
        for entry in changes.journal:
            self.journals.setdefault(entry.session_id, {})[entry.ordinal] = entry.record
        for write in changes.writes:
            if not self.sessions[write.record.id].is_active:
                self.journals.pop(write.record.id, None)
        self.history += changes.events

    def queue(self, request: JobRequest, now: float) -> int | None:
        key = request.unique_key
        if key is not None and any(
            (job.wanted.queue, job.wanted.unique_key) == (request.queue, key) for job in self.jobs.values()
        ):
            return None
        number = self.next_id()
        self.jobs[number] = Job(number, request, now + request.delay_s)
        return number

    def time(self, request: TimerRequest, now: float) -> None:
        if request.key is not None:
            place = (request.bot_id, request.lane, request.key)
            for old in [t for t in self.timers.values() if (t.wanted.bot_id, t.wanted.lane, t.wanted.key) == place]:
                del self.timers[old.id]
        if request.payload is not None:
            number = self.next_id()
            self.timers[number] = Timer(number, request, now + request.delay_s)

    def apply(self, effects: Effects, now: float) -> None:
        """Everything that one turn or job asked for."""
        for wanted in effects.deliveries:
            number = self.next_id()
            self.outbox[number] = Delivery(number, wanted, wanted.chat, now)
        for request in effects.jobs:
            self.queue(request, now)
        for timer in effects.timers:
            self.time(timer, now)
        self.write(effects.states)
        if effects.sessions:
            self.change(effects.sessions)

    def crashed(self, now: float) -> Reaped:
        """Free what a dead process held: it may have run, or may have been sent."""
        reaped = Reaped()
        for lane in self.lanes.values():
            if lane.held is not None:
                lane.lost(now)
                reaped.lanes += 1
        for delivery in self.outbox.values():
            if delivery.held is not None:
                delivery.held, delivery.unknown = None, True
                reaped.deliveries += 1
        for job in list(self.jobs.values()):
            if job.held is not None:
                self.free(job)
                reaped.jobs += 1
        return reaped

    def free(self, job: Job) -> None:
        """Take a job from its worker; a cancelled one ends here."""
        job.held = None
        if job.cancelled:
            del self.jobs[job.id]


class _Part:
    """A promise of the store works on the model, at the clock's time, for one process."""

    def __init__(self, store: ModelStore) -> None:
        self.model = store.model
        self.clock = store.clock
        self.store = store

    def overdue(self, held: Held | None) -> bool:
        return held is None or held.expires_at <= self.clock.now()


class ModelInbox(_Part):
    async def ingest(self, batch: Sequence[Incoming]) -> list[bool]:
        stored = []
        for incoming in batch:
            key = (incoming.bot_id, incoming.update_id)
            stored.append(key not in self.model.seen)
            if stored[-1]:
                now = self.clock.now()
                self.model.seen[key] = now
                self.model.put(Entry(incoming.bot_id, incoming.lane, incoming.update_id, incoming.payload, now), now)
        return stored


class ModelTransaction:
    """A transaction on the model's SQLite in memory. Only one can be open; that is enough for a model."""

    def __init__(self, turns: ModelTurns, budget_s: float) -> None:
        self.turns = turns
        self.deadline = turns.clock.monotonic() + budget_s
        self.ended = False
        self.connection = turns.model.engine.connect()
        event.listen(self.connection, "commit", self._refuse)
        event.listen(self.connection, "rollback", self._refuse)
        self.connection.begin()

    def _refuse(self, connection: object) -> None:
        if not self.ended:
            raise AuthorError("The turn ends its transaction, not the function: remove commit() or rollback().")

    async def _check(self) -> None:
        if self.turns.clock.monotonic() > self.deadline:
            await self.rollback()
            raise TransactionTimeout

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        await self._check()
        result = function(self.connection, *args)
        await self._check()
        return result

    async def commit(self, settlement: Settlement) -> bool:
        await self._check()
        [settled] = await self.turns.settle([settlement])
        self._end("COMMIT" if settled else "ROLLBACK")
        return settled

    async def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, statement: str) -> None:
        if not self.ended:
            self.ended = True
            raw = self.connection.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            raw.execute(statement)
            self.connection.close()
            self.turns.idle.release()


class ModelTurns(_Part):
    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.idle = asyncio.Lock()
        self.transaction: ModelTransaction | None = None

    async def ready(self) -> None:
        return

    def claimable(self) -> list[LaneKey]:
        """The lanes that may be claimed now, longest due first."""
        now = self.clock.now()
        due = [
            (lane.held.expires_at if lane.held else lane.due_at, key)
            for key, lane in self.model.lanes.items()
            if lane.entries and lane.hold is None and lane.due_at <= now and self.overdue(lane.held)
        ]
        return [key for _, key in sorted(due, key=lambda pair: pair[0])]

    def heads(self, key: LaneKey, depth: int) -> list[int]:
        """What a lease on the lane may carry: a head that may have run goes alone."""
        lane = self.model.lanes[key]
        waiting = sorted(lane.entries)
        return waiting[: 1 if lane.tries.get(waiting[0]) else depth]

    def take(self, key: LaneKey, entry_ids: list[int]) -> Lease:
        """Lease a lane that may be claimed, with some of its heads."""
        lane, head = self.model.lanes[key], entry_ids[0]
        if lane.held is not None:
            lane.lost(self.clock.now())
        resumed = lane.tries.get(head, 0) > 0
        lane.tries[head] = lane.tries.get(head, 0) + 1
        lane.carried = entry_ids
        lane.held = Held(self.model.next_id(), self.clock.now() + self.store.lease_ttl_s)
        return Lease(
            bot_id=key[0],
            lane=key[1],
            token=lane.held.token,
            attempts=lane.tries[head],
            entries=[lane.entries[i] for i in entry_ids],
            states=dict(self.model.states.get(key, {})),
            resumed=resumed,
            sessions={
                session.id: session
                for session in self.model.sessions.values()
                if (session.bot_id, session.lane) == key and session.is_active
            },
        )

    async def claim(self, limit: int, depth: int) -> list[Lease]:
        return [self.take(key, self.heads(key, depth)) for key in self.claimable()[:limit]]

    def lane_of(self, lease: Lease) -> Lane | None:
        """The lane, when the lease still holds it."""
        lane = self.model.lanes.get((lease.bot_id, lease.lane))
        held = lane is not None and lane.held is not None and lane.held.token == lease.token
        return lane if held else None

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        return [self._settle(settlement) for settlement in settlements]

    def _settle(self, settlement: Settlement) -> bool:
        lease, now = settlement.lease, self.clock.now()
        lane = self.lane_of(lease)
        if lane is None:
            return False
        changes = settlement.effects.sessions
        known = {session.id: (session.state, session.rev) for session in self.model.sessions.values()}
        if changes and moved(changes.writes, known) is not None:
            lane.held, lane.due_at = None, now
            return False
        for burial in settlement.buried:
            self.bury(lane, burial)
        for entry_id in settlement.done:
            lane.finish(entry_id)
            self.model.calls.pop((lease.bot_id, lease.lane, entry_id), None)
        self.model.apply(settlement.effects, now)
        if settlement.keep:
            return True
        left = next((entry_id for entry_id in lane.carried if entry_id in lane.entries), None)
        if left is not None and settlement.delay_s:
            lane.tries[left] = max(1, lane.tries.get(left, 0))
        lane.hold, lane.held, lane.due_at = settlement.hold, None, now + settlement.delay_s
        return True

    def bury(self, lane: Lane, burial: Burial) -> None:
        entry = lane.finish(burial.entry_id)
        self.model.bury(entry, burial.attempts, burial.error, burial.reason, self.clock.now())

    async def extend(self, leases: Sequence[Lease]) -> list[Lease]:
        lost = []
        for lease in leases:
            lane = self.lane_of(lease)
            if lane is None:
                lost.append(lease)
            else:
                lane.held = Held(lease.token, self.clock.now() + self.store.lease_ttl_s)
        return lost

    async def release(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if (lane := self.lane_of(lease)) is not None:
                lane.held = None
                if lane.carried[0] in lane.entries:
                    lane.tries[lane.carried[0]] -= 1

    async def open(self, lease: Lease, *, budget_s: float) -> ModelTransaction:
        if self.lane_of(lease) is None:
            raise LeaseLost
        await self.idle.acquire()
        self.transaction = ModelTransaction(self, budget_s)
        return self.transaction

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        pieces = self.model.states.get((bot_id, lane), {})
        return {name: pieces[name] for name in names if name in pieces}

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        self.model.write(writes)


class ModelSessions(_Part):
    async def get(self, session_id: str) -> SessionRecord | None:
        return self.model.sessions.get(session_id)

    def _newest_first(self) -> list[SessionRecord]:
        return sorted(self.model.sessions.values(), key=lambda session: session.updated_at, reverse=True)

    async def owned(self, bot_id: int, lane: int, user_ids: Sequence[int]) -> list[SessionRecord]:
        return [
            session
            for session in self._newest_first()
            if (session.bot_id, session.lane) == (bot_id, lane)
            and session.is_active
            and session.owner.user_id in user_ids
        ]

    async def journal(self, session_id: str) -> list[bytes]:
        return [record for _, record in sorted(self.model.journals.get(session_id, {}).items())]

    async def find(self, filter: SessionFilter) -> list[SessionRecord]:
        found = [
            session
            for session in self._newest_first()
            if filter.bot_id in (None, session.bot_id)
            and filter.env in (None, session.env)
            and filter.user_id in (None, session.owner.user_id)
            and filter.flow_kind in (None, session.flow_kind)
            and filter.state in (None, session.state)
            and (not filter.live or session.is_live(self.clock.now()))
        ]
        return found[: filter.limit]

    async def history(self, session_id: str, *, limit: int = 100) -> list[SessionEvent]:
        return [event for event in self.model.history if event.session_id == session_id][-limit:]

    async def formats(self, *, since_s: float) -> list[FormatShare]:
        since = self.clock.now() - since_s
        counted = Counter(
            (event.flow_kind, event.event, event.format)
            for event in self.model.history
            if event.format and event.at >= since
        )
        return [FormatShare(*key, presses) for key, presses in sorted(counted.items())]


class ModelJournal(_Part):
    async def begin(self, lease: Lease, record: CallRecord) -> None:
        if self.store.turns.lane_of(lease) is None:
            raise LeaseLost
        calls = self.model.calls.setdefault((lease.bot_id, lease.lane, record.entry_id), {})
        calls[record.ordinal] = CallRecord(record.entry_id, record.ordinal, record.method)

    async def end(self, lease: Lease, record: CallRecord, *, durable: bool = False) -> None:
        calls = self.model.calls.get((lease.bot_id, lease.lane, record.entry_id), {})
        if record.ordinal in calls:
            calls[record.ordinal].result = record.result

    async def recall(self, lease: Lease, entry_id: int) -> list[CallRecord]:
        calls = self.model.calls.get((lease.bot_id, lease.lane, entry_id), {})
        return [msgspec.structs.replace(calls[ordinal]) for ordinal in sorted(calls)]


PAID = 2**60  # stands in the place of a chat, which none can have


class ModelOutbox(_Part):
    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.limits: dict[int, BotLimits] = {}
        self.buckets: dict[tuple[int, int | None], Bucket] = {}
        self.closed_until: dict[tuple[int, int | None], float] = {}  # pauses, and the rests between deliveries

    async def ready(self) -> None:
        return

    def rates(self, bot_id: int, chat: int | None) -> tuple[float, int]:
        """(deliveries per second, burst) of a bot (chat None), a private chat or a group."""
        limits = self.limits.get(bot_id, BotLimits())
        if chat is None:
            return limits.bot_per_s, limits.bot_burst
        if chat == PAID:
            return limits.broadcast_per_s, max(1, int(limits.broadcast_per_s / 10))
        if chat < 0:
            return limits.group_per_min / 60, limits.group_burst
        return limits.chat_per_s, limits.chat_burst

    def wait_s(self, bot_id: int, *chats: int | None) -> float:
        """Seconds until the bot (None) and chats named may be called."""
        now = self.clock.now()
        waits = [0.0]
        for chat in chats:
            bucket = self.buckets.setdefault((bot_id, chat), Bucket())
            waits += [
                bucket.wait_s(now, *self.rates(bot_id, chat)),
                self.closed_until.get((bot_id, chat), 0) - now,
            ]
        return max(waits)

    def spend(self, bot_id: int, *chats: int | None) -> None:
        for chat in chats:
            self.buckets[bot_id, chat].spend(self.clock.now(), self.rates(bot_id, chat)[0])

    def heads(self) -> list[Delivery]:
        """The delivery of each outbound lane that is on its way or else the first, by priority."""
        lanes: dict[tuple[int, int, bool], Delivery] = {}
        for delivery in sorted(self.model.outbox.values(), key=lambda d: (d.held is None, d.id)):
            answer = delivery.wanted.priority == Priority.ANSWER
            lanes.setdefault((delivery.wanted.bot_id, delivery.chat, answer), delivery)
        return sorted(lanes.values(), key=lambda d: (d.wanted.priority, d.created_at, d.id))

    def claimable(self) -> list[Delivery]:
        """The deliveries that may be claimed now, as if each were the only one, most urgent first."""
        now = self.clock.now()
        return [
            delivery
            for delivery in self.heads()
            if delivery.due_at <= now
            and self.overdue(delivery.held)
            and self.wait_s(delivery.wanted.bot_id, *self.budgets(delivery)) == 0
        ]

    def budgets(self, delivery: Delivery) -> list[int | None]:
        """Whose budgets a delivery waits for: the bot's (None), and its chat's unless it is an answer."""
        own = self.own_budget(delivery)
        return [own] if delivery.wanted.priority == Priority.ANSWER else [own, delivery.chat]

    def own_budget(self, delivery: Delivery) -> int | None:
        """The bot's budget (None), or the one beside it that a bot has when it pays for broadcasts."""
        wanted = delivery.wanted
        pays = self.limits.get(wanted.bot_id, BotLimits()).broadcast_per_s > 0
        return PAID if pays and wanted.priority == Priority.BROADCAST else None

    def take(self, delivery: Delivery) -> DeliveryLease:
        """Lease a delivery that may be claimed."""
        wanted = delivery.wanted
        self.spend(
            wanted.bot_id, self.own_budget(delivery)
        )  # the chat is paced by what the sender asks for in `settle`
        delivery.unknown = delivery.unknown or delivery.held is not None
        delivery.attempts += 1
        delivery.held = Held(self.model.next_id(), self.clock.now() + self.store.lease_ttl_s)
        return DeliveryLease(
            id=delivery.id,
            bot_id=wanted.bot_id,
            chat=delivery.chat,
            token=delivery.held.token,
            attempts=delivery.attempts,
            method=wanted.method,
            payload=wanted.payload,
            priority=wanted.priority,
            when_uncertain=wanted.when_uncertain,
            handle=wanted.handle,
            cause=wanted.cause,
            trace=wanted.trace,
            created_at=delivery.created_at,
            unknown=delivery.unknown,
        )

    async def claim(self, limit: int) -> list[DeliveryLease]:
        leases: list[DeliveryLease] = []
        for delivery in self.claimable():
            if len(leases) < limit and self.wait_s(delivery.wanted.bot_id, self.own_budget(delivery)) == 0:
                leases.append(self.take(delivery))
        return leases

    async def settle(self, settlements: Sequence[DeliverySettlement]) -> list[bool]:
        return [self._settle(settlement) for settlement in settlements]

    def _settle(self, end: DeliverySettlement) -> bool:
        lease, now = end.lease, self.clock.now()
        delivery = self.model.outbox.get(lease.id)
        if delivery is None or delivery.held is None or delivery.held.token != lease.token:
            return False
        if end.migrated_to is not None:
            for other in self.model.outbox.values():
                if (other.wanted.bot_id, other.chat) == (lease.bot_id, lease.chat):
                    other.chat = end.migrated_to
            remembered = self.model.states.pop((lease.bot_id, lease.chat), {})
            new = self.model.states.setdefault((lease.bot_id, end.migrated_to), {})
            new.update({name: data for name, data in remembered.items() if name not in new})
        delivery.held = None
        if end.delay_s is not None:
            delivery.due_at = now + end.delay_s
            delivery.attempts -= not end.counted
            delivery.unknown = delivery.unknown or end.unknown
            return True
        del self.model.outbox[delivery.id]
        if end.sent:
            place = (lease.bot_id, delivery.chat)
            self.closed_until[place] = max(self.closed_until.get(place, 0), now + end.pace_s)
            if lease.handle is not None and end.message_id is not None:
                self.model.handles[lease.bot_id, delivery.chat, lease.handle] = end.message_id
        elif end.reason is not None:
            wanted = msgspec.structs.replace(delivery.wanted, chat=delivery.chat)
            self.model.bury(wanted, delivery.attempts, end.error, end.reason, now)
        return True

    async def admit(self, bot_id: int, chat: int | None) -> float:
        budgets = [None] if chat is None else [None, chat]
        wait_s = self.wait_s(bot_id, *budgets)
        if wait_s == 0:
            self.spend(bot_id, *budgets)
        return wait_s

    async def pause(self, bot_id: int, chat: int | None, delay_s: float) -> None:
        until = self.clock.now() + delay_s
        for budget in (None, PAID) if chat is None else (chat,):
            self.closed_until[bot_id, budget] = max(self.closed_until.get((bot_id, budget), 0), until)

    async def post(self, deliveries: Sequence[Outgoing]) -> None:
        self.model.apply(Effects(deliveries=list(deliveries)), self.clock.now())

    async def message_id(self, bot_id: int, chat: int, handle: str) -> int | None:
        return self.model.handles.get((bot_id, chat, handle))


class ModelJobs(_Part):
    async def ready(self) -> None:
        return

    async def enqueue(self, requests: Sequence[JobRequest]) -> list[int | None]:
        return [self.model.queue(request, self.clock.now()) for request in requests]

    async def claim(self, queues: dict[str, int], *, ttl_s: float) -> list[JobLease]:
        now, leases = self.clock.now(), []
        for queue, limit in queues.items():
            due = [
                job
                for job in self.model.jobs.values()
                if job.wanted.queue == queue
                and queue not in self.model.paused
                and job.due_at <= now
                and self.overdue(job.held)
                and not job.cancelled
            ]
            for job in sorted(due, key=lambda j: (j.wanted.priority, j.due_at, j.id))[:limit]:
                job.attempts += 1
                job.held = Held(self.model.next_id(), now + ttl_s)
                wanted = job.wanted
                leases.append(
                    JobLease(
                        id=job.id,
                        token=job.held.token,
                        queue=queue,
                        task=wanted.task,
                        args=wanted.args,
                        attempts=job.attempts,
                        attempts_max=wanted.attempts_max,
                        bot_id=wanted.bot_id,
                        lane=wanted.lane,
                        notify=wanted.notify,
                        data=wanted.data,
                        trace=wanted.trace,
                    )
                )
        return leases

    def job_of(self, lease: JobLease) -> Job | None:
        job = self.model.jobs.get(lease.id)
        return job if job is not None and job.held is not None and job.held.token == lease.token else None

    async def extend(self, leases: Sequence[JobLease], *, ttl_s: float) -> list[JobLease]:
        lost = []
        for lease in leases:
            job = self.job_of(lease)
            if job is None or job.cancelled:
                lost.append(lease)
            else:
                job.held = Held(lease.token, self.clock.now() + ttl_s)
        return lost

    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        return [self._settle(settlement) for settlement in settlements]

    def _settle(self, end: JobSettlement) -> bool:
        job, now = self.job_of(end.lease), self.clock.now()
        if job is None:
            return False
        self.model.apply(end.effects, now)
        if end.delay_s is not None and not job.cancelled:
            job.held, job.due_at = None, now + end.delay_s
            job.attempts -= not end.counted
            return True
        del self.model.jobs[job.id]
        if end.reason is not None:
            self.model.bury(job.wanted, job.attempts, end.error, end.reason, now)
        if job.wanted.notify:
            completion = Completion(
                job_id=job.id,
                task=job.wanted.task,
                result=msgspec.Raw(end.result),
                error="cancelled" if end.delay_s is not None else (end.error or end.reason) if end.reason else None,
                data=msgspec.Raw(job.wanted.data),
                cause=job.wanted.trace,
            )
            body = msgspec.json.encode(completion)
            self.model.put(Entry(job.wanted.bot_id, job.wanted.lane, entry_id_of_job(job.id), body, now), now)
        return True

    async def fire_timers(self, limit: int) -> tuple[int, float | None]:
        now = self.clock.now()
        waiting = sorted(self.model.timers.values(), key=lambda t: (t.due_at, t.id))
        due = [timer for timer in waiting if timer.due_at <= now][:limit]
        for timer in due:
            wanted = self.model.timers.pop(timer.id).wanted
            self.model.put(
                Entry(wanted.bot_id, wanted.lane, entry_id_of_timer(timer.id), wanted.payload or b"", now),
                now,
            )
        left = waiting[len(due) :]
        return len(due), max(0.0, left[0].due_at - now) if left else None

    async def fire_cron(self, firings: Sequence[Cron]) -> list[bool]:
        fired = []
        for firing in firings:
            moments = self.model.fired.setdefault(firing.name, set())
            fired.append(firing.fire_at not in moments)
            if fired[-1]:
                moments.add(firing.fire_at)
                self.model.queue(firing.request, self.clock.now())
        return fired

    async def last_fired(self, names: Sequence[str]) -> dict[str, float]:
        return {name: max(self.model.fired[name]) for name in names if name in self.model.fired}


class ModelUpkeep(_Part):
    async def reap(self) -> Reaped:
        reaped, now = Reaped(), self.clock.now()
        for lane in self.model.lanes.values():
            if lane.held is not None and lane.held.expires_at <= now:
                lane.lost(now)
                reaped.lanes += 1
        for delivery in self.model.outbox.values():
            if delivery.held is not None and delivery.held.expires_at <= now:
                delivery.held, delivery.unknown = None, True
                reaped.deliveries += 1
        for job in list(self.model.jobs.values()):
            if job.held is not None and job.held.expires_at <= now:
                self.model.free(job)
                reaped.jobs += 1
        return reaped

    async def prune(self, *, seen_s: float, dead_letters_s: float, sessions_s: float = 30 * 86_400.0) -> int:
        now, model = self.clock.now(), self.model
        over = [
            session.id
            for session in model.sessions.values()
            if (not session.is_active and session.updated_at < now - sessions_s)
            or (session.expires_at is not None and session.expires_at < now - sessions_s)
        ]
        for id in over:
            del model.sessions[id]
            model.journals.pop(id, None)
        model.history = [event for event in model.history if event.at >= now - sessions_s]
        waiting = {(key[0], entry_id) for key, lane in model.lanes.items() for entry_id in lane.entries}
        old = [key for key, at in model.seen.items() if at < now - seen_s and key not in waiting]
        closed = [d.id for d in model.dead.values() if d.closed_at is not None and d.closed_at < now - dead_letters_s]
        for key in old:
            del model.seen[key]
        for number in closed:
            del model.dead[number]
        return len(old) + len(closed) + len(over)

    async def gauges(self) -> Gauges:
        model, now = self.model, self.clock.now()
        busy = [lane for lane in model.lanes.values() if lane.entries]
        waiting = [lane for lane in busy if lane.held is None and lane.hold is None]
        deliveries, jobs = list(model.outbox.values()), list(model.jobs.values())
        return Gauges(
            lanes_waiting=len(waiting),
            lanes_leased=sum(lane.held is not None for lane in model.lanes.values()),
            lanes_blocked=sum(lane.hold is not None for lane in busy),
            oldest_waiting_s=max((now - min(e.received_at for e in x.entries.values()) for x in waiting), default=0),
            outbox_waiting=len(deliveries),
            oldest_delivery_s=max((now - d.created_at for d in deliveries), default=0),
            jobs_waiting=sum(job.held is None for job in jobs),
            jobs_running=sum(job.held is not None for job in jobs),
            dead_letters_open=sum(d.closed_at is None for d in model.dead.values()),
        )

    async def schema(self) -> tuple[str | None, str]:
        return "model", "model"


class ModelDesk(_Part):
    def _rows(self, what: str) -> list[tuple[Row, bytes]]:
        """All rows of a list with their payloads, by id."""
        return sorted(getattr(self, f"_{what}")(), key=lambda pair: pair[0].id)

    def _inbox(self) -> list[tuple[Row, bytes]]:
        return [
            (
                Row(
                    id=entry.entry_id,
                    kind="entry",
                    state="held" if lane.hold else "leased" if lane.held else "waiting",
                    bot_id=entry.bot_id,
                    lane=entry.lane,
                    at=entry.received_at,
                ),
                entry.payload,
            )
            for lane in self.model.lanes.values()
            for entry in lane.entries.values()
        ]

    def _outbox(self) -> list[tuple[Row, bytes]]:
        return [
            (
                Row(
                    id=d.id,
                    kind="delivery",
                    state="sending" if d.held else "uncertain" if d.unknown else "waiting",
                    bot_id=d.wanted.bot_id,
                    lane=d.chat,
                    what=d.wanted.method,
                    attempts=d.attempts,
                    at=d.created_at,
                    due_at=d.due_at,
                    trace=d.wanted.trace,
                ),
                d.wanted.payload,
            )
            for d in self.model.outbox.values()
        ]

    def _jobs(self) -> list[tuple[Row, bytes]]:
        return [
            (
                Row(
                    id=job.id,
                    kind="job",
                    state="running" if job.held else "waiting",
                    bot_id=job.wanted.bot_id,
                    lane=job.wanted.lane,
                    what=job.wanted.task,
                    attempts=job.attempts,
                    due_at=job.due_at,
                    queue=job.wanted.queue,
                    trace=job.wanted.trace,
                ),
                job.wanted.args,
            )
            for job in self.model.jobs.values()
        ]

    def _dead(self) -> list[tuple[Row, bytes]]:
        rows = []
        for letter in self.model.dead.values():
            if letter.closed_at is not None:
                continue
            item = letter.item
            row = Row(
                id=letter.id,
                kind=letter.kind,
                state="dead",
                bot_id=letter.bot_id,
                lane=letter.lane,
                attempts=letter.attempts,
                at=letter.died_at,
                error=letter.error,
                reason=letter.reason,
            )
            if isinstance(item, Outgoing):
                row.what = item.method
            elif isinstance(item, JobRequest):
                row.what, row.queue = item.task, item.queue
            rows.append((row, item.args if isinstance(item, JobRequest) else item.payload))
        return rows

    def _lanes(self) -> list[tuple[Row, bytes]]:
        return [
            (
                Row(
                    id=min(lane.entries),
                    kind="lane",
                    state="held" if lane.hold else "waiting",
                    bot_id=key[0],
                    lane=key[1],
                    attempts=lane.tries.get(min(lane.entries), 0),
                    due_at=lane.due_at,
                    reason=lane.hold or "",
                ),
                b"",
            )
            for key, lane in self.model.lanes.items()
            if lane.entries and (lane.hold or lane.due_at > self.clock.now())
        ]

    async def list(self, what: str, filter: Filter) -> list[Row]:
        narrow = ("bot_id", "lane", "state", "kind", "reason", "queue")
        return [
            row
            for row, _ in self._rows(what)
            if all(getattr(filter, name) in (None, getattr(row, name)) for name in narrow)
            and (filter.after is None or row.id > filter.after)
        ][: filter.limit]

    async def show(self, what: str, id: int) -> Row:
        for row, payload in self._rows(what):
            if row.id == id:
                return msgspec.structs.replace(row, payload=payload.decode("utf-8", "replace"))
        raise NotFound(f"no row {id} in {what}")

    def _close(self, dead_ids: Sequence[int]) -> Iterable[DeadLetter]:
        for dead_id in dead_ids:
            letter = self.model.dead.get(dead_id)
            if letter is not None and letter.closed_at is None:
                letter.closed_at = self.clock.now()
                yield letter

    async def replay(self, dead_ids: Sequence[int]) -> list[int]:  # type: ignore[valid-type]
        moved, now = [], self.clock.now()
        for letter in self._close(dead_ids):
            if isinstance(letter.item, Entry):
                self.model.put(letter.item, now)
            elif isinstance(letter.item, Outgoing):
                self.model.apply(Effects(deliveries=[letter.item]), now)
            elif self.model.queue(letter.item, now - letter.item.delay_s) is None:
                letter.closed_at = None
                continue
            moved.append(letter.id)
        return moved

    async def discard(self, dead_ids: Sequence[int]) -> list[int]:  # type: ignore[valid-type]
        return [letter.id for letter in self._close(dead_ids)]

    async def release_lane(self, bot_id: int, lane: int, *, skip_head: bool) -> bool:
        found = self.model.lanes.get((bot_id, lane))
        if found is None or found.hold is None:
            return False
        if skip_head:
            head = min(found.entries)
            self.store.turns.bury(found, Burial(head, "", found.hold, found.tries.get(head, 0)))
        found.hold, found.due_at = None, self.clock.now()
        return True

    async def cancel_job(self, job_id: int) -> bool:
        job = self.model.jobs.get(job_id)
        if job is None or job.cancelled:
            return False
        job.cancelled = True
        if job.held is None:
            self.model.free(job)
            if job.wanted.notify:
                body = msgspec.json.encode(
                    Completion(
                        job.id,
                        job.wanted.task,
                        error="cancelled",
                        data=msgspec.Raw(job.wanted.data),
                        cause=job.wanted.trace,
                    )
                )
                now = self.clock.now()
                entry = Entry(job.wanted.bot_id, job.wanted.lane, entry_id_of_job(job.id), body, now)
                self.model.put(entry, now)
        return True

    async def pause_queue(self, queue: str, paused: bool) -> None:
        (self.model.paused.add if paused else self.model.paused.discard)(queue)


class ModelStore:
    """A store in memory, on a model that outlives it."""

    def __init__(self, clock: Clock, model: Model | None = None, *, lease_ttl_s: float = 30.0) -> None:
        self.clock = clock
        self.model = model or Model()
        self.lease_ttl_s = lease_ttl_s
        self._owns = False
        self.inbox = ModelInbox(self)
        self.turns = ModelTurns(self)
        self.journal = ModelJournal(self)
        self.outbox = ModelOutbox(self)
        self.jobs = ModelJobs(self)
        self.upkeep = ModelUpkeep(self)
        self.desk = ModelDesk(self)
        self.sessions = ModelSessions(self)

    async def open(self) -> None:
        """Recover what a crash left."""
        if self.model.owned:
            raise StoreLocked
        self.model.owned = self._owns = True
        self.model.crashed(self.clock.now())

    async def close(self) -> None:
        self.abandon()

    def abandon(self) -> None:
        """Leave the model to the next process, with the leases as they are and open transactions undone."""
        if self.turns.transaction is not None:
            self.turns.transaction._end("ROLLBACK")
        if self._owns:
            self.model.owned = self._owns = False

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        self.outbox.limits[bot_id] = limits

    async def create_tables(self, metadata: Any) -> None:
        with self.model.engine.begin() as connection:
            metadata.create_all(connection)

    def keep_sessions(self, bot_id: int) -> None:
        """A lease of the model always brings them along."""
