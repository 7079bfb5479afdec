"""Sessions on PostgreSQL: rows to records and back, the compare-and-set of a commit, and what operators look for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posthouse.adapters.postgres.database import Database, Row, text, texts
from posthouse.core.leases import Settlement
from posthouse.core.sessions import (
    FoldedChanges,
    Owner,
    SessionChanges,
    SessionEvent,
    SessionMoved,
    SessionRecord,
    SessionWrite,
    moved,
)
from posthouse.ports.store import FormatShare, FormatShares, SessionFilter, SessionHistory, SessionRecords

LIMIT_MAX = 1_000


class PostgresSessions:
    """See `ports.store.Sessions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, session_id: str) -> SessionRecord | None:
        """One session, active or not, or None."""
        rows = await self._database.fetch("sessions_get", text(session_id))
        return record_of(rows[0]) if rows else None

    async def owned(self, bot_id: int, lane: int, user_ids: Sequence[int]) -> SessionRecords:
        """The active sessions of a lane that these people own, newest first."""
        rows = await self._database.fetch("sessions_owned", bot_id, lane, [*user_ids])
        return [record_of(row) for row in rows]

    async def journal(self, session_id: str) -> list[bytes]:
        """The journal of a conversation, by ordinal; empty when it has ended."""
        return [row[0] for row in await self._database.fetch("sessions_read_journal", text(session_id))]

    async def find(self, filter: SessionFilter) -> SessionRecords:
        """What an operator looks for, the session that changed last first."""
        rows = await self._database.fetch(
            "sessions_find",
            filter.bot_id,
            texts(filter.env),
            filter.user_id,
            texts(filter.flow_kind),
            texts(filter.state),
            filter.live,
            min(filter.limit, LIMIT_MAX),
        )
        return [record_of(row) for row in rows]

    async def history(self, session_id: str, *, limit: int = 100) -> SessionHistory:
        """The last `limit` lines of a session's history, oldest first."""
        rows = await self._database.fetch("sessions_history", text(session_id), limit)
        return [SessionEvent(*row) for row in reversed(rows)]

    async def formats(self, *, since_s: float) -> FormatShares:
        """How the presses of the last `since_s` seconds named their sessions."""
        return [FormatShare(*row) for row in await self._database.fetch("sessions_formats", since_s)]


def record_of(row: Row | Sequence[Any]) -> SessionRecord:
    """One session, with its columns in the order of the statements."""
    id, bot_id, lane, env, flow_kind, user_id, chat_id, thread_id, *rest = row
    return SessionRecord(id, bot_id, lane, env, flow_kind, Owner(user_id, chat_id, thread_id), *_ordered(*rest))


def _ordered(
    state: str,
    rev: int,
    is_active: bool,
    ui_chat_id: int | None,
    ui_message_id: int | None,
    ui_handle: str | None,
    data: bytes,
    *more: Any,
) -> tuple[Any, ...]:
    return state, rev, is_active, data, ui_chat_id, ui_message_id, ui_handle, *more


async def conflicts(connection: Any, sql: dict[str, str], settlements: Sequence[Settlement]) -> set[int]:
    """Lock the sessions that these turns move; the turns, by place, whose sessions are not where they saw them.

    Call it before any lane is locked in the transaction.
    """
    changes = [(at, s.effects.sessions) for at, s in enumerate(settlements) if s.effects.sessions]
    ids = sorted({text(write.record.id) for _, change in changes for write in change.writes})
    if not ids:
        return set()
    known = {id: (state, rev) for id, state, rev in await connection.fetch(sql["sessions_lock"], ids)}
    out: set[int] = set()
    for at, change in changes:
        if moved(change.writes, known) is not None:
            out.add(at)
        else:
            known.update((write.record.id, (write.record.state, write.record.rev)) for write in change.writes)
    return out


async def write(connection: Any, sql: dict[str, str], all_changes: Sequence[SessionChanges]) -> None:
    """Write what these turns changed, in one statement that compares and sets (S0-26, B-2).

    Raises `SessionMoved` when a session was not where a turn saw it: the transaction is to be undone then. It, or
    `conflicts`, goes before any lane is locked in the transaction: so all agree on the order.
    """
    if not all_changes:
        return
    changes = FoldedChanges(all_changes)
    changes.moves.sort(key=_id_of_move)
    ended = {record.id for record in changes.ended}
    # An entry may be written again by a turn whose commit was not heard of: the last one of a place counts.
    journal = {(entry.session_id, entry.ordinal): entry for entry in changes.journal if entry.session_id not in ended}
    rows = await connection.fetch(
        sql["sessions_write"],
        [text(move.record.id) for move in changes.moves],
        [text(move.from_state) for move in changes.moves],
        [move.from_rev for move in changes.moves],
        *_move_columns([move.record for move in changes.moves]),
        *_columns(changes.made),
        *_event_columns(changes.events),
        [text(session_id) for session_id, _ in journal],
        [ordinal for _, ordinal in journal],
        [entry.record for entry in journal.values()],
        [text(id) for id in ended],
    )
    if rows[0][0] != len(changes.moves) + len(changes.made):
        raise SessionMoved


def _id_of_move(move: SessionWrite) -> str:
    return move.record.id


def _move_columns(records: Sequence[SessionRecord]) -> list[list[Any]]:
    return [
        [text(r.state) for r in records],
        [r.rev for r in records],
        [r.is_active for r in records],
        [r.ui_chat_id for r in records],
        [r.ui_message_id for r in records],
        [texts(r.ui_handle) for r in records],
        [r.data for r in records],
        [text(r.language) for r in records],
        [r.updated_at for r in records],
        [r.expires_at for r in records],
    ]


def _columns(records: Sequence[SessionRecord]) -> list[list[Any]]:
    return [
        [text(r.id) for r in records],
        [r.bot_id for r in records],
        [r.lane for r in records],
        [text(r.env) for r in records],
        [text(r.flow_kind) for r in records],
        [r.owner.user_id for r in records],
        [r.owner.chat_id for r in records],
        [r.owner.thread_id for r in records],
        [text(r.state) for r in records],
        [r.rev for r in records],
        [r.is_active for r in records],
        [r.ui_chat_id for r in records],
        [r.ui_message_id for r in records],
        [texts(r.ui_handle) for r in records],
        [r.data for r in records],
        [text(r.version) for r in records],
        [text(r.language) for r in records],
        [r.created_at for r in records],
        [r.updated_at for r in records],
        [r.expires_at for r in records],
    ]


def _event_columns(events: Sequence[SessionEvent]) -> list[list[Any]]:
    return [
        [text(e.session_id) for e in events],
        [e.bot_id for e in events],
        [text(e.flow_kind) for e in events],
        [text(e.event) for e in events],
        [text(e.from_state) for e in events],
        [texts(e.to_state) for e in events],
        [e.rev for e in events],
        [text(e.reason) for e in events],
        [text(e.detail) for e in events],
        [text(e.format) for e in events],
        [text(e.trace) for e in events],
        [e.at for e in events],
    ]
