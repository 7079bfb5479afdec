"""A store over a store: what chats remember is in Redis, everything else in the database.

    claim   database: lanes, entries, mark ──► Redis: pieces, sessions ──► lease
    settle  settlement ──► prepare in Redis ──► commit in the database ──► carry out in Redis      (`hashes`)

The database stays the authority (B-20): it says who holds a lane, and whether a turn happened. Redis says what the chat
remembers of it. Absent on purpose: a lock around a turn. The lease is the lock, and a lock in Redis could only be wrong
about it (B-12); `RedisLock` is for programs that know no lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from posthouse.adapters.redis.changes import from_outside
from posthouse.adapters.redis.client import RedisClient
from posthouse.adapters.redis.hashes import SessionHashes
from posthouse.adapters.redis.sessions import RedisSessions
from posthouse.adapters.redis.settings import RedisSettings
from posthouse.adapters.redis.turns import RedisTurns
from posthouse.core.leases import DeliverySettlement, JobSettlement
from posthouse.ports.clock import Clock, SystemClock
from posthouse.ports.store import BotLimits, Desk, Inbox, Jobs, Journal, Outbox, Store, Upkeep

WALK_EVERY_S = 3600.0


class RedisSessionStore:
    """`Store` over a database whose chats are remembered in Redis."""

    turns: RedisTurns
    sessions: RedisSessions
    outbox: Outbox
    jobs: Jobs
    upkeep: Upkeep

    def __init__(self, store: Store, settings: RedisSettings, clock: Clock | None = None) -> None:
        self.database = store
        self._settings = settings
        self._clock = clock or SystemClock()
        self._client = RedisClient(settings)

    @property
    def inbox(self) -> Inbox:
        return self.database.inbox

    @property
    def journal(self) -> Journal:
        return self.database.journal

    @property
    def desk(self) -> Desk:
        return self.database.desk

    async def open(self) -> None:
        """Open the database and reach Redis. Nothing stays open when one of them cannot be had."""
        await self.database.open()
        try:
            await self._client.open()
        except BaseException:
            await self.database.close()
            raise
        hashes = SessionHashes(self._client, self.database, self._settings, self._clock)
        self.turns = RedisTurns(self.database.turns, hashes)
        self.sessions = RedisSessions(self.database.sessions, hashes)
        self.outbox = _RedisOutbox(self.database.outbox, hashes)
        self.jobs = _RedisJobs(self.database.jobs)
        self.upkeep = _RedisUpkeep(self.database.upkeep, self.sessions, hashes)

    async def close(self) -> None:
        try:
            await self.database.close()
        finally:
            await self._client.close()

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        self.database.set_limits(bot_id, limits)

    async def create_tables(self, metadata: Any) -> None:
        await self.database.create_tables(metadata)

    def keep_sessions(self, bot_id: int) -> None:
        """The database has sessions too: those that belong to no chat, and those from before."""
        self.database.keep_sessions(bot_id)


class _Over:
    """A part of the store. What is not said here is as the database has it."""

    def __init__(self, part: Any) -> None:
        self._database = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class _RedisOutbox(_Over):
    def __init__(self, part: Outbox, hashes: SessionHashes) -> None:
        super().__init__(part)
        self._hashes = hashes

    async def settle(self, settlements: Sequence[DeliverySettlement]) -> list[bool]:
        """A chat that has a new id takes along what it remembers. Telegram says so again when this fails half-way."""
        for settlement in settlements:
            if settlement.migrated_to is not None:
                await self._hashes.move(settlement.lease.bot_id, settlement.lease.chat, settlement.migrated_to)
        verdicts: list[bool] = await self._database.settle(settlements)
        return verdicts


class _RedisJobs(_Over):
    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        verdicts: list[bool] = await self._database.settle(
            [msgspec.structs.replace(one, effects=from_outside(one.effects)) for one in settlements]
        )
        return verdicts


class _RedisUpkeep(_Over):
    def __init__(self, part: Upkeep, sessions: RedisSessions, hashes: SessionHashes) -> None:
        super().__init__(part)
        self._sessions = sessions
        self._clock = hashes.clock
        self._walked_at = 0.0

    async def prune(self, *, seen_s: float, dead_letters_s: float, sessions_s: float = 30 * 86_400.0) -> int:
        """Redis forgets chats by itself; for what a busy chat has kept too long it is walked over, once an hour."""
        gone: int = await self._database.prune(seen_s=seen_s, dead_letters_s=dead_letters_s, sessions_s=sessions_s)
        now = self._clock.now()
        if now - self._walked_at >= WALK_EVERY_S:
            self._walked_at = now
            gone += await self._sessions.forget(now - sessions_s)
        return gone
