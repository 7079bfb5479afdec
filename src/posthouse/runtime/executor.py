"""The executor: many lanes at once, one turn at a time in each.

    claim up to the free slots ──► a task works them off ──► runtime.turn ──► … commit … ──► slot free again
                 ▲                                                                               │
                 └───────────────────── ready() when nothing is claimable ◄──────────────────────┘

A task for every lease would cost more than most handlers do. So one task runs the leases of a claim, one after another,
until a handler really waits: then the task is that handler's alone, and another one goes on with the rest. No handler
can tell: each has a task, which nobody shares from the moment it waits, and context variables of its own.

A chat that floods takes one slot, like every other: its entries wait in its own lane. A watch, four times a second,
cancels handlers that are over their time, keeps long leases alive, and takes the slot from a handler that ignores its
cancellation; whatever that one still tries to commit is fenced.

An entry whose tries have all begun and none ended may be what kills the process, or may have been beside it each time.
It gets one try more, alone (`_run_alone`): who dies then is to blame, and the others are not buried with it.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from posthouse.core.effects import Effects
from posthouse.core.errors import StoreUnavailable
from posthouse.core.leases import Lease, Settlement
from posthouse.ports.clock import Clock
from posthouse.ports.store import Turns
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.turn import LeaseWork, TurnRunner

log = structlog.get_logger("posthouse.executor")


@dataclass(frozen=True, slots=True)
class ExecutorSettings:
    """How much runs at once. Times in seconds."""

    concurrency: int = 256
    """Lanes worked on at the same time."""
    claim_max: int = 128
    """Lanes taken by one claim."""
    depth_max: int = 64
    """Entries of one lane taken by one claim, at most; adapts between 1 and this."""
    lease_ttl_s: float = 30.0
    """How long the store leaves a lease alone without `extend`; extended after a third of it."""
    watch_s: float = 0.25
    """How often running handlers are looked at."""
    grace_s: float = 5.0
    """How long a cancelled handler may take to end before its slot is taken from it."""
    stop_deadline_s: float = 20.0
    """How long running handlers may finish after a stop; then their lanes are released unworked."""


class Executor:
    """Claims lanes and runs their turns, within bounds."""

    def __init__(
        self, turns: Turns, runner: TurnRunner, *, clock: Clock, metrics: Metrics, settings: ExecutorSettings
    ) -> None:
        self._turns = turns
        self._runner = runner
        self._clock = clock
        self._metrics = metrics
        self._settings = settings
        self._running: set[LeaseWork] = set()  # all that have a slot, until their last commit
        self._waiting: deque[LeaseWork] = deque()  # of those, the ones that no task has taken yet
        self._worker: asyncio.Task[None] | None = None
        self._free = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._depth = 1

    async def run(self) -> None:
        """Work until `stop`; then finish or release what runs, within the deadline."""
        watch = asyncio.create_task(self._watch())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            while not self._stopping.is_set():
                await self._claim_once(stopping)
        finally:
            stopping.cancel()
            await self._finish()
            watch.cancel()

    def stop(self) -> None:
        self._stopping.set()

    async def _claim_once(self, stopping: asyncio.Future[Any]) -> None:
        slots = self._settings.concurrency - len(self._running)
        if slots <= 0:
            self._free.clear()
            await _either(self._free.wait(), stopping)
            return
        limit = min(slots, self._settings.claim_max)
        try:
            leases = await self._turns.claim(limit, self._depth)
        except StoreUnavailable as error:
            log.error("claim.failed", error=str(error))
            await _either(self._clock.sleep(0.5), stopping)
            return
        if not leases:
            await _either(self._turns.ready(), stopping)
            return
        suspect = next((lease for lease in leases if self._runner.suspects(lease)), None)
        if suspect is not None:
            await self._run_alone(suspect, leases, stopping)
            return
        self._adapt(leases, limit)
        foreign = [lease for lease in leases if lease.bot_id not in self._runner.bots]
        if foreign:
            await self._set_aside(foreign)
            leases = [lease for lease in leases if lease.bot_id in self._runner.bots]
        self._start(leases)

    async def _run_alone(self, suspect: Lease, leases: list[Lease], stopping: asyncio.Future[Any]) -> None:
        """Run this lease while nothing else runs; what was claimed with it goes back, and all if others run still."""
        busy = bool(self._running)
        await self._release([lease for lease in leases if busy or lease is not suspect])
        if not busy:
            log.warning("lane.suspected", bot_id=suspect.bot_id, lane=suspect.lane, attempts=suspect.attempts)
            self._start([suspect])
        while self._running and not stopping.done():
            self._free.clear()
            await _either(self._free.wait(), stopping)

    def _adapt(self, leases: list[Lease], limit: int) -> None:
        """Few lanes with much in them: take more of each. Many lanes: take one of each, so that all move."""
        if len(leases) >= limit:
            self._depth = max(1, self._depth // 2)
        elif any(len(lease.entries) >= self._depth for lease in leases):
            self._depth = min(self._settings.depth_max, self._depth * 2)

    async def _set_aside(self, leases: list[Lease]) -> None:
        """Entries of a bot that this process does not serve: another may, so they wait and say so."""
        for bot_id in {lease.bot_id for lease in leases}:
            log.warning("lane.unserved", bot_id=bot_id, note="no bot with this id in posthouse.toml; its entries wait")
        await self._turns.settle([Settlement(lease, [], Effects(), delay_s=60.0) for lease in leases])

    def _start(self, leases: list[Lease]) -> None:
        now = self._clock.now()
        observe = self._metrics.queue_wait.observe
        for lease in leases:
            observe(max(0.0, now - lease.entries[0].received_at))
            work = self._runner.begin(lease)
            self._running.add(work)
            self._waiting.append(work)
        if self._worker is None:
            self._put_to_work()

    def _put_to_work(self) -> None:
        """Give what waits to a new task. When its first step is over, nothing waits any more, or a handler does."""
        if self._waiting:
            self._worker = self._loop.create_task(self._work_off())
            self._loop.call_soon(self._put_to_work)  # after that step
        else:
            self._worker = None

    async def _work_off(self) -> None:
        task = asyncio.current_task()
        while self._waiting and self._worker is task:
            await self._work(self._waiting.popleft(), task)

    async def _work(self, work: LeaseWork, task: asyncio.Task[None] | None) -> None:
        """Run one lease. Nobody waits for its last commit but its slot."""
        work.task = task
        try:
            last = await self._runner.run(work)
        except (asyncio.CancelledError, Exception) as error:
            await self._fail(work, error)
            return
        work.task = None
        if last is None:
            self._end(work)
        else:
            self._runner.commit_last(work, last, partial(self._committed, work, last))

    def _committed(self, work: LeaseWork, last: Settlement, error: BaseException | None) -> None:
        if error is None or isinstance(error, asyncio.CancelledError):
            self._end(work)
        else:
            work.task = self._loop.create_task(self._commit_again(work, last))

    async def _commit_again(self, work: LeaseWork, last: Settlement) -> None:
        try:
            await self._runner.commit(work, last)
        except (asyncio.CancelledError, Exception) as error:
            await self._fail(work, error)
        else:
            self._end(work)

    async def _fail(self, work: LeaseWork, error: BaseException) -> None:
        """End a lease whose run ended in an error. What was not committed runs again, perhaps elsewhere."""
        try:
            if not isinstance(error, asyncio.CancelledError):  # by a stop, or because the lease was lost
                log.error(
                    "lease.failed",
                    bot=work.bot.name,
                    lane=work.lease.lane,
                    error=repr(error),
                    traceback="".join(traceback.format_exception(error)),
                )
                await self._clock.sleep(1.0)  # the platform's own trouble: not in a tight loop
                await self._release([work.lease])
        finally:
            self._end(work)

    def _end(self, work: LeaseWork) -> None:
        work.task = None
        self._running.discard(work)
        self._free.set()

    async def _watch(self) -> None:
        extend_s = self._settings.lease_ttl_s / 3
        extended_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._settings.watch_s)
            now = self._clock.monotonic()
            for work in list(self._running):
                if now > work.deadline + self._settings.grace_s and work.task is not None:
                    self._abandon(work)
                elif now > work.deadline and work.task is not None:
                    work.timed_out = True
                    work.task.cancel()
            if now - extended_at >= extend_s and self._running:
                extended_at = now
                await self._extend()

    async def _extend(self) -> None:
        works = {id(work.lease): work for work in self._running}
        try:
            lost = await self._turns.extend([work.lease for work in works.values()])
        except StoreUnavailable as error:
            log.error("extend.failed", error=str(error))
            return
        for lease in lost:
            work = works[id(lease)]
            if work in self._running:
                work.lost = True
                if work.task is not None:
                    work.task.cancel()
                self._metrics.fenced.labels("extend").inc()

    def _abandon(self, work: LeaseWork) -> None:
        """Take the slot from a handler that ignores its cancellation. Its lease runs out; its commit will be fenced."""
        log.error(
            "handler.ignores_cancel",
            bot=work.bot.name,
            lane=work.lease.lane,
            note="it swallows CancelledError; its lane goes on when the lease has run out",
        )
        self._running.discard(work)
        self._free.set()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(self._settings.stop_deadline_s):
                while self._running:
                    self._free.clear()
                    await self._free.wait()
        except TimeoutError:
            late = list(self._running)
            tasks = [work.task for work in late if work.task is not None]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=1.0)
            log.warning("executor.released", lanes=len(late))
            await self._release([work.lease for work in late])

    async def _release(self, leases: list[Lease]) -> None:
        try:
            await self._turns.release(leases)
        except StoreUnavailable as error:
            log.error("release.failed", error=str(error), note="the lanes go on when their leases have run out")


async def _either(waiting: object, stopping: asyncio.Future[Any]) -> None:
    """Wait for something or for the stop, whichever comes first."""
    task = asyncio.ensure_future(waiting)  # type: ignore[call-overload]
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not task.done():
            task.cancel()
    if task.done() and not task.cancelled():
        task.result()
