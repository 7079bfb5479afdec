"""The simulator's time, as an argument.

Everything that has to do with Telegram's time (lifetimes, the retry schedule, flood budgets, long polls)
asks a `Clock`. A test hands in a `MovableClock` and replays 24 hours of retries in milliseconds. What is
deliberately *not* on this clock: how long a test is willing to wait (`/sim/v1/…/wait`), which is real time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
TICK_S = 1e-6
"""Two times closer than this are the same; sums of floats near 2e9 are no more exact."""


class Clock(Protocol):
    """Tells the time in seconds since 1970 and lets it pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float, /) -> None: ...


class RealClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(max(0.0, seconds))


class MovableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float, /) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), waking))
        await waking

    async def advance(self, seconds: float) -> None:
        """Move time on, waking sleepers in the order of their deadlines, each at its own moment."""
        target = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, waking = heapq.heappop(self._sleepers)
            if waking.done():  # its sleeper was cancelled
                continue
            self._now = max(self._now, due)
            waking.set_result(None)
            await asyncio.sleep(0)  # lets the sleeper act before time goes on
        self._now = target


async def sleep_until(clock: Clock, moment: float) -> None:
    """Sleep until that time, however far the clock was moved before this coroutine got to run."""
    while (rest_s := moment - clock.now()) > TICK_S:
        await clock.sleep(rest_s)


async def within(clock: Clock, seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, or raise TimeoutError after that many seconds of this clock."""
    task = asyncio.ensure_future(work)
    limit = asyncio.ensure_future(sleep_until(clock, clock.now() + seconds))
    try:
        await asyncio.wait({task, limit}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError
        return await task
    finally:
        limit.cancel()
        if not task.done():
            task.cancel()
