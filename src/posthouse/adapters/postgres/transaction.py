"""`turn.transact`: the author's synchronous SQLAlchemy function inside the transaction that settles the turn.

SQLAlchemy is imported and its pool is opened when the first bot asks for a transaction. Our own settle statement
runs through the asyncpg connection beneath, so that it is the same text as everywhere else.

The transaction is ours. The author's function may use savepoints, but may not commit, roll back or close, and may
not leave a savepoint open: that would tear the turn apart, so the transaction is then only good for `rollback`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import asyncpg

from posthouse.adapters.postgres.database import LOST, Database, connect_arguments
from posthouse.adapters.postgres.worker import LOCK_SPACE
from posthouse.core.effects import Effects
from posthouse.core.errors import AuthorError, StoreUnavailable, TransactionTimeout
from posthouse.core.leases import Lease, Settlement

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

R = TypeVar("R")

AGAIN_S = 0.001  # how soon a turn runs again whose session had moved

# Our own clock ends a transaction first; these end it when this process no longer can.
GRACE_S = 5.0

ENDING = re.compile(r"\s*(commit|end|rollback(?!\s+to)|abort|begin|start\s+transaction|prepare\s+transaction)\b", re.I)
FORBIDDEN = ("commit", "rollback", "close", "detach")


def given_back(lease: Lease) -> Settlement:
    """The end of a lease of which nothing is written: the lane is free again, the try counted."""
    return Settlement(lease, [], Effects(), delay_s=AGAIN_S)


class Settler(Protocol):
    """Who writes the turn's settlement into a transaction."""

    async def settle_in(self, connection: Any, settlements: list[Settlement]) -> list[bool]: ...

    async def settle(self, settlements: list[Settlement]) -> list[bool]: ...

    def announce(self, settlements: list[Settlement]) -> None: ...


class TransactionPool:
    """The SQLAlchemy engine for turns, opened when it is first needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine: AsyncEngine | None = None

    async def open(self, lease: Lease, settler: Settler, *, budget_s: float) -> PostgresTurnTransaction:
        """Open a transaction. Raises `StoreUnavailable` when no connection comes free or the server is away."""
        if self._engine is None:
            self._engine = _engine(self._database)
        try:
            return await self._open(self._engine, lease, settler, budget_s)
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, (*LOST, asyncpg.InterfaceError)):
                raise
        # The pool only notices on use that the server has restarted; it has thrown the old connections away now.
        return await self._open(self._engine, lease, settler, budget_s)

    async def create_tables(self, metadata: Any) -> None:
        """Create what does not exist yet of a `MetaData`; processes that start together wait for each other."""
        if self._engine is None:
            self._engine = _engine(self._database)
        async with self.named_errors(), self._engine.begin() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, 0)")  # no worker has id 0
            await connection.run_sync(metadata.create_all)

    async def _open(
        self, engine: AsyncEngine, lease: Lease, settler: Settler, budget_s: float
    ) -> PostgresTurnTransaction:
        async with self.named_errors():
            connection = await engine.connect()
            try:
                transaction = PostgresTurnTransaction(connection, lease, settler, self, budget_s)
                await transaction.begin()
            except BaseException:
                await asyncio.shield(_close(connection))
                raise
        return transaction

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @asynccontextmanager
    async def named_errors(self, *, lost_only: bool = False) -> AsyncIterator[None]:
        """Turn SQLAlchemy's wrapping of "not now" into `StoreUnavailable`; other errors stay as they are.

        With `lost_only`, only that of a lost connection: everything else is for the author's function to know.
        """
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.exc import TimeoutError as PoolTimeout

        try:
            with self._database.named_errors():
                try:
                    yield
                except DBAPIError as error:
                    cause = error.orig.__cause__ if error.orig is not None else None
                    if lost_only and not error.connection_invalidated:
                        raise
                    if not isinstance(cause, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                        raise
                    raise cause from error
        except PoolTimeout as error:
            settings = self._database.settings
            raise StoreUnavailable(
                f"No connection for a transaction on PostgreSQL at {self._database.where} came free within"
                f" {settings.pool_wait_s:g} s; raise transactions_max ({settings.transactions_max})"
                " or keep transactions shorter."
            ) from error


class PostgresTurnTransaction:
    """One open transaction of one turn; see `ports.store.TurnTransaction`."""

    def __init__(
        self, connection: AsyncConnection, lease: Lease, settler: Settler, pool: TransactionPool, budget_s: float
    ) -> None:
        self._connection = connection
        self._lease = lease
        self._settler = settler
        self._pool = pool
        self._budget_s = budget_s
        self._deadline = 0.0
        self._broken: AuthorError | None = None
        self._ended = False
        self._busy = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None
        self._raw: Any = None

    async def begin(self) -> None:
        """Begin, with limits that hold even when this process stalls."""
        budget_ms = int((self._budget_s + GRACE_S) * 1000)
        await self._connection.exec_driver_sql(
            "SELECT set_config('idle_in_transaction_session_timeout', $1, true),"
            " set_config('statement_timeout', $1, true)",
            (str(budget_ms),),
        )
        self._raw = (await self._connection.get_raw_connection()).driver_connection
        self._deadline = asyncio.get_running_loop().time() + self._budget_s
        self._watch = asyncio.create_task(self._enforce_budget(), name="posthouse transaction budget")

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        """Run `function(connection, *args)` inside the transaction."""
        async with self._within_budget():
            try:
                async with self._pool.named_errors(lost_only=True):
                    return await self._connection.run_sync(self._guarded, function, args)
            except BaseException as error:
                self._broken = self._broken or _broken_by(function, error)
                raise

    async def commit(self, settlement: Settlement) -> bool:
        """Settle and commit; False when the lease was lost or a session had moved, and then nothing is written.

        The budget must suffice until here; a commit under way is not cut short, because its end would be unknown.
        """
        async with self._busy:
            await self._refuse_when_over()
            try:
                async with self._pool.named_errors():
                    settled = (await self._settler.settle_in(self._raw, [settlement]))[0]
                    if settled:
                        await self._connection.commit()
            finally:
                await self._end()
        if settled:
            self._settler.announce([settlement])
        else:  # if the lease still is ours, the lane goes on at once
            await self._settler.settle([given_back(self._lease)])
        return settled

    async def rollback(self) -> None:
        """Undo everything. Harmless when the transaction has ended already."""
        if not self._ended:
            async with self._busy:
                await self._end()

    def _guarded(self, connection: Connection, function: Callable[..., R], args: tuple[Any, ...]) -> R:
        with _only_ours_to_end(connection, function):
            result = function(connection, *args)
        if connection.in_nested_transaction():
            raise AuthorError(
                f"{_name(function)} left a savepoint open; use `with connection.begin_nested():` so that it ends."
            )
        if connection.closed or connection.invalidated or not self._raw.is_in_transaction():
            raise AuthorError(f"{_name(function)} ended the turn's transaction; leave commit and rollback to the turn.")
        return result

    @asynccontextmanager
    async def _within_budget(self) -> AsyncIterator[None]:
        """Hold the connection alone, and roll back when the budget is used up meanwhile."""
        try:
            async with asyncio.timeout_at(self._deadline) as budget, self._busy:
                await self._refuse_when_over()
                yield
        except TimeoutError as error:
            if not budget.expired():
                raise
            await self.rollback()
            raise self._timeout() from error

    async def _refuse_when_over(self) -> None:
        """Raise unless the transaction is open, whole and within its budget."""
        if asyncio.get_running_loop().time() >= self._deadline:
            await self._end()
            raise self._timeout()
        if self._ended:
            raise AuthorError("The turn's transaction has ended; open another one.")
        if self._broken is not None:
            raise self._broken

    async def _enforce_budget(self) -> None:
        """Roll back at the deadline although nobody calls."""
        await asyncio.sleep(self._deadline - asyncio.get_running_loop().time())
        async with self._busy:
            self._watch = None
            await self._end()

    async def _end(self) -> None:
        """Roll back what is not committed and give the connection back; a broken one is thrown away."""
        if self._ended:
            return
        self._ended = True
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
        await asyncio.shield(_close(self._connection))

    def _timeout(self) -> TransactionTimeout:
        return TransactionTimeout(
            f"The turn on lane {self._lease.lane} of bot {self._lease.bot_id} kept its database transaction open for"
            f" more than its budget of {self._budget_s:g} s, so it was rolled back; do slow work before"
            " `turn.transact`, or in a job."
        )


class _only_ours_to_end:
    """While the author's function runs, its connection refuses to end the transaction."""

    def __init__(self, connection: Connection, function: Callable[..., object]) -> None:
        self._connection = connection
        self._function = function

    def __enter__(self) -> None:
        from sqlalchemy import event

        for method in FORBIDDEN:
            setattr(self._connection, method, self._refusal(method))
        event.listen(self._connection, "commit", self._refuse_commit)
        event.listen(self._connection, "rollback", self._refuse_rollback)
        event.listen(self._connection, "before_cursor_execute", self._refuse_statement)

    def __exit__(self, *_: object) -> None:
        from sqlalchemy import event

        event.remove(self._connection, "before_cursor_execute", self._refuse_statement)
        event.remove(self._connection, "rollback", self._refuse_rollback)
        event.remove(self._connection, "commit", self._refuse_commit)
        for method in FORBIDDEN:
            delattr(self._connection, method)

    def _refusal(self, method: str) -> Callable[..., None]:
        def refuse(*_: object, **__: object) -> None:
            raise self._error(f"connection.{method}()")

        return refuse

    def _refuse_commit(self, connection: object) -> None:
        raise self._error("commit()")

    def _refuse_rollback(self, connection: object) -> None:
        raise self._error("rollback()")

    def _refuse_statement(self, connection: object, cursor: object, statement: str, *_: object) -> None:
        if ENDING.match(statement):
            raise self._error(repr(statement.strip()[:40]))

    def _error(self, what: str) -> AuthorError:
        return AuthorError(
            f"{_name(self._function)} called {what}, but the transaction belongs to the turn and is committed with it;"
            " remove the call, or use `with connection.begin_nested():` for a part that may fail."
        )


async def _close(connection: AsyncConnection) -> None:
    try:
        await connection.close()
    except Exception:  # there is nothing left to roll back: its server session is gone
        with suppress(Exception):
            await connection.invalidate()


def _broken_by(function: Callable[..., object], error: BaseException) -> AuthorError:
    if isinstance(error, AuthorError):
        return error
    return AuthorError(
        f"{_name(function)} raised {type(error).__name__} inside the turn's transaction, which can only be rolled back"
        " now; let the error out of the handler, or wrap the part that may fail in `with connection.begin_nested():`."
    )


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", repr(function))


def _engine(database: Database) -> AsyncEngine:
    from uuid import uuid4

    from sqlalchemy.ext.asyncio import create_async_engine

    settings = database.settings
    arguments = connect_arguments(settings, ours=False)

    async def connect(**_: object) -> Any:
        # Our own way to connect, so that the URL means the same here as for every other connection.
        return await asyncpg.connect(settings.url, **arguments)

    prepared: dict[str, Any] = {}
    if settings.pooler:  # SQLAlchemy prepares under names; through a pooler another session may have the name
        prepared = {
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"posthouse_{uuid4().hex}",
        }
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=settings.transactions_max,
        max_overflow=0,
        pool_timeout=settings.pool_wait_s,
        connect_args=prepared,
    )
