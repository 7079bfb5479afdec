"""Messages as a person sees them, and what a person does with them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from posthouse.simulator import chats as state
from posthouse.simulator.bots import Bot
from posthouse.simulator.views.media import Media, of_media
from posthouse.simulator.views.view import View


class Button(View):
    text: str
    callback_data: str | None = None
    url: str | None = None
    pay: bool = False


class Message(View):
    """A message as a person sees it now. `cursor` is the journal's seq of its newest change."""

    id: int
    chat: str
    sender_id: int
    sender_name: str
    from_bot: bool
    date: int
    text: str
    entities: list[dict[str, Any]] = Field(default_factory=list)
    buttons: list[list[Button]] = Field(default_factory=list)
    keyboard: dict[str, Any] | None = None
    media: Media | None = None
    album_id: str = ""
    """The same for all messages of one album."""
    service: dict[str, Any] = Field(default_factory=dict)
    reply_to: int | None = None
    thread: int = 0
    """The topic; 0 for none and for General."""
    sender_chat: str | None = None
    """The ref of the chat in whose name it was said."""
    signature: str = ""
    edited: bool = False
    deleted: bool = False
    cursor: int

    @property
    def button_texts(self) -> list[str]:
        return [button.text for row in self.buttons for button in row]


def of_message(message: state.Message) -> Message:
    return Message(
        id=message.id,
        chat=message.chat.ref,
        sender_id=message.sender.id,
        sender_name=message.sender.first_name,
        from_bot=isinstance(message.sender, Bot),
        date=message.date,
        text=message.text,
        entities=message.entities,
        buttons=[[Button.model_validate(button) for button in row] for row in message.inline or []],
        keyboard=message.keyboard,
        media=None if message.media is None else of_media(message.media),
        album_id=message.album_id,
        service=message.service,
        reply_to=message.reply_to.id if message.reply_to else None,
        thread=message.thread_id,
        sender_chat=message.sender_chat.ref if message.sender_chat else None,
        signature=message.signature,
        edited=message.edit_date is not None,
        deleted=message.deleted,
        cursor=message.cursor,
    )


class Saying(View):
    person: int
    text: str
    reply_to: int | None = None
    thread: int = 0
    """The topic to write in; 0 for none and for General."""
    as_chat: str | None = None
    """The ref of an own channel in whose name to speak."""


class Rewording(View):
    person: int
    text: str


class Press(View):
    """Which button: by its text, its callback data, or both; on the newest message that has it, or on one."""

    person: int
    text: str | None = None
    callback_data: str | None = None
    message: int | None = None


def line(message: Message) -> str:
    marks = " (edited)" if message.edited else ""
    marks += "".join(f" <{name}>" for name in (*([message.media.kind] if message.media else ()), *message.service))
    buttons = "".join("\n    " + " ".join(f"[{b.text}]" for b in row) for row in message.buttons)
    return f"{message.sender_name}: {message.text}{marks}{buttons}"
