"""One turn per lane at a time, in order; what a turn caused is written together or not at all."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Connection, text

from posthouse.core.effects import Effects
from posthouse.core.errors import LeaseLost, PosthouseError, StoreLocked, TransactionTimeout
from posthouse.core.leases import Burial, Lease
from posthouse.ports.store import Filter, Store
from posthouse.testing.contracts.examples import (
    BOT,
    LANE,
    QUEUE,
    buried,
    claim_one,
    done,
    ids,
    job,
    say,
    send_all,
    state,
    timer,
    turn,
    undone,
    unlimited,
    update,
    woken,
)
from posthouse.testing.contracts.maker import Lack, StoreMaker, need, reopened

EVERYTHING = Effects(
    deliveries=[say("hello")], jobs=[job()], timers=[timer()], states=[state("session", b'{"step":1}')]
)

# Exception texts are whatever the author's code put there.
ERRORS = {
    "plain": "ValueError: no",
    "with a NUL": "bad\x00byte",
    "with a lone surrogate": "bad \ud83d",
    "empty": "",
}


async def nothing_happened(store: Store) -> None:
    """None of `EVERYTHING` was written."""
    assert await store.outbox.claim(8) == []
    assert await store.jobs.claim({QUEUE: 8}, ttl_s=60) == []
    assert await store.jobs.fire_timers(8) == (0, None)
    assert await store.turns.read_states(BOT, LANE, ["session"]) == {}


class ClaimContract:
    async def test_a_claim_takes_no_more_lanes_than_asked(self, store: Store) -> None:
        """`limit` bounds the lanes of one claim, and the next claim takes the others."""
        await store.inbox.ingest([update(i, lane=i) for i in range(1, 6)])
        first, second = await store.turns.claim(3, 8), await store.turns.claim(3, 8)
        assert (len(first), len(second)) == (3, 2)
        assert sorted(lease.lane for lease in first + second) == [1, 2, 3, 4, 5]

    async def test_a_claim_takes_no_more_entries_than_asked(self, store: Store) -> None:
        """`depth` bounds the entries of one lease; they are the lane's first."""
        await store.inbox.ingest([update(i) for i in range(1, 6)])
        lease = await claim_one(store, depth=3)
        assert ids(lease) == [1, 2, 3]
        await store.turns.settle([done(lease)])
        assert ids(await claim_one(store, depth=3)) == [4, 5]

    @pytest.mark.req("B-19", "S3-45")
    async def test_a_leased_lane_is_not_claimed(self, store: Store) -> None:
        """While a lane is leased nobody else gets it, not even for a newer update."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        await store.inbox.ingest([update(2)])
        assert await store.turns.claim(8, 8) == []
        await store.turns.settle([done(lease)])
        assert ids(await claim_one(store)) == [2]

    @pytest.mark.req("B-19")
    async def test_claims_at_once_share_the_lanes(self, store: Store) -> None:
        """Claims that run at the same time never get the same lane, and tokens differ."""
        await store.inbox.ingest([update(i, lane=i) for i in range(40)])
        claims = await asyncio.gather(*(store.turns.claim(10, 4) for _ in range(8)))
        leases = [lease for claim in claims for lease in claim]
        while more := await store.turns.claim(10, 4):  # a claim may come back short while another is at work
            leases += more
        assert sorted(lease.lane for lease in leases) == list(range(40))
        assert len({(lease.lane, lease.token) for lease in leases}) == 40

    async def test_the_lane_that_waited_longest_goes_first(self, store: Store, store_maker: StoreMaker) -> None:
        """Lanes are claimed in the order in which they fell due, not in the order of their keys."""
        for lane in (3, 1, 2):
            await store.inbox.ingest([update(lane, lane=lane)])
            await store_maker.elapse(1)
        assert [lease.lane for _ in range(3) for lease in await store.turns.claim(1, 1)] == [3, 1, 2]

    async def test_a_lane_that_goes_on_waits_behind_the_others(self, store: Store, store_maker: StoreMaker) -> None:
        """A busy lane gives way after its turn: a lane that waited is claimed before it."""
        await store.inbox.ingest([update(i, lane=1) for i in range(1, 4)])
        [busy] = await store.turns.claim(1, 1)
        await store.inbox.ingest([update(9, lane=2)])
        await store_maker.elapse(1)
        await store.turns.settle([done(busy)])
        assert [lease.lane for lease in await store.turns.claim(1, 1)] == [2]

    async def test_a_token_is_never_used_twice(self, store: Store, store_maker: StoreMaker) -> None:
        """A lane's tokens differ from lease to lease, also across a crash."""
        await store.inbox.ingest([update(i) for i in range(1, 8)])
        tokens: list[int] = []
        for _ in range(3):
            lease = await claim_one(store, depth=1)
            tokens.append(lease.token)
            await store.turns.settle([done(lease)])
        successor = await reopened(store_maker, store)
        for _ in range(3):
            lease = await claim_one(successor, depth=1)
            tokens.append(lease.token)
            await successor.turns.settle([done(lease)])
        assert len(set(tokens)) == 6

    async def test_a_second_process_is_refused_or_shares(self, store: Store, store_maker: StoreMaker) -> None:
        """A second process shares the lanes, or is refused where the adapter declares so."""
        if Lack.SHARING in store_maker.lacks:
            with pytest.raises(StoreLocked):
                await store_maker.open()
            return
        other = await store_maker.open()
        await store.inbox.ingest([update(i, lane=i) for i in range(1, 5)])
        mine, theirs = await store.turns.claim(2, 8), await other.turns.claim(4, 8)
        assert sorted(lease.lane for lease in mine + theirs) == [1, 2, 3, 4]
        assert await other.turns.settle([done(lease) for lease in theirs]) == [True, True]
        assert await store.turns.settle([done(lease) for lease in mine]) == [True, True]
        assert (await other.upkeep.reap()).lanes == 0


class SettleContract:
    @pytest.mark.req("C1-17")
    async def test_a_turn_writes_all_of_its_effects(self, store: Store, store_maker: StoreMaker) -> None:
        """A settled turn has finished its entry and written its deliveries, jobs, timers and state."""
        unlimited(store)
        await turn(store, update(1), effects=EVERYTHING)
        assert await store.turns.claim(8, 8) == []
        assert await send_all(store) == ["hello"]
        assert [x.task for x in await store.jobs.claim({QUEUE: 8}, ttl_s=60)] == ["draw"]
        assert await store.turns.read_states(BOT, LANE, ["session"]) == {"session": b'{"step":1}'}
        await store_maker.elapse(51)
        assert (await store.jobs.fire_timers(8))[0] == 1

    async def test_a_settled_turn_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """What a settled turn wrote is there after a crash, once."""
        await turn(store, update(1), effects=EVERYTHING)
        successor = await reopened(store_maker, store)
        unlimited(successor)
        assert await successor.turns.claim(8, 8) == []
        assert await send_all(successor) == ["hello"]
        assert len(await successor.jobs.claim({QUEUE: 8}, ttl_s=60)) == 1
        await store_maker.elapse(51)
        assert (await successor.jobs.fire_timers(8))[0] == 1

    @pytest.mark.req("S3-45")
    async def test_effects_leave_in_the_order_of_the_turn(self, store: Store) -> None:
        """Deliveries of one chat leave in the order in which one turn, and then the next, asked for them."""
        unlimited(store)
        await turn(store, update(1), effects=Effects(deliveries=[say("a"), say("b"), say("c")]))
        await turn(store, update(2), effects=Effects(deliveries=[say("d"), say("e")]))
        assert await send_all(store) == ["a", "b", "c", "d", "e"]

    async def test_what_is_not_done_stays(self, store: Store) -> None:
        """Entries of the lease that are not named as done run again, in their order, as a first try."""
        await store.inbox.ingest([update(i) for i in range(1, 5)])
        lease = await claim_one(store)
        assert await store.turns.settle([done(lease, 1, 2)]) == [True]
        lease = await claim_one(store)
        assert (ids(lease)[0], lease.attempts) == (3, 1)

    async def test_many_lanes_settle_at_once(self, store: Store) -> None:
        """Many turns settle in one call, each with its own effects."""
        unlimited(store)
        await store.inbox.ingest([update(i, lane=i) for i in range(1, 51)])
        leases = await store.turns.claim(64, 8)
        turns = [done(x, effects=Effects(deliveries=[say(str(x.lane), chat=x.lane)])) for x in leases]
        assert await store.turns.settle(turns) == [True] * 50
        assert await store.turns.claim(64, 8) == []
        assert sorted(await send_all(store), key=int) == [str(i) for i in range(1, 51)]

    async def test_nothing_to_settle_is_harmless(self, store: Store) -> None:
        """Empty calls are answered with empty lists."""
        assert await store.turns.settle([]) == []
        assert await store.turns.extend([]) == []
        await store.turns.release([])
        await store.turns.write_states([])
        assert await store.turns.read_states(BOT, LANE, []) == {}

    async def test_keep_commits_a_station_and_keeps_the_lease(self, store: Store) -> None:
        """With `keep` what is done is committed with its effects, and the lease goes on for the others."""
        unlimited(store)
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        first = done(lease, 1, effects=Effects(deliveries=[say("one")], states=[state("session", b"1")]), keep=True)
        assert await store.turns.settle([first]) == [True]
        assert await store.turns.claim(8, 8) == []
        assert await send_all(store) == ["one"]
        assert await store.turns.settle([done(lease, 2, effects=Effects(deliveries=[say("two")]))]) == [True]
        assert await send_all(store) == ["two"]
        assert await store.turns.claim(8, 8) == []

    async def test_a_kept_station_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """After a crash the entries of a kept station are done, and the others run again."""
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        await store.turns.settle([done(lease, 1, keep=True)])
        successor = await reopened(store_maker, store)
        assert ids(await claim_one(successor)) == [2]

    @pytest.mark.req("E3-12")
    async def test_a_buried_entry_becomes_a_dead_letter_and_the_lane_goes_on(self, store: Store) -> None:
        """A buried entry leaves the lane for the dead letters, with its error, reason and tries."""
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        grave = Burial(entry_id=1, error="ValueError: no", reason="exhausted", attempts=3)
        assert await store.turns.settle([undone(lease, buried=[grave])]) == [True]
        [row] = await store.desk.list("dead", Filter())
        assert (row.kind, row.bot_id, row.lane, row.attempts) == ("entry", BOT, LANE, 3)
        assert (row.error, row.reason) == ("ValueError: no", "exhausted")
        lease = await claim_one(store)
        assert (ids(lease), lease.attempts) == ([2], 1)

    @pytest.mark.parametrize("name", ERRORS)
    async def test_any_error_text_can_be_buried(self, store: Store, name: str) -> None:
        """Whatever text an author's exception has, its entry can be given up and the lane goes on."""
        await store.inbox.ingest([update(1), update(2)])
        assert await store.turns.settle([buried(await claim_one(store), error=ERRORS[name])]) == [True]
        assert len(await store.desk.list("dead", Filter())) == 1
        assert ids(await claim_one(store)) == [2]

    async def test_one_lease_may_do_bury_and_leave(self, store: Store) -> None:
        """One settlement can finish some entries, bury others and leave the rest."""
        await store.inbox.ingest([update(i) for i in range(1, 5)])
        lease = await claim_one(store)
        grave = Burial(entry_id=2, error="no", reason="terminal")
        assert await store.turns.settle([done(lease, 1, 3, buried=[grave])]) == [True]
        assert ids(await claim_one(store)) == [4]
        assert len(await store.desk.list("dead", Filter())) == 1

    async def test_a_dropped_entry_leaves_no_trace_but_its_id(self, store: Store) -> None:
        """An entry that is settled as done without effects is forgotten, except as a duplicate."""
        await turn(store, update(1))
        assert await store.desk.list("dead", Filter()) == []
        assert await store.desk.list("inbox", Filter()) == []
        assert await store.inbox.ingest([update(1)]) == [False]


class RetryContract:
    async def test_a_retry_waits_and_counts(self, store: Store, store_maker: StoreMaker) -> None:
        """An entry that is retried comes back after its delay with one more attempt, marked as resumed."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        assert (lease.attempts, lease.resumed) == (1, False)
        for attempts in (2, 3, 4):
            assert await store.turns.settle([undone(lease, delay_s=50)]) == [True]
            assert await store.turns.claim(8, 8) == []
            await store_maker.elapse(40)
            assert await store.turns.claim(8, 8) == []
            await store_maker.elapse(11)
            lease = await claim_one(store)
            assert (ids(lease), lease.attempts, lease.resumed) == ([1], attempts, True)

    async def test_a_lane_backs_off_as_a_whole(self, store: Store, store_maker: StoreMaker) -> None:
        """What comes after a retried entry waits with it, and a resumed lease has the head alone."""
        await store.inbox.ingest([update(1), update(2)])
        await store.turns.settle([undone(await claim_one(store), delay_s=50)])
        await store.inbox.ingest([update(3)])
        assert await store.turns.claim(8, 8) == []
        await store_maker.elapse(51)
        lease = await claim_one(store)
        assert (ids(lease), lease.resumed) == ([1], True)
        await store.turns.settle([done(lease)])
        lease = await claim_one(store)
        assert (ids(lease), lease.attempts, lease.resumed) == ([2, 3], 1, False)

    async def test_a_waiting_claimer_is_woken_when_a_back_off_ends(self, store: Store, store_maker: StoreMaker) -> None:
        """Whoever waits in `ready` gets the retried entry once its delay is over."""
        await store.inbox.ingest([update(1)])
        await store.turns.settle([undone(await claim_one(store), delay_s=50)])
        waiting = asyncio.ensure_future(woken(store.turns.ready, lambda: store.turns.claim(8, 8)))
        await asyncio.sleep(0)
        await store_maker.elapse(51)
        assert [ids(lease) for lease in await waiting] == [[1]]

    async def test_a_waiting_claimer_is_woken_by_what_is_left(self, store: Store) -> None:
        """Whoever waits in `ready` gets the entries that a settled or released lease left behind."""
        await store.inbox.ingest([update(i) for i in range(1, 4)])
        lease = await claim_one(store, depth=1)
        waiting = asyncio.ensure_future(woken(store.turns.ready, lambda: store.turns.claim(8, 1)))
        await asyncio.sleep(0)
        await store.turns.settle([done(lease)])
        [lease] = await waiting
        assert ids(lease) == [2]
        waiting = asyncio.ensure_future(woken(store.turns.ready, lambda: store.turns.claim(8, 1)))
        await asyncio.sleep(0)
        await store.turns.release([lease])
        assert [ids(x) for x in await waiting] == [[2]]

    async def test_other_lanes_do_not_wait(self, store: Store) -> None:
        """A lane that backs off holds up nobody else."""
        await store.inbox.ingest([update(1, lane=1)])
        await store.turns.settle([undone(await claim_one(store), delay_s=50)])
        await store.inbox.ingest([update(2, lane=2)])
        assert (await claim_one(store)).lane == 2

    async def test_done_entries_stay_done_when_the_rest_is_retried(self, store: Store, store_maker: StoreMaker) -> None:
        """A settlement can finish the first entries and postpone the others."""
        unlimited(store)
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        half = done(lease, 1, effects=Effects(deliveries=[say("one")]), delay_s=50)
        assert await store.turns.settle([half]) == [True]
        assert await send_all(store) == ["one"]
        assert await store.turns.claim(8, 8) == []
        await store_maker.elapse(51)
        lease = await claim_one(store)
        assert (ids(lease), lease.resumed, lease.attempts >= 2) == ([2], True, True)

    async def test_a_back_off_survives_a_crash_as_a_retry(self, store: Store, store_maker: StoreMaker) -> None:
        """After a crash a retried entry still counts its earlier tries."""
        await store.inbox.ingest([update(1)])
        for _ in range(3):
            await store.turns.settle([undone(await claim_one(store), delay_s=50)])
            await store_maker.elapse(51)
        successor = await reopened(store_maker, store)
        lease = await claim_one(successor)
        assert (lease.attempts, lease.resumed) == (4, True)

    @pytest.mark.req("E3-12")
    async def test_an_entry_that_kills_its_process_is_counted(self, store: Store, store_maker: StoreMaker) -> None:
        """Each crash during its turn adds an attempt to the head, which then is leased alone as resumed."""
        await store.inbox.ingest([update(1), update(2)])
        await claim_one(store)
        attempts: list[int] = []
        for _ in range(4):
            store = await reopened(store_maker, store)
            lease = await claim_one(store)
            assert (ids(lease), lease.resumed) == ([1], True)
            attempts.append(lease.attempts)
        assert attempts[0] in (1, 2)  # the very first try may have been counted in memory only
        assert attempts == list(range(attempts[0], attempts[0] + 4))

    async def test_everything_that_a_lost_lease_carried_is_resumed(self, store: Store, store_maker: StoreMaker) -> None:
        """After a crash each entry of the lost lease may have run: each comes alone, as resumed."""
        await store.inbox.ingest([update(1), update(2), update(3)])
        assert ids(await claim_one(store, depth=3)) == [1, 2, 3]
        successor = await reopened(store_maker, store)
        for update_id in (1, 2, 3):
            lease = await claim_one(successor)
            assert (ids(lease), lease.resumed) == ([update_id], True)
            await successor.turns.settle([done(lease)])

    async def test_everything_that_an_overdue_lease_carried_is_resumed(
        self, store: Store, store_maker: StoreMaker
    ) -> None:
        """When a lease ran out each of its entries may have run: each comes alone, as resumed."""
        need(store_maker, Lack.LEASE_EXPIRY)
        await store.inbox.ingest([update(1), update(2)])
        assert ids(await claim_one(store, depth=2)) == [1, 2]
        await store_maker.elapse(store_maker.lease_ttl_s + 1)
        await store.upkeep.reap()
        for update_id in (1, 2):
            lease = await claim_one(store)
            assert (ids(lease), lease.resumed) == ([update_id], True)
            await store.turns.settle([done(lease)])

    async def test_a_retried_entry_that_is_overtaken_still_counts(self, store: Store, store_maker: StoreMaker) -> None:
        """An entry that sorts before a retried one runs first; the retried one keeps its tries."""
        await store.inbox.ingest([update(5)])
        for _ in range(2):
            await store.turns.settle([undone(await claim_one(store), delay_s=50)])
            await store_maker.elapse(51)
        await store.inbox.ingest([update(3)])
        lease = await claim_one(store, depth=1)
        assert ids(lease) == [3]
        await store.turns.settle([done(lease)])
        lease = await claim_one(store)
        assert (ids(lease), lease.attempts, lease.resumed) == ([5], 3, True)

    async def test_release_gives_the_attempt_back(self, store: Store) -> None:
        """A released lane can be claimed at once, and its head's try was not counted."""
        await store.inbox.ingest([update(1), update(2)])
        for _ in range(3):
            lease = await claim_one(store)
            assert (ids(lease), lease.attempts, lease.resumed) == ([1, 2], 1, False)
            await store.turns.release([lease])

    async def test_release_after_a_retry_gives_one_attempt_back(self, store: Store, store_maker: StoreMaker) -> None:
        """Releasing a resumed lane takes back only its own try, and its recorded calls still count."""
        await store.inbox.ingest([update(1)])
        await store.turns.settle([undone(await claim_one(store), delay_s=50)])
        await store_maker.elapse(51)
        for _ in range(2):
            lease = await claim_one(store)
            assert (lease.attempts, lease.resumed) == (2, True)
            await store.turns.release([lease])

    async def test_a_graceful_stop_leaves_no_trace(self, store: Store, store_maker: StoreMaker) -> None:
        """Lanes that were released before a clean close are claimable as if nothing had been."""
        await store.inbox.ingest([update(1), update(2)])
        await store.turns.release([await claim_one(store)])
        await store.close()
        successor = await store_maker.open()
        lease = await claim_one(successor)
        assert (ids(lease)[0], lease.attempts) == (1, 1)


class FenceContract:
    async def stale(self, store: Store) -> tuple[Lease, Lease]:
        """A lease that was lost, and the one that has the lane now."""
        await store.inbox.ingest([update(1)])
        lost = await claim_one(store)
        await store.turns.release([lost])
        return lost, await claim_one(store)

    async def test_a_lost_lease_writes_nothing(self, store: Store) -> None:
        """Whoever settles with a lost lease is told so, and nothing of the turn is written."""
        unlimited(store)
        lost, held = await self.stale(store)
        assert await store.turns.settle([done(lost, effects=EVERYTHING)]) == [False]
        await nothing_happened(store)
        assert await store.turns.settle([done(held)]) == [True]

    async def test_a_lease_settles_once(self, store: Store) -> None:
        """The second settlement of one lease is fenced."""
        unlimited(store)
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        assert await store.turns.settle([done(lease)]) == [True]
        assert await store.turns.settle([done(lease, effects=EVERYTHING)]) == [False]
        await nothing_happened(store)

    async def test_a_fenced_turn_does_not_disturb_its_neighbours(self, store: Store) -> None:
        """In one call the good settlements are written and the fenced one is not."""
        unlimited(store)
        lost, held = await self.stale(store)
        await store.inbox.ingest([update(2, lane=2), update(3, lane=3)])
        two, three = sorted(await store.turns.claim(8, 8), key=lambda lease: lease.lane)
        answers = await store.turns.settle([done(two), done(lost, effects=EVERYTHING), done(three), done(held)])
        assert answers == [True, False, True, True]
        await nothing_happened(store)

    async def test_a_lost_lease_moves_nothing(self, store: Store) -> None:
        """With a lost lease nothing can be buried, held, postponed, released or extended."""
        lost, held = await self.stale(store)
        assert await store.turns.settle([buried(lost)]) == [False]
        assert await store.turns.settle([undone(lost, hold="stuck")]) == [False]
        assert await store.turns.settle([undone(lost, delay_s=50)]) == [False]
        await store.turns.release([lost])
        assert [x.token for x in await store.turns.extend([lost, held])] == [lost.token]
        assert await store.turns.claim(8, 8) == []
        assert await store.desk.list("dead", Filter()) == []
        assert await store.turns.settle([done(held)]) == [True]

    @pytest.mark.req("B-12")
    async def test_a_process_that_thaws_is_fenced(self, store: Store, store_maker: StoreMaker) -> None:
        """A lease from before a crash settles nothing in the store that came after."""
        await store.inbox.ingest([update(1)])
        lost = await claim_one(store)
        successor = await reopened(store_maker, store)
        unlimited(successor)
        held = await claim_one(successor)
        assert await successor.turns.settle([done(lost, effects=EVERYTHING)]) == [False]
        await nothing_happened(successor)
        assert await successor.turns.settle([done(held)]) == [True]

    async def test_an_overdue_lease_goes_to_the_next(self, store: Store, store_maker: StoreMaker) -> None:
        """A lease that was not extended goes to the next, counted and resumed; its holder is fenced."""
        need(store_maker, Lack.LEASE_EXPIRY)
        unlimited(store)
        await store.inbox.ingest([update(1)])
        lost = await claim_one(store)
        await store_maker.elapse(store_maker.lease_ttl_s + 1)
        await store.upkeep.reap()
        lease = await claim_one(store)
        assert (ids(lease), lease.attempts, lease.resumed) == ([1], 2, True)
        assert await store.turns.settle([done(lost, effects=EVERYTHING)]) == [False]
        await nothing_happened(store)
        assert await store.turns.settle([done(lease)]) == [True]

    async def test_an_extended_lease_lives_on(self, store: Store, store_maker: StoreMaker) -> None:
        """A lease that is extended in time is kept, however long its turn takes."""
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        for _ in range(4):
            await store_maker.elapse(store_maker.lease_ttl_s * 0.6)
            assert await store.turns.extend([lease]) == []
            await store.upkeep.reap()
            assert await store.turns.claim(8, 8) == []
        assert await store.turns.settle([done(lease)]) == [True]

    async def test_extend_names_the_lost(self, store: Store) -> None:
        """`extend` returns the leases that are gone: settled ones too."""
        await store.inbox.ingest([update(1, lane=1), update(2, lane=2)])
        one, two = sorted(await store.turns.claim(8, 8), key=lambda lease: lease.lane)
        assert await store.turns.extend([one, two]) == []
        await store.turns.settle([done(one)])
        assert [lease.lane for lease in await store.turns.extend([one, two])] == [1]


class HoldContract:
    @pytest.mark.req("S3-47")
    async def test_a_held_lane_waits_for_an_operator(self, store: Store, store_maker: StoreMaker) -> None:
        """A held lane is not claimed, whatever arrives and however long it takes, until it is released."""
        await store.inbox.ingest([update(1), update(2)])
        assert await store.turns.settle([undone(await claim_one(store), hold="exhausted")]) == [True]
        await store.inbox.ingest([update(3)])
        await store_maker.elapse(1_000_000)
        assert await store.turns.claim(8, 8) == []
        [row] = await store.desk.list("lanes", Filter())
        assert (row.bot_id, row.lane, row.state, row.reason) == (BOT, LANE, "held", "exhausted")
        assert await store.desk.release_lane(BOT, LANE, skip_head=False) is True
        assert ids(await claim_one(store))[0] == 1

    async def test_a_hold_survives_a_crash(self, store: Store, store_maker: StoreMaker) -> None:
        """A held lane is still held after a crash, with its reason."""
        await store.inbox.ingest([update(1)])
        await store.turns.settle([undone(await claim_one(store), hold="exhausted")])
        successor = await reopened(store_maker, store)
        await successor.inbox.ingest([update(2)])
        assert await successor.turns.claim(8, 8) == []
        [row] = await successor.desk.list("lanes", Filter())
        assert (row.lane, row.reason) == (LANE, "exhausted")

    async def test_a_held_lane_keeps_what_was_done(self, store: Store) -> None:
        """The entries that were done before the lane was held stay done, with their effects."""
        unlimited(store)
        await store.inbox.ingest([update(1), update(2)])
        lease = await claim_one(store)
        await store.turns.settle([done(lease, 1, effects=Effects(deliveries=[say("one")]), hold="exhausted")])
        assert await send_all(store) == ["one"]
        assert await store.desk.release_lane(BOT, LANE, skip_head=False) is True
        assert ids(await claim_one(store)) == [2]


class StateContract:
    @pytest.mark.req("C1-22", "E1-4")
    async def test_state_comes_with_the_lease(self, store: Store, store_maker: StoreMaker) -> None:
        """What a turn wrote comes with the lane's next lease, also after a crash."""
        await turn(store, update(1), effects=Effects(states=[state("a", b"1"), state("b", b"\x00\xff{")]))
        await store.inbox.ingest([update(2)])
        assert (await claim_one(store)).states == {"a": b"1", "b": b"\x00\xff{"}
        successor = await reopened(store_maker, store)
        assert (await claim_one(successor)).states == {"a": b"1", "b": b"\x00\xff{"}

    async def test_state_is_replaced_and_deleted(self, store: Store) -> None:
        """A write replaces the piece of that name, None deletes it, and other pieces stay."""
        await turn(store, update(1), effects=Effects(states=[state(n, n.encode()) for n in "abc"]))
        await turn(store, update(2), effects=Effects(states=[state("a", b"new"), state("b", None), state("x", None)]))
        assert await store.turns.read_states(BOT, LANE, ["a", "b", "c", "x"]) == {"a": b"new", "c": b"c"}
        await store.inbox.ingest([update(3)])
        assert (await claim_one(store)).states == {"a": b"new", "c": b"c"}

    async def test_the_last_write_of_a_turn_wins(self, store: Store) -> None:
        """Of several writes to one name in a turn the last one counts."""
        writes = [state("a", b"1"), state("a", None), state("a", b"2"), state("b", b"1"), state("b", None)]
        await turn(store, update(1), effects=Effects(states=writes))
        assert await store.turns.read_states(BOT, LANE, ["a", "b"]) == {"a": b"2"}

    @pytest.mark.parametrize("count", [0, 1, 8, 9, 40])
    async def test_no_piece_of_state_is_missed(self, store: Store, count: int) -> None:
        """A lease that says it is complete has every piece; otherwise `read_states` has the rest."""
        names = {f"piece-{i}": b"%d" % i for i in range(count)}
        await turn(store, update(1), effects=Effects(states=[state(n, d) for n, d in names.items()]))
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        if lease.states_complete:
            assert lease.states == names
        else:
            assert count > 8
            assert lease.states.items() <= names.items()
        assert await store.turns.read_states(BOT, LANE, [*names, "absent"]) == names

    async def test_a_turn_may_write_the_state_of_another_lane(self, store: Store) -> None:
        """State is written to the lane and bot that are named, and only there."""
        writes = [state("a", b"there", lane=LANE + 1), state("a", b"other bot", bot_id=BOT + 1)]
        await turn(store, update(1), effects=Effects(states=writes))
        assert await store.turns.read_states(BOT, LANE, ["a"]) == {}
        assert await store.turns.read_states(BOT, LANE + 1, ["a"]) == {"a": b"there"}
        assert await store.turns.read_states(BOT + 1, LANE, ["a"]) == {"a": b"other bot"}
        await store.inbox.ingest([update(2, lane=LANE + 1)])
        assert (await claim_one(store)).states == {"a": b"there"}

    async def test_state_written_outside_a_turn_is_seen_by_the_next(self, store: Store) -> None:
        """`write_states` needs no lease and is seen by the next lease of the lane."""
        await turn(store, update(1), effects=Effects(states=[state("a", b"1")]))
        await store.turns.write_states([state("a", b"2"), state("b", b"3"), state("a", b"4", lane=LANE + 1)])
        await store.inbox.ingest([update(2)])
        assert (await claim_one(store)).states == {"a": b"2", "b": b"3"}
        await store.turns.write_states([state("a", None), state("b", None)])
        assert await store.turns.read_states(BOT, LANE, ["a", "b"]) == {}

    async def test_a_lease_is_a_copy(self, store: Store) -> None:
        """Changing what a lease carries changes nothing in the store."""
        await turn(store, update(1), effects=Effects(states=[state("a", b"1")]))
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        lease.states["a"] = b"mine"
        lease.entries.clear()
        await store.turns.release([lease])
        lease = await claim_one(store)
        assert (lease.states, ids(lease)) == ({"a": b"1"}, [2])


def note(connection: Connection, line: str) -> int:
    """Write a line to the application's table and say how many it has."""
    connection.execute(text("INSERT INTO contract_note (line) VALUES (:line)"), {"line": line})
    return int(connection.execute(text("SELECT count(*) FROM contract_note")).scalar_one())


def create(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE contract_note (line TEXT NOT NULL)"))


def lines(connection: Connection) -> list[str]:
    return [row[0] for row in connection.execute(text("SELECT line FROM contract_note ORDER BY line"))]


class TransactContract:
    async def prepared(self, store: Store) -> None:
        """Make the application's table, in a turn as an application would."""
        await store.inbox.ingest([update(1, lane=1)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(create)
        assert await transaction.commit(done(lease)) is True

    async def noted(self, store: Store) -> list[str]:
        """The lines of the application's table, read in a turn."""
        await store.inbox.ingest([update(1000, lane=1)])
        lease = next(x for x in await store.turns.claim(64, 1) if x.lane == 1)
        transaction = await store.turns.open(lease, budget_s=30)
        found = await transaction.run(lines)
        assert await transaction.commit(done(lease)) is True
        return found

    async def test_the_result_is_there_at_once(self, store: Store) -> None:
        """A function's result comes back before the commit; a second function sees what the first wrote."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        assert await transaction.run(note, "a") == 1
        assert await transaction.run(note, "b") == 2
        assert await transaction.commit(done(lease)) is True

    @pytest.mark.req("C1-18")
    async def test_application_rows_commit_with_the_turn(self, store: Store, store_maker: StoreMaker) -> None:
        """The application's rows and the turn's effects are there together, also after a crash."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(note, "a")
        assert await transaction.commit(done(lease, effects=EVERYTHING)) is True
        successor = await reopened(store_maker, store)
        unlimited(successor)
        assert await successor.turns.claim(8, 8) == []
        assert await send_all(successor) == ["hello"]
        assert await successor.turns.read_states(BOT, LANE, ["session"]) == {"session": b'{"step":1}'}
        assert await self.noted(successor) == ["a"]

    async def test_without_a_commit_nothing_is_written(self, store: Store, store_maker: StoreMaker) -> None:
        """A crash before the commit leaves neither rows nor effects, and the entry runs again."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        transaction = await store.turns.open(await claim_one(store), budget_s=30)
        await transaction.run(note, "a")
        successor = await reopened(store_maker, store)
        lease = await claim_one(successor)
        assert (ids(lease), lease.resumed) == ([2], True)
        assert await self.noted(successor) == []
        await transaction.rollback()  # the frozen process thaws, and cleans up after itself

    async def test_rollback_undoes_and_may_be_repeated(self, store: Store) -> None:
        """`rollback` undoes the application's rows; the lease lives, and a second rollback is harmless."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(note, "a")
        await transaction.rollback()
        await transaction.rollback()
        assert await store.turns.settle([done(lease)]) == [True]
        assert await self.noted(store) == []

    async def test_rollback_after_the_commit_is_harmless(self, store: Store) -> None:
        """`rollback` after `commit` undoes nothing."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(note, "a")
        assert await transaction.commit(done(lease)) is True
        await transaction.rollback()
        assert await self.noted(store) == ["a"]

    async def test_a_function_that_raises_raises_here(self, store: Store, store_maker: StoreMaker) -> None:
        """What the function raises comes out of `run`; after the rollback the turn can be retried."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(note, "a")
        with pytest.raises(ZeroDivisionError):
            await transaction.run(lambda _: 1 // 0)
        await transaction.rollback()
        assert await store.turns.settle([undone(lease, delay_s=50)]) == [True]
        await store_maker.elapse(51)
        assert (await claim_one(store)).attempts == 2
        assert await self.noted(store) == []

    async def test_an_error_of_the_database_raises_here(self, store: Store) -> None:
        """A statement that the database refuses raises in `run`; after the rollback the store works on."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        with pytest.raises(Exception, match="contract_nothing"):
            await transaction.run(lambda connection: connection.execute(text("SELECT * FROM contract_nothing")))
        await transaction.rollback()
        assert await store.turns.settle([done(lease)]) == [True]
        assert await self.noted(store) == []

    @pytest.mark.parametrize("move", ["commit", "rollback"])
    async def test_a_function_may_not_end_the_transaction(self, store: Store, move: str) -> None:
        """A function that commits or rolls back on its own is refused, and nothing of it is written."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)

        def meddle(connection: Connection) -> None:
            note(connection, "a")
            getattr(connection, move)()

        with pytest.raises(PosthouseError):
            await transaction.run(meddle)
        await transaction.rollback()
        assert await store.turns.settle([done(lease)]) == [True]
        assert await self.noted(store) == []

    async def test_a_transaction_past_its_budget_is_rolled_back(self, store: Store, store_maker: StoreMaker) -> None:
        """A function that outlasts the budget raises `TransactionTimeout`, and nothing is written."""
        await self.prepared(store)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=0.05)

        def dawdle(connection: Connection) -> None:
            note(connection, "a")
            store_maker.stall(connection)
            note(connection, "b")

        with pytest.raises(TransactionTimeout):
            await transaction.run(dawdle)
        await transaction.rollback()
        assert await store.turns.settle([done(lease)]) == [True]
        assert await self.noted(store) == []

    async def test_a_lost_lease_commits_nothing(self, store: Store) -> None:
        """A transaction whose lease is gone commits neither rows nor effects."""
        await self.prepared(store)
        unlimited(store)
        await store.inbox.ingest([update(2)])
        lost = await claim_one(store)
        await store.turns.release([lost])
        held = await claim_one(store)
        try:
            transaction = await store.turns.open(lost, budget_s=30)
            await transaction.run(note, "a")
            assert await transaction.commit(done(lost, effects=EVERYTHING)) is False
        except LeaseLost:  # an adapter may notice it earlier
            pass
        await nothing_happened(store)
        assert await store.turns.settle([done(held)]) == [True]
        assert await self.noted(store) == []

    async def test_transactions_of_many_turns_do_not_lose_writes(self, store: Store) -> None:
        """Turns of different lanes that use transactions at once all commit, each exactly once."""
        await self.prepared(store)
        await store.inbox.ingest([update(i, lane=i) for i in range(2, 12)])

        async def work(lease: Lease) -> None:
            transaction = await store.turns.open(lease, budget_s=30)
            await transaction.run(note, str(lease.lane))
            assert await transaction.commit(done(lease)) is True

        await asyncio.gather(*(work(lease) for lease in await store.turns.claim(16, 1)))
        assert sorted(await self.noted(store), key=int) == [str(i) for i in range(2, 12)]

    async def test_commit_may_bury_hold_and_keep(self, store: Store) -> None:
        """A commit settles in every way that `settle` does: here it buries one entry and holds the lane."""
        await self.prepared(store)
        await store.inbox.ingest([update(2), update(3), update(4)])
        lease = await claim_one(store)
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(note, "a")
        assert await transaction.commit(done(lease, 2, keep=True)) is True
        transaction = await store.turns.open(lease, budget_s=30)
        await transaction.run(note, "b")
        grave = Burial(entry_id=3, error="no", reason="terminal")
        assert await transaction.commit(undone(lease, buried=[grave], hold="stuck")) is True
        assert await store.turns.claim(8, 8) == []
        assert len(await store.desk.list("dead", Filter())) == 1
        assert await store.desk.release_lane(BOT, LANE, skip_head=False) is True
        lease = await claim_one(store)
        assert ids(lease) == [4]
        await store.turns.settle([done(lease)])
        assert await self.noted(store) == ["a", "b"]


class TurnsContract(
    ClaimContract, SettleContract, RetryContract, FenceContract, HoldContract, StateContract, TransactContract
):
    """All that is promised of turns."""
