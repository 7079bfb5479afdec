"""Writing and editing messages, and which bots hear of it."""

from __future__ import annotations

from typing import Any

from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.formatting import automatic
from posthouse.simulator.hearing import hearers
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.town import Town


def say(town: Town, person: Person, chat: Chat, text: str, *, reply_to: Message | None = None) -> Message:
    """Write a message. In a private chat this also starts the bot."""
    check_writing(person, chat)
    if not text.strip():
        raise Impossible("an empty message cannot be sent")
    message = Message(0, chat, person, int(town.now()), text.strip(), automatic(text.strip()), reply_to=reply_to)
    deliver(town, message)
    return message


def edit(town: Town, person: Person, message: Message, text: str) -> None:
    """Change the text of one's own message; an edit without a change is not an event."""
    if message.sender is not person or message.deleted:
        raise Impossible(f"message {message.id} is not {person.first_name}'s to edit")
    if text.strip() == message.text:
        return
    message.text, message.entities = text.strip(), automatic(text.strip())
    message.edit_date = int(town.now())
    message.cursor = journal(town, "person.edited", message)
    for bot in hearers(message):
        town.announce(bot, message.edit_kind, message.wire(bot), message.chat.id)


def check_writing(person: Person, chat: Chat) -> None:
    if person.id not in chat.people:
        raise Impossible(f"{person.first_name} is not in this chat")
    if chat.blocked:
        raise Impossible(f"{person.first_name} blocked the bot; unblock it first")
    if chat.migrated_to is not None:
        raise Impossible(f"the group became the supergroup {chat.migrated_to}; write there")


def deliver(town: Town, message: Message) -> None:
    message.chat.closes_at = None
    town.post(message)
    message.cursor = journal(town, "person.said", message)
    for bot in hearers(message):
        town.announce(bot, message.update_kind, message.wire(bot), message.chat.id)


def journal(town: Town, kind: str, message: Message) -> int:
    details: dict[str, Any] = {"service": message.service} if message.service else {}
    return town.journal.record(
        kind,
        bot_id=message.chat.bot.id if message.chat.is_private else None,
        chat=message.chat.ref,
        person_id=message.sender.id,
        message_id=message.id,
        text=message.text or None,
        **details,
    )
