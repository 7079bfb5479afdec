"""Making media out of a call: the file, what its header tells, and what the sender states about it.

`read_media` is for everything that takes an InputMedia (albums, editMessageMedia); `read_file` is for a method
with a field of its own (sendPhoto's `photo`).
"""

from __future__ import annotations

from typing import Any

from posthouse.simulator.files import File
from posthouse.simulator.media import FileMedia
from posthouse.simulator.methods.call import Call
from posthouse.simulator.methods.sources import checked, read_source
from posthouse.simulator.parameters import Parameters, Upload
from posthouse.simulator.pictures import BadShape, NotAPicture
from posthouse.simulator.refusals import bad_request
from posthouse.simulator.shelving import shelve, shelve_photo, shelve_thumbnail

DURATION_MAX_S = 86_400 * 365
SIDE_MAX = 10_000
THUMBNAIL_BYTES_MAX = 200 * 1024
INPUT_MEDIA = ("photo", "video", "animation", "audio", "document")
_NAMES = {"voice": "voice", "video_note": "video note"}


async def read_media(
    call: Call, item: object, *, kinds: tuple[str, ...] = INPUT_MEDIA, in_album: bool = False
) -> FileMedia:
    """The media of an InputMedia of one of these kinds, or raise Refusal. Its caption is not read here.

    In an album a document stays one, whatever is in it.
    """
    fields = input_media(call, item)
    if in_album:
        fields = Parameters({**fields.values, "disable_content_type_detection": True}, fields.files)
    kind = fields.text("type").strip().lower()
    if kind not in kinds:
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
        try:
            return await shelve_photo(shelf, source)
        except NotAPicture:
            raise bad_request("IMAGE_PROCESS_FAILED") from None
        except BadShape:
            raise bad_request("PHOTO_INVALID_DIMENSIONS") from None
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


def _stated(fields: Parameters) -> dict[str, Any]:
    return {
        "duration": fields.integer("duration", low=0, high=DURATION_MAX_S),
        "width": fields.integer("width", low=0, high=SIDE_MAX),
        "height": fields.integer("height", low=0, high=SIDE_MAX),
        "length": fields.integer("length", low=0, high=SIDE_MAX),
        "title": fields.text("title"),
        "emoji": fields.text("emoji"),
        "performer": fields.text("performer"),
        "as_it_is": fields.flag("disable_content_type_detection"),
    }


async def _thumbnail(call: Call, fields: Parameters) -> File | None:
    """The uploaded thumbnail; one that is no fitting picture is ignored, as the server does."""
    name = "thumbnail" if fields.has("thumbnail") else "thumb"
    upload = fields.upload(name)
    if upload is None or not upload.data or len(upload.data) > THUMBNAIL_BYTES_MAX:
        return None
    return await shelve_thumbnail(call.world.town.files, checked(upload, "thumbnail").data)
