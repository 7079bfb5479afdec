"""What an operator sees and moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posthouse.adapters.postgres.database import Database, text, texts
from posthouse.adapters.postgres.jobs import PostgresJobs
from posthouse.adapters.postgres.turns import Bells
from posthouse.core.errors import NotFound
from posthouse.ports.store import Filter, Row

# Which columns of a filter each list understands besides the seven that all do.
LISTS: dict[str, tuple[str, ...]] = {
    "inbox": (),
    "outbox": (),
    "jobs": ("queue",),
    "dead": ("queue", "kind", "reason"),
    "lanes": ("reason",),
}
LIMIT_MAX = 1_000

# Inside the class, `list` is its method.
Rows = list[Row]
Ids = list[int]


class PostgresDesk:
    """See `ports.store.Desk`. The lists are for people: they may read more than they show."""

    def __init__(self, database: Database, jobs: PostgresJobs, bells: Bells) -> None:
        self._database = database
        self._jobs = jobs
        self._bells = bells

    async def list(self, what: str, filter: Filter) -> Rows:
        """Rows of `what`, newest id last. Dead letters: the open ones, unless a state is asked for."""
        return await self._rows(what, filter, id=None)

    async def show(self, what: str, id: int) -> Row:
        """One row with its payload. Raises `NotFound`."""
        rows = await self._rows(what, Filter(limit=1), id=id)
        if not rows:
            raise NotFound(f"There is no row {id} in {what}; it may have been finished meanwhile.")
        return rows[0]

    async def _rows(self, what: str, filter: Filter, *, id: int | None) -> Rows:
        if what not in LISTS:
            raise NotFound(f"There is no list {what!r}; the lists are {', '.join(LISTS)}.")
        columns = (
            filter.bot_id,
            filter.lane,
            texts(filter.state),
            id,
            filter.after,
            min(filter.limit, LIMIT_MAX),
            id is not None,
            *(texts(getattr(filter, name)) for name in LISTS[what]),
        )
        rows = await self._database.fetch(f"desk_{what}", *columns)
        return [_row(dict(row)) for row in rows]

    async def replay(self, dead_ids: Sequence[int]) -> Ids:
        """Put dead letters back to work; ids that moved."""
        ids: Ids = []
        for what in ("entries", "deliveries", "jobs"):
            ids += await self._move(f"replay_{what}", dead_ids)
        for bell in (self._bells.turns, self._bells.outbox, self._bells.jobs):
            bell.ring()
        return sorted(ids)

    async def discard(self, dead_ids: Sequence[int]) -> Ids:
        """Close dead letters without replaying them; ids that moved."""
        return sorted(await self._move("discard", dead_ids))

    async def _move(self, statement: str, dead_ids: Sequence[int]) -> Ids:
        return [row[0] for row in await self._database.fetch_once(statement, [*dead_ids])]

    async def release_lane(self, bot_id: int, lane: int, *, skip_head: bool) -> bool:
        """Let a held lane go on: retry its head, or bury the head first. False when it was not held."""
        rows = await self._database.fetch_once("release_lane", bot_id, lane, skip_head)
        self._bells.turns.ring()
        return bool(rows)

    async def cancel_job(self, job_id: int) -> bool:
        """Cancel a waiting job, or tell its worker to stop. False when there is no such live job."""
        return await self._jobs.cancel(job_id)

    async def pause_queue(self, queue: str, paused: bool) -> None:
        """Stop or let go claims from a queue; survives restarts."""
        await self._database.fetch("queue_pause" if paused else "queue_resume", text(queue))
        self._bells.jobs.ring()


def _row(fields: dict[str, Any]) -> Row:
    payload = fields.pop("payload")
    return Row(**fields, payload=None if payload is None else payload.decode("utf-8", "replace"))
