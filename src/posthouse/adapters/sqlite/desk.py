"""The operator's view and moves on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from posthouse.adapters.sqlite import rows
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.deadletters import bury_entry
from posthouse.adapters.sqlite.effects import Written, write_deliveries, write_job
from posthouse.adapters.sqlite.jobs import SqliteJobs
from posthouse.adapters.sqlite.keys import pack_entry, pack_lane
from posthouse.adapters.sqlite.outbox import SqliteOutbox
from posthouse.adapters.sqlite.turns import SqliteTurns
from posthouse.core.effects import JobRequest, Outgoing
from posthouse.core.entries import trace_of
from posthouse.core.errors import NotFound
from posthouse.core.leases import Burial
from posthouse.ports.store import Filter, Ids, Row, Rows

LISTS = ("inbox", "outbox", "jobs", "dead", "lanes")


class SqliteDesk:
    """Desk of the store contract."""

    def __init__(self, core: SqliteCore, turns: SqliteTurns, outbox: SqliteOutbox, jobs: SqliteJobs) -> None:
        self._core = core
        self._turns = turns
        self._outbox = outbox
        self._jobs = jobs

    async def list(self, what: str, filter: Filter) -> Rows:
        if what not in LISTS:
            raise NotFound(f"there is no list {what!r}: choose one of {', '.join(LISTS)}")
        reader = getattr(self, f"_list_{what}")
        found: Rows = await self._core.read(lambda connection: reader(connection, filter, None))
        return found

    async def show(self, what: str, id: int) -> Row:
        if what not in LISTS[:4]:
            raise NotFound(f"there is nothing to show in {what!r}: choose one of {', '.join(LISTS[:4])}")
        reader = getattr(self, f"_list_{what}")
        found: Rows = await self._core.read(lambda connection: reader(connection, Filter(limit=1), id))
        if not found:
            raise NotFound(f"there is no row {id} in {what}; it may have finished, see `posthouse {what}`")
        return found[0]

    # -- lists --------------------------------------------------------------------------------------------------

    def _list_inbox(self, connection: sqlite3.Connection, filter: Filter, id: int | None) -> Rows:
        where = _Where("done_us IS NULL")
        if filter.lane is not None and filter.bot_id is not None:
            where.add("lane = ?", pack_lane(self._core.known_bot(filter.bot_id), filter.lane))
        elif filter.lane is not None:
            lanes = [pack_lane(number, filter.lane) for number in self._core.bot_numbers()]
            where.add(f"lane IN ({rows.marks(len(lanes))})", *lanes)
        elif filter.bot_id is not None:
            number = self._core.known_bot(filter.bot_id)
            where.add("id BETWEEN ? AND ?", pack_entry(number, -(2**41)), pack_entry(number + 1, -(2**41)) - 1)
        if filter.after is not None:
            where.add("id > ?", filter.after)
        if id is not None:
            where.add("id = ?", id)
        found: Rows = []
        body = "payload" if id is not None else "NULL"
        # Without a LIMIT: the states are in memory, so the rows that fit are counted here.
        for key, lane_key, received, attempts, due, payload in connection.execute(
            f"SELECT id, lane, received_us, attempts, due_us, {body} FROM inbox {where} ORDER BY id", where.arguments
        ):
            if len(found) == filter.limit:
                break
            bot_id, entry_id = self._core.entry_of(key)
            lane = self._turns.book.lanes.get(lane_key)
            state = "waiting"
            if lane is not None and lane.held is not None:
                state = "held"
            elif lane is not None and lane.token and lane.window and lane.window[0][0] == key:
                state = "leased"
            if filter.state is not None and filter.state != state:
                continue
            found.append(
                Row(
                    key,
                    "entry",
                    state,
                    bot_id,
                    self._core.lane_of(lane_key)[1],
                    "update" if entry_id >= 0 else "event",
                    attempts,
                    received / 1e6,
                    due / 1e6 if due else None,
                    reason=(lane.held or "") if lane is not None else "",
                    trace=trace_of(bot_id, entry_id),
                    payload=_text(payload) if id is not None else None,
                )
            )
        return found

    def _list_outbox(self, connection: sqlite3.Connection, filter: Filter, id: int | None) -> Rows:
        where = _Where()
        if filter.bot_id is not None:
            number = self._core.known_bot(filter.bot_id)
            if filter.lane is not None:
                where.add("lane = ?", pack_lane(number, filter.lane))
            else:
                where.add("lane BETWEEN ? AND ?", number << 53, (number + 1 << 53) - 1)
        elif filter.lane is not None:
            lanes = [pack_lane(number, filter.lane) for number in self._core.bot_numbers()]
            where.add(f"lane IN ({rows.marks(len(lanes))})", *lanes)
        if filter.after is not None:
            where.add("id > ?", filter.after)
        if id is not None:
            where.add("id = ?", id)
        found: Rows = []
        body = "payload" if id is not None else "NULL"
        for key, lane_key, method, payload, attempts, unknown, created, due, trace in connection.execute(
            f"SELECT id, lane, method, {body}, attempts, unknown, created_us, due_us, trace FROM outbox"
            f" {where} ORDER BY id",
            where.arguments,
        ):
            if len(found) == filter.limit:
                break
            bot_id, chat = self._core.lane_of(lane_key)
            sending = any(
                lane is not None and lane.token and lane.window and lane.window[0][0][1] == key
                for lane in (self._outbox.book.lanes.get(lane_key), self._outbox.book.lanes.get(-lane_key))
            )
            state = "sending" if sending else "uncertain" if unknown else "waiting"
            if filter.state is not None and filter.state != state:
                continue
            found.append(
                Row(
                    key,
                    "delivery",
                    state,
                    bot_id,
                    chat,
                    method,
                    attempts,
                    created / 1e6,
                    due / 1e6 if due else None,
                    trace=trace,
                    payload=_text(payload) if id is not None else None,
                )
            )
        return found

    def _list_jobs(self, connection: sqlite3.Connection, filter: Filter, id: int | None) -> Rows:
        where = _Where()
        if filter.queue is not None:
            where.add("queue = ?", filter.queue)
        if filter.bot_id is not None:
            where.add("bot_id = ?", filter.bot_id)
        if filter.lane is not None:
            where.add("lane_key = ?", filter.lane)
        if filter.state is not None:
            where.add("lease IS NULL" if filter.state == "waiting" else "lease IS NOT NULL")
        if filter.after is not None:
            where.add("id > ?", filter.after)
        if id is not None:
            where.add("id = ?", id)
        return [
            Row(
                row[0],
                "job",
                "waiting" if row[4] is None else "running",
                row[5],
                row[6],
                row[2],
                row[3],
                row[7] / 1e6,
                row[8] / 1e6,
                error=row[9],
                trace=row[10],
                queue=row[1],
                payload=_text(row[11]) if id is not None else None,
            )
            for row in connection.execute(
                "SELECT id, queue, task, attempts, lease, bot_id, lane_key, created_us, due_us, error, trace, args"
                f" FROM job {where} ORDER BY id LIMIT ?",
                (*where.arguments, filter.limit),
            )
        ]

    def _list_dead(self, connection: sqlite3.Connection, filter: Filter, id: int | None) -> Rows:
        where = _Where()
        for column, value in (
            ("kind", filter.kind),
            ("bot_id", filter.bot_id),
            ("lane_key", filter.lane),
            ("reason", filter.reason),
        ):
            if value is not None:
                where.add(f"{column} = ?", value)
        if id is not None:
            where.add("id = ?", id)
        elif filter.state in (None, "dead"):
            where.add("closed_us IS NULL")
        else:
            where.add("closed_by = ?", "replay" if filter.state == "replayed" else "discard")
        if filter.queue is not None:
            where.add("json_extract(CAST(extra AS TEXT), '$.queue') = ?", filter.queue)
        if filter.after is not None:
            where.add("id > ?", filter.after)
        return [
            Row(
                row[0],
                row[1],
                {None: "dead", "replay": "replayed", "discard": "discarded"}[row[10]],
                row[2],
                row[3],
                row[4],
                row[5],
                row[6] / 1e6,
                error=row[7],
                reason=row[8],
                trace=row[9],
                queue=row[12] or "",
                payload=_text(row[11]) if id is not None else None,
            )
            for row in connection.execute(
                "SELECT id, kind, bot_id, lane_key, what, attempts, died_us, error, reason, trace, closed_by, payload,"
                " json_extract(CAST(extra AS TEXT), '$.queue')"
                f" FROM dead_letter {where} ORDER BY id LIMIT ?",
                (*where.arguments, filter.limit),
            )
        ]

    def _list_lanes(self, connection: sqlite3.Connection, filter: Filter, id: int | None) -> Rows:
        found = []
        for lane in list(self._turns.book.lanes.values()):
            state = "held" if lane.held is not None else "backing off" if lane.state == "resting" else None
            bot_id, lane_id = self._core.lane_of(lane.key)
            if state is None or filter.state not in (None, state) or filter.bot_id not in (None, bot_id):
                continue
            if filter.lane not in (None, lane_id) or (filter.after is not None and lane.key <= filter.after):
                continue
            found.append(
                Row(
                    lane.key,
                    "lane",
                    state,
                    bot_id,
                    lane_id,
                    attempts=lane.attempts,
                    due_at=lane.due or None,
                    reason=lane.held or "",
                )
            )
        return sorted(found, key=lambda row: row.id)[: filter.limit]

    # -- moves --------------------------------------------------------------------------------------------------

    async def replay(self, dead_ids: Sequence[int]) -> Ids:
        core = self._core

        def replay(
            connection: sqlite3.Connection,
        ) -> tuple[list[int], Written, list[tuple[int, int, bytes, int]], bool]:
            now_us = core.now_us()
            written, entered, moved, jobs = Written([], now_us), [], [], False
            for id_, kind, bot_id, lane, item_id, what, payload, trace, extra in connection.execute(
                "SELECT id, kind, bot_id, lane_key, item_id, what, payload, trace, extra FROM dead_letter"
                f" WHERE closed_us IS NULL AND id IN ({rows.marks(len(dead_ids))}) ORDER BY id",
                tuple(dead_ids),
            ).fetchall():
                more: dict[str, Any] = msgspec.json.decode(extra)
                if kind == "entry":
                    # An upsert, because retention may have removed the row that remembered the entry.
                    key, lane_key = core.entry_key(bot_id, item_id), core.lane_key(bot_id, lane)
                    connection.execute(
                        "INSERT INTO inbox (id, lane, received_us, payload) VALUES (?, ?, ?, ?)"
                        " ON CONFLICT (id) DO UPDATE"
                        " SET done_us = NULL, attempts = 0, due_us = 0, payload = excluded.payload"
                        " WHERE inbox.done_us IS NOT NULL",
                        (key, lane_key, now_us, payload),
                    )
                    entered.append((lane_key, key, payload, now_us))
                elif kind == "delivery":
                    written.deliveries += write_deliveries(
                        core,
                        connection,
                        [
                            Outgoing(
                                bot_id,
                                lane,
                                what,
                                payload,
                                more["priority"],
                                more["when_uncertain"],
                                more["handle"],
                                more["cause"],
                                trace,
                            )
                        ],
                        now_us,
                    )
                else:
                    jobs = True
                    write_job(
                        connection,
                        JobRequest(
                            more["queue"],
                            what,
                            payload,
                            more["priority"],
                            0.0,
                            more["attempts_max"],
                            more["unique_key"],
                            bot_id,
                            lane,
                            bool(more["notify"]),
                            str(more["data"]).encode(),
                            trace,
                        ),
                        now_us,
                    )
                connection.execute(
                    "UPDATE dead_letter SET closed_us = ?, closed_by = 'replay' WHERE id = ?", (now_us, id_)
                )
                moved.append(id_)
            return moved, written, entered, jobs

        if not dead_ids:
            return []
        moved, written, entered, jobs = await core.writer.submit(replay)
        self._outbox.wrote(written)
        for row in entered:
            self._turns.entered(*row)
        if jobs:
            self._jobs.wake()
        return list(moved)

    async def discard(self, dead_ids: Sequence[int]) -> Ids:
        if not dead_ids:
            return []
        now_us = self._core.now_us()
        closed: list[tuple[int]] = await self._core.writer.submit(
            lambda connection: connection.execute(
                "UPDATE dead_letter SET closed_us = ?, closed_by = 'discard' WHERE closed_us IS NULL"
                f" AND id IN ({rows.marks(len(dead_ids))}) RETURNING id",
                (now_us, *dead_ids),
            ).fetchall()
        )
        return sorted(id_ for (id_,) in closed)

    async def release_lane(self, bot_id: int, lane: int, *, skip_head: bool) -> bool:
        key = self._core.lane_key(bot_id, lane)
        held = self._turns.book.lanes.get(key)
        if held is None or held.held is None:
            return False
        reason = held.held

        def release(connection: sqlite3.Connection) -> int | None:
            connection.execute("DELETE FROM lane_hold WHERE lane = ?", (key,))
            row = connection.execute(
                "SELECT id, attempts FROM inbox WHERE lane = ? AND done_us IS NULL ORDER BY id LIMIT 1",
                (key,),
            ).fetchone()
            if row is None:
                return None
            if not skip_head:
                connection.execute("UPDATE inbox SET attempts = 0, due_us = 0 WHERE id = ?", (row[0],))
                return None
            entry_id = self._core.entry_of(row[0])[1]
            now_us = self._core.now_us()
            bury_entry(
                connection,
                row[0],
                Burial(entry_id, reason, "skipped by an operator", row[1]),
                bot_id,
                lane,
                now_us,
            )
            connection.execute("UPDATE inbox SET done_us = ?, payload = NULL WHERE id = ?", (now_us, row[0]))
            return int(row[0])

        skipped = await self._core.writer.submit(release)
        if skipped is not None:
            self._turns.book.remove(held, [skipped], lambda entry: len(entry.payload))
        self._turns.resume(held)
        return True

    async def cancel_job(self, job_id: int) -> bool:
        return await self._jobs.cancel(job_id)

    async def pause_queue(self, queue: str, paused: bool) -> None:
        now_us = self._core.now_us() if paused else None
        await self._core.writer.submit(
            lambda connection: connection.execute(
                "INSERT INTO queue_state VALUES (?, ?)"
                " ON CONFLICT (queue) DO UPDATE SET paused_us = excluded.paused_us",
                (queue, now_us),
            )
        )
        self._jobs.wake()


class _Where:
    """A WHERE clause that grows."""

    def __init__(self, *conditions: str) -> None:
        self._conditions = list(conditions)
        self.arguments: list[Any] = []

    def add(self, condition: str, *arguments: Any) -> None:
        self._conditions.append(condition)
        self.arguments += arguments

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""


def _text(payload: bytes | None) -> str | None:
    return payload.decode("utf-8", "replace") if payload is not None else None
