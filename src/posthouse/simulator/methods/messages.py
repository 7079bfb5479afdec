"""Sending, editing and deleting messages."""

from __future__ import annotations

from typing import Any

import msgspec

from posthouse.simulator import rights
from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Message
from posthouse.simulator.formatting import (
    CAPTION_CHARACTERS_MAX,
    TEXT_BYTES_MAX,
    TEXT_CHARACTERS_MAX,
    Entity,
    render,
)
from posthouse.simulator.hearing import speaker
from posthouse.simulator.keyboards import Markup, check_pay_button, parse_markup
from posthouse.simulator.media import Media
from posthouse.simulator.methods.call import TRUE, Call, Methods, refuse
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request, not_implemented

DELETABLE_FOR_S = 48 * 3600
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a "
    "current content and reply markup of the message"
)
CHAT_ACTIONS = frozenset(
    {
        "typing",
        "upload_photo",
        "record_video",
        "upload_video",
        "record_voice",
        "upload_voice",
        "upload_document",
        "choose_sticker",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)


def send_message(call: Call) -> Wire:
    text, entities = _text(call.parameters)
    if len(text) > TEXT_CHARACTERS_MAX:
        raise bad_request("message is too long")
    return deliver(call, text=text, entities=entities)


def edit_message_text(call: Call) -> Wire:
    text, entities = _text(call.parameters)
    if len(text) > TEXT_CHARACTERS_MAX:
        raise bad_request("MESSAGE_TOO_LONG")
    markup = parse_markup(call.parameters)
    message = _message_to_edit(call)
    if message.media or message.service:
        raise bad_request("there is no text in the message to edit")
    return _change(call, message, text, entities, markup)


def edit_message_reply_markup(call: Call) -> Wire:
    markup = parse_markup(call.parameters)
    message = _message_to_edit(call)
    return _change(call, message, message.text, message.entities, markup)


def delete_message(call: Call) -> bool:
    chat = call.chat_to_write()
    message = call.message(chat, "delete")
    if not chat.is_private:
        refuse(rights.to_delete(call.standing(chat), is_own=message.sender is call.bot))
    if call.now - message.date > DELETABLE_FOR_S:
        raise bad_request("message can't be deleted")
    message.deleted = True
    message.cursor = _note(call.bot, message, "bot.deleted", call)
    return TRUE


def send_chat_action(call: Call) -> bool:
    action = call.parameters.text("action")
    if action not in CHAT_ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = call.chat_to_write()
    call.world.journal.record("bot.acted", bot_id=call.bot.id, chat=chat.ref, text=action)
    return TRUE


def deliver(
    call: Call,
    *,
    text: str = "",
    entities: list[Entity] | None = None,
    media: Media | None = None,
    album_id: str = "",
    counted: bool = True,
) -> Wire:
    """The common end of every send method: reply, markup, chat, limits, then the message exists.

    What is not `counted` is free of the limits: all items of an album but the first.
    """
    reply = call.reply_parameters()
    markup = check_pay_button(parse_markup(call.parameters), media)
    chat = call.chat_to_write()
    replied = call.replied(chat, reply)
    thread_id = call.thread(chat, replied)
    call.check_sending(chat, "text" if media is None else media.kind, thread_id)
    if counted:
        call.world.pace(call.bot, chat, paid=call.parameters.flag("allow_paid_broadcast"))
    message = Message(
        0,
        chat,
        call.bot,
        int(call.now),
        text,
        entities or [],
        media,
        inline=markup.inline,
        keyboard=markup.keyboard,
        reply_to=replied,
        sender_chat=speaker(chat, call.bot, call.now),
        thread_id=thread_id,
        album_id=album_id,
    )
    call.world.town.post(message)
    chat.last_bot_id = call.bot.id
    message.cursor = _note(call.bot, message, "bot.said", call)
    return message.wire(call.bot)


def caption(parameters: Parameters) -> tuple[str, list[Entity]]:
    """The caption of a media message and its entities, or raise Refusal."""
    text, entities = render(
        parameters.text("caption"), parameters.text("parse_mode"), _json(parameters, "caption_entities")
    )
    if len(text) > CAPTION_CHARACTERS_MAX:
        raise bad_request("message caption is too long")
    return text, entities


def _text(parameters: Parameters) -> tuple[str, list[Entity]]:
    text = parameters.text("text")
    if not text:
        raise bad_request("message text is empty")
    if len(text) > TEXT_BYTES_MAX // 4 and len(text.encode()) > TEXT_BYTES_MAX:
        raise bad_request("text is too long")
    shown, entities = render(text, parameters.text("parse_mode"), _json(parameters, "entities"))
    if not shown:
        raise bad_request("text must be non-empty")
    return shown, entities


def _json(parameters: Parameters, name: str) -> object:
    try:
        return parameters.json(name)
    except msgspec.DecodeError:
        raise bad_request(f"can't parse {name} JSON object") from None


def _message_to_edit(call: Call) -> Message:
    if call.parameters.has("inline_message_id"):
        raise not_implemented("does not keep messages sent via inline mode yet")
    message = call.message(call.chat_to_write(), "edit")
    if message.sender is not call.bot:
        raise bad_request("message can't be edited")
    return message


def _change(call: Call, message: Message, text: str, entities: list[Entity], markup: Markup) -> Wire:
    if (text, entities, markup.inline) == (message.text, message.entities, message.inline):
        raise bad_request(NOT_MODIFIED)
    call.world.pace(call.bot, message.chat)
    message.text, message.entities, message.inline = text, entities, markup.inline
    message.edit_date = int(call.now)
    message.cursor = _note(call.bot, message, "bot.edited", call)
    return message.wire(call.bot)


def _note(bot: Bot, message: Message, kind: str, call: Call) -> int:
    details: dict[str, Any] = {}
    if message.inline:
        details["buttons"] = [[button["text"] for button in row] for row in message.inline]
    if message.media:
        details["media"] = message.media.kind
    return call.world.journal.record(
        kind, bot_id=bot.id, chat=message.chat.ref, message_id=message.id, text=message.text, **details
    )


METHODS: Methods = {
    "sendMessage": send_message,
    "editMessageText": edit_message_text,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "sendChatAction": send_chat_action,
}
