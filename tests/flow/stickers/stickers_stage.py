"""The stickers' stage: the bot on a whole platform, the simulator as Telegram, people who chat with it over HTTP."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from PIL import Image, ImageDraw

from posthouse.core.sessions import SessionEvent, SessionRecord
from posthouse.ports.store import Filter, Row, SessionFilter
from posthouse.runtime.platform import Platform
from posthouse.settings import (
    BlobsSection,
    BotSection,
    HttpSection,
    ModelSection,
    Settings,
    StoreSection,
    TelegramSection,
)
from posthouse.simulator.views import Message
from posthouse.testing.chats import Chat
from posthouse.testing.people import Person, Question
from posthouse.testing.platforms import running
from posthouse.testing.town import Town

BOT = 4242
TOKEN = f"{BOT}:stickers-of-the-stage"
WITHIN_S = 20.0  # drawing takes its time where cores are few


def photo(side: int = 96) -> bytes:
    """Somebody before a wall, small, so that drawing is quick."""
    picture = Image.new("RGB", (side, side), (200, 210, 220))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((side * 0.2, side * 0.62, side * 0.8, side), fill=(60, 90, 160))
    draw.ellipse((side * 0.3, side * 0.15, side * 0.7, side * 0.65), fill=(224, 172, 140))
    draw.ellipse((side * 0.4, side * 0.3, side * 0.46, side * 0.36), fill=(30, 30, 30))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def settings_for(
    database: str, api_url: str, folder: Path, *, models: dict[str, ModelSection] | None = None, port: int = 0
) -> Settings:
    """The bot by polling: nothing has to reach it."""
    bot = BotSection(
        program="posthouse_apps.stickers:app", token=TOKEN, mode="polling", retry_base_s=0.01, limits="none"
    )
    return Settings(
        bots={"stickers": bot},
        store=StoreSection(url=database),
        telegram=TelegramSection(api_url=api_url),
        http=HttpSection(port=port),
        blobs=BlobsSection(url=str(folder / "blobs")),
        models=models or {},
        root=str(folder),
    )


async def read(database: str, sql: str) -> list[tuple[Any, ...]]:
    """What another program sees in the database."""
    if database.startswith("sqlite:///"):
        path = database.removeprefix("sqlite:///")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()
    connection = await asyncpg.connect(database)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


class Customer:
    """Somebody who uses the bot."""

    def __init__(self, town: Town, person: Person) -> None:
        self.town = town
        self.person = person
        self.chat: Chat = person.chat_with(TOKEN)
        self.newest = 0
        """Where in the journal this person last did something: what is waited for came after it."""

    async def says(self, text: str) -> Message:
        return self._noted(await self.person.says(text, to=TOKEN))

    async def sends(self, picture: bytes) -> Message:
        return self._noted(await self.person.sends_photo(picture, to=TOKEN))

    async def sends_file(self, content: bytes, name: str = "photo.png") -> Message:
        return self._noted(await self.person.sends_document(content, name=name, to=TOKEN))

    async def presses(self, button: str, *, on: Message | None = None) -> Question:
        """Press the button that contains this text, on the newest message that has one or on this one."""
        message = on or await self._with_button(button)
        text = next(text for text in message.button_texts if button in text)
        return await self.person.presses(text, on=message)

    async def presses_outdated(self, button: str, *, on: Message) -> tuple[str, bool]:
        """Press a button that a message once had, as on a device that has not seen the edit; what the bot answers."""
        keyboard = [[b.model_dump(include={"text", "callback_data"}) for b in row] for row in on.buttons]
        now = next(message for message in await self.chat.messages() if message.id == on.id)
        if now.buttons != on.buttons:
            await call_telegram(
                self.town,
                "editMessageReplyMarkup",
                chat_id=self.person.id,
                message_id=on.id,
                reply_markup={"inline_keyboard": keyboard},
            )
        return await self.told(button, on=on)

    async def told(self, button: str, *, on: Message | None = None) -> tuple[str, bool]:
        """Press, and return what the bot answers: the words, and whether they come as an alert."""
        answer = await (await self.presses(button, on=on)).answer(within_s=WITHIN_S)
        return answer.get("text", ""), answer.get("show_alert", False)

    async def shown(
        self,
        text: str,
        *,
        buttons: Sequence[str] = (),
        media: str | None = None,
        after: Message | int | None = None,
    ) -> Message:
        """A message of the bot with this text and these buttons, since the person last wrote or since `after`."""
        since = self.newest if after is None else after
        return await self.chat.shows(text, buttons=buttons, media=media, within_s=WITHIN_S, after=since)

    async def messages(self, media: str | None = None) -> list[Message]:
        """What the bot has sent and is still there."""
        return [
            message
            for message in await self.chat.messages()
            if message.from_bot and (media is None or (message.media is not None and message.media.kind == media))
        ]

    async def balance(self) -> int:
        await self.says("/balance")
        text = (await self.shown("")).text
        return int("".join(letter for letter in text if letter.isdigit()) or 0)

    async def _with_button(self, button: str) -> Message:
        async def found() -> list[Message]:
            return [m for m in await self.chat.messages() if any(button in text for text in m.button_texts)]

        try:
            messages: list[Message] = await until(found)
        except TimeoutError:
            raise AssertionError(f"no button {button!r} in:\n{await self.chat.transcript()}") from None
        return messages[-1]

    def _noted(self, message: Message) -> Message:
        self.newest = message.cursor
        return message


@dataclass
class Studio:
    """The running bot, and what can be seen of it from outside."""

    platform: Platform
    town: Town
    database: str

    async def customer(self, name: str = "Ann", *, language: str = "en", credits: bool = True) -> Customer:
        """Somebody who has started the bot, with the day's five credits or with none."""
        customer = Customer(self.town, await self.town.person(name, language_code=language, talks_to=TOKEN))
        await customer.says("/start")
        await customer.shown("/pack")
        if credits:
            await customer.says("/credits")
            await customer.shown("5")
        return customer

    async def sessions(self, flow: str) -> list[SessionRecord]:
        """The sessions of a flow as they are stored, the oldest first."""
        found = await self.platform.store.sessions.find(SessionFilter(flow_kind=flow, live=False))
        return sorted(found, key=lambda record: record.created_at)

    async def state(self, flow: str) -> tuple[str, int]:
        """State and revision of the newest session of a flow."""
        record = (await self.sessions(flow))[-1]
        return record.state, record.rev

    async def is_in(self, flow: str, state: str) -> bool:
        """Whether the newest session of a flow is in this state."""
        return (await self.state(flow))[0] == state

    async def history(self, flow: str) -> list[SessionEvent]:
        """What happened to all sessions of a flow."""
        found = [await self.platform.store.sessions.history(record.id) for record in await self.sessions(flow)]
        return [event for history in found for event in history]

    async def rejects(self, flow: str) -> list[tuple[str, str, str]]:
        """(event, reason, detail) of what was rejected."""
        events = await self.history(flow)
        return [(event.event, str(event.reason), event.detail) for event in events if event.to_state is None]

    async def transitions(self, flow: str, event: str) -> int:
        """How often an event has led on."""
        return sum(found.event == event and found.to_state is not None for found in await self.history(flow))

    async def moves(self) -> list[tuple[int, str]]:
        """(amount, reason) of every credit that moved."""
        found = await read(self.database, "SELECT amount, reason FROM sticker_credit_moves ORDER BY id")
        return [(amount, reason) for amount, reason in found]

    async def dead(self) -> list[Row]:
        return await self.platform.store.desk.list("dead", Filter(limit=100))

    async def set_drawing(self, going_on: bool) -> None:
        """Let the queue of drawing jobs stand still, or go on."""
        await self.platform.store.desk.pause_queue("render", not going_on)

    async def telegram(self, method: str, **parameters: Any) -> Any:
        """What Telegram answers to a call that the bot could make."""
        return await call_telegram(self.town, method, **parameters)

    async def file(self, file_id: str) -> bytes:
        """A file of Telegram's."""
        path = (await self.telegram("getFile", file_id=file_id))["file_path"]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.town.url}/file/bot{TOKEN}/{path}") as response:
                return await response.read()


async def call_telegram(town: Town, method: str, **parameters: Any) -> Any:
    """A call with the bot's token, besides its own."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{town.url}/bot{TOKEN}/{method}", json=parameters) as response:
            answer = await response.json()
    assert answer["ok"], answer
    return answer["result"]


OpenStudio = Callable[..., AbstractAsyncContextManager[Studio]]
"""Runs the bot: `async with studio_on(database) as studio`."""


@asynccontextmanager
async def open_studio(settings: Settings, town: Town) -> AsyncIterator[Studio]:
    """The bot until the end of the `with`."""
    async with running(settings) as platform:
        yield Studio(platform, town, settings.store.url)


async def until(fact: Any) -> Any:
    """Wait until something is true that nothing signals, such as a row in a database."""
    async with asyncio.timeout(WITHIN_S):
        while not (found := await fact()):  # noqa: ASYNC110 - a database sets no event
            await asyncio.sleep(0.02)
    return found
