"""What a chat shows for a while: that a bot types, a draft that grows, the keyboard a person has just now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from posthouse.simulator.formatting import Entity
from posthouse.simulator.formatting.units import utf16_slice

if TYPE_CHECKING:
    from posthouse.simulator.chats import Chat, Message

ACTION_S = 5.0
DRAFT_S = 30.0


@dataclass(slots=True, eq=False)
class Action:
    """`typing…` and its like, until then or until the bot's next message."""

    bot_id: int
    kind: str
    until: float
    thread_id: int = 0


@dataclass(slots=True, eq=False)
class Draft:
    """A message that a bot is still writing. Another one with the same id takes its place smoothly."""

    bot_id: int
    id: int
    until: float
    thread_id: int = 0
    text: str = ""
    """Empty while the bot is thinking."""
    entities: list[Entity] = field(default_factory=list)
    can_stop: bool = False
    """The person sees a Stop button."""
    keep_on_stop: bool = False
    changes: int = 0
    """How often this draft was animated into a new text."""
    is_stopped: bool = False
    """The person pressed Stop; it is seen no more unless it was to be kept."""

    @property
    def is_visible(self) -> bool:
        return not self.is_stopped or self.keep_on_stop


@dataclass(slots=True, eq=False)
class PersonKeyboard:
    """The reply keyboard that one person has in one chat; `used` ones for one time are hidden."""

    message: Message
    used: bool = False

    @property
    def is_hidden(self) -> bool:
        return self.used and bool((self.message.keyboard or {}).get("one_time_keyboard"))


def settle(chat: Chat, message: Message, bot_id: int) -> None:
    """A bot's message is there: what announced it goes, and its keyboard is shown to those it is for."""
    if chat.actions:
        chat.actions = [action for action in chat.actions if action.bot_id != bot_id]
    if chat.drafts:
        chat.drafts = [d for d in chat.drafts if (d.bot_id, d.thread_id) != (bot_id, message.thread_id)]
    if message.keyboard is not None or message.force_reply:
        show_keyboard(chat, message)


def show_keyboard(chat: Chat, message: Message) -> None:
    """Give, take or open what the message's markup says, for the people it is for."""
    keyboard = message.keyboard or {}
    for person_id in list(_audience(chat, message) if keyboard.get("selective") else chat.people):
        if "keyboard" in keyboard:
            chat.keyboards[person_id] = PersonKeyboard(message)
        elif "remove_keyboard" in keyboard:
            chat.keyboards.pop(person_id, None)
        if message.force_reply:
            chat.to_answer[person_id] = message


def _audience(chat: Chat, message: Message) -> Iterable[int]:
    """Whom a selective markup is for: people mentioned in the text, and the one who is answered."""
    names = set()
    for entity in message.entities:
        if entity["type"] == "text_mention" and entity["user"]["id"] in chat.people:
            yield entity["user"]["id"]
        elif entity["type"] == "mention":
            names.add(utf16_slice(message.text, entity["offset"], entity["length"])[1:].lower())
    for person in chat.people.values():
        if (person.username or "").lower() in names:
            yield person.id
    replied = message.reply_to
    if replied is not None and replied.chat is chat and replied.sender.id in chat.people:
        yield replied.sender.id


def keyboard_of(chat: Chat, person_id: int) -> PersonKeyboard | None:
    """The reply keyboard this person has now; it goes with its message."""
    keyboard = chat.keyboards.get(person_id)
    return None if keyboard is None or keyboard.message.deleted else keyboard


def actions_now(chat: Chat, now: float) -> list[Action]:
    return [action for action in chat.actions if action.until > now]


def drafts_now(chat: Chat, now: float) -> list[Draft]:
    return [draft for draft in chat.drafts if draft.until > now]
