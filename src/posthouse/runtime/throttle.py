"""How much one person or one address may send in (S2-15): a budget each, in memory, forgotten when full again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` calls a second after a burst of `burst`; `per_s` 0 is no limit."""

    per_s: float = 0.0
    burst: int = 20


class Throttle(Generic[K]):
    """One number for each key that was seen lately (GCRA)."""

    KEYS_MAX = 100_000

    def __init__(self, rate: Rate) -> None:
        self._cost = 1.0 / rate.per_s if rate.per_s > 0 else 0.0
        self._slack = self._cost * (rate.burst - 1)
        self._arrivals: dict[K, float] = {}

    @property
    def on(self) -> bool:
        return self._cost > 0

    def wait_s(self, key: K, now: float) -> float:
        """0 and one call spent, or the seconds until the next call is allowed."""
        arrival = max(self._arrivals.get(key, 0.0), now)
        wait_s = arrival - self._slack - now
        if wait_s > 0:
            return wait_s
        if len(self._arrivals) >= self.KEYS_MAX:
            self._forget(now)
        self._arrivals[key] = arrival + self._cost
        return 0.0

    def _forget(self, now: float) -> None:
        self._arrivals = {key: arrival for key, arrival in self._arrivals.items() if arrival > now}
