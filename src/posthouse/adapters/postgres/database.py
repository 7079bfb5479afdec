"""The pool of connections that all statements share, and what its errors mean.

Pooled connections use no session feature (no LISTEN, no session lock, no SET that outlives a transaction), so they
may come from a transaction pooler. Every statement here is one transaction of its own; where several must commit
together, `transaction()` gives a connection.

    could not connect, connection lost, timeout, no free connection, read-only, shutting down → StoreUnavailable
    deadlock                                                                                  → tried again
    everything else                                                                           → a bug; propagates
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import asyncpg

from posthouse.adapters.postgres import statements
from posthouse.adapters.postgres.settings import PostgresSettings
from posthouse.core.addresses import shown
from posthouse.core.errors import StoreUnavailable

logger = logging.getLogger(__name__)

R = TypeVar("R")
Row = Any  # asyncpg.Record: fields by place and by name

DEADLOCK_TRIES = 3

# The connection is gone, or the server is going: the same statement on another connection may do.
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,  # asyncpg, when the session is cut while it asks for the server's types
    ConnectionError,
)
MENDS: list[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str]] = [
    (asyncpg.ReadOnlySQLTransactionError, "is read-only", "point the URL at the primary"),
    (asyncpg.TooManyConnectionsError, "has no connection left", "lower pool_max or raise max_connections"),
    (asyncpg.DiskFullError, "has no space left on its disk", "free some space"),
    (asyncpg.InsufficientResourcesError, "lacks resources", "see the server's log"),
    (asyncpg.InvalidAuthorizationSpecificationError, "refused the login", "check user and password in the URL"),
    (asyncpg.InvalidCatalogNameError, "does not have this database", "create it, then run `posthouse migrate`"),
    (asyncpg.InsufficientPrivilegeError, "refused access", "grant this user the rights on our tables"),
    (asyncpg.LockNotAvailableError, "has a row locked by somebody else", "look for idle transactions"),
    (asyncpg.QueryCanceledError, "cancelled a statement", "look for locks, or raise statement_s"),
    ((ConnectionRefusedError, FileNotFoundError), "cannot be reached", "is it running, and is the address right?"),
    (LOST, "closed the connection", "is it restarting? the next call connects again"),
    (asyncpg.InterfaceError, "closed the connection", "is it restarting? the next call connects again"),
    (TimeoutError, "did not answer in time", "look for locks and load, or raise statement_s"),
    (OSError, "cannot be reached", "is it running, and is the address right?"),
]


async def _keep_session(_: object) -> None:
    """Instead of asyncpg's reset on release: we leave nothing behind in a session, and it costs a round trip."""


class Database:
    """One pool on one database, with our statements by name."""

    def __init__(self, settings: PostgresSettings) -> None:
        self.settings = settings
        self.sql: dict[str, str] = {}
        self._pool: Any = None
        self.where = shown(settings.url)

    async def open(self) -> None:
        """Connect. Raises `StoreUnavailable`."""
        self.sql = statements.load()
        with self.named_errors():
            self._pool = await asyncpg.create_pool(
                self.settings.url,
                min_size=min(self.settings.pool_min, self.settings.pool_max),
                max_size=self.settings.pool_max,
                reset=_keep_session,
                **connect_arguments(self.settings),
            )

    async def close(self) -> None:
        """Let go of the connections, waiting for the statements under way."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), self.settings.statement_s)
            except TimeoutError:
                pool.terminate()

    async def fetch(self, name: str, *arguments: object) -> list[Row]:
        """Run a statement that is safe to run twice: it is tried again when its connection turns out dead."""
        return await self._again(lambda: self._fetch(name, arguments), tries_on_loss=2)

    async def fetch_once(self, name: str, *arguments: object) -> list[Row]:
        """Run a statement at most once when the connection breaks; what it did then is not known."""
        return await self._again(lambda: self._fetch(name, arguments), tries_on_loss=1)

    async def commit(self, work: Callable[[Any], Awaitable[R]]) -> R:
        """Run `work(connection)` in one transaction and commit; a deadlock runs it again from the start."""

        async def once() -> R:
            async with self.transaction() as connection:
                return await work(connection)

        return await self._again(once, tries_on_loss=1)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A connection in a transaction, which is committed at the end of the block."""
        async with self._connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        pool = self._pool
        if pool is None:
            raise StoreUnavailable("The store is closed; open it first.")
        try:
            connection = await pool.acquire(timeout=self.settings.pool_wait_s)
        except TimeoutError as error:
            raise StoreUnavailable(
                f"No connection to PostgreSQL at {self.where} came free within {self.settings.pool_wait_s:g} s;"
                f" raise pool_max ({self.settings.pool_max}) or look for slow statements."
            ) from error
        try:
            yield connection
        except asyncpg.InternalClientError:
            connection.terminate()  # it believes that an operation is still under way, and would for ever
            raise
        finally:
            await pool.release(connection)

    async def _fetch(self, name: str, arguments: tuple[object, ...]) -> list[Row]:
        async with self._connection() as connection:
            rows: list[Row] = await connection.fetch(self.sql[name], *arguments)
            return rows

    async def _again(self, work: Callable[[], Awaitable[R]], *, tries_on_loss: int) -> R:
        deadlocks = losses = 0
        with self.named_errors():
            while True:
                try:
                    return await work()
                except asyncpg.DeadlockDetectedError:
                    deadlocks += 1
                    if deadlocks == DEADLOCK_TRIES:
                        raise
                    logger.warning("a statement met a deadlock and is tried again", exc_info=True)
                except LOST:
                    losses += 1
                    if losses == tries_on_loss:
                        raise

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Turn the driver's ways to say "not now" into `StoreUnavailable`."""
        try:
            yield
        except ValueError:  # a value the driver cannot send is our mistake
            raise
        except Exception as error:
            for kinds, what, mend in MENDS:
                if isinstance(error, kinds):
                    raise StoreUnavailable(
                        f"PostgreSQL at {self.where} {what} ({type(error).__name__}: {error}); {mend}."
                    ) from error
            raise


def connect_arguments(settings: PostgresSettings, *, ours: bool = True) -> dict[str, Any]:
    """How to connect. With `ours` the session runs our statements only.

    Each of those is a walk along an index. While a table is small or not yet analysed the planner may think
    otherwise, and a prepared plan that scans the table stays long after the table has grown; so it may not.
    Behind a pooler these cannot be set here: `ALTER ROLE … SET` does.
    """
    arguments: dict[str, Any] = {"timeout": settings.pool_wait_s, "command_timeout": settings.statement_s}
    if settings.pooler:
        return arguments | {"statement_cache_size": 0}
    server = {
        "jit": "off",
        "lock_timeout": str(int(settings.lock_wait_s * 1000)),
    }
    if "application_name=" not in settings.url:
        server["application_name"] = "posthouse"
    if ours:
        server |= {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
    return arguments | {"server_settings": server}


def text(value: str) -> str:
    """`value` as PostgreSQL can store it: without NUL and lone surrogates, which it refuses."""
    if value.isascii() and "\0" not in value:
        return value
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def texts(value: str | None) -> str | None:
    """The same for a value that may be absent."""
    return None if value is None else text(value)
