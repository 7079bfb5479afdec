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

from road_stage import Road, running, settings_for

from posthouse.settings import Settings

OnRoad = Callable[..., AbstractAsyncContextManager[Road]]
Configure = Callable[..., Settings]


@pytest.fixture
def road_sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh SQLite database."""
    path = tmp_path / "road.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def road_postgres_url(postgres_server: Any) -> Iterator[str]:
    """A fresh PostgreSQL database."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


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
