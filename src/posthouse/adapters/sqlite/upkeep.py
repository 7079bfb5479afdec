"""Recovery, retention and gauges on SQLite. Gauges come from the books in memory; nothing is counted in a table."""

from __future__ import annotations

import sqlite3
from functools import partial

from posthouse.adapters.sqlite import sessions
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.jobs import SqliteJobs
from posthouse.adapters.sqlite.outbox import SqliteOutbox
from posthouse.adapters.sqlite.schema import SCHEMA, revision
from posthouse.adapters.sqlite.turns import SqliteTurns
from posthouse.ports.store import Gauges, Reaped

SLICE = 500  # rows looked at in one commit: an ack never waits for more
SLICES = 20


class SqliteUpkeep:
    """Upkeep of the store contract."""

    def __init__(self, core: SqliteCore, turns: SqliteTurns, outbox: SqliteOutbox, jobs: SqliteJobs) -> None:
        self._core = core
        self._turns = turns
        self._outbox = outbox
        self._jobs = jobs
        self._cursor = 0
        self._session_cursor = ""  # touched on the writer's thread alone

    async def reap(self) -> Reaped:
        now = self._core.clock.now()
        return Reaped(self._turns.reap(now), self._outbox.reap(now), await self._jobs.reap())

    async def prune(self, *, seen_s: float, dead_letters_s: float, sessions_s: float = 30 * 86_400.0) -> int:
        now_us = self._core.now_us()
        sessions_us = now_us - int(sessions_s * 1_000_000)
        seen_us = now_us - int(seen_s * 1_000_000)
        dead_us = now_us - int(dead_letters_s * 1_000_000)

        def prune(connection: sqlite3.Connection, *, start: int) -> tuple[int, int]:
            # Walk the inbox by key, a slice each time: `done` rows lie in the order they arrived, bot by bot.
            (end,) = connection.execute(
                "SELECT max(id) FROM (SELECT id FROM inbox WHERE id > ? ORDER BY id LIMIT ?)", (start, SLICE)
            ).fetchone()
            gone = 0
            if end is not None:
                gone = connection.execute(
                    "DELETE FROM inbox WHERE id > ? AND id <= ? AND done_us < ?", (start, end, seen_us)
                ).rowcount
            gone += connection.execute(
                "DELETE FROM dead_letter WHERE id IN"
                " (SELECT id FROM dead_letter WHERE closed_us IS NOT NULL AND closed_us < ? LIMIT ?)",
                (dead_us, SLICE),
            ).rowcount
            gone += connection.execute(
                "DELETE FROM cron_fire WHERE fire_us < ? AND fire_us <"
                " (SELECT max(newest.fire_us) FROM cron_fire AS newest WHERE newest.name = cron_fire.name)",
                (seen_us,),
            ).rowcount
            over, self._session_cursor = sessions.prune(connection, sessions_us, self._session_cursor, SLICE)
            return gone + over, end or 0

        total = 0
        for _ in range(SLICES):
            start = self._cursor
            gone, self._cursor = await self._core.writer.submit(partial(prune, start=start))
            total += gone
            if not self._cursor:
                break  # the end of the table: the next walk starts anew
        return total

    async def gauges(self) -> Gauges:
        now = self._core.clock.now()
        inbound, outbound = self._turns.book, self._outbox.book
        oldest = inbound.first_waiting()
        oldest_s = now - oldest.window[0][1].received_at if oldest is not None and oldest.window else 0.0
        delivery = outbound.first_waiting()
        delivery_s = now - delivery.window[0][1].created_us / 1_000_000 if delivery and delivery.window else 0.0
        cap = Gauges().capped_at

        def query(connection: sqlite3.Connection) -> tuple[int, ...]:
            now_us = self._core.now_us()
            counted = [
                connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {what} LIMIT {cap})", arguments).fetchone()[0]
                for what, arguments in (
                    ("job WHERE lease IS NULL AND due_us <= ?", (now_us,)),
                    ("job WHERE lease IS NOT NULL", ()),
                    ("dead_letter WHERE closed_us IS NULL", ()),
                    ("outbox", ()),
                )
            ]
            # The oldest delivery has the smallest id: the outbox is numbered in the order of the commits.
            oldest = connection.execute("SELECT created_us FROM outbox ORDER BY id LIMIT 1").fetchone()
            return *counted, oldest[0] if oldest else now_us

        jobs_waiting, jobs_running, dead, waiting, oldest_us = await self._core.read(query)
        return Gauges(
            lanes_waiting=min(cap, inbound.waiting_count),
            lanes_leased=min(cap, len(inbound.leased)),
            lanes_blocked=min(cap, inbound.held_count + inbound.resting_count),
            oldest_waiting_s=max(0.0, oldest_s),
            outbox_waiting=min(cap, len(outbound.lanes)) if self._outbox.active else waiting,
            oldest_delivery_s=max(0.0, delivery_s if self._outbox.active else now - oldest_us / 1_000_000),
            jobs_waiting=jobs_waiting,
            jobs_running=jobs_running,
            dead_letters_open=dead,
            capped_at=cap,
        )

    async def schema(self) -> tuple[str | None, str]:
        return await self._core.read(revision), SCHEMA
