"""Conversations on the road with a recording gateway, and in the simulated town, on each database."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "road")]

from conversation_stage import Database, PostgresDatabase, SqliteDatabase, Talks, in_town, on_road

from posthouse import App
from posthouse.testing.fixtures import simulator, simulator_options, town

__all__ = ["simulator", "simulator_options", "town"]

OnRoad = Callable[..., AbstractAsyncContextManager[Talks]]


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> SqliteDatabase:
    """A fresh SQLite database."""
    path = tmp_path / "talks.db"
    shutil.copy(sqlite_template, path)
    return SqliteDatabase(f"sqlite:///{path}", tmp_path)


@pytest.fixture
def postgres_database(postgres_server: Any, tmp_path: Path) -> Iterator[PostgresDatabase]:
    """A fresh PostgreSQL database."""
    name = postgres_server.create_database()
    yield PostgresDatabase(postgres_server.url(name), tmp_path)
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database of each kind."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def talks(database: Database) -> OnRoad:
    """`async with talks(app) as stage:`: a platform with a recording gateway; again for the next life of it."""

    def start(app: App, **sections: Any) -> AbstractAsyncContextManager[Talks]:
        return on_road(database, app, **sections)

    return start


@pytest.fixture
def talks_on_sqlite(sqlite_database: SqliteDatabase) -> OnRoad:
    """The same on one database, for rules in which the store has no part."""

    def start(app: App, **sections: Any) -> AbstractAsyncContextManager[Talks]:
        return on_road(sqlite_database, app, **sections)

    return start


@pytest.fixture
def townsfolk(database: Database, simulator: Any) -> Callable[[App], AbstractAsyncContextManager[Any]]:
    """`async with townsfolk(app):`: a platform whose Telegram is the simulator."""

    def start(app: App, **sections: Any) -> AbstractAsyncContextManager[Any]:
        return in_town(database, simulator.url, app, **sections)

    return start
