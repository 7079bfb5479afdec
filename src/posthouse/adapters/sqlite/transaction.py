"""A turn's own transaction on SQLite: the writer serves only this turn until it ends or its budget is used up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from posthouse.adapters.sqlite.writer import WriterSession
from posthouse.core.errors import AuthorError
from posthouse.core.leases import Settlement
from posthouse.core.sessions import SessionMoved

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from posthouse.adapters.sqlite.turns import SqliteTurns

R = TypeVar("R")


class SqliteTurnTransaction:
    """`TurnTransaction` of the store contract."""

    def __init__(self, turns: SqliteTurns, session: WriterSession) -> None:
        self._turns = turns
        self._session = session
        self._connection: Connection | None = None

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        def operation(connection: sqlite3.Connection) -> R:
            if self._connection is None:
                self._connection = self._turns.lender.lend(connection)
            with self._turns.lender.guarded():
                return function(self._connection, *args)

        result: R = await self._session.run(operation)
        return result

    async def commit(self, settlement: Settlement) -> bool:
        turns = self._turns
        taken = turns.accept(settlement)
        if taken is None:
            await self.rollback()
            return False
        accepted = [taken]

        def operation(connection: sqlite3.Connection) -> Any:
            self._give_back()
            return turns.write(connection, accepted, careful=False)

        try:
            written = await self._session.run(operation, last=True)
        except SessionMoved:  # what the author's functions wrote is undone too
            taken[0].settling = False
            await self.rollback()
            turns.refuse(taken[0], settlement)
            return False
        except BaseException:
            taken[0].settling = False
            raise
        turns.wrote(accepted, written)
        return True

    async def rollback(self) -> None:
        await self._session.rollback()
        self._give_back()

    def _give_back(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Lender:
    """Lends the writing connection to SQLAlchemy Core, without the right to end the transaction."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._guard: _Guard | None = None

    def lend(self, connection: sqlite3.Connection) -> Connection:
        """A Core connection over the writing one; the engine behind it is made once."""
        if self._engine is None:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import StaticPool

            guard = self._guard = _Guard(connection)
            self._engine = create_engine(
                "sqlite://", creator=lambda: guard, poolclass=StaticPool, pool_reset_on_return=None
            )
        return self._engine.connect()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """While the author's function runs, ending the transaction is refused."""
        assert self._guard is not None
        self._guard.quiet = False
        try:
            yield
        finally:
            self._guard.quiet = True


class _Guard:
    """A DBAPI connection that refuses commit and rollback: those are the turn's."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.quiet = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        if not self.quiet:
            raise AuthorError(
                "a function given to turn.transact must not commit: the commit is the turn's, together with its "
                "messages and session; return instead (begin_nested() is allowed)"
            )

    def rollback(self) -> None:
        if not self.quiet:
            raise AuthorError("a function given to turn.transact must not roll back: raise instead, the turn undoes it")

    def close(self) -> None:
        """The connection is the writer's."""
