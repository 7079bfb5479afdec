"""Keeping the newest of what comes for ever, so that a town that runs for weeks does not fill the memory."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def keep_newest(kept: dict[K, V], key: K, value: V, count_max: int) -> V | None:
    """Put a value into the mapping as its newest; return the oldest if it had to go."""
    kept.pop(key, None)
    kept[key] = value
    return kept.pop(next(iter(kept))) if len(kept) > count_max else None
