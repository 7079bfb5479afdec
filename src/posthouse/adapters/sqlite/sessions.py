"""Sessions on SQLite: rows to records and back, the compare-and-set of a commit, and what operators look for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from posthouse.adapters.sqlite import rows
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.core.sessions import (
    FoldedChanges,
    JournalWrite,
    Owner,
    SessionChanges,
    SessionEvent,
    SessionMoved,
    SessionRecord,
    SessionWrite,
    moved,
)
from posthouse.ports.store import FormatShare, FormatShares, SessionFilter, SessionHistory, SessionRecords

COLUMNS = (
    "id, bot_id, lane, env, flow_kind, user_id, chat_id, thread_id, state, session_rev, is_active, ui_chat_id,"
    " ui_message_id, ui_handle, data, version, language, created_at, updated_at, expires_at"
)
_EVENT_COLUMNS = "session_id, bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format, trace, at"

# What a move may change. Who a session belongs to never changes, so the indexes over that are left alone.
_MOVED = (
    "state", "session_rev", "is_active", "ui_chat_id", "ui_message_id", "ui_handle", "data", "language", "updated_at",
    "expires_at",
)  # fmt: skip
_MOVE = (
    f"UPDATE sessions SET {', '.join(f'{column} = moved.column{n}' for n, column in enumerate(_MOVED, 6))},"
    " last_event = COALESCE(moved.column4, last_event), last_entry = COALESCE(moved.column5, last_entry)"
    " FROM (VALUES {values}) AS moved"
    " WHERE sessions.id = moved.column1 AND sessions.state = moved.column2 AND sessions.session_rev = moved.column3"
)

# History and journals are appended, and each line names the one before it of its session. An index over sessions would
# cost several times the line itself, with every move: its place is another page for each session.
_APPEND = (
    "INSERT INTO {table} (id, previous, session_id, {columns}) SELECT column1,"
    " COALESCE(column2, (SELECT {last} FROM sessions WHERE sessions.id = column3)), column3, {rest}"
    " FROM (VALUES {{values}}) LIMIT ?"
)
_ADD_EVENTS = _APPEND.format(
    table="session_event",
    last="last_event",
    columns=_EVENT_COLUMNS.removeprefix("session_id, "),
    rest=", ".join(f"column{n}" for n in range(4, 15)),
)
_ADD_ENTRIES = _APPEND.format(
    table="session_journal", last="last_entry", columns="ordinal, record", rest="column4, column5"
)
_WALK = (
    "WITH RECURSIVE line (id, previous) AS ("
    " SELECT {table}.id, {table}.previous FROM sessions JOIN {table} ON {table}.id = sessions.{last}"
    " WHERE sessions.id IN ({{ids}})"
    " UNION ALL SELECT {table}.id, {table}.previous FROM line JOIN {table} ON {table}.id = line.previous)"
)
_WALK_EVENTS = _WALK.format(table="session_event", last="last_event")
_WALK_ENTRIES = _WALK.format(table="session_journal", last="last_entry")

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
            found = rows.with_ids(
                connection,
                f"{_WALK_ENTRIES} SELECT record FROM session_journal JOIN line USING (id) ORDER BY ordinal",
                [session_id],
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
            found = rows.with_ids(
                connection,
                f"{_WALK_EVENTS} SELECT {_EVENT_COLUMNS} FROM session_event JOIN line USING (id)"
                f" ORDER BY id DESC LIMIT {int(limit)}",
                [session_id],
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


def write(connection: sqlite3.Connection, all_changes: Sequence[SessionChanges], core: SqliteCore) -> None:
    """Write what these turns changed, in their order: one UPDATE, guarded by state and rev (S0-26, B-2).

    Raises `SessionMoved` when the guard kept one from moving; then the caller undoes it all.
    """
    changes = FoldedChanges(all_changes)
    last_events = _add_events(connection, changes.events, core)
    last_entries = _add_entries(connection, changes.journal, core)
    if changes.moves:
        moves = [_move(move, move.record, last_events, last_entries) for move in changes.moves]
        if rows.with_values(connection, _MOVE, moves) != len(moves):
            raise SessionMoved
    if changes.made:
        made = [
            (*_row(record, core), last_events.pop(record.id, None), last_entries.get(record.id))
            for record in changes.made
        ]
        try:
            rows.insert(connection, f"INSERT INTO sessions ({COLUMNS}, last_event, last_entry)", made)
        except sqlite3.IntegrityError as error:  # an id is taken
            raise SessionMoved from error
    for id, event in last_events.items():  # rejects: their sessions stay where they are
        if id:
            connection.execute("UPDATE sessions SET last_event = ? WHERE id = ?", (event, id))
    _forget_journals(connection, [record.id for record in changes.ended if record.version])


def _forget_journals(connection: sqlite3.Connection, session_ids: Sequence[str]) -> None:
    for chunk in rows.chunks(session_ids) if session_ids else ():
        rows.with_ids(
            connection, f"{_WALK_ENTRIES} DELETE FROM session_journal WHERE id IN (SELECT id FROM line)", chunk
        )


def _add_events(connection: sqlite3.Connection, events: Sequence[SessionEvent], core: SqliteCore) -> dict[str, int]:
    """Add lines of history; the last one of each session."""
    last: dict[str, int] = {}
    lines = []
    for id, event in zip(core.new_line_ids(len(events)), events, strict=True):
        session_id = event.session_id
        lines.append(
            (
                id,
                last.get(session_id),
                session_id,
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
        )
        last[session_id] = id
    if lines:
        rows.append(connection, _ADD_EVENTS, lines)
    return last


def _add_entries(connection: sqlite3.Connection, entries: Sequence[JournalWrite], core: SqliteCore) -> dict[str, int]:
    """Add entries of journals; the last one of each session."""
    last: dict[str, int] = {}
    lines = []
    for id, entry in zip(core.new_line_ids(len(entries)), entries, strict=True):
        lines.append((id, last.get(entry.session_id), entry.session_id, entry.ordinal, entry.record))
        last[entry.session_id] = id
    if lines:
        rows.append(connection, _ADD_ENTRIES, lines)
    return last


def _move(
    move: SessionWrite, record: SessionRecord, last_events: dict[str, int], last_entries: dict[str, int]
) -> tuple[Any, ...]:
    """A row of `_MOVE`; the events that are taken here belong to it."""
    return (
        record.id,
        move.from_state,
        move.from_rev,
        last_events.pop(record.id, None),
        last_entries.get(record.id),
        record.state,
        record.rev,
        int(record.is_active),
        record.ui_chat_id,
        record.ui_message_id,
        record.ui_handle,
        record.data,
        record.language,
        int(record.updated_at * 1_000_000),
        None if record.expires_at is None else int(record.expires_at * 1_000_000),
    )


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


def prune(connection: sqlite3.Connection, before_us: int, after: str, limit: int) -> tuple[int, str]:
    """Forget sessions that ended or expired before a moment, and older history: (how many sessions, where to go on).

    Walks the table by id, `limit` rows a call, and begins anew behind the last: no index is kept for it. History lies
    in the order in which it was written.
    """
    seen = connection.execute(
        "SELECT id, (is_active = 0 AND updated_at < ?1) OR (expires_at IS NOT NULL AND expires_at < ?1)"
        " FROM sessions WHERE id > ?2 ORDER BY id LIMIT ?3",
        (before_us, after, limit),
    ).fetchall()
    ids = [id for id, over in seen if over]
    _forget_journals(connection, ids)
    for chunk in rows.chunks(ids) if ids else ():
        rows.with_ids(connection, "DELETE FROM sessions WHERE id IN ({ids})", chunk)
    lines = connection.execute(
        "DELETE FROM session_event WHERE at < ?1 AND id IN (SELECT id FROM session_event ORDER BY id LIMIT ?2)",
        (before_us, limit),
    ).rowcount
    return len(ids) + lines, seen[-1][0] if len(seen) == limit else ""
