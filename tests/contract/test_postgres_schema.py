"""Migrations and the check at open."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import asyncpg
import pytest
from support_postgres import PostgresServer, postgres_url

from posthouse.adapters import migrations
from posthouse.adapters.postgres import PostgresSettings, PostgresStore, migrate, statements
from posthouse.adapters.postgres.store import MIGRATIONS
from posthouse.adapters.postgres.upkeep import SCHEMA
from posthouse.core.errors import SchemaMismatch

__all__ = ["postgres_url"]  # a fixture


@pytest.fixture
def empty_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = postgres_server.create_database(template="template1")
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


def test_the_constant_is_the_newest_script() -> None:
    """What open compares with is what the scripts lead to."""
    assert migrations.head(MIGRATIONS) == SCHEMA


async def test_an_empty_database_is_refused_with_the_command(empty_url: str) -> None:
    """open() on a database without our tables says what to run, and leaves no connection behind."""
    store = PostgresStore(PostgresSettings(url=empty_url))
    with pytest.raises(SchemaMismatch, match="has no Posthouse tables yet; run `posthouse migrate`"):
        await store.open()


@pytest.mark.parametrize(("revision", "mend"), [("0000", "posthouse migrate"), ("9999", "run a newer Posthouse")])
async def test_another_schema_is_refused(postgres_url: str, revision: str, mend: str) -> None:
    """An older or newer database is refused with both revisions and the mend."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("UPDATE posthouse_version SET version_num = $1", revision)
    await connection.close()
    with pytest.raises(SchemaMismatch, match=rf"schema {revision}.*{SCHEMA}.*{mend}"):
        await PostgresStore(PostgresSettings(url=postgres_url)).open()


async def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    """The first run makes the tables, the second finds them; then the store opens."""
    assert await migrate(empty_url) == (None, SCHEMA)
    assert await migrate(empty_url) == (SCHEMA, SCHEMA)
    async with PostgresStore(PostgresSettings(url=empty_url)) as store:
        assert await store.upkeep.schema() == (SCHEMA, SCHEMA)


async def test_two_migrations_at_once_wait_for_each_other(empty_url: str) -> None:
    """Two processes that start together both end well."""
    ends = await asyncio.gather(migrate(empty_url), migrate(empty_url))
    assert [now for _, now in ends] == [SCHEMA, SCHEMA]


async def test_every_statement_fits_the_schema(postgres_url: str) -> None:
    """Each file is one statement that PostgreSQL can prepare."""
    connection = await asyncpg.connect(postgres_url)
    for name, body in statements.load().items():
        await connection.prepare(body, name=f"check_{name}")
    await connection.close()


def test_opening_imports_neither_alembic_nor_sqlalchemy(postgres_url: str) -> None:
    """A start does not pay for libraries that only migrations and transactions need."""
    program = (
        "import asyncio, sys\n"
        "from posthouse.adapters.postgres import PostgresSettings, PostgresStore\n"
        "async def main():\n"
        "    async with PostgresStore(PostgresSettings(url=sys.argv[1])) as store:\n"
        "        await store.turns.claim(1, 1)\n"
        "asyncio.run(main())\n"
        "print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, postgres_url], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
