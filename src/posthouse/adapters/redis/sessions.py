"""Sessions over two stores: those of chats in Redis; in the database what belongs to no chat, and what is older.

A session stays where it was made. Operators' lists walk over Redis by SCAN, within a bound; they show a change that is
committed and not carried out (a process died in between) only when its chat's next turn has begun.

History is kept beside the sessions it tells of, the last lines of each, and goes with them: a database finds history by
the session's row, which it does not have here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import msgspec
import structlog

from posthouse.adapters.redis.changes import PRESSES_S, hour_of
from posthouse.adapters.redis.hashes import SessionHashes
from posthouse.adapters.redis.keys import SESSION
from posthouse.adapters.redis.records import read_event, read_session
from posthouse.core.sessions import SessionRecord
from posthouse.ports.store import (
    FormatShare,
    FormatShares,
    SessionFilter,
    SessionHistory,
    SessionRecords,
    Sessions,
)

log = structlog.get_logger("posthouse.redis")

SCAN_COUNT = 500
SCANS_MAX = 400
"""Steps of one walk over Redis, each over about `SCAN_COUNT` keys."""


class RedisSessions:
    """`Sessions` of a store whose chats are in Redis."""

    def __init__(self, database: Sessions, hashes: SessionHashes) -> None:
        self._database = database
        self._hashes = hashes
        self._client = hashes.client
        self._keys = hashes.keys

    async def get(self, session_id: str) -> SessionRecord | None:
        found = await self._hashes.session(session_id)
        return found if found is not None else await self._database.get(session_id)

    async def owned(self, bot_id: int, lane: int, user_ids: Sequence[int]) -> SessionRecords:
        if not user_ids:
            return []
        await self._hashes.catch_up()
        key = self._keys.session(bot_id, lane)
        [names] = await self._client.ask(("HKEYS", key))
        begins = tuple(b"s:%d:" % user_id for user_id in user_ids)
        fields = [name for name in names if name.startswith(begins)]
        found: SessionRecords = []
        if fields:
            [stored] = await self._client.ask(("HMGET", key, *fields))
            found = [read_session(one) for one in stored if one is not None]
        return _newest(found + await self._database.owned(bot_id, lane, user_ids))

    async def journal(self, session_id: str) -> list[bytes]:
        await self._hashes.catch_up()
        [flat] = await self._client.ask(("HGETALL", self._keys.journal(session_id)))
        if not flat:
            return await self._database.journal(session_id)
        return [record for _, record in sorted((int(ordinal), record) for ordinal, record in flat.items())]

    async def find(self, filter: SessionFilter) -> SessionRecords:
        await self._hashes.catch_up()
        found = await self._database.find(filter)
        now = self._hashes.clock.now()
        async for _, stored in self._walk(filter.bot_id):
            record = read_session(stored)
            if _fits(record, filter, now):
                found.append(record)
        if not filter.live:
            async for keys in self._scan(self._keys.ended_like(), "string"):
                found += [record for record in await self._ended(keys) if _fits(record, filter, now)]
        return _newest(found)[: filter.limit]

    async def history(self, session_id: str, *, limit: int = 100) -> SessionHistory:
        """The last lines; Redis keeps a hundred of a session."""
        await self._hashes.catch_up()
        [stored] = await self._client.ask(("LRANGE", self._keys.history(session_id), -limit, -1))
        lines = [*await self._database.history(session_id, limit=limit), *map(read_event, stored)]
        return sorted(lines, key=lambda event: event.at)[-limit:]

    async def formats(self, *, since_s: float) -> FormatShares:
        """Counted by the hour: the first one counts whole."""
        await self._hashes.catch_up()
        now = self._hashes.clock.now()
        hours = range(hour_of(now - min(since_s, PRESSES_S)), hour_of(now) + 1)
        presses: Counter[tuple[str, str, str]] = Counter()
        for hour in await self._client.ask(*(("HGETALL", self._keys.presses(hour)) for hour in hours)):
            for press, times in hour.items():
                presses[msgspec.json.decode(press, type=tuple[str, str, str])] += int(times)
        for share in await self._database.formats(since_s=since_s):
            presses[share.flow_kind, share.event, share.format] += share.presses
        return [FormatShare(*press, times) for press, times in sorted(presses.items())]

    async def forget(self, before: float) -> int:
        """Forget what ended or expired before a moment, and older history of what is alive; how many sessions went."""
        gone = 0
        async for field, stored in self._walk(None):
            record = read_session(stored)
            if record.expires_at is not None and record.expires_at < before:
                gone += await self._hashes.forget(record, field, stored)
            else:
                await self._shorten(record.id, before)
        async for keys in self._scan(self._keys.ended_like(), "string"):
            for record in await self._ended(keys):
                if record.updated_at < before:
                    await self._client.ask(("DEL", self._keys.ended(record.id), self._keys.history(record.id)))
                    gone += 1
        return gone

    async def _shorten(self, session_id: str, before: float) -> None:
        key = self._keys.history(session_id)
        [stored] = await self._client.ask(("LRANGE", key, 0, -1))
        old = sum(read_event(line).at < before for line in stored)
        if old:
            await self._client.ask(("LTRIM", key, old - len(stored), -1) if old < len(stored) else ("DEL", key))

    # -- walks ----------------------------------------------------------------------------------------------------

    async def _walk(self, bot_id: int | None) -> AsyncIterator[tuple[bytes, bytes]]:
        """(field, bytes) of the active sessions of a bot, or of all."""
        async for keys in self._scan(self._keys.sessions_like(bot_id), "hash"):
            for fields in await self._client.ask(*(("HGETALL", key) for key in keys)):
                for name, stored in fields.items():
                    if name.startswith(SESSION):
                        yield name, stored

    async def _ended(self, keys: list[bytes]) -> SessionRecords:
        [ended] = await self._client.ask(("MGET", *keys))
        return [read_session(stored) for stored in ended if stored is not None]

    async def _scan(self, pattern: str, kind: str) -> AsyncIterator[list[bytes]]:
        """The keys of a kind that fit a pattern, some at a time; some may come twice."""
        cursor = b"0"
        for _ in range(SCANS_MAX):
            step = ("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT, "TYPE", kind)
            [(cursor, keys)] = await self._client.ask(step)
            if keys:
                yield keys
            if int(cursor) == 0:
                return
        log.warning("sessions.unlisted", note=f"only about {SCANS_MAX * SCAN_COUNT} keys of Redis were looked at")


def _fits(record: SessionRecord, filter: SessionFilter, now: float) -> bool:
    wanted = (filter.bot_id, filter.env, filter.user_id, filter.flow_kind, filter.state)
    has = (record.bot_id, record.env, record.owner.user_id, record.flow_kind, record.state)
    if any(want is not None and want != had for want, had in zip(wanted, has, strict=True)):
        return False
    return not filter.live or record.is_live(now)


def _newest(records: SessionRecords) -> SessionRecords:
    """Each session once, the one that changed last first."""
    once = {record.id: record for record in records}
    return sorted(once.values(), key=lambda record: record.updated_at, reverse=True)
