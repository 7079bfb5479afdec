"""The training log in a town of its own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from workouts_stage import Gym, gym_at

from posthouse.simulator import Simulator
from posthouse.testing.fixtures import simulator, simulator_options, town
from posthouse.testing.town import Town

__all__ = ["simulator", "simulator_options", "town"]


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "gym.db")
        yield f"sqlite:///{tmp_path / 'gym.db'}"
        return
    server: Any = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
async def gym(town: Town, simulator: Simulator, database_url: str, tmp_path: Path) -> Gym:
    """The bot's account and configuration; a test opens its process."""
    return await gym_at(town, simulator.url, database_url, tmp_path)
