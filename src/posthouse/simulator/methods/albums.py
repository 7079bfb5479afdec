"""sendMediaGroup: several files as one album, a message and an update for each.

All files are read before the first message exists, so that a refused item sends nothing. An album counts once
against the limits.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.formatting import Entity
from posthouse.simulator.media import FileMedia
from posthouse.simulator.methods.attachments import input_media, read_media
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.messages import caption, deliver
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, bad_request

ITEMS_MAX = 10
_ALONE = ("document", "audio")
"""Kinds that form albums only among themselves."""
_NOT_FOR_ALBUMS = ("reply_markup",)


async def send_media_group(call: Call) -> list[Wire]:
    items = _items(call.parameters)
    captions = [_caption(call, item) for item in items]
    media = [await _read(call, position, item) for position, item in enumerate(items, 1)]
    _check_mix(media)
    chat = call.chat_to_write()
    for one in media:
        call.check_sending(chat, one.kind)
    bare = {name: value for name, value in call.parameters.values.items() if name not in _NOT_FOR_ALBUMS}
    call = replace(call, parameters=Parameters(bare, call.parameters.files))
    album_id = str(call.world.town.dice.randint(10**16, 10**17 - 1)) if len(media) > 1 else ""
    sent: list[Wire] = []
    for (text, entities), one in zip(captions, media, strict=True):
        sent.append(deliver(call, text=text, entities=entities, media=one, album_id=album_id, counted=not sent))
    return sent


def _items(parameters: Parameters) -> list[object]:
    if not parameters.text("media"):
        raise bad_request('parameter "media" is required')
    try:
        items = parameters.json("media")
    except msgspec.DecodeError:
        raise bad_request("can't parse media JSON object") from None
    if not isinstance(items, list):
        raise bad_request("expected an Array of InputMedia")
    if not items:
        raise bad_request("there are no messages to send")
    if len(items) > ITEMS_MAX:
        raise bad_request("too many messages to send as an album")
    return items


def _caption(call: Call, item: object) -> tuple[str, list[Entity]]:
    fields = input_media(call, item)
    if (kind := fields.text("type")) == "animation":
        raise bad_request(f"can't parse InputMedia: type \"{kind}\" can't be used in sendMediaGroup")
    return caption(fields)


async def _read(call: Call, position: int, item: object) -> FileMedia:
    try:
        return await read_media(call, item, in_album=True)
    except Refusal as refusal:
        reason = refusal.description.removeprefix("Bad Request: ")
        if reason.startswith(("can't parse", "can't use", "wrong remote", "there is no", "file ")):
            raise
        raise bad_request(f'failed to send message #{position} with the error message "{reason}"') from None


def _check_mix(media: list[FileMedia]) -> None:
    for one in media:
        if one.kind not in ("photo", "video", *_ALONE):
            raise bad_request("can't use the media of the specified type in the album")
    kinds = {one.kind for one in media}
    for kind in _ALONE:
        if kind in kinds and len(kinds) > 1:
            raise bad_request(f"{kind} can't be mixed with other media types")
    if len({one.caption_above for one in media}) > 1:
        raise bad_request("parameter show_caption_above_media must be the same for all messages")


METHODS: Methods = {
    "sendMediaGroup": send_media_group,
}
