"""Places, people's cards and dice: sendLocation with its live form, sendVenue, sendContact, sendDice."""

from __future__ import annotations

import re
from dataclasses import replace

from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Message
from posthouse.simulator.keyboards import Markup, parse_markup
from posthouse.simulator.media import Fact, contact, dice, location, venue
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.edits import NOT_MODIFIED, edited, message_to_edit
from posthouse.simulator.methods.messages import deliver
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

LIVE_S_MIN, LIVE_S_MAX = 60, 86_400
LIVE_FOREVER = 0x7FFFFFFF
HEADING_MAX = 360
PROXIMITY_M_MAX = 100_000
ACCURACY_M_MAX = 1500.0
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_LIVE = ("live_period", "heading", "proximity_alert_radius")


def send_location(call: Call) -> Wire:
    place = read_location(call.parameters)
    period = call.parameters.integer("live_period")
    if period:
        _check_period(period)
        place = location(
            place.value["latitude"], place.value["longitude"], live_period=period, **_moving(call.parameters)
        )
    return deliver(call, media=place)


def edit_message_live_location(call: Call) -> Wire | bool:
    place = read_location(call.parameters)
    markup = parse_markup(call.parameters)
    message = _live(call)
    assert isinstance(message.media, Fact)
    period = message.media.value["live_period"]
    if wanted := call.parameters.integer("live_period"):
        _check_period(wanted)
        if wanted != LIVE_FOREVER and (period == LIVE_FOREVER or wanted > period + LIVE_S_MAX):
            raise bad_request("wrong live location period specified")
        period = wanted
    moved = location(place.value["latitude"], place.value["longitude"], live_period=period, **_moving(call.parameters))
    return _change(call, message, moved, markup)


def stop_message_live_location(call: Call) -> Wire | bool:
    markup = parse_markup(call.parameters)
    message = _live(call)
    assert isinstance(message.media, Fact)
    kept = {name: value for name, value in message.media.value.items() if name not in _LIVE}
    return _change(call, message, replace(message.media, value=kept), markup)


def send_venue(call: Call) -> Wire:
    return deliver(call, media=read_venue(call.parameters))


def send_contact(call: Call) -> Wire:
    for name in ("phone_number", "first_name"):
        if not call.parameters.text(name):
            raise bad_request(f'parameter "{name}" is required')
    person = contact(
        call.parameters.text("phone_number"),
        call.parameters.text("first_name"),
        last_name=call.parameters.text("last_name"),
        vcard=call.parameters.text("vcard"),
    )
    return deliver(call, media=person)


def send_dice(call: Call) -> Wire:
    thrown = dice(call.parameters.text("emoji").strip(), call.world.town.dice)
    if thrown is None:
        raise bad_request("EMOTICON_INVALID")
    return deliver(call, media=thrown)


def read_location(fields: Parameters) -> Fact:
    """The point that `latitude` and `longitude` name, or raise Refusal."""
    for name in ("latitude", "longitude"):
        if not fields.text(name).strip():
            raise bad_request(f"{name} is empty")
    latitude, longitude = _number(fields, "latitude"), _number(fields, "longitude")
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise bad_request("invalid location specified")
    accuracy = min(ACCURACY_M_MAX, max(0.0, _number(fields, "horizontal_accuracy")))
    return location(latitude, longitude, horizontal_accuracy=accuracy)


def read_venue(fields: Parameters) -> Fact:
    """The venue in these fields, or raise Refusal."""
    point = read_location(fields).value
    for name in ("title", "address"):
        if not fields.text(name):
            raise bad_request(f'parameter "{name}" is required')
    ids = ("foursquare_id", "foursquare_type", "google_place_id", "google_place_type")
    return venue(
        point["latitude"],
        point["longitude"],
        fields.text("title"),
        fields.text("address"),
        **{name: fields.text(name) for name in ids},
    )


def _moving(fields: Parameters) -> dict[str, float | None]:
    heading, radius = fields.integer("heading"), fields.integer("proximity_alert_radius")
    if not 0 <= heading <= HEADING_MAX:
        raise bad_request("wrong live location heading specified")
    if not 0 <= radius <= PROXIMITY_M_MAX:
        raise bad_request("wrong live location proximity alert radius specified")
    accuracy = min(ACCURACY_M_MAX, max(0.0, _number(fields, "horizontal_accuracy")))
    return {"heading": heading, "proximity_alert_radius": radius, "horizontal_accuracy": accuracy}


def _check_period(seconds: int) -> None:
    if seconds != LIVE_FOREVER and not LIVE_S_MIN <= seconds <= LIVE_S_MAX:
        raise bad_request("wrong live location period specified")


def _live(call: Call) -> Message:
    """The bot's message with a live location that is not over, or raise Refusal."""
    message = message_to_edit(call)
    if not isinstance(message.media, Fact) or "live_period" not in message.media.value:
        raise bad_request("there is no live location in the message to edit")
    if call.now > message.date + message.media.value["live_period"]:
        raise bad_request("message can't be edited")
    return message


def _change(call: Call, message: Message, media: Fact, markup: Markup) -> Wire | bool:
    if (media, markup.inline) == (message.media, message.inline):
        raise bad_request(NOT_MODIFIED)
    call.world.pace(call.bot, message.chat)
    message.media, message.inline, message.edit_date = media, markup.inline, int(call.now)
    message.cursor = call.world.journal.record(
        "bot.edited", bot_id=call.bot.id, chat=message.chat.ref, message_id=message.id, media=media.kind
    )
    return edited(call, message)


def _number(fields: Parameters, name: str) -> float:
    found = _NUMBER.match(fields.text(name))
    return float(found[1]) if found else 0.0


METHODS: Methods = {
    "sendLocation": send_location,
    "editMessageLiveLocation": edit_message_live_location,
    "stopMessageLiveLocation": stop_message_live_location,
    "sendVenue": send_venue,
    "sendContact": send_contact,
    "sendDice": send_dice,
}
