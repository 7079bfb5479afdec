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

from posthouse_apps.demo.ledger import ChatLedger, Like, verdict

WITHIN_S = 400.0  # a bound for a machine that is busy with other things


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

    Diaries and balances are what people saved and paid. A second start on the same data goes on from there.
    """
    async with demo(tmp_path, "--crash", "--seconds", "15") as show:
        assert await show.end() == 0, show.text
    assert "Nothing is missing, nothing was done twice, everything came in order." in show.text
    assert "each is in its diary once." in show.text
    assert "every balance is right." in show.text
    assert "was killed (signal 9). Starting it again." in show.text
    assert "\x1b" not in show.text
    async with demo(tmp_path, "--seconds", "1") as show:
        await show.wait_line(r"workouts → \w+ +\d+ sets?, as a table")
        assert await show.end() == 0, show.text
    assert "Nothing is missing" in show.text


async def test_a_person_may_kill_it_too(tmp_path: Path) -> None:
    """The pid is printed; after kill -9 the bots run again, and Ctrl-C ends everything with 0 and no orphan."""
    async with demo(tmp_path) as show:
        simulator = int((await show.wait_line(r"simulated on .* \(pid (\d+)\)"))[1])
        first = int((await show.wait_line(r"kill -9 (\d+) at any time"))[1])
        await show.wait_line(r"workouts → \w+ +Here is what I understood:")
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


def ledger(owed: list[str | Like], *came: str) -> ChatLedger:
    chat = ChatLedger("survey", "Ann")
    chat.shown.owe(*owed)
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


def test_equal_answers_are_owed_one_by_one() -> None:
    """Four stickers look the same: three are one too few, five are a repetition."""
    sticker = "(a sticker)"
    assert "missing" in verdict([ledger([sticker] * 4, *[sticker] * 3)], 9).faults[0]
    assert verdict([ledger([sticker] * 4, *[sticker] * 5)], 1).repeated == 1


def test_what_cannot_be_foretold_is_known_by_its_ends() -> None:
    """A text with records behind it is owed by its beginning, a screen by its beginning and its buttons."""
    saved = Like("Saved: 4 sets.", " [Undo]")
    assert verdict([ledger([saved], "Saved: 4 sets. A record! [Undo]")], 0).faults == []
    found = verdict([ledger([saved], "Saved: 5 sets. [Undo]")], 0).faults
    assert len(found) == 2
    assert "missing: Saved: 4 sets." in found[1]


def test_one_of_several_ways_is_owed_to_its_end() -> None:
    """A drawing comes, or the credits come back; what was begun must be finished, and the other way is not owed."""
    for came, missing in (((FIRST, SECOND), 0), ((THIRD,), 0), ((FIRST,), 1), ((), 1)):
        chat = ledger([])
        chat.shown.owe_either([FIRST, SECOND], [THIRD])
        for text in came:
            chat.take(text)
        assert len(verdict([chat], 0).faults) == missing
    chat.take(THIRD)
    chat.take(FIRST)
    assert "not asked for" in verdict([chat], 0).faults[0]


def test_what_an_earlier_run_left_is_nobodys_fault() -> None:
    """Until a chat begins to count, other messages may come between; what is owed is owed all the same."""
    chat = ChatLedger("survey", "Ann", strict=False)
    chat.shown.owe(SECOND, THIRD)
    chat.take(FIRST)
    chat.take(SECOND)
    chat.begin()
    assert [fault.partition(": ")[2] for fault in verdict([chat], 0).faults] == [f"missing: {THIRD}"]


def test_an_unanswered_button_is_a_fault() -> None:
    """A press is owed an answer."""
    chat = ledger([])
    chat.answers.owe("")
    assert not chat.settled
    assert "button" in verdict([chat], 0).faults[0]
