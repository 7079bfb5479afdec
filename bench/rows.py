"""What the work itself costs at the least: each part alone, with nothing around it.

A webhook's work has parts that no framework can leave out. Each of them is done here by the leanest code that keeps the
promise, in batches of 64 as under full load, on a thread or connection of its own; the sum is what a perfect program
around them would still cost.

    handler    the echo of the bench: decode the update, route, count in the session, encode session and answer
    sqlite     a row accepted, that row done, a session row, an outbox row; `synchronous=FULL`
    postgres   the same on PostgreSQL: one commit to accept and one to finish, one index a table
    lanes      that, and what several processes need to share it: update ids that outlive their row, a row for each lane
               with an index of those that are due, a commit that leases them, and a fence before anything is finished

    python -m bench.rows
"""

import asyncio
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.databases import PostgresServer, running_postgres
from bench.measure import machine_conditions, print_table
from bench.ours import ROOT

UPDATES = 50_000
BATCH = 64
CHATS = 1_000
PAYLOAD = json.dumps({"update_id": 100_000_001, "message": {"text": "hello", "filler": "x" * 320}}).encode()
STATE = b'{"count":12}'
ANSWER = b'{"chat_id":123456789,"text":"12: hello"}'


@dataclass(frozen=True)
class Part:
    """One part of the work: processor microseconds per update, and how many a second it does on its own."""

    name: str
    cpu_us: float
    updates_per_s: float


def _batches() -> Iterator[list[tuple[int, int]]]:
    """Batches of (update id, chat), chats at random."""
    dice = random.Random(1)
    for first in range(0, UPDATES, BATCH):
        yield [(first + n, dice.randrange(CHATS)) for n in range(BATCH)]


def measure_handler() -> Part:
    """Run the bench's own bot on ready-made turns, nothing before and nothing after it."""
    from bench.echo_native import app
    from posthouse.core.entries import Entry
    from posthouse.programs.turn import Turn

    update = {"message_id": 1, "date": 0, "chat": {"id": 7, "type": "private"}, "from": {"id": 7}, "text": "hello"}
    payload = json.dumps({"update_id": 1, "message": update, "filler": "x" * 250}).encode()

    async def run() -> None:
        for number in range(UPDATES):
            turn = Turn(Entry(1, 7, number, payload, 0.0), reach=None, states={"": STATE})  # type: ignore[arg-type]
            await app.perform(turn)

    cpu_s, wall_s = time.process_time(), time.perf_counter()
    asyncio.run(run())
    return _part("handler", time.process_time() - cpu_s, time.perf_counter() - wall_s)


def measure_sqlite() -> Part:
    """One connection, `synchronous=FULL`; a batch is accepted and the one before it finished in one commit."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        connection = sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)
        with closing(connection):
            connection.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "CREATE TABLE inbox (id INTEGER PRIMARY KEY, chat INTEGER, done INTEGER, payload BLOB);"
                "CREATE TABLE session (chat INTEGER PRIMARY KEY, data BLOB);"
                "CREATE TABLE outbox (id INTEGER PRIMARY KEY, chat INTEGER, payload BLOB);"
            )
            triples, pairs = ",".join(["(?,?,?)"] * BATCH), ",".join(["(?,?)"] * BATCH)
            ids = ",".join("?" * BATCH)
            before: list[tuple[int, int]] = []
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            for batch in _batches():
                connection.execute("BEGIN IMMEDIATE")
                accepted = [value for id_, chat in batch for value in (id_, chat, PAYLOAD)]
                connection.execute(
                    f"INSERT INTO inbox (id, chat, payload) VALUES {triples} ON CONFLICT DO NOTHING", accepted
                )
                if before:
                    done = [id_ for id_, _ in before]
                    sessions = [value for _, chat in before for value in (chat, STATE)]
                    answers = [value for id_, chat in before for value in (id_, chat, ANSWER)]
                    connection.execute(f"UPDATE inbox SET done = 1, payload = NULL WHERE id IN ({ids})", done)
                    connection.execute(f"INSERT OR REPLACE INTO session VALUES {pairs}", sessions)
                    connection.execute(f"INSERT INTO outbox VALUES {triples}", answers)
                connection.execute("COMMIT")
                before = batch
            return _part("sqlite rows", time.process_time() - cpu_s, time.perf_counter() - wall_s)


TABLES = """
CREATE TABLE inbox (id bigint PRIMARY KEY, chat bigint NOT NULL, payload bytea NOT NULL);
CREATE TABLE session (chat bigint PRIMARY KEY, data bytea NOT NULL) WITH (fillfactor = 50);
CREATE TABLE outbox (id bigint PRIMARY KEY, chat bigint NOT NULL, payload bytea NOT NULL);
CREATE TABLE seen (id bigint PRIMARY KEY);
CREATE TABLE lane (chat bigint PRIMARY KEY, pending integer NOT NULL, due_at timestamptz, lease bigint)
    WITH (fillfactor = 50);
CREATE INDEX lane_due ON lane (due_at) WHERE due_at IS NOT NULL;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off
"""
ACCEPT = """
INSERT INTO inbox (id, chat, payload)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING
"""
FINISH = """
WITH done AS (
    DELETE FROM inbox i USING unnest($1::bigint[]) AS d (id) WHERE i.id = d.id
), kept AS (
    INSERT INTO session AS s (chat, data)
    SELECT DISTINCT ON (chat) * FROM unnest($2::bigint[], $3::bytea[]) AS n (chat, data) ORDER BY chat
    ON CONFLICT (chat) DO UPDATE SET data = EXCLUDED.data
)
INSERT INTO outbox (id, chat, payload) SELECT * FROM unnest($1::bigint[], $2::bigint[], $4::bytea[])
"""
ACCEPT_IN_LANES = """
WITH fresh AS (
    INSERT INTO seen SELECT * FROM unnest($1::bigint[]) ON CONFLICT DO NOTHING RETURNING id
), put AS (
    INSERT INTO inbox (id, chat, payload)
    SELECT u.id, u.chat, u.payload FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS u (id, chat, payload)
     WHERE (u.id IN (SELECT id FROM fresh)) IS TRUE
    RETURNING chat
)
INSERT INTO lane AS l (chat, pending, due_at)
SELECT chat, count(*), clock_timestamp() FROM put GROUP BY chat ORDER BY chat
ON CONFLICT (chat) DO UPDATE SET pending = l.pending + EXCLUDED.pending, due_at = COALESCE(l.due_at, EXCLUDED.due_at)
"""
LEASE = """
WITH due AS MATERIALIZED (
    SELECT chat FROM lane WHERE due_at <= now() ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE lane l SET lease = $1, due_at = clock_timestamp() + interval '30 s' FROM due WHERE l.chat = due.chat
)
SELECT due.chat, s.data FROM due LEFT JOIN session s ON s.chat = due.chat
"""
FINISH_IN_LANES = """
WITH freed AS (
    UPDATE lane l SET pending = l.pending - f.n, lease = NULL, due_at = NULL
      FROM (SELECT chat, count(*) AS n FROM unnest($2::bigint[]) AS c (chat) GROUP BY chat ORDER BY chat) f
     WHERE l.chat = f.chat AND l.lease = $5
    RETURNING l.chat
), done AS (
    DELETE FROM inbox i USING unnest($1::bigint[], $2::bigint[]) AS d (id, chat)
     WHERE i.id = d.id AND (d.chat IN (SELECT chat FROM freed)) IS TRUE
), kept AS (
    INSERT INTO session AS s (chat, data)
    SELECT DISTINCT ON (chat) * FROM unnest($2::bigint[], $3::bytea[]) AS n (chat, data)
     WHERE (n.chat IN (SELECT chat FROM freed)) IS TRUE ORDER BY chat
    ON CONFLICT (chat) DO UPDATE SET data = EXCLUDED.data
)
INSERT INTO outbox (id, chat, payload)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $4::bytea[]) AS o (id, chat, payload)
 WHERE (o.chat IN (SELECT chat FROM freed)) IS TRUE
"""


async def _postgres(server: PostgresServer, *, lanes: bool) -> tuple[Part, Part]:
    import asyncpg

    name = f"rows_{'lanes' if lanes else 'bare'}"
    admin = await asyncpg.connect(server.url("postgres"))
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    connection = await asyncpg.connect(server.url(name))
    await connection.execute(TABLES)
    accept = await connection.prepare(ACCEPT_IN_LANES if lanes else ACCEPT)
    lease = await connection.prepare(LEASE)
    finish = await connection.prepare(FINISH_IN_LANES if lanes else FINISH)
    cpu_s, server_s, wall_s = time.process_time(), server.cpu_s(), time.perf_counter()
    for token, batch in enumerate(_batches()):
        ids, chats = [id_ for id_, _ in batch], [chat for _, chat in batch]
        await accept.fetch(ids, chats, [PAYLOAD] * len(batch))
        if lanes:
            assert len(await lease.fetch(token, BATCH)) == len(set(chats))
        fence = [token] if lanes else []
        await finish.fetch(ids, chats, [STATE] * len(batch), [ANSWER] * len(batch), *fence)
    wall_s = time.perf_counter() - wall_s
    what = "postgres with lanes" if lanes else "postgres"
    parts = (
        _part(f"{what}, its server", server.cpu_s() - server_s, wall_s),
        _part(f"{what}, its driver", time.process_time() - cpu_s, wall_s),
    )
    assert await connection.fetchval("SELECT count(*) FROM outbox") >= UPDATES
    assert await connection.fetchval("SELECT count(*) FROM inbox") == 0
    await connection.close()
    return parts


def measure_postgres() -> list[Part]:
    """One connection on a Unix socket, fsync on: what the server spends, and what the driver spends."""
    with running_postgres() as server:
        return [part for lanes in (False, True) for part in asyncio.run(_postgres(server, lanes=lanes))]


def _part(name: str, cpu_s: float, wall_s: float) -> Part:
    return Part(name, cpu_s * 1e6 / UPDATES, UPDATES / wall_s)


def main() -> None:
    """Measure every part and print the table."""
    ROOT.mkdir(exist_ok=True)
    conditions = machine_conditions(ROOT)
    parts = [measure_handler(), measure_sqlite(), *measure_postgres()]
    print_table(
        "The work itself, each part alone",
        ["part", "CPU µs", "updates/s alone"],
        [[part.name, part.cpu_us, part.updates_per_s] for part in parts],
        caption="\n".join(conditions.lines()),
    )


if __name__ == "__main__":
    main()
