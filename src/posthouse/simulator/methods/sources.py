"""Where the file of a call comes from: a part of the request, a URL, or a file_id of this bot.

attach://part or a part named like the field ─► Upload
http(s) URL                                  ─► fetched ─► Upload
file_id                                      ─► File
"""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import aiohttp

from posthouse.simulator.files import (
    DOWNLOAD_BYTES_MAX,
    PHOTO_BYTES_MAX,
    TYPES,
    UPLOAD_BYTES_MAX,
    File,
    FileIdUnreadable,
)
from posthouse.simulator.methods.call import Call
from posthouse.simulator.parameters import Parameters, Upload
from posthouse.simulator.refusals import Refusal, bad_request

URL_PHOTO_BYTES_MAX = 5 * 1024 * 1024
FETCH_S = 20.0
WRONG_FILE = "wrong file identifier/HTTP URL specified"
_UNKNOWN_TYPES = ("", "application/octet-stream", "binary/octet-stream")
_MEDIA_TYPES = {".oga": "audio/ogg", ".opus": "audio/ogg", ".webp": "image/webp", ".tgs": "application/x-tgsticker"}


async def read_source(call: Call, fields: Parameters, name: str, kind: str) -> Upload | File | None:
    """The file in that field, to be used as that kind; None if there is none; or raise Refusal."""
    upload = fields.upload(name)
    if upload is not None:
        return checked(upload, kind)
    value = fields.text(name).strip()
    if not value or value.startswith("attach://"):
        return None
    if "." in value or ":" in value:  # neither can be in a file_id
        return await _fetch(value, kind)
    return known(call, value, kind)


def known(call: Call, file_id: str, kind: str) -> File:
    """The file of this id, if it can be used as that kind; or raise Refusal.

    All but photos are documents of a sort, and one of those keeps its own kind, whatever method sends it.
    """
    try:
        file = call.world.town.files.by_id(call.bot, file_id)
    except FileIdUnreadable as error:
        raise bad_request(f"wrong remote file identifier specified: {error}") from None
    if file is None:
        raise bad_request(WRONG_FILE)
    pictures = ("photo", "thumbnail", "profile_photo")
    if file.kind != kind and (file.kind in pictures or kind in pictures):
        raise bad_request(f"can't use file of type {TYPES[file.kind][1]} as {TYPES[kind][1]}")
    return file


def checked(upload: Upload, kind: str) -> Upload:
    """The upload with the type that its name tells, or raise Refusal for its size."""
    size = len(upload.data)
    if size == 0:
        raise bad_request("file must be non-empty")
    if size > UPLOAD_BYTES_MAX:
        raise Refusal(413, "Request Entity Too Large")
    if kind == "photo" and size > PHOTO_BYTES_MAX:
        raise bad_request(
            f"file of size {size} bytes is too big for a photo; the maximum size is {PHOTO_BYTES_MAX} bytes"
        )
    mime_type = upload.mime_type.partition(";")[0].strip().lower()
    if mime_type in _UNKNOWN_TYPES:
        mime_type = _guess(upload.name)
    return Upload(upload.name, mime_type, upload.data)


def _guess(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    return _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


async def _fetch(url: str, kind: str) -> Upload:
    """Download what a call points to, or raise Refusal as the server does."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("invalid file HTTP URL specified: Unsupported URL protocol")
    limit = URL_PHOTO_BYTES_MAX if kind == "photo" else DOWNLOAD_BYTES_MAX
    try:
        async with asyncio.timeout(FETCH_S), aiohttp.ClientSession() as session, session.get(parts.geturl()) as answer:
            if answer.status != 200:
                raise bad_request("failed to get HTTP URL content")
            data = await _read_at_most(answer, limit)
            mime_type = answer.content_type
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        raise bad_request("failed to get HTTP URL content") from None
    if data is None:
        raise bad_request(WRONG_FILE)
    if mime_type == "text/html" or (kind == "photo" and mime_type.partition("/")[0] in ("text", "video", "audio")):
        raise bad_request("wrong type of the web page content")
    return checked(Upload(PurePosixPath(unquote(parts.path)).name or "file", mime_type, data), kind)


async def _read_at_most(answer: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """The body, None if it is longer than the limit."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
