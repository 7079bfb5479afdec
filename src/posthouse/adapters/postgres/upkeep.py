"""Recovery, retention and gauges."""

from __future__ import annotations

import asyncpg

from posthouse.adapters.postgres.database import Database
from posthouse.adapters.postgres.turns import Bells
from posthouse.adapters.postgres.worker import Worker
from posthouse.ports.store import Gauges, Reaped

SCHEMA = "0002"  # the newest revision in migrations/versions; a test compares the two

SLICE = 1_000  # rows of a kind that one statement may delete
PAGES = 10  # slices of lanes that one call looks at

START = (-1, 0, 0)  # before the first lane


class PostgresUpkeep:
    """See `ports.store.Upkeep`."""

    def __init__(self, database: Database, worker: Worker, bells: Bells) -> None:
        self._database = database
        self._worker = worker
        self._bells = bells
        self._cursor: tuple[int, int, int] = START
        self._session_cursor = ""

    async def reap(self) -> Reaped:
        """Free what dead processes and overdue leases hold."""
        worker = self._worker
        rows = await self._database.fetch("reap", worker.id, self._database.settings.heartbeat_ttl_s, worker.is_patient)
        reaped = Reaped(**dict(rows[0]))
        if reaped.lanes:
            self._bells.turns.ring()
        if reaped.deliveries:
            self._bells.outbox.ring()
        if reaped.jobs:
            self._bells.jobs.ring()
        return reaped

    async def prune(self, *, seen_s: float, dead_letters_s: float, sessions_s: float = 30 * 86_400.0) -> int:
        """Forget old rows in bounded slices; returns how many rows went; call again while it is not 0."""
        settings = self._database.settings
        rows = await self._database.fetch("prune", seen_s, dead_letters_s, settings.handles_kept_s, SLICE)
        gone: int = rows[0][0]
        return gone + await self._prune_sessions(sessions_s) + await self._prune_lanes()

    async def _prune_sessions(self, sessions_s: float) -> int:
        gone, last_id, looked = (await self._database.fetch("sessions_prune", sessions_s, self._session_cursor, SLICE))[
            0
        ]
        self._session_cursor = last_id if looked == SLICE else ""
        over: int = gone
        return over

    async def _prune_lanes(self) -> int:
        for _ in range(PAGES):
            rows = await self._database.fetch("prune_lanes", *self._cursor, self._database.settings.lane_idle_s, SLICE)
            page = rows[0]
            at_end = page["looked"] < SLICE
            self._cursor = START if at_end else (page["kind"], page["bot_id"], page["lane_key"])
            if page["gone"] or at_end:
                gone: int = page["gone"]
                return gone
        return 0

    async def gauges(self) -> Gauges:
        """What the metrics page shows; counts are capped."""
        cap = Gauges().capped_at
        rows = await self._database.fetch("gauges", cap)
        return Gauges(**dict(rows[0]), capped_at=cap)

    async def schema(self) -> tuple[str | None, str]:
        """(revision the database has, revision this program wants)."""
        try:
            rows = await self._database.fetch("schema")
        except asyncpg.UndefinedTableError:
            return None, SCHEMA
        return (rows[0][0] if rows else None), SCHEMA
