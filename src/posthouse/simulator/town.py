"""The town: bots, people, the chats between them, and every message in them.

    Town ─┬─ bots     by id; each has its queue of updates, its webhook, its files
          ├─ people   by id
          └─ chats    by ref: `<bot id>:<person id>` for a private chat, the chat id for a group

State and lookups only, in memory. What people do is in `people.py`, what bots do in `methods/`, what
Telegram does with the resulting updates in `methods/polls.py` and `delivery.py`. Deliberately absent:
channels, topics, business accounts.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from posthouse.simulator.files import FileShelf
from posthouse.simulator.formatting import Entity
from posthouse.simulator.journal import Bell, Journal
from posthouse.simulator.keyboards import Button
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.updates import DEFAULT_KINDS, UpdateQueue

MESSAGES_KEPT = 5_000
QUERIES_KEPT = 20_000
_TOKEN = re.compile(r"[1-9]\d*:[^/]+")
TOKEN_CHARACTERS_MAX = 80

Wire = dict[str, Any]


@dataclass(slots=True, eq=False)
class Webhook:
    """Where a bot wants its updates, and what went wrong there. A new record for every setWebhook."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    last_error_at: float | None = None
    last_error: str = ""
    gone_since: float | None = None
    """Since when the receiver has answered nothing but 410."""


@dataclass(slots=True, eq=False)
class PollLine:
    """One bot's place for a poller: at most one waits at a time."""

    waiting: asyncio.Future[None] | None = None
    """Set by a rival to end the wait of the current poller."""
    conflict_at: float = float("-inf")
    offset: int | None = None
    polled_at: float = float("-inf")


@dataclass(slots=True, eq=False)
class Bot:
    """One bot, known by the number before the colon of its token."""

    id: int
    token: str
    first_name: str
    username: str
    queue: UpdateQueue
    files: FileShelf
    privacy: bool = True
    """In groups it hears only what is addressed to it."""
    allowed_updates: frozenset[str] | None = None
    """None means the default kinds."""
    webhook: Webhook = field(default_factory=Webhook)
    webhook_set_at: float = 0.0
    line: PollLine = field(default_factory=PollLine)
    commands: dict[str, list[Wire]] = field(default_factory=dict)
    bell: Bell = field(default_factory=Bell)
    """Rings when an update was created or the webhook changed."""
    message_id: int = 0

    @property
    def wanted_kinds(self) -> frozenset[str]:
        return DEFAULT_KINDS if self.allowed_updates is None else self.allowed_updates

    def wire(self) -> Wire:
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}


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

    def wire(self, *, depth: int = 1) -> Wire:
        message: Wire = {
            "message_id": self.id,
            "from": self.sender.wire(),
            "chat": self.chat.wire(),
            "date": self.date,
        }
        if self.edit_date is not None:
            message["edit_date"] = self.edit_date
        if self.reply_to is not None and depth > 0:
            message["reply_to_message"] = self.reply_to.wire(depth=depth - 1)
        message.update(self.media)
        message.update(self.service)
        if self.text:
            message["caption" if self.media else "text"] = self.text
        if self.entities:
            message["caption_entities" if self.media else "entities"] = self.entities
        if self.inline:
            message["reply_markup"] = {"inline_keyboard": self.inline}
        return message


@dataclass(slots=True, eq=False)
class Query:
    """Something a bot has to answer: a pressed button, an inline query, a checkout."""

    id: str
    kind: str
    bot: Bot
    person: Person
    deadline: float
    chat: Chat | None = None
    payload: Wire = field(default_factory=dict)
    answer: Wire | None = None


class Town:
    """Everybody and everything in it."""

    def __init__(self, journal: Journal, dice: random.Random, *, strict: bool) -> None:
        self.journal = journal
        self.dice = dice
        self.strict = strict
        """A token must belong to a bot that was registered before."""
        self.bots: dict[int, Bot] = {}
        self.people: dict[int, Person] = {}
        self.chats: dict[str, Chat] = {}
        self.queries: dict[str, Query] = {}
        self._next_person_id = 100_001

    def now(self) -> float:
        return self.journal.clock.now()

    # Bots.

    def bot_by_token(self, token: str) -> Bot:
        """The bot of this token, registered on first use unless the town is strict; or raise Refusal 401."""
        bot = self.bots.get(bot_id) if (bot_id := _bot_id_of(token)) is not None else None
        if bot is not None and bot.token == token:
            return bot
        if bot_id is None or len(token) > TOKEN_CHARACTERS_MAX:
            raise Refusal(401, "Unauthorized: invalid token specified")
        if bot is not None or self.strict:
            raise Refusal(401, "Unauthorized")
        return self.register_bot(token)

    def register_bot(
        self,
        token: str,
        *,
        first_name: str | None = None,
        username: str | None = None,
        privacy: bool | None = None,
    ) -> Bot:
        """Add the bot of this token, or rename it if it is there."""
        bot_id = _bot_id_of(token)
        if bot_id is None or len(token) > TOKEN_CHARACTERS_MAX:
            raise Refusal(401, "Unauthorized: invalid token specified")
        bot = self.bots.get(bot_id)
        if bot is None:
            bot = Bot(bot_id, token, f"Bot {bot_id}", f"sim{bot_id}bot", UpdateQueue(self.dice), FileShelf(bot_id))
            self.bots[bot_id] = bot
        bot.token = token
        bot.privacy = bot.privacy if privacy is None else privacy
        bot.first_name, bot.username = first_name or bot.first_name, username or bot.username
        return bot

    # People and chats.

    def add_person(
        self,
        first_name: str,
        *,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = "en",
        person_id: int | None = None,
    ) -> Person:
        if person_id is None:
            person_id = self._next_person_id
        self._next_person_id = max(self._next_person_id, person_id + 1)
        person = self.people[person_id] = Person(person_id, first_name, last_name, username, language_code)
        return person

    def private_chat(self, bot: Bot, person: Person) -> Chat:
        """Their chat, opened if this is the first time."""
        chat = self.chats.get(f"{bot.id}:{person.id}")
        if chat is None:
            chat = Chat(person.id, "private", {bot.id: bot}, {person.id: person})
            self.chats[chat.ref] = chat
        return chat

    def add_group(self, kind: str, title: str, people: list[Person], bots: list[Bot], admins: set[int]) -> Chat:
        number = self.dice.randint(10**8, 10**9 - 1)
        chat_id = -number if kind == "group" else -(10**12 + number)
        chat = Chat(chat_id, kind, {b.id: b for b in bots}, {p.id: p for p in people}, title, admins)
        self.chats[chat.ref] = chat
        return chat

    def chat_of(self, bot: Bot, chat_id: int) -> Chat | None:
        """The chat that this bot means by this id, if it knows one."""
        chat = self.chats.get(f"{bot.id}:{chat_id}" if chat_id > 0 else str(chat_id))
        return chat if chat is not None and bot.id in chat.bots else None

    # Messages and updates.

    def post(self, message: Message) -> None:
        """Put a new message into its chat under the next number of that chat's numbering."""
        counter = message.chat.bot if message.chat.is_private else message.chat
        counter.message_id += 1
        message.id = counter.message_id
        message.chat.keep(message)

    def announce(self, bot: Bot, kind: str, payload: Wire, subject: int) -> int | None:
        """Create an update for a bot that wants this kind, and return its number."""
        if kind not in bot.wanted_kinds:
            return None
        update = bot.queue.create(kind, payload, subject, now=self.now())
        bot.bell.ring()
        return update.id if update else None

    def open_query(self, kind: str, bot: Bot, person: Person, *, lifetime_s: float, chat: Chat | None = None) -> Query:
        """Ask a bot something that it must answer in time."""
        query_id = str(self.dice.randint(10**17, 10**18 - 1))
        query = Query(query_id, kind, bot, person, self.now() + lifetime_s, chat)
        self.queries[query_id] = query
        if len(self.queries) > QUERIES_KEPT:
            del self.queries[next(iter(self.queries))]
        return query


def _bot_id_of(token: str) -> int | None:
    return int(token.partition(":")[0]) if _TOKEN.fullmatch(token) else None
