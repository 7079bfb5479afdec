"""Files in a call's parameters: how a delivery names a blob, and where the Bot API takes files.

A delivery is JSON, so a file in it is a *blob field*, a string `blob:<sha-256>|<file name>` in place of the
`file_id`. The gateway turns each into a part of a multipart upload:

    {"document": "blob:…|a.pdf"}                       a part named `document`
    {"media": [{"type": "photo", "media": "blob:…"}]}  a part `file0`, and `attach://file0` in its place

Only a value under one of `FILE_FIELDS` is looked at: a text that a person wrote can never become an upload.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

BLOB_PREFIX = "blob:"
BLOB_MARK = b'"blob:'  # a payload without these bytes names no blob

FILE_FIELDS = frozenset(
    {
        "animation",
        "audio",
        "certificate",
        "cover",
        "document",
        "live_photo",
        "media",
        "photo",
        "sticker",
        "thumbnail",
        "video",
        "video_note",
        "voice",
    }
)

_BLOB_FIELD = re.compile(r"blob:([0-9a-f]{64})\|(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BlobPart:
    """One upload of a call: the blob `key` goes into the part `part` as a file called `filename`."""

    part: str
    key: str
    filename: str


def blob_field(key: str, filename: str) -> str:
    """The value of a file field that stands for the blob `key`, shown to people as `filename`."""
    field = f"{BLOB_PREFIX}{key}|{filename or 'file'}"
    if _BLOB_FIELD.fullmatch(field) is None:
        raise ValueError(f"{key!r} is not a blob key: 64 hexadecimal digits were expected")
    return field


def take_blobs(parameters: dict[str, Any]) -> tuple[dict[str, Any], list[BlobPart]]:
    """Split decoded parameters into those without blob fields and the uploads that these ask for."""
    parts: list[BlobPart] = []
    rest: dict[str, Any] = {}
    for name, value in parameters.items():
        blob = _blob(name, value)
        if blob is None:
            rest[name] = _attach(name, value, parts)
        else:
            parts.append(BlobPart(name, *blob))
    return rest, parts


def _attach(name: str, value: Any, parts: list[BlobPart]) -> Any:
    """The value with every nested blob field replaced by a reference to a new part."""
    if isinstance(value, dict):
        return {inner: _attach(inner, item, parts) for inner, item in value.items()}
    if isinstance(value, list):
        return [_attach(name, item, parts) for item in value]
    blob = _blob(name, value)
    if blob is None:
        return value
    part = f"file{len(parts)}"
    parts.append(BlobPart(part, *blob))
    return f"attach://{part}"


def _blob(name: str, value: Any) -> tuple[str, str] | None:
    """Key and file name, when the value is a blob field in a place for files."""
    if name not in FILE_FIELDS or not isinstance(value, str) or not value.startswith(BLOB_PREFIX):
        return None
    found = _BLOB_FIELD.fullmatch(value)
    return (found[1], found[2]) if found else None
