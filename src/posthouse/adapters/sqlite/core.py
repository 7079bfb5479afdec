"""What the parts of the SQLite store share: the writer, the reader, the clock, the bots' numbers."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from posthouse.adapters.sqlite.keys import BOTS_MAX, pack_entry, pack_lane, unpack_entry, unpack_lane
from posthouse.adapters.sqlite.settings import SqliteSettings
from posthouse.adapters.sqlite.writer import Writer
from posthouse.core.errors import StoreUnavailable
from posthouse.ports.clock import Clock

R = TypeVar("R")


class SqliteCore:
    """One open database: a writing connection on its thread, a reading one on its own, and the names of the bots."""

    def __init__(self, settings: SqliteSettings, clock: Clock, epoch: int, connection: sqlite3.Connection) -> None:
        self.settings = settings
        self.clock = clock
        self.epoch = epoch
        self.writer = Writer(settings, epoch, connection, before_commit=self._write_bots)
        self._reading = connect(settings, readonly=True)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="sqlite-reader")
        self._loop = asyncio.get_running_loop()
        self._bot_numbers: dict[int, int] = {}
        self._bot_ids: dict[int, int] = {}
        # The keys of a bot's lane 0 and entry 0: the others are so far from them as their ids (`keys`).
        self._lane_zeros: dict[int, int] = {}
        self._entry_zeros: dict[int, int] = {}
        self._bots_unwritten: dict[int, int] = {}
        self._numbering = threading.Lock()
        self._token = 0
        self._line_id = 1
        self._delivery_id = 0  # the last one given; 0 before the first

    def load_bots(self, connection: sqlite3.Connection) -> None:
        for number, bot_id in connection.execute("SELECT bot_no, bot_id FROM bot"):
            self._know_bot(number, bot_id)

    def _know_bot(self, number: int, bot_id: int) -> None:
        self._bot_ids[number] = bot_id
        self._bot_numbers[bot_id] = number
        self._entry_zeros[bot_id] = pack_entry(number, 0)
        self._lane_zeros[bot_id] = pack_lane(number, 0)

    async def read(self, query: Callable[[sqlite3.Connection], R]) -> R:
        """Run a query on the reading connection, which sees what is committed."""
        return await self._loop.run_in_executor(self._reader, query, self._reading)

    def new_token(self) -> int:
        """A number that no other claim and no other batch of this file ever had."""
        self._token += 1
        return self.epoch << 32 | self._token

    def new_delivery_ids(self, connection: sqlite3.Connection, count: int) -> range:
        """Ids that no delivery of this file ever had, ascending. Called on the writer's thread only."""
        if not self._delivery_id:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
            self._delivery_id = row[0] if row else 0
        first = self._delivery_id + 1
        self._delivery_id += count
        return range(first, first + count)

    def new_line_ids(self, count: int) -> range:
        """Ids of lines of history and of journals, ascending over restarts. Called on the writer's thread only."""
        first = self.epoch << 40 | self._line_id
        self._line_id += count
        return range(first, first + count)

    def now_us(self) -> int:
        return int(self.clock.now() * 1_000_000)

    def _number_bot(self, bot_id: int) -> None:
        """Number a new bot of this file. Its row is written by the first commit that may use the number."""
        with self._numbering:  # asked for on the event loop and on the writer's thread
            if bot_id in self._bot_numbers:
                return
            number = len(self._bot_numbers) + 1
            if number > BOTS_MAX:
                raise StoreUnavailable(f"one SQLite file holds at most {BOTS_MAX} bots: use PostgreSQL for more")
            self._bots_unwritten[number] = bot_id
            self._know_bot(number, bot_id)

    def _write_bots(self, connection: sqlite3.Connection) -> None:
        """Part of every transaction. A rolled-back one leaves its bots to the next."""
        if self._bots_unwritten:
            with self._numbering:
                unwritten = dict(self._bots_unwritten)
            kept = {number for (number,) in connection.execute("SELECT bot_no FROM bot")}
            connection.executemany(
                "INSERT INTO bot VALUES (?, ?)", [row for row in unwritten.items() if row[0] not in kept]
            )
            with self._numbering:
                for number in unwritten.keys() & kept:  # an earlier commit has them for good
                    del self._bots_unwritten[number]

    def known_bot(self, bot_id: int) -> int:
        """The bot's number, or 0, which no bot has: a question about a stranger must not give it a number."""
        return self._bot_numbers.get(bot_id, 0)

    def bot_numbers(self) -> list[int]:
        return sorted(self._bot_ids)

    def lane_key(self, bot_id: int, lane: int) -> int:
        zero = self._lane_zeros.get(bot_id)
        if zero is None:
            self._number_bot(bot_id)
            zero = self._lane_zeros[bot_id]
        return zero + lane

    def entry_key(self, bot_id: int, entry_id: int) -> int:
        zero = self._entry_zeros.get(bot_id)
        if zero is None:
            self._number_bot(bot_id)
            zero = self._entry_zeros[bot_id]
        return zero + entry_id

    def lane_of(self, key: int) -> tuple[int, int]:
        """(bot_id, lane)"""
        number, lane = unpack_lane(key)
        return self._bot_ids.get(number, 0), lane

    def entry_of(self, key: int) -> tuple[int, int]:
        """(bot_id, entry_id)"""
        number, entry_id = unpack_entry(key)
        return self._bot_ids.get(number, 0), entry_id

    async def close(self) -> None:
        await self.writer.close()
        self.close_reader()

    def close_reader(self) -> None:
        self._reader.shutdown(wait=True)
        self._reading.close()


def connect(settings: SqliteSettings, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection with our pragmas; `isolation_level=None` because transactions are ours to begin and end."""
    connection = sqlite3.connect(
        settings.path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=5.0
    )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA mmap_size=0")
    connection.execute(f"PRAGMA cache_size=-{2048 if readonly else settings.cache_kib}")
    if readonly:
        connection.execute("PRAGMA query_only=1")
    return connection


def _retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
