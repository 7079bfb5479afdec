"""A call's arguments, read the lenient way the Bot API reads them.

Query string, urlencoded form, JSON object and multipart all end up as one mapping. A JSON value that is not
a string stays what it is and counts as its raw JSON text, so `{"reply_markup": {…}}` and the same object
sent as a string are one and the same. Integers are read by prefix and clamped, booleans are true for
`true`, `yes` and `1`, unknown parameters are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from posthouse.simulator.refusals import Refusal, bad_request

FILES_MAX = 50
_INTEGER_PREFIX = re.compile(r"\s*([+-]?\d+)")
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
        return msgspec.json.decode(value) if value else None

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


def parse(query: bytes, content_type: str, body: bytes) -> Parameters:
    """Read the arguments of an HTTP request, or raise Refusal for a body that cannot be read."""
    values: dict[str, object] = dict(_pairs(query)) if query else {}
    files: dict[str, Upload] = {}
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        pass
    elif kind == "application/json":
        values.update(_json_object(body))
    elif kind == "multipart/form-data":
        files = _read_multipart(content_type, body, values)
    else:
        values.update(_pairs(body))
    return Parameters(values, files)


def _pairs(encoded: bytes) -> list[tuple[str, str]]:
    return parse_qsl(encoded.decode("utf-8", "replace"), keep_blank_values=True)


def _json_object(body: bytes) -> dict[str, object]:
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise bad_request("can't parse JSON object") from None
    if not isinstance(decoded, dict):
        raise bad_request("object expected")
    return {name: value for name, value in decoded.items() if value is not None}


class _Part:
    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.header_name = b""
        self.header_value = b""
        self.data = bytearray()

    def end_header(self) -> None:
        self.headers[self.header_name.lower()] = self.header_value
        self.header_name = self.header_value = b""


class _Parts:
    """Collects what the multipart parser calls out."""

    def __init__(self) -> None:
        self.all: list[_Part] = []

    def begin(self) -> None:
        self.all.append(_Part())

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self.all[-1].header_name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.all[-1].header_value += data[start:end]

    def header_end(self) -> None:
        self.all[-1].end_header()

    def data(self, data: bytes, start: int, end: int) -> None:
        self.all[-1].data += data[start:end]


def _read_multipart(content_type: str, body: bytes, values: dict[str, object]) -> dict[str, Upload]:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise bad_request("boundary parameter not found in the Content-Type")
    parts = _Parts()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": parts.begin,
            "on_header_field": parts.header_name,
            "on_header_value": parts.header_value,
            "on_header_end": parts.header_end,
            "on_part_data": parts.data,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise bad_request("can't parse multipart form data") from None
    return _sort_parts(parts.all, values)


def _sort_parts(parts: list[_Part], values: dict[str, object]) -> dict[str, Upload]:
    files: dict[str, Upload] = {}
    for part in parts:
        options = parse_options_header(part.headers.get(b"content-disposition"))[1]
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            values[name] = part.data.decode("utf-8", "replace")
            continue
        file_name = options[b"filename"].decode("utf-8", "replace")
        mime_type = part.headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
        files[name] = Upload(file_name, mime_type, bytes(part.data))
    if len(files) > FILES_MAX:
        raise Refusal(413, "Request Entity Too Large")
    return files
