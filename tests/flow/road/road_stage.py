"""The road's stage: a whole platform in this process, real HTTP in front of it, a recording gateway behind it."""

from __future__ import annotations

import asyncio
import json
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from posthouse import App
from posthouse.bootstrap import build, open_store
from posthouse.core.entries import Incoming
from posthouse.ports.store import Filter, Row, Store
from posthouse.runtime.platform import Platform
from posthouse.settings import (
    BlobsSection,
    BotSection,
    ExecutorSection,
    HttpSection,
    Settings,
    StoreSection,
)

BOT = 4242
SECRET = "road-secret"
WAIT_S = 20.0
PATH = "/webhook/road"
_programs = count()


class RecordingGateway:
    """Telegram as far as the road needs it; a test may script an answer by text."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Exception] = {}
        self._called = asyncio.Condition()

    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        body = json.loads(payload)
        async with self._called:
            self.calls.append((method, body))
            self._called.notify_all()
        answer = self.answers.pop(body.get("text", ""), None)
        if answer is not None:
            raise answer
        return {"message_id": len(self.calls)}

    async def close(self) -> None:
        return

    @property
    def texts(self) -> list[str]:
        return [body["text"] for _, body in self.calls if "text" in body]

    async def sent(self, *texts: str) -> None:
        """Wait until each of these texts was sent."""
        try:
            await self.until(lambda: set(texts) <= set(self.texts))
        except TimeoutError:
            raise AssertionError(f"never sent: {sorted(set(texts) - set(self.texts))}") from None

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until something is true of the calls."""
        async with asyncio.timeout(WAIT_S), self._called:
            await self._called.wait_for(fact)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool


class Client:
    """One HTTP/1.1 connection, written by hand so that a test decides about every byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        self.write_head(method, path, {"content-length": str(len(body))} | (headers or {}))
        self.writer.write(body)
        return await self.reply()

    def write_head(self, method: str, path: str, headers: dict[str, str]) -> None:
        lines = [f"{method} {path} HTTP/1.1", "host: road", *(f"{name}: {value}" for name, value in headers.items())]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def reply(self) -> Reply:
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(int(head[0].split()[1]), headers, body, headers.get("connection") == "close")

    async def ended(self) -> bool:
        """True when the server has closed the connection."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read(1) == b""

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class Road:
    """A running platform."""

    way: ClassVar[str] = PATH
    """The path to which updates are posted."""

    platform: Platform
    gateway: RecordingGateway
    settings: Settings
    task: asyncio.Task[None]
    clients: list[Client] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return self.platform.store

    @property
    def port(self) -> int:
        return self.platform.server.port  # type: ignore[union-attr, no-any-return]

    async def client(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def get(self, path: str) -> Reply:
        client = await self.client()
        return await client.request("GET", path)

    async def post(
        self, body: bytes | dict[str, Any], *, secret: str | None = SECRET, path: str = "", client: Client | None = None
    ) -> Reply:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if secret is None else {"x-telegram-bot-api-secret-token": secret}
        client = client or await self.client()
        return await client.request("POST", path or self.way, raw, headers)

    async def write(self, number: int, text: str, *, chat: int = 1) -> None:
        """A person writes; the update is acknowledged."""
        reply = await self.post(message(number, text, chat=chat))
        assert reply.status == 200

    async def rows(self, what: str, **filters: Any) -> list[Row]:
        return await self.store.desk.list(what, Filter(limit=500, **filters))

    async def session(self, chat: int = 1) -> dict[str, Any]:
        found = await self.store.turns.read_states(BOT, chat, [""])
        return json.loads(found[""]) if found else {}

    async def until(self, fact: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until the store shows something. Nothing signals that, so it is asked again and again."""
        async with asyncio.timeout(WAIT_S):
            while not (found := await fact()):  # noqa: ASYNC110 - a database sets no event
                await asyncio.sleep(0.01)
        return found

    async def dead(self, count: int = 1) -> list[Row]:
        async def enough() -> list[Row] | None:
            rows = await self.rows("dead")
            return rows if len(rows) >= count else None

        found: list[Row] = await self.until(enough)
        return found

    async def idle(self) -> None:
        """Wait until nothing waits any more."""

        async def empty() -> bool:
            return not await self.rows("inbox") and not await self.rows("outbox") and not await self.rows("jobs")

        await self.until(empty)

    async def metric(self, line: str) -> float:
        """The value of one line of the metrics page."""
        page = (await self.get("/metrics")).body.decode()
        for found in page.splitlines():
            if found.startswith(line + " "):
                return float(found.rsplit(" ", 1)[1])
        return 0.0

    async def stop(self) -> None:
        self.platform.stop()
        async with asyncio.timeout(40):
            await self.task


def message(number: int, text: str, *, chat: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "update_id": number,
        "message": {
            "message_id": number,
            "date": 1_750_000_000,
            "chat": {"id": chat, "type": "private"},
            "from": {"id": chat, "is_bot": False, "first_name": "A"},
            "text": text,
        }
        | fields,
    }


def incoming(number: int, text: str, *, chat: int = 1, bot_id: int = BOT) -> Incoming:
    return Incoming(bot_id, chat, number, json.dumps(message(number, text, chat=chat)).encode())


def published(program: Any) -> str:
    """The reference under which a program made by a test can be configured."""
    name = f"road_program_{next(_programs)}"
    module = types.ModuleType(name)
    module.app = program  # type: ignore[attr-defined]
    sys.modules[name] = module
    return f"{name}:app"


def settings_for(url: str, folder: Path, program: Any, **sections: Any) -> Settings:
    """One bot on one store; `bot`, `store`, `ingress`, … change what a test is about."""
    bot = {"retry_base_s": 0.01, "retry_cap_s": 0.02, "limits": "none"} | sections.pop("bot", {})
    return Settings(
        bots={"road": BotSection(program=published(program), token=f"{BOT}:road", secret=SECRET, **bot)},
        store=StoreSection(url=url, **sections.pop("store", {})),
        http=HttpSection(port=0, register_webhooks=False),
        blobs=BlobsSection(url=str(folder / "blobs")),
        executor=sections.pop("executor", ExecutorSection(stop_deadline_s=2.0)),
        root=str(folder),
        **sections,
    )


@asynccontextmanager
async def running(
    settings: Settings, *, gateway: RecordingGateway | None = None, **options: Any
) -> AsyncIterator[Road]:
    """The platform until the end of the `with`, where it is stopped gracefully."""
    gateway = gateway or RecordingGateway()
    platform = build(settings, gateway=gateway, **options)
    task = asyncio.create_task(platform.run())
    ready = asyncio.create_task(platform.ready.wait())
    async with asyncio.timeout(WAIT_S):
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if task.done():
        task.result()
    road = Road(platform, gateway, settings, task)
    try:
        yield road
    finally:
        for client in road.clients:
            client.close()
        await road.stop()


@asynccontextmanager
async def beforehand(settings: Settings) -> AsyncIterator[Store]:
    """The store alone, before or after the platform runs on it."""
    store, _ = open_store(settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def echo() -> App:
    """A bot that counts and answers."""
    app = App("echo")

    @app.text()
    async def answer(turn: Any) -> None:
        turn.session["count"] = turn.session.get("count", 0) + 1
        turn.say(f"{turn.text} {turn.session['count']}")

    return app
