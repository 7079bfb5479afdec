"""The training log on its stage: the bundled bot as people have it, in a simulated Telegram, on either database."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posthouse.settings import BlobsSection, BotSection, HttpSection, Settings, StoreSection, TelegramSection
from posthouse.testing.chats import Chat
from posthouse.testing.people import Person
from posthouse.testing.platforms import running
from posthouse.testing.town import Message, Town

TOKEN = "500001:workouts"
WITHIN_S = 20.0


@dataclass
class Gym:
    """The town in which the bot works; `open` is a process of it, a second one a restart."""

    town: Town
    settings: Settings

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with running(self.settings):
            yield

    async def visitor(self, name: str, *, language: str = "en") -> Person:
        """Somebody new."""
        return await self.town.person(name, talks_to=TOKEN, language_code=language)


async def gym_at(town: Town, api_url: str, url: str, folder: Path) -> Gym:
    """The bot's account, and how its processes are configured."""
    await town.bot(TOKEN, first_name="Gym", username="posthouse_gym_bot")
    port = _free_port()
    bot = BotSection(program="posthouse_apps.workouts:app", token=TOKEN, secret="gym-secret", limits="none")
    settings = Settings(
        bots={"gym": bot},
        store=StoreSection(url=url),
        telegram=TelegramSection(api_url=api_url),
        http=HttpSection(port=port, public_url=f"http://127.0.0.1:{port}"),
        blobs=BlobsSection(url=str(folder / "blobs")),
        root=str(folder),
    )
    return Gym(town, settings)


async def tell(person: Person, text: str, *expected: str, **shown: Any) -> Message:
    """The person writes; the bot's newest message then contains this."""
    said = await person.says(text)
    return await seen(person.chat, *expected, after=said, **shown)


async def push(person: Person, button: str, *expected: str, **shown: Any) -> Message:
    """The person presses a button; then this is shown, and the press is answered."""
    question = await person.presses(button)
    await question.answer(within_s=WITHIN_S)
    return await seen(person.chat, *expected, **shown) if expected or shown else (await person.chat.messages())[-1]


async def seen(chat: Chat, *expected: str, **shown: Any) -> Message:
    for text in expected[:-1]:
        await chat.shows(text, within_s=WITHIN_S, **{k: v for k, v in shown.items() if k == "after"})
    return await chat.shows(expected[-1] if expected else "", within_s=WITHIN_S, **shown)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
