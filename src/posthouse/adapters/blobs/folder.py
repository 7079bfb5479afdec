"""Blobs in a folder of this machine, durable when `put` returns.

    <folder>/ab/abcdef…          a blob, named by its SHA-256
    <folder>/incoming/<random>   a blob on its way in; what a crash leaves here is pruned like any old blob

Bytes go to `incoming`, are flushed to the disk, and get their name by a rename: a blob is whole or absent.
Putting the same bytes again renames over the old file, which also makes it young again for `prune`.

Written with the standard library: obstore's `LocalStore` (0.12) renames without fsync, so a power cut could
leave an empty file under a committed delivery. All file work happens in threads, a chunk at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from posthouse.core.errors import NotFound
from posthouse.ports.clock import Clock, SystemClock

_INCOMING = "incoming"


class FolderBlobs:
    """`Blobs` in a folder, which is made when it is missing. One process prunes at a time."""

    def __init__(self, folder: Path | str, *, clock: Clock | None = None) -> None:
        self._folder = Path(folder)
        self._clock = clock or SystemClock()
        self._moving = threading.Lock()  # a prune never deletes what a put renews in the same moment

    async def put(self, chunks: AsyncIterator[bytes] | bytes) -> str:
        """Keep the bytes durably and return their SHA-256; nothing is left behind when the stream fails."""
        arrival = _Arrival(await asyncio.to_thread(self._open_incoming))
        try:
            if isinstance(chunks, bytes):
                await asyncio.to_thread(arrival.write, chunks)
            else:
                async for chunk in chunks:
                    await asyncio.to_thread(arrival.write, chunk)
            return await asyncio.to_thread(self._publish, arrival)
        finally:
            await asyncio.to_thread(arrival.discard)

    async def size_bytes(self, key: str) -> int:
        try:
            return (await asyncio.to_thread(os.stat, self._path(key))).st_size
        except FileNotFoundError:
            raise NotFound(f"there is no blob {key}") from None

    async def read(self, key: str, *, chunk_bytes: int = 262_144) -> AsyncIterator[bytes]:
        """Stream the bytes; a blob that is pruned meanwhile is still read to its end."""
        try:
            file = await asyncio.to_thread(open, self._path(key), "rb", buffering=0)
        except FileNotFoundError:
            raise NotFound(f"there is no blob {key}") from None
        try:
            while chunk := await asyncio.to_thread(file.read, chunk_bytes):
                yield chunk
        finally:
            file.close()

    async def prune(self, *, older_than_s: float) -> int:
        return await asyncio.to_thread(self._prune, self._clock.now() - older_than_s)

    def _path(self, key: str) -> Path:
        if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
            raise NotFound(f"{key!r} is not the key of a blob")
        return self._folder / key[:2] / key

    def _open_incoming(self) -> BinaryIO:
        incoming = self._folder / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        return open(incoming / uuid.uuid4().hex, "xb", buffering=0)

    def _publish(self, arrival: _Arrival) -> str:
        """Flush the file, stamp it with our clock, and give it its name."""
        key = arrival.digest.hexdigest()
        path = self._path(key)
        os.fsync(arrival.file.fileno())
        arrival.file.close()
        now = self._clock.now()
        os.utime(arrival.path, (now, now))
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _flush_folder(self._folder)
        with self._moving:
            os.replace(arrival.path, path)
        _flush_folder(path.parent)
        return key

    def _prune(self, before: float) -> int:
        gone = 0
        for path in self._folder.glob("*/*"):
            with self._moving:
                try:
                    if path.stat().st_mtime < before:
                        path.unlink()
                        gone += path.parent.name != _INCOMING
                except FileNotFoundError:  # published or pruned by somebody else
                    pass
        return gone


class _Arrival:
    """A file being written, and the digest of what was written so far."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.path = Path(file.name)
        self.digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.digest.update(chunk)
        view = memoryview(chunk)
        while view:  # a raw file may take less than it is given
            view = view[self.file.write(view) :]

    def discard(self) -> None:
        """Close, and delete what was not published."""
        self.file.close()
        self.path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make renames in the folder durable; where folders cannot be opened (Windows) the system does it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
