"""What can happen to PostgreSQL under load, and what two processes make of each other's deaths."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from crash_stage import (
    Ledger,
    Life,
    PostgresLedgerStore,
    all_marks,
    asyncio,
    judge,
    recorded,
    wait_recorded,
)
from ledger_app import digest_after

Report = Callable[[str], None]
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@asynccontextmanager
async def writing(ledger: Ledger) -> AsyncIterator[Ledger]:
    ledger.write()
    try:
        yield ledger
    finally:
        await ledger.cancel()


async def close_the_books(store: PostgresLedgerStore, ledger: Ledger, *lives: Life) -> str:
    """Drain, stop, judge; returns the figures."""
    await ledger.finish()
    await wait_recorded(store, all_marks(ledger.acked))
    for life in lives:
        await life.stop()
    verdict = await judge(store, ledger)
    verdict.check()
    return f"acked {len(ledger.acked)}, lost 0, twice 0, sends {verdict.sends}, again {verdict.resends}"


async def acked(ledger: Ledger, more: int, life: Life) -> None:
    """Wait until so many more updates have their 200; the ledger tells nobody, so it is asked."""
    goal = len(ledger.acked) + more
    try:
        async with asyncio.timeout(40):
            while len(ledger.acked) < goal:
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"no update is acknowledged any more:\n{await life.tell()}") from None


async def test_connections_that_are_cut_under_load_lose_nothing(
    postgres_ledger: PostgresLedgerStore, report: Report
) -> None:
    """Every backend of the platform is terminated, ten times: it connects again, and the books agree."""
    ledger = Ledger(chats=16, in_order=8, pause_s=0.03)
    life = await Life.start(postgres_ledger, "only")
    ledger.goes_to(life.port)
    async with writing(ledger):
        for _ in range(10):
            await acked(ledger, 40, life)
            await postgres_ledger.query(TERMINATE)
        report(f"cuts 10, {await close_the_books(postgres_ledger, ledger, life)}")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_of_the_server_under_load_loses_nothing(
    postgres_ledger: PostgresLedgerStore, report: Report, mode: str
) -> None:
    """While PostgreSQL is away updates are refused, so that Telegram keeps them; afterwards everything goes on."""
    ledger = Ledger(chats=16, in_order=8, pause_s=0.03)
    life = await Life.start(postgres_ledger, "only")
    ledger.goes_to(life.port)
    async with writing(ledger):
        await acked(ledger, 100, life)
        await asyncio.to_thread(postgres_ledger.server.restart, mode=mode)
        await acked(ledger, 100, life)
        report(f"restart {mode}, {await close_the_books(postgres_ledger, ledger, life)}")


async def test_kills_beside_a_transaction_that_stays_open_lose_nothing(
    postgres_ledger: PostgresLedgerStore, report: Report
) -> None:
    """Somebody's forgotten transaction pins old row versions; leases and recovery do not depend on vacuum."""
    idle: Any = await asyncpg.connect(postgres_ledger.url)
    try:
        await idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await idle.fetch("SELECT count(*) FROM inbox")
        ledger = Ledger(chats=16, in_order=8, pause_s=0.03)
        moments = random.Random(3)
        async with writing(ledger):
            for number in range(5):
                life = await Life.start(postgres_ledger, f"life-{number}")
                ledger.goes_to(life.port)
                await asyncio.sleep(moments.uniform(0.1, 0.4))  # a moment that nobody chose
                await life.kill()
                ledger.goes_to()
            last = await Life.start(postgres_ledger, "last")
            ledger.goes_to(last.port)
            report(f"kills 5, {await close_the_books(postgres_ledger, ledger, last)}")
    finally:
        await idle.close()


@pytest.mark.parametrize("pool_max", [1, 2])
async def test_a_pool_that_is_too_small_is_slow_and_not_wrong(
    postgres_ledger: PostgresLedgerStore, report: Report, pool_max: int
) -> None:
    """Forty chats on one or two connections: nothing deadlocks, nothing is given up."""
    ledger = Ledger(chats=40, in_order=20, pause_s=0.02)
    life = await Life.start(postgres_ledger, "only", settings={"pool_max": pool_max})
    ledger.goes_to(life.port)
    async with writing(ledger):
        await acked(ledger, 300, life)
        report(f"pool_max {pool_max}, {await close_the_books(postgres_ledger, ledger, life)}")


@pytest.mark.req("E1-16")
async def test_two_processes_that_are_killed_in_turn_end_like_one_that_never_was(
    postgres_ledger: PostgresLedgerStore, report: Report
) -> None:
    """Thirty chats, no sticky sessions, random kills: each chat's state is that of a single-threaded reference."""
    kills = 10
    ledger = Ledger(chats=30, in_order=30, pause_s=0.1, duplicates=0.1)
    moments = random.Random(4)
    lives = [await Life.start(postgres_ledger, f"life-{number}") for number in range(2)]
    async with writing(ledger):
        ledger.goes_to(*(life.port for life in lives))
        for number in range(2, 2 + kills):
            await asyncio.sleep(moments.uniform(0.05, 0.4))  # a moment that nobody chose
            victim = moments.randrange(2)
            survivor = lives[1 - victim]
            await lives[victim].kill()
            ledger.goes_to(survivor.port)
            lives[victim] = await Life.start(postgres_ledger, f"life-{number}")
            ledger.goes_to(*(life.port for life in lives))
        report(f"kills {kills} of two processes, {await close_the_books(postgres_ledger, ledger, *lives)}")
    sessions, _ = await postgres_ledger.look(ledger.chat_ids)
    for chat in ledger.chat_ids:
        numbers = sorted(number for number, of in ledger.acked.items() if of == chat)
        digest = ""
        for number in numbers:
            digest = digest_after(digest, number)
        assert (sessions[chat]["seen"], sessions[chat]["digest"]) == (numbers, digest)


async def test_the_chats_of_a_killed_process_run_again_at_once(
    postgres_ledger: PostgresLedgerStore, report: Report
) -> None:
    """What a dead process held is taken over as soon as the reaper of the other one sees that its lock is gone."""
    chats = list(range(1, 11))
    ledger = Ledger(chats=len(chats), in_order=len(chats), lost=0.0)
    holder = await Life.start(postgres_ledger, "holder")
    ledger.goes_to(holder.port)
    await asyncio.gather(*(ledger.send(chat, [chat], "hold") for chat in chats))
    await wait_recorded(postgres_ledger, {f"held-{chat}" for chat in chats})
    other = await Life.start(postgres_ledger, "other")
    assert not any(text.startswith("update-") for _, text in recorded(postgres_ledger))
    killed = time.monotonic()
    await holder.kill()
    await wait_recorded(postgres_ledger, {f"update-{chat}" for chat in chats}, within_s=20)
    took_s = time.monotonic() - killed
    report(f"kill -9 of one of two processes: its {len(chats)} chats ran and were answered again after {took_s:.2f} s")
    assert took_s < 5.0
    await other.stop()
