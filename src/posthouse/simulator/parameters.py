"""A call's arguments, read the lenient way the Bot API reads them.

A JSON value that is not a string stays what it is and counts as its raw JSON text, so `{"reply_markup": {…}}`
and the same object sent as a string are one and the same. Integers are read by prefix and clamped, booleans
are true for `true`, `yes` and `1`, unknown parameters are ignored. `bodies.py` reads them from a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

JSON_DEPTH_MAX = 100
_INTEGER_PREFIX = re.compile(r"\s*([+-]?[0-9]{1,40})")
_INT64 = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request."""

    name: str
    mime_type: str
    data: bytes


class Parameters:
    """The arguments of one call."""

    __slots__ = ("files", "values")

    def __init__(self, values: Mapping[str, object], files: Mapping[str, Upload] | None = None) -> None:
        self.values = values
        self.files = files or {}

    def has(self, name: str) -> bool:
        return name in self.values or name in self.files

    def text(self, name: str) -> str:
        """The value as text; empty when absent."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def integer(self, name: str, *, default: int = 0, low: int = -_INT64, high: int = _INT64) -> int:
        if name not in self.values:
            return default
        found = _INTEGER_PREFIX.match(self.text(name))
        return min(high, max(low, int(found[1]) if found else 0))

    def flag(self, name: str) -> bool:
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def json(self, name: str) -> object:
        """The value as decoded JSON, None when absent or empty, or raise msgspec.DecodeError."""
        value = self.values.get(name, "")
        if not isinstance(value, str):
            return value
        return decode_json(value.encode()) if value else None

    def upload(self, name: str) -> Upload | None:
        """The file sent in the part of that name, or in the part that `attach://<part>` points to."""
        if name in self.files:
            return self.files[name]
        value = self.text(name)
        return self.files.get(value.removeprefix("attach://")) if value.startswith("attach://") else None

    def seen(self) -> dict[str, object]:
        """The arguments for the call log: files by name and size, not by content."""
        shown = dict(self.values)
        for name, upload in self.files.items():
            shown[name] = {"file_name": upload.name, "size_bytes": len(upload.data)}
        return shown


def decode_json(text: bytes) -> object:
    """The value of a JSON text, or raise msgspec.DecodeError; deeper than 100 levels is an error too."""
    if text.count(b"[") + text.count(b"{") > JSON_DEPTH_MAX and _depth(text) > JSON_DEPTH_MAX:
        raise msgspec.DecodeError("too big object depth")
    return msgspec.json.decode(text)


def _depth(text: bytes) -> int:
    """How deep arrays and objects are nested; brackets inside strings do not count."""
    deepest = depth = 0
    for bracket in _BRACKETS.findall(text):
        if bracket in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in (b"]", b"}"):
            depth -= 1
    return deepest


_BRACKETS = re.compile(rb'[\[\]{}]|"(?:[^"\\]|\\.)*"', re.DOTALL)
