"""Chats as people see them."""

from __future__ import annotations

from pydantic import Field

from posthouse.simulator import chats as state
from posthouse.simulator.views.messages import Message, line, of_message
from posthouse.simulator.views.view import View


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


def of_chat(chat: state.Chat, cursor: int) -> Chat:
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
        cursor=cursor,
    )
