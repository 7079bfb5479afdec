"""Sessions, history and changes as bytes. A session begins with where it is: a script compares without reading it."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import TypeAlias

import msgspec

from posthouse.core.sessions import SessionEvent, SessionRecord

_encoder = msgspec.msgpack.Encoder()
_record = msgspec.msgpack.Decoder(SessionRecord)
_event = msgspec.msgpack.Decoder(SessionEvent)


def place(state: str, rev: int) -> bytes:
    """How a stored session begins that is in `state` with `rev`. No other state and rev begin so."""
    name = state.encode()
    return b"%d %d %b\n" % (rev, len(name), name)


def pack_session(record: SessionRecord) -> bytes:
    return place(record.state, record.rev) + _encoder.encode(record)


def read_session(stored: bytes) -> SessionRecord:
    _, length, rest = stored.split(b" ", 2)
    return _record.decode(rest[int(length) + 1 :])


def pack_event(event: SessionEvent) -> bytes:
    return _encoder.encode(event)


def read_event(stored: bytes) -> SessionEvent:
    return _event.decode(stored)


Nested: TypeAlias = "str | bytes | Sequence[Nested]"


def pack_for_script(value: Nested) -> bytes:
    """Nested lists of texts and bytes for Redis's `cmsgpack`, whose MessagePack does not tell the two apart."""
    if isinstance(value, str):
        value = value.encode()
    size = len(value)
    if isinstance(value, bytes):
        return _head(size, 0xA0, 32, 0xDA) + value
    return _head(size, 0x90, 16, 0xDC) + b"".join(map(pack_for_script, value))


def _head(size: int, short: int, shorts: int, long: int) -> bytes:
    """The kind and length of what follows: in one byte, or in three or five."""
    if size < shorts:
        return bytes((short | size,))
    return pack(">BH", long, size) if size < 65_536 else pack(">BI", long + 1, size)
