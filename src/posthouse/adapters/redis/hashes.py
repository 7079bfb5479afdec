"""The chats' hashes in Redis, and the commit that Redis and the database have in common.

    prepare      Redis      compare; lay the change beside what the chat remembers (`~next`)     nothing is changed yet
    settle       database   the entries, the effects, and the change's id (`changes.MARK`)       this is the commit
    carry out    Redis      the change's commands, and `~next` goes

There is no common transaction, so the database's commit decides: a change that waits is carried out when the lane's
mark names it, and dropped when it does not. Whoever claims the lane next decides so, if nobody has: it reads the mark
after it has taken the lease, when the database refuses whatever the last lease may still try.

    it dies, or a server goes away     what is there             what happens
    ---------------------------------  ------------------------  -------------------------------------------------------
    before prepare                     nothing                   the entry runs again
    between prepare and the commit     `~next`, no mark          the next claim drops it, and the entry runs again
    the commit's answer is lost        `~next`, perhaps a mark   a retry is the same change; the next claim decides
    after the commit                   `~next`, the mark         carried out before our next call, or by the next claim
    the lease was lost before prepare  another's `~lease`        fenced: nothing of the turn is written
    … or between prepare and commit    `~next`                   the database refuses, and the next claim drops it
    a station (`keep`) and the next    a change each             the first is carried out before the second is prepared
    several turns of one batch         a hash each               each is judged alone; a lane's second one waits
    Redis is away at claim             nothing                   lanes are released, no try counted: `StoreUnavailable`
    Redis is away at settle            nothing, or `~next`       `StoreUnavailable`: the runner tries again
    Redis loses its last second        a mark, no such change    logged as `state.lost`; the chat has what Redis has

Only the last line loses something. With `appendfsync always` a crash of Redis does not come to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import structlog

from posthouse.adapters.redis.changes import MARK, Change, Mark, merged, ms
from posthouse.adapters.redis.client import RedisClient
from posthouse.adapters.redis.keys import NEXT, PIECE, SESSION, Keys, piece
from posthouse.adapters.redis.records import read_session
from posthouse.adapters.redis.settings import RedisSettings
from posthouse.core.effects import StateWrite
from posthouse.core.leases import Lease
from posthouse.core.sessions import SessionRecord
from posthouse.ports.clock import Clock
from posthouse.ports.store import Store

log = structlog.get_logger("posthouse.redis")

OK = b"ok"


class Prepared(NamedTuple):
    """What became of one change before the commit; `absent` are sessions that Redis does not have."""

    ok: bool
    absent: frozenset[str] = frozenset()


class SessionHashes:
    """What chats remember in Redis. `store` is the database, whose marks say what is committed."""

    def __init__(self, client: RedisClient, store: Store, settings: RedisSettings, clock: Clock) -> None:
        self.client = client
        self.keys = Keys(settings.key_prefix)
        self.clock = clock
        self.ttl_s = settings.ttl_s
        self._store = store
        self._waiting: dict[tuple[int, int], str] = {}  # committed, and not carried out yet as far as we know

    # -- leases ---------------------------------------------------------------------------------------------------

    async def begin(self, leases: Sequence[Lease]) -> None:
        """Give new leases what their chats remember, in one round trip for all of them."""
        marks = [await self._mark_of(lease) for lease in leases]
        arguments: list[str] = []
        for lease, mark in zip(leases, marks, strict=True):
            arguments += (str(lease.token), mark.change)
        answers = await self._run("claim", [self._key(lease) for lease in leases], arguments)
        for lease, mark, (last, exists, complete, fields) in zip(leases, marks, answers, strict=True):
            self._waiting.pop((lease.bot_id, lease.lane), None)
            self._fill(lease, dict(zip(fields[::2], fields[1::2], strict=True)), complete=bool(complete))
            if mark.change != last.decode() and self.clock.now() < mark.until:
                log.error(
                    "state.lost",
                    bot_id=lease.bot_id,
                    lane=lease.lane,
                    note="Redis has not what the database says it was given; the chat goes on with "
                    + ("what Redis has" if exists else "nothing")
                    + ": look at appendfsync and maxmemory-policy",
                )

    async def _mark_of(self, lease: Lease) -> Mark:
        if lease.states_complete:
            return Mark.read(lease.states.get(MARK))
        found = await self._store.turns.read_states(lease.bot_id, lease.lane, [MARK])
        return Mark.read(found.get(MARK))

    def _fill(self, lease: Lease, fields: dict[bytes, bytes], *, complete: bool) -> None:
        pieces = {name[2:].decode(): data for name, data in fields.items() if name.startswith(PIECE)}
        sessions = [read_session(stored) for name, stored in fields.items() if name.startswith(SESSION)]
        lease.states = merged(pieces, lease.states)
        lease.states_complete = lease.states_complete and complete
        lease.sessions = {**lease.sessions, **{record.id: record for record in sessions}}
        lease.sessions_complete = lease.sessions_complete and complete

    # -- a turn's commit ------------------------------------------------------------------------------------------

    async def prepare(self, changes: Sequence[tuple[Lease, Change]]) -> list[Prepared]:
        """Lay changes beside what their chats remember; each that is not ok has left nothing behind."""
        if not changes:
            return []
        await self.catch_up()
        arguments: list[str | bytes] = []
        for lease, change in changes:
            arguments += (str(lease.token), change.id, change.packed, change.compared)
        answers = await self._run("prepare", [self._key(lease) for lease, _ in changes], arguments)
        return [
            Prepared(False, frozenset(id.decode() for id in answer))
            if isinstance(answer, list)
            else Prepared(answer == OK)
            for answer in answers
        ]

    async def carry_out(self, changes: Iterable[tuple[Lease, Change]]) -> None:
        """Carry out what is committed. Nobody is told when Redis is away: it is done before the next call instead."""
        self._waiting.update(((lease.bot_id, lease.lane), change.id) for lease, change in changes)
        try:
            await self.catch_up()
        except Exception as error:  # the turn is committed, whatever becomes of this
            log.warning("state.waiting", chats=len(self._waiting), error=str(error))

    async def catch_up(self) -> None:
        """Carry out what this process has committed, before it reads or writes. Raises `StoreUnavailable`."""
        if self._waiting:
            waiting = dict(self._waiting)
            await self._run("carry_out", [self.keys.session(*lane) for lane in waiting], list(waiting.values()))
            for lane, change in waiting.items():
                if self._waiting.get(lane) == change:
                    del self._waiting[lane]

    # -- outside a lease ------------------------------------------------------------------------------------------

    async def pieces(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        """The named pieces that exist. The database is asked first: a piece moves from there to Redis, never back."""
        await self.catch_up()
        newer = await self._store.turns.read_states(bot_id, lane, [*names, MARK])
        key = self.keys.session(bot_id, lane)
        fields = [piece(name) for name in names]
        *found, waits = await self._command("HMGET", key, *fields, NEXT)
        if waits is not None:  # for the commit, or it is committed and nobody has carried it out
            await self._run("carry_out", [key], [Mark.read(newer.get(MARK)).change])
            found = await self._command("HMGET", key, *fields)
        stored = {name: data for name, data in zip(names, found, strict=True) if data is not None}
        return merged(stored, newer)

    async def write(self, bot_id: int, lane: int, writes: Sequence[StateWrite]) -> None:
        """Write pieces at once and unfenced."""
        await self.catch_up()
        arguments: list[str | bytes] = []
        for write in writes:
            arguments += (piece(write.name), "0" if write.data is None else "1", write.data or b"")
        await self._run("write", [self.keys.session(bot_id, lane)], arguments)

    async def session(self, session_id: str) -> SessionRecord | None:
        """One session. When a change of its chat waits, what the database says of it decides first."""
        await self.catch_up()
        stored, waits = await self._run("look", [], [session_id])
        record = None if stored is None else read_session(stored)
        if record is None or not waits:
            return record
        found = await self._store.turns.read_states(record.bot_id, record.lane, [MARK])
        key = self.keys.session(record.bot_id, record.lane)
        await self._run("carry_out", [key], [Mark.read(found.get(MARK)).change])
        stored, _ = await self._run("look", [], [session_id])
        return None if stored is None else read_session(stored)

    async def move(self, bot_id: int, lane: int, to: int) -> None:
        """Take the pieces of a chat along to its new id."""
        await self.catch_up()
        await self._run("move", [self.keys.session(bot_id, lane), self.keys.session(bot_id, to)], [])

    async def forget(self, record: SessionRecord, field: bytes, stored: bytes) -> int:
        """Forget an active session as it was seen; how many went."""
        key = self.keys.session(record.bot_id, record.lane)
        gone: int = await self._run("forget", [key], [record.id, field, stored])
        return gone

    def _key(self, lease: Lease) -> str:
        return self.keys.session(lease.bot_id, lease.lane)

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[str | bytes]) -> Any:
        return await self.client.run(name, keys, [ms(self.ttl_s), self.keys.shared, *arguments])

    async def _command(self, *command: str | bytes) -> Any:
        [answer] = await self.client.ask(command)
        return answer
