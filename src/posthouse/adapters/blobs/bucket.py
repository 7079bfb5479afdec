"""Blobs in a bucket (S3 and what speaks its language, GCS, Azure) through obstore.

A stream's key is known only at its end, so it is spooled to a temporary file of this machine, hashed on the
way, and then uploaded under its key: one upload, no rename, and nothing half-finished when the source fails.
An upload is durable when it returns. Uploading the same bytes again makes the blob young again for `prune`.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import obstore
from obstore.store import ObjectStore, from_url

from posthouse.core.errors import NotFound
from posthouse.ports.clock import Clock, SystemClock

_DELETE_BATCH = 1_000


class BucketBlobs:
    """`Blobs` in an object store; `BucketBlobs.at("s3://bucket/path", …)` takes obstore's own settings."""

    def __init__(self, store: ObjectStore, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()

    @classmethod
    def at(cls, url: str, *, clock: Clock | None = None, **settings: Any) -> BucketBlobs:
        """The bucket at a URL; credentials come from the environment when they are not in `settings`."""
        return cls(from_url(url, **settings), clock=clock)

    async def put(self, chunks: AsyncIterator[bytes] | bytes) -> str:
        if isinstance(chunks, bytes):
            key = hashlib.sha256(chunks).hexdigest()
            await obstore.put_async(self._store, _path(key), chunks)
            return key
        with tempfile.NamedTemporaryFile(prefix="posthouse-blob-") as spool:
            digest = hashlib.sha256()
            async for chunk in chunks:
                digest.update(chunk)
                await asyncio.to_thread(spool.write, chunk)
            await asyncio.to_thread(spool.flush)
            key = digest.hexdigest()
            await obstore.put_async(self._store, _path(key), Path(spool.name))
            return key

    async def size_bytes(self, key: str) -> int:
        try:
            return int((await obstore.head_async(self._store, _path(key)))["size"])
        except FileNotFoundError:
            raise NotFound(f"there is no blob {key}") from None

    async def read(self, key: str, *, chunk_bytes: int = 262_144) -> AsyncIterator[bytes]:
        try:
            found = await obstore.get_async(self._store, _path(key))
        except FileNotFoundError:
            raise NotFound(f"there is no blob {key}") from None
        async for piece in found.stream(chunk_bytes):  # at least that large, and some stores give all at once
            for start in range(0, len(piece), chunk_bytes):
                yield bytes(piece[start : start + chunk_bytes])

    async def prune(self, *, older_than_s: float) -> int:
        before = self._clock.now() - older_than_s
        gone = 0
        async for page in obstore.list(self._store, chunk_size=_DELETE_BATCH):
            old = [meta["path"] for meta in page if meta["last_modified"].timestamp() < before]
            if old:
                await obstore.delete_async(self._store, old)
                gone += len(old)
        return gone


def _path(key: str) -> str:
    if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
        raise NotFound(f"{key!r} is not the key of a blob")
    return f"{key[:2]}/{key}"
