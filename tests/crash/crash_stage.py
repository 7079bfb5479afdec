"""The crash tests' stage: stores to crash on, lives of a platform process, and the ledger that keeps every ack.

LedgerStore    one database, from outside: its URL, its app table, and what is left in it at the end
Life           one process of `ledger_platform.py`
Ledger         a client with many chats: it repeats, shuffles, loses answers, and writes down every 200
Verdict        what the store and the gateway's record say, compared with the ledger
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import ledger_app

from posthouse.bootstrap import open_store
from posthouse.ports.store import Filter, Row

RUNNER = Path(__file__).with_name("ledger_platform.py")
TABLE = "CREATE TABLE app_ledger (chat BIGINT NOT NULL, number BIGINT NOT NULL)"
START_S = 30.0
DRAIN_S = 60.0
_PATH = b"POST /webhook/ledger HTTP/1.1\r\nhost: ledger\r\nx-telegram-bot-api-secret-token: ledger-secret\r\n"


# -- stores -------------------------------------------------------------------------------------------------------


class LedgerStore:
    """A database as the test sees it."""

    name = ""
    url = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = folder / "record"
        self.record.touch()

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    async def app_rows(self) -> list[tuple[int, int]]:
        return [tuple(row) for row in await self.query("SELECT chat, number FROM app_ledger")]  # type: ignore[misc]

    async def look(self, chats: list[int]) -> tuple[dict[int, dict[str, Any]], dict[str, list[Row]]]:
        """Sessions by chat and what an operator's lists show, once no process is left."""
        store, _ = open_store(ledger_app.settings_for(self.url, str(self.folder)))
        await store.open()
        try:
            sessions = {}
            for chat in chats:
                found = await store.turns.read_states(ledger_app.BOT_ID, chat, [""])
                sessions[chat] = json.loads(found[""]) if found else {}
            lists = {
                what: await store.desk.list(what, Filter(limit=20)) for what in ("inbox", "outbox", "jobs", "dead")
            }
        finally:
            await store.close()
        return sessions, lists


class SqliteLedgerStore(LedgerStore):
    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from posthouse.adapters.sqlite.schema import migrate

        self.path = folder / "ledger.db"
        self.url = f"sqlite:///{self.path}"
        migrate(str(self.path))
        connection = sqlite3.connect(self.path)
        connection.execute(TABLE)
        connection.commit()
        connection.close()

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


class PostgresLedgerStore(LedgerStore):
    name = "postgres"

    def __init__(self, folder: Path, server: Any) -> None:
        super().__init__(folder)
        self.server = server
        self.database = server.create_database()
        self.url = server.url(self.database)

    async def prepare(self) -> None:
        await self.query(TABLE)

    async def query(self, sql: str) -> list[tuple[Any, ...]]:
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetch(sql)
        finally:
            await connection.close()


# -- lives --------------------------------------------------------------------------------------------------------


class Life:
    """One process, from its start to its death."""

    runner: ClassVar[Path] = RUNNER
    living: ClassVar[set[Life]] = set()
    """What a failed test has left running; the fixture `no_life_left` ends it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.process = process
        self.log = log
        self.port = 0
        self.killed_at: float | None = None

    @classmethod
    async def start(cls, store: LedgerStore, name: str, **options: Any) -> Life:
        """Start a process and wait until it takes updates, or has died of its `kill_at`."""
        life = await cls.spawn(store, name, **options)
        await life.wait_ready()
        return life

    @classmethod
    async def spawn(cls, store: LedgerStore, name: str, **options: Any) -> Life:
        log = store.folder / f"log-{name}"
        environment = os.environ | {
            "LEDGER_LIFE": name,
            "LEDGER_RECORD": str(store.record),
            "PYTHONDONTWRITEBYTECODE": "",
        }
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(cls.runner),
                json.dumps({"url": store.url, "folder": str(store.folder)} | options),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )
        life = cls(name, process, log)
        cls.living.add(life)
        return life

    async def go(self) -> None:
        """Let a process that was spawned with `waits` begin."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.wait_ready()

    async def wait_ready(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(START_S):
            line = await self.process.stdout.readline()
        if not line.startswith(b"READY"):
            raise AssertionError(f"life {self.name} did not start:\n{self.log.read_text()[-4000:]}")
        self.port = int(line.split()[1])

    async def kill(self) -> None:
        """SIGKILL, unless it has died by itself."""
        self.killed_at = time.time()
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        await self.dead()

    async def dead(self) -> int:
        async with asyncio.timeout(DRAIN_S):
            code = await self.process.wait()
        if self.killed_at is None:
            self.killed_at = time.time()
        Life.living.discard(self)
        # The transport of a killed child is closed now, not when the garbage collector comes by.
        self.process._transport.close()  # type: ignore[attr-defined]
        return code

    async def tell(self) -> str:
        """The end of its log, with where its tasks stand."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGUSR2)
            await asyncio.sleep(0.2)  # for a message of failure only
        return self.log.read_text()[-20_000:]

    async def dies_within(self, seconds: float) -> bool:
        """True when the process ends by itself in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            return False
        await self.dead()
        return True

    async def stop(self) -> None:
        """A graceful stop; anything but a clean exit is a failure."""
        self.process.send_signal(signal.SIGTERM)
        code = await self.dead()
        assert code == 0, f"life {self.name} ended with {code}:\n{self.log.read_text()[-4000:]}"


# -- the client ---------------------------------------------------------------------------------------------------


class Connection:
    """One kept-alive HTTP connection to whichever port the ledger names."""

    def __init__(self) -> None:
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._port = 0

    async def post(self, port: int, update: dict[str, Any], *, listen: bool = True) -> int | None:
        """The status of the answer; None when there was none, or when nobody listened for it."""
        body = json.dumps(update).encode()
        try:
            reader, writer = await self._open(port)
            writer.write(_PATH + b"content-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            if not listen:
                self.close()
                return None
            async with asyncio.timeout(20):
                head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            self.close()
            return None
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1])

    async def _open(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._port != port:
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", port)
            self._port = port
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


def message(number: int, chat: int, text: str = "hello") -> dict[str, Any]:
    person = {"id": chat, "is_bot": False, "first_name": "A"}
    return {
        "update_id": number,
        "message": {
            "message_id": number,
            "date": 1_750_000_000,
            "chat": {"id": chat, "type": "private"},
            "from": person,
            "text": text,
        },
    }


@dataclass
class Ledger:
    """Chats that write, and every 200 they got.

    A chat *in order* sends as Telegram does, one update at a time; the others shuffle within a window.
    """

    chats: int = 24
    in_order: int = 12
    window: int = 6
    duplicates: float = 0.10
    lost: float = 0.03
    seed: int = 1
    pause_s: float = 0.0
    """Between two updates of a chat: bounds the load on a shared machine."""
    acked: dict[int, int] = field(default_factory=dict)  # number → chat
    repeated: int = 0
    answers_lost: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    ports: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers: Iterator[int] = count(1_000)
        self._up = asyncio.Event()
        self._stopping = False
        self._ending = asyncio.Event()
        self._writers: list[asyncio.Task[None]] = []

    @property
    def chat_ids(self) -> list[int]:
        return list(range(1, self.chats + 1))

    def is_in_order(self, chat: int) -> bool:
        return chat <= self.in_order

    def write(self) -> None:
        """Let every chat write until `finish`."""
        self._writers = [asyncio.create_task(self._chat(chat)) for chat in self.chat_ids]

    def goes_to(self, *ports: int) -> None:
        self.ports = list(ports)
        if ports:
            self._up.set()
        else:
            self._up.clear()

    async def finish(self) -> None:
        """Nothing new is written, and what was written is repeated until it is acked."""
        self._stopping = True
        self._ending.set()
        async with asyncio.timeout(DRAIN_S):
            await asyncio.gather(*self._writers)

    async def cancel(self) -> None:
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)

    async def send(self, chat: int, numbers: list[int], text: str = "hello") -> None:
        """Send these updates of one chat until each has its 200; an answer that is lost means once more."""
        connection = Connection()
        try:
            for number in numbers:
                await self._until_acked(connection, chat, number, text)
        finally:
            connection.close()

    async def _chat(self, chat: int) -> None:
        connection = Connection()
        try:
            while not self._stopping:
                numbers = [next(self._numbers) for _ in range(1 if self.is_in_order(chat) else self.window)]
                self.random.shuffle(numbers)
                for number in numbers:
                    await self._until_acked(connection, chat, number)
                    if self.random.random() < self.duplicates:
                        self.repeated += 1
                        await self._post(connection, chat, self.random.choice([number, numbers[0]]))
                if self.pause_s:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._ending.wait(), self.pause_s * self.random.uniform(0.5, 1.5))
        finally:
            connection.close()

    async def _until_acked(self, connection: Connection, chat: int, number: int, text: str = "hello") -> None:
        while number not in self.acked:
            if self.random.random() < self.lost:
                self.answers_lost += 1
                await self._post(connection, chat, number, text, listen=False)
                continue
            status = await self._post(connection, chat, number, text)
            if status == 200:
                self.acked[number] = chat
            elif status is not None:
                self.refused[status] += 1
                await asyncio.sleep(0.02)  # a refusal that asks to come back
            else:
                await asyncio.sleep(0.005)  # the process has just died

    async def _post(
        self, connection: Connection, chat: int, number: int, text: str = "hello", *, listen: bool = True
    ) -> int | None:
        await self._up.wait()
        port = self.random.choice(self.ports) if len(self.ports) > 1 else self.ports[0]
        return await connection.post(port, message(number, chat, text), listen=listen)


# -- the record and the verdict -----------------------------------------------------------------------------------


def recorded(store: LedgerStore) -> list[tuple[str, str]]:
    """(life, text) of every send, in the order in which they happened."""
    lines = store.record.read_text().splitlines()
    return [(life, text) for life, _, text in (line.partition(" ") for line in lines)]


async def wait_recorded(store: LedgerStore, texts: set[str], *, within_s: float = DRAIN_S) -> float:
    """Wait until all these texts were sent; returns how long it took. A file is all that tells: it is polled."""
    started = time.monotonic()
    while missing := texts - {text for _, text in recorded(store)}:
        if time.monotonic() - started > within_s:
            raise AssertionError(f"{len(missing)} of {len(texts)} were never sent, first {sorted(missing)[:10]}")
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def wait_sending(store: LedgerStore, life: str, *, within_s: float = DRAIN_S) -> None:
    """Wait until this life has sent something."""
    started = time.monotonic()
    while not any(name == life for name, _ in recorded(store)):
        if time.monotonic() - started > within_s:
            raise AssertionError(f"{life} has sent nothing within {within_s} s")
        await asyncio.sleep(0.02)


async def wait_settled(store: LedgerStore, ledger: Ledger, *, lives: int, within_s: float = DRAIN_S) -> None:
    """Wait until no text that so many lives have sent may still be unsettled.

    After eight kills on the wire a delivery is an operator's (decision 0006), which a busy machine can bring about. A
    chat's deliveries leave in order, so the next text of its chat tells that one is settled.
    """
    started = time.monotonic()
    while True:
        lives_of: dict[str, set[str]] = {}
        newest: dict[int, str] = {}
        for life, text in recorded(store):
            lives_of.setdefault(text, set()).add(life)
            chat = ledger.acked.get(int(text.rpartition("-")[2]))
            if chat is not None:
                newest[chat] = text
        stuck = [text for text in newest.values() if len(lives_of[text]) >= lives]
        if not stuck:
            return
        if time.monotonic() - started > within_s:
            raise AssertionError(f"nothing follows {stuck[:10]} in their chats, sent by {lives} lives")
        await asyncio.sleep(0.02)


@dataclass
class Verdict:
    """The ledger compared with what came of it. Every list must be empty."""

    lost: list[int]
    twice: list[int]
    out_of_order: list[int]
    unexplained: list[str]
    sent_twice_in_one_life: list[str]
    left: dict[str, list[Row]]
    sends: int
    resends: int

    def check(self) -> None:
        assert self.lost == [], f"acked updates without an effect: {self.lost[:20]}"
        assert self.twice == [], f"effects that happened twice: {self.twice[:20]}"
        assert self.out_of_order == [], f"chats whose updates ran out of order: {self.out_of_order}"
        assert self.unexplained == [], f"effects of nothing: {self.unexplained[:20]}"
        assert self.sent_twice_in_one_life == [], f"sent twice without a kill: {self.sent_twice_in_one_life[:20]}"
        assert {what: len(rows) for what, rows in self.left.items()} == dict.fromkeys(self.left, 0), self.left


def all_marks(acked: dict[int, int]) -> set[str]:
    return {mark for number in acked for mark in ledger_app.expected_marks(number)}


async def judge(store: LedgerStore, ledger: Ledger) -> Verdict:
    """Compare, once no process is left and everything was sent."""
    sessions, left = await store.look(ledger.chat_ids)
    lost: list[int] = []
    twice: list[int] = []
    out_of_order: list[int] = []
    unexplained: list[str] = []
    acked = ledger.acked
    by_chat: dict[int, set[int]] = {chat: set() for chat in ledger.chat_ids}
    for number, chat in acked.items():
        by_chat[chat].add(number)
    for chat, session in sessions.items():
        seen = session.get("seen", [])
        for name, wanted in (
            ("seen", by_chat[chat]),
            ("timers", {n for n in by_chat[chat] if n % ledger_app.TIMER_EVERY == 0}),
            ("jobs", {n for n in by_chat[chat] if n % ledger_app.JOB_EVERY == 0}),
        ):
            marks = session.get(name, [])
            lost += wanted - set(marks)
            twice += [number for number, times in Counter(marks).items() if times > 1]
            unexplained += [f"{name} {number}" for number in set(marks) - wanted]
        digest = ""
        for number in seen:
            digest = ledger_app.digest_after(digest, number)
        if digest != session.get("digest", "") or (ledger.is_in_order(chat) and seen != sorted(seen)):
            out_of_order.append(chat)
    inserted = Counter(await store.app_rows())
    wanted_rows = {(chat, number) for number, chat in acked.items() if number % ledger_app.TRANSACT_EVERY == 0}
    lost += [number for _, number in wanted_rows - set(inserted)]
    twice += [number for (_, number), times in inserted.items() if times > 1]
    unexplained += [f"row {row}" for row in set(inserted) - wanted_rows]

    sends = recorded(store)
    texts = Counter(text for _, text in sends)
    unexplained += [f"send {text}" for text in set(texts) - all_marks(acked)]
    in_one_life = [text for (_, text), times in Counter(sends).items() if times > 1]
    first_sends = list(dict.fromkeys(text for _, text in sends if text.startswith("update-")))
    places = {text: place for place, text in enumerate(first_sends)}
    for chat, session in sessions.items():
        sent_at = [places.get(f"update-{number}", -1) for number in session.get("seen", [])]
        if sent_at != sorted(sent_at):
            out_of_order.append(chat)
    return Verdict(
        sorted(set(lost)),
        sorted(set(twice)),
        sorted(set(out_of_order)),
        unexplained,
        in_one_life,
        left,
        len(sends),
        sum(texts.values()) - len(texts),
    )
