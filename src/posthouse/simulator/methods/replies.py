"""What a message answers: the replied message, in this chat or another, and the part of it that is quoted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from posthouse.simulator.chats import Chat, Message, Quote
from posthouse.simulator.formatting import Entity, render, utf16_length
from posthouse.simulator.formatting.units import utf16_slice
from posthouse.simulator.methods.call import Call
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

QUOTE_CHARACTERS_MAX = 1024
_KEPT_IN_QUOTES = ("bold", "italic", "underline", "strikethrough", "spoiler", "custom_emoji", "date_time")


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """`reply_parameters` or the older `reply_to_message_id`, parsed but not looked up."""

    message_id: int
    chat_id: object = None
    lenient: bool = False
    quote: str = ""
    quote_entities: tuple[Entity, ...] = ()
    quote_position: int = 0
    """In UTF-16 code units."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was found of it; nothing of a message that may be missing."""

    message: Message | None = None
    quote: Quote | None = None


def read_reply(call: Call) -> ReplyRequest | None:
    """What the call wants to answer, or None; or raise Refusal for parameters that cannot be read."""
    parameters = call.parameters
    lenient = parameters.flag("allow_sending_without_reply")
    if not parameters.has("reply_parameters"):
        if not parameters.has("reply_to_message_id"):
            return None
        message_id = parameters.integer("reply_to_message_id")
        return ReplyRequest(message_id, lenient=lenient) if message_id > 0 else None
    try:
        given = parameters.json("reply_parameters")
    except msgspec.DecodeError:
        raise bad_request("can't parse reply parameters JSON object") from None
    if given is None:
        return None
    if not isinstance(given, dict):
        raise bad_request("object expected as reply parameters")
    return _read(Parameters({name: value for name, value in given.items() if value is not None}), lenient)


def _read(given: Parameters, lenient: bool) -> ReplyRequest | None:
    if given.has("ephemeral_message_id") and not given.has("message_id"):
        raise bad_request("message to be replied not found")
    if given.has("allow_sending_without_reply"):
        lenient = given.flag("allow_sending_without_reply")
    quote, entities = render(given.text("quote"), given.text("quote_parse_mode"), given.values.get("quote_entities"))
    lead = _lead(given.text("quote"))
    position = given.integer("quote_position", low=0)
    message_id = given.integer("message_id")
    if message_id <= 0:
        return None
    return ReplyRequest(
        message_id,
        given.values.get("chat_id"),
        lenient,
        quote,
        tuple(entity for entity in entities if entity["type"] in _KEPT_IN_QUOTES),
        position + lead if given.has("quote_position") else 0,
    )


def _lead(text: str) -> int:
    """How far a quote begins later than it was written, because its white space was cut."""
    return len(text) - len(text.lstrip(" \n"))


def find_reply(call: Call, chat: Chat, wanted: ReplyRequest | None) -> Reply:
    """The message that is answered and the quote from it, or raise Refusal."""
    if wanted is None:
        return Reply()
    source = chat if wanted.chat_id is None else _other_chat(call, wanted.chat_id)
    message = source.messages.get(wanted.message_id)
    if message is None or message.deleted:
        if wanted.lenient and source is chat:
            return Reply()
        raise bad_request("message to be replied not found")
    if source is not chat and (message.protected or source.protected):
        raise bad_request("message to be replied not found")
    return Reply(message, _quote(message, wanted, is_external=source is not chat))


def _other_chat(call: Call, chat_id: object) -> Chat:
    chat = call.find_chat(str(chat_id))
    if not chat.username and call.bot.id not in chat.bots:
        raise bad_request("chat not found")
    return chat


def _quote(message: Message, wanted: ReplyRequest, *, is_external: bool) -> Quote | None:
    """The quoted part, if the message has exactly this text with exactly these styles; or raise Refusal."""
    if not wanted.quote:
        shown = utf16_slice(message.text, 0, min(utf16_length(message.text), QUOTE_CHARACTERS_MAX))
        return Quote(shown, [], 0, is_manual=False) if is_external and shown else None
    if len(wanted.quote) > QUOTE_CHARACTERS_MAX:
        raise bad_request("QUOTE_TEXT_INVALID")
    for position in _positions(message.text, wanted.quote, wanted.quote_position):
        if _styles_of(message, position, utf16_length(wanted.quote)) == list(wanted.quote_entities):
            return Quote(wanted.quote, list(wanted.quote_entities), position, is_manual=True)
    raise bad_request("QUOTE_TEXT_INVALID")


def _positions(text: str, quote: str, near: int) -> list[int]:
    """Where the quote stands in the text, in UTF-16 code units, the nearest to the given position first."""
    found = []
    at = text.find(quote)
    while at >= 0:
        found.append(utf16_length(text[:at]))
        at = text.find(quote, at + 1)
    return sorted(found, key=lambda position: abs(position - near))


def _styles_of(message: Message, position: int, length: int) -> list[dict[str, Any]]:
    """The entities of that part which a quote keeps."""
    kept = []
    for entity in message.entities:
        begin = max(position, entity["offset"])
        end = min(position + length, entity["offset"] + entity["length"])
        if entity["type"] in _KEPT_IN_QUOTES and begin < end:
            kept.append({**entity, "offset": begin - position, "length": end - begin})
    return kept
