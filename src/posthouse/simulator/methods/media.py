"""Sending files and fetching them back."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.files import DOWNLOAD_BYTES_MAX, FileIdUnreadable
from posthouse.simulator.methods.attachments import read_file
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.messages import caption, deliver
from posthouse.simulator.refusals import bad_request


async def send_photo(call: Call) -> Wire:
    return await _send_with_caption(call, "photo")


async def send_document(call: Call) -> Wire:
    return await _send_with_caption(call, "document")


async def send_audio(call: Call) -> Wire:
    return await _send_with_caption(call, "audio")


async def send_voice(call: Call) -> Wire:
    return await _send_with_caption(call, "voice")


async def send_video(call: Call) -> Wire:
    return await _send_with_caption(call, "video")


async def send_animation(call: Call) -> Wire:
    return await _send_with_caption(call, "animation")


async def send_video_note(call: Call) -> Wire:
    return deliver(call, media=await read_file(call, "video_note"))


async def _send_with_caption(call: Call, kind: str) -> Wire:
    text, entities = caption(call.parameters)
    return deliver(call, text=text, entities=entities, media=await read_file(call, kind))


def get_file(call: Call) -> Wire:
    file_id = call.parameters.text("file_id")
    if not file_id:
        raise bad_request("file_id not specified")
    try:
        file = call.world.town.files.by_id(call.bot, file_id)
    except FileIdUnreadable:
        raise bad_request("invalid file_id") from None
    if file is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if len(file.data) > DOWNLOAD_BYTES_MAX:
        raise bad_request("file is too big")
    return {
        "file_id": file.id_for(call.bot),
        "file_unique_id": file.unique_id,
        "file_size": len(file.data),
        "file_path": call.bot.links.open(file, call.now),
    }


METHODS: Methods = {
    "sendPhoto": send_photo,
    "sendDocument": send_document,
    "sendAudio": send_audio,
    "sendVoice": send_voice,
    "sendVideo": send_video,
    "sendAnimation": send_animation,
    "sendVideoNote": send_video_note,
    "getFile": get_file,
}
