"""Inbox and turns on SQLite: what is accepted, who may run it, how it ends.

The rows are the truth, the book of lanes in memory is the schedule: it is filled from the rows at the start (heads of
waiting lanes first, the backlog behind them only when its turn comes) and follows every commit. The guard
`done_us IS NULL` in each finishing statement is there although only one process writes: an error in the book then is
a refused settlement, never an effect that happens twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from posthouse.adapters.sqlite import rows, sessions
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.deadletters import bury_entry, storable
from posthouse.adapters.sqlite.effects import Written, write_effects, write_states
from posthouse.adapters.sqlite.lanes import Lane, LaneBook
from posthouse.adapters.sqlite.states import StateCache
from posthouse.adapters.sqlite.transaction import Lender, SqliteTurnTransaction
from posthouse.core.effects import StateWrite
from posthouse.core.entries import Entry, Incoming
from posthouse.core.leases import Lease, Settlement
from posthouse.core.sessions import SessionMoved

R = TypeVar("R")

# Entries of a lane found waiting at start that may have been in the hands of a turn when the process died: each is
# taken alone, and its tries are counted on disk before it runs, so that a poisonous one cannot kill us for ever.
SUSPECTS = 64

Accepted = tuple[Lane[int], Settlement, list[int]]  # with the keys of the entries that it ends


class SqliteTurns:
    """Inbox and Turns of the store contract."""

    def __init__(self, core: SqliteCore, wrote: Callable[[Written], None]) -> None:
        self._core = core
        self._wrote = wrote
        settings = core.settings
        self.book: LaneBook[int] = LaneBook(window=settings.window, windows_max_bytes=settings.windows_max_bytes)
        self.states = StateCache(core, settings.states_cached)
        self.lender = Lender()
        self._ready = asyncio.Event()

    # -- inbox --------------------------------------------------------------------------------------------------

    async def ingest(self, batch: Sequence[Incoming]) -> list[bool]:
        if not batch:
            return []
        core = self._core
        entry_key, lane_key = core.entry_key, core.lane_key
        now_us, mark = core.now_us(), core.new_token()
        inserted = [
            (
                entry_key(update.bot_id, update.update_id),
                lane_key(update.bot_id, update.lane),
                now_us,
                mark,
                update.payload,
            )
            for update in batch
        ]
        stored: list[bool] = await core.writer.submit(lambda connection: _ingest(connection, inserted, mark))
        add, received_at = self.book.add, now_us / 1_000_000
        for update, row, new in zip(batch, inserted, stored, strict=True):
            if new:
                payload = update.payload
                entry = Entry(update.bot_id, update.lane, update.update_id, payload, received_at)
                add(row[1], row[0], entry, len(payload))
        self._ready.set()
        return stored

    def entered(self, lane: int, entry: int, payload: bytes, received_us: int) -> None:
        """An entry that another part of the store committed: a timer, a finished job, a replay."""
        self.book.add(lane, entry, self._entry(lane, entry, payload, received_us), len(payload))
        self._ready.set()

    def _entry(self, lane: int, entry: int, payload: bytes, received_us: int) -> Entry:
        bot_id, entry_id = self._core.entry_of(entry)
        return Entry(bot_id, self._core.lane_of(lane)[1], entry_id, payload, received_us / 1_000_000)

    def resume(self, lane: Lane[int]) -> None:
        """Let a held lane go on."""
        self.book.unhold(lane)
        self._ready.set()

    def recover(self, connection: sqlite3.Connection) -> None:
        """Fill the book with the lanes that wait on disk: one index search for each, whatever the backlog."""
        for (lane_key,) in connection.execute(
            """WITH RECURSIVE waiting (lane) AS (
                   SELECT min(lane) FROM inbox WHERE done_us IS NULL
                   UNION ALL
                   SELECT (SELECT min(lane) FROM inbox WHERE done_us IS NULL AND lane > waiting.lane)
                     FROM waiting WHERE lane IS NOT NULL
               ) SELECT lane FROM waiting WHERE lane IS NOT NULL"""
        ):
            lane: Lane[int] = Lane(lane_key)
            lane.more = True
            lane.suspects = SUSPECTS
            self.book.lanes[lane_key] = lane
        for lane_key, reason in connection.execute("SELECT lane, reason FROM lane_hold"):
            held = self.book.lanes.get(lane_key)
            if held is None:
                held = self.book.lanes[lane_key] = Lane(lane_key)
            self.book.hold(held, reason)
        # A lane that was backing off goes on backing off: its head says until when.
        now_us = self._core.now_us()
        resting = dict(
            connection.execute(
                "SELECT lane, max(due_us) FROM inbox INDEXED BY inbox_resting"
                " WHERE done_us IS NULL AND due_us > 0 AND due_us > ? GROUP BY lane",
                (now_us,),
            )
            if self.book.lanes
            else ()
        )
        for lane in self.book.lanes.values():
            if lane.held is not None:
                continue
            if lane.key in resting:
                self.book.rest(lane, resting[lane.key] / 1_000_000)
            else:
                self.book.make_ready(lane)
        if self.book.lanes:
            self._ready.set()

    # -- turns --------------------------------------------------------------------------------------------------

    async def ready(self) -> None:
        while True:
            self.book.wake_due(self._core.clock.now())
            if self.book.has_ready:
                return
            self._ready.clear()
            due = self.book.next_due()
            if due is None:
                await self._ready.wait()
                continue
            rest = asyncio.ensure_future(self._core.clock.sleep(max(0.0, due - self._core.clock.now())))
            woken = asyncio.ensure_future(self._ready.wait())
            try:
                await asyncio.wait({rest, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                rest.cancel()
                woken.cancel()

    async def claim(self, limit: int, depth: int) -> list[Lease]:
        core, book = self._core, self.book
        now = core.clock.now()
        book.wake_due(now)
        token = core.new_token()
        lanes = book.take(limit, token, now + core.settings.lease_ttl_s)
        try:
            return await self._leases(lanes, token, depth) if lanes else []
        except BaseException:  # the disk is full: the lanes wait for the next claim, not for the end of a lease
            for lane in lanes:
                if lane.token == token:
                    book.unlease(lane)
            raise

    async def _leases(self, lanes: list[Lane[int]], token: int, depth: int) -> list[Lease]:
        core, book = self._core, self.book
        thin = [lane for lane in lanes if lane.more and len(lane.window) < min(depth, core.settings.window)]
        if thin:
            await self._refill(thin)
        suspects = [lane for lane in lanes if (lane.suspects or (lane.tries and lane.attempts)) and lane.window]
        if suspects:
            await self._count_attempts(suspects)
        leases: list[Lease] = []
        unknown: list[int] = []
        for lane in lanes:
            if lane.token != token:
                continue  # reaped or settled away while we read
            if not lane.window:
                book.unlease(lane)
                continue
            attempts = lane.attempts if lane.tries else 0
            resumed = lane.suspects > 0 or attempts > 1
            entries = [entry for _, entry in lane.window[: 1 if resumed else depth]]
            chat = self.states.get(lane.key)
            head = entries[0]
            lease = Lease(head.bot_id, head.lane, token, attempts or 1, entries, {}, True, resumed)
            leases.append(lease)
            if chat is None:
                unknown.append(lane.key)
            else:
                lease.states = chat.pieces.copy()
                if chat.sessions:
                    lease.sessions = chat.sessions.copy()
        if unknown:
            loaded = await self.states.load(unknown)
            for lease in leases:
                found = loaded.get(core.lane_key(lease.bot_id, lease.lane))
                if found is not None:
                    lease.states, lease.states_complete = found.pieces.copy(), found.complete
                    lease.sessions, lease.sessions_complete = found.sessions.copy(), found.sessions_complete
        return leases

    async def _refill(self, lanes: list[Lane[int]]) -> None:
        """Read the next entries of lanes whose window ran low, all lanes in one query."""
        window = self._core.settings.window
        for lane in lanes:
            self.book.begin_refill(lane)
        after = {lane.key: lane.window[-1][0] if lane.window else -1 for lane in lanes}

        def query(connection: sqlite3.Connection) -> list[tuple[int, int, bytes, int, int]]:
            found: list[tuple[int, int, bytes, int, int]] = []
            for chunk in rows.chunks(list(after.items()), 64):
                marks = rows.values(len(chunk), 2)
                found += connection.execute(
                    f"""SELECT entry.lane, entry.id, entry.payload, entry.received_us, entry.attempts
                          FROM (VALUES {marks}) AS wanted
                          JOIN inbox AS entry ON entry.id IN (
                               SELECT id FROM inbox WHERE lane = wanted.column1 AND id > wanted.column2
                                  AND done_us IS NULL ORDER BY id LIMIT {window})
                         ORDER BY entry.lane, entry.id""",
                    [value for pair in chunk for value in pair],
                ).fetchall()
            return found

        try:
            found = await self._core.read(query)
        except BaseException:
            for lane in lanes:
                self.book.end_refill(lane, (), more=True)
            raise
        items: dict[int, list[tuple[int, Entry, int]]] = {key: [] for key in after}
        for key, entry, payload, received_us, attempts in found:
            lane = self.book.lanes[key]
            if attempts:
                lane.count(entry, max(attempts, (lane.tries or {}).get(entry, 0)))
            items[key].append((entry, self._entry(key, entry, payload, received_us), len(payload)))
        for lane in lanes:
            self.book.end_refill(lane, items[lane.key], more=len(items[lane.key]) >= window)

    async def _count_attempts(self, lanes: list[Lane[int]]) -> None:
        heads = {lane.window[0][0]: lane for lane in lanes}

        def count(connection: sqlite3.Connection) -> list[tuple[int, int]]:
            counted: list[tuple[int, int]] = []
            for chunk in rows.chunks(list(heads)):
                counted += rows.with_ids(
                    connection,
                    "UPDATE inbox SET attempts = attempts + 1 WHERE id IN ({ids}) AND done_us IS NULL"
                    " RETURNING id, attempts",
                    chunk,
                ).fetchall()
            return counted

        for key, attempts in await self._core.writer.submit(count):
            heads[key].count(key, max(attempts, heads[key].attempts + 1))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        accepted: list[Accepted] = []
        verdicts: list[bool] = []
        for settlement in settlements:
            taken = self.accept(settlement)
            verdicts.append(taken is not None)
            if taken is not None:
                accepted.append(taken)
        if accepted:
            try:
                try:
                    written = await self._core.writer.submit(partial(self.write, accepted=accepted, careful=False))
                except SessionMoved:
                    written = await self._core.writer.submit(partial(self.write, accepted=accepted, careful=True))
            except BaseException:
                for lane, _, _ in accepted:
                    lane.settling = False
                raise
            self.wrote(accepted, written)
            if written.refused:
                lost = {id(accepted[place][1]) for place in written.refused}
                verdicts = [
                    held and id(settlement) not in lost for held, settlement in zip(verdicts, settlements, strict=True)
                ]
        return verdicts

    def _held_by(self, lease: Lease) -> Lane[int] | None:
        lane = self.book.lanes.get(self._core.lane_key(lease.bot_id, lease.lane))
        return lane if lane is not None and lane.token == lease.token and not lane.settling else None

    def accept(self, settlement: Settlement) -> Accepted | None:
        """What is to be written, its lane now closed to everybody else's claim to it; None when the lease was lost."""
        lease = settlement.lease
        lane = self._held_by(lease)
        if lane is None:
            return None
        lane.settling = True
        entry_key, bot_id = self._core.entry_key, lease.bot_id
        keys = [entry_key(bot_id, entry_id) for entry_id in settlement.done]
        if settlement.buried:
            keys += [entry_key(bot_id, burial.entry_id) for burial in settlement.buried]
        return lane, settlement, keys

    def holds(self, lease: Lease) -> bool:
        return self._held_by(lease) is not None

    def write(self, connection: sqlite3.Connection, accepted: list[Accepted], *, careful: bool) -> Written:
        """The settling statements, in one transaction: entries done, buried or postponed, and all effects.

        `careful` leaves out the turns whose sessions had moved; otherwise one of those raises `SessionMoved`, and the
        transaction is to be undone: that is rare, and looking first is not free.
        """
        core = self._core
        now_us = core.now_us()
        done: list[int] = []
        refused: set[int] = set()
        if careful:
            refused = _refused(connection, accepted)
            accepted = [taken for place, taken in enumerate(accepted) if place not in refused]
        for lane, settlement, keys in accepted:
            done += keys
            lease = settlement.lease
            for burial in settlement.buried:
                key = core.entry_key(lease.bot_id, burial.entry_id)
                bury_entry(connection, key, burial, lease.bot_id, lease.lane, now_us)
            if keys and (settlement.journaled or settlement.buried):
                rows.with_ids(connection, "DELETE FROM call_record WHERE id IN ({ids})", keys)
            if settlement.delay_s > 0 or settlement.hold is not None:
                self._postpone(connection, lane, settlement, now_us)
        for chunk in rows.chunks(done) if done else ():
            finished = rows.with_ids(
                connection,
                "UPDATE inbox SET done_us = ?, payload = NULL WHERE id IN ({ids}) AND done_us IS NULL",
                chunk,
                now_us,
            ).rowcount
            if finished != len(chunk):
                raise AssertionError(f"{len(chunk) - finished} entries were finished before: nothing is written")
        written = write_effects(core, connection, [settlement.effects for _, settlement, _ in accepted])
        written.refused = refused
        return written

    def _postpone(self, connection: sqlite3.Connection, lane: Lane[int], settlement: Settlement, now_us: int) -> None:
        """Keep the head's attempts and back-off, or the hold, over a restart."""
        head = _head_left(settlement)
        if head is not None and settlement.delay_s > 0:
            attempts = 1 if settlement.done or settlement.buried else settlement.lease.attempts
            connection.execute(
                "UPDATE inbox SET due_us = ?, attempts = ? WHERE id = ? AND done_us IS NULL",
                (
                    now_us + int(settlement.delay_s * 1_000_000),
                    attempts,
                    self._core.entry_key(settlement.lease.bot_id, head),
                ),
            )
        if settlement.hold is not None:
            connection.execute(
                "INSERT OR REPLACE INTO lane_hold VALUES (?, ?, ?)",
                (lane.key, storable(settlement.hold), now_us),
            )

    def wrote(self, accepted: list[Accepted], written: Written) -> None:
        """Follow the commit in memory."""
        book = self.book
        for place, (lane, settlement, keys) in enumerate(accepted):
            lane.settling = False
            if place in written.refused:
                self.refuse(lane, settlement)
                continue
            if keys:
                book.remove(lane, keys, _size)
                if lane.suspects:
                    lane.suspects = max(0, lane.suspects - len(keys))
            if settlement.hold is not None:
                book.hold(lane, settlement.hold)
            if settlement.keep:
                continue
            if settlement.delay_s > 0:
                self._rest(lane, settlement)
            else:
                book.unlease(lane)
        self._wrote(written)
        if book.has_ready or book.next_due() is not None:
            self._ready.set()

    def refuse(self, lane: Lane[int], settlement: Settlement) -> None:
        """A session of the turn had moved: the lane is free again, its head's try counted, its chat read anew."""
        self.states.forget(lane.key)
        if lane.window:
            lane.count(lane.window[0][0], max(1, settlement.lease.attempts))
        self.book.unlease(lane)
        self._ready.set()

    def _rest(self, lane: Lane[int], settlement: Settlement) -> None:
        """Let a lane back off, its head with the tries that it had."""
        head = _head_left(settlement)
        if head is not None:
            tries = 1 if settlement.done or settlement.buried else settlement.lease.attempts
            lane.count(self._core.entry_key(settlement.lease.bot_id, head), tries)
        now = self._core.clock.now()
        self.book.unlease(lane, due=now + settlement.delay_s, now=now)

    async def extend(self, leases: Sequence[Lease]) -> list[Lease]:
        expires = self._core.clock.now() + self._core.settings.lease_ttl_s
        lost = []
        for lease in leases:
            lane = self.book.lanes.get(self._core.lane_key(lease.bot_id, lease.lane))
            if lane is None or lane.token != lease.token:
                lost.append(lease)
            else:
                lane.expires = expires
        return lost

    async def release(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            lane = self._held_by(lease)
            if lane is None:
                continue
            if lane.attempts:
                tries = lane.attempts
                key = self._core.entry_key(lease.bot_id, lease.entries[0].entry_id)
                await self._core.writer.submit(partial(_uncount, key=key))
                lane.count(key, tries - 1)
            self.book.unlease(lane)
            self._ready.set()

    def reap(self, now: float) -> int:
        """Take overdue leases back; the try they were is counted."""
        overdue = self.book.overdue(now)
        for lane in overdue:
            if lane.window:
                lane.count(lane.window[0][0], max(1, lane.attempts))
                # Whatever the lost lease carried may have run: each is taken alone, with its recorded calls.
                lane.suspects = max(lane.suspects, min(len(lane.window), SUSPECTS))
            self.book.unlease(lane)
        if overdue:
            self._ready.set()
        return len(overdue)

    # -- a turn's own transaction -------------------------------------------------------------------------------

    async def open(self, lease: Lease, *, budget_s: float) -> SqliteTurnTransaction:
        session = self._core.writer.open_session(budget_s)
        await session.opened
        return SqliteTurnTransaction(self, session)

    # -- state outside a claim ----------------------------------------------------------------------------------

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        if not names:
            return {}
        key = self._core.lane_key(bot_id, lane)
        chat = self.states.get(key)
        if chat is not None:
            return {name: chat.pieces[name] for name in names if name in chat.pieces}

        def query(connection: sqlite3.Connection) -> dict[str, bytes]:
            return dict(
                connection.execute(
                    f"SELECT name, data FROM chat_state WHERE lane = ? AND name IN ({rows.marks(len(names))})",
                    (key, *names),
                )
            )

        return await self._core.read(query)

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        keyed = [(self._core.lane_key(write.bot_id, write.lane), write) for write in writes]
        if keyed:
            await self._core.writer.submit(lambda connection: write_states(connection, keyed))
            self.states.written(keyed)


def _ingest(connection: sqlite3.Connection, entries: list[tuple[int, int, int, int, bytes]], mark: int) -> list[bool]:
    """Insert what is new; nothing happens to what is known. `mark` tells the rows of this batch from older ones."""
    stored: list[bool] = []
    for chunk in rows.chunks(entries):
        inserted = rows.insert(
            connection, "INSERT INTO inbox (id, lane, received_us, batch, payload)", chunk, "ON CONFLICT DO NOTHING"
        )
        if inserted == len(chunk):
            stored += [True] * len(chunk)
        else:
            stored += _which_are_new(connection, [entry[0] for entry in chunk], mark)
    return stored


def _which_are_new(connection: sqlite3.Connection, entries: list[int], mark: int) -> list[bool]:
    found = rows.with_ids(connection, "SELECT id FROM inbox WHERE batch = ? AND id IN ({ids})", entries, mark)
    new = {entry for (entry,) in found}
    verdicts = []
    for entry in entries:
        verdicts.append(entry in new)
        new.discard(entry)  # the same update twice in one batch: the first is stored
    return verdicts


def _refused(connection: sqlite3.Connection, accepted: list[Accepted]) -> set[int]:
    """The turns whose sessions are no longer where they saw them, by place."""
    all_changes = [settlement.effects.sessions for _, settlement, _ in accepted]
    return sessions.conflicts(connection, all_changes) if any(all_changes) else set()


def _size(entry: Entry) -> int:
    return len(entry.payload)


def _head_left(settlement: Settlement) -> int | None:
    """The first entry of the lease that the settlement leaves waiting."""
    gone = {*settlement.done, *(burial.entry_id for burial in settlement.buried)}
    return next((entry.entry_id for entry in settlement.lease.entries if entry.entry_id not in gone), None)


def _uncount(connection: sqlite3.Connection, *, key: int) -> None:
    """Give a counted try back."""
    connection.execute("UPDATE inbox SET attempts = max(0, attempts - 1) WHERE id = ?", (key,))
