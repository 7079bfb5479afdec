"""What the chat page reads: a person's dialogs, pages of messages, and the changes of both."""

from __future__ import annotations

from pydantic import Field

from posthouse.simulator import chats as state
from posthouse.simulator.views.chats import Draft, Keyboard
from posthouse.simulator.views.deliveries import Delivery, Update
from posthouse.simulator.views.journal import Call, Event
from posthouse.simulator.views.messages import Message, of_message
from posthouse.simulator.views.view import View


class Peer(View):
    """Somebody a chat is shown with, by name."""

    id: int
    name: str
    username: str | None = None
    is_bot: bool


class Dialog(View):
    """One line of a person's list of chats."""

    ref: str
    id: int
    kind: str
    title: str
    username: str | None = None
    members: list[Peer]
    last: Message | None = None
    unread: int = 0
    blocked: bool = False
    migrated_to: int | None = None


class Dialogs(View):
    """A person's chats, the newest first; changes after `cursor` are in the stream."""

    dialogs: list[Dialog]
    cursor: int


class MessagePage(View):
    """Neighbouring visible messages of one chat, oldest first."""

    messages: list[Message]
    more_before: bool
    more_after: bool
    keyboard: Keyboard | None = None
    """The reply keyboard that the person has now."""
    read: int
    """The newest message that the person has read."""
    cursor: int


class Found(View):
    """Messages that contain the searched text, the newest first."""

    messages: list[Message]


class Change(Event):
    """An event that this person can see, with the whole message as it is now, if it is about one."""

    message: Message | None = None
    keyboard: Keyboard | None = None
    """The reply keyboard that the person has in this chat now."""
    draft: Draft | None = None
    """What a bot is writing in this chat now."""
    dialog: Dialog | None = None
    """The chat, when its own line changed and not only a message in it."""


class Traffic(View):
    """Bot API calls that have to do with one chat, oldest first."""

    calls: list[Call]
    cursor: int


class ChatUpdates(View):
    """Updates about one chat, oldest first, and the attempts to deliver them."""

    updates: list[Update]
    deliveries: list[Delivery]


class Reading(View):
    chat: str
    message: int = Field(ge=0)


def of_dialog(chat: state.Chat, person: state.Person) -> Dialog:
    last = next(chat.newest_first(), None)
    return Dialog(
        ref=chat.ref,
        id=chat.id,
        kind=chat.kind,
        title=chat.bot.first_name if chat.is_private else chat.title,
        username=chat.bot.username if chat.is_private else None,
        members=[
            *(Peer(id=b.id, name=b.first_name, username=b.username, is_bot=True) for b in chat.bots.values()),
            *(Peer(id=p.id, name=p.first_name, username=p.username, is_bot=False) for p in chat.people.values()),
        ],
        last=None if last is None else of_message(last),
        unread=chat.unread(person),
        blocked=chat.blocked,
        migrated_to=chat.migrated_to,
    )
