"""Credits under many hands at once, on PostgreSQL, where transactions really run side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from posthouse_apps.stickers import credits
from posthouse_apps.stickers.credits import Trial


@pytest.fixture
async def engine(postgres_database: str) -> AsyncIterator[AsyncEngine]:
    """The tables, as the platform makes them."""
    engine = create_async_engine(postgres_database.replace("postgresql://", "postgresql+asyncpg://"), pool_size=12)
    async with engine.begin() as connection:
        await connection.run_sync(credits.metadata.create_all)
    yield engine
    await engine.dispose()


async def at_once(engine: AsyncEngine, function: Callable[..., Any], *calls: tuple[Any, ...]) -> list[Any]:
    """Each call in a transaction of its own, all at the same time."""

    async def one(arguments: tuple[Any, ...]) -> Any:
        async with engine.begin() as connection:
            return await connection.run_sync(function, *arguments)

    return await asyncio.gather(*(one(arguments) for arguments in calls))


@pytest.mark.req("C0-18")
async def test_the_last_credit_is_taken_once(engine: AsyncEngine) -> None:
    """Twelve pictures are asked for at the same moment by somebody who has one credit: one is paid."""
    assert await at_once(engine, credits.grant_trial, (1, 0.0)) == [Trial.GIVEN]
    taken = await at_once(engine, credits.take, *[(1, 1, f"key-{number}", 0.0) for number in range(12)])
    assert sorted(taken) == [False] * 11 + [True]
    assert await at_once(engine, credits.balance, (1,)) == [0]


@pytest.mark.req("C0-14", "C0-18")
async def test_what_is_given_is_given_once(engine: AsyncEngine) -> None:
    """The day's credits and a refund, each asked for twelve times at once by one person."""
    assert sum(await at_once(engine, credits.grant_daily, *[(1, 0.0)] * 12)) == credits.DAILY
    assert await at_once(engine, credits.take, (1, 3, "key", 0.0)) == [True]
    assert sum(await at_once(engine, credits.give_back, *[("key", 0.0)] * 12)) == 3
    assert await at_once(engine, credits.balance, (1,)) == [credits.DAILY]


@pytest.mark.req("C0-16")
async def test_no_more_trials_are_given_than_a_day_has(engine: AsyncEngine) -> None:
    """Thirty people ask at once, some of them twice: twenty credits leave the house."""
    asked = [(number % 30, 0.0) for number in range(40)]
    given = await at_once(engine, credits.grant_trial, *asked)
    assert given.count(Trial.GIVEN) <= credits.TRIALS_PER_DAY
    has = await at_once(engine, credits.balance, *[(number,) for number in range(30)])
    assert sum(has) == given.count(Trial.GIVEN)
    assert max(has) == 1
