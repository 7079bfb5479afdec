"""Sends Telegram updates to a webhook as Telegram does, and reports updates per second and latency.

Conditions of every run:

- Each update is a text message of 350 to 450 bytes of JSON from one of `chats` chats, with a growing
  `update_id`, posted over keep-alive connections (Telegram's limit is 100) with the secret header.
- A chat has at most one update in flight, as with Telegram; chats take turns in an order fixed by `seed`.
- *Saturation* (no rate): each connection sends its next update when the last one was answered. Latency is
  from send to answer, so it is the time in a queue of `connections` and says little by itself.
- *Fixed rate*: updates are due at even distances whether or not the server keeps up, and latency counts from
  the moment an update was *due*, so that a stall is charged to every update it delayed. The timer's
  resolution adds up to 1 ms.
- `text` replaces the usual text; `chat_stride` takes every n-th chat id, so that the chats lie far apart.
- Only answers with a 2xx status count as updates; the others are counted by status, 0 being a lost
  connection.

The generator parses no more of a response than it must, and runs in a process of its own (`measure_load`), so
that it has a core to itself. Its ceiling is measured against `bench.null_server`.

    python -m bench.load --url http://127.0.0.1:8080/webhook/echo --secret s --seconds 5 --rate 2000
"""

import argparse
import asyncio
import dataclasses
import gc
import json
import random
import subprocess
import sys
import time
from array import array
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from bench.measure import percentile, print_table

CONNECTIONS_DEFAULT = 100  # Telegram's own limit for setWebhook
CHATS_DEFAULT = 1000
CHAT_FIRST = 500_000_000
UPDATE_ID_FIRST = 100_000_001
UPDATE_ID_WIDTH = 9  # digits, like Telegram's today; a constant width keeps Content-Length constant
DRAIN_TIMEOUT_S = 30.0
TICK_S = 0.001
REPOSITORY = Path(__file__).parent.parent


@dataclass(frozen=True)
class Load:
    """What to send: `count` updates, or for `seconds`; at `rate` per second, or as fast as answers come.

    `update_id_first` has nine digits, and must be past the last run's ids (`LoadResult.update_id_next`) for a
    server that drops updates it has seen.
    """

    url: str
    secret: str = ""
    seconds: float = 5.0
    count: int | None = None
    connections: int = CONNECTIONS_DEFAULT
    rate: float | None = None
    chats: int = CHATS_DEFAULT
    chat_stride: int = 1
    text: str | None = None
    update_id_first: int = UPDATE_ID_FIRST
    seed: int = 1


@dataclass(frozen=True)
class LoadResult:
    """What came back. `seconds` runs from the first send to the last answer."""

    updates: int
    seconds: float
    updates_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    connections: int
    rate: float | None
    update_bytes: float
    update_id_next: int
    failures: dict[str, int] = field(default_factory=dict)


class LoadFailed(Exception):
    """The load could not be sent: nobody listens, or answers stayed away for 30 s after the last send."""


def measure_load(load: Load) -> LoadResult:
    """Run the load in a new process and wait for its result, or raise LoadFailed with what it printed."""
    options = ["--json"]
    for name, value in dataclasses.asdict(load).items():
        if value is not None:
            options += ["--" + name.replace("_", "-"), str(value)]
    process = subprocess.run(
        [sys.executable, "-m", "bench.load", *options], cwd=REPOSITORY, capture_output=True, text=True
    )
    if process.returncode != 0:
        raise LoadFailed(process.stderr.strip()[-2000:])
    return LoadResult(**json.loads(process.stdout))


def run_load(load: Load) -> LoadResult:
    """Run the load in this process on an event loop of its own; blocks until the last answer."""
    gc.freeze()
    gc.disable()  # a collection would be measured as the server's latency
    try:
        return uvloop.run(_Generator(load).run())
    finally:
        gc.enable()


class UpdateRequests:
    """The bytes of HTTP requests, prepared per chat so that sending one is a join of five pieces."""

    def __init__(self, load: Load) -> None:
        self._target = urlsplit(load.url)
        self._secret = load.secret
        if len(str(load.update_id_first)) != UPDATE_ID_WIDTH:
            raise LoadFailed(f"update_id_first is {load.update_id_first}, expected {UPDATE_ID_WIDTH} digits")
        self._id_next = load.update_id_first
        self._text = load.text
        self._pieces = [self._chat_pieces(chat * load.chat_stride) for chat in range(load.chats)]

    @property
    def update_id_next(self) -> int:
        return self._id_next

    @property
    def update_bytes(self) -> float:
        """Mean length of the JSON body."""
        heads = sum(before.index(b"{") for before, _, _ in self._pieces)
        pieces = sum(len(piece) for request in self._pieces for piece in request)
        return (pieces - heads) / len(self._pieces) + 2 * UPDATE_ID_WIDTH

    def take(self, chat: int) -> bytes:
        """The request with the next update of a chat."""
        number = b"%d" % self._id_next
        self._id_next += 1
        before, between, after = self._pieces[chat]
        return b"".join((before, number, between, number, after))

    def _chat_pieces(self, chat: int) -> tuple[bytes, bytes, bytes]:
        mark = "\0"
        sender = {
            "id": CHAT_FIRST + chat,
            "is_bot": False,
            "first_name": f"Person {chat}",
            "last_name": "of the Bench",
            "username": f"bench_person_{chat}",
            "language_code": "en",
        }
        private_chat = {key: sender[key] for key in ("id", "first_name", "last_name", "username")}
        update = {
            "update_id": mark,
            "message": {
                "message_id": mark,
                "from": sender,
                "chat": private_chat | {"type": "private"},
                "date": int(time.time()),
                "text": self._text or f"Good morning from chat {chat}, is anybody there?",
            },
        }
        marked = json.dumps(update, separators=(",", ":")).encode().replace(b'"\\u0000"', b"\0")
        length = len(marked) + 2 * (UPDATE_ID_WIDTH - 1)
        head = (
            f"POST {self._target.path or '/'} HTTP/1.1\r\n"
            f"Host: {self._target.netloc}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {length}\r\n"
            f"X-Telegram-Bot-Api-Secret-Token: {self._secret}\r\n"
            "Accept-Encoding: gzip, deflate\r\n\r\n"
        )
        before, between, after = marked.split(b"\0")
        return head.encode() + before, between, after


class _Connection(asyncio.Protocol):
    """One keep-alive connection: at most one request out, and just enough parsing to see its answer end."""

    __slots__ = ("_buffer", "_generator", "chat", "started", "transport")

    def __init__(self, generator: "_Generator") -> None:
        self._generator = generator
        self._buffer = b""
        self.chat = -1  # none in flight
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def send(self, chat: int, started: float, request: bytes) -> None:
        self.chat = chat
        self.started = started
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not _response_complete(data):
            self._buffer = data
            return
        self._buffer = b""
        self._generator.answered(self, data[9:12])

    def connection_lost(self, exc: Exception | None) -> None:
        self._generator.lost(self)


def _response_complete(data: bytes) -> bool:
    """Whether the bytes hold a whole response, by Content-Length or by the last chunk."""
    head_end = data.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    head = data[:head_end].lower()
    at = head.find(b"content-length:")
    if at >= 0:
        line_end = head.find(b"\r\n", at)
        length = int(head[at + 15 : line_end if line_end >= 0 else head_end])
        return len(data) >= head_end + 4 + length
    if b"transfer-encoding: chunked" in head:
        return data.endswith(b"0\r\n\r\n")
    return True


class _Generator:
    """The state of one run: who is idle, what is due, what was measured."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.requests = UpdateRequests(load)
        chats = list(range(load.chats))
        random.Random(load.seed).shuffle(chats)
        self.chats_idle = deque(chats)
        self.connections_idle: deque[_Connection] = deque()
        self.in_flight = 0
        self.sent = 0
        self.latencies_s = array("d")
        self.failures: Counter[str] = Counter()
        self.started = self.ended = 0.0
        self.sending = True
        self.closing = False

    async def run(self) -> LoadResult:
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        await asyncio.gather(*(self._connect() for _ in range(self.load.connections)))
        self.started = time.perf_counter()
        if self.load.rate is None:
            while self.sending and self.connections_idle:
                self._send(self.connections_idle.popleft(), time.perf_counter())
        else:
            self._tick()
        if self.load.count is None:
            self.loop.call_later(self.load.seconds, self._stop_sending)
        await self._wait_done()
        self.closing = True
        return self._result()

    async def _connect(self) -> None:
        target = urlsplit(self.load.url)
        _, connection = await self.loop.create_connection(
            lambda: _Connection(self), target.hostname or "", target.port or 80
        )
        self.connections_idle.append(connection)

    async def _wait_done(self) -> None:
        # A fixed count has no end in time; everything else must be answered soon after the last send.
        timeout = None if self.load.count is not None else self.load.seconds + DRAIN_TIMEOUT_S
        try:
            await asyncio.wait_for(self.done, timeout)
        except TimeoutError:
            raise LoadFailed(f"{self.in_flight} updates got no answer in {DRAIN_TIMEOUT_S:.0f} s") from None

    def answered(self, connection: _Connection, status: bytes) -> None:
        now = time.perf_counter()
        if status[:1] == b"2":
            self.latencies_s.append(now - connection.started)
        else:
            self.failures[status.decode("latin-1")] += 1
        self._settle(connection, now)
        if self.load.rate is None and self.sending:
            self._send(connection, now)
        else:
            self.connections_idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        if self.closing:
            return
        if connection.chat >= 0:
            self.failures["0"] += 1
            self._settle(connection, time.perf_counter())
        elif connection in self.connections_idle:
            self.connections_idle.remove(connection)
        self.loop.create_task(self._replace())

    async def _replace(self) -> None:
        try:
            await self._connect()
        except OSError as error:
            if not self.done.done():
                self.done.set_exception(LoadFailed(f"the server went away: {error}"))
            return
        if self.load.rate is None and self.sending:
            self._send(self.connections_idle.pop(), time.perf_counter())

    def _settle(self, connection: _Connection, now: float) -> None:
        self.chats_idle.append(connection.chat)
        connection.chat = -1
        self.in_flight -= 1
        self.ended = now
        if not self.sending and not self.in_flight and not self.done.done():
            self.done.set_result(None)

    def _send(self, connection: _Connection, started: float) -> None:
        chat = self.chats_idle.popleft()
        self.in_flight += 1
        self.sent += 1
        if self.sent == self.load.count:
            self._stop_sending()
        connection.send(chat, started, self.requests.take(chat))

    def _tick(self) -> None:
        """Send what is due and can go; what cannot waits, and its waiting is part of its latency."""
        if not self.sending:
            return
        assert self.load.rate is not None
        due = int((time.perf_counter() - self.started) * self.load.rate) + 1
        while self.sending and self.sent < due and self.connections_idle and self.chats_idle:
            self._send(self.connections_idle.popleft(), self.started + self.sent / self.load.rate)
        self.loop.call_later(TICK_S, self._tick)

    def _stop_sending(self) -> None:
        self.sending = False
        if not self.in_flight and not self.done.done():
            self.done.set_result(None)

    def _result(self) -> LoadResult:
        latencies_ms = sorted(latency * 1000 for latency in self.latencies_s)
        seconds = self.ended - self.started
        return LoadResult(
            updates=len(latencies_ms),
            seconds=seconds,
            updates_per_s=len(latencies_ms) / seconds if seconds > 0 else 0.0,
            p50_ms=percentile(latencies_ms, 50),
            p99_ms=percentile(latencies_ms, 99),
            max_ms=latencies_ms[-1] if latencies_ms else 0.0,
            connections=self.load.connections,
            rate=self.load.rate,
            update_bytes=self.requests.update_bytes,
            update_id_next=self.requests.update_id_next,
            failures=dict(self.failures),
        )


def main() -> None:
    """Run one load from the command line and print its result as a table, or as JSON for another process."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.partition("\n")[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--secret", default="")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int)
    parser.add_argument("--connections", type=int, default=CONNECTIONS_DEFAULT)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--chats", type=int, default=CHATS_DEFAULT)
    parser.add_argument("--chat-stride", type=int, default=1)
    parser.add_argument("--text")
    parser.add_argument("--update-id-first", type=int, default=UPDATE_ID_FIRST)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    arguments = vars(parser.parse_args())
    as_json = arguments.pop("json")
    try:
        result = run_load(Load(**arguments))
    except (LoadFailed, OSError) as error:
        sys.exit(f"bench.load: {error}")
    if as_json:
        print(json.dumps(dataclasses.asdict(result)))
    else:
        print_table("Load", ["figure", "value"], list(dataclasses.asdict(result).items()))


if __name__ == "__main__":
    main()
