"""What every blob store promises."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from posthouse.adapters.blobs.bucket import BucketBlobs
from posthouse.adapters.blobs.folder import FolderBlobs
from posthouse.core.errors import NotFound
from posthouse.ports.blobs import Blobs
from posthouse.testing.clock import ManualClock

MISSING = hashlib.sha256(b"never stored").hexdigest()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(start=time.time())  # buckets stamp with their own clock, which is the real one


@pytest.fixture(params=["folder", "bucket in memory", "bucket by url"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Blobs:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "made" / "blobs", clock=clock)
    if request.param == "bucket in memory":
        return BucketBlobs(MemoryStore(), clock=clock)
    return BucketBlobs.at(tmp_path.as_uri(), clock=clock)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def read(blobs: Blobs, key: str, chunk_bytes: int = 262_144) -> list[bytes]:
    return [chunk async for chunk in blobs.read(key, chunk_bytes=chunk_bytes)]


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 5000])
async def test_what_was_put_can_be_read(blobs: Blobs, body: bytes) -> None:
    """Bytes come back as they went in, under the SHA-256 of them."""
    key = await blobs.put(body)
    assert key == hashlib.sha256(body).hexdigest()
    assert await blobs.size_bytes(key) == len(body)
    assert b"".join(await read(blobs, key)) == body


async def test_a_stream_has_the_key_of_its_bytes(blobs: Blobs) -> None:
    """However the bytes are cut, the same bytes have the same key."""
    parts = [b"a" * 300_000, b"", b"b", b"c" * 70_000]
    key = await blobs.put(pieces(*parts))
    assert key == await blobs.put(b"".join(parts))
    assert b"".join(await read(blobs, key)) == b"".join(parts)


async def test_reading_is_in_chunks(blobs: Blobs) -> None:
    """A blob larger than a chunk is never handed out at once."""
    key = await blobs.put(bytes(1_000_000))
    chunks = await read(blobs, key, chunk_bytes=100_000)
    assert len(chunks) > 1
    assert sum(map(len, chunks)) == 1_000_000


@pytest.mark.parametrize("key", [MISSING, "", "../../etc/passwd", "AB" * 32, "incoming"])
async def test_what_is_not_there_is_not_found(blobs: Blobs, key: str) -> None:
    """An unknown key, or what is no key at all, is NotFound."""
    with pytest.raises(NotFound):
        await blobs.size_bytes(key)
    with pytest.raises(NotFound):
        await read(blobs, key)


async def test_a_broken_stream_stores_nothing(blobs: Blobs, tmp_path: Path) -> None:
    """When the source fails its error is passed on, and nothing is left behind."""

    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError, match="went away"):
        await blobs.put(breaking())
    assert files_in(tmp_path) == []


async def test_many_puts_at_once(blobs: Blobs) -> None:
    """Ten callers who bring the same bytes, and ten others, all get keys that can be read."""
    bodies = [b"same"] * 10 + [b"%d" % number for number in range(10)]
    keys = await asyncio.gather(*(blobs.put(pieces(body)) for body in bodies))
    assert len(set(keys)) == 11
    for key, body in zip(keys, bodies, strict=True):
        assert b"".join(await read(blobs, key)) == body


async def test_old_blobs_are_pruned(blobs: Blobs, clock: ManualClock) -> None:
    """Pruning deletes what was put longer ago than that, and says how many."""
    old = [await blobs.put(b"%d" % number) for number in range(3)]
    assert await blobs.prune(older_than_s=3600) == 0
    clock.advance(7200)
    assert await blobs.prune(older_than_s=3600) == 3
    for key in old:
        with pytest.raises(NotFound):
            await blobs.size_bytes(key)
    assert await blobs.prune(older_than_s=3600) == 0


async def test_putting_again_makes_young(tmp_path: Path, clock: ManualClock) -> None:
    """The same bytes put again are kept from then on: somebody needs them."""
    blobs = FolderBlobs(tmp_path, clock=clock)  # a bucket's clock cannot be moved
    key = await blobs.put(b"logo")
    clock.advance(7200)
    assert await blobs.put(b"logo") == key
    assert await blobs.prune(older_than_s=3600) == 0
    assert await blobs.size_bytes(key) == 4


async def test_what_a_crash_left_is_pruned(tmp_path: Path, clock: ManualClock) -> None:
    """A file that never got its name goes with the old blobs."""
    blobs = FolderBlobs(tmp_path, clock=clock)
    await blobs.put(b"x")
    stray = tmp_path / "incoming" / "stray"
    stray.write_bytes(b"half")
    clock.advance(7200)
    assert await blobs.prune(older_than_s=3600) == 1
    assert not stray.exists()
