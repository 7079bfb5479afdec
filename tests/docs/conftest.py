"""What the stories of the pages need from the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent.parent))  # where the support modules of several test folders lie


@pytest.fixture(scope="session")
def docs_postgres() -> Iterator[Any]:
    """A real PostgreSQL, for the pages that name one."""
    from support_postgres import PostgresServer

    server = PostgresServer.create()
    try:
        server.migrate_template()
        yield server
    finally:
        server.destroy()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty, migrated PostgreSQL database."""
    server = request.getfixturevalue("docs_postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)
