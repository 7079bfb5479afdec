"""The road: inbox, state, outbox, jobs, timers, dead letters.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# One statement each; the reasons are in docs/decisions/0003-sqlite.md.
STATEMENTS = [
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO meta (key, value) VALUES ('epoch', 0)",
    "CREATE TABLE bot (bot_no INTEGER PRIMARY KEY, bot_id INTEGER NOT NULL UNIQUE) STRICT",
    # id = bot_no << 42 | entry: storage, order and de-duplication in one b-tree
    """CREATE TABLE inbox (
        id INTEGER PRIMARY KEY,
        lane INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        batch INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_us INTEGER NOT NULL DEFAULT 0,
        done_us INTEGER,
        payload BLOB
    ) STRICT""",
    "CREATE INDEX inbox_pending ON inbox (lane, id) WHERE done_us IS NULL",
    # only entries that back off: a start finds their lanes without looking at the others
    "CREATE INDEX inbox_resting ON inbox (lane, due_us) WHERE due_us > 0 AND done_us IS NULL",
    "CREATE TABLE lane_hold (lane INTEGER PRIMARY KEY, reason TEXT NOT NULL, held_us INTEGER NOT NULL) STRICT",
    """CREATE TABLE chat_state (
        lane INTEGER NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL DEFAULT 1,
        data BLOB NOT NULL,
        PRIMARY KEY (lane, name)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE call_record (
        id INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        method TEXT NOT NULL,
        result BLOB,
        PRIMARY KEY (id, ordinal)
    ) STRICT, WITHOUT ROWID""",
    # AUTOINCREMENT: an id is never used twice, so it orders a chat for ever
    """CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        lane INTEGER NOT NULL,
        priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 3),
        method TEXT NOT NULL,
        payload BLOB NOT NULL,
        when_uncertain TEXT NOT NULL CHECK (when_uncertain IN ('resend', 'drop', 'park')),
        handle TEXT,
        cause INTEGER NOT NULL,
        trace TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        due_us INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        unknown INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    """CREATE TABLE message_handle (
        lane INTEGER NOT NULL,
        handle TEXT NOT NULL,
        message_id INTEGER NOT NULL,
        PRIMARY KEY (lane, handle)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        task TEXT NOT NULL,
        args BLOB NOT NULL,
        priority INTEGER NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 3),
        due_us INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        attempts_max INTEGER NOT NULL,
        lease INTEGER,
        expires_us INTEGER,
        unique_key TEXT,
        bot_id INTEGER NOT NULL,
        lane_key INTEGER NOT NULL,
        notify INTEGER NOT NULL,
        data BLOB NOT NULL,
        trace TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        cancelled INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        CHECK ((lease IS NULL) = (expires_us IS NULL))
    ) STRICT""",
    "CREATE INDEX job_ready ON job (queue, priority, due_us, id) WHERE lease IS NULL",
    "CREATE INDEX job_leased ON job (expires_us) WHERE lease IS NOT NULL",
    "CREATE UNIQUE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL",
    "CREATE TABLE queue_state (queue TEXT PRIMARY KEY, paused_us INTEGER) STRICT, WITHOUT ROWID",
    """CREATE TABLE timer (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        bot_id INTEGER NOT NULL,
        lane_key INTEGER NOT NULL,
        key TEXT,
        due_us INTEGER NOT NULL,
        payload BLOB NOT NULL,
        trace TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX timer_due ON timer (due_us)",
    "CREATE UNIQUE INDEX timer_key ON timer (bot_id, lane_key, key) WHERE key IS NOT NULL",
    """CREATE TABLE cron_fire (
        name TEXT NOT NULL, fire_us INTEGER NOT NULL, PRIMARY KEY (name, fire_us)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL CHECK (kind IN ('entry', 'delivery', 'job')),
        bot_id INTEGER NOT NULL,
        lane_key INTEGER NOT NULL,
        item_id INTEGER NOT NULL,
        what TEXT NOT NULL,
        payload BLOB,
        attempts INTEGER NOT NULL,
        error TEXT NOT NULL,
        reason TEXT NOT NULL,
        trace TEXT NOT NULL,
        extra BLOB NOT NULL DEFAULT x'7b7d',
        died_us INTEGER NOT NULL,
        closed_us INTEGER,
        closed_by TEXT CHECK (closed_by IN ('replay', 'discard'))
    ) STRICT""",
    "CREATE INDEX dead_letter_open ON dead_letter (id) WHERE closed_us IS NULL",
    "CREATE INDEX dead_letter_closed ON dead_letter (closed_us) WHERE closed_us IS NOT NULL",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
