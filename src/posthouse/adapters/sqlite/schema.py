"""Which schema the file has, and which one this program wants."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from posthouse.core.errors import SchemaMismatch

SCHEMA = "0002"
SCRIPTS = Path(__file__).parent / "migrations"


def revision(connection: sqlite3.Connection) -> str | None:
    """The revision in the file; None for an empty one. A plain query: Alembic is loaded only to migrate."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'posthouse_version'").fetchone()
    if table is None:
        return None
    row = connection.execute("SELECT version_num FROM posthouse_version").fetchone()
    return row[0] if row else None


def check(path: str, found: str | None) -> None:
    """Raise `SchemaMismatch` with the mend unless the file is of our revision."""
    if found == SCHEMA:
        return
    if found is None:
        raise SchemaMismatch(f"{path} has no tables yet: run `posthouse migrate`")
    if found > SCHEMA:
        raise SchemaMismatch(f"{path} has schema {found}, newer than this program's {SCHEMA}: upgrade posthouse")
    raise SchemaMismatch(f"{path} has schema {found}, older than this program's {SCHEMA}: run `posthouse migrate`")


def migrate(path: str) -> tuple[str | None, str]:
    """Bring the file to our revision, creating it when it does not exist; returns (before, after)."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    from posthouse.adapters.migrations import upgrade

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def explicit(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # so that DDL is part of the transaction that Alembic begins

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined]

    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        before = revision(raw)
        upgrade(connection, SCRIPTS)
        connection.commit()
    engine.dispose()
    return before, SCHEMA


if __name__ == "__main__":
    import sys

    migrate(sys.argv[1])
