"""How a turn ended. Outcomes are values; only `runtime.turn` makes them.

Done    committed, or ready to be
Retry   the entry runs again after `delay_s`
Dead    given up; `policy` says what becomes of the entry and its lane
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class OnDead(StrEnum):
    """What happens to a lane whose head has used up its attempts (S3-47)."""

    SKIP = "skip"  # bury the entry among the dead letters and go on
    HOLD = "hold"  # block the lane until an operator decides
    DROP = "drop"  # forget the entry and go on; counted, not kept


class Done(msgspec.Struct, frozen=True):
    """The turn did its work."""


class Retry(msgspec.Struct, frozen=True):
    """Try the entry again."""

    delay_s: float
    error: str


class Dead(msgspec.Struct, frozen=True):
    """Give the entry up."""

    error: str
    reason: str
    policy: OnDead = OnDead.SKIP


Outcome = Done | Retry | Dead
DONE = Done()
