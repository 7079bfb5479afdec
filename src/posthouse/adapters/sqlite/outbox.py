"""The outbox on SQLite: who may be written to now, in what order, and what became of it.

The mirror image of `turns`: rows are the truth, a book of outbound lanes in memory is the schedule. The book is filled
when the first delivery is claimed, so a process that sends nothing keeps nothing. Answers (callback, pre-checkout,
inline) have a lane of their own beside their chat's, which waits for neither its pace nor its head.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
from collections.abc import Callable, Mapping, Sequence

import msgspec

from posthouse.adapters.sqlite import rows
from posthouse.adapters.sqlite.budgets import Budget, Budgets
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.deadletters import bury_delivery
from posthouse.adapters.sqlite.effects import Written, write_deliveries
from posthouse.adapters.sqlite.lanes import Lane, LaneBook
from posthouse.core.effects import Outgoing, Priority
from posthouse.core.leases import DeliveryLease, DeliverySettlement
from posthouse.telegram.methods import is_paced

_COLUMNS = "id, method, payload, when_uncertain, handle, cause, trace, created_us, attempts, unknown"

Key = tuple[int, int]  # (priority, id)


class _Item(msgspec.Struct, gc=False):
    """One waiting delivery in a window."""

    method: str
    payload: bytes
    when_uncertain: str
    handle: str | None
    cause: int
    trace: str
    created_us: int
    attempts: int = 0
    unknown: bool = False


class SqliteOutbox:
    """Outbox of the store contract."""

    def __init__(self, core: SqliteCore, forget: Callable[[int], None]) -> None:
        self._core = core
        self._forget = forget  # what is remembered in memory of a chat
        settings = core.settings
        # Chats are keyed by their packed lane, answers by the same number made negative.
        self.book: LaneBook[Key] = LaneBook(
            window=settings.window, windows_max_bytes=settings.windows_max_bytes // 2, ranks=4
        )
        self.budgets = Budgets()
        self._ready = asyncio.Event()
        self.active = False
        # Budgets that are spent: the ready lanes of each wait here, most urgent first, then longest ready.
        self._paused: dict[Budget, list[tuple[int, int, Lane[Key]]]] = {}
        self._sequence = 0
        # Keys of deliveries that found no place in their lane's window, smallest first: their rows are read by id.
        self._beyond: dict[int, list[Key]] = {}

    def wrote(self, written: Written) -> None:
        """Follow a commit that added deliveries."""
        if not self.active or not written.deliveries:
            return
        for id_, lane_key, delivery in written.deliveries:
            self._add(
                lane_key,
                (int(delivery.priority), id_),
                _Item(
                    delivery.method,
                    delivery.payload,
                    str(delivery.when_uncertain),
                    delivery.handle,
                    delivery.cause,
                    delivery.trace,
                    written.created_us,
                ),
            )
        self._ready.set()

    def _add(self, lane_key: int, key: Key, item: _Item) -> None:
        book_key = -lane_key if key[0] == Priority.ANSWER else lane_key
        lane = self.book.lanes.get(book_key)
        if lane is None or not lane.refilling:
            lane = self.book.add(book_key, key, item, len(item.payload), rank=key[0])
            if not lane.more or (lane.window and key <= lane.window[-1][0]):
                return  # it found a place in the window
        heapq.heappush(self._beyond.setdefault(book_key, []), key)

    async def _activate(self) -> None:
        """Fill the book from disk, once: what waited or was being sent when the process ended.

        Read by the writer, so that it lies between two commits: what was committed before is in the answer, what
        comes after is told by `wrote`.
        """

        def query(connection: sqlite3.Connection) -> list[tuple[int, int, int, int]]:
            return connection.execute("SELECT id, lane, priority, due_us FROM outbox ORDER BY id").fetchall()

        found: list[tuple[int, int, int, int]] = await self._core.writer.submit(query)
        self.active = True
        due_us = {id_: due for id_, _, _, due in found if due}
        waiting: dict[int, list[Key]] = {}
        for id_, lane_key, priority, _ in found:
            waiting.setdefault(lane_key if priority else -lane_key, []).append((priority, id_))
        for book_key, keys in waiting.items():
            self._wait_on_disk(book_key, keys, due_us)

    def _wait_on_disk(self, book_key: int, keys: list[Key], due_us: Mapping[int, int]) -> None:
        """Let a lane wait for deliveries of which only the keys are in memory."""
        lane = self.book.lanes.get(book_key)
        if lane is None:
            lane = self.book.lanes[book_key] = Lane(book_key)
        # What has a place in the window takes its turn among the others, except a head that is on its way.
        kept = 1 if lane.token else 0
        keys = keys + self.book.empty_window(lane, _size, keep=kept) + self._beyond.pop(book_key, [])
        if not keys:
            return
        heapq.heapify(keys)
        self._beyond[book_key] = keys
        lane.more = True
        if not lane.state and not lane.token:
            rank, head = keys[0]
            lane.rank = rank
            due = due_us.get(head, 0) / 1_000_000
            if due > self._core.clock.now():
                self.book.rest(lane, due)
            else:
                self.book.make_ready(lane, rank)

    async def ready(self) -> None:
        if not self.active:
            return
        while True:
            now = self._core.clock.now()
            self._wake(now)
            if self.book.has_ready:
                return
            self._ready.clear()
            due = self._next_due(now)
            if due is None:
                await self._ready.wait()
                continue
            rest = asyncio.ensure_future(self._core.clock.sleep(max(0.0, due - now)))
            woken = asyncio.ensure_future(self._ready.wait())
            try:
                await asyncio.wait({rest, woken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                rest.cancel()
                woken.cancel()

    def _wake(self, now: float) -> None:
        self.book.wake_due(now)
        for budget, lanes in list(self._paused.items()):
            for _ in range(budget.allowed(now, len(lanes))):
                _, _, lane = heapq.heappop(lanes)
                if lane.state == "paused":
                    self.book.make_ready(lane, lane.rank)
            if not lanes:
                del self._paused[budget]

    def _next_due(self, now: float) -> float | None:
        moments = [now + budget.wait_s(now) for budget in self._paused]
        due = self.book.next_due()
        if due is not None:
            moments.append(due)
        return min(moments, default=None)

    async def claim(self, limit: int) -> list[DeliveryLease]:
        if not self.active:
            await self._activate()
        core, book = self._core, self.book
        now = core.clock.now()
        self._wake(now)
        self.budgets.prune(now)
        token = core.new_token()
        lanes = self._take_within_budgets(limit, token, now)
        try:
            return await self._leases(lanes, token) if lanes else []
        except BaseException:  # the disk is full: the lanes wait for the next claim, not for the end of a lease
            for lane in lanes:
                if lane.token == token:
                    book.unlease(lane, rank=lane.rank)
            raise

    async def _leases(self, lanes: list[Lane[Key]], token: int) -> list[DeliveryLease]:
        core, book = self._core, self.book
        thin = [lane for lane in lanes if lane.more and not lane.window]
        if thin:
            await self._refill(thin)
        heads: dict[int, Lane[Key]] = {}
        for lane in lanes:
            if lane.window:
                heads[lane.window[0][0][1]] = lane
            else:
                book.unlease(lane)
        if not heads:
            return []

        def record_attempts(connection: sqlite3.Connection) -> None:
            for chunk in rows.chunks(list(heads)):
                rows.with_ids(
                    connection,
                    "UPDATE outbox SET attempts = attempts + 1, unknown = 1 WHERE id IN ({ids})",
                    chunk,
                )

        await core.writer.submit(record_attempts)
        leases = []
        for id_, lane in heads.items():
            (priority, _), item = lane.window[0]
            item.attempts += 1
            bot_id, chat = core.lane_of(abs(lane.key))
            leases.append(
                DeliveryLease(
                    id_,
                    bot_id,
                    chat,
                    token,
                    item.attempts,
                    item.method,
                    item.payload,
                    priority,
                    item.when_uncertain,
                    item.handle,
                    item.cause,
                    item.trace,
                    item.created_us / 1_000_000,
                    item.unknown,
                )
            )
            item.unknown = True
        return leases

    def _take_within_budgets(self, limit: int, token: int, now: float) -> list[Lane[Key]]:
        """Lease ready lanes whose bot and chat may send now; the others rest until they may."""
        core, book, budgets = self._core, self.book, self.budgets
        expires = now + core.settings.delivery_ttl_s
        taken: list[Lane[Key]] = []
        while len(taken) < limit:
            candidates = book.take(limit - len(taken), token, expires)
            if not candidates:
                break
            for lane in candidates:
                bot_id, chat = core.lane_of(abs(lane.key))
                bot = budgets.of(bot_id, lane.rank)
                if bot.wait_s(now):
                    self._pause_lane(lane, bot)
                    continue
                if lane.key > 0:
                    wait_s = budgets.chat(lane.key, bot_id, chat).wait_s(now)
                    if wait_s:
                        book.unlease(lane, due=now + wait_s, now=now, rank=lane.rank)
                        continue
                bot.spend(now)
                taken.append(lane)
        return taken

    def _pause_lane(self, lane: Lane[Key], budget: Budget) -> None:
        rank = lane.rank
        lane.token = 0
        self.book.leased.pop(lane.key, None)
        lane.state = "paused"
        self._sequence += 1
        heapq.heappush(self._paused.setdefault(budget, []), (rank, self._sequence, lane))

    async def _refill(self, lanes: list[Lane[Key]]) -> None:
        """Read the next deliveries of lanes whose window is empty, by their keys: the outbox needs no other index."""
        wanted: dict[int, list[Key]] = {}
        for lane in lanes:
            self.book.begin_refill(lane)
            beyond = self._beyond.get(lane.key, [])
            count = min(len(beyond), self._core.settings.window)
            wanted[lane.key] = [heapq.heappop(beyond) for _ in range(count)]
        ids = [id_ for keys in wanted.values() for _, id_ in keys]

        def query(connection: sqlite3.Connection) -> dict[int, _Item]:
            found: dict[int, _Item] = {}
            for chunk in rows.chunks(ids) if ids else ():
                for row in rows.with_ids(connection, f"SELECT {_COLUMNS} FROM outbox WHERE id IN ({{ids}})", chunk):
                    id_, method, payload, policy, handle, cause, trace, created, tries, unknown = row
                    found[id_] = _Item(method, payload, policy, handle, cause, trace, created, tries, bool(unknown))
            return found

        try:
            found = await self._core.read(query)
        except BaseException:
            for lane in lanes:
                for key in wanted[lane.key]:
                    heapq.heappush(self._beyond.setdefault(lane.key, []), key)
                self.book.end_refill(lane, (), more=True)
            raise
        for lane in lanes:
            items = [(key, found[key[1]], len(found[key[1]].payload)) for key in wanted[lane.key] if key[1] in found]
            more = bool(self._beyond.get(lane.key))
            if not more:
                self._beyond.pop(lane.key, None)
            self.book.end_refill(lane, items, more=more)

    async def settle(self, settlements: Sequence[DeliverySettlement]) -> list[bool]:
        accepted: list[tuple[Lane[Key], DeliverySettlement]] = []
        verdicts = []
        for settlement in settlements:
            lane = self._held_by(settlement.lease)
            verdicts.append(lane is not None)
            if lane is not None:
                lane.settling = True
                accepted.append((lane, settlement))
        if accepted:
            try:
                await self._core.writer.submit(lambda connection: self._write(connection, accepted))
            finally:
                for lane, _ in accepted:
                    lane.settling = False
            self._follow(accepted)
        return verdicts

    def _held_by(self, lease: DeliveryLease) -> Lane[Key] | None:
        key = self._core.lane_key(lease.bot_id, lease.chat)
        lane = self.book.lanes.get(-key if lease.priority == Priority.ANSWER else key)
        return lane if lane is not None and lane.token == lease.token and not lane.settling else None

    def _write(self, connection: sqlite3.Connection, accepted: list[tuple[Lane[Key], DeliverySettlement]]) -> None:
        core = self._core
        now_us = core.now_us()
        gone: list[int] = []
        for lane, settlement in accepted:
            lease = settlement.lease
            if settlement.migrated_to is not None:
                self._migrate_rows(connection, lane, lease.bot_id, settlement.migrated_to)
            if settlement.sent and lease.handle is not None and settlement.message_id is not None:
                connection.execute(
                    "INSERT INTO message_handle VALUES (?, ?, ?)"
                    " ON CONFLICT (lane, handle) DO UPDATE SET message_id = excluded.message_id",
                    (core.lane_key(lease.bot_id, lease.chat), lease.handle, settlement.message_id),
                )
            if settlement.delay_s is None:
                if settlement.reason is not None:
                    bury_delivery(connection, settlement, now_us)
                gone.append(lease.id)
            else:
                connection.execute(
                    "UPDATE outbox SET attempts = ?, unknown = ?, due_us = ? WHERE id = ?",
                    (
                        lease.attempts if settlement.counted else lease.attempts - 1,
                        int(settlement.unknown or lease.unknown),
                        now_us + int(settlement.delay_s * 1_000_000),
                        lease.id,
                    ),
                )
        for chunk in rows.chunks(gone) if gone else ():
            rows.with_ids(connection, "DELETE FROM outbox WHERE id IN ({ids})", chunk)

    def _follow(self, accepted: list[tuple[Lane[Key], DeliverySettlement]]) -> None:
        """Follow the commit in memory: the head is gone or waits again, and the chat rests."""
        book = self.book
        now = self._core.clock.now()
        for lane, settlement in accepted:
            lease = settlement.lease
            due = 0.0
            if settlement.delay_s is None:
                book.remove(lane, [(lease.priority, lease.id)], _size)
            else:
                due = now + settlement.delay_s
                for (_, id_), item in lane.window:
                    if id_ == lease.id:
                        item.attempts = lease.attempts if settlement.counted else lease.attempts - 1
                        item.unknown = settlement.unknown or lease.unknown
            if lane.key > 0 and (settlement.sent or settlement.pace_s > 0):
                chat = self.budgets.chat(lane.key, lease.bot_id, lease.chat)
                if settlement.sent and is_paced(lease.method):
                    chat.spend(now)
                if settlement.pace_s > 0:
                    chat.paused_until = max(chat.paused_until, now + settlement.pace_s)
                    due = max(due, chat.paused_until)
            if settlement.migrated_to is not None:
                self._migrate_lane(lane, lease.bot_id, settlement.migrated_to)
                continue
            rank = lane.window[0][0][0] if lane.window else lane.rank
            book.unlease(lane, due=due, now=now, rank=rank)
        self._ready.set()

    def _migrate_rows(self, connection: sqlite3.Connection, lane: Lane[Key], bot_id: int, chat: int) -> None:
        """Move what waits for a chat, and what is remembered of it, to the chat's new id."""
        old, new = abs(lane.key), self._core.lane_key(bot_id, chat)
        connection.execute("UPDATE outbox SET lane = ? WHERE lane = ?", (new, old))
        connection.execute("UPDATE OR IGNORE chat_state SET lane = ? WHERE lane = ?", (new, old))

    def _migrate_lane(self, lane: Lane[Key], bot_id: int, chat: int) -> None:
        keys = self.book.empty_window(lane, _size) + self._beyond.pop(lane.key, [])
        lane.more = False
        self.book.unlease(lane)
        new = self._core.lane_key(bot_id, chat)
        self._forget(abs(lane.key))
        self._forget(new)
        self._wait_on_disk(new, keys, {})

    async def admit(self, bot_id: int, chat: int | None) -> float:
        now = self._core.clock.now()
        bot = self.budgets.bot(bot_id)
        wait_s = bot.wait_s(now)
        budget = None
        if chat is not None:
            budget = self.budgets.chat(self._core.lane_key(bot_id, chat), bot_id, chat)
            wait_s = max(wait_s, budget.wait_s(now))
        if wait_s:
            return wait_s
        bot.spend(now)
        if budget is not None:
            budget.spend(now)
        return 0.0

    async def pause(self, bot_id: int, chat: int | None, delay_s: float) -> None:
        until = self._core.clock.now() + delay_s
        if chat is None:
            self.budgets.pause_bot(bot_id, until)
        else:
            budget = self.budgets.chat(self._core.lane_key(bot_id, chat), bot_id, chat)
            budget.paused_until = max(budget.paused_until, until)

    async def post(self, deliveries: Sequence[Outgoing]) -> None:
        if not deliveries:
            return
        core = self._core
        now_us = core.now_us()
        numbered = await core.writer.submit(
            lambda connection: write_deliveries(core, connection, list(deliveries), now_us)
        )
        self.wrote(Written(numbered, now_us))

    async def message_id(self, bot_id: int, chat: int, handle: str) -> int | None:
        key = self._core.lane_key(bot_id, chat)

        def query(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT message_id FROM message_handle WHERE lane = ? AND handle = ?", (key, handle)
            ).fetchone()
            return row[0] if row else None

        return await self._core.read(query)

    def reap(self, now: float) -> int:
        overdue = self.book.overdue(now)
        for lane in overdue:
            self.book.unlease(lane, rank=lane.rank)
        if overdue:
            self._ready.set()
        return len(overdue)


def _size(item: _Item) -> int:
    return len(item.payload)
