"""A database that has the original bot's `sessions` already is adopted, and environments on one database stay apart."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pack_stage import Stage, settings_for, staged

from posthouse.bootstrap import migrate, open_store
from posthouse.ports.store import SessionFilter
from posthouse.settings import Settings, StoreSection

Ask = Callable[[str], Awaitable[list[tuple[Any, ...]]]]

# What S0-5 says of each state, and what the others are.
KINDS = {
    "wait_pack_carousel": "pack",
    "wait_pack_photo": "pack",
    "wait_pack_preview_payment": "pack",
    "wait_pack_anything_new": "pack",
    "generating_pack_preview": "pack",
    "wait_pack_approval": "pack",
    "processing_pack": "pack",
    "assistant_wait_photo": "assistant",
    "assistant_chat": "assistant",
    "assistant_": "assistant",
    "wait_photo": "single",
    "wait_style": "single",
    "wait_emotion": "single",
    "wait_pack": "single",
    "confirm_sticker": "single",
    "processing": "single",
    "generating_pack_preview_2": "single",
    "my_assistant_chat": "single",
    "canceled": "single",
    "": "single",
}
UUID = "0191d3f2-7c1e-7b2a-9f00-3c5d8e6a1b{:02x}"
AT = "2026-02-16 12:30:00"
AT_S = 1771245000.0


class Database:
    """One database, asked from outside."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.settings = Settings(store=StoreSection(url=url), root=str(folder))

    async def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements; what the last one found."""
        if self.url.startswith("sqlite"):
            return await asyncio.to_thread(self._run, statements)
        connection: Any = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                found = await connection.fetch(statement)
        finally:
            await connection.close()
        return [tuple(row) for row in found]

    def _run(self, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        try:
            for statement in statements:
                found = connection.execute(statement).fetchall()
            connection.commit()
        finally:
            connection.close()
        return found

    @property
    def original(self) -> str:
        """The table of the original bot (S0-12), with two columns that are its own affair."""
        if self.url.startswith("sqlite"):
            return (
                "CREATE TABLE sessions (id TEXT PRIMARY KEY, user_id INTEGER NOT NULL, env TEXT NOT NULL, state TEXT,"
                ' is_active INTEGER NOT NULL, updated_at TEXT, photo TEXT, "credits spent" INTEGER)'
            )
        return (
            "CREATE TABLE sessions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id text NOT NULL,"
            " env text NOT NULL, state text, is_active boolean NOT NULL, updated_at timestamptz, photo text,"
            ' "credits spent" integer)'
        )

    def row(self, number: int, state: str, *, kind: str | None = None) -> str:
        active = number % 3 != 0
        value = ("true" if active else "false") if self.url.startswith("postgres") else str(int(active))
        moment = f"'{AT}+00'" if self.url.startswith("postgres") else f"'{AT}'"
        columns = 'id, user_id, env, state, is_active, updated_at, photo, "credits spent"'
        values = (
            f"'{UUID.format(number)}', '{500 + number}', 'test', '{state}', {value}, {moment}, 'p{number}', {number}"
        )
        if kind is not None:
            columns, values = f"{columns}, flow_kind", f"{values}, '{kind}'"
        return f"INSERT INTO sessions ({columns}) VALUES ({values})"

    async def nullable(self, column: str) -> bool:
        if self.url.startswith("sqlite"):
            found = await self.run("SELECT name, \"notnull\" FROM pragma_table_info('sessions')")
            return not dict(found)[column]
        (found,) = await self.run(
            "SELECT is_nullable FROM information_schema.columns"
            f" WHERE table_name = 'sessions' AND column_name = '{column}'"
        )
        return bool(found[0] == "YES")

    async def indexes(self) -> dict[str, str]:
        if self.url.startswith("sqlite"):
            found = await self.run("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        else:
            found = await self.run("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'sessions'")
        return dict(found)

    async def everything(self) -> list[tuple[Any, ...]]:
        return await self.run("SELECT * FROM sessions ORDER BY id")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind, without our tables."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path}/adopted.db", tmp_path)
        return
    server: Any = request.getfixturevalue("postgres_server")
    name = server.create_database(template="template0")
    yield Database(server.url(name), tmp_path)
    server.drop_database(name)


@pytest.mark.req("E0-10", "S0-4", "S0-5", "S0-6", "S0-7", "S0-8", "S0-9", "S0-10", "S0-11", "S0-12")
async def test_the_original_bots_sessions_are_adopted(database: Database) -> None:
    """Each gets its flow by its state; ours are added, its other columns stay, and the indexes of S0 are there."""
    rows = [database.row(number, state) for number, state in enumerate(KINDS)]
    await database.run(database.original, *rows, "SELECT 1")
    await migrate(database.settings)
    found = await database.run(
        "SELECT id, user_id, env, state, is_active, flow_kind, session_rev, ui_message_id, ui_chat_id, photo,"
        ' "credits spent" FROM sessions ORDER BY "credits spent"'
    )
    assert len(found) == len(KINDS)
    for number, (state, row) in enumerate(zip(KINDS, found, strict=True)):
        assert row[0] == UUID.format(number)
        assert row[1:6] == (500 + number, "test", state, bool(number % 3), KINDS[state])
        assert row[6:] == (1, None, None, f"p{number}", number)
    assert not await database.nullable("flow_kind")
    assert not await database.nullable("session_rev")
    indexes = {
        name: " ".join(text.lower().replace('"', "").split()) for name, text in (await database.indexes()).items()
    }
    assert "(user_id, env, flow_kind, is_active, updated_at desc)" in indexes["idx_sessions_flow_active"]
    assert "(id, user_id, env, flow_kind)" in indexes["idx_sessions_lookup"]


@pytest.mark.req("E0-10", "S0-11")
async def test_migrating_twice_is_harmless(database: Database) -> None:
    """Not only because it is written down that it was done: the statements themselves change nothing any more."""
    rows = [database.row(number, state) for number, state in enumerate(KINDS)]
    await database.run(database.original, *rows, "SELECT 1")
    await migrate(database.settings)
    before = await database.everything(), await database.indexes()
    await migrate(database.settings)
    await database.run("UPDATE posthouse_version SET version_num = '0001'", "SELECT 1")
    await migrate(database.settings)
    assert (await database.everything(), await database.indexes()) == before
    assert await database.run("SELECT version_num FROM posthouse_version") == [("0002",)]


@pytest.mark.req("E0-10", "S0-5")
async def test_a_flow_that_is_known_already_is_not_guessed(database: Database) -> None:
    """The backfill fills what is empty and nothing else."""
    await database.run(
        database.original,
        "ALTER TABLE sessions ADD COLUMN flow_kind text",
        database.row(1, "wait_pack_approval", kind="single"),
        database.row(2, "wait_style", kind="pack"),
        database.row(3, "wait_pack_approval"),
        database.row(4, "assistant_chat"),
        "SELECT 1",
    )
    await migrate(database.settings)
    found = await database.run('SELECT flow_kind FROM sessions ORDER BY "credits spent"')
    assert found == [("single",), ("pack",), ("pack",), ("assistant",)]


@pytest.mark.req("E0-10", "S0-12")
async def test_an_adopted_session_can_be_read(database: Database) -> None:
    """With its uuid, its moment and data that a handler can use, by whoever looks for it."""
    await database.run(database.original, database.row(1, "wait_pack_approval"), "SELECT 1")
    await migrate(database.settings)
    store, _ = open_store(database.settings)
    await store.open()
    try:
        record = await store.sessions.get(UUID.format(1))
    finally:
        await store.close()
    assert record is not None
    assert (record.env, record.flow_kind, record.state, record.rev) == ("test", "pack", "wait_pack_approval", 1)
    assert (record.owner.user_id, record.is_active, record.data, record.updated_at) == (501, True, b"{}", AT_S)


@pytest.mark.req("E0-10", "S0-11")
async def test_a_row_without_a_state_does_not_stop_the_adoption(database: Database) -> None:
    """What the original bot left empty is taken for a single sticker, as every state that the rule does not name."""
    await database.run(
        database.original,
        database.row(1, "wait_pack_approval"),
        database.row(2, "x"),
        'UPDATE sessions SET state = NULL, updated_at = NULL WHERE "credits spent" = 2',
        "SELECT 1",
    )
    await migrate(database.settings)
    found = await database.run('SELECT flow_kind FROM sessions ORDER BY "credits spent"')
    assert found == [("pack",), ("single",)]
    store, _ = open_store(database.settings)
    await store.open()
    try:
        listed = await store.sessions.find(SessionFilter(live=False))
    finally:
        await store.close()
    assert {record.id: record.state for record in listed} == {
        UUID.format(1): "wait_pack_approval",
        UUID.format(2): "",
    }
    assert all(isinstance(record.updated_at, float) for record in listed)


# -- environments -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def environments_url(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> Iterator[str]:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        shutil.copy(sqlite_template, tmp_path / "environments.db")
        yield f"sqlite:///{tmp_path}/environments.db"
        return
    server: Any = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


async def restarted(stage: Stage, folder: Path, **envs: str) -> None:
    """The same bots on the same database, in another environment."""
    await stage.stop()
    stage.settings = settings_for(stage.settings.store.url, folder, stage.sim.url, stage.app, **envs)
    await stage.start()


@pytest.mark.req("E0-5", "S0-12", "S0-19", "S0-23")
async def test_what_one_environment_remembers_another_never_sees(environments_url: str, tmp_path: Path) -> None:
    """One person, one bot, one database: `prod`, then `dev`, then `prod` again. Each goes on where it was."""
    async with staged(environments_url, tmp_path, alpha="prod") as stage:
        ann = await stage.person(credits=10)
        prod = await stage.put(ann, "wait_pack_approval")
        assert prod.env == "prod"

        await restarted(stage, tmp_path, alpha="dev")
        for data in (f"pack.cancel:{prod.id}:7", f"pack.cancel:{prod.id}", "pack.cancel"):
            answer = await stage.answered(ann, data)
            assert answer["text"] == "This menu is outdated. Start again, please."
        dev = await stage.begins(ann, "pack photo")
        assert dev.env == "dev"
        assert await stage.session(prod.id) == prod
        assert (await stage.answered(ann, "pack.try"))["text"] == ""
        assert await stage.where(dev.id) == ("wait_pack_preview_payment", 2)

        await restarted(stage, tmp_path, alpha="prod")
        assert (await stage.answered(ann, f"pack.back.carousel:{dev.id}:2"))["text"].startswith("This menu is outdated")
        assert (await stage.answered(ann, "pack.cancel"))["text"] == ""
        assert await stage.where(prod.id) == ("canceled", 8)
        assert await stage.where(dev.id) == ("wait_pack_preview_payment", 2)
        found = {record.env: record.id for record in await stage.sessions(user_id=ann.id, live=False)}
        assert found == {"prod": prod.id, "dev": dev.id}
