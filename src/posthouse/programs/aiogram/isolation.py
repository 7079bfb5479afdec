"""Event isolation for a hosted Dispatcher: inside a turn the lane has already put everything in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager

from aiogram.fsm.storage.base import BaseEventIsolation, StorageKey

from posthouse.programs.aiogram.hosted import current


class KeyLocks:
    """One asyncio lock per key, kept only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncGenerator[None, None]:
        lock, holders = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = (lock, holders + 1)
        try:
            async with lock:
                yield
        finally:
            lock, holders = self._locks.pop(key)
            if holders > 1:
                self._locks[key] = (lock, holders - 1)


class LaneIsolation(BaseEventIsolation):
    """Locks nothing inside a turn, where the lane serialises; outside (tests, own tasks) it locks the key.

    Replaces aiogram's Simple isolation, which keeps a lock for every key it ever saw, and the Redis one,
    whose 60 s limit turns a long handler into a failed update.
    """

    def __init__(self) -> None:
        self.locks = KeyLocks()

    @asynccontextmanager
    async def lock(self, key: StorageKey) -> AsyncGenerator[None, None]:
        hosted = current.get()
        if hosted is not None and not hosted.ended:
            yield
            return
        async with self.locks.hold(key):
            yield

    async def close(self) -> None:
        """Nothing to close: locks in use belong to their holders."""
