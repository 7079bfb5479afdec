"""Jobs, timers and schedules: work outside the turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from posthouse.adapters.postgres.database import Database, Row, text, texts
from posthouse.adapters.postgres.effects import job_columns, lock_timers, write_effects, written
from posthouse.adapters.postgres.turns import Bells
from posthouse.adapters.postgres.worker import Worker
from posthouse.core.effects import JobRequest
from posthouse.core.entries import EVENT_FLOOR, Completion, entry_id_of_job
from posthouse.core.leases import JobLease, JobSettlement
from posthouse.ports.store import Cron

CANCELLED = "cancelled"


class PostgresJobs:
    """See `ports.store.Jobs`."""

    def __init__(self, database: Database, worker: Worker, bells: Bells) -> None:
        self._database = database
        self._worker = worker
        self._bells = bells

    async def ready(self) -> None:
        """Wait until a job may be claimable."""
        await self._bells.jobs.wait()

    async def enqueue(self, requests: Sequence[JobRequest]) -> list[int | None]:
        """Queue jobs outside any turn; per request its id, or None when its unique key is still live."""
        if not requests:
            return []
        ids: list[int | None] = [None] * len(requests)
        for at, id in await self._database.fetch_once("enqueue", *job_columns(requests)):
            ids[at - 1] = id
        self._bells.jobs.ring()
        return ids

    async def claim(self, queues: dict[str, int], *, ttl_s: float) -> list[JobLease]:
        """Take due jobs, up to the given number for each queue, highest priority first."""
        wanted = {text(queue): n for queue, n in queues.items() if n > 0}
        if not wanted:
            return []
        async with self._worker.claim() as (owner, token):
            rows = await self._database.fetch_once(
                "job_claim", list(wanted), list(wanted.values()), token, owner, ttl_s
            )
        if rows:
            self._bells.jobs.found()
            rows.sort(key=lambda row: (row["priority"], row["due_at"], row["id"]))
        return [_lease(row, token) for row in rows]

    async def extend(self, leases: Sequence[JobLease], *, ttl_s: float) -> list[JobLease]:
        """Heartbeat: returns the leases that were lost or cancelled; the latter say so and can still be settled."""
        if not leases:
            return []
        rows = await self._database.fetch("job_extend", [x.id for x in leases], [x.token for x in leases], ttl_s)
        held = {row["at"] - 1: row["cancelled"] for row in rows}
        stopped = []
        for at, lease in enumerate(leases):
            lease.cancelled = held.get(at, False)
            if lease.cancelled or at not in held:
                stopped.append(lease)
        return stopped

    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        """End jobs with their effects and completion entries in one commit; False where the lease was lost."""
        if not settlements:
            return []
        answer = await self._database.commit(lambda connection: self._settle(connection, settlements))
        ended = [s for s, kept in zip(settlements, answer, strict=True) if kept]
        self._bells.ring_for([s.effects for s in ended])
        self._bells.jobs.ring()
        if any(s.lease.notify for s in ended):
            self._bells.turns.ring()
        return answer

    async def _settle(self, connection: Any, settlements: Sequence[JobSettlement]) -> list[bool]:
        sql = self._database.sql
        await lock_timers(connection, sql, [s.effects for s in settlements])
        rows = await connection.fetch(
            sql["job_settle"],
            [s.lease.id for s in settlements],
            [s.lease.token for s in settlements],
            [s.delay_s for s in settlements],
            [texts(s.reason) for s in settlements],
            [text(s.error) for s in settlements],
            [s.counted for s in settlements],
        )
        answer = written(rows, len(settlements))
        kept = [s for s, ok in zip(settlements, answer, strict=True) if ok]
        cancelled = {row["at"] - 1 for row in rows if row["cancelled"]}
        over: list[JobSettlement] = []
        for at, settlement in enumerate(settlements):
            if not answer[at] or not settlement.lease.notify:
                continue
            if settlement.delay_s is None or settlement.reason is not None:
                over.append(settlement)
            elif at in cancelled:
                over.append(msgspec.structs.replace(settlement, error=CANCELLED, reason=CANCELLED))
        if over:
            await connection.fetch(
                sql["entries"],
                [s.lease.bot_id for s in over],
                [s.lease.lane for s in over],
                [entry_id_of_job(s.lease.id) for s in over],
                [_completion(s) for s in over],
            )
        await write_effects(connection, sql, [s.effects for s in kept])
        return answer

    async def cancel(self, job_id: int) -> bool:
        """Cancel a waiting job, or mark a running one. A waiting `notify` job tells its lane that it was cancelled."""
        cancelled = await self._database.commit(lambda connection: self._cancel(connection, job_id))
        self._bells.turns.ring()
        return cancelled

    async def _cancel(self, connection: Any, job_id: int) -> bool:
        sql = self._database.sql
        row = await connection.fetchrow(sql["cancel_job"], job_id)
        if row is not None and row["notify"]:
            completion = Completion(
                row["id"], row["task"], error=CANCELLED, data=msgspec.Raw(row["data"]), cause=row["trace"]
            )
            body = msgspec.json.encode(completion)
            where = [row["bot_id"]], [row["lane_key"]], [entry_id_of_job(row["id"])]
            await connection.fetch(sql["entries"], *where, [body])
        return row is not None

    async def fire_timers(self, limit: int) -> tuple[int, float | None]:
        """Move due timers into their lanes; returns (how many, seconds until the next, or None when none waits)."""
        row = (await self._database.fetch("fire_timers", limit, EVENT_FLOOR))[0]
        if row["fired"]:
            self._bells.turns.ring()
        return row["fired"], row["next_s"]

    async def fire_cron(self, firings: Sequence[Cron]) -> list[bool]:
        """Queue the job of each firing unless somebody already did; and `last_fired` remembers it."""
        if not firings:
            return []
        rows = await self._database.fetch_once(
            "fire_cron",
            [text(f.name) for f in firings],
            [f.fire_at for f in firings],
            *job_columns([f.request for f in firings]),
        )
        self._bells.jobs.ring()
        return written(rows, len(firings))

    async def last_fired(self, names: Sequence[str]) -> dict[str, float]:
        """The newest firing of each named schedule, in epoch seconds."""
        rows = await self._database.fetch("last_fired", [text(name) for name in names])
        return {row["name"]: row["fire_at"] for row in rows}


def _lease(row: Row, token: int) -> JobLease:
    return JobLease(
        id=row["id"],
        token=token,
        queue=row["queue"],
        task=row["task"],
        args=row["args"],
        attempts=row["attempts"],
        attempts_max=row["attempts_max"],
        bot_id=row["bot_id"],
        lane=row["lane_key"],
        notify=row["notify"],
        data=row["data"],
        trace=row["trace"],
    )


def _completion(settlement: JobSettlement) -> bytes:
    lease = settlement.lease
    error = None if settlement.reason is None else settlement.error or settlement.reason
    return msgspec.json.encode(
        Completion(
            job_id=lease.id,
            task=lease.task,
            result=msgspec.Raw(settlement.result if error is None else b"null"),
            error=None if error is None else text(error),
            data=msgspec.Raw(lease.data),
            cause=lease.trace,
        )
    )
