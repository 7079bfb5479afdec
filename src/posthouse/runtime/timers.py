"""Timers: entries that were asked for later are moved into their lanes when they come due.

One loop for the whole process. It sleeps until the next timer is due, never longer than `idle_max_s`, because
another process may have committed a nearer one; whoever commits a timer here calls `nudge`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

import structlog

from posthouse.core.errors import StoreUnavailable
from posthouse.ports.clock import Clock
from posthouse.ports.store import Jobs
from posthouse.runtime.metrics import Metrics

log = structlog.get_logger("posthouse.timers")


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """How timers are watched. Times in seconds."""

    idle_max_s: float = 1.0  # the longest sleep: how late another process's timer may be seen
    limit: int = 500  # timers moved in one commit


class Timers:
    """Fires due timers until it is stopped. Any number of processes may run one."""

    def __init__(self, jobs: Jobs, *, clock: Clock, metrics: Metrics, settings: TimerSettings | None = None) -> None:
        self._jobs = jobs
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or TimerSettings()
        self._nudged = asyncio.Event()
        self._stopping = False

    def nudge(self) -> None:
        """A timer was committed: look again at once, for it may be due before the next one known."""
        self._nudged.set()

    async def run(self) -> None:
        """Fire timers until `stop`. What the store cannot do now is tried again."""
        while not self._stopping:
            wait_s = await self._fire()
            if wait_s > 0:
                await first_of(self._clock.sleep(wait_s), self._nudged.wait())
            self._nudged.clear()

    async def stop(self, deadline_s: float = 0.0) -> None:
        """Fire no more. A commit on its way is finished by `run`."""
        self._stopping = True
        self._nudged.set()

    async def _fire(self) -> float:
        """Move what is due; returns how long to sleep."""
        idle_s, limit = self._settings.idle_max_s, self._settings.limit
        try:
            moved, next_s = await self._jobs.fire_timers(limit)
        except StoreUnavailable as error:
            log.warning("timers.postponed", error=str(error))
            return idle_s
        except Exception:
            log.exception("timers.failed")
            return idle_s
        if moved:
            self._metrics.timers_fired.inc(moved)
        if moved >= limit:
            return 0.0
        # A timer that is due and yet did not move must not make a busy loop.
        return idle_s if next_s is None else min(max(next_s, 0.01), idle_s)


async def first_of(*waits: Awaitable[object]) -> None:
    """Wait until the first of these ends, raise what it raised, and cancel the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
