"""The price of a claim follows what it takes, not what waits or what is in flight (durability.md §6).

100,000 inbound lanes of which 50,000 are leased, two lanes with 100,000 entries each, 100,000 outbound lanes of which
half are under way, 50,000 leased and 50,000 scheduled jobs: plans and buffers are asserted, with our planner settings
and, as behind a pooler, without them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from support_postgres import PostgresServer

from posthouse.adapters.postgres import PostgresSettings, statements
from posthouse.adapters.postgres.database import connect_arguments

TAKEN = 64
WORKER = 1

CROWD = """
INSERT INTO worker (id, locked) VALUES (1, true);
INSERT INTO lane (kind, bot_id, lane_key, pending, due_at, lease, owner)
SELECT 0, 1 + n % 20, n, 1, now() + interval '20 s', 7, 1 FROM generate_series(1, 50000) n;
INSERT INTO lane (kind, bot_id, lane_key, pending, due_at)
SELECT 0, 1 + n % 20, n, 1, now() - n * interval '1 ms' FROM generate_series(50001, 100000) n;
INSERT INTO inbox (bot_id, lane_key, entry_id, payload)
SELECT 1 + n % 20, n, n, '{}' FROM generate_series(1, 100000) n;
INSERT INTO lane (kind, bot_id, lane_key, pending, due_at) VALUES
    (0, 1, 900001, 100000, now() - interval '1 hour'), (0, 1, 900002, 100000, now() - interval '1 hour');
INSERT INTO inbox (bot_id, lane_key, entry_id, payload)
SELECT 1, 900001 + n % 2, n, '{}' FROM generate_series(1, 200000) n;
INSERT INTO chat_state (bot_id, lane_key, name, data)
SELECT 1 + n % 20, n, 'fsm', '{}' FROM generate_series(1, 100000) n;

INSERT INTO call_record (bot_id, lane_key, entry_id, ordinal, method)
SELECT 1 + n % 20, n, n, 0, 'sendMessage' FROM generate_series(1, 20000) n;

INSERT INTO bot_budget (bot_id) SELECT generate_series(1, 20);
INSERT INTO outbox (bot_id, chat_id, priority, method, payload, when_uncertain, cause, trace)
SELECT 1 + n % 20, n, 1 + n % 3, 'sendMessage', '{}', 'resend', 0, '' FROM generate_series(1, 100000) n;
INSERT INTO lane (kind, bot_id, lane_key, pending, replies, notices, broadcasts, prio, due_at, lease, owner, head_id)
SELECT 1, bot_id, chat_id, 1, (priority = 1)::int, (priority = 2)::int, (priority = 3)::int, priority,
       CASE WHEN id <= 50000 THEN now() + interval '20 s' ELSE now() - interval '1 s' END,
       CASE WHEN id <= 50000 THEN 7 END, CASE WHEN id <= 50000 THEN 1 END, CASE WHEN id <= 50000 THEN id END
  FROM outbox;

INSERT INTO job (queue, task, args, priority, due_at, attempts_max, bot_id, lane_key, notify, data, trace,
                 lease, owner, expires_at)
SELECT 'q', 't', '{}', n % 4, now() - interval '1 s', 5, 0, 0, false, 'null', '', 7, 1, now() + interval '1 hour'
  FROM generate_series(1, 50000) n;
INSERT INTO job (queue, task, args, priority, due_at, attempts_max, bot_id, lane_key, notify, data, trace)
SELECT 'q', 't', '{}', n % 4, now() + CASE WHEN n <= 50000 THEN interval '1 day' ELSE interval '-1 s' END,
       5, 0, 0, false, 'null', ''
  FROM generate_series(1, 50100) n;
"""


@pytest.fixture(scope="module")
def crowded_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database in which everything waits and everything is in flight; the tests roll back what they do."""
    name = postgres_server.create_database(fresh=True)
    url = postgres_server.url(name)

    async def crowd() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(CROWD)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    asyncio.run(crowd())
    yield url
    postgres_server.drop_database(name)


@pytest.fixture(params=["direct", "pooler"])
async def connection(crowded_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    settings = PostgresSettings(url=crowded_url, pooler=request.param == "pooler")
    connection = await asyncpg.connect(crowded_url, **connect_arguments(settings))
    yield connection
    await connection.close()


YOUNG = """
INSERT INTO lane (kind, bot_id, lane_key, pending, due_at, lease, owner)
SELECT 0, 1, n, 1, now() + interval '20 s', 7, 1 FROM generate_series(1, 1936) n;
INSERT INTO lane (kind, bot_id, lane_key, pending, due_at)
SELECT 0, 1, n, 1, now() FROM generate_series(1937, 2000) n;
INSERT INTO inbox (bot_id, lane_key, entry_id, payload) SELECT 1, n, n, '{}' FROM generate_series(1, 2000) n;
"""


@pytest.fixture(scope="module")
def young_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database minutes old: 2,000 lanes, of which no statistics are kept yet; the tests roll back what they do."""
    name = postgres_server.create_database(fresh=True)
    url = postgres_server.url(name)

    async def fill() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("ALTER TABLE lane SET (autovacuum_enabled = off)")
        await connection.execute(YOUNG)
        await connection.close()

    asyncio.run(fill())
    yield url
    postgres_server.drop_database(name)


@pytest.fixture
async def young(young_url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(young_url, **connect_arguments(PostgresSettings(url=young_url)))
    yield connection
    await connection.close()


async def plan_of(connection: Any, name: str, *arguments: object) -> dict[str, Any]:
    """What PostgreSQL really did for our statement, which is then undone."""
    transaction = connection.transaction()
    await transaction.start()
    explained = await connection.fetchval(
        "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statements.load()[name], *arguments
    )
    await transaction.rollback()
    plan: dict[str, Any] = json.loads(explained)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def buffers(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"]) + int(node["Shared Read Blocks"])


def scan_of(plan: dict[str, Any], index: str) -> dict[str, Any]:
    found = [node for node in nodes(plan) if node.get("Index Name") == index]
    assert found, f"{index} is not used:\n{json.dumps(plan, indent=1)}"
    return found[0]


def assert_no_table_is_walked(plan: dict[str, Any]) -> None:
    # These have a row or two, or one per bot of which all are asked for.
    walked = [node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    assert set(walked) <= {"queue_pause", "bot_budget", "worker"}, f"walks {walked}:\n{json.dumps(plan, indent=1)}"


def assert_no_row_is_thrown_away(node: dict[str, Any]) -> None:
    assert node.get("Rows Removed by Filter", 0) == 0, node


async def test_a_claim_reads_what_it_takes(connection: Any) -> None:
    """Claiming 64 of 50,000 due lanes walks `lane_due` from its start, whatever is leased."""
    plan = await plan_of(connection, "claim", TAKEN, 99, WORKER, 30.0, 8)
    scan = scan_of(plan, "lane_due")
    assert scan["Actual Rows"] * scan["Actual Loops"] == TAKEN
    assert buffers(scan) <= 2 * TAKEN
    assert_no_row_is_thrown_away(scan)
    assert_no_table_is_walked(plan)


async def test_a_fetch_reads_what_it_returns(connection: Any) -> None:
    """Fetching the heads of 62 lanes and of two with 100,000 entries each reads a few pages per lane."""
    lanes = [(1, 900001), (1, 900002), *((1 + n % 20, n) for n in range(60_001, 60_001 + TAKEN - 2))]
    bots, keys = [list(column) for column in zip(*lanes, strict=True)]
    plan = await plan_of(connection, "fetch", bots, keys, [0] * TAKEN, [2**40] * TAKEN, 8, 8)
    assert buffers(plan) <= 12 * TAKEN
    assert_no_table_is_walked(plan)


async def test_a_settlement_reads_what_it_writes(connection: Any) -> None:
    """Settling a turn of a lane with 100,000 entries costs no more than one of a lane with one."""
    await connection.execute("UPDATE lane SET lease = 99, owner = 1 WHERE kind = 0 AND lane_key IN (900001, 70000)")
    try:
        costs = []
        for bot, lane, entry in ((1, 70_000, 70_000), (1, 900_001, 2)):
            none: list[object] = []
            plan = await plan_of(
                connection, "settle", [bot], [lane], [99], [1], [0.0], [None], [False], 30.0, [1], [entry],
                *[none] * 7, [1], [bot], [lane], ["fsm"], [b"{}"],
                [1], [bot], [lane], [1], ["m"], [b"{}"], ["resend"], [None], [0], [""], [None],
            )  # fmt: skip
            assert_no_table_is_walked(plan)
            assert plan["Actual Rows"] == 1
            costs.append(buffers(plan))
        assert max(costs) <= 120, costs
    finally:
        await connection.execute("UPDATE lane SET lease = NULL, owner = NULL WHERE lease = 99")


@pytest.mark.parametrize("name", ["claim", "settle", "extend", "release"])
async def test_a_lane_is_found_by_its_key_before_anybody_counted_the_lanes(young: Any, name: str) -> None:
    """On a database that was never analysed, 64 lanes of 2,000 are 64 lookups; nobody walks over the others."""
    lanes = [*range(1, TAKEN + 1)]
    bots, tokens, none = [1] * TAKEN, [7] * TAKEN, list[object]()
    arguments: dict[str, list[object]] = {
        "claim": [TAKEN, 99, WORKER, 30.0, 8],
        "settle": [
            bots, lanes, tokens, [1] * TAKEN, [0.0] * TAKEN, [None] * TAKEN, [False] * TAKEN, 30.0, lanes, lanes,
            *[none] * 7, lanes, bots, lanes, ["fsm"] * TAKEN, [b"{}"] * TAKEN,
            *[none] * 10, [None] * TAKEN,
        ],
        "extend": [bots, lanes, tokens, 30.0],
        "release": [bots, lanes, tokens],
    }  # fmt: skip
    plan = await plan_of(young, name, *arguments[name])
    assert plan["Actual Rows"] == TAKEN
    for node in nodes(plan):
        assert node.get("Rows Removed by Join Filter", 0) == 0, json.dumps(plan, indent=1)
        if node.get("Relation Name") == "lane":
            assert node["Actual Rows"] * node["Actual Loops"] <= 2 * TAKEN, json.dumps(plan, indent=1)


async def test_a_delivery_claim_reads_what_it_takes(connection: Any) -> None:
    """Claiming 64 deliveries of 20 bots walks bands of `lane_out` that end at what is not due."""
    plan = await plan_of(connection, "delivery_claim", TAKEN, 99, WORKER, 30.0, 0)
    taking = [
        node for node in nodes(plan) if node.get("Index Name") == "lane_out" and "due_at" in node.get("Index Cond", "")
    ]
    assert taking
    for scan in taking:
        assert_no_row_is_thrown_away(scan)
        assert buffers(scan) <= 8 * TAKEN
    assert_no_table_is_walked(plan)
    assert buffers(plan) <= 100 * TAKEN  # with locks, budgets, and three indexes to write


async def test_a_job_claim_reads_what_it_takes(connection: Any) -> None:
    """Claiming 50 jobs meets neither the leased nor those of tomorrow."""
    plan = await plan_of(connection, "job_claim", ["q"], [50], 99, WORKER, 30.0)
    for node in nodes(plan):
        if node.get("Index Name") == "job_ready":
            assert_no_row_is_thrown_away(node)
            assert buffers(node) <= 2 * 50 + 20
    assert_no_table_is_walked(plan)


async def test_a_reap_reads_what_it_frees(connection: Any, crowded_url: str) -> None:
    """With 100,000 leases that are neither overdue nor orphaned a reap touches a few pages; with dead ones, a slice."""
    living = await asyncpg.connect(crowded_url)
    try:
        await living.execute("SELECT pg_advisory_lock(7419, 1)")
        plan = await plan_of(connection, "reap", 2, 15.0, False)
        assert buffers(plan) <= 60, json.dumps(plan, indent=1)
    finally:
        await living.execute("SELECT pg_advisory_unlock_all()")
        await living.close()
    plan = await plan_of(connection, "reap", 2, 15.0, False)
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan)) <= 10_000
    assert_no_table_is_walked(plan)


async def test_gauges_stop_counting_at_their_cap(connection: Any) -> None:
    """The metrics page costs the same with a backlog of a hundred or of a million."""
    plan = await plan_of(connection, "gauges", 100)
    assert all(node["Actual Rows"] * node["Actual Loops"] <= 100 for node in nodes(plan) if "Scan" in node["Node Type"])
