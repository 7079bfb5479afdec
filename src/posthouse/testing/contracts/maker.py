"""What the contract suite needs of an adapter: open stores on one set of data, crash one, let time pass."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

import pytest

from posthouse.ports.store import Store


class Lack(StrEnum):
    """What an adapter declares that it does not do. The suite skips those tests, and says why."""

    SHARING = "one process at a time may open the data"
    LEASE_EXPIRY = "leases live as long as their process"
    CRASHING = "a crash cannot be simulated"


class StoreMaker(Protocol):
    """Opens stores on one set of data, empty at first. A test may hold several at once, living or crashed.

    `lease_ttl_s` is how long a lane or a delivery stays leased without `extend`. `lacks` is what the adapter
    declares that it does not do.
    """

    name: str
    lease_ttl_s: float
    lacks: frozenset[Lack]

    async def open(self) -> Store:
        """An open store on the data."""
        ...

    async def crash(self, store: Store) -> None:
        """Abandon the store as a killed process would: nothing is released, nothing is finished.

        The object may still be called, like a process that was frozen and thaws: it must be fenced.
        """
        ...

    async def elapse(self, seconds: float) -> None:
        """Let time pass for the data, at once."""
        ...

    async def close(self) -> None:
        """Close what is open and remove the data."""
        ...

    def stall(self, connection: Any) -> None:
        """Keep a turn's transaction busy for longer than 0.1 s; called inside a function given to `run`."""
        ...


def need(maker: StoreMaker, *capabilities: Lack) -> None:
    """Skip the calling test, loudly, when the adapter declares that it lacks one of these."""
    for capability in capabilities:
        if capability in maker.lacks:
            pytest.skip(f"{maker.name}: {capability.value}")


async def reopened(maker: StoreMaker, store: Store) -> Store:
    """Crash the store, open another on the same data, and free what the crashed one held."""
    need(maker, Lack.CRASHING)
    await maker.crash(store)
    successor = await maker.open()
    await successor.upkeep.reap()
    return successor
