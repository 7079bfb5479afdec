"""Forwarding messages, which say where they are from, and copying them, which do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from posthouse.simulator import rights
from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Chat, Message
from posthouse.simulator.hearing import speaker
from posthouse.simulator.keyboards import check_place, parse_markup
from posthouse.simulator.media import FileMedia
from posthouse.simulator.mentions import name_people
from posthouse.simulator.methods.call import Call, Methods, refuse
from posthouse.simulator.methods.deletions import message_ids
from posthouse.simulator.methods.messages import caption, note
from posthouse.simulator.methods.replies import find_reply, read_reply
from posthouse.simulator.moments import settle
from posthouse.simulator.polls import PollMedia
from posthouse.simulator.refusals import Refusal, bad_request

NOT_COPIED = ("invoice", "paid_media", "giveaway", "giveaway_winners", "game")
"""Media that can be forwarded but not copied."""


def forward_message(call: Call) -> Wire:
    chat = call.chat_to_write()
    message = _source_message(call, "forward")
    _check_forwarding(message)
    return _forward(call, chat, message).wire(call.bot)


def forward_messages(call: Call) -> list[Wire]:
    return _each(call, _forward, _check_forwarding)


def copy_message(call: Call) -> Wire:
    wanted = read_reply(call)
    markup = parse_markup(call.parameters)
    text, entities = caption(call.parameters)
    chat = call.chat_to_write()
    check_place(markup, is_private=chat.is_private, is_channel=chat.is_channel)
    message = _source_message(call, "copy")
    _check_copying(message)
    reply = find_reply(call, chat, wanted)
    copy = _copied(call, chat, message)
    _ask_again(call, copy)
    if message.media is not None and call.parameters.has("caption"):
        copy.text, copy.entities = text, name_people(call.world.town, entities)
        if isinstance(copy.media, FileMedia):
            copy.media = replace(copy.media, caption_above=call.parameters.flag("show_caption_above_media"))
    copy.inline, copy.keyboard, copy.force_reply = markup.inline, markup.keyboard, markup.force_reply
    copy.reply_to, copy.quote = reply.message, reply.quote
    return {"message_id": _post(call, copy).id}


def copy_messages(call: Call) -> list[Wire]:
    without = call.parameters.flag("remove_caption")

    def copy(call: Call, chat: Chat, message: Message) -> Message:
        copied = _copied(call, chat, message)
        _ask_again(call, copied)
        if without and message.media is not None:
            copied.text, copied.entities = "", []
        return _post(call, copied)

    return _each(call, copy, _check_copying)


def _each(call: Call, repeat: Callable[[Call, Chat, Message], Message], check: Callable[[Message], None]) -> list[Wire]:
    """Repeat every message that is there and may be repeated; those that may not are passed over."""
    wanted = message_ids(call)
    if wanted != sorted(set(wanted)):
        raise bad_request("message identifiers must be in a strictly increasing order")
    chat = call.chat_to_write()
    source = _source(call)
    found = [source.messages[i] for i in wanted if i in source.messages and not source.messages[i].deleted]
    allowed = [message for message in found if _passes(check, message)]
    if not allowed:
        what = "forward" if call.method.startswith("forward") else "copy"
        raise bad_request(f"messages to {what} not found" if not found else f"messages can't be {_DONE[what]}")
    return [{"message_id": repeat(call, chat, message).id} for message in allowed]


_DONE = {"forward": "forwarded", "copy": "copied"}


def _passes(check: Callable[[Message], None], message: Message) -> bool:
    try:
        check(message)
    except Refusal:
        return False
    return True


def _check_forwarding(message: Message) -> None:
    if message.is_service or message.protected or message.chat.protected:
        raise bad_request("message can't be forwarded")


def _check_copying(message: Message) -> None:
    kind = message.media.kind if message.media is not None else ""
    if message.is_service or message.protected or message.chat.protected or kind in NOT_COPIED:
        raise bad_request("message can't be copied")


def _source(call: Call) -> Chat:
    """The chat that `from_chat_id` names, or raise Refusal."""
    if not call.parameters.text("from_chat_id").strip():
        raise bad_request("from_chat_id is empty")
    chat = call.find_chat(call.parameters.text("from_chat_id"))
    if not chat.username:  # anybody may look at a public one
        refuse(rights.to_be_in(chat, call.standing(chat)))
    return chat


def _source_message(call: Call, what: str) -> Message:
    source = _source(call)
    if not call.parameters.has("message_id"):
        raise bad_request("message identifier is not specified")
    message = source.messages.get(call.parameters.integer("message_id"))
    if message is None or message.deleted:
        raise bad_request(f"message to {what} not found")
    return message


def _forward(call: Call, chat: Chat, message: Message) -> Message:
    copy = _copied(call, chat, message)
    copy.origin = message.wire_origin()
    copy.via_bot = message.via_bot
    return _post(call, copy)


def _copied(call: Call, chat: Chat, message: Message) -> Message:
    """A new message with the same content; who sees it has buttons only if they open something by themselves."""
    return Message(
        0,
        chat,
        call.bot,
        int(call.now),
        message.text,
        message.entities,
        message.media,
        link_preview=message.link_preview,
        effect_id=call.parameters.text("message_effect_id") if chat.is_private else "",
        protected=call.parameters.flag("protect_content"),
        silent=call.parameters.flag("disable_notification"),
    )


def _ask_again(call: Call, copy: Message) -> None:
    """A forwarded poll is the same poll, a copied one is the bot's own; a quiz needs its answer to be known."""
    if not isinstance(copy.media, PollMedia):
        return
    poll, town = copy.media.poll, call.world.town
    if poll.is_quiz and not poll.is_closed and poll.bot is not call.bot:
        raise bad_request("message can't be copied")
    asked = poll.again(str(town.dice.randint(10**18, 9 * 10**18)), call.bot)
    town.keep_poll(asked)
    copy.media = PollMedia(asked)


def _post(call: Call, message: Message) -> Message:
    chat = message.chat
    message.thread_id = call.thread(chat, message.reply_to)
    call.check_sending(chat, "text" if message.media is None else message.media.kind, message.thread_id)
    message.sender_chat = speaker(chat, call.bot, call.now)
    call.world.pace(call.bot, chat, paid=call.parameters.flag("allow_paid_broadcast"))
    call.world.town.post(message)
    chat.last_bot_id = call.bot.id
    settle(chat, message, call.bot.id)
    message.cursor = note(call.bot, message, "bot.said", call)
    return message


METHODS: Methods = {
    "forwardMessage": forward_message,
    "forwardMessages": forward_messages,
    "copyMessage": copy_message,
    "copyMessages": copy_messages,
}
