"""The road on each store."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parent.parent.parent))  # where the support modules of several test folders lie

from road_stage import Road, running, settings_for

from posthouse.settings import Settings

OnRoad = Callable[..., AbstractAsyncContextManager[Road]]
Configure = Callable[..., Settings]


@pytest.fixture(scope="session")
def road_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with our schema, copied for each test."""
    from posthouse.adapters.sqlite.schema import migrate

    path = tmp_path_factory.mktemp("road") / "template.db"
    migrate(str(path))
    return path


@pytest.fixture(scope="session")
def road_postgres() -> Iterator[Any]:
    """A PostgreSQL with a migrated template."""
    from support_postgres import PostgresServer

    server = PostgresServer.create()
    try:
        server.migrate_template()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def road_sqlite_url(road_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database."""
    path = tmp_path / "road.db"
    shutil.copy(road_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def road_postgres_url(road_postgres: Any) -> Iterator[str]:
    """A fresh PostgreSQL database."""
    name = road_postgres.create_database()
    yield road_postgres.url(name)
    road_postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def road_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind."""
    url: str = request.getfixturevalue(f"road_{request.param}_url")
    return url


@pytest.fixture
def configure(road_url: str, tmp_path: Path) -> Configure:
    """Settings of one bot on this test's database."""

    def make(program: Any, **sections: Any) -> Settings:
        return settings_for(road_url, tmp_path, program, **sections)

    return make


@pytest.fixture
def on_road(configure: Configure) -> OnRoad:
    """Runs a program on a platform: `async with on_road(app) as road`."""

    def start(program: Any, **sections: Any) -> AbstractAsyncContextManager[Road]:
        return running(configure(program, **sections))

    return start
