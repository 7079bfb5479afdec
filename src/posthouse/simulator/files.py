"""Files that bots uploaded: identifiers, paths, and the size of a picture.

A `file_id` belongs to one bot; `file_unique_id` is the same for all and downloads nothing. Files live in
memory. Deliberately absent: fetching a file from a URL, thumbnails, and any conversion.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

UPLOAD_BYTES_MAX = 50 * 1024 * 1024
PHOTO_BYTES_MAX = 10 * 1024 * 1024
DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as one bot knows it."""

    id: str
    unique_id: str
    path: str
    name: str
    mime_type: str
    data: bytes

    def wire(self) -> dict[str, object]:
        return {"file_id": self.id, "file_unique_id": self.unique_id, "file_size": len(self.data)}


class FileShelf:
    """The files of one bot."""

    def __init__(self, bot_id: int) -> None:
        self.bot_id = bot_id
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}

    def put(self, folder: str, name: str, mime_type: str, data: bytes) -> StoredFile:
        number = len(self._by_id) + 1
        suffix = f".{name.rpartition('.')[2]}" if "." in name else ""
        file = StoredFile(
            id=f"{folder}-{self.bot_id}-{number}",
            unique_id=hashlib.sha256(data).hexdigest()[:16],
            path=f"{folder}/file_{number}{suffix}",
            name=name,
            mime_type=mime_type,
            data=data,
        )
        self._by_id[file.id] = self._by_path[file.path] = file
        return file

    def by_id(self, file_id: str) -> StoredFile | None:
        return self._by_id.get(file_id)

    def by_path(self, path: str) -> StoredFile | None:
        return self._by_path.get(path)


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG or JPEG, or None when it is neither."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    return _jpeg_size(data) if data.startswith(b"\xff\xd8") else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start-of-frame segment
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
