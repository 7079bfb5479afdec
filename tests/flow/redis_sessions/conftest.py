"""Whole platforms whose chats are remembered in Redis, over a SQLite database."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path += [str(Path(__file__).parents[1] / part) for part in ("road", "conversations")]

from conversation_stage import SqliteDatabase, Talks, on_road
from support_redis import redis, redis_server, redis_url

from posthouse import App
from posthouse.settings import SessionsSection
from posthouse.testing.fixtures import simulator, simulator_options, town

__all__ = ["redis", "redis_server", "redis_url", "simulator", "simulator_options", "town"]

OnRedis = Callable[..., AbstractAsyncContextManager[Talks]]


@pytest.fixture
def sessions(redis_url: str) -> SessionsSection:
    """`[sessions]` of this test."""
    return SessionsSection(store="redis", redis_url=redis_url)


@pytest.fixture
def on_redis(sqlite_template: Path, tmp_path: Path, sessions: SessionsSection) -> OnRedis:
    """`async with on_redis(app) as stage:`: a platform with a recording gateway; again for the next life of it."""
    path = tmp_path / "redis.db"
    shutil.copy(sqlite_template, path)
    database = SqliteDatabase(f"sqlite:///{path}", tmp_path)

    def start(app: App, **sections: Any) -> AbstractAsyncContextManager[Talks]:
        return on_road(database, app, sessions=sessions, **sections)

    return start
