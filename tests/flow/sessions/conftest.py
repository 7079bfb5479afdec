"""The stage on each store: one running platform a module, and for each test people and chats of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

sys.path.append(str(Path(__file__).parent))

from pack_stage import Stage, photo_bot, staged


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def sessions_url(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("sessions") / "sessions.db"
        shutil.copy(sqlite_template, path)
        yield f"sqlite:///{path}"
        return
    server: Any = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
def program() -> Any:
    """What makes the bot's program; a module may have another."""
    return photo_bot


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(sessions_url: str, program: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The bot, running."""
    async with staged(sessions_url, tmp_path_factory.mktemp("stage"), program) as running:
        yield running
