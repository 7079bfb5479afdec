"""The inbox: what was accepted survives."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.adapters.postgres.database import Database
from posthouse.adapters.postgres.doorbell import Doorbell
from posthouse.core.entries import Incoming


class PostgresInbox:
    """Stores updates in batches, each batch in one statement and one commit."""

    def __init__(self, database: Database, turns_bell: Doorbell) -> None:
        self._database = database
        self._turns_bell = turns_bell

    async def ingest(self, batch: Sequence[Incoming]) -> list[bool]:
        """Store the updates durably and wake their lanes; see `ports.store.Inbox`.

        When the connection broke and the statement was tried again, an update that the first try had stored counts
        as a duplicate: it is safe, and that is all the answer is used for.
        """
        if not batch:
            return []
        rows = await self._database.fetch(
            "ingest",
            [u.bot_id for u in batch],
            [u.lane for u in batch],
            [u.update_id for u in batch],
            [u.payload for u in batch],
        )
        if rows and rows[0]["wake"]:
            self._turns_bell.ring()
        stored = {(row["bot_id"], row["entry_id"]) for row in rows}
        answer = []
        for update in batch:
            key = (update.bot_id, update.update_id)
            answer.append(key in stored)
            stored.discard(key)  # the same again in this batch is a duplicate
        return answer
