"""Runs one Posthouse process under load, the way `posthouse up` runs one.

The work is that of `bench.peers`: a text echo that counts messages per chat in its session and answers. Settings go
through `posthouse.settings.parse` and `posthouse.bootstrap.build`, the event loop, the switch interval and the
collector are set as `posthouse.cli.up` sets them.

    name                    bot             store                       calls to Telegram
    native-sqlite           native          SQLite, synchronous=FULL    stay in the outbox (no sender)
    native-sqlite-sending   native          the same                    sender, stubbed in the process
    native-postgres         native          PostgreSQL, fsync on        stay in the outbox (no sender)
    aiogram-sqlite          aiogram         SQLite, synchronous=FULL    `await message.answer(…)`: journaled, stubbed
    aiogram-sqlite-method   aiogram         the same                    the handler returns the method: outbox
    flow-…, menu-…, conversation-…, replayed-…, long-… on sqlite and postgres: `bench.sessions_native`, no sender

The 200 is sent when the update is on disk, which is before the work; so `updates_per_s` counts *committed turns* over
the time from the first send until the last was committed, as for those peers that answer before the work. That every
acknowledged update has a committed turn (and every such turn its outbox row) is read from the database at the end.

    python -m bench.ours [--seconds 3] [--repeat 2] [--profile] [name ...]
"""

import argparse
import asyncio
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.databases import Books, PostgresBooks, PostgresServer, SqliteBooks, running_postgres
from bench.environments import ROOT
from bench.load import CONNECTIONS_DEFAULT, Load, LoadResult, measure_load
from bench.measure import machine_conditions, print_table
from bench.process import DRAIN_POLL_S, DRAIN_TIMEOUT_S, RunResult, Server, ServerFailed, free_port, running

TOKEN = "123456:bench"
BOT_ID = 123456
SECRET = "bench-secret"
WARM_UP_S = 1.0
NO_SENDER = ("ingress", "executor", "worker")
EVERYTHING = ("ingress", "executor", "sender", "worker")


@dataclass(frozen=True)
class Variant:
    """How one process of ours is set up."""

    store: str
    program: str
    roles: tuple[str, ...]
    outbox: bool  # each turn leaves a row there
    description: str
    bot: str | None = None


_NATIVE = "bench.echo_native:app"
_SESSIONS = "bench.sessions_native"
VARIANTS = {
    "native-sqlite": Variant("sqlite", _NATIVE, NO_SENDER, True, "native App, SQLite, no sender"),
    "native-sqlite-sending": Variant(
        "sqlite", _NATIVE, EVERYTHING, False, "native App, SQLite, sender with a gateway stubbed in the process"
    ),
    "native-postgres": Variant("postgres", _NATIVE, NO_SENDER, True, "native App, PostgreSQL, no sender"),
    "aiogram-sqlite": Variant(
        "sqlite",
        "bench.echo_aiogram:awaiting",
        NO_SENDER,
        False,
        "hosted aiogram Dispatcher, SQLite, awaits message.answer (journaled), session stubbed in the process",
        "bench.echo_aiogram:bot",
    ),
    "aiogram-sqlite-method": Variant(
        "sqlite",
        "bench.echo_aiogram:returning",
        NO_SENDER,
        True,
        "hosted aiogram Dispatcher, SQLite, returns the method, no sender",
        "bench.echo_aiogram:bot",
    ),
}
for _store in ("sqlite", "postgres"):
    for _name, _rows, _description in (
        ("flow", True, "each text moves a session of a flow, answered by its new screen"),
        ("menu", False, "the same with a keyboard: the outdated one goes in a delivery of its own"),
        ("conversation", True, "each text answers a question of a conversation in memory"),
        ("replayed", True, "the same without memory: each answer replays a journal of up to 10 entries"),
        ("long", True, "the same with 60 questions"),
    ):
        VARIANTS[f"{_name}-{_store}"] = Variant(
            _store, f"{_SESSIONS}:{_name}", NO_SENDER, _rows, f"native App, no sender, {_description}"
        )


@dataclass
class Ours:
    """A running process of ours, its database, and how far its update ids have come."""

    server: Server
    books: Books
    directory: Path
    opened_at: float
    """`time.monotonic()` just before the store was opened."""
    update_id_next: int = Load.update_id_first
    acked: int = 0
    known_before: int = 0
    """Committed turns that the database had when the process started."""
    history: list[LoadResult] = field(default_factory=list)

    def load(self, **options: Any) -> LoadResult:
        """Put the process under load; ids go on from the last one, since those that were seen are dropped."""
        load = Load(self.server.url, SECRET, update_id_first=self.update_id_next, **options)
        result = measure_load(load)
        if result.failures:
            raise ServerFailed(f"posthouse answered with {result.failures} besides 2xx")
        self.update_id_next = result.update_id_next
        self.acked += result.updates
        self.history.append(result)
        return result

    def wait_committed(self) -> float:
        """Wait until nothing waits any more, and return the wait; every acknowledged update has its turn then."""
        started = time.perf_counter()
        while self.books.anything_waits():
            if time.perf_counter() - started > DRAIN_TIMEOUT_S:
                raise ServerFailed(f"updates still wait after {DRAIN_TIMEOUT_S:.0f} s")
            time.sleep(DRAIN_POLL_S)
        waited_s = time.perf_counter() - started
        committed = self.books.committed() - self.known_before
        if committed != self.acked:
            raise ServerFailed(f"{committed} turns are committed, but {self.acked} updates were acknowledged")
        return waited_s


@contextmanager
def running_ours(
    variant: Variant,
    *,
    postgres: PostgresServer | None = None,
    directory: Path | None = None,
    database: str | None = None,
    settings: Mapping[str, Any] | None = None,
    replace: Sequence[str] = (),
    roles: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    profile: Path | None = None,
) -> Iterator[Ours]:
    """Run a process of ours with a new database, or with the one in `directory` (SQLite) or at `database`.

    `settings` are laid over the configuration, table by table; tables named in `replace` take the place of the usual.
    """
    with scratch_directory() if directory is None else nullcontext(directory) as home:
        port = free_port()
        books: Books
        if variant.store == "sqlite":
            store_url = "sqlite:///posthouse.db"
            books = SqliteBooks(home / "posthouse.db")
        else:
            assert postgres is not None
            store_url = database or postgres.create_database()
            books = PostgresBooks(store_url)
        known_before = books.committed()
        raw = configuration(variant, store_url, port)
        for table, values in (settings or {}).items():
            raw[table] = dict(values) if table in replace else raw.get(table, {}) | dict(values)
        variables = {
            "BENCH_TOKEN": TOKEN,
            "BENCH_SECRET": SECRET,
            "BENCH_SETTINGS": json.dumps(raw),
            "BENCH_HOME": str(home),
            "BENCH_ROLES": ",".join(roles or variant.roles),
            "BENCH_PROFILE": str(profile or ""),
            **(environment or {}),
        }
        url = f"http://127.0.0.1:{port}/webhook/echo"
        command = [sys.executable, "-m", "bench.ours", "--serve"]
        with running(command, url, environment=variables, log=home / "log") as server:
            opened_at = float(server.wait_line("OPENING"))
            server.wait_line("READY")
            yield Ours(server, books, home, opened_at, known_before=known_before)
            if profile is not None:
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(30)
        books.close()


def configuration(variant: Variant, store_url: str, port: int) -> dict[str, Any]:
    """What stands in `posthouse.toml`: defaults, but for what the bench must say."""
    bot = {"program": variant.program, "token": "${BENCH_TOKEN}", "secret": "${BENCH_SECRET}", "limits": "none"}
    if variant.bot is not None:
        bot["bot"] = variant.bot
    return {
        "store": {"url": store_url},
        "http": {"port": port, "register_webhooks": False},
        "bots": {"echo": bot},
    }


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory beside the checkout, since the temp directory may be memory, where syncing is free."""
    ROOT.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=ROOT, prefix="ours-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_ours(
    name: str,
    seconds: float = 5.0,
    connections: int = CONNECTIONS_DEFAULT,
    rate: float | None = None,
    *,
    postgres: PostgresServer | None = None,
    profile: Path | None = None,
) -> RunResult:
    """Start a process of ours, warm it up for a second, load it (fully, or at `rate`), check its database, stop it."""
    variant = VARIANTS[name]
    with running_ours(variant, postgres=postgres, profile=profile) as ours:
        ours.load(seconds=WARM_UP_S, connections=connections)
        ours.wait_committed()
        cpu_before_s = ours.server.cpu_s()
        database_before_s = postgres.cpu_s() if postgres else 0.0
        result = ours.load(seconds=seconds, connections=connections, rate=rate)
        drained_s = ours.wait_committed()
        if variant.outbox and (rows := ours.books.outbox_rows()) != ours.acked:
            raise ServerFailed(f"{rows} rows are in the outbox, but {ours.acked} updates were acknowledged")
        database_s = (postgres.cpu_s() if postgres else 0.0) - database_before_s
        lines = [
            f"posthouse, {variant.description}, CPython with uvloop, one process",
            f"{connections} connections, 1,000 chats",
            ours.books.conditions,
            f"200 before the work; updates/s of committed turns, {drained_s:.2f} s of it after the last 200",
        ]
        return RunResult(
            name=name,
            updates_per_s=result.updates / (result.seconds + drained_s),
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            max_ms=result.max_ms,
            updates=result.updates,
            cpu_us=(ours.server.cpu_s() - cpu_before_s) * 1e6 / result.updates,
            database_cpu_us=database_s * 1e6 / result.updates,
            rss_mib=ours.server.rss_mib(),
            conditions=tuple(lines),
        )


# -- the server process ---------------------------------------------------------------------------------------------


class StubGateway:
    """Answers every call at once, in this process."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self, token: str, method: str, payload: bytes, *, timeout_s: float = 60.0) -> Any:
        self.calls += 1
        return {"message_id": self.calls}

    async def close(self) -> None:
        pass


async def _serve() -> None:
    from posthouse import bootstrap
    from posthouse.cli.up import GC_THRESHOLDS
    from posthouse.log import configure
    from posthouse.settings import parse

    home = Path(os.environ["BENCH_HOME"])
    raw = json.loads(os.environ["BENCH_SETTINGS"])
    settings = parse(raw, path=home / "posthouse.toml", environment=os.environ)
    configure(level=settings.log.level, format="json")
    if bootstrap.is_new(settings):
        await bootstrap.migrate(settings)
    # With an address of its own for Telegram, the calls are real: the figure has a stub server there.
    gateway = None if "telegram" in raw else StubGateway()
    platform = bootstrap.build(settings, roles=os.environ["BENCH_ROLES"].split(","), gateway=gateway)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, platform.stop)
    print("OPENING", time.monotonic(), flush=True)
    running_platform = asyncio.create_task(platform.run())
    ready = asyncio.create_task(platform.ready.wait())
    await asyncio.wait({running_platform, ready}, return_when=asyncio.FIRST_COMPLETED)
    if not running_platform.done():
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        print("READY", flush=True)
    ready.cancel()
    await running_platform


def _serve_profiled(path: str, run: Callable[[], None]) -> None:
    import cProfile

    profile = cProfile.Profile()
    profile.runcall(run)
    profile.dump_stats(path)


def serve() -> None:
    """Be the server that `running_ours` describes in the environment."""
    from posthouse.cli.up import SWITCH_INTERVAL_S, runner

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if profile := os.environ["BENCH_PROFILE"]:
        _serve_profiled(profile, lambda: runner()(_serve()))
    else:
        runner()(_serve())


def main() -> None:
    """Run the named variants, or all, each `--repeat` times so that noise can be seen, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ours", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *VARIANTS], default=[], metavar="name")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS_DEFAULT)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="leave cProfile statistics there")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    ROOT.mkdir(exist_ok=True)
    machine = machine_conditions(ROOT)
    names = arguments.names or list(VARIANTS)
    wants_postgres = any(VARIANTS[name].store == "postgres" for name in names)
    with running_postgres() if wants_postgres else nullcontext() as postgres:
        results = [
            run_ours(
                name,
                arguments.seconds,
                arguments.connections,
                arguments.rate,
                postgres=postgres if VARIANTS[name].store == "postgres" else None,
                profile=arguments.profile / f"{name}.prof" if arguments.profile else None,
            )
            for _ in range(arguments.repeat)
            for name in names
        ]
    results.sort(key=lambda result: names.index(result.name))
    print_table(
        "Posthouse: a text echo counting in its session",
        ["variant", "updates/s", "p50 ms", "p99 ms", "max ms", "CPU µs", "database CPU µs", "RSS MiB"],
        [
            [r.name, r.updates_per_s, r.p50_ms, r.p99_ms, r.max_ms, r.cpu_us, r.database_cpu_us, r.rss_mib]
            for r in results
        ],
        caption="\n".join(machine.lines()),
    )
    for name, conditions in {r.name: r.conditions for r in results}.items():
        print(f"{name}: {'; '.join(conditions)}")


if __name__ == "__main__":
    main()
