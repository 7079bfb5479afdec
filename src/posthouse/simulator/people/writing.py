"""Writing, editing, forwarding and deleting messages."""

from __future__ import annotations

import math
from typing import Any

from posthouse.simulator import rights
from posthouse.simulator.chats import Chat, Message, Person, Quote
from posthouse.simulator.formatting import TEXT_CHARACTERS_MAX, Entity, compose, utf16_length
from posthouse.simulator.hearing import forward_to_discussion, hearers, signature, speaker
from posthouse.simulator.mentions import name_people
from posthouse.simulator.people.impossible import Impossible, refuse_person
from posthouse.simulator.topics import GENERAL_ID
from posthouse.simulator.town import Town


def say(
    town: Town,
    person: Person,
    chat: Chat,
    text: str,
    *,
    entities: list[Entity] | None = None,
    reply_to: Message | None = None,
    quote: str = "",
    thread_id: int = 0,
    as_chat: Chat | None = None,
) -> Message:
    """Write a message: into a topic if one is given, in the name of an own channel if one is given.

    In a private chat this also starts the bot. When a bot asked for an answer and nothing else is replied to,
    this is it.
    """
    check_writing(person, chat)
    shown, marks = _composed(town, text, entities)
    reply_to = reply_to or _asked(person, chat)
    message = Message(0, chat, person, int(town.now()), shown, marks, reply_to=reply_to)
    message.thread_id, message.sender_chat = thread_id, as_chat
    if quote:
        message.quote = _quote(reply_to, quote)
    deliver(town, message)
    return message


def edit(town: Town, person: Person, message: Message, text: str, *, entities: list[Entity] | None = None) -> None:
    """Change the text of one's own message; an edit without a change is not an event."""
    if message.sender is not person or message.deleted or message.origin is not None:
        raise Impossible(f"message {message.id} is not {person.first_name}'s to edit")
    shown, marks = _composed(town, text, entities)
    if (shown, marks) == (message.text, message.entities):
        return
    message.text, message.entities = shown, marks
    message.edit_date = int(town.now())
    message.cursor = journal(town, "person.edited", message)
    for bot in hearers(message):
        town.announce(bot, message.edit_kind, message.wire(bot), message.chat.id)


def delete(town: Town, person: Person, message: Message) -> None:
    """Take an own message back, or any message of a private chat. No bot is told."""
    chat = message.chat
    if person.id not in chat.people or not (message.sender is person or chat.is_private or person.id in chat.admins):
        raise Impossible(f"message {message.id} is not {person.first_name}'s to delete")
    message.deleted = True
    if message.id in chat.pinned:
        chat.pinned.remove(message.id)
    message.cursor = town.journal.record(
        "person.deleted",
        bot_id=chat.bot.id if chat.is_private else None,
        chat=chat.ref,
        person_id=person.id,
        message_id=message.id,
        text=message.text or None,
    )


def forward(town: Town, person: Person, message: Message, chat: Chat) -> Message:
    """Forward a message that one sees to another chat, or to the same."""
    check_writing(person, chat)
    if person.id not in message.chat.people:
        raise Impossible(f"{person.first_name} does not see message {message.id}")
    if message.protected or message.chat.protected:
        raise Impossible(f"message {message.id} is protected from being forwarded")
    if message.is_service:
        raise Impossible("what a chat says about itself cannot be forwarded")
    copy = Message(0, chat, person, int(town.now()), message.text, message.entities, message.media)
    copy.origin, copy.via_bot, copy.link_preview = message.wire_origin(), message.via_bot, message.link_preview
    deliver(town, copy)
    return copy


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
    message.chat.to_answer.pop(message.sender.id, None)
    message.cursor = journal(town, "person.said", message)
    for bot in hearers(message):
        town.announce(bot, message.update_kind, message.wire(bot), message.chat.id)
    if chat.linked is not None:
        forward_to_discussion(town, message)


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
        message.signature = signature(chat, person, town.now())


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
    if chat.slow_mode_s and not member.is_admin and not _goes_on(message):
        wait_s = chat.spoken_at.get(person.id, -math.inf) + chat.slow_mode_s - town.now()
        if wait_s > 0:
            raise Impossible(f"slow mode: {person.first_name} may write again in {math.ceil(wait_s)} s")
        chat.spoken_at[person.id] = town.now()


def _goes_on(message: Message) -> bool:
    """Whether it is a further item of an album, which slow mode takes as one message."""
    newest = next(message.chat.newest_first(), None)
    return bool(message.album_id) and newest is not None and newest.album_id == message.album_id


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


def _composed(town: Town, text: str, entities: list[Entity] | None) -> tuple[str, list[Entity]]:
    shown, marks = compose(text, entities or [])
    if not shown.strip():
        raise Impossible("an empty message cannot be sent")
    if len(shown) > TEXT_CHARACTERS_MAX:
        raise Impossible(f"a message has at most {TEXT_CHARACTERS_MAX} characters")
    return shown, name_people(town, marks)


def _asked(person: Person, chat: Chat) -> Message | None:
    asked = chat.to_answer.get(person.id)
    return None if asked is None or asked.deleted else asked


def _quote(message: Message | None, text: str) -> Quote:
    if message is None or text not in message.text:
        raise Impossible(f"the message replied to does not contain {text!r}")
    return Quote(text, [], utf16_length(message.text[: message.text.index(text)]), is_manual=True)
