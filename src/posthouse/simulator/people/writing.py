"""Writing and editing messages, and which bots hear of it."""

from __future__ import annotations

import math
from typing import Any

from posthouse.simulator import rights
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.formatting import automatic
from posthouse.simulator.hearing import hearers, speaker
from posthouse.simulator.people.impossible import Impossible, refuse_person
from posthouse.simulator.topics import GENERAL_ID
from posthouse.simulator.town import Town


def say(
    town: Town,
    person: Person,
    chat: Chat,
    text: str,
    *,
    reply_to: Message | None = None,
    thread_id: int = 0,
    as_chat: Chat | None = None,
) -> Message:
    """Write a message: into a topic if one is given, in the name of an own channel if one is given.

    In a private chat this also starts the bot.
    """
    check_writing(person, chat)
    if not text.strip():
        raise Impossible("an empty message cannot be sent")
    message = Message(0, chat, person, int(town.now()), text.strip(), automatic(text.strip()), reply_to=reply_to)
    message.thread_id, message.sender_chat = thread_id, as_chat
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
    if person.deactivated:
        raise Impossible("this account was deleted")
    if chat.blocked:
        raise Impossible(f"{person.first_name} blocked the bot; unblock it first")
    if chat.migrated_to is not None:
        raise Impossible(f"the group became the supergroup {chat.migrated_to}; write there")


def deliver(town: Town, message: Message) -> None:
    """The common end of everything that people write: may they, then it exists and bots hear of it."""
    chat = message.chat
    chat.closes_at = None
    if not chat.is_private and not message.is_service:
        _sign(town, message)
        _check_rights(town, message)
    town.post(message)
    message.cursor = journal(town, "person.said", message)
    for bot in hearers(message):
        town.announce(bot, message.update_kind, message.wire(bot), message.chat.id)


def _sign(town: Town, message: Message) -> None:
    """Say in whose name, and in which topic, this is written."""
    chat, person = message.chat, message.sender
    if chat.is_forum and not message.thread_id and message.reply_to is not None:
        message.thread_id = message.reply_to.thread_id
    if message.thread_id and chat.topic(message.thread_id) is None:
        raise Impossible(f"there is no topic {message.thread_id}")
    if message.thread_id == GENERAL_ID:
        message.thread_id = 0
    if message.sender_chat is None:
        message.sender_chat = speaker(chat, person, town.now())
        if chat.is_channel and chat.signed:
            message.signature = person.first_name
        elif message.sender_chat is not None:
            message.signature = chat.member(person, town.now()).custom_title


def _check_rights(town: Town, message: Message) -> None:
    chat, person, speaker = message.chat, message.sender, message.sender_chat
    member = chat.member(person, town.now())
    if speaker is not None and speaker is not chat:
        if not speaker.is_channel or speaker.member(person, town.now()).status != "creator":
            raise Impossible(f"{person.first_name} does not own the channel {speaker.title!r}")
        if speaker.id in chat.banned_senders:
            raise Impossible(f"the channel {speaker.title!r} is banned here")
    content = "text" if message.media is None else message.media.kind
    refuse_person(rights.to_send(chat, member, content, message.thread_id))
    if chat.slow_mode_s and not member.is_admin:
        wait_s = chat.spoken_at.get(person.id, -math.inf) + chat.slow_mode_s - town.now()
        if wait_s > 0:
            raise Impossible(f"slow mode: {person.first_name} may write again in {math.ceil(wait_s)} s")
        chat.spoken_at[person.id] = town.now()


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
