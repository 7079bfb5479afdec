"""Sound and film: duration, tags and dimensions, as far as a header tells them cheaply.

WAV, OGG, Opus, MP3, FLAC and M4A by tinytag, MP4 by its boxes. WebM is not read: its facts are those that the
sender states.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tinytag import TinyTag, TinyTagException


@dataclass(frozen=True, slots=True)
class Recording:
    """What a header said; 0 and empty when it did not."""

    duration_s: int = 0
    width: int = 0
    height: int = 0
    title: str = ""
    performer: str = ""


def probe(data: bytes) -> Recording:
    """Read the header; never fails."""
    if data[4:8] == b"ftyp":
        film = _film(data)
        if film.width:
            return film
    try:
        tag = TinyTag.get(file_obj=io.BytesIO(data))
    except (TinyTagException, OSError, ValueError, IndexError, KeyError, struct.error):
        return Recording()
    return Recording(round(tag.duration or 0), title=tag.title or "", performer=tag.artist or "")


_CONTAINERS = {b"moov", b"trak"}


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box, containers before what is in them."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= end:
            size, header = struct.unpack_from(">Q", data, start + 8)[0], 16
        stop = end if size == 0 else min(end, start + size)
        if stop < start + header:
            return
        yield name, start + header, stop
        if name in _CONTAINERS:
            yield from _boxes(data, start + header, stop)
        start = stop


def _film(data: bytes) -> Recording:
    duration_s, width, height = 0, 0, 0
    try:
        for name, start, end in _boxes(data, 0, len(data)):
            if name == b"mvhd":
                scale, length = struct.unpack_from(
                    ">IQ" if data[start] else ">II", data, start + (20 if data[start] else 12)
                )
                duration_s = round(length / scale) if scale else 0
            elif name == b"tkhd" and not width:
                width, height = (side >> 16 for side in struct.unpack_from(">II", data, end - 8))
    except struct.error:
        pass
    return Recording(duration_s, width, height)
