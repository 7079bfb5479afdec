"""What PostgreSQL, the network and the neighbours do to us: killed backends, restarts, locks, full pools."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from support_postgres import PostgresMaker, PostgresServer, postgres_maker, postgres_url

from posthouse.adapters.postgres import PostgresSettings, PostgresStore
from posthouse.core.effects import Effects, Outgoing, StateWrite
from posthouse.core.entries import Incoming
from posthouse.core.errors import StoreUnavailable
from posthouse.core.leases import DeliverySettlement, Lease, Settlement

__all__ = ["postgres_maker", "postgres_url"]  # fixtures

BOT = 7


def update(update_id: int, lane: int = 1) -> Incoming:
    return Incoming(BOT, lane, update_id, b'{"update_id":%d}' % update_id)


def done(lease: Lease, effects: Effects | None = None) -> Settlement:
    return Settlement(lease, [entry.entry_id for entry in lease.entries], effects or Effects())


def echo(lease: Lease) -> Settlement:
    """Each entry sends one message that names it and counts itself in the chat's state."""
    count = int(lease.states.get("count", b"0")) + len(lease.entries)
    deliveries = [
        Outgoing(BOT, lease.lane, "sendMessage", b"%d" % entry.entry_id, cause=entry.entry_id)
        for entry in lease.entries
    ]
    return done(lease, Effects(deliveries=deliveries, states=[StateWrite(BOT, lease.lane, "count", b"%d" % count)]))


async def until(condition: Callable[[], Awaitable[object]], *, within_s: float = 20.0) -> None:
    """Ask the database again and again; it gives no signal for this."""
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def persistently(call: Callable[[], Awaitable[Any]]) -> Any:
    """Make a call until the store can be reached, as every loop of the runtime does."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return await call()
        except StoreUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


async def work_off(store: PostgresStore, sent: list[tuple[int, int]]) -> None:
    """Run turns and send deliveries until nothing is left."""
    while True:
        leases = await persistently(lambda: store.turns.claim(4, 4))
        if leases:
            await persistently(lambda: store.turns.settle([echo(lease) for lease in leases]))  # noqa: B023
        deliveries = await persistently(lambda: store.outbox.claim(8))
        if deliveries:
            ends = [DeliverySettlement(d, sent=True) for d in deliveries]
            kept = await persistently(lambda: store.outbox.settle(ends))  # noqa: B023
            sent += [(d.chat, int(d.payload)) for d, ok in zip(deliveries, kept, strict=True) if ok]
        if not leases and not deliveries:
            await persistently(store.upkeep.reap)
            gauges = await persistently(store.upkeep.gauges)
            if not (gauges.lanes_waiting or gauges.lanes_leased or gauges.outbox_waiting):
                return


def expected(updates: list[Incoming]) -> Counter[tuple[int, int]]:
    return Counter((u.lane, u.update_id) for u in updates)


@pytest.mark.req("E1-2", "E1-16", "B-19")
async def test_two_stores_share_the_lanes(postgres_maker: PostgresMaker) -> None:
    """Two processes on one database run every entry once, in order per chat, with no lost state."""
    one, two = await postgres_maker.open(), await postgres_maker.open()
    updates = [update(n, lane=n % 30) for n in range(600)]
    batches = [updates[n : n + 60] for n in range(0, 600, 60)]
    # Every batch goes to both, as when Telegram repeats itself to another replica.
    stored = await asyncio.gather(*(store.inbox.ingest(batch) for batch in batches for store in (one, two)))
    assert sum(map(sum, stored)) == 600
    sent: list[tuple[int, int]] = []
    await asyncio.gather(work_off(one, sent), work_off(two, sent))
    assert Counter(sent) == expected(updates)
    for lane in range(30):
        assert await one.turns.read_states(BOT, lane, ["count"]) == {"count": b"20"}
    per_chat = [[n for chat, n in sent if chat == lane] for lane in range(30)]
    assert per_chat == [sorted(chat) for chat in per_chat]


@pytest.mark.req("E1-16")
async def test_killed_backends_lose_and_double_nothing(postgres_maker: PostgresMaker) -> None:
    """All connections are cut again and again in the middle of the work; what was written is written once."""
    one, two = await postgres_maker.open(), await postgres_maker.open()
    updates = [update(n, lane=n % 30) for n in range(900)]
    await one.inbox.ingest(updates)
    sent: list[tuple[int, int]] = []
    work = asyncio.gather(work_off(one, sent), work_off(two, sent))
    for _ in range(12):
        await postgres_maker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'store-%'"
        )
        await asyncio.sleep(0)
    await work
    rows = await postgres_maker.execute("SELECT lane_key, data FROM chat_state ORDER BY lane_key")
    assert [(row["lane_key"], row["data"]) for row in rows] == [(lane, b"30") for lane in range(30)]
    # A settlement whose answer was cut off may have been written: then the delivery is gone, and was sent.
    assert not Counter(sent) - expected(updates)
    assert await postgres_maker.execute("SELECT 1 FROM inbox UNION ALL SELECT 1 FROM outbox") == []


@pytest.mark.req("E1-4")
async def test_a_restart_of_postgres_is_survived(
    postgres_server: PostgresServer, postgres_maker: PostgresMaker
) -> None:
    """While the server is away calls say so; when it is back they work, and what was accepted is there."""
    store = await postgres_maker.open()
    assert await store.inbox.ingest([update(1)]) == [True]
    lease = (await store.turns.claim(1, 1))[0]
    await asyncio.to_thread(postgres_server.stop, mode="immediate")
    try:
        with pytest.raises(StoreUnavailable, match=r"cannot be reached|closed the connection"):
            await store.inbox.ingest([update(2)])
        with pytest.raises(StoreUnavailable):
            await store.turns.settle([done(lease)])
    finally:
        await asyncio.to_thread(postgres_server.start)
    assert await persistently(lambda: store.inbox.ingest([update(2)])) == [True]
    assert await store.turns.settle([done(lease)]) == [True]
    assert [entry.entry_id for entry in (await store.turns.claim(1, 1))[0].entries] == [2]


async def test_a_transaction_is_opened_after_a_restart(
    postgres_server: PostgresServer, postgres_maker: PostgresMaker
) -> None:
    """The pool for `turn.transact` does not hand out a connection that died with the server."""
    store = await postgres_maker.open()
    await store.inbox.ingest([update(1)])
    lease = (await store.turns.claim(1, 1))[0]
    transaction = await store.turns.open(lease, budget_s=30)
    await transaction.rollback()
    await asyncio.to_thread(postgres_server.restart, mode="immediate")
    transaction = await store.turns.open(lease, budget_s=30)
    assert await transaction.commit(done(lease)) is True


@pytest.mark.req("E1-16")
async def test_a_dead_workers_lanes_are_free_in_one_tick(postgres_maker: PostgresMaker) -> None:
    """The end of the lock session frees its lanes in the next reap; the frozen owner is fenced and begins anew."""
    one, two = await postgres_maker.open(), await postgres_maker.open()
    await one.inbox.ingest([update(1)])
    lost = (await one.turns.claim(1, 1))[0]
    assert (await two.upkeep.reap()).lanes == 0
    await one._worker._one_at_a_time.acquire()  # frozen: it does not come back in time
    await postgres_maker.execute(
        "SELECT pg_terminate_backend(l.pid, 10000) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND a.application_name = 'store-0'"
    )
    reaped = await two.upkeep.reap()
    assert (reaped.lanes, reaped.workers) == (1, 1)
    one._worker._one_at_a_time.release()
    taken = (await two.turns.claim(1, 1))[0]
    assert (taken.attempts, taken.resumed) == (2, True)
    write = Effects(states=[StateWrite(BOT, 1, "who", b"zombie")])
    assert await one.turns.settle([done(lost, write)]) == [False]
    assert await one.turns.extend([lost]) == [lost]
    assert await two.turns.read_states(BOT, 1, ["who"]) == {}
    assert await two.turns.settle([done(taken)]) == [True]
    await two.inbox.ingest([update(2)])
    again = (await one.turns.claim(1, 1))[0]
    assert again.token >> 32 > lost.token >> 32
    assert await one.turns.settle([done(again)]) == [True]


@pytest.mark.req("E1-4", "E1-16")
async def test_a_worker_that_lost_its_session_keeps_its_leases(
    postgres_server: PostgresServer, postgres_maker: PostgresMaker
) -> None:
    """After a restart what was being sent is settled by those who sent it, and nobody takes the others for dead."""
    one, two = await postgres_maker.open(), await postgres_maker.open()
    await one.inbox.ingest([update(n, lane=n) for n in range(4)])
    await work_one_turn_each(one)
    mine, theirs = (await one.outbox.claim(2)), (await two.outbox.claim(2))
    await asyncio.to_thread(postgres_server.restart, mode="immediate")
    for store in (one, two):  # whoever is back first reaps first
        reaped = await persistently(store.upkeep.reap)
        assert (reaped.deliveries, reaped.workers) == (0, 0)
        assert await persistently(lambda: store.outbox.claim(4)) == []  # noqa: B023
    for store, leases in ((one, mine), (two, theirs)):
        assert await store.outbox.settle([DeliverySettlement(d, sent=True) for d in leases]) == [True, True]


async def work_one_turn_each(store: PostgresStore) -> None:
    """Every waiting entry has its turn, and its message waits in the outbox."""
    await store.turns.settle([echo(lease) for lease in await store.turns.claim(64, 4)])


async def test_a_session_that_only_its_client_lost_gives_its_lock_back(postgres_maker: PostgresMaker) -> None:
    """A backend that has not noticed the end of its client is ended by the client, which goes on as it was."""
    store = await postgres_maker.open()
    await store.inbox.ingest([update(1)])
    lease = (await store.turns.claim(1, 1))[0]
    held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1::bigint"
    before = await postgres_maker.execute(held, lease.token >> 32)
    store._worker._session._aborted = True  # as a broken network leaves it: the server does not know of it
    assert (store._worker.alive, store._worker.is_patient) == (False, True)
    await store.inbox.ingest([update(2, lane=2)])
    other = (await store.turns.claim(1, 1))[0]
    assert other.token >> 32 == lease.token >> 32
    after = await postgres_maker.execute(held, lease.token >> 32)
    assert [len(after), after == before] == [1, False]
    assert await store.turns.settle([done(lease), done(other)]) == [True, True]


async def test_a_claim_whose_answer_is_lost_is_given_back(postgres_maker: PostgresMaker) -> None:
    """A claim that is cancelled after it committed leaves no lane leased: the next claim lets go of it first."""
    store = await postgres_maker.open()
    await store.inbox.ingest([update(1)])
    blocker = await asyncpg.connect(postgres_maker.url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE chat_state IN ACCESS EXCLUSIVE MODE")  # the fetch after the claim waits
    claim = asyncio.ensure_future(store.turns.claim(1, 1))
    await until(lambda: postgres_maker.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    await transaction.rollback()
    await blocker.close()
    lease = (await store.turns.claim(1, 1))[0]
    assert (lease.attempts, lease.resumed) == (1, False)


async def test_an_idle_transaction_elsewhere_holds_nobody_up(postgres_maker: PostgresMaker) -> None:
    """Somebody's forgotten transaction, with an old snapshot and one lane locked, stops only that lane."""
    store = await postgres_maker.open()
    await store.inbox.ingest([update(1, lane=1), update(2, lane=2)])
    forgotten = await asyncpg.connect(postgres_maker.url)
    transaction = forgotten.transaction(isolation="repeatable_read")
    await transaction.start()
    await forgotten.fetch("SELECT count(*) FROM inbox")
    await forgotten.fetch("SELECT 1 FROM lane WHERE lane_key = 1 FOR UPDATE")
    for round in range(3):
        leases = await store.turns.claim(8, 8)
        assert [lease.lane for lease in leases] == [2]
        assert await store.turns.settle([done(lease) for lease in leases]) == [True]
        assert await store.inbox.ingest([update(10 + round, lane=2)]) == [True]
    assert (await store.upkeep.reap()).lanes == 0
    await transaction.rollback()
    await forgotten.close()
    assert {lease.lane for lease in await store.turns.claim(8, 8)} == {1, 2}


async def test_a_locked_row_is_not_waited_for_without_end(postgres_url: str) -> None:
    """A write that needs a row which somebody keeps locked gives up, and says what to look for."""
    async with PostgresStore(PostgresSettings(url=postgres_url, lock_wait_s=0.1)) as store:
        await store.inbox.ingest([update(1)])
        blocker = await asyncpg.connect(postgres_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.fetch("SELECT 1 FROM lane FOR UPDATE")
        with pytest.raises(StoreUnavailable, match=r"locked by somebody else.*idle transactions"):
            await store.inbox.ingest([update(2)])
        await transaction.rollback()
        await blocker.close()
        assert await store.inbox.ingest([update(2)]) == [True]


async def test_an_exhausted_pool_says_so(postgres_url: str) -> None:
    """A call that finds no free connection names the setting, and the store works again when one is free."""
    settings = PostgresSettings(url=postgres_url, pool_min=1, pool_max=1, pool_wait_s=0.1)
    async with PostgresStore(settings) as store:
        blocker = await asyncpg.connect(postgres_url)
        transaction = blocker.transaction()
        await transaction.start()
        await blocker.execute("LOCK TABLE seen IN ACCESS EXCLUSIVE MODE")
        waiting = asyncio.ensure_future(store.inbox.ingest([update(1)]))

        async def blocked() -> object:
            return await blocker.fetch("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

        await until(blocked)
        with pytest.raises(StoreUnavailable, match=r"came free within 0\.1 s; raise pool_max \(1\)"):
            await store.turns.claim(1, 1)
        await transaction.rollback()
        await blocker.close()
        assert await waiting == [True]
        assert len(await store.turns.claim(1, 1)) == 1


async def test_a_read_only_database_says_so(postgres_server: PostgresServer, postgres_url: str) -> None:
    """A standby, or a primary that was demoted, is named with the mend."""
    name = postgres_url.partition("@/")[2].partition("?")[0]
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()
    with pytest.raises(StoreUnavailable, match=r"is read-only .*point the URL at the primary"):
        await PostgresStore(PostgresSettings(url=postgres_url)).open()


async def test_an_absent_server_is_named_without_the_password() -> None:
    """A wrong address is reported with the place, and nothing secret."""
    store = PostgresStore(PostgresSettings(url="postgresql://bot:hunter2@127.0.0.1:1/ph"))
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/ph cannot be reached") as raised:
        await store.open()
    assert "hunter2" not in str(raised.value)


class TestPooler:
    """Behind a transaction pooler: nothing of ours may stay in a session."""

    @pytest.fixture
    async def store(self, postgres_url: str) -> Any:
        async with PostgresStore(PostgresSettings(url=postgres_url, pooler=True, pool_min=1, pool_max=1)) as store:
            yield store

    async def test_no_statement_leaves_anything_in_a_session(self, store: PostgresStore) -> None:
        """After a whole road the session has no prepared statement, no lock and no setting of ours."""
        sent: list[tuple[int, int]] = []
        await store.inbox.ingest([update(1), update(2)])
        await work_off(store, sent)
        assert sent == [(1, 1), (1, 2)]
        async with store._database.transaction() as connection:
            assert (
                await connection.fetch("SELECT 1 FROM pg_prepared_statements WHERE statement NOT LIKE '%prepared%'")
                == []
            )
            assert await connection.fetch("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'") == []
            assert await connection.fetchval("SHOW enable_seqscan") == "on"

    async def test_a_silent_worker_is_reaped(self, store: PostgresStore, postgres_url: str) -> None:
        """A worker without a session is dead when its heartbeat is too old, and its lanes are free then."""
        await store.inbox.ingest([update(1)])
        lease = (await store.turns.claim(1, 1))[0]
        async with PostgresStore(PostgresSettings(url=postgres_url)) as neighbour:
            assert (await neighbour.upkeep.reap()).lanes == 0
            connection = await asyncpg.connect(postgres_url)
            await connection.execute("UPDATE worker SET heartbeat_at = now() - interval '16 s' WHERE NOT locked")
            await connection.close()
            assert (await neighbour.upkeep.reap()).lanes == 1
            assert await store.turns.settle([done(lease)]) == [False]
