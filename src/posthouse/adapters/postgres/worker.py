"""This process as the others see it: a *worker* row, and a proof that it is alive.

An *incarnation* is one row. Its proof of life is an advisory lock on a session of its own; when that session ends,
for whatever reason, any process may take its leases in the next reap, without waiting for a timeout. A process that
is alive and has lost its session (the server was restarted, the connection was cut) takes the lock again as soon as
it can. When its row is still there, nobody has taken it for dead: the incarnation goes on and keeps its leases, so
that what is on its way to Telegram is settled and not sent again. When the row is gone it begins a new incarnation,
with a new id, hence with tokens that were never used; what the old one held is fenced by its tokens. After a restart
of the server all processes have lost their sessions: each of them gives the others a moment (`is_patient`).

Behind a transaction pooler there is no session to hold a lock on: a heartbeat takes its place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from posthouse.adapters.postgres.database import LOST, Database, connect_arguments
from posthouse.core.errors import StoreUnavailable

logger = logging.getLogger(__name__)

LOCK_SPACE = 7419
CLAIMS_MAX = 2**32  # the token is `id << 32 | claims`

RETURN_S = 0.25  # between two tries to get a lost lock session back
PATIENCE_S = 2.0  # after its return a process reaps nobody for so long: eight tries of the others

# How soon the server notices that the process behind the lock session is gone (TCP only; a socket tells at once).
KEEPALIVE = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}


class Worker:
    """The incarnation of this process, and its tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings = database.settings
        self._session: Any = None
        self._backend_pid = 0
        self._returning: asyncio.Task[None] | None = None
        self._returned_at = float("-inf")
        self._beating: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self.id = 0
        self._claims = 0
        self._unheard: list[tuple[int, int]] = []

    @asynccontextmanager
    async def claim(self) -> AsyncIterator[tuple[int, int]]:
        """(worker id, token) for one claim. When the block fails, what it may have taken is given back later.

        A claim whose answer is lost (cancelled, connection broken) may have committed; nobody would know of those
        leases until they run out. Their token is known, so the next claim begins by letting go of them.
        """
        await self._abandon()
        owner, token = await self.token()
        try:
            yield owner, token
        except BaseException:
            self._unheard.append((owner, token))
            raise

    async def _abandon(self) -> None:
        while self._unheard:
            owner = self._unheard[0][0]
            tokens = [token for of, token in self._unheard if of == owner]
            await self._database.fetch("abandon", owner, tokens)
            self._unheard = [pair for pair in self._unheard if pair[0] != owner or pair[1] not in tokens]

    async def token(self) -> tuple[int, int]:
        """(worker id, a token never used before), of an incarnation that is alive. Raises `StoreUnavailable`."""
        if not self.alive or self._claims == CLAIMS_MAX - 1:
            await self.register()
        self._claims += 1
        return self.id, self.id << 32 | self._claims

    @property
    def alive(self) -> bool:
        """False when the proof of life is gone, or was never given."""
        if not self.id:
            return False
        return not self._settings.locks or (self._session is not None and not self._session.is_closed())

    @property
    def is_patient(self) -> bool:
        """True while whoever has no lock may be about to come back, as this process is or just did."""
        if not self.id:
            return False
        return not self.alive or time.monotonic() - self._returned_at < PATIENCE_S

    async def register(self) -> None:
        """Prove that this process is alive: its incarnation goes on when it can, or a new one begins."""
        async with self._one_at_a_time:
            used_up = self._claims >= CLAIMS_MAX - 1
            if self.alive and not used_up:
                return
            await self._end_session()
            if used_up:
                self.id = 0
            with self._database.named_errors():
                if self._settings.locks:
                    await self._register_with_lock()
                else:
                    await self._register_with_heartbeat()

    async def retire(self) -> None:
        """End the incarnation, so that whatever it still holds can be reaped at once."""
        if not self._settings.locks and self.id:
            await self._database.fetch("worker_retire", self.id)
        self.id = 0
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.gather(self._returning, return_exceptions=True)
        await self._end_session()

    async def _register_with_lock(self) -> None:
        arguments = connect_arguments(self._settings)
        arguments.setdefault("server_settings", {}).update(KEEPALIVE)
        session = await asyncpg.connect(self._settings.lock_url or self._settings.url, **arguments)
        try:
            worker = self.id
            if worker:
                self._returned_at = time.monotonic()
            if not worker or not await self._goes_on(session):
                # The lock is taken before the row is committed: a reaper must never see a row whose lock is free.
                async with session.transaction():
                    worker = await session.fetchval(self._database.sql["worker_register"], True, _name())
                    await session.execute(f"SELECT pg_advisory_lock({LOCK_SPACE}, {worker})")
        except BaseException:
            session.terminate()
            raise
        if worker != self.id:
            self.id, self._claims = worker, 0
        self._session, self._backend_pid = session, session.get_server_pid()
        session.add_termination_listener(self._lost)
        if session.is_closed():  # before anybody listened
            self._lost(session)

    async def _goes_on(self, session: Any) -> bool:
        """Take the lock of the incarnation that lost its session; False when it was reaped meanwhile."""
        await session.execute(self._database.sql["worker_ghost"], self.id, self._backend_pid)
        await session.execute(f"SELECT pg_advisory_lock({LOCK_SPACE}, {self.id})")  # waits for a reaper's end
        if await session.fetchval("SELECT true FROM worker WHERE id = $1", self.id):
            return True
        await session.execute("SELECT pg_advisory_unlock_all()")
        return False

    async def _register_with_heartbeat(self) -> None:
        rows = await self._database.fetch_once("worker_register", False, _name())
        self.id, self._claims = rows[0][0], 0
        self._beating = asyncio.create_task(self._beat(), name="posthouse worker heartbeat")

    async def _beat(self) -> None:
        """Tell the others that we live, three times as often as needed; end when they did not believe it."""
        while True:
            await asyncio.sleep(self._settings.heartbeat_ttl_s / 3)
            try:
                if not await self._database.fetch("worker_beat", self.id):
                    break
            except StoreUnavailable as error:
                logger.warning("the worker's heartbeat did not get through: %s", error)
        logger.warning("worker %d was taken for dead; this process registers again", self.id)
        self.id = 0

    def _lost(self, session: object) -> None:
        if session is self._session:
            logger.warning("worker %d lost its lock session; this process connects again", self.id)
            if self._returning is None or self._returning.done():
                self._returning = asyncio.get_running_loop().create_task(
                    self._return(), name="posthouse worker returns"
                )

    async def _return(self) -> None:
        """Register as soon as the server lets us: until then others may take us for dead."""
        while self.id and not self.alive:
            try:
                await self.register()
            except StoreUnavailable:
                await asyncio.sleep(RETURN_S)

    async def _end_session(self) -> None:
        session, self._session = self._session, None
        beating, self._beating = self._beating, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        if session is not None and not session.is_closed():
            try:
                # Closing would free the lock too, but only when the server gets round to it.
                await session.execute("SELECT pg_advisory_unlock_all()", timeout=self._settings.pool_wait_s)
                await session.close(timeout=self._settings.pool_wait_s)
            except (*LOST, asyncpg.InterfaceError, TimeoutError, OSError):
                session.terminate()


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
