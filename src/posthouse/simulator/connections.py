"""How carefully the server opens connections to a webhook (facts, 3.7).

While deliveries succeed, up to 10 new connections in any half second. After 10 seconds without a success only one
connection is wanted, and at most one new one is tried in 2 seconds: a receiver that was down gets its backlog
through a needle's eye first. Pure: times are passed in.
"""

from __future__ import annotations

from posthouse.simulator.clock import TICK_S
from posthouse.simulator.floods import Window

QUIET_S = 10.0


class Connections:
    """The connections of one webhook: how many there are, how many are busy, and when another may be opened."""

    def __init__(self, most: int, now: float) -> None:
        self.most = most
        self.open = 0
        self.busy = 0
        self._success_at = now
        self._healthy = Window(10, 0.5)
        self._careful = Window(1, 2.0)

    def take(self, now: float) -> bool:
        """Take an idle connection, or a new one if it may be opened; False when there is none to be had."""
        if self.busy == self.open:
            if self.open >= self._wanted(now) or self._window(now).wait_s(now) > TICK_S:
                return False
            self._window(now).spend(now)
            self.open += 1
        self.busy += 1
        return True

    def give_back(self, *, kept: bool) -> None:
        """The delivery is over; the connection is kept alive, or closed."""
        self.busy -= 1
        self.open -= not kept

    def succeeded(self, now: float) -> None:
        self._success_at = now

    def opening_at(self, now: float) -> float | None:
        """When another may be opened, as far as time decides that; else None: somebody must give one back."""
        if self.busy < self.open or self.open >= self._wanted(now):
            return None
        return now + self._window(now).wait_s(now)

    def _wanted(self, now: float) -> int:
        return self.most if self._is_healthy(now) else 1

    def _window(self, now: float) -> Window:
        return self._healthy if self._is_healthy(now) else self._careful

    def _is_healthy(self, now: float) -> bool:
        return now - self._success_at <= QUIET_S
