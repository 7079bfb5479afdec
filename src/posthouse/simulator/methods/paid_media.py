"""sendPaidMedia. Buying it is in `people/paid_media.py`."""

from __future__ import annotations

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.methods.attachments import read_media
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.messages import caption, deliver
from posthouse.simulator.paid_media import ITEMS_MAX, PAYLOAD_BYTES_MAX, STARS_MAX, PaidMedia
from posthouse.simulator.refusals import bad_request

KINDS = ("photo", "video")


async def send_paid_media(call: Call) -> Wire:
    stars = call.parameters.integer("star_count")
    if not 1 <= stars <= STARS_MAX:
        raise bad_request("STARS_AMOUNT_INVALID")
    payload = call.parameters.text("payload")
    if len(payload.encode()) > PAYLOAD_BYTES_MAX:
        raise bad_request("PAYLOAD_INVALID")
    items = _items(call)
    text, entities = caption(call.parameters)
    media = [await read_media(call, item, kinds=KINDS) for item in items]
    above = call.parameters.flag("show_caption_above_media")
    return deliver(call, text=text, entities=entities, media=PaidMedia(call.bot, stars, media, payload, above))


def _items(call: Call) -> list[object]:
    try:
        items = call.parameters.json("media")
    except msgspec.DecodeError:
        raise bad_request("can't parse input paid media JSON object") from None
    if not isinstance(items, list):
        raise bad_request("expected an Array of InputPaidMedia")
    if not items:
        raise bad_request("there are no media to send")
    if len(items) > ITEMS_MAX:
        raise bad_request("too many paid media specified")
    return items


METHODS: Methods = {
    "sendPaidMedia": send_paid_media,
}
GAPS = {"sendPaidMedia": "in a channel the Stars go to the bot, not to the channel; no live photos"}
