"""Stores to crash on. The modules beside this file are also what the crashed process imports."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))

from crash_stage import LedgerStore, Life, PostgresLedgerStore, SqliteLedgerStore

Report = Callable[[str], None]


@pytest.fixture(autouse=True)
async def no_life_left() -> AsyncIterator[None]:
    """Processes that a failed test has left behind are killed."""
    yield
    for life in list(Life.living):
        await life.kill()


@pytest.fixture
async def postgres_ledger(postgres_server: Any, tmp_path: Path) -> PostgresLedgerStore:
    """A fresh database on PostgreSQL."""
    import asyncio

    store = await asyncio.to_thread(PostgresLedgerStore, tmp_path, postgres_server)
    await store.prepare()
    return store


@pytest.fixture
def sqlite_ledger(tmp_path: Path) -> SqliteLedgerStore:
    """A fresh database file."""
    return SqliteLedgerStore(tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_store(request: pytest.FixtureRequest) -> LedgerStore:
    """Each store in turn."""
    store: LedgerStore = request.getfixturevalue(f"{request.param}_ledger")
    return store


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Says a line of figures, which the run prints at its end."""

    def say(line: str) -> None:
        record_property("figures", line)

    return say


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long runs only when they are asked for: `-m soak`."""
    if "soak" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("soak") is not None:
            item.add_marker(pytest.mark.skip(reason="a long run: pytest -m soak"))
