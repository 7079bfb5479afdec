"""Pinning messages to the top of a chat."""

from __future__ import annotations

from posthouse.simulator import rights
from posthouse.simulator.chats import Chat, Message, Pin
from posthouse.simulator.hearing import post_service
from posthouse.simulator.methods.call import TRUE, Call, Methods, refuse
from posthouse.simulator.refusals import bad_request


def pin_chat_message(call: Call) -> bool:
    chat = _chat(call)
    message = call.message(chat, "pin")
    if message.is_service:
        raise bad_request("message can't be pinned")
    if message.id in chat.pinned:
        return TRUE
    chat.pinned = sorted([*chat.pinned, message.id])
    message.cursor = _note(call, message, "bot.pinned")
    said = post_service(call.world.town, chat, call.bot, {}, media=Pin(message), thread_id=message.thread_id)
    said.silent = call.parameters.flag("disable_notification") or chat.is_private or chat.is_channel
    return TRUE


def unpin_chat_message(call: Call) -> bool:
    """The given message, or the newest pinned one."""
    chat = _chat(call)
    if call.parameters.has("message_id"):
        message_id = call.message(chat, "unpin").id
    elif chat.pinned:
        message_id = chat.pinned[-1]
    else:
        raise bad_request("message to unpin not found")
    if message_id in chat.pinned:
        chat.pinned.remove(message_id)
        message = chat.messages[message_id]
        message.cursor = _note(call, message, "bot.unpinned")
    return TRUE


def unpin_all_chat_messages(call: Call) -> bool:
    chat = _chat(call)
    if chat.pinned:
        chat.pinned = []
        call.world.journal.record("bot.unpinned", bot_id=call.bot.id, chat=chat.ref)
    return TRUE


def _chat(call: Call) -> Chat:
    """The chat, if the bot may pin there; or raise Refusal."""
    chat = call.chat_to_write()
    refuse(rights.to_pin(chat, call.standing(chat)))
    return chat


def _note(call: Call, message: Message, kind: str) -> int:
    return call.world.journal.record(
        kind, bot_id=call.bot.id, chat=message.chat.ref, message_id=message.id, text=message.text
    )


METHODS: Methods = {
    "pinChatMessage": pin_chat_message,
    "unpinChatMessage": unpin_chat_message,
    "unpinAllChatMessages": unpin_all_chat_messages,
}
