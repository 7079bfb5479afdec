"""Recovery, retention and gauges."""

from __future__ import annotations

import pytest

from posthouse.core.effects import Effects
from posthouse.ports.store import Filter, Store
from posthouse.testing.contracts.examples import (
    QUEUE,
    buried,
    claim_delivery,
    claim_job,
    claim_one,
    done,
    ids,
    job,
    say,
    sent,
    state,
    turn,
    undone,
    unlimited,
    update,
    want,
)
from posthouse.testing.contracts.maker import Lack, StoreMaker, need, reopened

HOUR = 3600.0
WINDOW = 48 * HOUR


async def prune(store: Store) -> int:
    """Prune with the default windows until nothing goes any more."""
    total = 0
    while gone := await store.upkeep.prune(seen_s=WINDOW, dead_letters_s=30 * 24 * HOUR):
        total += gone
    return total


class ReapContract:
    async def test_there_is_nothing_to_reap_while_all_live(self, store: Store) -> None:
        """Reaping frees nothing that a living process holds in time."""
        unlimited(store)
        await want(store, say("a"), job())
        await store.inbox.ingest([update(1)])
        lease, delivery, work = await claim_one(store), await claim_delivery(store), await claim_job(store)
        reaped = await store.upkeep.reap()
        assert (reaped.lanes, reaped.deliveries, reaped.jobs) == (0, 0, 0)
        assert await store.turns.settle([done(lease)]) == [True]
        assert await store.outbox.settle([sent(delivery)]) == [True]
        assert await store.jobs.extend([work], ttl_s=60) == []

    @pytest.mark.req("S1-49")
    async def test_what_a_crash_left_is_freed_once(self, store: Store, store_maker: StoreMaker) -> None:
        """After a crash everything that was held can be claimed again, and a second reap finds nothing."""
        unlimited(store)
        await want(store, say("a"), job())
        await store.inbox.ingest([update(1), update(2, lane=2)])
        await store.turns.claim(8, 8)
        await claim_delivery(store)
        await claim_job(store)
        successor = await reopened(store_maker, store)
        unlimited(successor)
        second = await successor.upkeep.reap()
        assert (second.lanes, second.deliveries, second.jobs, second.workers) == (0, 0, 0, 0)
        assert len(await successor.turns.claim(8, 8)) == 2
        await claim_delivery(successor)
        await claim_job(successor)

    async def test_a_neighbour_frees_what_a_crash_left(self, store: Store, store_maker: StoreMaker) -> None:
        """Where processes share the data, a living one frees what a dead one held, and counts it."""
        need(store_maker, Lack.SHARING, Lack.CRASHING)
        unlimited(store)
        await want(store, say("a"), job())
        await store.inbox.ingest([update(1), update(2, lane=2)])
        neighbour = await store_maker.open()
        unlimited(neighbour)
        assert len(await store.turns.claim(8, 8)) == 2
        await claim_delivery(store)
        await claim_job(store)
        assert (await neighbour.upkeep.reap()).lanes == 0
        await store_maker.crash(store)
        reaped = await neighbour.upkeep.reap()
        assert (reaped.lanes, reaped.deliveries, reaped.jobs, reaped.workers) == (2, 1, 1, 1)
        assert len(await neighbour.turns.claim(8, 8)) == 2
        await claim_delivery(neighbour)
        await claim_job(neighbour)

    async def test_a_clean_close_leaves_nothing_to_reap(self, store: Store, store_maker: StoreMaker) -> None:
        """After a clean close nothing is held: the next process claims at once."""
        await store.inbox.ingest([update(1)])
        await claim_one(store)
        await store.close()
        successor = await store_maker.open()
        assert ids(await claim_one(successor)) == [1]

    async def test_a_store_may_be_closed_twice(self, store: Store) -> None:
        """Closing again is harmless."""
        await store.close()
        await store.close()


class PruneContract:
    @pytest.mark.req("B-13")
    async def test_ids_are_remembered_for_their_window(self, store: Store, store_maker: StoreMaker) -> None:
        """An update id is a duplicate for the whole window, whatever is pruned, and forgotten after it."""
        await turn(store, update(1))
        await store_maker.elapse(WINDOW - HOUR)
        await prune(store)
        assert await store.inbox.ingest([update(1)]) == [False]
        await store_maker.elapse(2 * HOUR)
        assert await prune(store) >= 1
        assert await prune(store) == 0
        assert await store.inbox.ingest([update(1)]) == [True]

    async def test_what_waits_is_never_pruned(self, store: Store, store_maker: StoreMaker) -> None:
        """Whatever its age, what still waits stays, and is still a duplicate."""
        unlimited(store)
        await want(store, say("a"), job(), state("a", b"1"))
        await store.inbox.ingest([update(1)])
        await store_maker.elapse(100 * WINDOW)
        await prune(store)
        assert await store.inbox.ingest([update(1)]) == [False]
        lease = await claim_one(store)
        assert (ids(lease), lease.states) == ([1], {"a": b"1"})
        await claim_delivery(store)
        await claim_job(store)

    async def test_a_pruned_store_after_a_crash_still_runs_in_order(
        self, store: Store, store_maker: StoreMaker
    ) -> None:
        """Pruning done entries of a lane disturbs neither the entries that wait nor a lease."""
        await store.inbox.ingest([update(1), update(2), update(3)])
        lease = await claim_one(store, depth=1)
        await store.turns.settle([done(lease)])
        lease = await claim_one(store, depth=1)
        await store_maker.elapse(2 * WINDOW)
        await store.turns.extend([lease])
        await prune(store)
        successor = await reopened(store_maker, store)
        lease = await claim_one(successor)
        assert ids(lease)[0] == 2
        await successor.turns.settle([done(lease, 2)])
        assert ids(await claim_one(successor)) == [3]

    async def test_open_dead_letters_stay(self, store: Store, store_maker: StoreMaker) -> None:
        """Dead letters that wait for an operator stay; closed ones go after their window."""
        for update_id in (1, 2, 3):
            await store.inbox.ingest([update(update_id)])
            await store.turns.settle([buried(await claim_one(store))])
        rows = await store.desk.list("dead", Filter())
        await store.desk.discard([rows[0].id])
        await store_maker.elapse(31 * 24 * HOUR)
        assert await prune(store) >= 1
        assert [row.id for row in await store.desk.list("dead", Filter())] == [row.id for row in rows[1:]]

    async def test_a_dead_letter_outlives_its_update_id(self, store: Store, store_maker: StoreMaker) -> None:
        """An entry that died can be replayed, whole, after its update id was forgotten."""
        await store.inbox.ingest([update(1, payload=b"body")])
        await store.turns.settle([buried(await claim_one(store))])
        await store_maker.elapse(2 * WINDOW)
        await prune(store)
        [row] = await store.desk.list("dead", Filter())
        assert await store.desk.replay([row.id]) == [row.id]
        lease = await claim_one(store)
        assert [(entry.entry_id, entry.payload) for entry in lease.entries] == [(1, b"body")]
        assert await store.turns.settle([done(lease)]) == [True]


class GaugesContract:
    async def test_an_empty_store_has_nothing_to_show(self, store: Store) -> None:
        """Every gauge of an empty store is 0."""
        gauges = await store.upkeep.gauges()
        shown = [getattr(gauges, name) for name in gauges.__struct_fields__ if name != "capped_at"]
        assert shown == [0] * len(shown)

    @pytest.mark.req("C1-15")
    async def test_gauges_count_what_is_there(self, store: Store, store_maker: StoreMaker) -> None:
        """Gauges count lanes, deliveries, jobs and open dead letters, and say how old the oldest are."""
        unlimited(store)
        await turn(store, update(1, lane=1), effects=Effects(deliveries=[say("a"), say("b")], jobs=[job(), job()]))
        await store.inbox.ingest([update(2, lane=2)])
        await store.turns.settle([buried(await claim_one(store))])
        await store.inbox.ingest([update(3, lane=3)])
        await store.turns.settle([undone(await claim_one(store), hold="exhausted")])
        await store.inbox.ingest([update(4, lane=4)])
        await claim_one(store)
        await store.jobs.claim({QUEUE: 1}, ttl_s=1000)
        await store.inbox.ingest([update(5, lane=5), update(6, lane=6), update(7, lane=6)])
        await store_maker.elapse(10)
        gauges = await store.upkeep.gauges()
        assert (gauges.lanes_waiting, gauges.lanes_leased, gauges.lanes_blocked) == (2, 1, 1)
        assert (gauges.outbox_waiting, gauges.jobs_waiting, gauges.jobs_running) == (2, 1, 1)
        assert gauges.dead_letters_open == 1
        assert 9 <= gauges.oldest_waiting_s < 60
        assert 9 <= gauges.oldest_delivery_s < 60

    async def test_gauges_fall_back_to_nothing(self, store: Store) -> None:
        """When the work is done the gauges are 0 again."""
        unlimited(store)
        await turn(store, update(1), effects=Effects(deliveries=[say("a")], jobs=[job()]))
        await store.outbox.settle([sent(await claim_delivery(store))])
        await store.desk.cancel_job((await claim_job(store)).id)
        gauges = await store.upkeep.gauges()
        assert (gauges.lanes_waiting, gauges.lanes_leased, gauges.outbox_waiting, gauges.jobs_waiting) == (
            0,
            0,
            0,
            0,
        )

    async def test_the_schema_is_the_one_wanted(self, store: Store) -> None:
        """An open store has the schema that the program wants."""
        has, wants = await store.upkeep.schema()
        assert has == wants


class UpkeepContract(ReapContract, PruneContract, GaugesContract):
    """All that is promised of upkeep."""
