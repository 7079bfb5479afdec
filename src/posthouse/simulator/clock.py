"""The simulator's time, as an argument.

Everything that has to do with Telegram's time (lifetimes, the retry schedule, flood budgets, long polls)
asks a `Clock`. A test hands in a `MovableClock` and replays 24 hours of retries in milliseconds; over HTTP
`POST /sim/v1/clock` moves it, stops it, or lets it run faster. What is deliberately *not* on this clock: how long
a test is willing to wait (`/sim/v1/…/wait`), which is real time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
TICK_S = 1e-6
"""Two times closer than this are the same; sums of floats near 2e9 are no more exact."""
RATE_MAX = 1_000_000.0


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
    """A clock that stands still until it is moved, or that runs `rate` times as fast as real time."""

    def __init__(self, start: float = 1_800_000_000.0, *, rate: float = 0.0) -> None:
        self.rate = _checked_rate(rate)
        self._now = start
        self._real = time.time()
        """The real time at which it was `_now`."""
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._many = 1000
        self._alarm: asyncio.TimerHandle | None = None

    @classmethod
    def running(cls) -> MovableClock:
        """Real time, until somebody moves it."""
        return cls(time.time(), rate=1.0)

    def now(self) -> float:
        if self.rate == 0.0:
            return self._now
        return self._now + (time.time() - self._real) * self.rate

    async def sleep(self, seconds: float, /) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(self._sleepers) > self._many:
            self._forget_cancelled()
        heapq.heappush(self._sleepers, (self.now() + seconds, next(self._order), waking))
        if self._sleepers[0][2] is waking:
            self._set_alarm()
        await waking

    async def advance(self, seconds: float, *, rest: Callable[[], Awaitable[None]] | None = None) -> None:
        """Move time on, waking sleepers in the order of their deadlines, each at its own moment.

        `rest` is awaited at each of those moments, until what was woken has come to rest. The clock stands still
        meanwhile. Raises ValueError for less than nothing: time does not go back.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"time does not go back: advance({seconds})")
        rate = self.rate
        self.set(self.now(), 0.0)
        target = self._now + seconds
        try:
            while self._sleepers and self._sleepers[0][0] <= target:
                due, _, waking = heapq.heappop(self._sleepers)
                if waking.done():  # its sleeper was cancelled
                    continue
                self._now = max(self._now, due)
                waking.set_result(None)
                await asyncio.sleep(0)  # lets the sleeper act before time goes on
                if rest is not None and not (self._sleepers and self._sleepers[0][0] <= self._now + TICK_S):
                    await rest()
        finally:
            self.set(max(self._now, target), rate)

    def set(self, now: float, rate: float) -> None:
        """Begin at a moment with a rate; 0 stops the clock. Sleepers that are due by then wake."""
        self._now, self._real, self.rate = now, time.time(), _checked_rate(rate)
        self._set_alarm()

    def _forget_cancelled(self) -> None:
        """Most sleeps are limits that were not reached; they would stay until their time comes."""
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[2].done()]
        heapq.heapify(self._sleepers)
        self._many = max(1000, 2 * len(self._sleepers))

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if self.rate > 0.0 and self._sleepers:
            loop = self._sleepers[0][2].get_loop()
            wait_s = max(0.0, self._sleepers[0][0] - self.now()) / self.rate
            self._alarm = loop.call_later(min(wait_s, 86_400.0), self._wake_due)

    def _wake_due(self) -> None:
        self._alarm = None
        now = self.now()
        while self._sleepers and self._sleepers[0][0] <= now + TICK_S:
            waking = heapq.heappop(self._sleepers)[2]
            if not waking.done():
                waking.set_result(None)
        self._set_alarm()


async def sleep_until(clock: Clock, moment: float) -> None:
    """Sleep until that time, however far the clock was moved before this coroutine got to run."""
    while (rest_s := moment - clock.now()) > TICK_S:
        await clock.sleep(rest_s)


async def rung_or_due(clock: Clock, ring: asyncio.Future[None], due_at: float | None) -> None:
    """Wait for the ring of a bell or for that moment, whichever comes first; None is no moment."""
    if due_at is None:
        await ring
        return
    due = asyncio.ensure_future(sleep_until(clock, due_at))
    try:
        await asyncio.wait({ring, due}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        due.cancel()


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


def _checked_rate(rate: float) -> float:
    if not 0.0 <= rate <= RATE_MAX:
        raise ValueError(f"a clock runs 0 to {RATE_MAX:,.0f} times as fast as real time, not {rate}")
    return rate
