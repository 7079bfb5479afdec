"""What an operator sees, and the moves an operator makes; every move is safe to repeat."""

from __future__ import annotations

import json

import pytest

from posthouse.core.effects import Effects
from posthouse.core.errors import NotFound
from posthouse.core.leases import DeliveryLease, DeliverySettlement, JobSettlement, Settlement
from posthouse.core.lifecycles import DeliveryState, EntryState, JobState
from posthouse.ports.store import Filter, Store
from posthouse.testing.contracts.examples import (
    BOT,
    LANE,
    QUEUE,
    buried,
    claim_delivery,
    claim_job,
    claim_one,
    done,
    ids,
    job,
    say,
    turn,
    undone,
    unlimited,
    update,
    want,
)
from posthouse.testing.contracts.maker import StoreMaker, reopened


async def bury(store: Store, *update_ids: int, lane: int = LANE, bot_id: int = BOT, reason: str = "exhausted") -> None:
    """Make a dead letter of each update."""
    for update_id in update_ids:
        await store.inbox.ingest([update(update_id, lane=lane, bot_id=bot_id)])
        assert await store.turns.settle([buried(await claim_one(store), reason=reason)]) == [True]


async def claim_deliveries(store: Store, count: int) -> list[DeliveryLease]:
    leases = await store.outbox.claim(count)
    assert len(leases) == count
    return leases


async def dead_ids(store: Store, **fields: object) -> list[int]:
    return [row.id for row in await store.desk.list("dead", Filter(**fields))]  # type: ignore[arg-type]


class ListContract:
    @pytest.mark.parametrize("what", ["inbox", "outbox", "jobs", "dead", "lanes"])
    async def test_an_empty_list_is_empty(self, store: Store, what: str) -> None:
        """Every list of an empty store is empty, with and without a filter."""
        assert await store.desk.list(what, Filter()) == []
        narrow = Filter(bot_id=BOT, lane=LANE, state="waiting", kind="entry", reason="x", queue="q", after=5, limit=1)
        assert await store.desk.list(what, narrow) == []

    async def test_the_inbox_shows_what_waits(self, store: Store) -> None:
        """The inbox lists waiting and leased entries with bot, lane and time, and no done ones."""
        await turn(store, update(1))
        await store.inbox.ingest([update(2), update(3), update(4, lane=LANE + 1)])
        lease = next(x for x in await store.turns.claim(8, 1) if x.lane == LANE)
        rows = await store.desk.list("inbox", Filter(bot_id=BOT, lane=LANE))
        assert [(row.kind, row.bot_id, row.lane) for row in rows] == [("entry", BOT, LANE)] * 2
        assert ids(lease) == [2]
        assert all(row.at > 0 and row.payload is None for row in rows)
        assert len(await store.desk.list("inbox", Filter(bot_id=BOT))) == 3

    async def test_the_outbox_shows_what_is_on_its_way(self, store: Store) -> None:
        """The outbox lists deliveries with method, chat and state."""
        unlimited(store)
        await want(store, say("a"), say("b"), say("c", chat=LANE + 1))
        await store.outbox.claim(1)
        rows = await store.desk.list("outbox", Filter(bot_id=BOT))
        assert [(row.kind, row.what) for row in rows] == [("delivery", "sendMessage")] * 3
        assert sorted(row.state for row in rows) == ["sending", "waiting", "waiting"]
        assert sorted(row.lane for row in rows) == [LANE, LANE, LANE + 1]
        assert [row.state for row in await store.desk.list("outbox", Filter(state="sending"))] == ["sending"]
        assert len(await store.desk.list("outbox", Filter(lane=LANE))) == 2

    async def test_a_state_has_the_name_of_its_lifecycle(self, store: Store) -> None:
        """Whatever state an operator reads is one of the tables in `core.lifecycles`, and each can be filtered by."""
        unlimited(store)
        await want(store, say("a"), say("b", chat=LANE + 1), say("c", chat=LANE + 2))
        first, second = await claim_deliveries(store, 2)
        unsure = DeliverySettlement(second, delay_s=60.0, unknown=True, error="reset")
        assert await store.outbox.settle([unsure]) == [True]
        await store.inbox.ingest([update(n, lane=LANE + n) for n in range(11, 14)])
        leased, held = await store.turns.claim(2, 1)
        assert await store.turns.settle([Settlement(held, [], Effects(), hold="an operator looks")]) == [True]
        await store.jobs.enqueue([job("r1"), job("r2")])
        await store.jobs.claim({QUEUE: 1}, ttl_s=60)
        for what, lifecycle, seen in (
            ("inbox", EntryState, {"waiting", "leased", "held"}),
            ("outbox", DeliveryState, {"waiting", "sending", "uncertain"}),
            ("jobs", JobState, {"waiting", "running"}),
        ):
            rows = await store.desk.list(what, Filter())
            assert {row.state for row in rows} == seen <= {*lifecycle}
            for state in seen:
                assert {row.state for row in await store.desk.list(what, Filter(state=state))} == {state}
        assert first.chat != second.chat
        assert leased.lane != held.lane

    async def test_a_list_is_as_long_as_its_limit_whatever_it_is_narrowed_by(self, store: Store) -> None:
        """Rows that do not fit the filter do not use up the limit."""
        unlimited(store)
        await want(store, *(say("x", chat=LANE + n) for n in range(4)))
        await store.inbox.ingest([update(n, lane=LANE + n) for n in range(11, 15)])
        leases = {lease.lane: lease for lease in await store.turns.claim(8, 1)}
        [last] = [lease for lane, lease in leases.items() if lane == LANE + 14]
        assert await store.turns.settle([Settlement(last, [], Effects(), hold="an operator looks")]) == [True]
        [row] = await store.desk.list("inbox", Filter(state="held", limit=1))
        assert row.lane == LANE + 14
        *_, unsure = sorted(await claim_deliveries(store, 4), key=lambda lease: lease.id)
        again = DeliverySettlement(unsure, delay_s=60.0, unknown=True, error="reset")
        assert await store.outbox.settle([again]) == [True]
        [row] = await store.desk.list("outbox", Filter(state="uncertain", limit=1))
        assert row.id == unsure.id
        assert len(await store.desk.list("outbox", Filter(state="sending", limit=2))) == 2

    async def test_jobs_are_shown_with_their_queue(self, store: Store) -> None:
        """The list of jobs has task, queue, attempts and state, and narrows by queue and state."""
        await store.jobs.enqueue([job("r1"), job("r2"), job("o", queue="other")])
        [lease] = await store.jobs.claim({QUEUE: 1}, ttl_s=60)
        rows = await store.desk.list("jobs", Filter(queue=QUEUE))
        assert [(row.kind, row.what, row.queue) for row in rows] == [
            ("job", "r1", QUEUE),
            ("job", "r2", QUEUE),
        ]
        assert {row.id: (row.state, row.attempts) for row in rows}[lease.id] == ("running", 1)
        assert [row.what for row in await store.desk.list("jobs", Filter(state="waiting"))] == ["r2", "o"]

    async def test_blocked_lanes_are_shown(self, store: Store) -> None:
        """The list of lanes has those that are held and those that back off, and no others."""
        for lane in (1, 2, 3):
            await store.inbox.ingest([update(lane, lane=lane)])
        leases = {lease.lane: lease for lease in await store.turns.claim(8, 8)}
        await store.turns.settle([undone(leases[1], hold="stuck"), undone(leases[2], delay_s=50), done(leases[3])])
        await store.inbox.ingest([update(4, lane=4)])
        rows = {row.lane: row for row in await store.desk.list("lanes", Filter())}
        assert sorted(rows) == [1, 2]
        assert (rows[1].kind, rows[1].state, rows[1].reason) == ("lane", "held", "stuck")
        assert [row.lane for row in await store.desk.list("lanes", Filter(state="held"))] == [1]

    async def test_dead_letters_narrow(self, store: Store) -> None:
        """Dead letters narrow by bot, lane, reason and kind, alone and together."""
        unlimited(store)
        await bury(store, 1, 2)
        await bury(store, 3, lane=LANE + 1, reason="terminal")
        await bury(store, 4, bot_id=BOT + 1)
        await want(store, say("a"))
        await store.outbox.settle([DeliverySettlement(lease=await claim_delivery(store), reason="blocked")])
        assert len(await dead_ids(store)) == 5
        assert len(await dead_ids(store, bot_id=BOT)) == 4
        assert len(await dead_ids(store, bot_id=BOT, kind="entry")) == 3
        assert len(await dead_ids(store, bot_id=BOT, lane=LANE, kind="entry")) == 2
        assert len(await dead_ids(store, reason="terminal")) == 1
        assert len(await dead_ids(store, kind="delivery", reason="blocked")) == 1
        assert await dead_ids(store, kind="job") == []

    @pytest.mark.parametrize("what", ["inbox", "outbox", "jobs", "dead"])
    async def test_lists_page_without_gap_or_repetition(self, store: Store, what: str) -> None:
        """Paging on the last id shows every row once, newest last."""
        unlimited(store)
        await bury(store, *range(1, 8))
        await want(store, *(say(str(i)) for i in range(7)), *(job(str(i)) for i in range(7)))
        await store.inbox.ingest([update(i) for i in range(11, 18)])
        pages: list[list[int]] = []
        after: int | None = None
        while page := await store.desk.list(what, Filter(bot_id=None, after=after, limit=3)):
            pages.append([row.id for row in page])
            after = page[-1].id
        found = [row_id for ids_of_page in pages for row_id in ids_of_page]
        assert [len(page) for page in pages] == [3, 3, 1]
        assert found == sorted(set(found))

    async def test_a_row_is_shown_with_its_payload(self, store: Store) -> None:
        """`show` has the payload as JSON text; a list does not."""
        unlimited(store)
        body = '{"text":"мир \\u0000"}'.encode()
        await store.inbox.ingest([update(1, payload=body)])
        await store.turns.settle([buried(await claim_one(store))])
        await want(store, say("мир"), job(args='{"x":"мир"}'.encode()))
        expected = {
            "dead": {"text": "мир \x00"},
            "outbox": {"chat_id": LANE, "text": "мир"},
            "jobs": {"x": "мир"},
        }
        for what, payload in expected.items():
            [row] = await store.desk.list(what, Filter())
            assert row.payload is None
            shown = await store.desk.show(what, row.id)
            assert (shown.id, shown.kind, shown.state) == (row.id, row.kind, row.state)
            assert shown.payload is not None
            assert json.loads(shown.payload) == payload

    async def test_a_body_that_is_no_text_can_be_shown(self, store: Store) -> None:
        """A body that is not UTF-8 can still be listed and shown."""
        await store.inbox.ingest([update(1, payload=b"\x00\xff")])
        await store.turns.settle([buried(await claim_one(store))])
        [row] = await store.desk.list("dead", Filter())
        assert (await store.desk.show("dead", row.id)).payload

    @pytest.mark.parametrize("what", ["inbox", "outbox", "jobs", "dead"])
    async def test_what_is_not_there_is_not_found(self, store: Store, what: str) -> None:
        """Showing a row that is not there raises `NotFound`."""
        with pytest.raises(NotFound):
            await store.desk.show(what, 10**9)


class DeadLetterContract:
    @pytest.mark.req("S3-47", "E2-5")
    async def test_a_replayed_entry_runs_again(self, store: Store, store_maker: StoreMaker) -> None:
        """A replayed entry runs again under its id with its body, as a first try, through a crash too."""
        await bury(store, 5)
        await store.inbox.ingest([update(6)])
        [dead_id] = await dead_ids(store)
        assert await store.desk.replay([dead_id]) == [dead_id]
        successor = await reopened(store_maker, store)
        assert await dead_ids(successor) == []
        lease = await claim_one(successor)
        assert (ids(lease)[0], lease.entries[0].payload) == (5, update(5).payload)
        await successor.turns.settle([done(lease, 5)])
        assert ids(await claim_one(successor)) == [6]
        assert await successor.inbox.ingest([update(5)]) == [False]

    async def test_a_replay_starts_the_count_anew(self, store: Store) -> None:
        """A replayed entry has all its tries before it again."""
        await bury(store, 5)
        await store.desk.replay(await dead_ids(store))
        assert (await claim_one(store)).attempts == 1

    async def test_a_replay_during_a_turn_waits(self, store: Store) -> None:
        """Replaying into a lane that is leased neither disturbs the turn nor is lost."""
        await bury(store, 5)
        await store.inbox.ingest([update(6)])
        lease = await claim_one(store)
        assert len(await store.desk.replay(await dead_ids(store))) == 1
        assert await store.turns.claim(8, 8) == []
        assert await store.turns.settle([done(lease)]) == [True]
        assert ids(await claim_one(store)) == [5]

    async def test_a_replayed_entry_may_die_again(self, store: Store) -> None:
        """An entry that dies again is a dead letter again, and can be replayed again."""
        await bury(store, 5)
        for _ in range(3):
            assert len(await store.desk.replay(await dead_ids(store))) == 1
            await store.turns.settle([buried(await claim_one(store))])
        assert len(await dead_ids(store)) == 1

    async def test_a_replay_happens_once(self, store: Store) -> None:
        """Replaying twice, or an id twice in one call, moves the entry once; unknown ids move nothing."""
        await bury(store, 5)
        [dead_id] = await dead_ids(store)
        assert await store.desk.replay([dead_id, dead_id, 10**9]) == [dead_id]
        assert await store.desk.replay([dead_id]) == []
        await store.turns.settle([done(await claim_one(store))])
        assert await store.desk.replay([dead_id]) == []
        assert await store.turns.claim(8, 8) == []

    async def test_many_are_replayed_at_once(self, store: Store) -> None:
        """Several dead letters are replayed in one call, and run in the order of their entries."""
        await bury(store, 7, 5, 6)
        found = await dead_ids(store)
        assert sorted(await store.desk.replay(found)) == sorted(found)
        assert ids(await claim_one(store)) == [5, 6, 7]

    async def test_a_replayed_event_runs_again(self, store: Store) -> None:
        """An entry that is no update (a finished job) is replayed under its id too."""
        await store.jobs.enqueue([job(bot_id=BOT, lane=LANE, notify=True)])
        await store.jobs.settle([JobSettlement(lease=await claim_job(store))])
        lease = await claim_one(store)
        await store.turns.settle([buried(lease)])
        assert len(await store.desk.replay(await dead_ids(store))) == 1
        assert (await claim_one(store)).entries[0].entry_id == lease.entries[0].entry_id

    async def test_a_replayed_job_runs_again(self, store: Store) -> None:
        """A dead job that is replayed is claimable at once with all its tries before it."""
        await store.jobs.enqueue([job("draw", args=b'{"n":1}', attempts_max=1, data=b"7")])
        await store.jobs.settle([JobSettlement(lease=await claim_job(store), reason="exhausted")])
        assert len(await store.desk.replay(await dead_ids(store))) == 1
        lease = await claim_job(store)
        assert (lease.task, json.loads(lease.args), lease.attempts, lease.attempts_max) == (
            "draw",
            {"n": 1},
            1,
            1,
        )
        assert json.loads(lease.data) == 7

    async def test_a_replayed_job_meets_a_live_one_of_its_key(self, store: Store) -> None:
        """Replaying a job whose key is live again does not make two live jobs of one key."""
        await store.jobs.enqueue([job("old", unique_key="k")])
        await store.jobs.settle([JobSettlement(lease=await claim_job(store), reason="exhausted")])
        await store.jobs.enqueue([job("new", unique_key="k")])
        await store.desk.replay(await dead_ids(store))
        assert (await claim_job(store)).task == "new"
        assert await store.jobs.enqueue([job("third", unique_key="k")]) == [None]

    async def test_a_discarded_letter_is_closed(self, store: Store) -> None:
        """A discarded dead letter is closed and cannot be replayed; its update is still a duplicate."""
        await bury(store, 5, 6)
        first, second = await dead_ids(store)
        assert await store.desk.discard([first, first, 10**9]) == [first]
        assert await store.desk.discard([first]) == []
        assert await store.desk.replay([first]) == []
        assert await dead_ids(store) == [second]
        assert await store.inbox.ingest([update(5)]) == [False]
        assert await store.turns.claim(8, 8) == []

    async def test_empty_moves_are_harmless(self, store: Store) -> None:
        """Moving nothing moves nothing."""
        assert await store.desk.replay([]) == []
        assert await store.desk.discard([]) == []


class HeldLaneContract:
    async def held(self, store: Store) -> None:
        """Hold the suite's lane at entry 1, with 2 behind it."""
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        await store.turns.settle([undone(lease, hold="exhausted")])

    @pytest.mark.req("S3-47")
    async def test_a_released_lane_retries_its_head(self, store: Store, store_maker: StoreMaker) -> None:
        """Releasing a held lane lets its head run again at once; releasing again finds nothing held."""
        await self.held(store)
        assert await store.desk.release_lane(BOT, LANE, skip_head=False) is True
        assert await store.desk.release_lane(BOT, LANE, skip_head=False) is False
        assert await store.desk.list("lanes", Filter(state="held")) == []
        lease = await claim_one(store, depth=1)
        assert ids(lease) == [1]
        await store.turns.settle([done(lease)])
        assert ids(await claim_one(store)) == [2]

    @pytest.mark.req("S3-47")
    async def test_a_skipped_head_is_buried(self, store: Store, store_maker: StoreMaker) -> None:
        """Releasing with `skip_head` buries the head, which can be replayed, and goes on with the next."""
        await self.held(store)
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is True
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is False
        lease = await claim_one(store)
        assert (ids(lease), lease.attempts, lease.resumed) == ([2], 1, False)
        await store.turns.settle([done(lease)])
        [row] = await store.desk.list("dead", Filter())
        assert (row.kind, row.lane) == ("entry", LANE)
        assert await store.desk.replay([row.id]) == [row.id]
        assert ids(await claim_one(store)) == [1]

    async def test_a_lane_that_is_not_held_is_not_released(self, store: Store) -> None:
        """Releasing an unknown, idle, waiting, leased or backing-off lane does nothing."""
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is False
        await turn(store, update(1), effects=Effects())
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is False
        await store.inbox.ingest([update(2)])
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is False
        lease = await claim_one(store)
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is False
        await store.turns.settle([undone(lease, delay_s=50)])
        assert await store.desk.release_lane(BOT, LANE, skip_head=True) is False
        assert await store.desk.list("dead", Filter()) == []

    async def test_a_release_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """A lane that was released is not held again after a crash."""
        await self.held(store)
        await store.desk.release_lane(BOT, LANE, skip_head=True)
        successor = await reopened(store_maker, store)
        assert ids(await claim_one(successor)) == [2]

    async def test_a_smaller_id_reaches_a_held_lane(self, store: Store) -> None:
        """An update that sorts before a held head waits with it and runs first after the release."""
        await store.inbox.ingest([update(5)])
        await store.turns.settle([undone(await claim_one(store), hold="exhausted")])
        await store.inbox.ingest([update(3)])
        assert await store.turns.claim(8, 8) == []
        assert await store.desk.release_lane(BOT, LANE, skip_head=False) is True
        seen: list[int] = []
        while leases := await store.turns.claim(8, 1):
            seen += ids(leases[0])
            await store.turns.settle([done(leases[0])])
        assert seen == [3, 5]


class DeskContract(ListContract, DeadLetterContract, HeldLaneContract):
    """All that is promised of the operator's desk."""
