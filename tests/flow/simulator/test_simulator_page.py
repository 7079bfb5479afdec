"""What the chat page reads: the bundle, dialogs, pages of messages, search, the stream of changes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from simulator_stage import TOKEN

from posthouse.simulator import Simulator, views
from posthouse.simulator.page import Page
from posthouse.testing.town import Person, Town


@pytest.fixture
async def http(sim: Simulator) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=sim.url) as session:
        yield session


async def read(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(f"/sim/v1/page{path}") as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def changes(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """The next changes of a stream."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        line = await response.content.readline()
        if line.startswith(b"data: {"):
            found.append(json.loads(line.removeprefix(b"data: ")))
    return found


async def test_a_dialog_tells_the_last_message_and_how_many_are_unread(
    http: aiohttp.ClientSession, bot: Bot, ann: Person
) -> None:
    """What the bot said since the person wrote or read is unread."""
    for text in ("one", "two", "three"):
        await bot.send_message(ann.id, text)
    (dialog,) = (await read(http, f"/people/{ann.id}/dialogs"))["dialogs"]
    assert (dialog["last"]["text"], dialog["unread"], dialog["kind"]) == ("three", 3, "private")
    seen = {"chat": dialog["ref"], "message": dialog["last"]["id"] - 1}
    async with http.put(f"/sim/v1/page/people/{ann.id}/read", json=seen) as response:
        assert response.status == 200
    (dialog,) = (await read(http, f"/people/{ann.id}/dialogs"))["dialogs"]
    assert dialog["unread"] == 1


async def test_pages_of_messages_meet_without_a_gap(http: aiohttp.ClientSession, bot: Bot, ann: Person) -> None:
    """The newest page, the one before it, and back again: every message once, in order."""
    for number in range(25):
        await bot.send_message(ann.id, f"message {number}")
    path = f"/people/{ann.id}/messages?chat={bot.id}:{ann.id}&limit=10"
    newest = await read(http, path)
    older = await read(http, f"{path}&before={newest['messages'][0]['id']}")
    again = await read(http, f"{path}&after={older['messages'][-1]['id']}")
    texts = [message["text"] for message in older["messages"] + newest["messages"]]
    assert texts == [f"message {number}" for number in range(5, 25)]
    assert again["messages"] == newest["messages"]
    assert (newest["more_before"], newest["more_after"], again["more_after"]) == (True, False, False)


async def test_a_chat_that_nobody_opened_is_an_empty_page(http: aiohttp.ClientSession, bot: Bot, town: Town) -> None:
    """A person who has not met the bot can look at the chat before the first word."""
    bea = await town.person("Bea")
    page = await read(http, f"/people/{bea.id}/messages?chat={bot.id}:{bea.id}")
    assert (page["messages"], page["more_before"]) == ([], False)


async def test_search_finds_words_in_any_case_but_only_in_own_chats(
    http: aiohttp.ClientSession, bot: Bot, ann: Person, town: Town
) -> None:
    """Newest first; what was said to somebody else stays there."""
    bea = await town.person("Bea")
    await bea.starts(TOKEN)
    await bot.send_message(ann.id, "Große Züge")
    await bot.send_message(bea.id, "große Pläne")
    found = (await read(http, f"/people/{ann.id}/search?text=GROSSE"))["messages"]
    assert [message["text"] for message in found] == ["Große Züge"]


async def test_the_stream_carries_each_message_whole(http: aiohttp.ClientSession, bot: Bot, ann: Person) -> None:
    """Said, edited, deleted: the page needs no second request, and other people's chats are not in it."""
    cursor = (await read(http, f"/people/{ann.id}/dialogs"))["cursor"]
    async with http.get(f"/sim/v1/page/people/{ann.id}/stream?after={cursor}") as stream:
        sent = await bot.send_message(ann.id, "first")
        await bot.edit_message_text("second", chat_id=ann.id, message_id=sent.message_id)
        (said, edited) = await changes(stream, 2)
        await bot.delete_message(ann.id, sent.message_id)
        (deleted,) = await changes(stream, 1)
    assert [said["kind"], edited["kind"], deleted["kind"]] == ["bot.said", "bot.edited", "bot.deleted"]
    assert edited["message"]["text"] == "second"
    assert edited["message"]["edited"]
    assert deleted["message"]["deleted"]


async def test_the_stream_ends_with_a_word_when_the_town_begins_anew(
    http: aiohttp.ClientSession, ann: Person, sim: Simulator
) -> None:
    """A page whose person is gone is told so."""
    async with http.get(f"/sim/v1/page/people/{ann.id}/stream") as stream:
        async with http.post("/sim/v1/reset") as response:
            assert response.status == 200
        rest = (await stream.content.read()).decode()
    assert "event: reset" in rest


async def test_the_calls_of_a_chat_are_those_that_name_it_or_answer_it(
    http: aiohttp.ClientSession, bot: Bot, ann: Person, town: Town
) -> None:
    """What the bot said to somebody else is not among them; what concerns the bot alone is."""
    bea = await town.person("Bea")
    await bea.starts(TOKEN)
    await bot.get_me()
    await bot.send_message(ann.id, "to Ann")
    await bot.send_message(bea.id, "to Bea")
    calls = (await read(http, f"/chats/{bot.id}:{ann.id}/calls"))["calls"]
    assert {call["method"] for call in calls} >= {"getMe", "sendMessage"}
    assert [call["parameters"]["text"] for call in calls if call["method"] == "sendMessage"] == ["to Ann"]


async def test_the_updates_of_a_chat_come_with_their_attempts(
    http: aiohttp.ClientSession, bot: Bot, ann: Person, town: Town
) -> None:
    """An update that was handed to a poller shows the attempt; one about somebody else is not here."""
    bea = await town.person("Bea")
    await bea.starts(TOKEN)
    await ann.says("Hello", to=TOKEN)
    await bot.get_updates()
    seen = await read(http, f"/chats/{bot.id}:{ann.id}/updates")
    assert [update["update"]["message"]["text"] for update in seen["updates"]][-1] == "Hello"
    assert {update["chat_id"] for update in seen["updates"]} == {ann.id}
    assert {attempt["outcome"] for attempt in seen["deliveries"]} == {"handed"}


NAMED_DIFFERENTLY = {"InvoiceForm": "Invoice", "Updates": "ChatUpdates"}
OF_TELEGRAM = {"Entity", "BotCommand"}


def test_the_types_of_the_page_are_those_of_the_control_api() -> None:
    """Each field that web/chat/src/types.ts reads is a field of the record of that name."""
    source = (Path(__file__).parents[3] / "web" / "chat" / "src" / "types.ts").read_text()
    found = re.findall(r"export interface (\w+) {\n(.*?)\n}", source, re.DOTALL)
    assert len(found) > 20
    for name, body in found:
        if name in OF_TELEGRAM:
            continue
        wanted = NAMED_DIFFERENTLY.get(name, name)
        record = getattr(views, wanted, None) or getattr(views.payments, wanted)
        fields = set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE))
        assert fields <= set(record.model_fields), f"{name}: {fields - set(record.model_fields)}"


async def test_the_page_is_served_with_types_and_a_policy(tmp_path: Path) -> None:
    """Index anew each time, assets for ever, nothing from elsewhere, and no way out of the folder."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "index-1.js").write_text("1")
    (tmp_path / ".digest").write_text("x")
    page = Page(tmp_path)
    assert page.has("/assets/index-1.js")
    assert not any(page.has(path) for path in ("/.digest", "/assets/../.digest", "/../secret", "/assets/", "/nothing"))
    index, asset = await asked(page, "/"), await asked(page, "/assets/index-1.js")
    assert index[b"cache-control"] == b"no-cache"
    assert b"immutable" in asset[b"cache-control"]
    assert asset[b"content-type"].startswith(b"text/javascript")
    assert b"default-src 'none'" in index[b"content-security-policy"]


async def test_without_its_files_the_page_says_how_to_get_them(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A checkout without npm still has a simulator, and `/` says what is missing; other paths stay JSON."""
    assert (await asked(Page(tmp_path), "/"))[b":status"] == b"503"
    async with http.get("/nothing") as response:
        assert response.status == 404
        assert (await response.json())["error_code"] == 404


async def asked(page: Page, path: str) -> dict[bytes, bytes]:
    """The head of the page's answer, with the status beside the headers."""
    heads: list[dict[bytes, bytes]] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            heads.append({**dict(message["headers"]), b":status": str(message["status"]).encode()})

    async def receive() -> Any:
        raise AssertionError("the page reads no body")

    await page({"type": "http", "method": "GET", "path": path}, receive, send)
    return heads[0]
