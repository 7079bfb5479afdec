"""`turn.transact` on PostgreSQL: the transaction is the turn's, whatever the author's function does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, text
from support_postgres import PostgresMaker, postgres_maker, postgres_url

from posthouse.adapters.postgres import PostgresSettings, PostgresStore
from posthouse.core.effects import Effects, JobRequest, Outgoing, StateWrite, TimerRequest
from posthouse.core.entries import Incoming
from posthouse.core.errors import AuthorError, StoreUnavailable, TransactionTimeout
from posthouse.core.leases import Lease, Settlement

__all__ = ["postgres_maker", "postgres_url"]  # fixtures

OPEN = "SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"


def note(connection: Connection, what: str) -> int:
    return connection.execute(text("INSERT INTO note VALUES (:what) RETURNING 1"), {"what": what}).scalar_one()


def notes_in_savepoint(connection: Connection) -> None:
    note(connection, "kept")
    savepoint = connection.begin_nested()
    note(connection, "undone")
    savepoint.rollback()


def commits(connection: Connection) -> None:
    connection.commit()


def rolls_back(connection: Connection) -> None:
    connection.rollback()


def closes(connection: Connection) -> None:
    connection.close()


def commits_through_the_transaction(connection: Connection) -> None:
    transaction = connection.get_transaction()
    assert transaction is not None
    transaction.commit()


def rolls_back_through_the_transaction(connection: Connection) -> None:
    transaction = connection.get_transaction()
    assert transaction is not None
    transaction.rollback()


def commits_in_sql(connection: Connection) -> None:
    connection.execute(text("  COMMIT"))


@pytest.fixture
async def store(postgres_maker: PostgresMaker) -> PostgresStore:
    await postgres_maker.execute("CREATE TABLE note (what text)")
    store = await postgres_maker.open()
    await store.inbox.ingest([Incoming(7, 1, 5, b"{}")])
    return store


@pytest.fixture
async def lease(store: PostgresStore) -> Lease:
    return (await store.turns.claim(1, 1))[0]


@pytest.fixture
async def transaction(store: PostgresStore, lease: Lease) -> AsyncIterator[Any]:
    transaction = await store.turns.open(lease, budget_s=30)
    yield transaction
    await transaction.rollback()


async def notes(maker: PostgresMaker) -> list[str]:
    return [row["what"] for row in await maker.execute("SELECT what FROM note")]


async def test_everything_of_the_turn_commits_together(
    store: PostgresStore, lease: Lease, transaction: Any, postgres_maker: PostgresMaker
) -> None:
    """The author's row, state, delivery, job and timer are there after the commit, and none of them before."""
    assert await transaction.run(note, "a") == 1
    assert await notes(postgres_maker) == []
    effects = Effects(
        deliveries=[Outgoing(7, 1, "sendMessage", b"{}")],
        jobs=[JobRequest("q", "t")],
        timers=[TimerRequest(7, 1, 0.0, b"{}")],
        states=[StateWrite(7, 1, "fsm", b'"\\u0000 \\ud800"')],
    )
    assert await transaction.commit(Settlement(lease, [5], effects)) is True
    assert await notes(postgres_maker) == ["a"]
    assert await store.turns.read_states(7, 1, ["fsm"]) == {"fsm": b'"\\u0000 \\ud800"'}
    assert len(await store.outbox.claim(1)) == 1
    assert len(await store.jobs.claim({"q": 1}, ttl_s=60)) == 1
    assert (await store.jobs.fire_timers(8))[0] == 1


async def test_a_savepoint_is_the_authors(lease: Lease, transaction: Any, postgres_maker: PostgresMaker) -> None:
    """A part that may fail can be undone by itself."""
    await transaction.run(notes_in_savepoint)
    assert await transaction.commit(Settlement(lease, [5], Effects())) is True
    assert await notes(postgres_maker) == ["kept"]


@pytest.mark.parametrize(
    "ends",
    [
        commits,
        rolls_back,
        closes,
        commits_in_sql,
        commits_through_the_transaction,
        rolls_back_through_the_transaction,
    ],
)
async def test_the_author_may_not_end_the_transaction(
    lease: Lease, transaction: Any, postgres_maker: PostgresMaker, ends: Any
) -> None:
    """Commit, rollback and close are refused by name, and then nothing of the turn is written."""
    await transaction.run(note, "a")
    with pytest.raises(AuthorError, match=rf"{ends.__name__} called .*belongs to the turn"):
        await transaction.run(ends)
    with pytest.raises(AuthorError):
        await transaction.commit(Settlement(lease, [5], Effects()))
    await transaction.rollback()
    assert await notes(postgres_maker) == []


async def test_a_savepoint_left_open_is_found(lease: Lease, transaction: Any) -> None:
    """A nested transaction that its function did not end spoils the turn, with a hint."""

    def forgets(connection: Connection) -> None:
        connection.begin_nested()

    with pytest.raises(AuthorError, match="left a savepoint open; use `with connection"):
        await transaction.run(forgets)
    with pytest.raises(AuthorError):
        await transaction.commit(Settlement(lease, [5], Effects()))


async def test_after_an_error_only_rollback_is_left(lease: Lease, transaction: Any) -> None:
    """Whoever swallows the error of a function cannot commit half of it."""
    with pytest.raises(ZeroDivisionError):
        await transaction.run(lambda connection: 1 / 0)
    with pytest.raises(AuthorError, match=r"raised ZeroDivisionError inside the turn's transaction"):
        await transaction.commit(Settlement(lease, [5], Effects()))


async def test_a_forgotten_transaction_is_rolled_back(
    store: PostgresStore, lease: Lease, postgres_maker: PostgresMaker
) -> None:
    """When the budget is used up between two calls, the connection is free again although nobody calls."""
    transaction = await store.turns.open(lease, budget_s=0.05)
    await transaction.run(note, "a")
    async with asyncio.timeout(20):
        while await postgres_maker.execute(OPEN):  # noqa: ASYNC110 - the database gives no signal for this
            await asyncio.sleep(0.01)
    with pytest.raises(TransactionTimeout, match=r"more than its budget of 0\.05 s.*in a job"):
        await transaction.run(note, "b")
    with pytest.raises(TransactionTimeout):
        await transaction.commit(Settlement(lease, [5], Effects()))
    assert await store.turns.settle([Settlement(lease, [5], Effects())]) == [True]


async def test_a_slow_statement_is_cut_off(store: PostgresStore, lease: Lease) -> None:
    """A function that is still waiting for the database at the deadline gets no more time."""
    transaction = await store.turns.open(lease, budget_s=0.05)
    with pytest.raises(TransactionTimeout):
        await transaction.run(lambda connection: connection.execute(text("SELECT pg_sleep(30)")))
    await transaction.rollback()


async def test_transactions_have_a_pool_of_their_own(postgres_url: str) -> None:
    """Turns that keep transactions open cannot starve ingest; one transaction too many says what to raise."""
    settings = PostgresSettings(url=postgres_url, transactions_max=1, pool_wait_s=0.1)
    async with PostgresStore(settings) as store:
        await store.inbox.ingest([Incoming(7, lane, 5 + lane, b"{}") for lane in (1, 2)])
        one, two = await store.turns.claim(2, 1)
        transaction = await store.turns.open(one, budget_s=30)
        with pytest.raises(StoreUnavailable, match=r"raise transactions_max \(1\)"):
            await store.turns.open(two, budget_s=30)
        assert await store.inbox.ingest([Incoming(7, 3, 9, b"{}")]) == [True]
        await transaction.rollback()
        other = await store.turns.open(two, budget_s=30)
        assert await other.commit(Settlement(two, [e.entry_id for e in two.entries], Effects())) is True


async def test_a_transaction_goes_through_a_pooler(postgres_url: str) -> None:
    """The same with no prepared statement that another session could have under the same name."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE note (what text)")
    async with PostgresStore(PostgresSettings(url=postgres_url, pooler=True)) as store:
        await store.inbox.ingest([Incoming(7, 1, 5, b"{}")])
        lease = (await store.turns.claim(1, 1))[0]
        transaction = await store.turns.open(lease, budget_s=30)
        assert await transaction.run(note, "a") == 1
        assert await transaction.commit(Settlement(lease, [5], Effects())) is True
    assert await connection.fetchval("SELECT what FROM note") == "a"
    await connection.close()
