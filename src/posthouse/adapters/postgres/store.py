"""The PostgreSQL store put together, and its migration."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from posthouse.adapters.postgres.database import Database, connect_arguments
from posthouse.adapters.postgres.desk import PostgresDesk
from posthouse.adapters.postgres.inbox import PostgresInbox
from posthouse.adapters.postgres.jobs import PostgresJobs
from posthouse.adapters.postgres.journal import PostgresJournal
from posthouse.adapters.postgres.outbox import PostgresOutbox
from posthouse.adapters.postgres.sessions import PostgresSessions
from posthouse.adapters.postgres.settings import PostgresSettings
from posthouse.adapters.postgres.transaction import TransactionPool
from posthouse.adapters.postgres.turns import Bells, PostgresTurns
from posthouse.adapters.postgres.upkeep import SCHEMA, PostgresUpkeep
from posthouse.adapters.postgres.worker import LOCK_SPACE, Worker
from posthouse.core.errors import SchemaMismatch
from posthouse.ports.store import BotLimits

MIGRATIONS = Path(__file__).with_name("migrations")


class PostgresStore:
    """One database, all promises; any number of processes may open it. See `ports.store.Store`."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._database = Database(settings)
        self._worker = Worker(self._database)
        self._transactions = TransactionPool(self._database)
        bells = Bells(settings.poll_min_s, settings.poll_max_s)
        self.inbox = PostgresInbox(self._database, bells.turns)
        self.turns = PostgresTurns(self._database, self._worker, bells, self._transactions)
        self.journal = PostgresJournal(self._database)
        self.outbox = PostgresOutbox(self._database, self._worker, bells)
        self.jobs = PostgresJobs(self._database, self._worker, bells)
        self.upkeep = PostgresUpkeep(self._database, self._worker, bells)
        self.desk = PostgresDesk(self._database, self.jobs, bells)
        self.sessions = PostgresSessions(self._database)

    async def open(self) -> None:
        """Connect, check the schema, register this process, and free what dead ones held.

        Raises `SchemaMismatch` or `StoreUnavailable`; nothing stays open then.
        """
        await self._database.open()
        try:
            await self._check_schema()
            await self._worker.register()
            await self.upkeep.reap()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Free what this process still holds and let go of the database. Harmless when it is not open."""
        try:
            if self._worker.id:
                await self._worker.retire()
                await self.upkeep.reap()
        finally:
            await self._transactions.close()
            await self._database.close()

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        """Tell the outbox the budgets of a bot, before the first claim."""
        self.outbox.set_limits(bot_id, limits)

    async def create_tables(self, metadata: Any) -> None:
        """Create the application tables that do not exist yet."""
        await self._transactions.create_tables(metadata)

    def keep_sessions(self, bot_id: int) -> None:
        """Let the leases of a bot bring sessions along."""
        self.turns.session_bots.add(bot_id)

    async def __aenter__(self) -> PostgresStore:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _check_schema(self) -> None:
        has, wants = await self.upkeep.schema()
        if has is None:
            raise SchemaMismatch(
                f"The database at {self._database.where} has no Posthouse tables yet; run `posthouse migrate`."
            )
        if has < wants:
            raise SchemaMismatch(
                f"The database at {self._database.where} has schema {has}, this program wants {wants};"
                " run `posthouse migrate`."
            )
        if has > wants:
            raise SchemaMismatch(
                f"The database at {self._database.where} has schema {has}, newer than this program's {wants};"
                " run a newer Posthouse."
            )


async def migrate(url: str) -> tuple[str | None, str]:
    """Bring the database to this program's schema; returns (revision before, revision now).

    Two at once wait for each other. Raises `StoreUnavailable` when the database cannot be reached.
    """
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    from posthouse.adapters import migrations

    settings = PostgresSettings(url=url)
    arguments = connect_arguments(settings, ours=False) | {"command_timeout": None}

    async def connect(**_: object) -> asyncpg.Connection:
        return await asyncpg.connect(url, **arguments)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with Database(settings).named_errors():
            async with engine.begin() as connection:
                await connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, 0)")  # no worker has id 0
                before = await connection.run_sync(migrations.current)
                await connection.run_sync(migrations.upgrade, MIGRATIONS)
    finally:
        await engine.dispose()
    return before, SCHEMA
