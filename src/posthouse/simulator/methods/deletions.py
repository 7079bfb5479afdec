"""Deleting messages, within the time and by those who may."""

from __future__ import annotations

from posthouse.simulator import rights
from posthouse.simulator.chats import Chat, Message
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.contents import read_json
from posthouse.simulator.methods.messages import note
from posthouse.simulator.refusals import bad_request

DELETABLE_FOR_S = 48 * 3600
DICE_KEPT_FOR_S = 24 * 3600
MESSAGES_AT_ONCE_MAX = 100
_LASTING = ("group_chat_created", "supergroup_chat_created", "channel_chat_created", "forum_topic_created")
"""Service messages that stay: they tell how a chat or a topic began."""


def delete_message(call: Call) -> bool:
    chat = call.chat_to_write()
    message = call.message(chat, "delete")
    if not _may_delete(call, chat, message):
        raise bad_request("message can't be deleted")
    _delete(call, message)
    return TRUE


def delete_messages(call: Call) -> bool:
    """Those that are gone, foreign or too old are passed over."""
    wanted = message_ids(call)
    chat = call.chat_to_write()
    for message_id in wanted:
        message = chat.messages.get(message_id)
        if message is not None and not message.deleted and _may_delete(call, chat, message):
            _delete(call, message)
    return TRUE


def message_ids(call: Call) -> list[int]:
    """`message_ids`, or raise Refusal."""
    given = read_json(call.parameters, "message_ids")
    if not isinstance(given, list):
        raise bad_request(
            "expected an Array of message identifiers" if given else "message identifiers are not specified"
        )
    if len(given) > MESSAGES_AT_ONCE_MAX:
        raise bad_request("too many message identifiers specified")
    if not given:
        raise bad_request("message identifiers are not specified")
    found = [int(value) for value in given if str(value).isdecimal() and 0 < int(value) < 2**31]
    if len(found) < len(given):
        raise bad_request("invalid message identifier specified")
    return found


def _may_delete(call: Call, chat: Chat, message: Message) -> bool:
    age_s = call.now - message.date
    if age_s > DELETABLE_FOR_S or any(name in message.service for name in _LASTING):
        return False
    if chat.is_private:
        is_dice = message.media is not None and message.media.kind == "dice"
        return not is_dice or age_s > DICE_KEPT_FOR_S
    return rights.to_delete(call.standing(chat), is_own=message.sender is call.bot) is None


def _delete(call: Call, message: Message) -> None:
    message.deleted = True
    chat = message.chat
    if message.id in chat.pinned:
        chat.pinned.remove(message.id)
    message.cursor = note(call.bot, message, "bot.deleted", call)


METHODS: Methods = {"deleteMessage": delete_message, "deleteMessages": delete_messages}
