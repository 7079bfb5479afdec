"""What the control API takes and gives, as typed records. The test client hands the same records to tests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from posthouse.simulator import town as state


class View(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Bot(View):
    id: int
    first_name: str
    username: str
    webhook_url: str = ""
    pending: int = 0


class NewBot(View):
    token: str
    first_name: str | None = None
    username: str | None = None
    privacy: bool | None = None
    """None keeps it; a new bot is private."""


class Person(View):
    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"


class NewPerson(View):
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"
    id: int | None = None


class NewGroup(View):
    title: str
    kind: Literal["group", "supergroup"] = "group"
    people: list[int]
    bots: list[int]
    admins: list[int] = Field(default_factory=list)
    """Bots that administrate the group and so hear everything."""


class Button(View):
    text: str
    callback_data: str | None = None
    url: str | None = None


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
    media: dict[str, Any] = Field(default_factory=dict)
    service: dict[str, Any] = Field(default_factory=dict)
    reply_to: int | None = None
    edited: bool = False
    deleted: bool = False
    cursor: int

    @property
    def button_texts(self) -> list[str]:
        return [button.text for row in self.buttons for button in row]


class Chat(View):
    """A chat with its visible messages, oldest first; `cursor` is now."""

    ref: str
    id: int
    kind: str
    title: str = ""
    bots: list[int]
    people: list[int]
    blocked: bool = False
    migrated_to: int | None = None
    messages: list[Message] = Field(default_factory=list)
    cursor: int

    def transcript(self) -> str:
        """The chat as lines of text, for people who read a failing test."""
        return "\n".join(_line(message) for message in self.messages) or "(nothing)"


class Seen(View):
    """What a wait ended with: the message it waited for, or none in time, and the chat either way."""

    found: bool
    message: Message | None = None
    chat: Chat


class Saying(View):
    person: int
    text: str
    reply_to: int | None = None


class Rewording(View):
    person: int
    text: str


class Press(View):
    """Which button: by its text, its callback data, or both; on the newest message that has it, or on one."""

    person: int
    text: str | None = None
    callback_data: str | None = None
    message: int | None = None


class Blocking(View):
    blocked: bool = True


class Migration(View):
    person: int


class InlineAsking(View):
    person: int
    bot: int
    text: str


class Checkout(View):
    person: int
    bot: int
    currency: str = "XTR"
    amount: int
    payload: str


class Query(View):
    """Something a bot was asked, with its answer once there is one."""

    id: str
    kind: str
    answer: dict[str, Any] | None = None


class Event(View):
    seq: int
    time: float
    kind: str
    bot_id: int | None = None
    chat: str | None = None
    person_id: int | None = None
    message_id: int | None = None
    text: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Events(View):
    """Events after the asked cursor; ask for more after this `cursor`."""

    events: list[Event]
    cursor: int


class Call(View):
    """One Bot API call that a bot made."""

    seq: int
    time: float
    bot_id: int
    method: str
    via: str
    chat_id: int | None
    parameters: dict[str, Any]
    ok: bool
    status: int
    result: Any
    description: str | None
    fault: int | None


class NewFault(View):
    kind: str
    bot_id: int | None = None
    chat_id: int | None = None
    method: str | None = None
    count: int | None = Field(1, ge=1)
    retry_after_s: int = Field(1, ge=1)
    delay_s: float = Field(1.0, ge=0)


class Fault(NewFault):
    id: int
    fired: int


class Counters(View):
    calls: dict[str, int]
    events: dict[str, int]
    pending: dict[int, int]
    """Undelivered updates by bot."""
    people: int
    chats: int


class Settings(View):
    limits: Literal["on", "off"]
    strict_bots: bool


def of_bot(bot: state.Bot) -> Bot:
    return Bot(
        id=bot.id,
        first_name=bot.first_name,
        username=bot.username,
        webhook_url=bot.webhook.url,
        pending=len(bot.queue),
    )


def of_message(message: state.Message) -> Message:
    return Message(
        id=message.id,
        chat=message.chat.ref,
        sender_id=message.sender.id,
        sender_name=message.sender.first_name,
        from_bot=isinstance(message.sender, state.Bot),
        date=message.date,
        text=message.text,
        entities=message.entities,
        buttons=[[Button.model_validate(button) for button in row] for row in message.inline or []],
        keyboard=message.keyboard,
        media=message.media,
        service=message.service,
        reply_to=message.reply_to.id if message.reply_to else None,
        edited=message.edit_date is not None,
        deleted=message.deleted,
        cursor=message.cursor,
    )


def of_chat(chat: state.Chat, cursor: int) -> Chat:
    return Chat(
        ref=chat.ref,
        id=chat.id,
        kind=chat.kind,
        title=chat.title,
        bots=list(chat.bots),
        people=list(chat.people),
        blocked=chat.blocked,
        migrated_to=chat.migrated_to,
        messages=[of_message(message) for message in chat.visible()],
        cursor=cursor,
    )


def _line(message: Message) -> str:
    marks = " (edited)" if message.edited else ""
    marks += "".join(f" <{name}>" for name in (*message.media, *message.service))
    buttons = "".join("\n    " + " ".join(f"[{b.text}]" for b in row) for row in message.buttons)
    return f"{message.sender_name}: {message.text}{marks}{buttons}"
