"""Sending stickers, reading sets, and the files that stickers are made of.

A sticker file is a PNG or WebP (`static`, kept as WebP), a TGS (`animated`) or a WebM (`video`).
"""

from __future__ import annotations

import asyncio

import msgspec

from posthouse.simulator import pictures
from posthouse.simulator.bots import Wire
from posthouse.simulator.files import File
from posthouse.simulator.methods.attachments import read_file
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.messages import deliver
from posthouse.simulator.methods.sources import read_source
from posthouse.simulator.parameters import Parameters, Upload
from posthouse.simulator.refusals import bad_request
from posthouse.simulator.shelving import shelve, shelve_thumbnail
from posthouse.simulator.stickers import StickerSet

SIDE = 512
EMOJI_SIDE = 100
BYTES_MAX = {"static": 512 * 1024, "animated": 64 * 1024, "video": 256 * 1024}
CUSTOM_EMOJI_MAX = 200
TGS, WEBM = b"\x1f\x8b", b"\x1a\x45\xdf\xa3"


async def send_sticker(call: Call) -> Wire:
    return deliver(call, media=await read_file(call, "sticker"))


def get_sticker_set(call: Call) -> Wire:
    return named_set(call).wire(call.bot)


def get_custom_emoji_stickers(call: Call) -> list[Wire]:
    try:
        ids = call.parameters.json("custom_emoji_ids")
    except msgspec.DecodeError:
        raise bad_request("can't parse custom emoji identifiers JSON object") from None
    if not isinstance(ids, list):
        raise bad_request("expected an Array of custom emoji identifiers")
    if len(ids) > CUSTOM_EMOJI_MAX:
        raise bad_request("too many custom emoji identifiers specified")
    by_id = {sticker.custom_emoji_id: sticker for sticker in call.world.town.stickers.stickers.values()}
    return [by_id[wanted].file.wire(call.bot) for wanted in map(str, ids) if wanted and wanted in by_id]


async def upload_sticker_file(call: Call) -> Wire:
    owner_of(call)
    form = read_form(call.parameters.text("sticker_format"))
    name = "sticker" if call.parameters.upload("sticker") else "png_sticker"
    upload = call.parameters.upload(name)
    if upload is None:
        raise bad_request("there is no sticker in the request")
    file = await shelve_sticker(call, upload, form, kind=None)
    return {"file_id": file.id_for(call.bot), "file_unique_id": file.unique_id, "file_size": len(file.data)}


async def read_sticker_file(call: Call, fields: Parameters, kind: str) -> File:
    """The file in `sticker`, fit for a set of that kind; or raise Refusal."""
    form = read_form(fields.text("format"))
    if form != "static" and fields.text("sticker").startswith(("http://", "https://")):
        raise bad_request(f"{form} sticker must be uploaded as an InputFile")
    source = await read_source(call, fields, "sticker", "sticker")
    if source is None:
        raise bad_request("there is no sticker in the request")
    if isinstance(source, File):
        source = Upload(source.name, source.mime_type, source.data)
    return await shelve_sticker(call, source, form, kind=kind)


async def shelve_sticker(call: Call, upload: Upload, form: str, *, kind: str | None) -> File:
    """Keep a file of that format; with a `kind` of set, check the dimensions that it asks for too."""
    data = upload.data
    if form == "video" and len(data) > BYTES_MAX[form]:
        raise bad_request("STICKER_VIDEO_BIG")
    if len(data) > BYTES_MAX[form]:
        raise bad_request("file is too big")
    shelf = call.world.town.files
    if form == "animated":
        if not data.startswith(TGS):
            raise bad_request("STICKER_TGS_NOTGS")
        return await shelve(shelf, "sticker", Upload(upload.name, "application/x-tgsticker", data))
    if form == "video":
        if not data.startswith(WEBM):
            raise bad_request("STICKER_VIDEO_NOWEBM")
        return await shelve(shelf, "sticker", Upload(upload.name, "video/webm", data))
    picture = pictures.probe(data)
    if picture is None or picture.mime_type not in ("image/png", "image/webp"):
        raise bad_request("STICKER_PNG_NOPNG")
    wrong = max(picture.width, picture.height) != SIDE
    if kind == "custom_emoji":
        wrong = (picture.width, picture.height) != (EMOJI_SIDE, EMOJI_SIDE)
    if kind is not None and wrong:
        raise bad_request("STICKER_PNG_DIMENSIONS")
    try:
        webp = await asyncio.to_thread(pictures.as_webp, data)
        small = await shelve_thumbnail(shelf, data)
    except pictures.NotAPicture:
        raise bad_request("STICKER_PNG_NOPNG") from None
    return await shelve(shelf, "sticker", Upload(upload.name, "image/webp", webp), thumbnail=small)


def read_form(written: str) -> str:
    if written not in BYTES_MAX:
        raise bad_request("invalid sticker format specified")
    return written


def owner_of(call: Call) -> int:
    """The person that `user_id` names, or raise Refusal."""
    user_id = call.parameters.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    if user_id not in call.world.town.people:
        raise bad_request("user not found")
    return user_id


def named_set(call: Call) -> StickerSet:
    """The set of that name, or raise Refusal."""
    stickers = call.world.town.stickers.find(call.parameters.text("name").strip())
    if stickers is None:
        raise bad_request("STICKERSET_INVALID")
    return stickers


METHODS: Methods = {
    "sendSticker": send_sticker,
    "getStickerSet": get_sticker_set,
    "getCustomEmojiStickers": get_custom_emoji_stickers,
    "uploadStickerFile": upload_sticker_file,
}
