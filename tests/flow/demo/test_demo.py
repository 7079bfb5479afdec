"""The demo as a person starts it: processes, real HTTP, kill -9."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from posthouse_apps.demo.ledger import ChatLedger, verdict

WITHIN_S = 150.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Show:
    """A running demo and its lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def wait_line(self, pattern: str) -> re.Match[str]:
        """The next line that fits."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            async for raw in self.process.stdout:
                self.lines.append(raw.decode().rstrip())
                if found := re.search(pattern, self.lines[-1]):
                    return found
        raise AssertionError(f"no {pattern!r} in:\n" + "\n".join(self.lines))

    async def end(self) -> int:
        """The exit code, once it has ended by itself."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            async for raw in self.process.stdout:
                self.lines.append(raw.decode().rstrip())
            return await self.process.wait()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@asynccontextmanager
async def demo(data: Path, *flags: str, port: int | None = None, sim_port: int | None = None) -> AsyncIterator[Show]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "posthouse.cli.main", "demo", f"--data={data}"),
        *(f"--port={port or free_port()}", f"--sim-port={sim_port or free_port()}", *flags),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    show = Show(process)
    try:
        yield show
    finally:
        if process.returncode is None:
            process.kill()
        await show.end()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_kill_9_at_random_and_nothing_is_missing(tmp_path: Path) -> None:
    """The bots' process is killed at random moments: every answer comes once and in order, without a terminal too.

    A second start on the same data goes on: the counts of the first are greeted.
    """
    async with demo(tmp_path, "--crash", "--seconds", "15") as show:
        assert await show.end() == 0, show.text
    assert "Nothing is missing, nothing was done twice, everything came in order." in show.text
    assert "was killed (signal 9). Starting it again." in show.text
    assert "\x1b" not in show.text
    async with demo(tmp_path, "--seconds", "1") as show:
        greeting = await show.wait_line(r"Hello Ann! You have (\d+) sets")
        assert int(greeting[1]) > 0
        assert await show.end() == 0, show.text
    assert "Nothing is missing" in show.text


async def test_a_person_may_kill_it_too(tmp_path: Path) -> None:
    """The pid is printed; after kill -9 the bots run again, and Ctrl-C ends everything with 0 and no orphan."""
    async with demo(tmp_path) as show:
        simulator = int((await show.wait_line(r"simulated on .* \(pid (\d+)\)"))[1])
        first = int((await show.wait_line(r"kill -9 (\d+) at any time"))[1])
        await show.wait_line(r"workouts → \w+ +Set 1:")
        os.kill(first, signal.SIGKILL)
        second = int((await show.wait_line(r"The bots run again .* \(pid (\d+)\)"))[1])
        await show.wait_line("→")
        show.process.send_signal(signal.SIGINT)
        assert await show.end() == 0, show.text
    assert "killed 1 times" in show.text
    assert "Nothing is missing" in show.text
    assert not any(alive(pid) for pid in (simulator, first, second))


async def test_a_taken_port_is_named_with_the_mend(tmp_path: Path) -> None:
    """Whichever of the two ports is taken, the message says which, and which option helps."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with demo(tmp_path, port=port) as show:
            assert await show.end() == 1
        assert f"port {port} on 127.0.0.1 is taken" in show.text
        assert "--port" in show.text
        async with demo(tmp_path, sim_port=port) as show:
            assert await show.end() == 1
        assert "--sim-port" in show.text


def ledger(owed: list[str], *came: str) -> ChatLedger:
    chat = ChatLedger("survey", "Ann")
    for answer in owed:
        chat.owe("dialogue", answer)
    for text in came:
        chat.take(text)
    return chat


FIRST, SECOND, THIRD = (f"Survey {n}: Ann is {n}. Thank you!" for n in (1, 2, 3))


def test_the_ledger_finds_what_is_missing() -> None:
    """An answer that did not come is a fault, and so is one that nobody asked for, and a wrong order."""
    assert verdict([ledger([FIRST, SECOND], FIRST, SECOND)], 0).faults == []
    assert "missing: Survey 2" in verdict([ledger([FIRST, SECOND], FIRST)], 9).faults[0]
    assert "not asked for: Survey 2" in verdict([ledger([FIRST], FIRST, SECOND)], 9).faults[0]
    assert "out of order" in verdict([ledger([FIRST, SECOND, THIRD], FIRST, THIRD, SECOND)], 9).faults[0]


def test_the_ledger_counts_what_came_twice() -> None:
    """A repetition is explained by a kill, once in each chat; without a kill it is a fault."""
    assert verdict([ledger([FIRST], FIRST, FIRST)], 1).repeated == 1
    assert verdict([ledger([FIRST], FIRST, FIRST)], 1).faults == []
    assert "more than 0 kills can explain" in verdict([ledger([FIRST], FIRST, FIRST)], 0).faults[0]


def test_an_unanswered_button_is_a_fault() -> None:
    """A press is owed an answer."""
    chat = ledger([])
    chat.pressed = 1
    assert not chat.settled
    assert "button" in verdict([chat], 0).faults[0]
