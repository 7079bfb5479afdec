"""Jobs, timers and schedules on SQLite: rows claimed by one statement; the process that dies leaves expired leases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from posthouse.adapters.sqlite import rows
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.deadletters import bury_job, storable
from posthouse.adapters.sqlite.effects import Written, write_effects, write_job
from posthouse.core.effects import JobRequest
from posthouse.core.entries import Completion, entry_id_of_job, entry_id_of_timer
from posthouse.core.leases import JobLease, JobSettlement
from posthouse.ports.store import Cron

CANCELLED = "cancelled"

Entered = Callable[[int, int, bytes, int], None]


class SqliteJobs:
    """Jobs of the store contract."""

    def __init__(self, core: SqliteCore, entered: Entered, wrote: Callable[[Written], None]) -> None:
        self._core = core
        self._entered = entered
        self._wrote = wrote
        self._ready = asyncio.Event()
        self._ready.set()
        self._next_due_us: int | None = None

    def wake(self) -> None:
        self._ready.set()

    async def ready(self) -> None:
        if self._next_due_us is None:
            await self._ready.wait()
            return
        delay_s = max(0.0, (self._next_due_us - self._core.now_us()) / 1_000_000)
        rest = asyncio.ensure_future(self._core.clock.sleep(delay_s))
        woken = asyncio.ensure_future(self._ready.wait())
        try:
            await asyncio.wait({rest, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            woken.cancel()

    async def enqueue(self, requests: Sequence[JobRequest]) -> list[int | None]:
        now_us = self._core.now_us()
        ids: list[int | None] = await self._core.writer.submit(
            lambda connection: [write_job(connection, request, now_us) for request in requests]
        )
        self.wake()
        return ids

    async def claim(self, queues: dict[str, int], *, ttl_s: float) -> list[JobLease]:
        wanted = {queue: free for queue, free in queues.items() if free > 0}
        self._ready.clear()
        token = self._core.new_token()

        def claim(connection: sqlite3.Connection) -> tuple[list[JobLease], int | None]:
            now_us = self._core.now_us()
            leases: list[JobLease] = []
            next_due: int | None = None
            for queue, free in wanted.items():
                if connection.execute(
                    "SELECT 1 FROM queue_state WHERE queue = ? AND paused_us IS NOT NULL", (queue,)
                ).fetchone():
                    continue
                for priority in range(4):
                    left = free - sum(lease.queue == queue for lease in leases)
                    if left <= 0:
                        break
                    leases += [
                        JobLease(
                            row[0],
                            token,
                            row[1],
                            row[2],
                            row[3],
                            row[4],
                            row[5],
                            row[6],
                            row[7],
                            bool(row[8]),
                            row[9],
                            row[10],
                        )
                        for row in connection.execute(
                            """UPDATE job SET lease = ?, expires_us = ?, attempts = attempts + 1
                                WHERE id IN (SELECT id FROM job WHERE queue = ? AND priority = ? AND lease IS NULL
                                                AND due_us <= ? ORDER BY due_us, id LIMIT ?)
                            RETURNING id, queue, task, args, attempts, attempts_max, bot_id, lane_key,
                                      notify, data, trace""",
                            (token, now_us + int(ttl_s * 1_000_000), queue, priority, now_us, left),
                        ).fetchall()
                    ]
                    (due,) = connection.execute(
                        "SELECT min(due_us) FROM job WHERE queue = ? AND priority = ? AND lease IS NULL AND due_us > ?",
                        (queue, priority, now_us),
                    ).fetchone()
                    if due is not None:
                        next_due = due if next_due is None else min(next_due, due)
            return leases, next_due

        leases: list[JobLease]
        leases, self._next_due_us = await self._core.writer.submit(claim)
        if leases:
            self.wake()  # there may be more
        return leases

    async def extend(self, leases: Sequence[JobLease], *, ttl_s: float) -> list[JobLease]:
        def extend(connection: sqlite3.Connection) -> list[JobLease]:
            expires = self._core.now_us() + int(ttl_s * 1_000_000)
            lost = []
            for lease in leases:
                row = connection.execute(
                    "UPDATE job SET expires_us = ? WHERE id = ? AND lease = ? RETURNING cancelled",
                    (expires, lease.id, lease.token),
                ).fetchone()
                if row is None or row[0]:
                    lease.cancelled = row is not None
                    lost.append(lease)
            return lost

        lost: list[JobLease] = await self._core.writer.submit(extend)
        return lost

    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        core = self._core

        def write(
            connection: sqlite3.Connection,
        ) -> tuple[list[bool], Written, list[tuple[int, int, bytes, int]]]:
            now_us = core.now_us()
            verdicts = []
            effects = []
            entered: list[tuple[int, int, bytes, int]] = []
            for settlement in settlements:
                lease = settlement.lease
                held = connection.execute(
                    "SELECT cancelled FROM job WHERE id = ? AND lease = ?", (lease.id, lease.token)
                ).fetchone()
                verdicts.append(held is not None)
                if held is None:
                    continue
                effects.append(settlement.effects)
                if settlement.delay_s is not None and not held[0]:
                    connection.execute(
                        "UPDATE job SET lease = NULL, expires_us = NULL, due_us = ?, error = ?, attempts = ?"
                        " WHERE id = ?",
                        (
                            now_us + int(settlement.delay_s * 1_000_000),
                            storable(settlement.error),
                            lease.attempts if settlement.counted else lease.attempts - 1,
                            lease.id,
                        ),
                    )
                    continue
                if settlement.reason is not None:
                    bury_job(connection, settlement, now_us)
                connection.execute("DELETE FROM job WHERE id = ?", (lease.id,))
                if lease.notify:
                    # A try that was to be repeated, of a job that an operator cancelled meanwhile, ends here.
                    error = CANCELLED if settlement.delay_s is not None else _error_of(settlement)
                    entered += self.complete(connection, lease, settlement.result, error, now_us)
            return verdicts, write_effects(core, connection, effects), entered

        verdicts, written, entered = await core.writer.submit(write)
        self._wrote(written)
        for row in entered:
            self._entered(*row)
        self.wake()
        return list(verdicts)

    def complete(
        self, connection: sqlite3.Connection, lease: JobLease, result: bytes, error: str | None, now_us: int
    ) -> list[tuple[int, int, bytes, int]]:
        """The entry that tells the lane, in the commit that ends the job."""
        payload = msgspec.json.encode(
            Completion(
                lease.id,
                lease.task,
                msgspec.Raw(result if error is None else b"null"),
                None if error is None else storable(error),
                msgspec.Raw(lease.data),
                lease.trace,
            )
        )
        return enter(self._core, connection, lease.bot_id, lease.lane, entry_id_of_job(lease.id), payload, now_us)

    async def cancel(self, job_id: int) -> bool:
        """Cancel a waiting job, which tells its lane, or mark a running one for its worker to stop."""

        def cancel(connection: sqlite3.Connection) -> tuple[bool, list[tuple[int, int, bytes, int]]]:
            row = connection.execute(
                "DELETE FROM job WHERE id = ? AND lease IS NULL"
                " RETURNING queue, task, args, attempts, attempts_max, bot_id, lane_key, notify, data, trace",
                (job_id,),
            ).fetchone()
            if row is None:
                marked = connection.execute(
                    "UPDATE job SET cancelled = 1 WHERE id = ? AND cancelled = 0", (job_id,)
                ).rowcount
                return bool(marked), []
            queue, task, args, attempts, attempts_max, bot_id, lane, notify, data, trace = row
            lease = JobLease(
                job_id, 0, queue, task, args, attempts, attempts_max, bot_id, lane, bool(notify), data, trace
            )
            if not lease.notify:
                return True, []
            return True, self.complete(connection, lease, b"null", CANCELLED, self._core.now_us())

        cancelled, entered = await self._core.writer.submit(cancel)
        for entry in entered:
            self._entered(*entry)
        return bool(cancelled)

    # -- timers -------------------------------------------------------------------------------------------------

    async def fire_timers(self, limit: int) -> tuple[int, float | None]:
        core = self._core

        def fire(connection: sqlite3.Connection) -> tuple[list[tuple[int, int, bytes, int]], int | None]:
            now_us = core.now_us()
            due = connection.execute(
                "SELECT id, bot_id, lane_key, payload FROM timer WHERE due_us <= ? ORDER BY due_us, id LIMIT ?",
                (now_us, limit),
            ).fetchall()
            entered: list[tuple[int, int, bytes, int]] = []
            for timer_id, bot_id, lane, payload in due:
                entered += enter(core, connection, bot_id, lane, entry_id_of_timer(timer_id), payload, now_us)
            if due:
                for chunk in rows.chunks([timer[0] for timer in due]):
                    rows.with_ids(connection, "DELETE FROM timer WHERE id IN ({ids})", chunk)
            (next_us,) = connection.execute("SELECT min(due_us) FROM timer").fetchone()
            return entered, next_us

        entered, next_us = await core.writer.submit(fire)
        for row in entered:
            self._entered(*row)
        return len(entered), None if next_us is None else max(0.0, (next_us - core.now_us()) / 1_000_000)

    # -- schedules ----------------------------------------------------------------------------------------------

    async def fire_cron(self, firings: Sequence[Cron]) -> list[bool]:
        def fire(connection: sqlite3.Connection) -> list[bool]:
            now_us = self._core.now_us()
            fired = []
            for firing in firings:
                new = connection.execute(
                    "INSERT INTO cron_fire VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (firing.name, int(firing.fire_at * 1_000_000)),
                ).rowcount
                if new:
                    write_job(connection, firing.request, now_us)
                fired.append(bool(new))
            return fired

        fired: list[bool] = await self._core.writer.submit(fire)
        self.wake()
        return fired

    async def last_fired(self, names: Sequence[str]) -> dict[str, float]:
        def query(connection: sqlite3.Connection) -> dict[str, float]:
            found = {}
            for name in names:
                (fire_us,) = connection.execute("SELECT max(fire_us) FROM cron_fire WHERE name = ?", (name,)).fetchone()
                if fire_us is not None:
                    found[name] = fire_us / 1_000_000
            return found

        return await self._core.read(query)

    # -- recovery -----------------------------------------------------------------------------------------------

    async def reap(self) -> int:
        """Let overdue jobs be claimed again; the try they were stays counted."""

        def free(connection: sqlite3.Connection) -> int:
            now_us = self._core.now_us()
            connection.execute(
                "DELETE FROM job WHERE lease IS NOT NULL AND cancelled = 1 AND expires_us < ?", (now_us,)
            )
            return connection.execute(
                "UPDATE job SET lease = NULL, expires_us = NULL WHERE lease IS NOT NULL AND expires_us < ?",
                (now_us,),
            ).rowcount

        overdue = await self._core.read(
            lambda connection: connection.execute(
                "SELECT 1 FROM job WHERE lease IS NOT NULL AND expires_us < ? LIMIT 1", (self._core.now_us(),)
            ).fetchone()
        )
        if overdue is None:
            return 0
        freed: int = await self._core.writer.submit(free)
        self.wake()
        return freed


def enter(
    core: SqliteCore,
    connection: sqlite3.Connection,
    bot_id: int,
    lane: int,
    entry_id: int,
    payload: bytes,
    now_us: int,
) -> list[tuple[int, int, bytes, int]]:
    """Put an event in its lane's inbox; nothing when it is there already."""
    key, lane_key = core.entry_key(bot_id, entry_id), core.lane_key(bot_id, lane)
    new: Any = connection.execute(
        "INSERT INTO inbox (id, lane, received_us, payload) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (key, lane_key, now_us, payload),
    ).rowcount
    return [(lane_key, key, payload, now_us)] if new else []


def _error_of(settlement: JobSettlement) -> str | None:
    return None if settlement.reason is None else settlement.error or settlement.reason
