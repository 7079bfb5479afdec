"""Sessions on SQLite: rows to records and back, the compare-and-set of a commit, and what operators look for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from posthouse.adapters.sqlite import rows
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.core.sessions import Owner, SessionChanges, SessionEvent, SessionRecord, SessionWrite, moved
from posthouse.ports.store import FormatShare, FormatShares, SessionFilter, SessionHistory, SessionRecords

COLUMNS = (
    "id, bot_id, lane, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active, ui_chat_id,"
    " ui_message_id, ui_handle, data, version, language, created_at, updated_at, expires_at"
)
_KEPT = ("id", "created_at")  # what an update of a session leaves as it was
_UPDATE = ", ".join(
    f"{column} = excluded.{column}" for column in COLUMNS.replace(" ", "").split(",") if column not in _KEPT
)
_EVENT_COLUMNS = "session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format, trace, at"

Sessions = dict[str, SessionRecord]


class SqliteSessions:
    """Sessions of the store contract."""

    def __init__(self, core: SqliteCore) -> None:
        self._core = core

    async def get(self, session_id: str) -> SessionRecord | None:
        found = await self._select("id = ?", session_id)
        return found[0] if found else None

    async def owned(self, bot_id: int, lane: int, user_ids: Sequence[int]) -> SessionRecords:
        if not user_ids:
            return []
        key = self._core.lane_key(bot_id, lane)
        return await self._select(
            f"lane = ? AND is_active = 1 AND user_id IN ({rows.marks(len(user_ids))}) ORDER BY updated_at DESC",
            key,
            *user_ids,
        )

    async def journal(self, session_id: str) -> list[bytes]:
        def query(connection: sqlite3.Connection) -> list[bytes]:
            found = connection.execute(
                "SELECT record FROM session_journal WHERE session_id = ? ORDER BY ordinal", (session_id,)
            )
            return [record for (record,) in found]

        return await self._core.read(query)

    async def find(self, filter: SessionFilter) -> SessionRecords:
        wheres, arguments = ["1 = 1"], []
        for column in ("bot_id", "env", "user_id", "flow_kind", "state"):
            value = getattr(filter, column)
            if value is not None:
                wheres.append(f"{column} = ?")
                arguments.append(value)
        if filter.live:
            wheres.append("is_active = 1 AND (expires_at IS NULL OR expires_at > ?)")
            arguments.append(self._core.now_us())
        return await self._select(f"{' AND '.join(wheres)} ORDER BY updated_at DESC LIMIT ?", *arguments, filter.limit)

    async def history(self, session_id: str, *, limit: int = 100) -> SessionHistory:
        def query(connection: sqlite3.Connection) -> SessionHistory:
            found = connection.execute(
                f"SELECT {_EVENT_COLUMNS} FROM session_event WHERE session_id = ? ORDER BY id DESC LIMIT ?",
                (session_id, limit),
            ).fetchall()
            return [_event(row) for row in reversed(found)]

        return await self._core.read(query)

    async def formats(self, *, since_s: float) -> FormatShares:
        since_us = self._core.now_us() - int(since_s * 1_000_000)

        def query(connection: sqlite3.Connection) -> FormatShares:
            found = connection.execute(
                "SELECT flow_kind, event, format, count(*) FROM session_event WHERE format <> '' AND at >= ?"
                " GROUP BY flow_kind, event, format ORDER BY flow_kind, event, format",
                (since_us,),
            )
            return [FormatShare(*row) for row in found]

        return await self._core.read(query)

    async def _select(self, where: str, *arguments: object) -> SessionRecords:
        def query(connection: sqlite3.Connection) -> SessionRecords:
            found = connection.execute(f"SELECT {COLUMNS} FROM sessions WHERE {where}", arguments)
            return [record_of(row, self._core) for row in found]

        return await self._core.read(query)


def record_of(row: tuple[Any, ...], core: SqliteCore) -> SessionRecord:
    """One row of `COLUMNS`."""
    id, bot_id, lane, env, flow_kind, user_id, chat_id, thread_id, state, rev, is_active = row[:11]
    ui_chat_id, ui_message_id, ui_handle, data, version, language, created_us, updated_us, expires_us = row[11:]
    return SessionRecord(
        id,
        bot_id,
        core.lane_of(lane)[1],
        env,
        flow_kind,
        Owner(user_id, chat_id, thread_id),
        state,
        rev,
        bool(is_active),
        data if isinstance(data, bytes) else str(data).encode(),  # an adopted table may keep text
        ui_chat_id,
        ui_message_id,
        ui_handle,
        version,
        language,
        created_us / 1e6,
        updated_us / 1e6,
        None if expires_us is None else expires_us / 1e6,
    )


def _event(row: tuple[Any, ...]) -> SessionEvent:
    event = SessionEvent(*row)
    event.at /= 1e6
    return event


def of_lanes(connection: sqlite3.Connection, lanes: Sequence[int], core: SqliteCore) -> dict[int, Sessions]:
    """The active sessions of these lanes (at most `rows.ROWS_MAX` of them)."""
    found: dict[int, Sessions] = {}
    for row in rows.with_ids(
        connection, f"SELECT {COLUMNS} FROM sessions WHERE lane IN ({{ids}}) AND is_active = 1", lanes
    ):
        found.setdefault(row[2], {})[row[0]] = record_of(row, core)
    return found


def conflicts(connection: sqlite3.Connection, all_changes: Sequence[SessionChanges | None]) -> set[int]:
    """Which of these turns move a session that is no longer where they saw it, by place; nothing is written yet.

    Called in the writing transaction, where nobody else can move one before the commit (S0-26). A turn that is out
    leaves the sessions as they are for the turns behind it.
    """
    ids = {write.record.id for changes in all_changes if changes for write in changes.writes}
    known: dict[str, tuple[str, int]] = {}
    for chunk in rows.chunks(list(ids)) if ids else ():
        for id, state, rev in rows.with_ids(
            connection, "SELECT id, state, session_rev FROM sessions WHERE id IN ({ids})", chunk
        ):
            known[id] = (state, rev)
    out: set[int] = set()
    for place, changes in enumerate(all_changes):
        if not changes or not changes.writes:
            continue
        if moved(changes.writes, known) is not None:
            out.add(place)
        else:
            known.update((write.record.id, (write.record.state, write.record.rev)) for write in changes.writes)
    return out


def write(connection: sqlite3.Connection, all_changes: Iterable[SessionChanges], core: SqliteCore) -> None:
    """Write what these turns changed, in their order, after `conflicts` has found nothing against it."""
    final: dict[str, SessionWrite] = {}
    events: list[SessionEvent] = []
    journal: list[tuple[str, int, bytes]] = []
    for changes in all_changes:
        for change in changes.writes:
            final[change.record.id] = change
        events += changes.events
        journal += [(entry.session_id, entry.ordinal, entry.record) for entry in changes.journal]
    if final:
        values = [_row(change.record, core) for change in final.values()]
        rows.insert(
            connection, f"INSERT INTO sessions ({COLUMNS})", values, f"ON CONFLICT (id) DO UPDATE SET {_UPDATE}"
        )
    if events:
        rows.insert(
            connection,
            f"INSERT INTO session_event ({_EVENT_COLUMNS})",
            [
                (
                    event.session_id,
                    event.bot_id,
                    event.flow_kind,
                    event.event,
                    event.from_state,
                    event.to_state,
                    event.rev,
                    event.reason,
                    event.detail,
                    event.format,
                    event.trace,
                    int(event.at * 1_000_000),
                )
                for event in events
            ],
        )
    if journal:
        rows.insert(
            connection,
            "INSERT INTO session_journal (session_id, ordinal, record)",
            journal,
            "ON CONFLICT (session_id, ordinal) DO UPDATE SET record = excluded.record",
        )
    ended = [id for id, change in final.items() if not change.record.is_active]
    for chunk in rows.chunks(ended) if ended else ():
        rows.with_ids(connection, "DELETE FROM session_journal WHERE session_id IN ({ids})", chunk)


def _row(record: SessionRecord, core: SqliteCore) -> tuple[object, ...]:
    owner = record.owner
    return (
        record.id,
        record.bot_id,
        core.lane_key(record.bot_id, record.lane),
        record.env,
        record.flow_kind,
        owner.user_id,
        owner.chat_id,
        owner.thread_id,
        record.state,
        record.rev,
        int(record.is_active),
        record.ui_chat_id,
        record.ui_message_id,
        record.ui_handle,
        record.data,
        record.version,
        record.language,
        int(record.created_at * 1_000_000),
        int(record.updated_at * 1_000_000),
        None if record.expires_at is None else int(record.expires_at * 1_000_000),
    )


def prune(connection: sqlite3.Connection, before_us: int, limit: int) -> int:
    """Forget sessions that ended or expired before a moment, with what belongs to them, at most `limit` of each."""
    ids = [
        id
        for (id,) in connection.execute(
            "SELECT id FROM (SELECT id FROM sessions WHERE is_active = 0 AND updated_at < ? LIMIT ?)"
            " UNION SELECT id FROM (SELECT id FROM sessions WHERE expires_at IS NOT NULL AND expires_at < ? LIMIT ?)",
            (before_us, limit, before_us, limit),
        )
    ]
    gone = 0
    for chunk in rows.chunks(ids) if ids else ():
        for table, column in (("session_journal", "session_id"), ("session_event", "session_id"), ("sessions", "id")):
            rows.with_ids(connection, f"DELETE FROM {table} WHERE {column} IN ({{ids}})", chunk)
        gone += len(chunk)
    # Rejects of presses that named no session belong to nobody.
    return (
        gone
        + connection.execute(
            "DELETE FROM session_event WHERE id IN"
            " (SELECT id FROM session_event WHERE session_id = '' AND at < ? LIMIT ?)",
            (before_us, limit),
        ).rowcount
    )
