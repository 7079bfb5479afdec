"""How soon work goes on after a kill -9.

*Two processes on PostgreSQL.* Both take updates and work on 1,000 chats whose handlers take 200 ms, so that each holds
many leases at any moment. One is killed. Its chats run again when each lane that it had leased has a turn committed
for the entry that was at its head.

*SQLite.* A process without an executor acknowledges 100,000 updates and is killed; then a whole one starts on what it
left. The time runs from the start of the process, and from the opening of the store, to the first committed turn
that somebody else can see.
"""

import contextlib
import shutil
import threading
import time
from pathlib import Path

from bench.databases import PostgresBooks, PostgresServer, SqliteBooks, preloading, running_postgres
from bench.load import CHAT_FIRST, UPDATE_ID_FIRST, Load, LoadFailed, measure_load
from bench.ours import BOT_ID, SECRET, VARIANTS, Ours, running_ours, scratch_directory
from bench.preload import add_bots, add_waiting
from bench.process import ServerFailed
from bench.report import Plan, Report, Rows, Verdict, median, spread

TAKEOVER_S = 2.0
RESTART_S = 1.0
WAITING = 100_000
CHATS = 1_000
NAP_MS = 200
RATE = 300.0  # updates per second into each of the two
POLL_S = 0.005
LANES_MIN = 5
PATIENCE_S = 30.0


def measure(plan: Plan) -> Report:
    report = Report("recovery")
    trials = plan.scaled(5, 1)
    with running_postgres() as postgres:
        takeovers = [_takeover_s(postgres) for _ in range(trials)]
    seconds = [taken for taken, _ in takeovers]
    report.tables.append(
        Rows(
            "One of two processes on PostgreSQL is killed",
            ["", "trials", "median s", "range", "lanes it held"],
            [["its chats run again", trials, median(seconds), spread(seconds), spread([n for _, n in takeovers])]],
        )
    )
    report.verdicts.append(
        Verdict(
            "kill -9 of one of two (PostgreSQL)",
            f"≤ {TAKEOVER_S:.0f} s",
            f"{median(seconds):.2f} s, at most {max(seconds):.2f} s",
            max(seconds) <= TAKEOVER_S,
        )
    )
    _measure_restarts(plan, report)
    report.conditions = [
        f"PostgreSQL: {CHATS:,} chats, handlers of {NAP_MS} ms, {RATE:.0f} updates/s into each process",
        "verdicts are on the worst trial",
        f"SQLite: {WAITING:,} acknowledged updates, then SIGKILL; first turn as another connection sees it",
        PostgresBooks.conditions,
        SqliteBooks.conditions,
    ]
    report.data["takeovers"] = takeovers
    return report


# -- PostgreSQL -----------------------------------------------------------------------------------------------------


def _takeover_s(postgres: PostgresServer) -> tuple[float, int]:
    """Seconds until all of the victim's chats ran again, and how many they were."""
    variant = VARIANTS["native-postgres"]
    database = postgres.create_database()
    books = PostgresBooks(database)
    with (
        running_ours(variant, postgres=postgres, database=database) as survivor,
        running_ours(variant, postgres=postgres, database=database) as victim,
    ):
        feeders = [
            threading.Thread(target=_feed, args=(ours, number)) for number, ours in enumerate((survivor, victim))
        ]
        for feeder in feeders:
            feeder.start()
        try:
            owners = _wait_both_work(books)
            victim.server.kill()
            killed = time.perf_counter()
            left = _lanes_left_by(books, owners)
            while True:
                waits = books.query(
                    "SELECT 1 FROM unnest($1::bigint[], $2::bigint[]) AS head (lane_key, entry_id)"
                    " JOIN inbox i ON i.bot_id = $3 AND i.lane_key = head.lane_key AND i.entry_id = head.entry_id"
                    " LIMIT 1",
                    [lane for lane, _ in left],
                    [entry for _, entry in left],
                    BOT_ID,
                )
                taken_s = time.perf_counter() - killed
                if not waits:
                    break
                if taken_s > PATIENCE_S:
                    raise ServerFailed(f"a dead process's chats still wait after {PATIENCE_S:.0f} s")
                time.sleep(POLL_S)
        finally:
            survivor.server.kill()  # its feeder ends with it
            for feeder in feeders:
                feeder.join()
    books.close()
    return taken_s, len(left)


def _feed(ours: Ours, number: int) -> None:
    """Updates at a fixed rate until the server dies; the two feeders have ids of their own."""
    load = Load(
        ours.server.url,
        SECRET,
        seconds=2 * PATIENCE_S,
        rate=RATE,
        chats=CHATS,
        text=f"nap {NAP_MS}",
        update_id_first=UPDATE_ID_FIRST + number * 100_000_000,
    )
    with contextlib.suppress(LoadFailed):
        measure_load(load)


def _wait_both_work(books: PostgresBooks) -> list[int]:
    """The two workers, at a moment when each holds some lanes."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        rows = books.query("SELECT owner, count(*) FROM lane WHERE kind = 0 AND owner IS NOT NULL GROUP BY owner")
        if len(rows) == 2 and all(lanes >= LANES_MIN for _, lanes in rows):
            return [owner for owner, _ in rows]
        time.sleep(POLL_S)
    raise ServerFailed(f"the two processes did not both hold {LANES_MIN} lanes within {PATIENCE_S:.0f} s")


def _lanes_left_by(books: PostgresBooks, owners: list[int]) -> list[tuple[int, int]]:
    """(lane, its first entry) of the lanes that the dead one holds: the owner whose lock is gone."""
    query = (
        "SELECT l.owner, l.lane_key, (SELECT min(entry_id) FROM inbox i WHERE i.bot_id = l.bot_id"
        " AND i.lane_key = l.lane_key) FROM lane l WHERE l.kind = 0 AND l.owner = ANY($1::integer[])"
    )
    leases = books.query(query, owners)
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        locked = {row[0] for row in books.query("SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory'")}
        left = [(lane, head) for owner, lane, head in leases if owner not in locked and head is not None]
        if left:
            return left
        time.sleep(POLL_S)
    raise ServerFailed("the killed process held no lane: the load is too small for both")


# -- SQLite ---------------------------------------------------------------------------------------------------------


def _measure_restarts(plan: Plan, report: Report) -> None:
    waiting = plan.scaled(WAITING, 5_000)
    rows: list[list[object]] = []
    with scratch_directory() as directory:
        for name, chats, killed in (
            (f"{CHATS:,} chats, killed", CHATS, True),
            (f"{waiting:,} chats", waiting, False),
            ("one chat", 1, False),
        ):
            left = directory / f"left-{chats}"
            _leave_by_kill(left, waiting) if killed else _leave_by_sql(left, waiting, chats)
            trials = [_restart_s(left, directory / "trial") for _ in range(plan.scaled(5, 1))]
            from_start, from_open = ([trial[which] for trial in trials] for which in (0, 1))
            rows.append([name, median(from_start), spread(from_start), median(from_open), spread(from_open)])
            report.data[f"restart {name}"] = trials
            if killed:
                report.verdicts.append(
                    Verdict(
                        f"SQLite restart with {waiting:,} waiting, first turn",
                        f"≤ {RESTART_S:.0f} s",
                        f"{median(from_start):.2f} s from process start, at most {max(from_start):.2f} s",
                        max(from_start) <= RESTART_S,
                    )
                )
    report.tables.append(
        Rows(
            f"A restart on SQLite with {waiting:,} entries waiting: seconds to the first committed turn",
            ["entries of", "from process start", "range", "from opening the store", "range"],
            rows,
        )
    )


def _leave_by_kill(left: Path, waiting: int) -> None:
    """Acknowledge that many updates without working on them, then die."""
    left.mkdir()
    with running_ours(VARIANTS["native-sqlite"], directory=left, roles=("ingress",)) as ours:
        ours.load(count=waiting)
        ours.server.kill()


def _leave_by_sql(left: Path, waiting: int, chats: int) -> None:
    left.mkdir()
    with preloading(left / "posthouse.db") as connection:
        add_bots(connection, [BOT_ID])
        add_waiting(
            connection, waiting, chats=chats, chat_first=CHAT_FIRST, update_id_first=UPDATE_ID_FIRST, text="hello"
        )


def _restart_s(left: Path, trial: Path) -> tuple[float, float]:
    """Seconds to the first committed turn, from the start of the process and from the opening of the store."""
    shutil.copytree(left, trial)
    try:
        seen = _FirstTurn(SqliteBooks(trial / "posthouse.db"))
        seen.start()
        started = time.monotonic()
        with running_ours(VARIANTS["native-sqlite"], directory=trial) as ours:
            seen.join(PATIENCE_S)
            if seen.at is None:
                raise ServerFailed(f"no turn was committed within {PATIENCE_S:.0f} s")
            return seen.at - started, seen.at - ours.opened_at
    finally:
        shutil.rmtree(trial)


class _FirstTurn(threading.Thread):
    """Looks every other millisecond whether a turn was committed."""

    def __init__(self, books: SqliteBooks) -> None:
        super().__init__(daemon=True)
        self._books = books
        self.at: float | None = None

    def run(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._books.any_delivery():
                self.at = time.monotonic()
                break
            time.sleep(0.002)
        self._books.close()
