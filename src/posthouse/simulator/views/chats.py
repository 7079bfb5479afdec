"""Chats as people see them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from posthouse.simulator import chats as state
from posthouse.simulator.moments import actions_now, drafts_now, keyboard_of
from posthouse.simulator.views.messages import Message, line, of_message
from posthouse.simulator.views.view import View


class Keyboard(View):
    """The reply keyboard that a person has now; a hidden one can be called back."""

    message: int
    rows: list[list[dict[str, Any]]]
    placeholder: str = ""
    is_persistent: bool = False
    resize: bool = False
    one_time: bool = False
    hidden: bool = False


class Draft(View):
    """A message that a bot is still writing; without text it is thinking."""

    bot_id: int
    id: int
    text: str
    entities: list[dict[str, Any]] = Field(default_factory=list)
    thread_id: int = 0
    can_stop: bool = False
    is_stopped: bool = False
    changes: int = 0
    until: float


class Action(View):
    """What a bot is doing just now, for example `typing`."""

    bot_id: int
    kind: str
    thread_id: int = 0
    until: float


class Chat(View):
    """A chat with its visible messages, oldest first; `cursor` is now."""

    ref: str
    id: int
    kind: str
    title: str = ""
    username: str = ""
    description: str = ""
    is_forum: bool = False
    bots: list[int]
    people: list[int]
    admins: list[int] = Field(default_factory=list)
    """Bots and people who administrate it."""
    blocked: bool = False
    migrated_to: int | None = None
    messages: list[Message] = Field(default_factory=list)
    pinned: list[int] = Field(default_factory=list)
    """Ids of pinned messages; the newest is the last."""
    keyboards: dict[int, Keyboard] = Field(default_factory=dict)
    """By person."""
    to_answer: dict[int, int] = Field(default_factory=dict)
    """The message that each person was asked to answer."""
    drafts: list[Draft] = Field(default_factory=list)
    actions: list[Action] = Field(default_factory=list)
    cursor: int

    def transcript(self) -> str:
        """The chat as lines of text, for people who read a failing test."""
        return "\n".join(line(message) for message in self.messages) or "(nothing)"


class Seen(View):
    """What a wait ended with: the message it waited for, or none in time, and the chat either way."""

    found: bool
    message: Message | None = None
    chat: Chat


class Blocking(View):
    blocked: bool = True


def of_chat(chat: state.Chat, cursor: int, now: float) -> Chat:
    return Chat(
        ref=chat.ref,
        id=chat.id,
        kind=chat.kind,
        title=chat.title,
        username=chat.username,
        description=chat.description,
        is_forum=chat.is_forum,
        admins=sorted(chat.admins),
        bots=list(chat.bots),
        people=list(chat.people),
        blocked=chat.blocked,
        migrated_to=chat.migrated_to,
        messages=[of_message(message) for message in chat.visible()],
        pinned=chat.pinned,
        keyboards=_keyboards(chat),
        to_answer={person: message.id for person, message in chat.to_answer.items() if not message.deleted},
        drafts=[Draft.model_validate(draft) for draft in drafts_now(chat, now) if draft.is_visible],
        actions=[Action.model_validate(action) for action in actions_now(chat, now)],
        cursor=cursor,
    )


def _keyboards(chat: state.Chat) -> dict[int, Keyboard]:
    shown = ((person_id, of_keyboard(chat, person_id)) for person_id in chat.keyboards)
    return {person_id: keyboard for person_id, keyboard in shown if keyboard is not None}


def of_keyboard(chat: state.Chat, person_id: int) -> Keyboard | None:
    keyboard = keyboard_of(chat, person_id)
    if keyboard is None:
        return None
    markup = keyboard.message.keyboard or {}
    return Keyboard(
        message=keyboard.message.id,
        rows=markup["keyboard"],
        placeholder=markup.get("input_field_placeholder", ""),
        is_persistent=markup.get("is_persistent", False),
        resize=markup.get("resize_keyboard", False),
        one_time=markup.get("one_time_keyboard", False),
        hidden=keyboard.is_hidden,
    )
