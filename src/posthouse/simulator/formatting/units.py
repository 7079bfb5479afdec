"""How text is measured: characters for limits, UTF-16 code units for entities, bytes in errors."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

Entity = dict[str, Any]
SPACES = " \t\r\n\v"
"""What the server's parsers take for white space."""


class Unparsable(Exception):
    """The text breaks the rules of its parse_mode; the message is the server's."""


def utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def byte_offset(text: str, index: int) -> int:
    """How many bytes of UTF-8 stand before the character at `index`."""
    return len(text[:index].encode("utf-8", "surrogatepass"))


def utf16_units(text: str) -> Sequence[int]:
    """The code units of the text, to be indexed with offsets of entities."""
    return text.encode() if text.isascii() else array("H", text.encode("utf-16-le", "surrogatepass"))


def utf16_slice(text: str, offset: int, length: int) -> str:
    """The part of a text that an entity covers."""
    if text.isascii():
        return text[offset : offset + length]
    encoded = text.encode("utf-16-le", "surrogatepass")
    return encoded[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def end_of(entity: Entity) -> int:
    offset, length = entity["offset"], entity["length"]
    return int(offset + length)
