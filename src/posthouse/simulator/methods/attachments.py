"""Making media out of a call: the file, what its header tells, and what the sender states about it.

`read_media` is for everything that takes an InputMedia (albums, editMessageMedia); `read_file` is for a method
with a field of its own (sendPhoto's `photo`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from posthouse.simulator import pictures, recordings
from posthouse.simulator.files import File, Shelf
from posthouse.simulator.media import FileMedia
from posthouse.simulator.methods.call import Call
from posthouse.simulator.methods.sources import checked, read_source
from posthouse.simulator.parameters import Parameters, Upload
from posthouse.simulator.refusals import bad_request

DURATION_MAX_S = 86_400 * 365
SIDE_MAX = 10_000
THUMBNAIL_BYTES_MAX = 200 * 1024
INPUT_MEDIA = ("photo", "video", "animation", "audio", "document")
_NAMES = {"voice": "voice", "video_note": "video note"}


async def read_media(call: Call, item: object) -> FileMedia:
    """The media of an InputMedia, or raise Refusal. Its caption is not read here."""
    fields = input_media(call, item)
    kind = fields.text("type").strip().lower()
    if kind not in INPUT_MEDIA:
        raise bad_request(f'can\'t parse InputMedia: type "{kind}" is unsupported')
    if not fields.text("media"):
        raise bad_request("can't parse InputMedia: media not found")
    file = await _make(call, fields, "media", kind)
    if file is None:
        raise bad_request("can't parse InputMedia: media not found")
    return await _shown(call, fields, file)


def input_media(call: Call, item: object) -> Parameters:
    """The fields of an InputMedia, with the files of the call behind their `attach://` names."""
    if not isinstance(item, dict):
        raise bad_request("can't parse InputMedia: expected an Object")
    given = {name: value for name, value in item.items() if value is not None}
    return Parameters(given, call.parameters.files)


async def read_file(call: Call, kind: str) -> FileMedia:
    """The media in the field of that kind, or raise Refusal."""
    file = await _make(call, call.parameters, kind, kind)
    if file is None:
        raise bad_request(f"there is no {_NAMES.get(kind, kind)} in the request")
    return await _shown(call, call.parameters, file)


async def _make(call: Call, fields: Parameters, name: str, kind: str) -> File | None:
    source = await read_source(call, fields, name, kind)
    if not isinstance(source, Upload):
        return source
    shelf = call.world.town.files
    if kind == "photo":
        return await shelve_photo(shelf, source)
    return await shelve(shelf, kind, source, stated=_stated(fields), thumbnail=await _thumbnail(call, fields))


async def _shown(call: Call, fields: Parameters, file: File) -> FileMedia:
    cover = None
    if file.kind == "video" and fields.has("cover"):
        cover = await _make(call, fields, "cover", "photo")
    return FileMedia(
        file,
        spoiler=file.kind in ("photo", "video", "animation") and fields.flag("has_spoiler"),
        caption_above=file.kind in ("photo", "video", "animation") and fields.flag("show_caption_above_media"),
        cover=cover,
        start_timestamp=fields.integer("start_timestamp", low=0) if file.kind == "video" else 0,
    )


async def shelve_photo(shelf: Shelf, upload: Upload, kind: str = "photo") -> File:
    """Keep a picture in the sizes of a photo, or raise Refusal."""
    try:
        made = await asyncio.to_thread(pictures.photo_sizes, upload.data)
    except pictures.NotAPicture:
        raise bad_request("IMAGE_PROCESS_FAILED") from None
    except pictures.BadShape:
        raise bad_request("PHOTO_INVALID_DIMENSIONS") from None
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
        thumbnail = await _own_thumbnail(shelf, upload.data)
    facts = _facts(kind, upload, stated or {}, picture)
    return shelf.put(kind, upload.data, upload.mime_type, name=upload.name, facts=facts, thumbnail=thumbnail)


def _facts(kind: str, upload: Upload, stated: dict[str, Any], picture: pictures.Picture | None) -> dict[str, Any]:
    told = recordings.Recording() if kind == "document" or picture else recordings.probe(upload.data)
    width, height = (picture.width, picture.height) if picture else (told.width, told.height)
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


VIDEO_NOTE_SIDE = 240


def _stated(fields: Parameters) -> dict[str, Any]:
    return {
        "duration": fields.integer("duration", low=0, high=DURATION_MAX_S),
        "width": fields.integer("width", low=0, high=SIDE_MAX),
        "height": fields.integer("height", low=0, high=SIDE_MAX),
        "length": fields.integer("length", low=0, high=SIDE_MAX),
        "title": fields.text("title"),
        "performer": fields.text("performer"),
        "as_it_is": fields.flag("disable_content_type_detection"),
    }


async def _thumbnail(call: Call, fields: Parameters) -> File | None:
    """The uploaded thumbnail; one that is no fitting picture is ignored, as the server does."""
    name = "thumbnail" if fields.has("thumbnail") else "thumb"
    upload = fields.upload(name)
    if upload is None or not upload.data or len(upload.data) > THUMBNAIL_BYTES_MAX:
        return None
    return await _own_thumbnail(call.world.town.files, checked(upload, "thumbnail").data)


async def _own_thumbnail(shelf: Shelf, data: bytes) -> File | None:
    small = await asyncio.to_thread(pictures.thumbnail, data)
    if small is None:
        return None
    return shelf.put("thumbnail", small.data, small.mime_type, facts={"width": small.width, "height": small.height})
