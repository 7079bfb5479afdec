"""Recorded calls of hosted handlers: a retry replays what was answered and knows what was only begun."""

from __future__ import annotations

import json

import pytest

from posthouse.core.errors import LeaseLost
from posthouse.core.leases import CallRecord
from posthouse.ports.store import Store
from posthouse.testing.contracts.examples import claim_one, done, undone, update
from posthouse.testing.contracts.maker import StoreMaker, reopened


def call(ordinal: int, result: bytes | None = None, *, entry_id: int = 1, method: str = "sendMessage") -> CallRecord:
    return CallRecord(entry_id=entry_id, ordinal=ordinal, method=method, result=result)


def told(records: list[CallRecord]) -> list[tuple[int, str, object]]:
    """Records as (ordinal, method, decoded result), the result None while it is not known."""
    return [(r.ordinal, r.method, None if r.result is None else json.loads(r.result)) for r in records]


class JournalContract:
    async def test_calls_are_recalled_in_order(self, store: Store) -> None:
        """Finished calls come back with their results, by ordinal, whatever the order they ended in."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        assert await store.journal.recall(lease, 1) == []
        await store.journal.begin(lease, call(0))
        await store.journal.begin(lease, call(1, method="deleteMessage"))
        await store.journal.end(lease, call(1, b"true", method="deleteMessage"))
        await store.journal.end(lease, call(0, b'{"message_id":5,"text":"a\\u0000b"}'))
        expected = [(0, "sendMessage", {"message_id": 5, "text": "a\x00b"}), (1, "deleteMessage", True)]
        assert told(await store.journal.recall(lease, 1)) == expected

    async def test_a_result_of_null_is_not_an_unknown_result(self, store: Store) -> None:
        """A call that answered null has ended; a call that only began has the result None."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        await store.journal.begin(lease, call(0))
        await store.journal.end(lease, call(0, b"null"))
        await store.journal.begin(lease, call(1))
        ended, begun = await store.journal.recall(lease, 1)
        assert (ended.result, begun.result) == (b"null", None)

    async def test_a_begun_call_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """After a crash the resumed lease recalls what was answered, and what was begun as unknown."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        await store.journal.begin(lease, call(0))
        await store.journal.end(lease, call(0, b"7"))
        await store.journal.begin(lease, call(1))
        successor = await reopened(store_maker, store)
        lease = await claim_one(successor)
        assert lease.resumed is True
        assert told(await successor.journal.recall(lease, 1)) == [
            (0, "sendMessage", 7),
            (1, "sendMessage", None),
        ]

    async def test_a_retry_recalls_and_goes_on(self, store: Store, store_maker: StoreMaker) -> None:
        """A retried entry recalls the calls of its earlier tries and adds to them."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        await store.journal.begin(lease, call(0))
        await store.journal.end(lease, call(0, b"7"))
        await store.turns.settle([undone(lease, delay_s=50)])
        await store_maker.elapse(51)
        lease = await claim_one(store)
        await store.journal.begin(lease, call(1))
        await store.journal.end(lease, call(1, b"8"))
        assert told(await store.journal.recall(lease, 1)) == [(0, "sendMessage", 7), (1, "sendMessage", 8)]

    async def test_a_begun_call_may_begin_again(self, store: Store, store_maker: StoreMaker) -> None:
        """A call whose outcome is unknown can be begun and ended again under its ordinal."""
        await store.inbox.ingest([update(1)])
        await store.journal.begin(await claim_one(store), call(0))
        successor = await reopened(store_maker, store)
        lease = await claim_one(successor)
        await successor.journal.begin(lease, call(0))
        await successor.journal.end(lease, call(0, b"7"))
        assert told(await successor.journal.recall(lease, 1)) == [(0, "sendMessage", 7)]

    async def test_entries_have_records_of_their_own(self, store: Store) -> None:
        """Each entry of a lease has its own calls."""
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        for entry_id in (1, 2):
            await store.journal.begin(lease, call(0, entry_id=entry_id))
            await store.journal.end(lease, call(0, b"%d" % entry_id, entry_id=entry_id))
        assert told(await store.journal.recall(lease, 1)) == [(0, "sendMessage", 1)]
        assert told(await store.journal.recall(lease, 2)) == [(0, "sendMessage", 2)]

    async def test_records_go_with_their_entry(self, store: Store) -> None:
        """The calls of a done entry are forgotten with it; those of an entry that is left stay."""
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        for entry_id in (1, 2):
            await store.journal.begin(lease, call(0, entry_id=entry_id))
        await store.turns.settle([done(lease, 1, journaled=True)])
        lease = await claim_one(store)
        assert told(await store.journal.recall(lease, 1)) == []
        assert told(await store.journal.recall(lease, 2)) == [(0, "sendMessage", None)]

    @pytest.mark.req("B-12")
    async def test_a_lost_lease_begins_nothing(self, store: Store) -> None:
        """Whoever lost the lane is told before the call is made, and nothing is recorded."""
        await store.inbox.ingest([update(1)])
        lost = await claim_one(store)
        await store.turns.release([lost])
        held = await claim_one(store)
        with pytest.raises(LeaseLost):
            await store.journal.begin(lost, call(0))
        assert await store.journal.recall(held, 1) == []

    async def test_a_call_can_be_begun_after_a_kept_station(self, store: Store) -> None:
        """After a kept station the lease still records calls of the entries that are left."""
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        await store.turns.settle([done(lease, 1, keep=True)])
        await store.journal.begin(lease, call(0, entry_id=2))
        assert told(await store.journal.recall(lease, 2)) == [(0, "sendMessage", None)]
