"""The files of the town: one shelf for all bots, identifiers that differ per bot, links that end.

    upload ─► File on the Shelf ──wire(to)──► file_id of that bot ──getFile──► Link ──► /file/bot<token>/<path>

A `file_unique_id` is the same for every bot and downloads nothing. A `file_id` holds the type of the file, the
bot it was made for and the unique id, so it is computed, never stored, and means nothing to another bot. Equal
bytes are kept once. Files live as long as the town.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from posthouse.simulator.bots import Bot

UPLOAD_BYTES_MAX = 50 * 1024 * 1024
PHOTO_BYTES_MAX = 10 * 1024 * 1024
DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024
LINK_S = 3600.0
"""How long a link of getFile works."""

TYPES = {
    "thumbnail": (0, "Thumbnail", "thumbnails"),
    "profile_photo": (1, "ProfilePhoto", "profile_photos"),
    "photo": (2, "Photo", "photos"),
    "voice": (3, "VoiceNote", "voice"),
    "video": (4, "Video", "videos"),
    "document": (5, "Document", "documents"),
    "sticker": (8, "Sticker", "stickers"),
    "audio": (9, "Audio", "music"),
    "animation": (10, "Animation", "animations"),
    "video_note": (13, "VideoNote", "video_notes"),
}
"""For each kind of file: its number inside a file_id, its name in errors, and its folder in a path."""
_KINDS = {number: kind for kind, (number, _, _) in TYPES.items()}
_HEADER, _VERSION = b"\x00\x02\x02", b"\x04"
_UNIQUE_HEADER = b"\x01\x00\x03"
_ID_BYTES = 12


class FileIdUnreadable(Exception):
    """This is no file_id at all; the message is the server's reason."""


@dataclass(frozen=True, slots=True)
class File:
    """One file. `facts` are the fields that only its kind has, as Telegram shows them."""

    kind: str
    unique_id: str
    data: bytes = field(repr=False)
    mime_type: str
    name: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    thumbnail: File | None = None
    sizes: tuple[File, ...] = ()
    """The smaller sizes of a photo, the smallest first."""

    def id_for(self, bot: Bot) -> str:
        """The file_id under which this bot knows it."""
        number = TYPES[self.kind][0]
        raw = bytes([number]) + _HEADER + bot.id.to_bytes(8, "big") + _raw(self.unique_id) + _VERSION
        return urlsafe_b64encode(raw).decode().rstrip("=")

    def wire(self, to: Bot) -> dict[str, Any]:
        """The file as this bot is shown it."""
        shown = {
            "file_id": self.id_for(to),
            "file_unique_id": self.unique_id,
            "file_size": len(self.data),
            **self.facts,
        }
        if self.thumbnail is not None:
            shown["thumbnail"] = self.thumbnail.wire(to)
        return shown

    @property
    def all_sizes(self) -> tuple[File, ...]:
        """A photo in every size, the smallest first; any other file alone."""
        return (*self.sizes, self)


class Shelf:
    """Every file of the town, by its unique id."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self._holders: dict[str, str] = {}
        """For each content, by its hash, the file that held it first."""

    def put(
        self,
        kind: str,
        data: bytes,
        mime_type: str,
        *,
        name: str = "",
        facts: dict[str, Any] | None = None,
        thumbnail: File | None = None,
        sizes: tuple[File, ...] = (),
    ) -> File:
        """Keep a file; the same bytes with the same facts are the same file."""
        digest = hashlib.sha256(data).hexdigest()
        stated = msgspec.json.encode([kind, name, mime_type, facts or {}], order="sorted")
        raw = hashlib.sha256(digest.encode() + stated).digest()[:_ID_BYTES]
        unique_id = urlsafe_b64encode(_UNIQUE_HEADER + raw).decode()
        if (known := self.files.get(unique_id)) is not None and known.thumbnail == thumbnail:
            return known
        holder = self.files.get(self._holders.setdefault(digest, unique_id))
        file = File(
            kind, unique_id, data if holder is None else holder.data, mime_type, name, facts or {}, thumbnail, sizes
        )
        self.files[unique_id] = file
        return file

    def replace(self, file: File) -> None:
        """Let a file be known with other facts from now on."""
        self.files[file.unique_id] = file

    def by_id(self, bot: Bot, file_id: str) -> File | None:
        """The file that this bot means, None if it is not the bot's, or raise FileIdUnreadable."""
        kind, bot_id, unique_id = _read_id(file_id)
        file = self.files.get(unique_id)
        return file if file is not None and (file.kind, bot.id) == (kind, bot_id) else None


@dataclass(frozen=True, slots=True)
class Link:
    """A path under which a bot may download a file until some time."""

    file: File
    until: float


@dataclass(slots=True)
class Links:
    """The paths that getFile gave to one bot."""

    number: int = 0
    by_path: dict[str, Link] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    """The path of each file that ever had one, so that asking again gives the same."""

    def open(self, file: File, now: float) -> str:
        """The path for this file, good for an hour from now."""
        path = self.paths.get(file.unique_id)
        if path is None:
            path = self.paths[file.unique_id] = f"{TYPES[file.kind][2]}/file_{self.number}{_suffix(file)}"
            self.number += 1
        self.by_path[path] = Link(file, now + LINK_S)
        return path

    def find(self, path: str, now: float) -> File | None:
        link = self.by_path.get(path)
        return link.file if link is not None and now <= link.until else None


_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "audio/ogg": ".oga",
    "video/mp4": ".mp4",
    "audio/mpeg": ".mp3",
}


def _suffix(file: File) -> str:
    return f".{file.name.rpartition('.')[2]}" if "." in file.name else _SUFFIXES.get(file.mime_type, "")


def _raw(unique_id: str) -> bytes:
    return urlsafe_b64decode(unique_id)[len(_UNIQUE_HEADER) :]


def _read_id(file_id: str) -> tuple[str, int, str]:
    """Kind, bot and unique id inside a file_id, or raise FileIdUnreadable."""
    try:
        raw = urlsafe_b64decode(file_id + "=" * (-len(file_id) % 4))
    except (binascii.Error, ValueError):
        raise FileIdUnreadable("Wrong string length") from None
    if urlsafe_b64encode(raw).decode().rstrip("=") != file_id:
        raise FileIdUnreadable("Wrong character in the string")
    if not raw.endswith(_VERSION):
        raise FileIdUnreadable("can't unserialize it. Wrong last symbol")
    if len(raw) != 1 + len(_HEADER) + 8 + _ID_BYTES + 1 or raw[0] not in _KINDS:
        raise FileIdUnreadable("can't unserialize it")
    bot_id, unique = int.from_bytes(raw[4:12], "big"), raw[12:-1]
    return _KINDS[raw[0]], bot_id, urlsafe_b64encode(_UNIQUE_HEADER + unique).decode()
