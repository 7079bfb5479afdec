"""Sending messages: text, chat actions, and the common end of everything that is sent."""

from __future__ import annotations

from typing import Any

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message
from posthouse.simulator.formatting import CAPTION_CHARACTERS_MAX, Entity, render
from posthouse.simulator.hearing import forward_to_discussion, signature, speaker
from posthouse.simulator.keyboards import check_pay_button, check_place, parse_markup
from posthouse.simulator.media import Media
from posthouse.simulator.mentions import name_people
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.contents import read_json, read_preview, read_text
from posthouse.simulator.methods.replies import find_reply, read_reply
from posthouse.simulator.moments import ACTION_S, Action, settle
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

CHAT_ACTIONS = {
    "typing": "typing",
    "upload_photo": "upload_photo",
    "record_video": "record_video",
    "upload_video": "upload_video",
    "record_voice": "record_voice",
    "upload_voice": "upload_voice",
    "record_audio": "record_voice",
    "upload_audio": "upload_voice",
    "upload_document": "upload_document",
    "choose_sticker": "choose_sticker",
    "pick_up_location": "find_location",
    "find_location": "find_location",
    "record_video_note": "record_video_note",
    "upload_video_note": "upload_video_note",
    "cancel": "cancel",
}
"""What bots write, and what it is called today; `cancel` ends the others."""


def send_message(call: Call) -> Wire:
    text, entities = read_text(call.parameters, too_long="message is too long")
    return deliver(call, text=text, entities=entities, link_preview=read_preview(call.parameters, entities))


def send_chat_action(call: Call) -> bool:
    kind = CHAT_ACTIONS.get(call.parameters.text("action").strip().lower())
    if kind is None:
        raise bad_request("wrong parameter action in request")
    chat = call.chat_to_write()
    thread_id = call.parameters.integer("message_thread_id")
    chat.actions = [a for a in chat.actions if (a.bot_id, a.thread_id) != (call.bot.id, thread_id)]
    if kind != "cancel":
        chat.actions.append(Action(call.bot.id, kind, call.now + ACTION_S, thread_id))
    call.world.journal.record("bot.acted", bot_id=call.bot.id, chat=chat.ref, text=kind, thread_id=thread_id)
    return TRUE


def deliver(
    call: Call,
    *,
    text: str = "",
    entities: list[Entity] | None = None,
    media: Media | None = None,
    link_preview: Wire | None = None,
    album_id: str = "",
    counted: bool = True,
) -> Wire:
    """The common end of every send method: reply, markup, chat, limits, then the message exists.

    What is not `counted` is free of the limits: all items of an album but the first.
    """
    wanted = read_reply(call)
    markup = check_pay_button(parse_markup(call.parameters), media)
    chat = call.chat_to_write()
    check_place(markup, is_private=chat.is_private, is_channel=chat.is_channel)
    effect_id = _effect(call, chat)
    reply = find_reply(call, chat, wanted)
    thread_id = call.thread(chat, reply.message)
    call.check_sending(chat, "text" if media is None else media.kind, thread_id)
    if counted:
        call.world.pace(call.bot, chat, paid=call.parameters.flag("allow_paid_broadcast"))
    message = Message(
        0,
        chat,
        call.bot,
        int(call.now),
        text,
        name_people(call.world.town, entities or []),
        media,
        inline=markup.inline,
        keyboard=markup.keyboard,
        force_reply=markup.force_reply,
        reply_to=reply.message,
        quote=reply.quote,
        link_preview=link_preview or {},
        effect_id=effect_id,
        protected=call.parameters.flag("protect_content"),
        silent=call.parameters.flag("disable_notification"),
        sender_chat=speaker(chat, call.bot, call.now),
        signature=signature(chat, call.bot, call.now),
        thread_id=thread_id,
        album_id=album_id,
    )
    call.world.town.post(message)
    chat.last_bot_id = call.bot.id
    settle(chat, message, call.bot.id)
    message.cursor = note(call.bot, message, "bot.said", call)
    if chat.linked is not None:
        forward_to_discussion(call.world.town, message)
    return message.wire(call.bot)


def caption(parameters: Parameters) -> tuple[str, list[Entity]]:
    """The caption of a media message and its entities, or raise Refusal."""
    text, entities = render(
        parameters.text("caption"), parameters.text("parse_mode"), read_json(parameters, "caption_entities")
    )
    if len(text) > CAPTION_CHARACTERS_MAX:
        raise bad_request("message caption is too long")
    return text, entities


def _effect(call: Call, chat: Chat) -> str:
    """The message effect that the call asks for, or raise Refusal."""
    effect_id = call.parameters.text("message_effect_id").strip()
    if not effect_id:
        return ""
    if not effect_id.isdecimal():
        raise bad_request("invalid message effect identifier specified")
    if not chat.is_private:
        raise bad_request("can't use message effects in the chat")
    return effect_id


def note(bot: Bot, message: Message, kind: str, call: Call) -> int:
    """Journal what a bot did with a message, and return the cursor."""
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
    "sendChatAction": send_chat_action,
}
