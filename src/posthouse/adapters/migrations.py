"""Database migrations with Alembic, without an `alembic.ini`: what both SQL stores share.

Each store keeps its scripts in a folder of its own (`<store>/migrations/{env.py,versions/}`) and hands that folder
in as `script_location`. The revision a database has stands in the table `posthouse_version`: a name of our own, so
that an application with its own Alembic history may live in the same database.

Alembic and SQLAlchemy are imported only when a migration runs. Opening a store must not: it compares one row with a
constant, and a test compares the constant with `head`.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.config import Config
    from sqlalchemy import Connection

VERSION_TABLE = "posthouse_version"


def upgrade(database: str | Connection, script_location: Path) -> None:
    """Bring a database to the newest revision; nothing happens when it has it already.

    `database` is a synchronous SQLAlchemy URL, or a connection whose transaction the caller commits.
    """
    from alembic import command

    with _connected(database) as connection:
        command.upgrade(_config(script_location, connection), "head")


def current(database: str | Connection) -> str | None:
    """The revision that a database has, or None when it was never migrated."""
    from alembic.migration import MigrationContext

    with _connected(database) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return context.get_current_revision()


def head(script_location: Path) -> str:
    """The newest revision among the scripts in a folder."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(_config(script_location, None)).get_current_head()
    if revision is None:
        raise LookupError(f"No migration script in {script_location}.")
    return revision


@contextmanager
def _connected(database: str | Connection) -> Iterator[Connection]:
    if not isinstance(database, str):
        yield database
        return
    from sqlalchemy import create_engine

    engine = create_engine(database)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _config(script_location: Path, connection: Connection | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
