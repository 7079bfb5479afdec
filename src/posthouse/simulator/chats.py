"""People, the chats they share with bots, and every message in them.

    Chat ─┬─ members   by id, with status and rights; `bots`, `people`, `admins` say who is inside   members.py
          ├─ topics    by id, when it is a forum                                                     topics.py
          ├─ links     invite links by URL, and the requests to join                                 invites.py
          └─ messages  by id

`wire(to)` is what a bot is shown: identifiers of files, for one, are different for every bot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.files import File
from posthouse.simulator.formatting import Entity
from posthouse.simulator.invites import InviteLink, JoinRequest
from posthouse.simulator.keyboards import Button
from posthouse.simulator.media import Media
from posthouse.simulator.members import USUAL_PERMISSIONS, Member, User
from posthouse.simulator.moments import Action, Draft, PersonKeyboard
from posthouse.simulator.topics import GENERAL_ID, Topic

MESSAGES_KEPT = 5_000
ANONYMOUS_ADMIN: Wire = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
CHANNEL_SENDER: Wire = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}
TELEGRAM: Wire = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
"""Whom Telegram names as the sender when somebody speaks for a chat."""
POCKET_STARS = 10_000
"""What a new person has, so that a first payment works; top up or take away to try others."""


@dataclass(slots=True, eq=False)
class Person:
    """Somebody who chats with bots."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"
    bio: str = ""
    deactivated: bool = False
    """The account was deleted."""
    stars: int = POCKET_STARS

    def wire(self) -> Wire:
        user: Wire = {"id": self.id, "is_bot": False, "first_name": self.first_name}
        for name in ("last_name", "username", "language_code"):
            if (value := getattr(self, name)) is not None:
                user[name] = value
        return user


@dataclass(slots=True, eq=False)
class Chat:
    """A private chat of one bot and one person, a group, a supergroup or a channel."""

    id: int
    kind: str
    bots: dict[int, Bot] = field(default_factory=dict)
    """Bots inside; kept true by `seat`, as are `people` and `admins`."""
    people: dict[int, Person] = field(default_factory=dict)
    title: str = ""
    admins: set[int] = field(default_factory=set)
    """Ids of bots and people who administrate the chat."""
    members: dict[int, Member] = field(default_factory=dict)
    """Everybody who is or was in it; empty for a private chat."""
    username: str = ""
    description: str = ""
    photo: File | None = None
    permissions: frozenset[str] = USUAL_PERMISSIONS
    """What ordinary members may do."""
    slow_mode_s: int = 0
    spoken_at: dict[int, float] = field(default_factory=dict)
    """When each person wrote last, while there is slow mode."""
    auto_delete_s: int = 0
    sticker_set_name: str = ""
    linked: Chat | None = None
    """A channel's discussion group, and the other way round."""
    is_forum: bool = False
    topics: dict[int, Topic] = field(default_factory=dict)
    protected: bool = False
    """Messages cannot be forwarded or copied by people."""
    join_by_request: bool = False
    signed: bool = False
    """Posts of a channel show their author's name."""
    links: dict[str, InviteLink] = field(default_factory=dict)
    join_requests: dict[int, JoinRequest] = field(default_factory=dict)
    banned_senders: set[int] = field(default_factory=set)
    """Ids of channels that may not speak here."""
    blocked: bool = False
    """The person blocked the bot of this private chat."""
    closes_at: float | None = None
    """Until when the bot may write to a person who has not started it; None means for good."""
    migrated_to: int | None = None
    last_bot_id: int | None = None
    """The bot that spoke last; a plain command in a group is for it."""
    message_id: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)
    """The newest message that each person has seen, by the person's id."""
    pinned: list[int] = field(default_factory=list)
    """Ids of pinned messages, ascending."""
    keyboards: dict[int, PersonKeyboard] = field(default_factory=dict)
    """The reply keyboard of each person who has one, by the person's id."""
    to_answer: dict[int, Message] = field(default_factory=dict)
    """The message that each person was asked to answer."""
    actions: list[Action] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    ref: str = ""

    def __post_init__(self) -> None:
        self.ref = f"{self.bot.id}:{self.id}" if self.kind == "private" else str(self.id)

    @property
    def is_private(self) -> bool:
        return self.kind == "private"

    @property
    def is_channel(self) -> bool:
        return self.kind == "channel"

    @property
    def bot(self) -> Bot:
        """The bot of a private chat."""
        return next(iter(self.bots.values()))

    @property
    def person(self) -> Person:
        """The person of a private chat."""
        return next(iter(self.people.values()))

    def member(self, user: User, now: float) -> Member:
        """How this bot or person stands here now; a stranger has left."""
        if self.is_private:
            return Member(user)
        member = self.members.get(user.id)
        if member is None:
            return Member(user, "left")
        current = member.at(now)
        if current is not member:
            self.seat(current)
        return current

    def seat(self, member: Member) -> None:
        """Let a member stand as this says, from now on."""
        user = member.user
        self.members[user.id] = member
        inside: dict[int, Any] = self.bots if isinstance(user, Bot) else self.people
        if member.is_inside:
            inside[user.id] = user
        else:
            inside.pop(user.id, None)
        (self.admins.add if member.is_admin else self.admins.discard)(user.id)

    def topic(self, thread_id: int) -> Topic | None:
        """The topic of this id; General is there as soon as the chat is a forum."""
        if thread_id == GENERAL_ID and self.is_forum and GENERAL_ID not in self.topics:
            self.topics[GENERAL_ID] = Topic(GENERAL_ID, "General")
        return self.topics.get(thread_id)

    def wire(self) -> Wire:
        if self.is_private:
            return self._wire_private()
        chat: Wire = {"id": self.id, "type": self.kind, "title": self.title}
        if self.username:
            chat["username"] = self.username
        if self.is_forum:
            chat["is_forum"] = True
        return chat

    def _wire_private(self) -> Wire:
        chat = self.person.wire()
        del chat["is_bot"]
        chat.pop("language_code", None)
        chat["type"] = "private"
        return chat

    def visible(self) -> Iterator[Message]:
        return (message for message in self.messages.values() if not message.deleted)

    def newest_first(self) -> Iterator[Message]:
        return (message for message in reversed(self.messages.values()) if not message.deleted)

    def unread(self, person: Person) -> int:
        """How many visible messages of others this person has not seen."""
        seen = self.read.get(person.id, 0)
        count = 0
        for message in self.newest_first():
            if message.id <= seen or message.sender is person:
                break
            count += 1
        return count

    def keep(self, message: Message) -> None:
        self.messages[message.id] = message
        if len(self.messages) > MESSAGES_KEPT:
            oldest = next(iter(self.messages))
            del self.messages[oldest]
            if oldest in self.pinned:
                self.pinned.remove(oldest)


@dataclass(frozen=True, slots=True)
class Quote:
    """The part of a message that another one answers."""

    text: str
    entities: list[Entity]
    position: int
    """Where it stood, in UTF-16 code units."""
    is_manual: bool

    def wire(self) -> Wire:
        quote: Wire = {"text": self.text, "position": self.position}
        if self.entities:
            quote["entities"] = self.entities
        if self.is_manual:
            quote["is_manual"] = True
        return quote


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
    media: Media | None = None
    """What it carries besides text; None for a text message."""
    album_id: str = ""
    """The same for all messages of one album; empty outside albums."""
    service: Wire = field(default_factory=dict)
    """The field of a service message, for example `{"migrate_to_chat_id": …}`."""
    inline: list[list[Button]] | None = None
    keyboard: Wire | None = None
    force_reply: bool = False
    """Clients open the answer to it by themselves."""
    reply_to: Message | None = None
    """The message it answers, which may be in another chat."""
    quote: Quote | None = None
    origin: Wire | None = None
    """Where it was forwarded from, as a MessageOrigin."""
    via_bot: Bot | None = None
    """The bot whose inline result it is."""
    link_preview: Wire = field(default_factory=dict)
    """Options that differ from the usual ones."""
    effect_id: str = ""
    protected: bool = False
    """It cannot be forwarded or saved."""
    silent: bool = False
    """People were not notified."""
    reactions: dict[int, list[Wire]] = field(default_factory=dict)
    """What each bot and person put on it, by id."""
    is_automatic_forward: bool = False
    """A channel's post in its discussion group."""
    inline_id: str = ""
    """What that bot calls it, when it has buttons: its `inline_message_id`."""
    sender_chat: Chat | None = None
    """The chat in whose name this was said: a channel's post, an anonymous administrator."""
    signature: str = ""
    """The author of a signed post, or the title of an anonymous administrator."""
    thread_id: int = 0
    """The topic it was written in; 0 for none and for General."""
    edit_date: int | None = None
    deleted: bool = False
    cursor: int = 0
    """The journal's seq of its newest change."""

    def wire(self, to: Bot, *, depth: int = 1) -> Wire:
        """The message as this bot is shown it."""
        message: Wire = {
            "message_id": self.id,
            **self._wire_sender(),
            "chat": self.chat.wire(),
            "date": self.date,
        }
        if self.thread_id:
            message["message_thread_id"] = self.thread_id
            message["is_topic_message"] = True
        if self.protected or self.chat.protected:
            message["has_protected_content"] = True
        if self.edit_date is not None:
            message["edit_date"] = self.edit_date
        if self.origin is not None:
            message["forward_origin"] = self.origin
        if self.is_automatic_forward:
            message["is_automatic_forward"] = True
        if self.reply_to is not None and depth > 0:
            message.update(self._wire_reply(self.reply_to, to, depth))
        if self.via_bot is not None:
            message["via_bot"] = self.via_bot.wire()
        if self.effect_id:
            message["effect_id"] = self.effect_id
        if self.media is not None:
            message.update(self.media.wire(to))
        if self.album_id:
            message["media_group_id"] = self.album_id
        message.update(self.service)
        if self.text:
            message["caption" if self.media else "text"] = self.text
        if self.entities:
            message["caption_entities" if self.media else "entities"] = self.entities
        if self.link_preview:
            message["link_preview_options"] = self.link_preview
        if self.inline:
            message["reply_markup"] = {"inline_keyboard": self.inline}
            if self.force_reply:
                message["reply_markup"]["force_reply"] = True
        return message

    def _wire_reply(self, replied: Message, to: Bot, depth: int) -> Wire:
        if replied.chat is self.chat:
            reply: Wire = {"reply_to_message": replied.wire(to, depth=depth - 1)}
        else:
            reply = {"external_reply": replied.wire_external(to)}
        if self.quote is not None:
            reply["quote"] = self.quote.wire()
        return reply

    def wire_external(self, to: Bot) -> Wire:
        """The message as an answer to it in another chat shows it: without its text."""
        shown: Wire = {"origin": self.origin or self.wire_origin()}
        if self.chat.kind in ("supergroup", "channel"):
            shown |= {"chat": self.chat.wire(), "message_id": self.id}
        if self.link_preview:
            shown["link_preview_options"] = self.link_preview
        if self.media is not None:
            shown |= self.media.wire(to)
            shown.pop("show_caption_above_media", None)
        return shown

    def wire_origin(self) -> Wire:
        """Where a forward of this message says it is from."""
        if self.origin is not None:
            return self.origin
        origin: Wire = {"type": "user", "date": self.date}
        if self.sender_chat is None:
            return {**origin, "sender_user": self.sender.wire()}
        signature: Wire = {"author_signature": self.signature} if self.signature else {}
        if self.chat.is_channel:
            return {**origin, "type": "channel", "chat": self.chat.wire(), "message_id": self.id, **signature}
        return {**origin, "type": "chat", "sender_chat": self.sender_chat.wire(), **signature}

    def _wire_sender(self) -> Wire:
        speaker = self.sender_chat
        if speaker is None:
            return {"from": self.sender.wire()}
        sender: Wire = {"sender_chat": speaker.wire()}
        if not self.chat.is_channel:
            sender["from"] = ANONYMOUS_ADMIN if speaker is self.chat else CHANNEL_SENDER
        if self.is_automatic_forward:
            sender["from"] = TELEGRAM
        if self.signature:
            sender["author_signature"] = self.signature
        return sender

    @property
    def is_service(self) -> bool:
        """Whether the chat says this about itself."""
        return bool(self.service) or (
            self.media is not None and self.media.kind in ("new_chat_photo", "pinned_message")
        )

    @property
    def update_kind(self) -> str:
        """The kind of update that tells of this message."""
        return "channel_post" if self.chat.is_channel else "message"

    @property
    def edit_kind(self) -> str:
        """The kind of update that tells of its edits."""
        return f"edited_{self.update_kind}"


@dataclass(frozen=True, slots=True)
class Pin:
    """What a service message says was pinned."""

    message: Message

    @property
    def kind(self) -> str:
        return "pinned_message"

    @property
    def file(self) -> None:
        return None

    def wire(self, to: Bot) -> Wire:
        return {"pinned_message": self.message.wire(to, depth=0)}
