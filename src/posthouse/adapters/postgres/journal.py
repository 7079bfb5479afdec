"""The journal: recorded calls of hosted handlers."""

from __future__ import annotations

from posthouse.adapters.postgres.database import Database, text
from posthouse.core.errors import LeaseLost
from posthouse.core.leases import CallRecord, Lease


class PostgresJournal:
    """Every record is one commit, fenced by the lane's lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, lease: Lease, record: CallRecord) -> None:
        """Record durably that a call is about to be made. Raises `LeaseLost`."""
        await self._write(lease, record)

    async def end(self, lease: Lease, record: CallRecord, *, durable: bool = False) -> None:
        """Record the call's result, always durably. Raises `LeaseLost`: the lane's new owner has its own records."""
        await self._write(lease, record)

    async def recall(self, lease: Lease, entry_id: int) -> list[CallRecord]:
        """The recorded calls of an entry, by ordinal."""
        rows = await self._database.fetch("journal_recall", lease.bot_id, lease.lane, entry_id)
        return [CallRecord(entry_id, row["ordinal"], row["method"], row["result"]) for row in rows]

    async def _write(self, lease: Lease, record: CallRecord) -> None:
        rows = await self._database.fetch(
            "journal_write",
            lease.bot_id,
            lease.lane,
            lease.token,
            record.entry_id,
            record.ordinal,
            text(record.method),
            record.result,
        )
        if not rows:
            raise LeaseLost(
                f"The lease on lane {lease.lane} of bot {lease.bot_id} was lost before call {record.ordinal}"
                f" ({record.method}) of entry {record.entry_id} was recorded; drop this turn."
            )
