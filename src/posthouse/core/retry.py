"""When to try again: exponential back-off with full jitter above a floor, and a cap on attempts."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try. All times in seconds."""

    attempts_max: int = 5
    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 300.0

    def exhausted(self, attempts: int) -> bool:
        """True when `attempts` tries (this one included) are all that are allowed."""
        return attempts >= self.attempts_max

    def delay_s(self, attempts: int, *, chance: float | None = None) -> float:
        """The wait after try number `attempts` (1 = the first): half fixed, half random, so that herds spread.

        `chance` in [0, 1) replaces the random draw.
        """
        exponent = min(max(0, attempts - 1), 64)  # beyond that every cap is reached, and floats end
        ceiling = min(self.cap_s, self.base_s * self.factor**exponent)
        return ceiling * (0.5 + 0.5 * (random.random() if chance is None else chance))
