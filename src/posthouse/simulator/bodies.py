"""The arguments of an HTTP request: query string first, then the body, whichever of three forms it has.

    application/json                     a top-level object
    application/x-www-form-urlencoded    pairs
    multipart/form-data                  parts, those with a file name are files

Whatever comes first wins: the query string over the body, an earlier pair over a later one. A body of another
type is not read. What cannot be read is refused here, so that no method ever sees a broken string or a value
nested without end.
"""

from __future__ import annotations

import zlib
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from posthouse.simulator.parameters import Parameters, Upload, decode_json
from posthouse.simulator.refusals import Refusal, bad_request

FILES_MAX = 50
ARGUMENTS_BYTES_MAX = 1 << 20
BOUNDARY_BYTES_MAX = 70


def parse(query: bytes, content_type: str, body: bytes) -> Parameters:
    """Read the arguments of a request, or raise Refusal for what cannot be read."""
    values: dict[str, object] = {}
    files: dict[str, Upload] = {}
    if query:
        _keep_first(values, _pairs(query))
    if not body:
        return Parameters(values, files)
    kind = content_type.lower()
    if "multipart/form-data" in kind:
        files = _read_multipart(content_type, body, values)
    elif "application/x-www-form-urlencoded" in kind:
        _keep_first(values, _pairs(_bounded(body)))
    elif "application/json" in kind:
        _keep_first(values, list(_json_object(_bounded(body)).items()))
    return Parameters(values, files)


def unpack(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The body without its `Content-Encoding`, or raise Refusal 415, 400 or 413."""
    if not encoding or encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise Refusal(415, "Unsupported Media Type: unsupported content-encoding")
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # 32: a gzip or a zlib header
    try:
        unpacked = stream.decompress(body, bytes_max)
    except zlib.error:
        raise bad_request("can't decode the body") from None
    if stream.unconsumed_tail:
        raise Refusal(413, "Request Entity Too Large")
    return unpacked


def _bounded(arguments: bytes) -> bytes:
    if len(arguments) > ARGUMENTS_BYTES_MAX:
        raise Refusal(413, "Request Entity Too Large: too much parameters")
    return arguments


def _keep_first(values: dict[str, object], pairs: list[tuple[str, object]]) -> None:
    for name, value in pairs:
        values.setdefault(name, value)


def _pairs(encoded: bytes) -> list[tuple[str, object]]:
    try:
        return [*parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict", max_num_fields=None)]
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _json_object(body: bytes) -> dict[str, object]:
    try:
        decoded = decode_json(body.removeprefix(b"\xef\xbb\xbf"))
    except msgspec.DecodeError as error:
        raise bad_request(f"can't parse parameter value: {error}") from None
    except UnicodeDecodeError:
        raise _not_utf8() from None
    if not isinstance(decoded, dict):
        raise bad_request("JSON object expected")
    return {name: value for name, value in decoded.items() if value is not None}


def _not_utf8() -> Refusal:
    return bad_request("strings must be encoded in UTF-8")


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
        self.ended = False

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

    def end(self) -> None:
        self.ended = True


def _read_multipart(content_type: str, body: bytes, values: dict[str, object]) -> dict[str, Upload]:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if boundary is None:
        raise bad_request("boundary not found")
    if not 1 <= len(boundary) <= BOUNDARY_BYTES_MAX:
        raise bad_request("boundary too big or empty")
    parts = _Parts()
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": parts.begin,
            "on_header_field": parts.header_name,
            "on_header_value": parts.header_value,
            "on_header_end": parts.header_end,
            "on_part_data": parts.data,
            "on_end": parts.end,
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise bad_request("can't parse form data headers") from None
    if not parts.ended:
        raise bad_request("can't find end of multipart/form-data")
    return _sort_parts(parts.all, values)


def _sort_parts(parts: list[_Part], values: dict[str, object]) -> dict[str, Upload]:
    files: dict[str, Upload] = {}
    size = 0
    for part in parts:
        options = parse_options_header(part.headers.get(b"content-disposition"))[1]
        name = _decoded(options.get(b"name", b""))
        if not name:
            raise bad_request("field name in multipart/form-data not found")
        if b"filename" not in options:
            size += len(part.data)
            values.setdefault(name, _decoded(part.data))
            continue
        if len(files) == FILES_MAX:
            raise Refusal(413, "Request Entity Too Large: too much files attached")
        file_name = options[b"filename"].decode("utf-8", "replace")
        mime_type = part.headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
        files.setdefault(name, Upload(file_name, mime_type, bytes(part.data)))
    if size > ARGUMENTS_BYTES_MAX:
        raise Refusal(413, "Request Entity Too Large: too much parameters in form data")
    return files


def _decoded(text: bytes | bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None
