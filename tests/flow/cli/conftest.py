"""A project whose commands are run as processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_stage import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A native bot, its webhook registered by itself, and no Telegram behind it."""
    return Project(tmp_path)


@pytest.fixture
def postgres_url(postgres_server: Any) -> Iterator[str]:
    """An empty, migrated PostgreSQL database."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
