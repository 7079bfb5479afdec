"""Reading an InlineQueryResult: its fields, and the message that it becomes when somebody chooses it."""

from __future__ import annotations

from typing import Any

from posthouse.simulator.bots import Wire
from posthouse.simulator.formatting import CAPTION_CHARACTERS_MAX, TEXT_CHARACTERS_MAX, Entity, render
from posthouse.simulator.inline import InlineResult
from posthouse.simulator.keyboards import Markup, check_pay_button, parse_markup
from posthouse.simulator.media import Fact, FileMedia, Media
from posthouse.simulator.methods.attachments import read_file
from posthouse.simulator.methods.call import Call
from posthouse.simulator.methods.payments import read_invoice
from posthouse.simulator.methods.sources import known
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, bad_request, not_implemented

ID_BYTES_MAX = 64
_FILES = {
    "audio": ("audio", "audio"),
    "document": ("document", "document"),
    "gif": ("gif", "animation"),
    "mpeg4_gif": ("mpeg4", "animation"),
    "photo": ("photo", "photo"),
    "sticker": ("sticker", "sticker"),
    "video": ("video", "video"),
    "voice": ("voice", "voice"),
}
"""Result type: the beginning of its fields' names, and the kind of file."""
_WITH_URL: dict[str, tuple[str, ...]] = {
    "audio": ("title",),
    "document": ("mime_type",),
    "gif": ("thumbnail_url",),
    "mpeg4_gif": ("thumbnail_url",),
    "photo": ("thumbnail_url",),
    "video": ("thumbnail_url", "mime_type"),
}
"""What must be there beside the URL of a file; a file_id needs none of it."""
_ALWAYS: dict[str, tuple[str, ...]] = {
    "article": ("title",),
    "contact": ("phone_number", "first_name"),
    "document": ("title",),
    "game": ("game_short_name",),
    "location": ("latitude", "longitude", "title"),
    "venue": ("latitude", "longitude", "title", "address"),
    "video": ("title",),
    "voice": ("title",),
}
_VENUE_IDS = ("foursquare_id", "foursquare_type", "google_place_id", "google_place_type")
_LIVE = ("horizontal_accuracy", "live_period", "heading", "proximity_alert_radius")


def read_result(call: Call, value: object) -> InlineResult:
    """The result, or raise Refusal that begins with `can't parse inline query result`."""
    try:
        return _read(call, value)
    except Refusal as refusal:
        text = refusal.description.removeprefix("Bad Request: ")
        if refusal.code != 400 or text.isupper():
            raise
        raise bad_request(f"can't parse inline query result: {text}") from None


async def media_of(call: Call, result: InlineResult) -> Media | None:
    """What the message of a chosen result carries; a URL is fetched now, or raise Refusal."""
    if not result.file_kind:
        return result.media
    fields = {result.file_kind: result.file_url}
    for name, value in result.shown.items():
        plain = name.removeprefix(f"{_FILES[result.kind][0]}_")
        if plain in ("width", "height", "duration", "title", "performer"):
            fields[plain] = value
    return await read_file(Call(call.world, call.bot, call.method, Parameters(fields)), result.file_kind)


def _read(call: Call, value: object) -> InlineResult:
    if not isinstance(value, dict):
        raise bad_request("Inline query result must be an object")
    shown: Wire = {name: given for name, given in value.items() if given is not None}
    for old in ("thumb_url", "thumb_mime_type", "thumb_width", "thumb_height"):
        if old in shown:
            shown.setdefault(old.replace("thumb_", "thumbnail_"), shown.pop(old))
    kind = _text(shown, "type").lower()
    result = InlineResult(_text(shown, "id"), kind, shown)
    if not 1 <= len(result.id.encode()) <= ID_BYTES_MAX:
        raise bad_request("RESULT_ID_INVALID")
    content = shown.get("input_message_content")
    if content is None and kind == "article":
        raise bad_request('Can\'t find field "message_text"')
    _read_caption(result)
    if "reply_markup" in shown:
        result.inline = parse_markup(Parameters({"reply_markup": shown["reply_markup"]})).inline
    _check_fields(result)
    _read_own(call, result)
    if content is not None:
        _read_content(call, result, content)
    result.inline = check_pay_button(Markup(result.inline), result.media).inline
    return result


def _check_fields(result: InlineResult) -> None:
    if result.kind != "article" and result.kind not in _ALWAYS and result.kind not in _FILES:
        raise bad_request(f'type "{result.kind}" is unsupported for the inline query result')
    for name in _ALWAYS.get(result.kind, ()):
        _present(result.shown, name)
    if result.kind == "article" and not result.shown["title"]:
        raise bad_request("ARTICLE_TITLE_EMPTY")
    if result.kind == "game":
        raise not_implemented("has no games yet")


def _read_own(call: Call, result: InlineResult) -> None:
    """What the result carries if no other content is given for its message."""
    shown = result.shown
    if result.kind in _FILES:
        _read_file(call, result)
    elif result.kind == "location":
        result.media = Fact("location", _point(shown))
    elif result.kind == "venue":
        result.media = _venue(shown)
    elif result.kind == "contact":
        result.media = _contact(shown)


def _read_file(call: Call, result: InlineResult) -> None:
    prefix, kind = _FILES[result.kind]
    url = str(result.shown.get(f"{prefix}_url") or "")
    if url and result.kind != "sticker":
        for name in _WITH_URL.get(result.kind, ()):
            _present(result.shown, name)
        result.file_kind, result.file_url = kind, url
        return
    result.media = FileMedia(known(call, _text(result.shown, f"{prefix}_file_id"), kind))


def _read_caption(result: InlineResult) -> None:
    caption = str(result.shown.get("caption") or "")
    mode = str(result.shown.get("parse_mode") or "")
    result.text, result.entities = render(caption, mode, result.shown.get("caption_entities"))
    if len(result.text) > CAPTION_CHARACTERS_MAX:
        raise bad_request("MEDIA_CAPTION_TOO_LONG")


def _read_content(call: Call, result: InlineResult, content: object) -> None:
    """Other content for the message than the result itself, or raise Refusal."""
    if not isinstance(content, dict):
        raise bad_request('Field "input_message_content" must be of type Object')
    given: Wire = {name: value for name, value in content.items() if value is not None}
    result.text, result.entities, result.media, result.file_kind = "", [], None, ""
    if given.get("message_text"):
        result.text, result.entities = _message_text(given)
    elif "latitude" in given and "longitude" in given:
        is_venue = "title" in given and "address" in given
        result.media = _venue(given) if is_venue else Fact("location", _point(given))
    elif "phone_number" in given:
        result.media = _contact(given)
    elif "payload" in given and "prices" in given:
        invoice = read_invoice(call, Parameters(given))
        call.world.town.payments.keep_invoice(invoice)
        result.media = invoice
    elif "rich_message" in given:
        raise not_implemented("does not send rich messages by inline mode yet")
    else:
        raise bad_request("Input message content is not specified")


def _message_text(given: Wire) -> tuple[str, list[Entity]]:
    mode = str(given.get("parse_mode") or "")
    text, entities = render(str(given["message_text"]), mode, given.get("entities"))
    if not text:
        raise bad_request("message text is empty")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise bad_request("MESSAGE_TOO_LONG")
    return text, entities


def _point(given: Wire) -> Wire:
    point: Wire = {"latitude": _number(given, "latitude"), "longitude": _number(given, "longitude")}
    return point | {name: given[name] for name in _LIVE if given.get(name)}


def _venue(given: Wire) -> Fact:
    point = {name: value for name, value in _point(given).items() if name in ("latitude", "longitude")}
    venue: Wire = {"location": point, "title": str(given["title"]), "address": str(given["address"])}
    venue |= {name: str(given[name]) for name in _VENUE_IDS if given.get(name)}
    return Fact("venue", venue, {"location": point})


def _contact(given: Wire) -> Fact:
    contact: Wire = {name: _text(given, name) for name in ("phone_number", "first_name")}
    contact |= {name: str(given[name]) for name in ("last_name", "vcard") if given.get(name)}
    return Fact("contact", contact)


def _present(fields: Wire, name: str) -> Any:
    if name not in fields:
        raise bad_request(f'Can\'t find field "{name}"')
    return fields[name]


def _text(fields: Wire, name: str) -> str:
    value = _present(fields, name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise bad_request(f'Field "{name}" must be of type String')
    return str(value)


def _number(fields: Wire, name: str) -> float:
    value = _present(fields, name)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise bad_request(f'Field "{name}" must be of type Number') from None
