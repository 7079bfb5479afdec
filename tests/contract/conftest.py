"""Every adapter behind one fixture: `store_maker` opens stores on its own data, crashes them, lets time pass.

    model      the model itself, so that the suite is known to be satisfiable
    sqlite     a crash is a copy of the files as they lie on the disk; time is a clock that is moved
    postgres   a crash is the end of all of the store's connections; time passes by shifting what is stored
               (`tests/support_postgres.py`)

Adapters are imported inside the makers, so that one that is broken fails its own tests only.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("posthouse.testing.contracts")

from posthouse.ports.store import Store  # noqa: E402 (after the registration above)
from posthouse.testing.clock import ManualClock  # noqa: E402
from posthouse.testing.contracts.maker import Lack, StoreMaker  # noqa: E402
from posthouse.testing.contracts.model import Model, ModelStore  # noqa: E402


class ModelMaker:
    """Stores on one `Model`."""

    name = "model"
    lease_ttl_s = 30.0
    lacks = frozenset({Lack.SHARING})

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.model = Model()
        self.living: ModelStore | None = None

    async def open(self) -> Store:
        self.living = ModelStore(self.clock, self.model, lease_ttl_s=self.lease_ttl_s)
        await self.living.open()
        return self.living

    async def crash(self, store: Store) -> None:
        assert isinstance(store, ModelStore)
        store.abandon()

    async def elapse(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def stall(self, connection: Any) -> None:
        self.clock.advance(1)

    async def close(self) -> None:
        self.model.engine.dispose()


class SqliteMaker:
    """Stores on one file. A crash leaves the old store on the old file and goes on with a copy of it."""

    name = "sqlite"
    lease_ttl_s = 30.0
    lacks = frozenset({Lack.SHARING})

    def __init__(self, template: Path, folder: Path) -> None:
        self.clock = ManualClock()
        self.folder = folder
        self.lives = 0
        self.opened: list[Store] = []
        self.path.parent.mkdir(parents=True)
        shutil.copy(template, self.path)

    @property
    def path(self) -> Path:
        return self.folder / f"life-{self.lives}" / "posthouse.db"

    async def open(self) -> Store:
        from posthouse.adapters.sqlite import SqliteSettings, SqliteStore

        store = SqliteStore(
            SqliteSettings(path=str(self.path), lease_ttl_s=self.lease_ttl_s, delivery_ttl_s=self.lease_ttl_s),
            self.clock,
        )
        await store.open()
        self.opened.append(store)
        return store

    async def crash(self, store: Store) -> None:
        before = self.path
        self.lives += 1
        self.path.parent.mkdir()
        for suffix in ("-wal", ""):  # the log first: what a checkpoint may move meanwhile is then in both
            source = before.with_name(before.name + suffix)
            if source.exists():
                shutil.copy(source, self.path.with_name(source.name))

    async def elapse(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def stall(self, connection: Any) -> None:
        time.sleep(0.12)

    async def close(self) -> None:
        for store in self.opened:
            await store.close()


def postgres_makers(server: Any) -> Iterator[Callable[[], StoreMaker]]:
    """A function that makes makers, each on a new database; the one before is dropped."""
    from support_postgres import PostgresMaker

    names: list[str] = []

    def drop() -> None:
        while names:
            server.drop_database(names.pop())

    def make() -> StoreMaker:
        drop()
        names.append(server.create_database())
        return PostgresMaker(server.url(names[-1]))

    yield make
    drop()


@pytest.fixture(params=["model", "sqlite", "postgres"])
def new_maker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], StoreMaker]]:
    """Makes makers, each on data of its own; one at a time is in use. Called where no event loop runs."""
    if request.param == "model":
        yield ModelMaker
    elif request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield lambda: SqliteMaker(template, tmp_path_factory.mktemp("store"))
    else:
        yield from postgres_makers(request.getfixturevalue("postgres_server"))


@pytest.fixture
def made(new_maker: Callable[[], StoreMaker]) -> StoreMaker:
    """A maker, made outside the event loop."""
    return new_maker()


@pytest.fixture
async def store_maker(made: StoreMaker) -> AsyncIterator[StoreMaker]:
    """Opens stores on the test's own data, and closes them at its end."""
    yield made
    await made.close()


@pytest.fixture
async def store(store_maker: StoreMaker) -> Store:
    """An open store on empty data."""
    return await store_maker.open()
