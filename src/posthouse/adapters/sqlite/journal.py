"""Recorded calls of hosted handlers, on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.turns import SqliteTurns
from posthouse.core.errors import LeaseLost
from posthouse.core.leases import CallRecord, Lease


class SqliteJournal:
    """Journal of the store contract."""

    def __init__(self, core: SqliteCore, turns: SqliteTurns) -> None:
        self._core = core
        self._turns = turns

    async def begin(self, lease: Lease, record: CallRecord) -> None:
        self._check(lease)
        key = self._core.entry_key(lease.bot_id, record.entry_id)
        await self._core.writer.submit(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO call_record VALUES (?, ?, ?, NULL)",
                (key, record.ordinal, record.method),
            )
        )

    async def end(self, lease: Lease, record: CallRecord, *, durable: bool = False) -> None:
        """Waits for the disk only when asked to: the writer keeps the order, so the turn's commit comes behind it."""
        self._check(lease)
        key = self._core.entry_key(lease.bot_id, record.entry_id)
        written = self._core.writer.submit(
            lambda connection: connection.execute(
                "UPDATE call_record SET result = ? WHERE id = ? AND ordinal = ?",
                (record.result, key, record.ordinal),
            )
        )
        if durable:
            await written
        else:
            written.add_done_callback(_retrieved)

    async def recall(self, lease: Lease, entry_id: int) -> list[CallRecord]:
        key = self._core.entry_key(lease.bot_id, entry_id)

        def query(connection: sqlite3.Connection) -> list[CallRecord]:
            found = connection.execute(
                "SELECT ordinal, method, result FROM call_record WHERE id = ? ORDER BY ordinal", (key,)
            )
            return [CallRecord(entry_id, ordinal, method, result) for ordinal, method, result in found]

        # Through the writer: a result may still wait in its queue.
        records: list[CallRecord] = await self._core.writer.submit(query)
        return records

    def _check(self, lease: Lease) -> None:
        if not self._turns.holds(lease):
            raise LeaseLost(f"lane {lease.lane} of bot {lease.bot_id} was leased to somebody else meanwhile")


def _retrieved(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
