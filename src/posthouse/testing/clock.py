"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class ManualClock:
    """A `Clock` whose time passes only in `advance`; its `sleep` ends when the time it waits for has come.

    `now` and `monotonic` may be read from any thread; `advance` and `sleep` belong to the event loop.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._start = start
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Epoch seconds."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._now - self._start

    @property
    def sleepers(self) -> int:
        """How many tasks wait in `sleep`: a test's signal that everybody has come to rest."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    async def sleep(self, delay_s: float) -> None:
        """Wait until the clock has been moved by `delay_s`; at <= 0 only for a turn of the loop."""
        if delay_s <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + delay_s, next(self._order), waiter))
        await waiter

    def advance(self, seconds: float) -> None:
        """Move the time on and wake, in the order of their deadlines, the sleepers whose time has come."""
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds})")
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                waiter.set_result(None)
