"""The ack ledger: a client writes down every 200, the platform is killed again and again, and the books must agree."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from crash_stage import Ledger, LedgerStore, Life, all_marks, asyncio, judge, wait_recorded, wait_sending, wait_settled

KILLS = int(os.environ.get("POSTHOUSE_TEST_KILLS", "50"))


@asynccontextmanager
async def writing(ledger: Ledger) -> AsyncIterator[Ledger]:
    """The ledger's chats write until the end of the `with`."""
    ledger.write()
    try:
        yield ledger
    finally:
        await ledger.cancel()


async def kill_again_and_again(store: LedgerStore, ledger: Ledger, kills: int) -> Life:
    """Start, load, kill; returns the life that is left at the end."""
    moments = random.Random(ledger.seed)
    life = await Life.spawn(store, "life-0", waits=True)
    for number in range(1, kills + 1):
        following = await Life.spawn(store, f"life-{number}", waits=True)  # ready to go when this one is dead
        await life.go()
        ledger.goes_to(life.port)
        await wait_sending(store, f"life-{number - 1}")  # on a busy machine eight lives in a row may get nowhere
        await wait_settled(store, ledger, lives=3)
        await asyncio.sleep(moments.uniform(0.0, 0.3))  # a moment that nobody chose is what is tested
        await life.kill()
        ledger.goes_to()
        life = following
    await life.go()
    ledger.goes_to(life.port)
    return life


async def close_the_books(store: LedgerStore, ledger: Ledger, *lives: Life) -> str:
    """Drain, stop, judge; returns the figures."""
    await ledger.finish()
    await wait_recorded(store, all_marks(ledger.acked))
    for life in lives:
        await life.stop()
    verdict = await judge(store, ledger)
    verdict.check()
    return (
        f"acked {len(ledger.acked)}, lost {len(verdict.lost)}, twice {len(verdict.twice)}; "
        f"repeated by the client {ledger.repeated}, answers lost {ledger.answers_lost}; "
        f"sends {verdict.sends}, of them again after a kill {verdict.resends}"
    )


async def test_no_acked_update_is_lost_and_nothing_happens_twice(
    ledger_store: LedgerStore, report: Callable[[str], None]
) -> None:
    """Whatever moment the process is killed at, an acked update has each of its effects exactly once, in order."""
    async with writing(Ledger(pause_s=0.02)) as ledger:
        last = await kill_again_and_again(ledger_store, ledger, KILLS)
        report(f"kills {KILLS}, {await close_the_books(ledger_store, ledger, last)}")
    assert len(ledger.acked) > KILLS


@pytest.mark.soak
async def test_the_books_agree_after_a_thousand_kills(ledger_store: LedgerStore, report: Callable[[str], None]) -> None:
    """The same for a long time."""
    async with writing(Ledger(pause_s=0.02, seed=2)) as ledger:
        last = await kill_again_and_again(ledger_store, ledger, 1_000)
        report(f"kills 1000, {await close_the_books(ledger_store, ledger, last)}")
