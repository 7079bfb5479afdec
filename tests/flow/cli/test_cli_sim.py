"""`posthouse sim`: a simulator in a process of its own, and scenarios for it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from posthouse.simulator.views import Move
from posthouse.testing.town import Town

TOKEN = "4242:a-bot"
SCENARIO = """
scenario: 1
steps:
  - {does: POST /people, with: {first_name: Ann}, gives: {id: 1}}
  - {does: "POST /chats/4242:1/messages", with: {person: 1, text: /start}}
"""


@asynccontextmanager
async def simulator(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, list[str]]]:
    """The process, its URL, and what it printed until it was ready."""
    command = [sys.executable, "-m", "posthouse.cli.main", "sim", "--port", "0", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    try:
        async with asyncio.timeout(30):
            lines = [(await process.stdout.readline()).decode() for _ in range(3 + options.count("--bot"))]
        found = re.search(r"Bot API on (\S+),", lines[0])
        assert found, lines
        yield process, found[1], lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def posthouse(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "posthouse.cli.main", *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_everything_is_and_ends_cleanly(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C keeps the town, prints no traceback, and is no failure; a second start goes on with it."""
    file = tmp_path / "town.bin"
    options = ("--state", str(file), "--strict", "--limits", "strict", "--clock", "60x", "--bot", TOKEN, "--seed", "1")
    async with simulator(*options) as (process, url, lines):
        assert "/sim/v1/docs" in lines[0]
        assert f"in a browser: {url}/" in lines[1]
        assert "limits strict" in lines[2]
        assert lines[3] == f"bot @sim4242bot, token {TOKEN}\n"
        async with Town(url) as town:
            await town.person("Ann")
            assert (await town.moves_clock(Move())).rate == 60
        process.send_signal(how)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
        assert process.stdout
        assert b"Traceback" not in await process.stdout.read()
    async with simulator("--state", str(file)) as (_, url, _), Town(url) as town:
        counters = await town.counters()
        assert (counters.people, list(counters.pending)) == (1, [4242])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--limits", "none"], "none of on, strict, off"),
        (["--clock", "soon"], "it is real, frozen, a speed such as 60x, or a moment"),
        (["--bot", "nonsense"], "a token is a number, a colon"),
        (["--state", "README"], "README: this is not a kept town"),
    ],
)
async def test_a_wrong_option_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], text: str
) -> None:
    """Exit code 2 and one line that names what is allowed."""
    (tmp_path / "README").write_text("something else")
    monkeypatch.chdir(tmp_path)
    code, output = await posthouse("sim", "--port", "0", *options)
    assert code == 2
    assert text in output
    assert "Traceback" not in output


async def test_a_scenario_is_replayed_from_the_command_line(tmp_path: Path) -> None:
    """0 when everything went as recorded, 1 with the step that did not, 2 for a file that is none."""
    file = tmp_path / "scenario.yaml"
    file.write_text(SCENARIO)
    async with simulator("--bot", TOKEN) as (_, url, _):
        code, output = await posthouse("sim", "replay", str(file), "--url", url)
        assert (code, "2 steps and 0 answers as recorded" in output) == (0, True)
        file.write_text(SCENARIO.replace("/start}", "/start}, answers: [{kind: bot.said, contains: Hello}]"))
        code, output = await posthouse("sim", "replay", str(file), "--url", url, "--within", "0.3")
        assert (code, "step 2 (POST /chats/4242:1/messages): not answered" in output) == (1, True)
        file.write_text("scenario: 2")
        code, output = await posthouse("sim", "replay", str(file), "--url", url)
        assert (code, "scenario: Input should be 1" in output) == (2, True)
    code, output = await posthouse("sim", "--help")
    assert code == 0
    assert all(option in output for option in ("--strict", "--state", "--clock", "--bot", "replay"))
