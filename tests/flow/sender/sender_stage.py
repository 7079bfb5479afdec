"""What the sender's tests share: a road from an honest outbox to a gateway, and servers with a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from posthouse.core.effects import Outgoing
from posthouse.core.errors import StoreUnavailable
from posthouse.core.leases import DeliveryLease, DeliverySettlement
from posthouse.ports.telegram import TelegramGateway
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.sender import Sender, SenderSettings, SendingBot
from posthouse.testing.clock import ManualClock
from posthouse.testing.contracts.model import ModelStore

BOT = 4242
TOKEN = "4242:a-token-that-must-not-be-seen"
TICK_S = 1e-6  # any move of the clock


class WatchedOutbox:
    """The contract suite's outbox; its `ready` waits for a change or a moved clock, and it keeps a record."""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self.inner = store.outbox
        self.ends: list[DeliverySettlement] = []
        self.batches: list[int] = []
        self.pauses: list[tuple[int, int | None, float]] = []
        self.away = 0
        """So many calls of `settle` find the store away."""
        self._changed = asyncio.Event()
        self._settled = asyncio.Condition()

    async def ready(self) -> None:
        self._changed.clear()
        moved = asyncio.create_task(self.store.clock.sleep(TICK_S))
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((moved, changed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            moved.cancel()
            changed.cancel()

    async def claim(self, limit: int) -> list[DeliveryLease]:
        return await self.inner.claim(limit)

    async def settle(self, settlements: Sequence[DeliverySettlement]) -> list[bool]:
        if self.away:
            self.away -= 1
            raise StoreUnavailable
        kept = await self.inner.settle(settlements)
        self.batches.append(len(settlements))
        async with self._settled:
            self.ends += settlements
            self._settled.notify_all()
        self._changed.set()
        return kept

    async def admit(self, bot_id: int, chat: int | None) -> float:
        return await self.inner.admit(bot_id, chat)

    async def pause(self, bot_id: int, chat: int | None, delay_s: float) -> None:
        self.pauses.append((bot_id, chat, delay_s))
        await self.inner.pause(bot_id, chat, delay_s)

    async def post(self, deliveries: Sequence[Outgoing]) -> None:
        await self.inner.post(deliveries)
        self._changed.set()

    async def message_id(self, bot_id: int, chat: int, handle: str) -> int | None:
        return await self.inner.message_id(bot_id, chat, handle)

    async def ended(self, count: int) -> list[DeliverySettlement]:
        """The first `count` settlements, as soon as there are so many."""
        async with asyncio.timeout(10), self._settled:
            await self._settled.wait_for(lambda: len(self.ends) >= count)
        return self.ends[:count]

    def dead(self) -> list[tuple[str, str]]:
        """(reason, error) of the dead letters."""
        return [(letter.reason, letter.error) for letter in self.store.model.dead.values()]


@dataclass
class Road:
    """A running sender between an outbox and a gateway."""

    outbox: WatchedOutbox
    sender: Sender
    clock: ManualClock
    metrics: Metrics
    task: asyncio.Task[None]

    async def post(self, *deliveries: Outgoing) -> None:
        await self.outbox.post(deliveries)

    async def ended(self, count: int) -> list[DeliverySettlement]:
        return await self.outbox.ended(count)

    async def stopped(self) -> None:
        self.sender.stop()
        async with asyncio.timeout(10):
            await self.task

    def counted(self, metric: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"posthouse_{metric}_total", labels) or 0.0


@asynccontextmanager
async def road(
    gateway: TelegramGateway,
    outbox: WatchedOutbox,
    clock: ManualClock,
    *,
    bots: dict[int, SendingBot] | None = None,
    **settings: Any,
) -> AsyncIterator[Road]:
    """A sender that runs until the end of the `with`."""
    metrics = Metrics()
    sender = Sender(
        outbox, gateway, bots or {BOT: SendingBot("bot", TOKEN)}, clock, metrics, SenderSettings(**settings)
    )
    running = Road(outbox, sender, clock, metrics, asyncio.create_task(sender.run()))
    try:
        yield running
    finally:
        if not running.task.done():
            running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


def say(text: str, chat: int, **fields: Any) -> Outgoing:
    """A message to a chat of the stage's bot."""
    payload = json.dumps({"chat_id": chat, "text": text}).encode()
    return Outgoing(**{"bot_id": BOT, "chat": chat, "method": "sendMessage", "payload": payload, **fields})


def call(method: str, chat: int, parameters: dict[str, Any], **fields: Any) -> Outgoing:
    """Any call of the stage's bot."""
    payload = json.dumps(parameters, separators=(",", ":")).encode()
    return Outgoing(**{"bot_id": BOT, "chat": chat, "method": method, "payload": payload, **fields})


Answer = bytes | Exception | Callable[[], Awaitable[Any]]


class ScriptedGateway:
    """A gateway that does what the test says, in memory; without a script every call succeeds."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.script: list[Any] = []
        self.called = asyncio.Condition()

    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        async with self.called:
            self.calls.append((method, json.loads(payload)))
            number = len(self.calls)
            self.called.notify_all()
        step = self.script.pop(0) if self.script else {"message_id": number}
        if callable(step):
            step = await step()
        if isinstance(step, Exception):
            raise step
        return step

    async def close(self) -> None:
        return

    async def was_called(self, count: int) -> None:
        async with asyncio.timeout(10), self.called:
            await self.called.wait_for(lambda: len(self.calls) >= count)


@dataclass
class RawServer:
    """An HTTP server below HTTP: it reads requests and answers with the bytes of the test."""

    answer: Callable[[bytes], bytes | None]
    """From the head of a request to the answer; None cuts the connection."""
    url: str = ""
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    body_bytes: int = 0
    keep: bool = True
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                await self._read_body(reader, _length(head))
                answer = self.answer(head)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _read_body(self, reader: asyncio.StreamReader, length: int) -> None:
        kept = []
        while length:
            chunk = await reader.read(min(length, 65_536))
            if not chunk:
                raise ConnectionError
            length -= len(chunk)
            self.body_bytes += len(chunk)
            if self.keep:
                kept.append(chunk)
        self.bodies.append(b"".join(kept))


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """An HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@asynccontextmanager
async def raw_server(answer: Callable[[bytes], bytes | None], **fields: Any) -> AsyncIterator[RawServer]:
    server = RawServer(answer, **fields)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listening.close()
        await listening.wait_closed()
