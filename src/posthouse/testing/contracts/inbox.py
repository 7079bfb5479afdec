"""What is accepted survives, once, in order, byte for byte."""

from __future__ import annotations

import asyncio
import random

import pytest

from posthouse.core.entries import LANE_KEY_BOUND, UPDATE_ID_MAX
from posthouse.ports.store import Store
from posthouse.testing.contracts.examples import BOT, LANE, claim_one, done, ids, turn, update
from posthouse.testing.contracts.maker import StoreMaker, reopened

BODIES = {
    "unicode": '{"text":"héllo, мир, 你好 \U0001f469‍\U0001f680"}'.encode(),
    "a NUL escape": rb'{"text":"a\u0000b"}',
    "a lone surrogate escape": rb'{"text":"\ud83d"}',
    "space and key order": b'{ "b" : 1.0,\n\t"a":2 , "a":3 }\n',
    "not UTF-8": b'\x00\xff{"broken":',
    "nothing": b"",
    "a megabyte": b'{"text":"' + b"x" * 1_000_000 + b'"}',
}


class InboxContract:
    @pytest.mark.req("S1-5", "C1-17")
    async def test_a_new_update_is_stored_and_its_lane_can_be_claimed(self, store: Store) -> None:
        """A new update is stored, and its lane can be claimed."""
        assert await store.inbox.ingest([update(10)]) == [True]
        lease = await claim_one(store)
        assert (lease.bot_id, lease.lane, ids(lease)) == (BOT, LANE, [10])

    async def test_an_empty_batch_stores_nothing(self, store: Store) -> None:
        """An empty batch is answered with an empty list."""
        assert await store.inbox.ingest([]) == []
        assert await store.turns.claim(8, 8) == []

    @pytest.mark.req("C1-17", "C1-23")
    async def test_the_same_update_again_is_a_duplicate(self, store: Store) -> None:
        """An update that waits already is a duplicate, and its first body stays."""
        await store.inbox.ingest([update(10, payload=b"first")])
        assert await store.inbox.ingest([update(10, payload=b"second")]) == [False]
        assert [entry.payload for entry in (await claim_one(store)).entries] == [b"first"]

    async def test_twice_in_one_batch_stores_the_first(self, store: Store) -> None:
        """Of two same updates in one batch the first is stored, and the others keep their answers' places."""
        batch = [update(9), update(10, payload=b"first"), update(10, payload=b"second"), update(11)]
        assert await store.inbox.ingest(batch) == [True, True, False, True]
        assert [e.payload for e in (await claim_one(store)).entries if e.entry_id == 10] == [b"first"]

    @pytest.mark.req("E1-2", "S3-43")
    async def test_the_same_update_twice_at_once_is_stored_once(self, store: Store) -> None:
        """Ten callers who bring the same update at the same time are told once that it was stored."""
        answers = await asyncio.gather(*(store.inbox.ingest([update(10), update(11)]) for _ in range(10)))
        assert sorted(first for first, _ in answers) == [False] * 9 + [True]
        assert sorted(second for _, second in answers) == [False] * 9 + [True]
        assert ids(await claim_one(store)) == [10, 11]

    async def test_batches_in_opposite_order_do_not_block_each_other(self, store: Store) -> None:
        """Batches that name the same lanes in opposite order both succeed."""
        there = [update(i, lane=i) for i in range(1, 40)]
        back = [update(100 + i, lane=i) for i in reversed(range(1, 40))]
        answers = await asyncio.gather(*(store.inbox.ingest(batch) for batch in (there, back) * 4))
        assert sum(sum(answer) for answer in answers) == 78

    async def test_an_update_that_is_done_is_still_a_duplicate(self, store: Store) -> None:
        """An update that was done is remembered: bringing it again stores nothing."""
        await turn(store, update(10))
        assert await store.inbox.ingest([update(10)]) == [False]
        assert await store.turns.claim(8, 8) == []

    async def test_an_update_that_is_leased_is_a_duplicate(self, store: Store) -> None:
        """An update whose turn runs right now is a duplicate, and does not run again afterwards."""
        await store.inbox.ingest([update(10)])
        lease = await claim_one(store)
        assert await store.inbox.ingest([update(10)]) == [False]
        assert await store.turns.settle([done(lease)]) == [True]
        assert await store.turns.claim(8, 8) == []

    async def test_an_update_is_one_of_its_bot_whatever_its_lane(self, store: Store) -> None:
        """The same id in another lane of the bot is a duplicate; of another bot it is another update."""
        assert await store.inbox.ingest([update(10)]) == [True]
        assert await store.inbox.ingest([update(10, lane=LANE + 1)]) == [False]
        assert await store.inbox.ingest([update(10, bot_id=BOT + 1)]) == [True]

    @pytest.mark.req("S3-45")
    async def test_updates_run_in_the_order_of_their_ids(self, store: Store) -> None:
        """However they arrive, the updates of a lane are claimed in the order of their ids."""
        order = list(range(1, 41))
        random.Random(7).shuffle(order)
        for start in range(0, 40, 8):
            await store.inbox.ingest([update(i) for i in order[start : start + 8]])
        seen: list[int] = []
        while leases := await store.turns.claim(8, 7):
            seen += ids(leases[0])
            await store.turns.settle([done(leases[0])])
        assert seen == list(range(1, 41))

    async def test_a_smaller_id_that_comes_late_runs_next(self, store: Store) -> None:
        """An update with a smaller id that arrives during a turn is neither lost nor done with that turn."""
        await store.inbox.ingest([update(5), update(6), update(9)])
        lease = await claim_one(store, depth=2)
        await store.inbox.ingest([update(3)])
        await store.turns.settle([done(lease)])
        assert ids(await claim_one(store)) == [3, 9]

    @pytest.mark.parametrize("name", BODIES)
    async def test_the_body_is_kept_byte_for_byte(self, store: Store, store_maker: StoreMaker, name: str) -> None:
        """The raw body comes back exactly as it was received, also from the disk."""
        await store.inbox.ingest([update(10, payload=BODIES[name])])
        assert (await claim_one(store)).entries[0].payload == BODIES[name]
        successor = await reopened(store_maker, store)
        assert (await claim_one(successor)).entries[0].payload == BODIES[name]

    async def test_the_largest_and_smallest_keys_are_kept(self, store: Store) -> None:
        """Ids at the ends of their ranges come back as they went in."""
        bound = LANE_KEY_BOUND - 1
        batch = [
            update(0, lane=-bound, bot_id=1),
            update(UPDATE_ID_MAX - 1, lane=bound, bot_id=bound),
            update(2**31 - 1, lane=0, bot_id=BOT),
        ]
        assert await store.inbox.ingest(batch) == [True, True, True]
        leases = await store.turns.claim(8, 8)
        found = {(x.bot_id, x.lane, x.entries[0].entry_id, x.entries[0].payload) for x in leases}
        assert found == {(x.bot_id, x.lane, x.update_id, x.payload) for x in batch}

    async def test_a_large_batch_is_stored_whole(self, store: Store) -> None:
        """A thousand updates of a hundred lanes in one call are all stored."""
        batch = [update(i, lane=i % 100) for i in range(1000)]
        assert await store.inbox.ingest(batch) == [True] * 1000
        leases = await store.turns.claim(200, 20)
        assert sorted(i for lease in leases for i in ids(lease)) == list(range(1000))

    @pytest.mark.req("B-10")
    async def test_what_was_accepted_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """What was accepted is there after a crash, and is still a duplicate."""
        await store.inbox.ingest([update(i, lane=i % 3) for i in range(30)])
        successor = await reopened(store_maker, store)
        assert await successor.inbox.ingest([update(7), update(31)]) == [False, True]
        waiting: list[int] = []
        while leases := await successor.turns.claim(8, 64):
            waiting += [i for lease in leases for i in ids(lease)]
            await successor.turns.settle([done(lease) for lease in leases])
        assert sorted(waiting) == [*range(30), 31]

    async def test_a_waiting_claimer_is_woken(self, store: Store) -> None:
        """`ready` returns once an update has been stored."""
        waiting = asyncio.ensure_future(store.turns.ready())
        await asyncio.sleep(0)
        await store.inbox.ingest([update(10)])
        await asyncio.wait_for(waiting, 30)
        assert ids(await claim_one(store)) == [10]
