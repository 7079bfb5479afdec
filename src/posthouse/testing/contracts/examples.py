"""Small records and short roads that the contract tests are written with."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from posthouse.core.effects import Effects, JobRequest, Outgoing, Priority, StateWrite, TimerRequest
from posthouse.core.entries import Incoming
from posthouse.core.leases import Burial, DeliveryLease, DeliverySettlement, JobLease, Lease, Settlement
from posthouse.ports.store import BotLimits, Store

L = TypeVar("L")

BOT = 7_000_000_001
LANE = 4001
GROUP = -1_001_234_567_890
QUEUE = "render"

# The bot from which `want` writes effects, so that it stays out of the lanes that a test looks at.
_WANTING_BOT = 7_999_999_999
_wanted = itertools.count(1)

UNLIMITED = BotLimits(
    bot_per_s=0, bot_burst=0, chat_per_s=0, chat_burst=0, group_per_min=0, group_burst=0, broadcast_per_s=0
)


def update(
    update_id: int,
    *,
    lane: int = LANE,
    bot_id: int = BOT,
    payload: bytes | None = None,
    kind: str = "message",
) -> Incoming:
    """An update whose body names its id."""
    body = payload if payload is not None else b'{"update_id":%d}' % update_id
    return Incoming(bot_id=bot_id, lane=lane, update_id=update_id, payload=body, kind=kind)


def say(
    text: str,
    *,
    chat: int = LANE,
    bot_id: int = BOT,
    priority: Priority = Priority.REPLY,
    handle: str | None = None,
    cause: int = 0,
) -> Outgoing:
    """A message to be sent, recognised later by `said`."""
    payload = json.dumps({"chat_id": chat, "text": text}).encode()
    return Outgoing(
        bot_id=bot_id,
        chat=chat,
        method="sendMessage",
        payload=payload,
        priority=priority,
        handle=handle,
        cause=cause,
    )


def said(leases: Sequence[DeliveryLease]) -> list[str]:
    """The texts of claimed deliveries."""
    return [json.loads(lease.payload)["text"] for lease in leases]


def job(task: str = "draw", **fields: Any) -> JobRequest:
    """A job in the suite's queue."""
    return JobRequest(**{"queue": QUEUE, "task": task, **fields})


def timer(payload: bytes | None = b'{"event":"timer","name":"remind"}', **fields: Any) -> TimerRequest:
    """A timer of the suite's lane, due in 50 seconds."""
    return TimerRequest(**{"bot_id": BOT, "lane": LANE, "delay_s": 50.0, "payload": payload, **fields})


def state(name: str, data: bytes | None, *, lane: int = LANE, bot_id: int = BOT) -> StateWrite:
    return StateWrite(bot_id=bot_id, lane=lane, name=name, data=data)


def ids(lease: Lease) -> list[int]:
    """The entry ids that a lease carries."""
    return [entry.entry_id for entry in lease.entries]


def done(lease: Lease, *entry_ids: int, effects: Effects | None = None, **fields: Any) -> Settlement:
    """The settlement of a lease whose entries (all, when none is named) went well."""
    return Settlement(lease=lease, done=list(entry_ids) or ids(lease), effects=effects or Effects(), **fields)


def undone(lease: Lease, **fields: Any) -> Settlement:
    """A settlement that finishes nothing: a retry, a hold, or a burial."""
    return Settlement(lease=lease, done=[], effects=Effects(), **fields)


def buried(lease: Lease, *, error: str = "ValueError: no", reason: str = "exhausted") -> Settlement:
    """The settlement that gives up the head of a lease."""
    burial = Burial(entry_id=lease.entries[0].entry_id, error=error, reason=reason, attempts=lease.attempts)
    return undone(lease, buried=[burial])


async def claim_one(store: Store, *, depth: int = 8) -> Lease:
    """The one lane that can be claimed now."""
    leases = await store.turns.claim(16, depth)
    assert len(leases) == 1, f"expected one claimable lane, got {leases}"
    return leases[0]


async def turn(store: Store, *updates: Incoming, effects: Effects | None = None, **fields: Any) -> Lease:
    """Ingest updates of one lane and settle them in one turn with these effects."""
    assert all(await store.inbox.ingest(list(updates)))
    lease = await claim_one(store, depth=len(updates))
    assert await store.turns.settle([done(lease, effects=effects, **fields)]) == [True]
    return lease


async def want(store: Store, *effects: Outgoing | JobRequest | TimerRequest | StateWrite) -> None:
    """Write effects through a turn of a bot of their own. No other lane may be claimable meanwhile."""
    wanted = Effects(
        deliveries=[e for e in effects if isinstance(e, Outgoing)],
        jobs=[e for e in effects if isinstance(e, JobRequest)],
        timers=[e for e in effects if isinstance(e, TimerRequest)],
        states=[e for e in effects if isinstance(e, StateWrite)],
    )
    await turn(store, update(next(_wanted), lane=1, bot_id=_WANTING_BOT), effects=wanted)


async def claim_delivery(store: Store) -> DeliveryLease:
    """The one delivery that can be claimed now."""
    leases = await store.outbox.claim(16)
    assert len(leases) == 1, f"expected one claimable delivery, got {leases}"
    return leases[0]


def sent(lease: DeliveryLease, message_id: int | None = None, **fields: Any) -> DeliverySettlement:
    return DeliverySettlement(lease=lease, sent=True, message_id=message_id, **fields)


async def send_all(store: Store) -> list[str]:
    """Send whatever can be claimed, until nothing can; the texts in the order they left."""
    texts: list[str] = []
    while leases := await store.outbox.claim(16):
        texts += said(leases)
        assert all(await store.outbox.settle([sent(lease) for lease in leases]))
    return texts


async def claim_job(store: Store, *, ttl_s: float = 60.0) -> JobLease:
    """The one job of the suite's queue that can be claimed now."""
    leases = await store.jobs.claim({QUEUE: 16}, ttl_s=ttl_s)
    assert len(leases) == 1, f"expected one claimable job, got {leases}"
    return leases[0]


def unlimited(store: Store, *bot_ids: int) -> None:
    """Take all of Telegram's limits off the suite's bot (and others), so that only order decides."""
    for bot_id in (BOT, *bot_ids):
        store.set_limits(bot_id, UNLIMITED)


async def woken(ready: Callable[[], Awaitable[None]], claim: Callable[[], Awaitable[list[L]]]) -> list[L]:
    """Claim as a service does, waiting between claims that bring nothing; fails when nobody wakes it."""
    while not (leases := await claim()):
        await asyncio.wait_for(ready(), 30)
    return leases
