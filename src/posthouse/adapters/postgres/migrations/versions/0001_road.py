"""The road of an update: lanes, inbox, state, outbox, jobs, timers, dead letters, workers.

A *lane* is one ordered stream and one small row. `due_at` alone tells a claimer everything: NULL = nothing to do,
in the past = claimable, in the future = leased, backing off or paced, infinity = held. The partial indexes over it
hold exactly the lanes that have work, so that a claim costs what it takes and not what waits (durability.md 7.1).

    kind 0  inbound: one chat of one bot           pending counts `inbox` rows
    kind 1  outbound: the deliveries of one chat   pending counts `outbox` rows with priority > 0
    kind 3  outbound: the answers of one chat      pending counts `outbox` rows with priority 0

(Kind 2 is kept for keyed jobs.) There are no foreign keys: a row-share lock on a hot parent row per insert costs
more than the mistakes it would find.

Bodies are `bytea`: an update must be replayed byte for byte; state and parameters are JSON that may hold \\u0000
and lone surrogates, which `jsonb` refuses; and the `json` type would parse each value once more for nothing.
`convert_from(payload, 'UTF8')` shows them to a person.
"""

from alembic import op

revision = "0001"
down_revision = None

# Rows that live for milliseconds: vacuum after few, and without pausing.
SHORT_LIVED = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0"

STATEMENTS = [
    f"""
    CREATE TABLE lane (
        kind        smallint    NOT NULL,
        bot_id      bigint      NOT NULL,
        lane_key    bigint      NOT NULL,
        pending     integer     NOT NULL DEFAULT 0 CHECK (pending >= 0),
        attempts    integer     NOT NULL DEFAULT 0,   -- inbound, leased: which try of the head this is
        prio        smallint    NOT NULL DEFAULT 3,   -- outbound: the smallest priority that waits
        replies     integer     NOT NULL DEFAULT 0,   -- outbound chat: how many of priority 1, 2, 3 wait; counted here
        notices     integer     NOT NULL DEFAULT 0,   -- because `prio` must be right under the row lock, where the
        broadcasts  integer     NOT NULL DEFAULT 0,   -- statement's view of `outbox` may be too old
        due_at      timestamptz,
        lease       bigint,                           -- the token of the claim; never used twice
        owner       integer,                          -- the worker incarnation that holds it
        head_id     bigint,                           -- leased: the entry or delivery that is under way
        carried_to  bigint,                           -- inbound, leased: the last entry that the lease carried
        not_before  timestamptz,                      -- outbound: pacing floor that survives an idle spell
        tat         timestamptz,                      -- outbound: the chat's theoretical arrival time (GCRA)
        hold_reason text,
        idle_at     timestamptz,                      -- since when nothing waits, for the collection of old lanes
        PRIMARY KEY (kind, bot_id, lane_key),
        CHECK ((lease IS NULL) = (owner IS NULL))
    ) WITH (fillfactor = 70, autovacuum_vacuum_threshold = 500, {SHORT_LIVED})
    """,
    "CREATE INDEX lane_due ON lane (due_at) WHERE kind = 0 AND due_at IS NOT NULL",
    "CREATE INDEX lane_out ON lane (bot_id, prio, due_at) WHERE kind > 0 AND due_at IS NOT NULL",
    "CREATE INDEX lane_owner ON lane (owner, due_at) WHERE owner IS NOT NULL",
    f"""
    CREATE TABLE inbox (
        bot_id      bigint      NOT NULL,
        lane_key    bigint      NOT NULL,
        entry_id    bigint      NOT NULL,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        tries       integer     NOT NULL DEFAULT 0,   -- how often it may have run; written only when a run went wrong
        payload     bytea       NOT NULL,
        PRIMARY KEY (bot_id, lane_key, entry_id)
    ) WITH ({SHORT_LIVED})
    """,
    # The memory of update ids outlives the inbox row: Telegram repeats itself for a day.
    """
    CREATE TABLE seen (
        bot_id    bigint      NOT NULL,
        update_id bigint      NOT NULL,
        seen_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (bot_id, update_id)
    )
    """,
    "CREATE INDEX seen_age ON seen (seen_at)",
    """
    CREATE TABLE chat_state (
        bot_id   bigint NOT NULL,
        lane_key bigint NOT NULL,
        name     text   NOT NULL,
        version  bigint NOT NULL DEFAULT 1,
        data     bytea  NOT NULL,
        PRIMARY KEY (bot_id, lane_key, name)
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)
    """,
    f"""
    CREATE TABLE call_record (
        bot_id   bigint      NOT NULL,
        lane_key bigint      NOT NULL,
        entry_id bigint      NOT NULL,
        ordinal  integer     NOT NULL,
        method   text        NOT NULL,
        result   bytea,
        begun_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (bot_id, lane_key, entry_id, ordinal)
    ) WITH (fillfactor = 80, {SHORT_LIVED})
    """,
    f"""
    CREATE TABLE outbox (
        bot_id         bigint      NOT NULL,
        chat_id        bigint      NOT NULL,
        priority       smallint    NOT NULL CHECK (priority BETWEEN 0 AND 3),
        id             bigint      GENERATED BY DEFAULT AS IDENTITY,
        created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
        attempts       integer     NOT NULL DEFAULT 0,   -- tries that ended and counted, or ended unknown
        uncertain      boolean     NOT NULL DEFAULT false,
        method         text        NOT NULL,
        payload        bytea       NOT NULL,
        when_uncertain text        NOT NULL,
        handle         text,
        cause          bigint      NOT NULL,
        trace          text        NOT NULL,
        PRIMARY KEY (bot_id, chat_id, priority, id)      -- the order in which a chat's deliveries leave
    ) WITH ({SHORT_LIVED})
    """,
    "CREATE INDEX outbox_id ON outbox (id)",
    """
    CREATE TABLE bot_budget (
        bot_id           bigint      PRIMARY KEY,
        cost_s           float8      NOT NULL DEFAULT 0,   -- seconds per call; 0 = no limit
        burst            integer     NOT NULL DEFAULT 1,
        broadcast_cost_s float8      NOT NULL DEFAULT 0,   -- seconds per paid broadcast; 0 = there are none
        broadcast_burst  integer     NOT NULL DEFAULT 1,
        tat              timestamptz NOT NULL DEFAULT '-infinity',   -- GCRA: one timestamp is the whole bucket
        broadcast_tat    timestamptz NOT NULL DEFAULT '-infinity',
        paused_until     timestamptz NOT NULL DEFAULT '-infinity'
    ) WITH (fillfactor = 50, autovacuum_vacuum_cost_delay = 0)
    """,
    """
    CREATE TABLE message_handle (
        bot_id     bigint      NOT NULL,
        chat_id    bigint      NOT NULL,
        handle     text        NOT NULL,
        message_id bigint      NOT NULL,
        sent_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (bot_id, chat_id, handle)
    )
    """,
    "CREATE INDEX message_handle_age ON message_handle (sent_at)",
    f"""
    CREATE TABLE job (
        id           bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        queue        text        NOT NULL,
        task         text        NOT NULL,
        args         bytea       NOT NULL,
        priority     smallint    NOT NULL,
        created_at   timestamptz NOT NULL DEFAULT now(),
        due_at       timestamptz NOT NULL,
        attempts     integer     NOT NULL DEFAULT 0,
        attempts_max integer     NOT NULL,
        unique_key   text,
        bot_id       bigint      NOT NULL,
        lane_key     bigint      NOT NULL,
        notify       boolean     NOT NULL,
        data         bytea       NOT NULL,
        trace        text        NOT NULL,
        cancelled    boolean     NOT NULL DEFAULT false,
        lease        bigint,
        owner        integer,
        expires_at   timestamptz,
        CHECK ((lease IS NULL) = (owner IS NULL) AND (lease IS NULL) = (expires_at IS NULL))
    ) WITH (fillfactor = 80, {SHORT_LIVED})
    """,
    # Leased rows are not in the ready index: otherwise a claim walks over everything in flight.
    "CREATE INDEX job_ready ON job (queue, priority, due_at, id) WHERE lease IS NULL",
    "CREATE INDEX job_leased ON job (expires_at) WHERE lease IS NOT NULL",
    "CREATE INDEX job_owner ON job (owner) WHERE owner IS NOT NULL",
    "CREATE UNIQUE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL",
    "CREATE TABLE queue_pause (queue text PRIMARY KEY, paused_at timestamptz NOT NULL DEFAULT now())",
    f"""
    CREATE TABLE timer (
        id       bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        bot_id   bigint      NOT NULL,
        lane_key bigint      NOT NULL,
        key      text,
        due_at   timestamptz NOT NULL,
        payload  bytea       NOT NULL,
        trace    text        NOT NULL
    ) WITH ({SHORT_LIVED})
    """,
    "CREATE INDEX timer_due ON timer (due_at)",
    "CREATE UNIQUE INDEX timer_key ON timer (bot_id, lane_key, key) WHERE key IS NOT NULL",
    "CREATE TABLE cron_fire (name text NOT NULL, fire_at timestamptz NOT NULL, PRIMARY KEY (name, fire_at))",
    """
    CREATE TABLE dead_letter (
        id        bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        kind      text        NOT NULL CHECK (kind IN ('entry', 'delivery', 'job')),
        bot_id    bigint      NOT NULL,
        lane_key  bigint      NOT NULL,
        item_id   bigint      NOT NULL,
        what      text        NOT NULL DEFAULT '',       -- method of a delivery, task of a job
        queue     text        NOT NULL DEFAULT '',
        payload   bytea       NOT NULL,
        data      bytea,                                 -- a job's data for its completion
        detail    jsonb       NOT NULL DEFAULT '{}',     -- what a replay needs besides
        attempts  integer     NOT NULL,
        error     text        NOT NULL,
        reason    text        NOT NULL,
        trace     text        NOT NULL DEFAULT '',
        died_at   timestamptz NOT NULL DEFAULT now(),
        closed_at timestamptz,
        closed_as text        CHECK (closed_as IN ('replayed', 'discarded')),
        CHECK ((closed_at IS NULL) = (closed_as IS NULL))
    )
    """,
    "CREATE INDEX dead_letter_open ON dead_letter (id) WHERE closed_at IS NULL",
    "CREATE INDEX dead_letter_closed ON dead_letter (closed_at) WHERE closed_at IS NOT NULL",
    """
    CREATE TABLE worker (
        id           integer     GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
        started_at   timestamptz NOT NULL DEFAULT now(),
        heartbeat_at timestamptz NOT NULL DEFAULT now(),
        locked       boolean     NOT NULL,               -- proof of life: an advisory lock, or else the heartbeat
        name         text        NOT NULL DEFAULT ''
    )
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
