"""An author's aiogram bot on the whole platform: the simulator's people, real HTTP, a real SQLite store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import road_bot
from road_bot import TOKEN
from structlog.testing import capture_logs

from posthouse.adapters.sqlite.schema import migrate
from posthouse.settings import Settings, parse
from posthouse.simulator import Simulator
from posthouse.testing import running
from posthouse.testing.town import Person, Town


def settings(folder: Path, api_url: str) -> Settings:
    section = {
        "program": "road_bot:dp",
        "bot": "road_bot:bot",
        "token": "${ROAD_TOKEN}",
        "mode": "polling",
        "retry_base_s": 0.01,
        "limits": "none",
    }
    raw = {
        "bots": {"road": section},
        "telegram": {"api_url": api_url},
        "store": {"url": f"sqlite:///{folder}/posthouse.db"},
    }
    return parse(raw, path=folder / "posthouse.toml", environment={"ROAD_TOKEN": TOKEN})


@asynccontextmanager
async def hosted(folder: Path, sim: Simulator) -> AsyncIterator[None]:
    """The platform with the author's bot, from ready to stopped. Logs are kept from structlog's own renderer.

    That one would write the locals of every traceback, which takes seconds with aiogram's objects in them.
    """
    with capture_logs():
        async with running(settings(folder, sim.url)):
            yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    migrate(str(tmp_path / "posthouse.db"))
    return tmp_path


async def texts(ann: Person) -> list[str | None]:
    return [message.text for message in await ann.chat_with(TOKEN).messages() if message.from_bot]


async def test_a_bot_written_for_polling_talks(simulator: Simulator, town: Town, folder: Path) -> None:
    """State, calls, returned methods, files and defaults of an unchanged bot work, also after a restart."""
    ann = await town.person("Ann")
    chat = ann.chat_with(TOKEN)
    async with hosted(folder, simulator):
        await ann.says("/start", to=TOKEN)
        await chat.shows("What shall it be?")
    async with hosted(folder, simulator):
        await ann.says("tea", to=TOKEN)
        await chat.shows("One tea, please wait")
        await ann.says("more", to=TOKEN)
        await chat.shows("I am idle")
        await ann.says("/file", to=TOKEN)
        await chat.shows("Sent")
        await chat.hides("Sending…")
        await ann.says("/many", to=TOKEN)
        for number in range(3):
            await chat.shows(f"number {number}")


async def test_a_failed_press_is_tried_again_without_doubles(simulator: Simulator, town: Town, folder: Path) -> None:
    """A handler that fails after its first message goes on in the retry; the press is answered once."""
    ann = await town.person("Ann")
    async with hosted(folder, simulator):
        await ann.says("/start", to=TOKEN)
        await ann.chat_with(TOKEN).shows("What shall it be?")
        road_bot.failures.append(ConnectionError)
        press = await ann.presses("Menu", on=TOKEN)
        await press.answer()
        await ann.chat_with(TOKEN).shows("Coffee")
    assert await texts(ann) == ["What shall it be?", "Tea", "Coffee"]
    assert len(await town.calls("answerCallbackQuery")) == 1


async def test_a_burst_of_one_person_is_handled_in_order(simulator: Simulator, town: Town, folder: Path) -> None:
    """Messages that wait together see the state that the ones before them left, also where it was cleared."""
    ann = await town.person("Ann")
    for text in ("/start", "tea", "and", "/start", "cake"):
        await ann.says(text, to=TOKEN)
    async with hosted(folder, simulator):
        await ann.chat_with(TOKEN).shows("One cake")
    sent = [text for text in await texts(ann) if text]
    assert sorted(sent) == sorted(
        [
            "What shall it be?",
            "One tea, please wait",
            "I am idle",
            "What shall it be?",
            "One cake, please wait",
        ]
    )


async def test_a_429_is_waited_for(simulator: Simulator, town: Town, folder: Path) -> None:
    """Telegram's flood control delays an awaited call and fails nothing."""
    ann = await town.person("Ann")
    async with hosted(folder, simulator):
        await town.bot_id(TOKEN)
        await town.fault("429", bot=TOKEN, method="sendMessage", retry_after_s=1)
        await ann.says("/start", to=TOKEN)
        await ann.chat_with(TOKEN).shows("What shall it be?")
    assert await texts(ann) == ["What shall it be?"]
