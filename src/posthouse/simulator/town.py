"""The town: bots, people, the chats between them, and the questions that bots have to answer.

    Town ─┬─ bots     by id; each has its queue of updates, its webhook                 bots.py
          ├─ people   by id                                                             chats.py
          ├─ chats    by ref: `<bot id>:<person id>` for a private chat, the chat id for a group
          ├─ queries  by id
          ├─ files    by unique id, one shelf for all                                   files.py
          ├─ web_apps opened Mini Apps                                                  web_apps.py
          ├─ inline   answers, and messages that came of them                                inline.py
          └─ payments invoices, checkouts, subscriptions, Stars                               payments.py

State and lookups only, in memory. What people do is in `people/`, what bots do in `methods/`, what Telegram does
with the resulting updates in `methods/polling.py` and `delivery.py`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.faults import UPDATE_KINDS, FaultRule, Faults, Target
from posthouse.simulator.files import Shelf
from posthouse.simulator.inline import InlineMode
from posthouse.simulator.journal import Journal
from posthouse.simulator.keeping import keep_newest
from posthouse.simulator.members import Member
from posthouse.simulator.payments import Payments
from posthouse.simulator.polls import Poll
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.stickers import StickerBook
from posthouse.simulator.updates import UNKNOWN_KIND, UpdateQueue
from posthouse.simulator.web_apps import WebApps

QUERIES_KEPT = 20_000
POLLS_KEPT = 20_000
_TOKEN = re.compile(r"[1-9][0-9]{0,15}:[^/]+")
UNKNOWN_DEPTH = 20
TOKEN_CHARACTERS_MAX = 80


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
        self.faults = Faults(dice)
        self.strict = strict
        """A token must belong to a bot that was registered before."""
        self.bots: dict[int, Bot] = {}
        self.people: dict[int, Person] = {}
        self.chats: dict[str, Chat] = {}
        self.queries: dict[str, Query] = {}
        self.files = Shelf()
        self.stickers = StickerBook()
        self.payments = Payments(dice)
        self.polls: dict[str, Poll] = {}
        self.closing: dict[str, Poll] = {}
        """Those polls that end by themselves on a date to come."""
        self.inline = InlineMode()
        self.web_apps = WebApps()
        self._next_person_id = 100_001

    def now(self) -> float:
        return self.journal.clock.now()

    # Bots.

    def bot_by_token(self, token: str) -> Bot:
        """The bot of this token, registered on first use unless the town is strict; or raise Refusal.

        A token that is none is 404 as at the public front end, an unknown one 401.
        """
        bot = self.bots.get(bot_id) if (bot_id := _bot_id_of(token)) is not None else None
        if bot is not None and bot.token == token:
            return bot
        if bot_id is None or len(token) > TOKEN_CHARACTERS_MAX:
            raise Refusal(404, "Not Found")
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
        apps: dict[str, str] | None = None,
    ) -> Bot:
        """Add the bot of this token, or rename it if it is there."""
        bot_id = _bot_id_of(token)
        if bot_id is None or len(token) > TOKEN_CHARACTERS_MAX:
            raise Refusal(401, "Unauthorized: invalid token specified")
        bot = self.bots.get(bot_id)
        if bot is None:
            bot = Bot(bot_id, token, f"Bot {bot_id}", f"sim{bot_id}bot", UpdateQueue(self.dice))
            bot.started_at = self.now()
            self.bots[bot_id] = bot
        bot.apps.update(apps or {})
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
        bio: str = "",
        person_id: int | None = None,
    ) -> Person:
        if person_id is None:
            person_id = self._next_person_id
        self._next_person_id = max(self._next_person_id, person_id + 1)
        person = self.people[person_id] = Person(person_id, first_name, last_name, username, language_code, bio)
        return person

    def private_chat(self, bot: Bot, person: Person) -> Chat:
        """Their chat, opened if this is the first time."""
        chat = self.chats.get(f"{bot.id}:{person.id}")
        if chat is None:
            chat = Chat(person.id, "private", {bot.id: bot}, {person.id: person})
            self.chats[chat.ref] = chat
        return chat

    def add_group(self, kind: str, title: str, members: Iterable[Member]) -> Chat:
        """A new group, supergroup or channel with these members; ids of the latter two begin with -100."""
        number = self.dice.randint(10**8, 10**9 - 1)
        chat = Chat(-number if kind == "group" else -(10**12 + number), kind, title=title)
        for member in members:
            chat.seat(member)
        self.chats[chat.ref] = chat
        return chat

    def chat_of(self, bot: Bot, chat_id: int) -> Chat | None:
        """The chat that this bot means by this id, if it is in one."""
        chat = self.chats.get(f"{bot.id}:{chat_id}" if chat_id > 0 else str(chat_id))
        return chat if chat is not None and bot.id in chat.bots else None

    def chat_by_username(self, username: str) -> Chat | None:
        """The public supergroup or channel of that name."""
        wanted = username.removeprefix("@").lower()
        return next((c for c in self.chats.values() if c.username and c.username.lower() == wanted), None)

    def user(self, user_id: int) -> Bot | Person | None:
        """The bot or person of this id."""
        return self.bots.get(user_id) or self.people.get(user_id)

    # Messages and updates.

    def post(self, message: Message) -> None:
        """Put a new message into its chat under the next number of that chat's numbering."""
        counter = message.chat.bot if message.chat.is_private else message.chat
        counter.message_id += 1
        message.id = counter.message_id
        message.chat.keep(message)

    def keep_poll(self, poll: Poll) -> None:
        """Remember a poll that was sent."""
        forgotten = keep_newest(self.polls, poll.id, poll, POLLS_KEPT)
        if forgotten is not None:
            self.closing.pop(forgotten.id, None)
        if poll.close_date and not poll.is_closed:
            self.closing[poll.id] = poll

    def announce(self, bot: Bot, kind: str, payload: Wire, subject: int) -> int | None:
        """Create an update for a bot that wants this kind, and return its number."""
        if kind not in bot.wanted_kinds:
            return None
        chat_id, person_id = _chat_id_of(payload), _person_id_of(payload)
        shown_as: str | None = None
        if self.faults.rules:
            target = Target(UPDATE_KINDS, bot.id, update=kind, chat_id=chat_id, person_id=person_id)
            rule = self.faults.fire(target)
            if rule is not None:
                self.faults.note(self.journal, rule, target)
                if rule.kind == "lost_update":
                    return None
                payload, shown_as = _tampered(rule, bot, payload)
        update = bot.queue.create(
            kind, payload, subject, now=self.now(), chat_id=chat_id, person_id=person_id, shown_as=shown_as
        )
        if update is None:
            self.journal.record("update.refused", bot_id=bot.id, text="the queue is full, or the update too large")
        bot.bell.ring()
        return update.id if update else None

    def open_query(self, kind: str, bot: Bot, person: Person, *, lifetime_s: float, chat: Chat | None = None) -> Query:
        """Ask a bot something that it must answer in time."""
        query_id = str(self.dice.randint(10**17, 10**18 - 1))
        query = Query(query_id, kind, bot, person, self.now() + lifetime_s, chat)
        keep_newest(self.queries, query_id, query, QUERIES_KEPT)
        return query


def _bot_id_of(token: str) -> int | None:
    return int(token.partition(":")[0]) if _TOKEN.fullmatch(token) else None


def _chat_id_of(payload: Wire) -> int | None:
    """The chat that an update is about, if it is about one."""
    chat = payload.get("chat")
    if chat is None and isinstance(message := payload.get("message"), dict):
        chat = message.get("chat")
    return chat.get("id") if isinstance(chat, dict) else None


def _person_id_of(payload: Wire) -> int | None:
    person = payload.get("from") or payload.get("user")
    return person.get("id") if isinstance(person, dict) else None


def _tampered(rule: FaultRule, bot: Bot, payload: Wire) -> tuple[Wire, str | None]:
    """The payload and the shown kind after a fault of the update's creation."""
    if rule.kind == "update_id_jump":
        bot.queue.jump()
    elif rule.kind == "unknown_fields":
        deep: Wire = {"end": True}
        for _ in range(UNKNOWN_DEPTH):
            deep = {"from_the_future": deep, "list": [[1]]}
        return {**payload, "from_the_future": deep}, None
    return payload, UNKNOWN_KIND if rule.kind == "unknown_kind" else None
