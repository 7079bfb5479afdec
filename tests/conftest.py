"""What the tests of several folders share: one PostgreSQL for the whole run, and a database file to copy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # where the support modules of several test folders lie


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have counted (`record_property("figures", …)`), a line each: kills, and what was lost."""
    lines = [
        f"{report.nodeid.partition('::')[2]}: {said}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, said in report.user_properties
        if name == "figures"
    ]
    if lines:
        terminalreporter.section("what was counted")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Any]:
    """A real PostgreSQL with a migrated template. A test that stops it starts it again; each test has its database."""
    from support_postgres import PostgresServer

    server = PostgresServer.create()
    try:
        server.migrate_template()
        yield server
    finally:
        server.destroy()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with our schema, copied for each test."""
    from posthouse.adapters.sqlite.schema import migrate

    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(str(path))
    return path
