"""What the web server costs before any of our work: a POST read and answered 200 with an empty body.

Every floor is one server process on one core under `bench.load` (100 connections, all out):

    null        a raw uvloop socket, unparsed: the ceiling of the load generator
    httptools   the same, but requests are parsed by httptools: what HTTP itself costs here
    uvicorn     uvicorn (httptools, uvloop, no access log, no lifespan) around an app that reads the body
    batched     the same app, which also waits for a future that one `call_soon` resolves for all waiting
                requests at once: the shape of an acknowledgement after a group commit that costs nothing

    python -m bench.floors [--seconds 3]
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httptools
import uvicorn
import uvloop

from bench.load import CONNECTIONS_DEFAULT, Load, measure_load
from bench.measure import cpu_s, machine_conditions, print_table
from bench.null_server import RESPONSE

WARM_UP_S = 1.0
PORT = 9321

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
BODY: Message = {"type": "http.response.body", "body": b""}


@dataclass(frozen=True)
class Floor:
    """Requests per second of one empty server, and the processor time it spent on each."""

    name: str
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float


def measure_floor(name: str, seconds: float = 3.0, connections: int = CONNECTIONS_DEFAULT) -> Floor:
    """Start the named floor, warm it up for a second, and put it under full load."""
    with _server(name) as pid:
        url = f"http://127.0.0.1:{PORT}/webhook"
        measure_load(Load(url, seconds=WARM_UP_S, connections=connections))
        cpu_before_s = cpu_s(pid)
        result = measure_load(Load(url, seconds=seconds, connections=connections))
        cpu_us = (cpu_s(pid) - cpu_before_s) * 1e6 / result.updates
    return Floor(name, result.updates_per_s, result.p50_ms, result.p99_ms, cpu_us)


@contextmanager
def _server(name: str) -> Iterator[int]:
    module = ["-m", "bench.null_server"] if name == "null" else ["-m", "bench.floors", "--serve", name]
    process = subprocess.Popen(
        [sys.executable, *module],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PORT": str(PORT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "READY":
            raise RuntimeError(f"the {name} floor did not start")
        yield process.pid
    finally:
        process.kill()
        process.wait()


async def null_app(scope: Message, receive: Receive, send: Send) -> None:
    """Read the body, answer 200."""
    await _read_body(receive)
    await send(START)
    await send(BODY)


class BatchedApp:
    """Read the body, wait for the batch of this turn of the event loop, answer 200."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await _read_body(receive)
        await self._wait_batch()
        await send(START)
        await send(BODY)

    def _wait_batch(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._settle)
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append(future)
        return future

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(None)


async def _read_body(receive: Receive) -> bytes:
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return cast(bytes, body)


class HttptoolsProtocol(asyncio.Protocol):
    """One connection parsed by httptools, with the path, headers and body gathered as a server must."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self._transport.write(RESPONSE)


class _ReadyServer(uvicorn.Server):
    """Prints READY once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("READY", flush=True)


async def _serve_uvicorn(app: Callable[[Message, Receive, Send], Awaitable[None]], port: int) -> None:
    config = uvicorn.Config(
        cast(Any, app),
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    await _ReadyServer(config).serve()


async def _serve_httptools(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(HttptoolsProtocol, "127.0.0.1", port)
    print("READY", flush=True)
    await server.serve_forever()


def _serve(name: str, port: int) -> None:
    servers = {
        "httptools": lambda: _serve_httptools(port),
        "uvicorn": lambda: _serve_uvicorn(null_app, port),
        "batched": lambda: _serve_uvicorn(BatchedApp(), port),
    }
    uvloop.run(servers[name]())


def main() -> None:
    """Measure all floors and print them, or serve one for the measuring process."""
    parser = argparse.ArgumentParser(prog="python -m bench.floors", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--serve", choices=["httptools", "uvicorn", "batched"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve, int(os.environ["PORT"]))
        return
    conditions = machine_conditions()
    floors = [measure_floor(name, arguments.seconds) for name in ("null", "httptools", "uvicorn", "batched")]
    print_table(
        "Floors: a POST answered 200 with nothing in it",
        ["server", "requests/s", "p50 ms", "p99 ms", "server CPU µs"],
        [[f.name, f.requests_per_s, f.p50_ms, f.p99_ms, f.server_cpu_us] for f in floors],
        caption="\n".join(conditions.lines()),
    )


if __name__ == "__main__":
    main()
