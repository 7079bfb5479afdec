"""The SQLite store: one process, one file, everything it promises to `ports.store`.

    open   file lock → connect → schema check → epoch + 1 → recover lanes
    close  write what is queued → checkpoint → let the lock go

The lock refuses a second process politely before it can do harm; the epoch row, read at the head of every commit,
refuses one that got past the lock (a file system that does not lock).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Any

import structlog

from posthouse.adapters.sqlite.core import SqliteCore, connect
from posthouse.adapters.sqlite.desk import SqliteDesk
from posthouse.adapters.sqlite.effects import Written
from posthouse.adapters.sqlite.jobs import SqliteJobs
from posthouse.adapters.sqlite.journal import SqliteJournal
from posthouse.adapters.sqlite.outbox import SqliteOutbox
from posthouse.adapters.sqlite.schema import check, revision
from posthouse.adapters.sqlite.sessions import SqliteSessions
from posthouse.adapters.sqlite.settings import SqliteSettings
from posthouse.adapters.sqlite.turns import SqliteTurns
from posthouse.adapters.sqlite.upkeep import SqliteUpkeep
from posthouse.core.errors import SchemaMismatch, StoreLocked, StoreUnavailable
from posthouse.ports.clock import Clock, SystemClock
from posthouse.ports.store import BotLimits

log = structlog.get_logger("posthouse.sqlite")

WAL_RESET_MENDED = (3, 51, 3)


class SqliteStore:
    """`Store` on one SQLite file."""

    inbox: SqliteTurns
    turns: SqliteTurns
    journal: SqliteJournal
    outbox: SqliteOutbox
    jobs: SqliteJobs
    upkeep: SqliteUpkeep
    desk: SqliteDesk
    sessions: SqliteSessions

    def __init__(self, settings: SqliteSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._limits: dict[int, BotLimits] = {}
        self._lock: IO[str] | None = None
        self._core: SqliteCore | None = None

    async def open(self) -> None:
        path = Path(self.settings.path)
        if not await asyncio.to_thread(path.exists):
            raise SchemaMismatch(f"{path} does not exist: run `posthouse migrate` to create it")
        self._lock = _lock(path)
        try:
            self._open(await asyncio.to_thread(connect, self.settings))
        except BaseException:
            self._unlock()
            raise

    def _open(self, connection: sqlite3.Connection) -> None:
        check(self.settings.path, revision(connection))
        (epoch,) = connection.execute(
            "UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value"
        ).fetchone()
        connection.execute("DELETE FROM job WHERE lease IS NOT NULL AND cancelled = 1")
        connection.execute("UPDATE job SET lease = NULL, expires_us = NULL WHERE lease IS NOT NULL")
        core = self._core = SqliteCore(self.settings, self._clock, epoch, connection)
        core.load_bots(connection)
        self.turns = self.inbox = SqliteTurns(core, self._wrote)
        self.journal = SqliteJournal(core, self.turns)
        self.outbox = SqliteOutbox(core, self.turns.states.forget)
        self.jobs = SqliteJobs(core, self.turns.entered, self._wrote)
        self.upkeep = SqliteUpkeep(core, self.turns, self.outbox, self.jobs)
        self.desk = SqliteDesk(core, self.turns, self.outbox, self.jobs)
        self.sessions = SqliteSessions(core)
        for bot_id, limits in self._limits.items():
            self.outbox.budgets.set_limits(bot_id, limits)
        self.turns.recover(connection)
        if sqlite3.sqlite_version_info < WAL_RESET_MENDED:
            log.info(
                "sqlite.version",
                version=sqlite3.sqlite_version,
                note="older than 3.51.3: safe here, because one connection both writes and checkpoints; do not attach "
                "a second checkpointer such as Litestream to this file",
            )

    async def close(self) -> None:
        if self._core is not None:
            await self._core.close()
            self._core = None
        self._unlock()

    def abandon(self) -> None:
        """Stop as a crash would: nothing queued is written, nothing is released. For tests."""
        if self._core is not None:
            self._core.writer.abandon()
            self._core.close_reader()
            self._core = None
        self._unlock()

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        self._limits[bot_id] = limits
        if self._core is not None:
            self.outbox.budgets.set_limits(bot_id, limits)

    async def create_tables(self, metadata: Any) -> None:
        assert self._core is not None
        lender = self.turns.lender

        def create(connection: sqlite3.Connection) -> None:
            lent = lender.lend(connection)
            try:
                metadata.create_all(lent)
            finally:
                lent.close()

        await self._core.writer.submit(create)

    def keep_sessions(self, bot_id: int) -> None:
        """Nothing to prepare: what a chat remembers is read as a whole, and kept in memory."""

    def _wrote(self, written: Written) -> None:
        """Tell the other parts what a commit added."""
        self.turns.states.written(written.states, written.sessions)
        self.outbox.wrote(written)
        if written.jobs:
            self.jobs.wake()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _lock(path: Path) -> IO[str]:
    """Hold the file `<path>.lock` for the life of the process."""
    try:
        handle = open(f"{path}.lock", "a+")  # noqa: SIM115 - kept open on purpose
    except OSError as error:
        raise StoreUnavailable(f"{path}.lock cannot be written: check the directory's permissions ({error})") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise StoreLocked(
            f"{path} is in use by another posthouse process (pid {owner}): stop it, give this one another [store] url, "
            "or use PostgreSQL, which takes many processes"
        ) from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
