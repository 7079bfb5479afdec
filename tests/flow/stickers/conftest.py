"""The stickers on each store."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from stickers_stage import OpenStudio, Studio, open_studio, settings_for

from posthouse.simulator import Simulator
from posthouse.testing.town import Town


@pytest.fixture
async def telegram() -> AsyncIterator[Simulator]:
    """A Telegram of one's own."""
    async with Simulator(limits="off", seed=1) as simulator:
        yield simulator


@pytest.fixture
async def town(telegram: Simulator) -> AsyncIterator[Town]:
    """Its people."""
    async with Town(telegram.url) as town:
        yield town


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "stickers.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_database(postgres_server: Any) -> Iterator[str]:
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.fixture
def studio_on(town: Town, tmp_path: Path) -> OpenStudio:
    """Runs the bot on a database."""

    def start(database: str, **options: Any) -> AbstractAsyncContextManager[Studio]:
        return open_studio(settings_for(database, town.url, tmp_path, **options), town)

    return start


@pytest.fixture
async def studio(database: str, studio_on: OpenStudio) -> AsyncIterator[Studio]:
    """The bot on a database of each kind; nothing of what it does may end as a dead letter."""
    async with studio_on(database) as studio:
        yield studio
        assert [(row.what, row.error) for row in await studio.dead()] == []


@pytest.fixture
async def small_studio(sqlite_database: str, studio_on: OpenStudio) -> AsyncIterator[Studio]:
    """The bot on SQLite, for what no store can make a difference to."""
    async with studio_on(sqlite_database) as studio:
        yield studio
        assert [(row.what, row.error) for row in await studio.dead()] == []
