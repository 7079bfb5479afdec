"""Putting uploads on the shelf: photos in their sizes, other files with what their header tells."""

from __future__ import annotations

import asyncio
from typing import Any

from posthouse.simulator import pictures, recordings
from posthouse.simulator.files import File, Shelf
from posthouse.simulator.parameters import Upload

VIDEO_NOTE_SIDE = 240
STICKER_SIDE = 512
_TGS, _WEBM = b"\x1f\x8b", b"\x1a\x45\xdf\xa3"


async def shelve_photo(shelf: Shelf, upload: Upload, kind: str = "photo") -> File:
    """Keep a picture in the sizes of a photo, or raise NotAPicture or BadShape."""
    made = await asyncio.to_thread(pictures.photo_sizes, upload.data)
    files: list[File] = []
    for size in made:
        facts = {"width": size.width, "height": size.height}
        files.append(shelf.put(kind, size.data, size.mime_type, facts=facts, sizes=tuple(files)))
    return files[-1]


async def shelve(
    shelf: Shelf,
    kind: str,
    upload: Upload,
    *,
    stated: dict[str, Any] | None = None,
    thumbnail: File | None = None,
) -> File:
    """Keep a file of any kind but photo, with what its header tells unless the sender states otherwise."""
    picture = pictures.probe(upload.data)
    if kind == "document" and upload.mime_type == "image/gif" and picture and not (stated or {}).get("as_it_is"):
        kind = "animation"  # the server looks at what it is given
    if thumbnail is None and picture is not None and kind in ("document", "animation"):
        thumbnail = await shelve_thumbnail(shelf, upload.data)
    if kind == "sticker" and picture is None and not upload.data.startswith((_TGS, _WEBM)):
        kind = "document"  # as the server does with what is no sticker
    facts = _facts(kind, upload, stated or {}, picture)
    return shelf.put(kind, upload.data, upload.mime_type, name=upload.name, facts=facts, thumbnail=thumbnail)


def _facts(kind: str, upload: Upload, stated: dict[str, Any], picture: pictures.Picture | None) -> dict[str, Any]:
    told = recordings.Recording() if kind == "document" or picture else recordings.probe(upload.data)
    width, height = (picture.width, picture.height) if picture else (told.width, told.height)
    if kind == "sticker":
        return _sticker_facts(upload, stated, picture)
    facts: dict[str, Any] = {}
    if kind != "video_note":
        facts["mime_type"] = upload.mime_type
    if kind in ("document", "audio", "video", "animation") and upload.name:
        facts["file_name"] = upload.name
    if kind in ("audio", "voice", "video", "animation", "video_note"):
        facts["duration"] = stated.get("duration") or told.duration_s
    if kind in ("video", "animation"):
        facts["width"], facts["height"] = stated.get("width") or width, stated.get("height") or height
    if kind == "video_note":
        facts["length"] = stated.get("length") or min(width, height) or VIDEO_NOTE_SIDE
    if kind == "audio":
        for name, value in (("title", told.title), ("performer", told.performer)):
            if text := stated.get(name) or value:
                facts[name] = text
    return facts


async def shelve_thumbnail(shelf: Shelf, data: bytes) -> File | None:
    """Keep a small JPEG of a picture; None if it is none."""
    small = await asyncio.to_thread(pictures.thumbnail, data)
    if small is None:
        return None
    return shelf.put("thumbnail", small.data, small.mime_type, facts={"width": small.width, "height": small.height})


def _sticker_facts(upload: Upload, stated: dict[str, Any], picture: pictures.Picture | None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "type": "regular",
        "width": picture.width if picture else STICKER_SIDE,
        "height": picture.height if picture else STICKER_SIDE,
        "is_animated": upload.data.startswith(_TGS),
        "is_video": upload.data.startswith(_WEBM),
    }
    if stated.get("emoji"):
        facts["emoji"] = stated["emoji"]
    return facts
