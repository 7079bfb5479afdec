"""Any history of a store ends as the model says: an adapter and the model are driven side by side.

The adapter chooses which lanes and deliveries it gives out; the model says whether it was allowed to, and
follows. After each step what the store shows must be what the model has (`durability.md` §3):

    every accepted update is in exactly one of inbox, done, dead letters     `waiting`, `dead`
    a lease is held by one                                                   `leased`
    what a turn caused is written once, in order per chat                    `outbox`, `sent`
    a lane with work is claimable, leased, backing off or held, never lost   `claim`, and the end

The default profile is fixed, so that it says the same on every machine; `soak` is random and much longer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from posthouse.core.effects import Effects
from posthouse.core.leases import Burial, DeliveryLease, DeliverySettlement, Lease, Settlement
from posthouse.ports.store import Filter, Store
from posthouse.testing.clock import ManualClock
from posthouse.testing.contracts.examples import BOT, UNLIMITED, said, say, state, update
from posthouse.testing.contracts.maker import StoreMaker
from posthouse.testing.contracts.model import ModelStore

LANES = [11, 12, 13]
EVERYTHING = Filter(limit=1000)
RETRY_S = 50.0

ENDINGS = ["done", "done", "done", "partly", "retry", "partly, then retry", "bury", "hold", "keep"]
SENDINGS = ["sent", "sent", "sent", "again", "429", "unknown", "dead", "drop"]


class Histories(RuleBasedStateMachine):
    """A store that lives through updates, turns, retries, crashes and an operator."""

    maker: StoreMaker
    store: Store

    def __init__(self, new_maker: Callable[[], StoreMaker]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.maker = new_maker()
        self.clock = ManualClock()
        self.model = ModelStore(self.clock, lease_ttl_s=self.maker.lease_ttl_s)
        self.model.set_limits(BOT, UNLIMITED)
        self.leases: list[tuple[Lease, Lease]] = []  # (the adapter's, the model's) of the lanes that are held
        self.sending: list[tuple[DeliveryLease, DeliveryLease]] = []
        self.lost: list[Lease] = []
        self.lost_sending: list[DeliveryLease] = []
        self.tries: dict[int, tuple[int, int, int]] = {}  # lane: (head, fewest, most) tries at the next claim
        self.ran: set[tuple[int, int]] = set()  # (lane, entry) that may have left recorded calls
        self.said_count = 0
        self.sent: list[str] = []
        self.store = self.wait(self.opened())

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def opened(self) -> Store:
        store = await self.maker.open()
        store.set_limits(BOT, UNLIMITED)
        return store

    def teardown(self) -> None:
        try:
            self.wait(self.drained())
        finally:
            self.wait(self.maker.close())
            self.model.model.engine.dispose()
            self.runner.close()

    # -- inbox ---------------------------------------------------------------------------------------------

    @rule(batch=st.lists(st.tuples(st.sampled_from(LANES), st.integers(1, 40)), min_size=1, max_size=8))
    def ingest(self, batch: list[tuple[int, int]]) -> None:
        """Updates arrive, shuffled and repeated; some in another lane than the first time."""
        incoming = [update(update_id, lane=lane) for lane, update_id in batch]
        stored = self.wait(self.store.inbox.ingest(incoming))
        assert stored == self.wait(self.model.inbox.ingest(incoming))
        for lane in {lane for lane, _ in batch}:
            self.forget_if_head_changed(lane)

    def forget_if_head_changed(self, lane: int) -> None:
        known, head = self.tries.get(lane), self.head_of(lane)
        if known is not None and known[0] != head:
            del self.tries[lane]

    def head_of(self, lane: int) -> int | None:
        found = self.model.model.lanes.get((BOT, lane))
        return min(found.entries, default=None) if found else None

    # -- turns ---------------------------------------------------------------------------------------------

    @rule(limit=st.integers(1, 4), depth=st.integers(1, 4))
    def claim(self, limit: int, depth: int) -> None:
        """Whoever claims gets lanes that may run, with their first entries, and as many as there are."""
        allowed = self.model.turns.claimable()
        leases: list[Lease] = self.wait(self.store.turns.claim(limit, depth))
        assert len(leases) == min(limit, len(allowed))
        for lease in leases:
            key = (lease.bot_id, lease.lane)
            assert key in allowed
            allowed.remove(key)
            self.follow(lease, depth)

    def follow(self, lease: Lease, depth: int) -> None:
        """Let the model give out the same lease."""
        lane = self.model.model.lanes[lease.bot_id, lease.lane]
        waiting = sorted(lane.entries)
        carried = [entry.entry_id for entry in lease.entries]
        assert carried == waiting[: len(carried)]
        assert 1 <= len(carried) <= (1 if lease.resumed else depth)
        assert [entry.payload for entry in lease.entries] == [lane.entries[i].payload for i in carried]
        assert lease.states == self.model.model.states.get((lease.bot_id, lease.lane), {})
        assert lease.states_complete
        if (lease.lane, carried[0]) in self.ran:
            assert lease.resumed
        head, fewest, most = self.tries.get(lease.lane, (None, 1, 10**9))
        assert lease.attempts >= 1
        if head == carried[0]:
            assert fewest <= lease.attempts <= most
        twin = self.model.turns.take((lease.bot_id, lease.lane), carried)
        self.leases.append((lease, twin))

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 9), ending=st.sampled_from(ENDINGS))
    def settle(self, index: int, ending: str) -> None:
        """A turn ends in one of its ways; what it caused is written with it."""
        lease, twin = pair = self.leases[index % len(self.leases)]
        if (entries := [e.entry_id for e in lease.entries if e.entry_id in self.waiting_in(lease.lane)]) == []:
            entries, ending = [], "done"
        done: list[int] = []
        settlement = Settlement(lease=lease, done=done, effects=Effects())
        if ending in ("done", "partly", "partly, then retry", "keep"):
            done += entries if ending == "done" else entries[: max(1, len(entries) // 2)]
            settlement.effects = self.caused(lease.lane, done)
        if ending == "retry" or (ending == "partly, then retry" and len(done) < len(entries)):
            settlement.delay_s = RETRY_S
        if ending == "bury":
            settlement.buried = [Burial(entries[0], "ValueError", "exhausted", lease.attempts)]
        settlement.hold = "stuck" if ending == "hold" else None
        settlement.keep = ending == "keep"
        assert self.wait(self.store.turns.settle([settlement])) == [True]
        assert self.wait(self.model.turns.settle([msgspec.structs.replace(settlement, lease=twin)])) == [True]
        self.ran -= {(lease.lane, i) for i in [*done, *(burial.entry_id for burial in settlement.buried)]}
        if settlement.keep:
            return
        self.leases.remove(pair)
        self.lost.append(lease)
        self.tries.pop(lease.lane, None)
        if ending == "retry" and entries[0] == lease.entries[0].entry_id == self.head_of(lease.lane):
            self.tries[lease.lane] = (entries[0], lease.attempts + 1, lease.attempts + 1)
            self.ran.add((lease.lane, entries[0]))

    def waiting_in(self, lane: int) -> set[int]:
        return set(self.model.model.lanes[BOT, lane].entries)

    def caused(self, lane: int, done: list[int]) -> Effects:
        """One message for each entry, told apart by a number that grows."""
        effects = Effects(states=[state("last", b"%d" % i, lane=lane) for i in done])
        for _ in done:
            self.said_count += 1
            effects.deliveries.append(say(f"{self.said_count}", chat=lane))
        return effects

    @precondition(lambda self: self.lost)
    @rule(index=st.integers(0, 99), ending=st.sampled_from(["done", "retry", "bury", "hold", "release"]))
    def settle_late(self, index: int, ending: str) -> None:
        """Whoever lost the lane changes nothing, whatever they try."""
        lease = self.lost[index % len(self.lost)]
        settlement = Settlement(lease=lease, done=[], effects=Effects(deliveries=[say("late", chat=lease.lane)]))
        if ending == "release":
            self.wait(self.store.turns.release([lease]))
            return
        if ending == "done":
            settlement.done = [entry.entry_id for entry in lease.entries]
        if ending == "bury":
            settlement.buried = [Burial(lease.entries[0].entry_id, "late", "late")]
        settlement.delay_s = RETRY_S if ending == "retry" else 0.0
        settlement.hold = "late" if ending == "hold" else None
        assert self.wait(self.store.turns.settle([settlement])) == [False]
        assert [x.token for x in self.wait(self.store.turns.extend([lease]))] == [lease.token]

    @precondition(lambda self: self.leases)
    @rule(index=st.integers(0, 9))
    def release(self, index: int) -> None:
        """A lane that is given back unworked is as it was."""
        lease, twin = pair = self.leases[index % len(self.leases)]
        self.leases.remove(pair)
        self.lost.append(lease)
        self.wait(self.store.turns.release([lease]))
        self.wait(self.model.turns.release([twin]))
        self.tries.pop(lease.lane, None)
        head = self.head_of(lease.lane)
        if head is not None and head == lease.entries[0].entry_id:
            self.tries[lease.lane] = (head, lease.attempts, lease.attempts)

    # -- outbox --------------------------------------------------------------------------------------------

    @rule(limit=st.integers(1, 4))
    def claim_deliveries(self, limit: int) -> None:
        """The sender gets the first delivery of as many chats as may be written to."""
        allowed = {self.text_of(delivery.wanted.payload): delivery for delivery in self.model.outbox.claimable()}
        leases: list[DeliveryLease] = self.wait(self.store.outbox.claim(limit))
        assert len(leases) == min(limit, len(allowed))
        for lease in leases:
            twin = self.model.outbox.take(allowed.pop(self.text_of(lease.payload)))
            assert (lease.chat, lease.attempts, lease.unknown) == (twin.chat, twin.attempts, twin.unknown)
            self.sending.append((lease, twin))

    @staticmethod
    def text_of(payload: bytes) -> str:
        return str(json.loads(payload)["text"])

    @precondition(lambda self: self.sending)
    @rule(index=st.integers(0, 9), ending=st.sampled_from(SENDINGS))
    def settle_delivery(self, index: int, ending: str) -> None:
        """A delivery ends in one of its ways."""
        lease, twin = pair = self.sending[index % len(self.sending)]
        self.sending.remove(pair)
        self.lost_sending.append(lease)
        end = DeliverySettlement(lease=lease)
        if ending == "sent":
            end.sent = True
            self.sent.append(self.text_of(lease.payload))
        elif ending in ("again", "429", "unknown"):
            end.delay_s, end.counted, end.unknown = RETRY_S, ending != "429", ending == "unknown"
        elif ending == "dead":
            end.reason = "blocked"
        assert self.wait(self.store.outbox.settle([end])) == [True]
        assert self.wait(self.model.outbox.settle([msgspec.structs.replace(end, lease=twin)])) == [True]

    @precondition(lambda self: self.lost_sending)
    @rule(index=st.integers(0, 99))
    def settle_delivery_late(self, index: int) -> None:
        """A sender that lost a delivery changes nothing."""
        lease = self.lost_sending[index % len(self.lost_sending)]
        end = DeliverySettlement(lease=lease, sent=True, message_id=1)
        assert self.wait(self.store.outbox.settle([end])) == [False]

    # -- time, crashes, operators --------------------------------------------------------------------------

    @rule(extending=st.booleans())
    def elapse(self, extending: bool) -> None:
        """Time passes, past every back-off and lease; lanes are kept only by those who extend."""
        for seconds in (20, 20, 20) if extending else (60,):
            if extending and self.leases:
                assert self.wait(self.store.turns.extend([lease for lease, _ in self.leases])) == []
                assert self.wait(self.model.turns.extend([twin for _, twin in self.leases])) == []
            self.wait(self.maker.elapse(seconds))
            self.clock.advance(seconds)
        reaped, expected = self.wait(self.store.upkeep.reap()), self.wait(self.model.upkeep.reap())
        assert (reaped.lanes, reaped.deliveries) == (expected.lanes, expected.deliveries)
        if not extending:
            self.lose_leases(most=1)
        self.lost_sending += [lease for lease, _ in self.sending]
        self.sending.clear()

    def lose_leases(self, *, most: int) -> None:
        """Nobody holds a lane any more; each head that was held has run once more, or counts as if."""
        for lease, _ in self.leases:
            self.tries.pop(lease.lane, None)
            head = self.head_of(lease.lane)
            if head is not None and head == lease.entries[0].entry_id:
                self.tries[lease.lane] = (head, max(1, lease.attempts + most - 1), lease.attempts + 1)
            self.ran |= {(lease.lane, entry.entry_id) for entry in lease.entries}
            self.lost.append(lease)
        self.leases.clear()

    @rule()
    def crash(self) -> None:
        """The process dies; the next one finds everything that was accepted or committed."""

        self.store = self.wait(self.reopened())
        self.model.model.crashed(self.clock.now())
        # Tries that ended are on disk; the one that was running may have been counted in memory only.
        self.tries = {lane: (head, max(1, fewest - 1), most + 1) for lane, (head, fewest, most) in self.tries.items()}
        self.lose_leases(most=0)
        self.lost_sending += [lease for lease, _ in self.sending]
        self.sending.clear()

    @rule(index=st.integers(0, 9), discard=st.booleans())
    def close_dead_letter(self, index: int, discard: bool) -> None:
        """An operator replays or discards a dead letter."""
        rows = self.wait(self.store.desk.list("dead", EVERYTHING))
        twins = self.wait(self.model.desk.list("dead", EVERYTHING))
        if not rows:
            return
        row, twin = rows[index % len(rows)], twins[index % len(rows)]
        move = "discard" if discard else "replay"
        assert self.wait(getattr(self.store.desk, move)([row.id])) == [row.id]
        assert self.wait(getattr(self.store.desk, move)([row.id])) == []
        assert self.wait(getattr(self.model.desk, move)([twin.id])) == [twin.id]
        self.tries.pop(row.lane, None)

    @rule(lane=st.sampled_from(LANES), skip=st.booleans())
    def release_lane(self, lane: int, skip: bool) -> None:
        """An operator lets a held lane go on."""
        head = self.head_of(lane)
        released = self.wait(self.store.desk.release_lane(BOT, lane, skip_head=skip))
        assert released == self.wait(self.model.desk.release_lane(BOT, lane, skip_head=skip))
        if released:
            self.tries.pop(lane, None)
        if released and skip and head is not None:
            self.ran.discard((lane, head))

    # -- what holds after every step -----------------------------------------------------------------------

    @invariant()
    def the_store_shows_what_the_model_has(self) -> None:
        self.wait(self.compared())

    async def compared(self) -> None:
        for what, show in (
            ("inbox", lambda row: row.lane),
            ("dead", lambda row: (row.kind, row.lane)),
            ("outbox", lambda row: (row.lane, row.state == "sending", row.attempts)),
        ):
            rows = await self.store.desk.list(what, EVERYTHING)
            twins = await self.model.desk.list(what, EVERYTHING)
            assert sorted(map(show, rows)) == sorted(map(show, twins)), what
        held = {row.lane for row in await self.store.desk.list("lanes", Filter(state="held"))}
        assert held == {row.lane for row in await self.model.desk.list("lanes", Filter(state="held"))}
        assert (await self.store.upkeep.gauges()).lanes_leased == len(self.leases)

    # -- the end of every history --------------------------------------------------------------------------

    async def drained(self) -> None:
        """Let all that is left run: nothing is stuck, nothing happened twice, lanes ran in order."""
        self.store = await self.reopened()
        for lane in LANES:
            await self.store.desk.release_lane(BOT, lane, skip_head=False)
            await self.model.desk.release_lane(BOT, lane, skip_head=False)
        await self.maker.elapse(100)
        self.clock.advance(100)
        left = {(key[1], i) for key, lane in self.model.model.lanes.items() for i in lane.entries}
        ran: list[tuple[int, int]] = []
        while leases := await self.store.turns.claim(4, 4):
            ran += [(lease.lane, entry.entry_id) for lease in leases for entry in lease.entries]
            settlements = [Settlement(x, [entry.entry_id for entry in x.entries], Effects()) for x in leases]
            assert await self.store.turns.settle(settlements) == [True] * len(leases)
        assert sorted(ran) == sorted(left)
        assert all(
            ran.index((lane, i)) < ran.index((lane, j))
            for lane, i in left
            for lane2, j in left
            if lane == lane2 and i < j
        )
        waiting = sorted(self.text_of(d.wanted.payload) for d in self.model.model.outbox.values())
        sent: list[str] = []
        while deliveries := await self.store.outbox.claim(4):
            sent += said(deliveries)
            ends = [DeliverySettlement(lease=lease, sent=True) for lease in deliveries]
            assert await self.store.outbox.settle(ends) == [True] * len(ends)
        assert sorted(sent) == waiting
        assert len(set(self.sent + sent)) == len(self.sent + sent)
        assert await self.store.desk.list("inbox", EVERYTHING) == []
        assert await self.store.desk.list("outbox", EVERYTHING) == []

    async def reopened(self) -> Store:
        await self.maker.crash(self.store)
        await self.maker.elapse(1)
        self.clock.advance(1)
        store = await self.opened()
        await store.upkeep.reap()
        return store


def bounds(examples: int, steps: int, **fields: Any) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        **fields,
    )


@pytest.mark.req("E1-16", "B-10", "B-12", "B-19")
def test_any_history_ends_as_the_model_says(
    new_maker: Callable[[], StoreMaker], request: pytest.FixtureRequest
) -> None:
    """Whatever happens in whatever order, the store shows what the model has, and in the end all is done."""
    examples = 10 if request.node.callspec.params["new_maker"] == "postgres" else 40  # a database takes its time
    fixed = bounds(examples, 30, derandomize=True, database=None)
    run_state_machine_as_test(lambda: Histories(new_maker), settings=fixed)


@pytest.mark.soak
@pytest.mark.req("E1-16", "B-10", "B-12", "B-19")
def test_long_histories_end_as_the_model_says(new_maker: Callable[[], StoreMaker]) -> None:
    """The same for many long random histories."""
    run_state_machine_as_test(lambda: Histories(new_maker), settings=bounds(500, 80, print_blob=True))
