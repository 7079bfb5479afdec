"""Turns: claim lanes, settle what became of their entries.

    claim.sql  (one commit) ─► fetch.sql (a fresh view) ─► leases ─► … ─► settle.sql (one commit for the whole batch)

Jobs and timers among the effects are rare, so they are statements of their own; a batch that has some is settled in
one transaction of several statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from posthouse.adapters.postgres import sessions
from posthouse.adapters.postgres.database import Database, Row, text, texts
from posthouse.adapters.postgres.doorbell import Doorbell
from posthouse.adapters.postgres.effects import (
    delivery_columns,
    lock_timers,
    state_columns,
    write_jobs_and_timers,
    written,
)
from posthouse.adapters.postgres.transaction import PostgresTurnTransaction, TransactionPool, given_back
from posthouse.adapters.postgres.worker import Worker
from posthouse.core.effects import Effects, StateWrite
from posthouse.core.entries import Entry
from posthouse.core.leases import Lease, Settlement, rounds
from posthouse.core.sessions import SessionMoved, SessionRecord

STATES_MAX = 8  # how many pieces of state a lease brings along
SESSIONS_MAX = 16  # how many active sessions; a busy group has more, and is asked for those of one person


class Bells:
    """The doorbells of one store: who wakes whom."""

    def __init__(self, poll_min_s: float, poll_max_s: float) -> None:
        self.turns = Doorbell(poll_min_s, poll_max_s)
        self.outbox = Doorbell(poll_min_s, poll_max_s)
        self.jobs = Doorbell(poll_min_s, poll_max_s)

    def ring_for(self, effects: Sequence[Effects]) -> None:
        """Wake those who will carry out `effects`."""
        if any(e.deliveries for e in effects):
            self.outbox.ring()
        if any(e.jobs for e in effects):
            self.jobs.ring()


class PostgresTurns:
    """Lanes and their leases; see `ports.store.Turns`."""

    def __init__(self, database: Database, worker: Worker, bells: Bells, transactions: TransactionPool) -> None:
        self._database = database
        self._worker = worker
        self._bells = bells
        self._transactions = transactions
        self._ttl_s = database.settings.lease_ttl_s
        self.session_bots: set[int] = set()  # those whose leases bring sessions along

    async def ready(self) -> None:
        """Wait until a lane may be claimable."""
        await self._bells.turns.wait()

    async def claim(self, limit: int, depth: int) -> list[Lease]:
        """Take up to `limit` lanes, longest due first, with up to `depth` head entries each."""
        async with self._worker.claim() as (owner, token):
            taken = await self._database.fetch_once("claim", limit, token, owner, self._ttl_s, depth)
            leases = await self._read(taken, token, depth) if taken else []
            empty = [lease for lease in leases if not lease.entries]
            if empty:  # emptied by a station (`keep`) of a process that died, or by a turn that just ended
                await self._database.fetch("release", *_keys(empty))
        if taken:
            self._bells.turns.found()
        else:
            self._bells.turns.missed((await self._database.fetch("next_due"))[0][0])
        return [lease for lease in leases if lease.entries]

    async def _read(self, taken: list[Row], token: int, depth: int) -> list[Lease]:
        taken.sort(key=itemgetter("due_at"))
        leases = [Lease(row["bot_id"], row["lane_key"], token, 1, [], {}) for row in taken]
        rows = await self._database.fetch(
            "fetch",
            [row["bot_id"] for row in taken],
            [row["lane_key"] for row in taken],
            [row["head_id"] for row in taken],
            [row["carried_to"] for row in taken],
            depth,
            STATES_MAX,
        )
        tries: dict[tuple[int, int], int] = {}
        for at, entry_id, received_at, tried, name, body in rows:
            lease = leases[at - 1]
            if name is not None:
                lease.states[name] = body
                continue
            lease.entries.append(Entry(lease.bot_id, lease.lane, entry_id, body, received_at))
            if tried:
                tries[at - 1, entry_id] = tried
        for lease in leases:
            lease.entries.sort(key=_entry_id)
            if len(lease.states) > STATES_MAX:
                lease.states.popitem()
                lease.states_complete = False
        for at, entry_id in tries:
            _single_out(leases[at], entry_id, tries[at, entry_id])
        await self._read_sessions([lease for lease in leases if lease.bot_id in self.session_bots])
        return leases

    async def _read_sessions(self, leases: list[Lease]) -> None:
        if not leases:
            return
        where = [lease.bot_id for lease in leases], [lease.lane for lease in leases]
        found: dict[int, list[SessionRecord]] = {}
        for at, *columns in await self._database.fetch("sessions_of", *where, SESSIONS_MAX):
            found.setdefault(at - 1, []).append(sessions.record_of(columns))
        for place, records in found.items():
            lease = leases[place]
            lease.sessions_complete = len(records) <= SESSIONS_MAX
            if lease.sessions_complete:
                lease.sessions = {record.id: record for record in records}

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Commit many turns at once, each fenced by its lease."""
        answers: dict[int, bool] = {}
        for batch in rounds(settlements):
            for settlement, kept in zip(batch, await self._settle(batch), strict=True):
                answers[id(settlement)] = kept
        return [answers[id(settlement)] for settlement in settlements]

    async def _settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        if any(s.effects.jobs or s.effects.timers or s.effects.sessions for s in settlements):
            commit = self._database.commit
            try:
                answer = await commit(lambda connection: self._settle_all_in(connection, settlements))
            except SessionMoved:
                answer = await commit(lambda connection: self.settle_in(connection, settlements))
        else:
            # Safe to repeat after a broken connection: one that had committed finds its entries or its lease gone.
            again = all(s.done or s.buried or not s.keep for s in settlements)
            run = self._database.fetch if again else self._database.fetch_once
            rows = await run("settle", *settle_columns(settlements, self._ttl_s))
            answer = written(rows, len(settlements))
        self.announce(settlements)
        return answer

    async def _settle_all_in(self, connection: Any, settlements: Sequence[Settlement]) -> list[bool]:
        """Settle in this transaction as if nobody had moved a session meanwhile; raise `SessionMoved` if so.

        Looking first would cost another statement in every commit, and it hardly ever happens.
        """
        sql = self._database.sql
        await lock_timers(connection, sql, [s.effects for s in settlements])
        await sessions.write(connection, sql, [s.effects.sessions for s in settlements if s.effects.sessions])
        rows = await connection.fetch(sql["settle"], *settle_columns(settlements, self._ttl_s))
        answer = written(rows, len(settlements))
        if any(s.effects.sessions and not kept for s, kept in zip(settlements, answer, strict=True)):
            raise SessionMoved  # by a turn whose lease is lost, so it must not have been
        await write_jobs_and_timers(
            connection, sql, [s.effects for s, kept in zip(settlements, answer, strict=True) if kept]
        )
        return answer

    async def settle_in(self, connection: Any, settlements: Sequence[Settlement]) -> list[bool]:
        """The same in the transaction of `connection`, which the caller commits. At most one per lane.

        Looks first where the sessions are, so that nothing needs to be undone but the turns that saw them elsewhere.
        """
        sql = self._database.sql
        await lock_timers(connection, sql, [s.effects for s in settlements])
        out = await sessions.conflicts(connection, sql, settlements)
        possible = [given_back(s.lease) if at in out else s for at, s in enumerate(settlements)]
        rows = await connection.fetch(sql["settle"], *settle_columns(possible, self._ttl_s))
        answer = [kept and at not in out for at, kept in enumerate(written(rows, len(settlements)))]
        effects = [s.effects for s, kept in zip(settlements, answer, strict=True) if kept]
        await write_jobs_and_timers(connection, sql, effects)
        await sessions.write(connection, sql, [e.sessions for e in effects if e.sessions])
        return answer

    def announce(self, settlements: Sequence[Settlement]) -> None:
        """Wake whoever may have work after this commit."""
        self._bells.ring_for([s.effects for s in settlements])
        if any(not s.keep for s in settlements):
            self._bells.turns.ring()

    async def extend(self, leases: Sequence[Lease]) -> list[Lease]:
        """Keep the leases for another period; returns those that were lost."""
        if not leases:
            return []
        rows = await self._database.fetch("extend", *_keys(leases), self._ttl_s)
        return [lease for lease, kept in zip(leases, written(rows, len(leases)), strict=True) if not kept]

    async def release(self, leases: Sequence[Lease]) -> None:
        """Give lanes back unworked, at once claimable, the attempt not counted."""
        if leases:
            await self._database.fetch("release", *_keys(leases))
            self._bells.turns.ring()

    async def open(self, lease: Lease, *, budget_s: float) -> PostgresTurnTransaction:
        """Open a database transaction for the turn that holds `lease`."""
        return await self._transactions.open(lease, self, budget_s=budget_s)

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        """The named pieces of a chat's state that exist."""
        rows = await self._database.fetch("states_read", bot_id, lane, [text(name) for name in names])
        return {row["name"]: row["data"] for row in rows}

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        """Write state outside any turn, at once and unfenced."""
        if writes:
            await self._database.fetch("states", *state_columns(writes))


def settle_columns(settlements: Sequence[Settlement], ttl_s: float) -> list[Any]:
    """The arguments of `settle.sql`. What belongs to a settlement names it by its place, counted from 1."""
    numbered = list(enumerate(settlements, 1))
    done = [(at, entry_id) for at, s in numbered for entry_id in s.done]
    buried = [(at, burial) for at, s in numbered for burial in s.buried]
    journaled = [(at, entry_id) for at, s in numbered if s.journaled for entry_id in s.done]
    states = [(at, write) for at, s in numbered for write in s.effects.states]
    deliveries = [(at, delivery) for at, s in numbered for delivery in s.effects.deliveries]
    return [
        [s.lease.bot_id for s in settlements],
        [s.lease.lane for s in settlements],
        [s.lease.token for s in settlements],
        [len(s.done) + len(s.buried) for s in settlements],
        [s.delay_s for s in settlements],
        [texts(s.hold) for s in settlements],
        [s.keep for s in settlements],
        ttl_s,
        [at for at, _ in done],
        [entry_id for _, entry_id in done],
        [at for at, _ in buried],
        [burial.entry_id for _, burial in buried],
        [text(burial.error) for _, burial in buried],
        [text(burial.reason) for _, burial in buried],
        [burial.attempts for _, burial in buried],
        [at for at, _ in journaled],
        [entry_id for _, entry_id in journaled],
        [at for at, _ in states],
        *state_columns([write for _, write in states]),
        [at for at, _ in deliveries],
        *delivery_columns([delivery for _, delivery in deliveries]),
        [_tried(s) for s in settlements],
    ]


def _tried(settlement: Settlement) -> int | None:
    """The entry that this settlement leaves at the head of what the lease carried."""
    ended = {*settlement.done, *(burial.entry_id for burial in settlement.buried)}
    return next((e.entry_id for e in settlement.lease.entries if e.entry_id not in ended), None)


def _single_out(lease: Lease, entry_id: int, tries: int) -> None:
    """An entry that may have run before is the only one of its lease: the head, or left for the next one."""
    place = next((n for n, entry in enumerate(lease.entries) if entry.entry_id == entry_id), None)
    if place == 0:
        lease.attempts, lease.resumed = tries + 1, True
    if place is not None:
        del lease.entries[max(place, 1) :]


def _entry_id(entry: Entry) -> int:
    return entry.entry_id


def _keys(leases: Sequence[Lease]) -> tuple[list[int], list[int], list[int]]:
    return [x.bot_id for x in leases], [x.lane for x in leases], [x.token for x in leases]
