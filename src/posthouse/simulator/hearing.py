"""Which bots hear a message, and the messages that a chat itself writes about what happened in it."""

from __future__ import annotations

from collections.abc import Iterable

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.media import Media
from posthouse.simulator.town import Town


def hearers(message: Message) -> list[Bot]:
    """The bots that are told of this message."""
    return [bot for bot in message.chat.bots.values() if _hears(bot, message)]


def _hears(bot: Bot, message: Message) -> bool:
    """Privacy mode: in a group a bot hears what is addressed to it, what came of its results, and all service
    messages."""
    chat = message.chat
    if chat.is_private or not bot.privacy or bot.id in chat.admins or message.is_service:
        return True
    if message.via_bot is bot or (message.reply_to is not None and message.reply_to.sender is bot):
        return True
    if not message.text.startswith("/"):
        return False
    _, at, name = message.text.split(maxsplit=1)[0].partition("@")
    return name.lower() == bot.username.lower() if at else chat.last_bot_id in (None, bot.id)


def speaker(chat: Chat, sender: Bot | Person, now: float) -> Chat | None:
    """The chat in whose name somebody speaks there: a channel always, a group for its anonymous administrators."""
    if chat.is_private:
        return None
    return chat if chat.is_channel or chat.member(sender, now).is_anonymous else None


def signature(chat: Chat, sender: Bot | Person, now: float) -> str:
    """What is written under a message besides the chat in whose name it is said."""
    if chat.is_private:
        return ""
    if chat.is_channel:
        return sender.first_name if chat.signed else ""
    member = chat.member(sender, now)
    return member.custom_title if member.is_anonymous else ""


def forward_to_discussion(town: Town, post: Message) -> None:
    """Telegram forwards what a channel posts into its discussion group, where answers are comments."""
    group = post.chat.linked
    if group is None or not post.chat.is_channel or post.is_service:
        return
    forwarded = Message(0, group, post.sender, int(town.now()), post.text, post.entities, post.media)
    forwarded.sender_chat, forwarded.signature = post.chat, post.signature
    forwarded.origin, forwarded.is_automatic_forward = post.wire_origin(), True
    town.post(forwarded)
    forwarded.cursor = town.journal.record(
        "post.forwarded", chat=group.ref, message_id=forwarded.id, text=forwarded.text or None, from_chat=post.chat.ref
    )
    for bot in hearers(forwarded):
        town.announce(bot, forwarded.update_kind, forwarded.wire(bot), group.id)


def post_service(
    town: Town,
    chat: Chat,
    actor: Bot | Person,
    service: Wire,
    *,
    media: Media | None = None,
    thread_id: int = 0,
    also: Iterable[Bot] = (),
) -> Message:
    """Write a service message into the chat. Every bot in it is told, also the one whose doing it is.

    `also` names bots that are told although they are outside by now.
    """
    message = Message(0, chat, actor, int(town.now()), media=media, service=service, thread_id=thread_id)
    message.sender_chat = speaker(chat, actor, town.now())
    town.post(message)
    message.cursor = town.journal.record(
        "service.posted",
        bot_id=actor.id if isinstance(actor, Bot) else None,
        chat=chat.ref,
        person_id=actor.id if isinstance(actor, Person) else None,
        message_id=message.id,
        service=sorted(message.service) or [media.kind if media else ""],
    )
    for bot in (*hearers(message), *also):
        town.announce(bot, message.update_kind, message.wire(bot), chat.id)
    return message
