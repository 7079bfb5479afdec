"""SQLite's lanes in memory never know less, or more, than the rows on disk, whatever arrives in which order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from posthouse.adapters.sqlite import SqliteSettings, SqliteStore
from posthouse.adapters.sqlite.schema import migrate
from posthouse.core.effects import Effects
from posthouse.core.entries import Incoming
from posthouse.core.leases import Lease, Settlement

BOT, LANE = 7, 70


def incoming(number: int) -> Incoming:
    return Incoming(BOT, LANE, number, b'{"update_id":%d}' % number)


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = str(tmp_path / "lanes.db")
    migrate(file)
    return file


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(SqliteSettings(path))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def run_all(store: SqliteStore, *first: Lease, depth: int = 4) -> list[int]:
    """Take and finish until nothing is claimable; returns the entries in the order in which they ran."""
    ran: list[int] = []
    leases = list(first)
    while leases:
        for lease in leases:
            numbers = [entry.entry_id for entry in lease.entries]
            ran += numbers
            assert await store.turns.settle([Settlement(lease, numbers, Effects())]) == [True]
        leases = await store.turns.claim(10, depth)
    return ran


def reading_slowly(store: SqliteStore, meanwhile: Callable[[], Any]) -> None:
    """Let something happen after a lane was read from disk and before the reader hears of it."""
    core: Any = store._core
    read = core.read

    async def read_slowly(query: Any) -> Any:
        found = await read(query)
        core.read = read
        await meanwhile()
        return found

    core.read = read_slowly


@pytest.mark.parametrize("late", [[5], [15], [25], [5, 15, 25], [25, 15, 5]])
@pytest.mark.parametrize("depth", [1, 2, 4])
async def test_an_update_that_arrives_while_its_lane_is_read_is_run(path: str, late: list[int], depth: int) -> None:
    """Whether its place is before, between or behind what is read: nothing waits for a restart."""
    async with opened(path) as store:
        await store.inbox.ingest([incoming(10), incoming(20)])
    async with opened(path) as store:
        reading_slowly(store, lambda: store.inbox.ingest([incoming(number) for number in late]))
        ran = await run_all(store, *await store.turns.claim(10, depth), depth=depth)
        assert sorted(ran) == sorted([10, 20, *late])


@pytest.mark.parametrize("late", [[5], [15], [25]])
async def test_an_update_that_is_stored_before_its_lane_is_read_is_run_once(path: str, late: list[int]) -> None:
    """The row that the reading already saw is not put into the lane a second time."""
    async with opened(path) as store:
        await store.inbox.ingest([incoming(10), incoming(20)])
    async with opened(path) as store:
        core: Any = store._core
        read = core.read

        async def read_late(query: Any) -> Any:
            core.read = read
            await store.inbox.ingest([incoming(number) for number in late])
            return await read(query)

        core.read = read_late
        ran = await run_all(store, *await store.turns.claim(10, 4))
        assert sorted(ran) == sorted([10, 20, *late])


async def test_a_smaller_update_runs_before_the_rest_of_a_long_lane(path: str) -> None:
    """A lane that is longer than its window in memory takes what belongs in front in order, and forgets nothing."""
    async with opened(path) as store:
        numbers = list(range(100, 400, 2))
        await store.inbox.ingest([incoming(number) for number in numbers])
        leases = await store.turns.claim(10, 4)
        await store.inbox.ingest([incoming(number) for number in (1, 131, 399, 401)])
        ran = await run_all(store, *leases)
        assert sorted(ran) == sorted([*numbers, 1, 131, 399, 401])
        assert ran[4:] == sorted(ran[4:])
