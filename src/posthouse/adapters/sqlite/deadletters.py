"""Moving to the dead letters: the statements that bury an entry, a delivery or a job."""

from __future__ import annotations

import sqlite3

import msgspec

from posthouse.adapters.sqlite.keys import unpack_entry
from posthouse.core.entries import trace_of
from posthouse.core.leases import Burial, DeliverySettlement, JobSettlement

_INSERT = (
    "INSERT INTO dead_letter (kind, bot_id, lane_key, item_id, what, payload, attempts, error, reason, trace, extra,"
    " died_us)"
)


def storable(text: str) -> str:
    """The text with lone surrogates spelled out: SQLite takes only what UTF-8 can write, and errors can hold more."""
    return text.encode("utf-8", "backslashreplace").decode()


def bury_entry(connection: sqlite3.Connection, key: int, burial: Burial, bot_id: int, lane: int, now_us: int) -> None:
    """Copy an entry to the dead letters; the caller finishes the inbox row."""
    entry_id = unpack_entry(key)[1]
    connection.execute(
        f"{_INSERT} SELECT 'entry', ?, ?, ?, ?, payload, ?, ?, ?, ?, x'7b7d', ?"
        " FROM inbox WHERE id = ? AND done_us IS NULL",
        (
            bot_id,
            lane,
            entry_id,
            "update" if entry_id >= 0 else "event",
            burial.attempts,
            storable(burial.error),
            storable(burial.reason),
            trace_of(bot_id, entry_id),
            now_us,
            key,
        ),
    )


def bury_delivery(connection: sqlite3.Connection, settlement: DeliverySettlement, now_us: int) -> None:
    """Copy a delivery to the dead letters; the caller deletes the outbox row."""
    lease = settlement.lease
    extra = msgspec.json.encode(
        {
            "priority": lease.priority,
            "when_uncertain": lease.when_uncertain,
            "handle": lease.handle,
            "cause": lease.cause,
        }
    )
    connection.execute(
        f"{_INSERT} VALUES ('delivery', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            lease.bot_id,
            lease.chat,
            lease.id,
            lease.method,
            lease.payload,
            lease.attempts,
            storable(settlement.error),
            storable(settlement.reason or ""),
            lease.trace,
            extra,
            now_us,
        ),
    )


def bury_job(connection: sqlite3.Connection, settlement: JobSettlement, now_us: int) -> None:
    """Copy a job to the dead letters; the caller deletes the job row."""
    lease = settlement.lease
    connection.execute(
        f"""{_INSERT} SELECT 'job', bot_id, lane_key, id, task, args, attempts, ?, ?, trace,
            CAST(json_object('queue', queue, 'priority', priority, 'attempts_max', attempts_max,
                        'unique_key', unique_key, 'notify', notify, 'data', CAST(data AS TEXT)) AS BLOB), ?
            FROM job WHERE id = ?""",
        (storable(settlement.error), storable(settlement.reason or ""), now_us, lease.id),
    )
