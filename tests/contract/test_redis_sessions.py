"""Redis under the same promises as the databases: the contract of the store over each of them, and what is its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import run_state_machine_as_test
from redis.asyncio import Redis
from structlog.testing import capture_logs
from support_redis import RedisMaker, RedisServer, redis, redis_server, redis_url
from test_store_properties import Histories, bounds

from posthouse.adapters.redis import RedisLock, RedisSessionStore, RedisSettings
from posthouse.core.effects import Effects
from posthouse.core.errors import ConfigurationInvalid, Retryable, StoreUnavailable
from posthouse.core.leases import DeliverySettlement, JobSettlement, Lease
from posthouse.core.sessions import JournalWrite, Owner, SessionEvent
from posthouse.ports.store import SessionFilter, Store
from posthouse.settings import parse
from posthouse.testing.clock import ManualClock
from posthouse.testing.contracts.examples import (
    BOT,
    GROUP,
    LANE,
    claim_delivery,
    claim_job,
    claim_one,
    done,
    ids,
    job,
    say,
    send_all,
    state,
    turn,
    unlimited,
    update,
)
from posthouse.testing.contracts.jobs import JobsContract
from posthouse.testing.contracts.maker import StoreMaker, reopened
from posthouse.testing.contracts.model import ModelStore
from posthouse.testing.contracts.outbox import OutboxContract
from posthouse.testing.contracts.sessions import (
    ANN,
    SessionsContract,
    ending,
    made,
    moved_on,
    session,
    turn_with,
)
from posthouse.testing.contracts.turns import TurnsContract
from posthouse.testing.contracts.upkeep import UpkeepContract

__all__ = ["redis", "redis_server", "redis_url"]

TTL_MS = 86_400_000
CHAT = f"{BOT}:session:{LANE}"


@pytest.fixture
def new_maker(new_maker: Callable[[], StoreMaker], redis_server: RedisServer) -> Callable[[], RedisMaker]:
    """Each of the databases (`tests/contract/conftest.py`), with a Redis of its own over it."""
    return lambda: RedisMaker(new_maker(), redis_server.new_url())


# -- the contract ------------------------------------------------------------------------------------------------------


@pytest.mark.req("S4-6", "B-12", "B-20")
class TestTurns(TurnsContract):
    pass


@pytest.mark.req("S4-6", "B-20")
class TestSessions(SessionsContract):
    pass


class TestJobs(JobsContract):
    pass


class TestOutbox(OutboxContract):
    pass


class TestUpkeep(UpkeepContract):
    pass


@pytest.mark.req("B-12", "B-20")
def test_any_history_ends_as_the_model_says(
    new_maker: Callable[[], RedisMaker], request: pytest.FixtureRequest
) -> None:
    """With Redis over it a store still does what the model does, whatever happens in whatever order."""
    examples = 5 if request.node.callspec.params["new_maker"] == "postgres" else 20  # a database takes its time
    fixed = bounds(examples, 30, derandomize=True, database=None)
    run_state_machine_as_test(lambda: Histories(new_maker), settings=fixed)


# -- what follows is Redis's own ---------------------------------------------------------------------------------------


class Died(Exception):
    """The process is no more."""


class Faulty:
    """The database's turns, where something happens just before or just after a commit. Each happens once."""

    def __init__(self, store: Store) -> None:
        self._turns = store.turns
        self.before: list[Callable[[], Awaitable[Any]]] = []
        self.after: list[Callable[[], Awaitable[Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turns, name)

    async def settle(self, settlements: Sequence[Any]) -> list[bool]:
        return await self.around(lambda: self._turns.settle(settlements))

    async def open(self, lease: Lease, *, budget_s: float) -> Any:
        return _FaultyTransaction(self, await self._turns.open(lease, budget_s=budget_s))

    async def around(self, commit: Callable[[], Awaitable[Any]]) -> Any:
        if self.before:
            await self.before.pop()()
        answer = await commit()
        if self.after:
            await self.after.pop()()
        return answer


class _FaultyTransaction:
    def __init__(self, faulty: Faulty, transaction: Any) -> None:
        self._faulty = faulty
        self._transaction = transaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    async def commit(self, settlement: Any) -> bool:
        held: bool = await self._faulty.around(lambda: self._transaction.commit(settlement))
        return held


def raising(error: Exception) -> Callable[[], Awaitable[Any]]:
    async def happens() -> None:
        raise error

    return happens


@pytest.fixture
def maker(store_maker: StoreMaker) -> RedisMaker:
    assert isinstance(store_maker, RedisMaker)
    return store_maker


@pytest.fixture
async def faulty_store(maker: RedisMaker) -> RedisSessionStore:
    """A store at whose commits something may happen: `faults(store)`."""
    return await maker.open(turns=Faulty)


def faults(store: RedisSessionStore) -> Faulty:
    found: Any = store.database.turns
    assert isinstance(found, Faulty)
    return found


def database(store: Store) -> Store:
    """The database alone."""
    assert isinstance(store, RedisSessionStore)
    found: Any = store.database
    inner: Store = found.store
    return inner


@pytest.fixture
async def beside(maker: RedisMaker) -> AsyncIterator[Redis]:
    """Another program's client on the test's Redis."""
    client = Redis.from_url(maker.settings.url)
    yield client
    await client.aclose()


def one_more(lease: Lease) -> Effects:
    """What a counting turn wants: n goes up by one, and it says so."""
    n = int(lease.states.get("n", b"0")) + 1
    return Effects(states=[state("n", b"%d" % n)], deliveries=[say(f"n={n}")])


async def count(store: Store, update_id: int) -> Lease:
    """A whole counting turn."""
    await store.inbox.ingest([update(update_id)])
    lease = await claim_one(store)
    assert await store.turns.settle([done(lease, effects=one_more(lease))]) == [True]
    return lease


async def n(store: Store) -> bytes | None:
    return (await store.turns.read_states(BOT, LANE, ["n"])).get("n")


class TestTwoStoresOneCommit:
    """The table of `posthouse.adapters.redis.hashes`, line by line."""

    @pytest.mark.req("S4-9", "B-20")
    @pytest.mark.parametrize("alone", [False, True], ids=["with others", "in its own transaction"])
    async def test_a_death_before_the_commit_leaves_nothing(
        self, faulty_store: RedisSessionStore, maker: RedisMaker, alone: bool
    ) -> None:
        """What lay prepared in Redis is dropped by the next claim, the entry runs again, and counts once."""
        store = faulty_store
        unlimited(store)
        await count(store, 1)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        faults(store).before.append(raising(Died()))
        settlement = done(lease, effects=one_more(lease))
        transaction = await store.turns.open(lease, budget_s=30) if alone else None
        with pytest.raises(Died):
            await (store.turns.settle([settlement]) if transaction is None else transaction.commit(settlement))
        if not alone:
            assert await n(store) == b"1"
        successor = await reopened(maker, store)
        if transaction is not None:
            await transaction.rollback()  # the frozen process thaws, and cleans up after itself
        unlimited(successor)
        lease = await claim_one(successor)
        assert (ids(lease), lease.states) == ([2], {"n": b"1"})
        assert await successor.turns.settle([done(lease, effects=one_more(lease))]) == [True]
        assert await n(successor) == b"2"
        assert await send_all(successor) == ["n=1", "n=2"]

    @pytest.mark.req("S4-9", "B-20")
    async def test_a_death_after_the_commit_loses_nothing(
        self, faulty_store: RedisSessionStore, maker: RedisMaker
    ) -> None:
        """What the database has committed is carried out in Redis by whoever reads or claims next, once."""
        store = faulty_store
        unlimited(store)
        store.keep_sessions(BOT)
        await count(store, 1)
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        effects = one_more(lease)
        told = [SessionEvent("aaaaaaaaaa", BOT, "pack", "pack.try", "", "a", 1, format="rev", at=1.5)]
        settlement = ending(lease, made(session()), events=told, states=effects.states, deliveries=effects.deliveries)
        faults(store).after.append(raising(Died()))
        with pytest.raises(Died):
            await store.turns.settle([settlement])
        successor = await reopened(maker, store)
        unlimited(successor)
        assert await n(successor) == b"2"
        assert await n(successor) == b"2"
        await successor.inbox.ingest([update(3)])
        lease = await claim_one(successor)
        assert (ids(lease), lease.states) == ([3], {"n": b"2"})
        assert lease.sessions == {"aaaaaaaaaa": session()}
        assert await successor.sessions.history("aaaaaaaaaa") == told
        assert await send_all(successor) == ["n=1", "n=2"]

    @pytest.mark.req("B-20")
    @pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after it"])
    async def test_an_entry_that_overtakes_sees_what_was_committed(
        self, faulty_store: RedisSessionStore, maker: RedisMaker, committed: bool
    ) -> None:
        """Whether a turn happened is the database's to say, not which entry is first: a job's end may come before."""
        store = faulty_store
        await turn(store, update(1), effects=Effects(jobs=[job(bot_id=BOT, lane=LANE, notify=True)]))
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        (faults(store).after if committed else faults(store).before).append(raising(Died()))
        with pytest.raises(Died):
            await store.turns.settle([done(lease, effects=one_more(lease))])
        store = await reopened(maker, store)
        assert await store.jobs.settle([JobSettlement(await claim_job(store), b"1")]) == [True]
        lease = await claim_one(store, depth=1)
        assert lease.entries[0].entry_id < 0
        assert lease.states == ({"n": b"1"} if committed else {})
        await store.turns.settle([done(lease, effects=one_more(lease))])
        if not committed:
            lease = await claim_one(store)
            assert await store.turns.settle([done(lease, effects=one_more(lease))]) == [True]
        assert await n(store) == b"2"

    @pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after it"])
    async def test_a_settlement_that_is_tried_again_counts_once(
        self, faulty_store: RedisSessionStore, committed: bool
    ) -> None:
        """The database was away and nobody knows what it did: the same settlement again is the same change."""
        store = faulty_store
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        told = [SessionEvent("aaaaaaaaaa", BOT, "pack", "pack.try", "", "a", 1, at=1.5)]
        settlement = ending(lease, made(session()), events=told, states=one_more(lease).states)
        (faults(store).after if committed else faults(store).before).append(raising(StoreUnavailable()))
        with pytest.raises(StoreUnavailable):
            await store.turns.settle([settlement])
        assert await store.turns.settle([settlement]) == [not committed]
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        assert (ids(lease), lease.states) == ([2], {"n": b"1"})
        assert await store.sessions.history("aaaaaaaaaa") == told

    @pytest.mark.req("B-12")
    async def test_a_slower_process_overwrites_nothing_between_prepare_and_commit(
        self, faulty_store: RedisSessionStore
    ) -> None:
        """Whoever lost the lane is fenced in Redis too: the change that waits there for its commit stays whole."""
        store = faulty_store
        await count(store, 1)
        await store.inbox.ingest([update(2)])
        lost = await claim_one(store)
        await store.turns.release([lost])
        held = await claim_one(store)
        late = done(lost, effects=Effects(states=[state("n", b"99"), state("m", b"99")]))
        verdicts: list[list[bool]] = []

        async def slower() -> None:
            verdicts.append(await store.turns.settle([late]))

        faults(store).before.append(slower)
        assert await store.turns.settle([done(held, effects=one_more(held))]) == [True]
        assert verdicts == [[False]]
        assert await store.turns.read_states(BOT, LANE, ["n", "m"]) == {"n": b"2"}

    @pytest.mark.req("B-12")
    async def test_a_slower_process_that_comes_first_delays_and_changes_nothing(
        self, store: Store, maker: RedisMaker
    ) -> None:
        """Of a chat without a hash Redis does not know who has it: at worst the turn that has it runs once more."""
        await store.inbox.ingest([update(1)])
        lost = await claim_one(store)
        await store.turns.release([lost])
        held = await claim_one(store)
        assert await store.turns.settle([done(lost, effects=Effects(states=[state("n", b"99")]))]) == [False]
        assert await store.turns.settle([done(held, effects=one_more(held))]) == [False]
        await maker.elapse(1)
        lease = await claim_one(store)
        assert (lease.states, lease.attempts) == ({}, 2)
        assert await store.turns.settle([done(lease, effects=one_more(lease))]) == [True]
        assert await n(store) == b"1"

    async def test_stations_follow_each_other(self, faulty_store: RedisSessionStore, redis_server: RedisServer) -> None:
        """A station is carried out before the next is prepared, also when Redis was away just after its commit."""
        store = faulty_store
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(i) for i in (1, 2, 3)])
        lease = await claim_one(store)
        first, entry = session(flow_kind="order", state="waiting"), JournalWrite("aaaaaaaaaa", 0, b"0")

        async def away() -> None:
            await asyncio.to_thread(redis_server.kill)

        faults(store).after.append(away)
        station = ending(lease, made(first), journal=[entry], states=[state("n", b"1")])
        station.done, station.keep = [1], True
        assert await store.turns.settle([station]) == [True]
        await asyncio.to_thread(redis_server.start)
        assert await store.sessions.journal(first.id) == [b"0"]
        again = moved_on(first, "waiting")
        station = ending(lease, again, journal=[JournalWrite(first.id, 1, b"1")], states=[state("n", b"2")])
        station.done, station.keep = [2], True
        assert await store.turns.settle([station]) == [True]
        assert await store.turns.settle([done(lease, 3)]) == [True]
        assert await store.sessions.get(first.id) == again.record
        assert await store.sessions.journal(first.id) == [b"0", b"1"]
        assert await n(store) == b"2"

    async def test_turns_of_one_batch_are_judged_alone(self, store: Store, beside: Redis) -> None:
        """Of many chats that settle at once the one whose session had moved runs again, the others are written."""
        store.keep_sessions(BOT)
        await store.inbox.ingest([update(i, lane=i) for i in range(1, 21)])
        leases = sorted(await store.turns.claim(32, 8), key=lambda lease: lease.lane)
        settlements = [done(lease, effects=Effects(states=[state("a", b"1", lane=lease.lane)])) for lease in leases]
        settlements[7] = ending(leases[7], moved_on(session(lane=8, owner=Owner(ANN, 8)), "x"))
        assert await store.turns.settle(settlements) == [place != 7 for place in range(20)]
        assert len(await beside.keys("*:session:*")) == 19

    async def test_redis_away_at_claim_leaves_lanes_waiting(self, store: Store, redis_server: RedisServer) -> None:
        """A claim without Redis takes nothing and counts no try; afterwards it is as if it had not been."""
        await count(store, 1)
        await store.inbox.ingest([update(2)])
        await asyncio.to_thread(redis_server.kill)
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match=r"Redis at .* cannot be reached .*; is it running"):
                await store.turns.claim(8, 8)
        await asyncio.to_thread(redis_server.start)
        lease = await claim_one(store)
        assert (ids(lease), lease.attempts, lease.states) == ([2], 1, {"n": b"1"})

    async def test_redis_away_at_settle_is_tried_again(self, store: Store, redis_server: RedisServer) -> None:
        """A settlement without Redis is not written; the same one is, when Redis is back."""
        unlimited(store)
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        settlement = done(lease, effects=one_more(lease))
        await asyncio.to_thread(redis_server.kill)
        with pytest.raises(StoreUnavailable):
            await store.turns.settle([settlement])
        await asyncio.to_thread(redis_server.start)
        assert await store.turns.settle([settlement]) == [True]
        assert await n(store) == b"1"
        assert await send_all(store) == ["n=1"]

    async def test_what_redis_lost_is_told(self, store: Store, beside: Redis) -> None:
        """A Redis without its data is noticed at the chat's next turn, once; the chat goes on with nothing."""
        await count(store, 1)
        await beside.flushdb()
        await store.inbox.ingest([update(2)])
        with capture_logs() as logs:
            lease = await claim_one(store)
        assert [line["lane"] for line in logs if line["event"] == "state.lost"] == [LANE]
        assert await store.turns.settle([done(lease, effects=one_more(lease))]) == [True]
        await store.inbox.ingest([update(3)])
        with capture_logs() as logs:
            assert (await claim_one(store)).states == {"n": b"1"}
        assert [line for line in logs if line["event"] == "state.lost"] == []


class TestRestart:
    @pytest.mark.req("S4-2", "S4-9")
    async def test_everything_survives_a_restart_of_redis_and_of_the_process(
        self, store: Store, maker: RedisMaker, redis_server: RedisServer
    ) -> None:
        """Redis is killed and comes back with its append-only file, the process too: pieces, sessions, journals."""
        first = session(flow_kind="order", state="waiting", data=b'{"step":1}', expires_at=4e9)
        journal = [JournalWrite(first.id, number, b"%d" % number) for number in range(3)]
        over = session("bbbbbbbbbb", state="done", is_active=False)
        assert await turn_with(store, 1, made(first), made(over), journal=journal, states=[state("a", b"\x00\xff")])
        await asyncio.to_thread(redis_server.kill)
        await asyncio.to_thread(redis_server.start)
        successor = await reopened(maker, store)
        successor.keep_sessions(BOT)
        await successor.inbox.ingest([update(2)])
        lease = await claim_one(successor)
        assert (lease.states, lease.sessions) == ({"a": b"\x00\xff"}, {first.id: first})
        assert await successor.sessions.journal(first.id) == [b"0", b"1", b"2"]
        assert await successor.sessions.get(over.id) == over
        assert await successor.turns.settle([ending(lease, moved_on(first, "waiting"))]) == [True]


async def keys(client: Redis) -> list[str]:
    return sorted(key.decode() for key in await client.keys("*"))


class TestKeys:
    @pytest.mark.req("S4-12")
    async def test_a_chat_is_one_hash(self, store: Store, beside: Redis) -> None:
        """`session:{chatId}` behind the bot's prefix: pieces and sessions; an ended one is outside."""
        first = session()
        told = [SessionEvent(first.id, BOT, "pack", "pack.try", "", "a", 1, format="rev", at=7200.0)]
        entry = JournalWrite(first.id, 0, b"0")
        assert await turn_with(store, 1, made(first), events=told, journal=[entry], states=[state("", b"{}")])
        assert await keys(beside) == [
            CHAT,
            f"session_history:{first.id}",
            f"session_home:{first.id}",
            f"session_journal:{first.id}",
            "session_presses:2",
        ]
        fields = {name.decode() for name in await beside.hkeys(CHAT)}
        assert fields == {"p:", f"s:{ANN}:{first.id}", "~lease", "~last", "~slid"}
        assert await turn_with(store, 2, moved_on(first, "done", is_active=False))
        assert await keys(beside) == [
            CHAT,
            f"session_ended:{first.id}",
            f"session_history:{first.id}",
            "session_presses:2",
        ]

    @pytest.mark.req("S4-12", "S4-5")
    async def test_without_a_prefix_the_names_are_those_of_the_adr(self, maker: RedisMaker, beside: Redis) -> None:
        """With key_prefix "" a chat is `session:{chatId}`, and on the same Redis a lock `processing_lock:{userId}`."""
        maker.settings = replace(maker.settings, key_prefix="")
        await count(await maker.open(), 1)
        async with RedisLock(beside, ANN):
            assert await keys(beside) == [f"processing_lock:{ANN}", f"session:{LANE}"]

    async def test_two_bots_on_one_redis_share_nothing(self, store: Store) -> None:
        """The same chat of two bots is two hashes."""
        for bot_id, data in ((BOT, b"1"), (BOT + 1, b"2")):
            await store.inbox.ingest([update(1, bot_id=bot_id)])
            lease = await claim_one(store)
            assert lease.states == {}
            effects = Effects(states=[state("a", data, bot_id=bot_id)])
            assert await store.turns.settle([done(lease, effects=effects)]) == [True]
        assert await store.turns.read_states(BOT, LANE, ["a"]) == {"a": b"1"}
        assert await store.turns.read_states(BOT + 1, LANE, ["a"]) == {"a": b"2"}

    async def test_another_programs_keys_are_left_alone(self, store: Store, beside: Redis) -> None:
        """What somebody else has under a like name is not listed; under the very name it stops the chat and says so."""
        await beside.set("other:session:1", "{}")
        assert await turn_with(store, 1, made(session()))
        assert await store.sessions.find(SessionFilter()) == [session()]
        await beside.set(f"{BOT}:session:{GROUP}", "{}")
        await store.inbox.ingest([update(2, lane=GROUP)])
        with pytest.raises(StoreUnavailable, match="key_prefix"):
            await store.turns.claim(8, 8)
        await beside.delete(f"{BOT}:session:{GROUP}")
        assert ids(await claim_one(store)) == [2]

    async def test_a_chat_that_remembers_nothing_has_no_key(self, store: Store, beside: Redis) -> None:
        """A turn that writes nothing leaves nothing in Redis."""
        await turn(store, update(1), effects=Effects(deliveries=[say("hello")]))
        assert await keys(beside) == []

    @pytest.mark.req("S4-4")
    async def test_a_claim_is_one_round_trip(self, store: Store, beside: Redis) -> None:
        """However many lanes a claim takes, Redis is asked once, and once more to prepare and to carry out."""

        async def asked() -> int:
            return int((await beside.info("commandstats"))["cmdstat_evalsha"]["calls"])

        await turn(store, update(100), effects=Effects(states=[state("a", b"1")]))  # Redis knows the scripts now
        await store.inbox.ingest([update(i, lane=i) for i in range(1, 31)])
        before = await asked()
        leases = await store.turns.claim(64, 8)
        assert (len(leases), await asked() - before) == (30, 1)
        effects = [Effects(states=[state("a", b"1", lane=lease.lane)]) for lease in leases]
        await store.turns.settle([done(lease, effects=one) for lease, one in zip(leases, effects, strict=True)])
        assert await asked() - before == 3


async def until_gone(client: Redis, key: str) -> None:
    async with asyncio.timeout(20):
        while await client.exists(key):  # noqa: ASYNC110 - Redis tells nobody here
            await asyncio.sleep(0.005)


class TestLife:
    @pytest.mark.req("S4-7", "C4-3")
    async def test_a_chat_lives_a_day_from_its_last_change(self, store: Store, beside: Redis) -> None:
        """The period slides with each write, and not with a turn that writes nothing; so does what belongs to it."""
        first = session(flow_kind="order", version="1")
        assert await turn_with(store, 1, made(first), journal=[JournalWrite(first.id, 0, b"0")])
        assert TTL_MS - 20_000 < await beside.pttl(CHAT) <= TTL_MS
        home, journal = f"session_home:{first.id}", f"session_journal:{first.id}"
        for key in (CHAT, home, journal):
            await beside.pexpire(key, 60_000)
        await beside.hset(CHAT, "~slid", "0")  # as if an hour had gone
        await turn(store, update(2))
        assert await beside.pttl(CHAT) <= 60_000
        await count(store, 3)
        assert TTL_MS - 20_000 < await beside.pttl(CHAT) <= TTL_MS
        for key in (home, journal):
            assert await beside.pttl(key) > TTL_MS

    @pytest.mark.req("S4-7")
    async def test_a_chat_that_expired_is_gone_as_a_whole(self, store: Store, beside: Redis) -> None:
        """No piece, no session: an event that saw the session before is refused and runs again without it."""
        first = session()
        assert await turn_with(store, 1, made(first), states=[state("a", b"1")])
        await store.inbox.ingest([update(2)])
        lease = await claim_one(store)
        assert lease.sessions == {first.id: first}
        await beside.pexpire(CHAT, 1)
        await until_gone(beside, CHAT)
        assert await store.turns.settle([ending(lease, moved_on(first, "wait_pack_photo"))]) == [False]
        assert await store.sessions.get(first.id) is None
        assert await store.sessions.owned(BOT, LANE, [ANN]) == []
        assert await store.sessions.find(SessionFilter()) == []
        assert await store.turns.read_states(BOT, LANE, ["a"]) == {}

    async def test_a_chat_that_expired_in_its_time_is_no_loss(
        self, store: Store, maker: RedisMaker, beside: Redis
    ) -> None:
        """After a day without a change nobody is told that Redis has forgotten the chat."""
        await count(store, 1)
        await beside.delete(CHAT)
        await maker.elapse(86_401)
        await store.inbox.ingest([update(2)])
        with capture_logs() as logs:
            assert (await claim_one(store)).states == {}
        assert [line for line in logs if line["event"] == "state.lost"] == []


class TestBesideTheDatabase:
    @pytest.mark.req("B-20")
    async def test_what_was_there_before_is_taken_along(self, store: Store) -> None:
        """Pieces from before Redis was chosen are seen, and move to Redis when they are next written."""
        await database(store).turns.write_states([state("a", b"old"), state("b", b"old")])
        await store.inbox.ingest([update(1)])
        lease = await claim_one(store)
        assert lease.states == {"a": b"old", "b": b"old"}
        await store.turns.settle([done(lease, effects=Effects(states=[state("a", b"new")]))])
        assert await database(store).turns.read_states(BOT, LANE, ["a", "b"]) == {"b": b"old"}
        assert await store.turns.read_states(BOT, LANE, ["a", "b"]) == {"a": b"new", "b": b"old"}
        await store.turns.write_states([state("b", None)])
        assert await store.turns.read_states(BOT, LANE, ["a", "b"]) == {"a": b"new"}

    @pytest.mark.req("B-20")
    async def test_a_session_stays_where_it_was_made(self, store: Store) -> None:
        """A session from before goes on and ends in the database, with its journal; a new one is Redis's."""
        first, second = session(state="waiting"), session("bbbbbbbbbb")
        await turn_with(database(store), 1, made(first), journal=[JournalWrite(first.id, 0, b"0")])
        step = moved_on(first, "waiting")
        assert await turn_with(store, 2, step, made(second), journal=[JournalWrite(first.id, 1, b"1")])
        assert await database(store).sessions.get(first.id) == step.record
        assert await database(store).sessions.get(second.id) is None
        assert await store.sessions.journal(first.id) == [b"0", b"1"]
        assert {record.id for record in await store.sessions.owned(BOT, LANE, [ANN])} == {first.id, second.id}
        assert {record.id for record in await store.sessions.find(SessionFilter())} == {first.id, second.id}
        await store.inbox.ingest([update(3)])
        lease = await claim_one(store)
        assert set(lease.sessions) == {first.id, second.id}
        stale = moved_on(first, "elsewhere")
        assert await store.turns.settle([ending(lease, stale)]) == [False]

    @pytest.mark.req("B-20")
    async def test_a_persons_own_session_in_all_chats_is_the_databases(self, store: Store, beside: Redis) -> None:
        """It belongs to no chat: two lanes may move it, and one database commit compares it for both."""
        assert await turn_with(store, 1, made(session(owner=Owner(ANN))))
        assert await database(store).sessions.get("aaaaaaaaaa") == session(owner=Owner(ANN))
        assert await keys(beside) == []

    async def test_what_comes_from_outside_the_chat_is_newer(self, store: Store, maker: RedisMaker) -> None:
        """A piece written or deleted by another chat's turn, or by a job, is seen over what Redis has."""
        await turn(store, update(1), effects=Effects(states=[state(name, b"1") for name in "abc"]))
        outside = Effects(states=[state("a", b"2"), state("b", None)], jobs=[job(bot_id=BOT, lane=LANE)])
        await turn(store, update(2, lane=GROUP), effects=outside)
        ended = JobSettlement(await claim_job(store), effects=Effects(states=[state("c", None), state("d", b"3")]))
        assert await store.jobs.settle([ended]) == [True]
        store = await reopened(maker, store)
        assert await store.turns.read_states(BOT, LANE, list("abcd")) == {"a": b"2", "d": b"3"}
        await store.inbox.ingest([update(3)])
        lease = await claim_one(store)
        assert lease.states == {"a": b"2", "d": b"3"}
        await store.turns.settle([done(lease, effects=Effects(states=[state("b", b"4"), state("d", None)]))])
        assert await store.turns.read_states(BOT, LANE, list("abcd")) == {"a": b"2", "b": b"4"}

    async def test_the_platforms_own_pieces_are_never_in_redis(self, store: Store, beside: Redis) -> None:
        """What the platform remembers of itself does not expire with a chat."""
        await store.turns.write_states([state("posthouse:webhook", b"1", lane=0)])
        assert await store.turns.read_states(BOT, 0, ["posthouse:webhook"]) == {"posthouse:webhook": b"1"}
        assert await keys(beside) == []

    async def test_a_group_with_a_new_id_takes_its_pieces_along(self, store: Store) -> None:
        """When Telegram names a new chat, what the old one remembered in Redis is remembered there."""
        unlimited(store)
        await turn(store, update(1, lane=-77), effects=Effects(deliveries=[say("hello", chat=-77)]))
        await store.turns.write_states([state("a", b"1", lane=-77), state("b", b"1", lane=-77)])
        await store.turns.write_states([state("b", b"newer", lane=GROUP)])
        lease = await claim_delivery(store)
        moved = DeliverySettlement(lease, delay_s=0.0, counted=False, migrated_to=GROUP)
        assert await store.outbox.settle([moved]) == [True]
        assert await store.turns.read_states(BOT, GROUP, ["a", "b"]) == {"a": b"1", "b": b"newer"}


class TestLock:
    @pytest.mark.req("B-12", "C4-3")
    async def test_a_lock_is_taken_by_one(self, redis: Redis) -> None:
        """Whoever comes second does not get it; after a release somebody may; it ends by itself after a minute."""
        first, second = RedisLock(redis, ANN), RedisLock(redis, ANN)
        assert await first.acquire()
        assert 59_000 < await redis.pttl(first.key) <= 60_000
        assert not await second.acquire()
        with pytest.raises(Retryable, match=f"processing_lock:{ANN}"):
            async with second:
                pass
        assert await first.release()
        async with second:
            assert not await first.acquire()
        assert await first.acquire()

    @pytest.mark.req("B-12")
    async def test_an_expired_lock_of_another_holder_is_not_deleted(self, redis: Redis) -> None:
        """Whoever was held up for too long neither releases nor extends what has become another's."""
        slow, next_one = RedisLock(redis, ANN), RedisLock(redis, ANN)
        assert await slow.acquire()
        await redis.pexpire(slow.key, 1)
        await until_gone(redis, slow.key)
        assert await next_one.acquire()
        assert not await slow.release()
        assert not await slow.extend()
        assert await redis.exists(slow.key)
        assert await next_one.release()

    async def test_a_lock_can_be_kept(self, redis: Redis) -> None:
        """Its holder extends it by another period; with a prefix it is another lock."""
        lock = RedisLock(redis, ANN, ttl_s=600)
        assert await lock.acquire()
        await redis.pexpire(lock.key, 1000)
        assert await lock.extend()
        assert await redis.pttl(lock.key) > 500_000
        assert await RedisLock(redis, ANN, prefix="7:").acquire()


class TestSettings:
    def parsed(self, sessions: dict[str, Any], *bots: int) -> Any:
        section = {"program": "m:app", "mode": "polling"}
        raw = {
            "bots": {f"b{bot}": {**section, "token": f"${{T{bot}}}"} for bot in bots},
            "sessions": sessions,
        }
        environment = {f"T{bot}": f"{bot}:x" for bot in bots} | {"REDIS_URL": "redis://u:hunter2@cache:6379/1"}
        return parse(raw, path=Path("posthouse.toml"), environment=environment)

    def test_the_url_may_come_from_the_environment(self) -> None:
        """`${REDIS_URL}` is filled in; the default is the database."""
        assert self.parsed({}).sessions.store == "database"
        found = self.parsed({"store": "redis", "redis_url": "${REDIS_URL}"}, 1).sessions
        assert (found.redis_url, found.ttl_s) == ("redis://u:hunter2@cache:6379/1", 86_400)

    @pytest.mark.parametrize(
        ("sessions", "bots", "told"),
        [
            ({"redis_url": "http://u:hunter2@cache"}, (1,), "sessions.redis_url"),
            ({"ttl_s": 0}, (1,), "sessions.ttl_s"),
            ({"store": "redis", "key_prefix": ""}, (1, 2), "sessions.key_prefix"),
            ({"store": "memory"}, (1,), "sessions.store"),
        ],
    )
    def test_a_wrong_value_is_named(self, sessions: dict[str, Any], bots: tuple[int, ...], told: str) -> None:
        """The setting is named, and a password is not."""
        with pytest.raises(ConfigurationInvalid, match=told) as found:
            self.parsed(sessions, *bots)
        assert "hunter2" not in str(found.value)

    async def test_a_password_is_not_shown(self) -> None:
        """A Redis that cannot be reached is named by host and port, in the traceback too."""
        closed: Any = ModelStore(ManualClock())
        store = RedisSessionStore(closed, RedisSettings("redis://u:hunter2@127.0.0.1:1/3"))
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/3") as found:
            await store.open()
        assert "hunter2" not in "".join(traceback.format_exception(found.value))

    @pytest.mark.req("S4-11")
    def test_redis_is_imported_when_it_is_chosen(self) -> None:
        """The new dependency costs nothing where sessions stay in the database."""
        code = (
            "import sys; from posthouse.bootstrap import open_store; from posthouse.settings import *\n"
            "open_store(Settings()); assert 'redis' not in sys.modules\n"
            "open_store(Settings(sessions=SessionsSection(store='redis'))); assert 'redis' in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
