"""What can happen to a database file: a full disk, a second process, a lease that is outlived by its handler."""

from __future__ import annotations

import signal
import sqlite3

import pytest
from crash_stage import (
    Ledger,
    Life,
    SqliteLedgerStore,
    all_marks,
    asyncio,
    judge,
    wait_recorded,
)

from posthouse.adapters.sqlite import SqliteSettings, SqliteStore
from posthouse.core.effects import Effects, Outgoing
from posthouse.core.entries import Incoming
from posthouse.core.errors import StoreLocked
from posthouse.core.leases import Settlement
from posthouse.testing.clock import ManualClock


async def test_a_full_disk_refuses_updates_and_writes_nothing_half(sqlite_ledger: SqliteLedgerStore) -> None:
    """The sender of an update gets 503 and the operator a reason; when there is space again the work goes on by itself.

    The disk is full where the process may make no file larger: the kernel refuses the write as a full disk would.
    """
    size = max(file.stat().st_size for file in sqlite_ledger.folder.glob("ledger.db*"))
    ledger = Ledger(chats=6, in_order=6, lost=0.0, duplicates=0.0)
    life = await Life.start(sqlite_ledger, "full", file_bytes_max=size + 512 * 1024)
    ledger.goes_to(life.port)
    ledger.write()
    try:
        async with asyncio.timeout(60):
            while not ledger.refused[503]:
                await asyncio.sleep(0.01)  # the ledger counts the refusals, and tells nobody
        acked_when_full = dict(ledger.acked)
        life.process.send_signal(signal.SIGUSR1)  # somebody made room
        await wait_recorded(sqlite_ledger, all_marks(acked_when_full), within_s=20)
        await ledger.finish()
        await wait_recorded(sqlite_ledger, all_marks(ledger.acked), within_s=20)
    finally:
        await ledger.cancel()
    await life.stop()
    verdict = await judge(sqlite_ledger, ledger)
    verdict.check()
    assert verdict.resends == 0
    assert acked_when_full
    log = life.log.read_text()
    assert "update.not_stored" in log
    assert str(sqlite_ledger.path.name) in log
    check = sqlite3.connect(sqlite_ledger.path)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    check.close()


async def test_a_second_process_on_the_file_is_refused_by_name(sqlite_ledger: SqliteLedgerStore) -> None:
    """It says who has the file and what to do, and the first process notices nothing."""
    ledger = Ledger(chats=1, in_order=1, lost=0.0)
    first = await Life.start(sqlite_ledger, "first")
    ledger.goes_to(first.port)
    second = await Life.spawn(sqlite_ledger, "second")
    assert await second.dead() == 1
    said = second.log.read_text()
    assert "StoreLocked" in said
    assert f"pid {first.process.pid}" in said
    assert "stop it" in said
    assert "Traceback" not in said
    await ledger.send(1, [1, 2])
    await wait_recorded(sqlite_ledger, {"update-1", "update-2"})
    await first.stop()


async def test_a_file_is_free_again_after_a_kill(sqlite_ledger: SqliteLedgerStore) -> None:
    """The lock dies with its process: no file has to be removed by hand."""
    first = await Life.start(sqlite_ledger, "first")
    await first.kill()
    second = await Life.start(sqlite_ledger, "second")
    await second.stop()


async def test_a_process_that_got_past_the_lock_is_fenced_by_the_epoch(sqlite_ledger: SqliteLedgerStore) -> None:
    """On a file system that does not lock, the older process can write nothing once a newer one has opened the file."""
    path = str(sqlite_ledger.path)
    older = SqliteStore(SqliteSettings(path))
    await older.open()
    assert older._lock is not None
    older._lock.close()  # as if the file system had forgotten it
    older._lock = None
    newer = SqliteStore(SqliteSettings(path))
    await newer.open()
    with pytest.raises(StoreLocked, match="took over"):
        await older.inbox.ingest([Incoming(1, 1, 1, b"{}")])
    assert await newer.inbox.ingest([Incoming(1, 1, 1, b"{}")]) == [True]
    older.abandon()
    await newer.close()


async def test_a_lease_that_outlives_its_time_is_fenced_and_the_other_run_counts(
    sqlite_ledger: SqliteLedgerStore,
) -> None:
    """Two runs of one entry, the first too slow: what it wanted is dropped, the second run's effects are there once."""
    clock = ManualClock()
    store = SqliteStore(SqliteSettings(str(sqlite_ledger.path), lease_ttl_s=30.0), clock)
    await store.open()
    try:
        await store.inbox.ingest([Incoming(1, 5, 1, b"{}")])
        (slow,) = await store.turns.claim(1, 1)
        clock.advance(31)
        assert (await store.upkeep.reap()).lanes == 1
        (quick,) = await store.turns.claim(1, 1)
        assert quick.attempts == 2

        def effects(text: bytes) -> Effects:
            return Effects(deliveries=[Outgoing(1, 5, "sendMessage", text)])

        assert await store.turns.settle([Settlement(slow, [1], effects(b'"slow"'))]) == [False]
        assert await store.turns.settle([Settlement(quick, [1], effects(b'"quick"'))]) == [True]
        assert await store.turns.settle([Settlement(slow, [1], effects(b'"slow"'))]) == [False]
        assert [delivery.payload for delivery in await store.outbox.claim(9)] == [b'"quick"']
    finally:
        await store.close()
