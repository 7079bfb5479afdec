"""Stowing: files that a turn or job wants to send go to the blob store before the commit that names them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import msgspec

from posthouse.core.errors import Terminal
from posthouse.ports.blobs import Blobs
from posthouse.programs.actions import Actions, Kept
from posthouse.telegram.files import blob_field

CHUNK_BYTES = 1024 * 1024
UPLOAD_BYTES_MAX = 50 * 1024 * 1024


class Stow:
    """Moves the uploads of one turn or job into the blob store and names them in its deliveries."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def __call__(self, actions: Actions) -> None:
        """Raises `Terminal` when a file is missing, unreadable or larger than Telegram's 50 MB."""
        for upload in actions.uploads or ():
            parameters = msgspec.json.decode(upload.delivery.payload)
            *way, last = upload.path
            place = parameters
            for step in way:
                place = place[step]
            filename = place[last]
            if isinstance(upload.source, bytes):
                _check(filename, len(upload.source))
                key = await self._blobs.put(upload.source)
            elif isinstance(upload.source, Kept):
                key = upload.source.key
            else:
                key = await self._put_file(upload.source)
            place[last] = blob_field(key, filename)
            upload.delivery.payload = msgspec.json.encode(parameters)
        actions.uploads = None

    async def _put_file(self, path: Path) -> str:
        try:
            _check(str(path), (await asyncio.to_thread(path.stat)).st_size)
            with await asyncio.to_thread(path.open, "rb") as file:
                return await self._blobs.put(_chunks(file))
        except OSError as error:
            raise Terminal(f"document({str(path)!r}): {error.strerror or error}", reason="file") from error


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


def _check(name: str, size_bytes: int) -> None:
    if size_bytes > UPLOAD_BYTES_MAX:
        raise Terminal(
            f"document({name!r}): {size_bytes} bytes are more than Telegram's limit of 50 MB; send a link instead",
            reason="file",
        )
