"""Blobs: files on their way to Telegram, kept until they are sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol


class Blobs(Protocol):
    async def put(self, chunks: AsyncIterator[bytes] | bytes) -> str:
        """Keep the bytes durably and return their key (the hex SHA-256): the same bytes have the same key."""
        ...

    async def size_bytes(self, key: str) -> int:
        """Raises `NotFound`."""
        ...

    def read(self, key: str, *, chunk_bytes: int = 262_144) -> AsyncIterator[bytes]:
        """Stream the bytes. Raises `NotFound`."""
        ...

    async def prune(self, *, older_than_s: float) -> int:
        """Delete blobs that were put longer ago than this; returns how many."""
        ...
