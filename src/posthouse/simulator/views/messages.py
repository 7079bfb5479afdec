"""Messages as a person sees them, and what a person does with them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from posthouse.simulator import chats as state
from posthouse.simulator.bots import Bot
from posthouse.simulator.views.media import Location, Media, of_media
from posthouse.simulator.views.view import View


class Button(View):
    """A button under a message; exactly one field says what it does."""

    text: str
    style: str | None = None
    icon_custom_emoji_id: str | None = None
    callback_data: str | None = None
    url: str | None = None
    web_app: dict[str, Any] | None = None
    login_url: dict[str, Any] | None = None
    switch_inline_query: str | None = None
    switch_inline_query_current_chat: str | None = None
    switch_inline_query_chosen_chat: dict[str, Any] | None = None
    copy_text: dict[str, Any] | None = None
    callback_game: dict[str, Any] | None = None
    pay: bool = False
    disabled: dict[str, Any] | None = None
    """Empty when the button does nothing."""


class Quote(View):
    """The part of the message replied to that is quoted."""

    text: str
    position: int
    entities: list[dict[str, Any]] = Field(default_factory=list)
    is_manual: bool = True


class Reaction(View):
    """One reaction and who put it there: ids of people and bots."""

    type: str
    emoji: str | None = None
    custom_emoji_id: str | None = None
    by: list[int]


class Message(View):
    """A message as a person sees it now. `cursor` is the journal's seq of its newest change."""

    id: int
    chat: str
    sender_id: int
    sender_name: str
    """Who is seen to speak: a channel where it posts, the group for an anonymous administrator."""
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
    force_reply: bool = False
    reply_to: int | None = None
    thread: int = 0
    """The topic; 0 for none and for General."""
    sender_chat: str | None = None
    """The ref of the chat in whose name it was said."""
    signature: str = ""
    reply_chat: str | None = None
    """The chat of the message replied to, when it is another one."""
    quote: Quote | None = None
    origin: dict[str, Any] | None = None
    """Where it was forwarded from, as the Bot API's MessageOrigin."""
    via_bot: int | None = None
    reactions: list[Reaction] = Field(default_factory=list)
    pinned: bool = False
    protected: bool = False
    silent: bool = False
    effect_id: str = ""
    link_preview: dict[str, Any] = Field(default_factory=dict)
    edited: bool = False
    edit_date: int | None = None
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
        sender_name=message.sender.first_name if message.sender_chat is None else message.sender_chat.title,
        from_bot=isinstance(message.sender, Bot),
        date=message.date,
        text=message.text,
        entities=message.entities,
        buttons=[[Button.model_validate(button) for button in row] for row in message.inline or []],
        keyboard=message.keyboard,
        media=None if message.media is None else of_media(message.media),
        album_id=message.album_id,
        service=message.service,
        force_reply=message.force_reply,
        reply_to=message.reply_to.id if message.reply_to else None,
        thread=message.thread_id,
        sender_chat=message.sender_chat.ref if message.sender_chat else None,
        signature=message.signature,
        reply_chat=message.reply_to.chat.ref
        if message.reply_to and message.reply_to.chat is not message.chat
        else None,
        quote=None if message.quote is None else Quote.model_validate(message.quote),
        origin=message.origin,
        via_bot=None if message.via_bot is None else message.via_bot.id,
        reactions=_reactions(message),
        pinned=message.id in message.chat.pinned,
        protected=message.protected or message.chat.protected,
        silent=message.silent,
        effect_id=message.effect_id,
        link_preview=message.link_preview,
        edited=message.edit_date is not None,
        edit_date=message.edit_date,
        deleted=message.deleted,
        cursor=message.cursor,
    )


def _reactions(message: state.Message) -> list[Reaction]:
    by: dict[tuple[str, ...], list[int]] = {}
    for user_id, reactions in message.reactions.items():
        for reaction in reactions:
            key = tuple(str(reaction.get(name, "")) for name in ("type", "emoji", "custom_emoji_id"))
            by.setdefault(key, []).append(user_id)
    return [
        Reaction(type=kind, emoji=emoji or None, custom_emoji_id=custom or None, by=users)
        for (kind, emoji, custom), users in by.items()
    ]


class Saying(View):
    """What a person writes, as plain text, with entities, or in a parse mode as a client that formats would."""

    person: int
    text: str
    parse_mode: str = ""
    entities: list[dict[str, Any]] | None = None
    reply_to: int | None = None
    thread: int = 0
    """The topic to write in; 0 for none and for General."""
    as_chat: str | None = None
    """The ref of an own channel in whose name to speak."""
    quote: str = ""
    """A part of the message replied to."""


class Rewording(View):
    person: int
    text: str
    parse_mode: str = ""
    entities: list[dict[str, Any]] | None = None


class Reacting(View):
    person: int
    emoji: list[str] = Field(default_factory=list)


class Key(View):
    """A button of the reply keyboard, and what to share when it asks for something."""

    person: int
    text: str
    location: Location | None = None
    users: list[int] = Field(default_factory=list)
    chat: str | None = None


class Stopping(View):
    person: int
    draft: int | None = None
    """None means whichever is being written."""


class Forwarding(View):
    person: int
    from_chat: str
    message: int


class Press(View):
    """Which button: by its text, its callback data, or both; on the newest message that has it, or on one."""

    person: int
    text: str | None = None
    callback_data: str | None = None
    message: int | None = None


def line(message: Message) -> str:
    marks = " (edited)" if message.edited else ""
    marks += " (forwarded)" if message.origin else ""
    marks += "".join(f" {reaction.emoji or reaction.type}" for reaction in message.reactions)
    marks += "".join(f" <{name}>" for name in (*([message.media.kind] if message.media else ()), *message.service))
    buttons = "".join("\n    " + " ".join(f"[{b.text}]" for b in row) for row in message.buttons)
    return f"{message.sender_name}: {message.text}{marks}{buttons}"
