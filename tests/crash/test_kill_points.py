"""A process that dies at a named point of the road: what the next one finds there, and what it makes of it."""

from __future__ import annotations

import pytest
from crash_stage import Ledger, LedgerStore, Life, all_marks, asyncio, judge, recorded, wait_recorded

POINTS = [
    "ingesting",
    "ingested",
    "claimed",
    "performed",
    "settled",
    "transacting",
    "transacted",
    "delivery claimed",
    "sent",
    "delivered",
    "timers fired",
    "job claimed",
    "job done",
    "job settled",
]
# Chats and their numbers: 1001 and 1012 queue a job, 1001 starts a timer, 1003 fails at its first try.
NUMBERS = {1: [1000, 1001, 1002], 2: [1003, 1004, 1005], 3: [1010, 1012], 4: [1014]}


@pytest.mark.parametrize("point", POINTS)
async def test_a_death_at_this_point_loses_nothing_and_does_nothing_twice(
    ledger_store: LedgerStore, point: str
) -> None:
    """Each update has its effects exactly once; only a message that was on the wire may be sent again."""
    ledger = Ledger(chats=len(NUMBERS), in_order=len(NUMBERS), lost=0.0)
    first = await Life.start(ledger_store, "first", kill_at=point, kill_after=2 if point == "settled" else 1)
    ledger.goes_to(first.port)
    senders = [asyncio.create_task(ledger.send(chat, numbers)) for chat, numbers in NUMBERS.items()]
    assert await first.dead() == -9, f"nobody came by {point!r}"
    acked_before = set(ledger.acked)
    ledger.goes_to()
    second = await Life.start(ledger_store, "second")
    ledger.goes_to(second.port)
    async with asyncio.timeout(30):
        await asyncio.gather(*senders)
    await wait_recorded(ledger_store, all_marks(ledger.acked))
    await second.stop()
    verdict = await judge(ledger_store, ledger)
    verdict.check()
    if point in ("ingesting", "ingested"):
        assert acked_before == set()  # no 200 before the commit, and none after a death
    if point in ("ingesting", "ingested", "claimed", "delivery claimed"):
        assert verdict.resends == 0  # nothing had left yet
    if point == "sent":
        assert verdict.resends > 0  # left, and nobody wrote it down: Telegram has no idempotency key


async def test_an_update_that_kills_the_process_becomes_a_dead_letter(ledger_store: LedgerStore) -> None:
    """A crash is a try: after the last, which it has alone, the update is buried, and its chat and all others go on."""
    tries = 3
    ledger = Ledger(chats=2, in_order=2, lost=0.0)
    life = await Life.start(ledger_store, "life-0", settings={"attempts_max": tries})
    ledger.goes_to(life.port)
    await asyncio.gather(ledger.send(1, [1]), ledger.send(2, [10]))
    await wait_recorded(ledger_store, {"update-1", "update-10"})
    writers = [asyncio.create_task(ledger.send(1, [2], "bomb"))]
    deaths = 0
    while deaths <= tries + 1:
        if await life.dies_within(3):
            deaths += 1
            ledger.goes_to()
            life = await Life.start(ledger_store, f"life-{deaths}", settings={"attempts_max": tries})
            ledger.goes_to(life.port)
        else:
            break
    writers += [asyncio.create_task(ledger.send(1, [3])), asyncio.create_task(ledger.send(2, [11]))]
    await wait_recorded(ledger_store, {"update-1", "update-3", "update-10", "update-11"}, within_s=20)
    await asyncio.gather(*writers)
    await life.stop()
    # One alone; and SQLite learns of a first try only from the crash: one run more than are counted.
    assert [text for _, text in recorded(ledger_store)].count("bomb") in (tries + 1, tries + 2)
    sessions, left = await ledger_store.look([1, 2])
    assert sessions[1]["seen"] == [1, 3]
    assert sessions[2]["seen"] == [10, 11]
    (letter,) = left["dead"]
    assert letter.reason == "HandlerCrash"


async def test_what_ran_beside_a_killer_is_not_buried_with_it(ledger_store: LedgerStore) -> None:
    """Tries that were used up by somebody else's crashes are not held against an entry: it gets one more, alone."""
    tries, innocents = 2, {chat: 10 * chat for chat in range(2, 6)}
    settings = {"attempts_max": tries}
    ledger = Ledger(chats=len(innocents) + 1, in_order=len(innocents) + 1, lost=0.0)
    life = await Life.start(ledger_store, "life-0", settings=settings)
    ledger.goes_to(life.port)
    writers = [asyncio.create_task(ledger.send(chat, [number], "slow")) for chat, number in innocents.items()]
    writers.append(asyncio.create_task(ledger.send(1, [1], "late bomb")))
    deaths = 0
    while await life.dies_within(5):
        deaths += 1
        assert deaths <= tries + 2
        ledger.goes_to()
        life = await Life.start(ledger_store, f"life-{deaths}", settings=settings)
        ledger.goes_to(life.port)
    await asyncio.gather(*writers)
    await wait_recorded(ledger_store, {f"update-{number}" for number in innocents.values()}, within_s=20)
    await life.stop()
    _, left = await ledger_store.look([1])
    assert [(letter.lane, letter.reason) for letter in left["dead"]] == [(1, "HandlerCrash")]
    assert left["inbox"] == []
