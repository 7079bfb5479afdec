"""Sessions, their history and the journals of conversations.

A file may have a `sessions` table already, of the bot that S0 describes (S0-12): it is adopted. Its columns stay, ours
are added, and `flow_kind` is filled in by the rule of S0-5. Running this twice is harmless (S0-11, E0-10).

Revision ID: 0002
"""

from collections.abc import Mapping
from typing import Any

from alembic import op
from sqlalchemy import inspect, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Moments are microseconds since 1970, as everywhere in this file's tables.
COLUMNS = {
    "id": "TEXT NOT NULL PRIMARY KEY",
    "bot_id": "INTEGER NOT NULL DEFAULT 0",
    "lane": "INTEGER NOT NULL DEFAULT 0",
    "env": "TEXT NOT NULL DEFAULT 'prod'",
    "flow_kind": "TEXT",
    "user_id": "INTEGER NOT NULL DEFAULT 0",
    "chat_id": "INTEGER NOT NULL DEFAULT 0",
    "thread_id": "INTEGER NOT NULL DEFAULT 0",
    "state": "TEXT NOT NULL DEFAULT ''",
    "session_rev": "INTEGER NOT NULL DEFAULT 1",
    "is_active": "INTEGER NOT NULL DEFAULT 1",
    "ui_chat_id": "INTEGER",
    "ui_message_id": "INTEGER",
    "ui_handle": "TEXT",
    "data": "BLOB NOT NULL DEFAULT x'7b7d'",
    "version": "TEXT NOT NULL DEFAULT ''",
    "language": "TEXT NOT NULL DEFAULT ''",
    "created_at": "INTEGER NOT NULL DEFAULT 0",
    "updated_at": "INTEGER NOT NULL DEFAULT 0",
    "expires_at": "INTEGER",
    "last_event": "INTEGER",
    "last_entry": "INTEGER",
}

BACKFILL = """
    UPDATE sessions SET flow_kind = CASE
        WHEN state LIKE 'wait_pack_%'
          OR state IN ('generating_pack_preview', 'wait_pack_approval', 'processing_pack') THEN 'pack'
        WHEN state LIKE 'assistant_%' THEN 'assistant'
        ELSE 'single' END
     WHERE flow_kind IS NULL
"""

OTHERS = [
    "CREATE INDEX IF NOT EXISTS idx_sessions_flow_active"
    " ON sessions (user_id, env, flow_kind, is_active, updated_at DESC)",
    "CREATE INDEX IF NOT EXISTS idx_sessions_lookup ON sessions (id, user_id, env, flow_kind)",
    # what a lease brings along
    "CREATE INDEX IF NOT EXISTS idx_sessions_lane ON sessions (lane) WHERE is_active = 1",
    # Lines are appended, and each names the one before it of its session: an index over sessions would cost more than
    # the line itself with every move, and history is read by operators alone.
    """CREATE TABLE IF NOT EXISTS session_event (
        id INTEGER PRIMARY KEY,
        previous INTEGER,
        session_id TEXT NOT NULL,
        bot_id INTEGER NOT NULL,
        flow_kind TEXT NOT NULL,
        event TEXT NOT NULL,
        from_state TEXT NOT NULL,
        to_state TEXT,
        rev INTEGER NOT NULL,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        format TEXT NOT NULL,
        trace TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS session_event_press ON session_event (at) WHERE format <> ''",
    """CREATE TABLE IF NOT EXISTS session_journal (
        id INTEGER PRIMARY KEY,
        previous INTEGER,
        session_id TEXT NOT NULL,
        ordinal INTEGER NOT NULL,
        record BLOB NOT NULL
    ) STRICT""",
]


def upgrade() -> None:
    connection = op.get_bind()
    found = {column["name"]: column for column in inspect(connection).get_columns("sessions")} if _exists() else {}
    if not found:
        _create("sessions")
    else:
        for name, definition in COLUMNS.items():
            if name not in found:
                op.execute(f"ALTER TABLE sessions ADD COLUMN {name} {definition}")
    op.execute(text(BACKFILL))
    if found and (found.get("flow_kind") or {"nullable": True})["nullable"]:
        _require_flow_kind(found)
    for statement in OTHERS:
        op.execute(statement)


def _exists() -> bool:
    return inspect(op.get_bind()).has_table("sessions")


def _create(name: str, extra: dict[str, str] | None = None) -> None:
    columns = COLUMNS | {"flow_kind": "TEXT NOT NULL"} | (extra or {})
    listed = ", ".join(f"{column} {definition}" for column, definition in columns.items())
    # With rowids, so that rows lie in the order in which sessions began: those that are active share their pages. By
    # the id, which is random, each would lie on a page of its own among all that have ended.
    op.execute(f"CREATE TABLE {name} ({listed})")


def _require_flow_kind(found: Mapping[str, Any]) -> None:
    """SQLite cannot make a column NOT NULL later (S0-6), so the table is written anew, its other columns kept."""
    extra = {f'"{name}"': str(column["type"]) for name, column in found.items() if name not in COLUMNS}
    _create("sessions_adopted", extra)
    names = ", ".join([*COLUMNS, *extra])
    # What the old table calls a moment is a text or seconds; ours are microseconds.
    chosen = ", ".join(
        _filled(name, _moment(name) if name in ("created_at", "updated_at", "expires_at") else name) for name in COLUMNS
    )
    op.execute(text(f"INSERT INTO sessions_adopted ({names}) SELECT {', '.join([chosen, *extra])} FROM sessions"))
    op.execute("DROP TABLE sessions")
    op.execute("ALTER TABLE sessions_adopted RENAME TO sessions")


def _filled(name: str, value: str) -> str:
    """The old table may leave empty what ours does not."""
    _, is_required, default = COLUMNS[name].partition(" NOT NULL DEFAULT ")
    return f"coalesce({value}, {default})" if is_required else value


def _moment(name: str) -> str:
    return (
        f"CASE typeof({name}) WHEN 'text' THEN CAST(strftime('%s', {name}) AS INTEGER) * 1000000"
        f" WHEN 'real' THEN CAST({name} * 1000000 AS INTEGER)"
        f" WHEN 'null' THEN {'NULL' if name == 'expires_at' else '0'}"
        f" ELSE CASE WHEN {name} > 0 AND {name} < 100000000000 THEN {name} * 1000000 ELSE {name} END END"
    )
