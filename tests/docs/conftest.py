"""What the stories of the pages need from the machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty, migrated PostgreSQL database."""
    server = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)
