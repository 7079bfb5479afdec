"""People, the chats they share with bots, and every message in them.

`wire(to)` is what a bot is shown: identifiers of files, for one, are different for every bot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.formatting import Entity
from posthouse.simulator.keyboards import Button

MESSAGES_KEPT = 5_000


@dataclass(slots=True, eq=False)
class Person:
    """Somebody who chats with bots."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"

    def wire(self) -> Wire:
        user: Wire = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        for name in ("last_name", "username", "language_code"):
            if (value := getattr(self, name)) is not None:
                user[name] = value
        return user


@dataclass(slots=True, eq=False)
class Chat:
    """A private chat of one bot and one person, or a group."""

    id: int
    kind: str
    bots: dict[int, Bot]
    people: dict[int, Person]
    title: str = ""
    admins: set[int] = field(default_factory=set)
    """Ids of bots that administrate the group."""
    blocked: bool = False
    """The person blocked the bot of this private chat."""
    migrated_to: int | None = None
    last_bot_id: int | None = None
    """The bot that spoke last; a plain command in a group is for it."""
    message_id: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    ref: str = ""

    def __post_init__(self) -> None:
        self.ref = f"{self.bot.id}:{self.id}" if self.kind == "private" else str(self.id)

    @property
    def is_private(self) -> bool:
        return self.kind == "private"

    @property
    def bot(self) -> Bot:
        """The bot of a private chat."""
        return next(iter(self.bots.values()))

    @property
    def person(self) -> Person:
        """The person of a private chat."""
        return next(iter(self.people.values()))

    def wire(self) -> Wire:
        if not self.is_private:
            return {"id": self.id, "type": self.kind, "title": self.title}
        chat = self.person.wire()
        del chat["is_bot"]
        chat.pop("language_code", None)
        chat["type"] = "private"
        return chat

    def visible(self) -> Iterator[Message]:
        return (message for message in self.messages.values() if not message.deleted)

    def newest_first(self) -> Iterator[Message]:
        return (message for message in reversed(self.messages.values()) if not message.deleted)

    def keep(self, message: Message) -> None:
        self.messages[message.id] = message
        if len(self.messages) > MESSAGES_KEPT:
            del self.messages[next(iter(self.messages))]


@dataclass(slots=True, eq=False)
class Message:
    """One message as it stands now; edits change it in place."""

    id: int
    chat: Chat
    sender: Bot | Person
    date: int
    text: str = ""
    """The text, or the caption when there is media."""
    entities: list[Entity] = field(default_factory=list)
    media: Wire = field(default_factory=dict)
    """The media field as Telegram shows it, for example `{"document": {…}}`; empty for a text message."""
    service: Wire = field(default_factory=dict)
    """The field of a service message, for example `{"migrate_to_chat_id": …}`."""
    inline: list[list[Button]] | None = None
    keyboard: Wire | None = None
    reply_to: Message | None = None
    edit_date: int | None = None
    deleted: bool = False
    cursor: int = 0
    """The journal's seq of its newest change."""

    def wire(self, to: Bot, *, depth: int = 1) -> Wire:
        """The message as this bot is shown it."""
        message: Wire = {
            "message_id": self.id,
            "from": self.sender.wire(),
            "chat": self.chat.wire(),
            "date": self.date,
        }
        if self.edit_date is not None:
            message["edit_date"] = self.edit_date
        if self.reply_to is not None and depth > 0:
            message["reply_to_message"] = self.reply_to.wire(to, depth=depth - 1)
        message.update(self.media)
        message.update(self.service)
        if self.text:
            message["caption" if self.media else "text"] = self.text
        if self.entities:
            message["caption_entities" if self.media else "entities"] = self.entities
        if self.inline:
            message["reply_markup"] = {"inline_keyboard": self.inline}
        return message
