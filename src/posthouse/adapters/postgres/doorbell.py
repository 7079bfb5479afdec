"""When to look for work: at once after this process made some, else at growing intervals."""

from __future__ import annotations

import asyncio


class Doorbell:
    """Wakes one waiting loop. Work made in this process rings it; work made elsewhere is found by polling.

    The interval doubles from `poll_min_s` to `poll_max_s` while nothing is found. When the database said how soon
    the next piece comes due (`expect`), the wait ends then.
    """

    def __init__(self, poll_min_s: float, poll_max_s: float) -> None:
        self._poll_min_s = poll_min_s
        self._poll_max_s = poll_max_s
        self._interval_s = 0.0
        self._expected_s: float | None = None
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """There is work, or somebody should look."""
        self._interval_s = 0.0
        self._rung.set()

    def found(self) -> None:
        """The last look found work, so there may be more: look again at once."""
        self.ring()

    def missed(self, next_s: float | None = None) -> None:
        """The last look found nothing; the next piece is due in `next_s` seconds, if that is known."""
        self._expected_s = next_s

    async def wait(self) -> None:
        """Return when it is time to look."""
        self._interval_s = min(max(self._interval_s * 2, self._poll_min_s), self._poll_max_s)
        wait_s = self._interval_s
        if self._expected_s is not None:
            wait_s, self._expected_s = min(wait_s, max(self._expected_s, 0.001)), None
        try:
            async with asyncio.timeout(wait_s):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()
