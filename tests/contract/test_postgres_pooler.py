"""The PostgreSQL store behind a real PgBouncer in transaction mode, whose few sessions are anybody's.

PgBouncer is no wheel: where it is not installed these tests are skipped, and CI installs it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from support_postgres import PostgresServer, postgres_url
from test_postgres_failures import BOT, done, expected, persistently, until, update, work_off

from posthouse.adapters.postgres import PostgresSettings, PostgresStore

__all__ = ["postgres_url"]  # a fixture

PROGRAM = shutil.which("pgbouncer")
pytestmark = pytest.mark.skipif(
    PROGRAM is None and "CI" not in os.environ, reason="PgBouncer is not installed (Debian: apt-get install pgbouncer)"
)
PORT = 6432  # only the name of the socket in the server's folder
SESSIONS = 2


@dataclass
class Pooler:
    """A PgBouncer in front of the test's server."""

    server: PostgresServer
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"{self.server.url(database)}&port={PORT}"

    @property
    def file(self) -> Path:
        return self.server.root / "pgbouncer.ini"

    def start(self) -> None:
        assert PROGRAM is not None, "CI installs PgBouncer"
        root = self.server.root
        self.file.write_text(
            f"[databases]\n* = host={root} user=postgres\n"  # `auth_type = any` names nobody: the database does
            f"[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {root}\n"
            f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {SESSIONS}\n"
            f"ignore_startup_parameters = extra_float_digits\nlogfile = {root}/pgbouncer.log\n"
        )
        self.process = subprocess.Popen(
            [PROGRAM, "-q", str(self.file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.server.root,
            **self.server._as_user(),
        )

    def stop(self) -> None:
        """End it at once, with all sessions through it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        self.process = None


@pytest.fixture
def pooler(postgres_server: PostgresServer) -> Iterator[Pooler]:
    started = Pooler(postgres_server)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def pooled(pooler: Pooler, postgres_url: str) -> Callable[..., PostgresStore]:
    """Makes stores that reach the test's database through the pooler."""
    database = postgres_url.partition("@/")[2].partition("?")[0]

    def make(**settings: object) -> PostgresStore:
        wanted = PostgresSettings(url=pooler.url(database), pooler=True, pool_min=1, pool_max=4, **settings)  # type: ignore[arg-type]
        return PostgresStore(wanted)

    return make


@asynccontextmanager
async def closing(store: PostgresStore) -> AsyncIterator[PostgresStore]:
    try:
        yield store
    finally:
        await store.close()


async def opened(store: PostgresStore) -> PostgresStore:
    await persistently(store.open)  # the pooler may not listen yet
    return store


@pytest.mark.req("E1-16")
async def test_two_stores_share_few_sessions(pooled: Callable[..., PostgresStore]) -> None:
    """Two processes take turns on two sessions: each entry once and in order, and no session carries anything over."""
    one, two = await opened(pooled()), await opened(pooled())
    try:
        updates = [update(n, lane=n % 20) for n in range(400)]
        for at in range(0, 400, 50):
            assert sum(await one.inbox.ingest(updates[at : at + 50])) == 50
            assert sum(await two.inbox.ingest(updates[at : at + 50])) == 0
        sent: list[tuple[int, int]] = []
        await asyncio.gather(work_off(one, sent), work_off(two, sent))
        assert Counter(sent) == expected(updates)
        for lane in range(20):
            mine = [number for chat, number in sent if chat == lane]
            assert mine == sorted(mine)
            assert await one.turns.read_states(BOT, lane, ["count"]) == {"count": b"20"}
    finally:
        await one.close()
        await two.close()


def insert(connection: Connection, number: int) -> None:
    connection.execute(text("CREATE TABLE IF NOT EXISTS shop (number integer)"))
    connection.execute(text("INSERT INTO shop VALUES (:number)"), {"number": number})


async def test_a_transaction_of_a_turn_is_one_through_the_pooler(pooled: Callable[..., PostgresStore]) -> None:
    """What a turn wrote is there with its commit and gone with its rollback."""
    async with closing(await opened(pooled())) as store:
        await store.inbox.ingest([update(1)])
        lease = (await store.turns.claim(1, 1))[0]
        given_up = await store.turns.open(lease, budget_s=5)
        await given_up.run(insert, 1)
        await given_up.rollback()
        kept = await store.turns.open(lease, budget_s=5)
        await kept.run(insert, 2)
        assert await kept.commit(done(lease)) is True
        rows = await store._database.commit(lambda connection: connection.fetch("SELECT number FROM shop"))
        assert [row["number"] for row in rows] == [2]


async def test_a_pooler_that_is_restarted_loses_nothing(pooler: Pooler, pooled: Callable[..., PostgresStore]) -> None:
    """Every connection ends with the pooler; the worker keeps its leases by its heartbeat, and the work goes on."""
    async with closing(await opened(pooled())) as store:
        updates = [update(n, lane=n % 5) for n in range(100)]
        await store.inbox.ingest(updates)
        lease = (await store.turns.claim(1, 1))[0]
        sent: list[tuple[int, int]] = []
        work = asyncio.ensure_future(work_off(store, sent))
        await until(lambda: _some(sent))
        await asyncio.to_thread(pooler.stop)
        pooler.start()
        assert await persistently(lambda: store.turns.settle([done(lease)])) == [True]
        await work
        first = (lease.lane, lease.entries[0].entry_id)
        assert not Counter(sent) - (expected(updates) - Counter([first]))
        gauges = await store.upkeep.gauges()
        assert (gauges.lanes_waiting, gauges.lanes_leased, gauges.outbox_waiting) == (0, 0, 0)


async def _some(sent: list[tuple[int, int]]) -> bool:
    return bool(sent)


async def test_a_lock_past_the_pooler_frees_a_dead_workers_lanes_at_once(
    pooled: Callable[..., PostgresStore], postgres_url: str
) -> None:
    """With `lock_url` the proof of life is a session of our own, so that a death is seen without a missed heartbeat."""
    dying = await opened(pooled(lock_url=postgres_url))
    heir = await opened(pooled(lock_url=postgres_url))
    try:
        await dying.inbox.ingest([update(1)])
        [lost] = await dying.turns.claim(1, 1)
        assert (await heir.upkeep.reap()).lanes == 0
        dying._worker.id, dead = 0, dying._worker._session  # it does not come back
        dead.terminate()
        await until(lambda: _reaped(heir))
        [taken] = await heir.turns.claim(1, 1)
        assert (taken.attempts, await dying.turns.settle([done(lost)])) == (2, [False])
    finally:
        await dying.close()
        await heir.close()


async def _reaped(store: PostgresStore) -> bool:
    return (await store.upkeep.reap()).lanes == 1
