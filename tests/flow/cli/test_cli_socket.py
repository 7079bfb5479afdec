"""The operator's socket itself: what it answers to those who do not speak its language."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from posthouse.cli.operator import DeskClient, DeskServer
from posthouse.core.errors import NotFound, PlatformError, StoreUnavailable
from posthouse.ports.store import Filter, Row


class PaperDesk:
    """A desk with one row."""

    async def list(self, what: str, filter: Filter) -> list[Row]:
        return [Row(1, what, "waiting", filter.bot_id or 0)]

    async def show(self, what: str, id: int) -> Row:
        raise NotFound(f"there is no row {id} in {what}")

    async def replay(self, dead_ids: list[int]) -> list[int]:
        raise RuntimeError("the ink is dry")


class PaperStore:
    """A store that has nothing but that desk."""

    desk = PaperDesk()


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    server = DeskServer(tmp_path / "desk.sock", PaperStore, {"echo": 1001})  # type: ignore[arg-type]
    await server.open()
    yield tmp_path / "desk.sock"
    await server.close()
    assert not (tmp_path / "desk.sock").exists()


async def ask(path: Path, line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(line + b"\n")
    answer: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer


async def test_calls_and_errors_come_through(path: Path) -> None:
    """The client is a desk: rows are rows, and what the desk raises is raised."""
    client = DeskClient(*await asyncio.open_unix_connection(str(path)))
    assert await client.bots() == {"echo": 1001}
    assert await client.list("jobs", Filter(bot_id=5)) == [Row(1, "jobs", "waiting", 5)]
    with pytest.raises(NotFound, match="there is no row 9 in dead"):
        await client.show("dead", 9)
    with pytest.raises(PlatformError, match="RuntimeError: the ink is dry"):
        await client.replay([1])
    assert await client.bots() == {"echo": 1001}  # a failed call does not end the talk
    client._writer.close()


@pytest.mark.parametrize(
    "line",
    [b"not json", b"[]", b'{"call": 5}', b'{"call": "desk.drop"}', b'{"call": "desk.list"}', b'{"call": "__class__"}'],
)
async def test_nonsense_gets_an_answer(path: Path, line: bytes) -> None:
    """Only the calls of a desk exist; everything else is an error in words."""
    answer = await ask(path, line)
    assert answer["error"]
    assert answer["message"]


async def test_a_process_that_ends_is_noticed(tmp_path: Path) -> None:
    """When the other side goes away, the command says so instead of waiting."""
    server = DeskServer(tmp_path / "desk.sock", PaperStore, {})  # type: ignore[arg-type]
    await server.open()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "desk.sock"))
    client = DeskClient(reader, writer)
    await client.bots()
    await server.close()
    with pytest.raises(StoreUnavailable, match=r"desk\.list"):
        await client.list("jobs", Filter())
    writer.close()


async def test_what_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    """A stale socket file is removed; a file that is no socket is not, and the platform runs without."""
    first = DeskServer(tmp_path / "desk.sock", PaperStore, {})  # type: ignore[arg-type]
    await first.open()
    second = DeskServer(tmp_path / "desk.sock", PaperStore, {"new": 1})  # type: ignore[arg-type]
    await second.open()
    assert (await ask(tmp_path / "desk.sock", b'{"call": "bots"}'))["ok"] == {"new": 1}
    await first.close()
    await second.close()
    (tmp_path / "precious").write_text("not a socket")
    third = DeskServer(tmp_path / "precious", PaperStore, {})  # type: ignore[arg-type]
    await third.open()
    await third.close()
    assert (tmp_path / "precious").read_text() == "not a socket"
