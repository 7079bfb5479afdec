"""A server process under measurement: started, spoken to by lines, ended; and what a run of it came to.

A server prints `READY` once it listens, and whatever else its program promises, a line each. Those that keep no
record of their own print `HANDLED n` on SIGUSR2, the number of updates handled so far.
"""

import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import cpu_s, rss_mib

REPOSITORY = Path(__file__).parent.parent
START_TIMEOUT_S = 30.0
DRAIN_TIMEOUT_S = 120.0
DRAIN_POLL_S = 0.02


class ServerFailed(Exception):
    """A server did not start, refused updates, or lost some; the message says which."""


@dataclass(frozen=True)
class RunResult:
    """One server under one load.

    `updates_per_s` is of work done: where the 200 comes before the work, the time until the last update was worked
    off counts, and the latencies are those of the 200. `cpu_us` is the server process alone, per update;
    `database_cpu_us` is Redis or PostgreSQL on top of it.
    """

    name: str
    updates_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    updates: int
    cpu_us: float
    database_cpu_us: float
    rss_mib: float
    conditions: tuple[str, ...]


class Server:
    """A running server; its prints arrive in a queue."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path | None = None) -> None:
        self.process = process
        self.url = url
        self._log = log
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put("")

    def wait_line(self, prefix: str, timeout_s: float = START_TIMEOUT_S) -> str:
        """The rest of the next line, which must begin with `prefix`."""
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise ServerFailed(f"the server did not print {prefix} in {timeout_s:.0f} s") from None
        if not line.startswith(prefix):
            raise ServerFailed(
                f"the server printed {line!r}, not {prefix}; exit code {self.process.poll()}{self._last_words()}"
            )
        return line.removeprefix(prefix).strip()

    def _last_words(self) -> str:
        return f"\n{self._log.read_text()[-2000:]}" if self._log is not None and self._log.exists() else ""

    def handled(self) -> int:
        self.process.send_signal(signal.SIGUSR2)
        return int(self.wait_line("HANDLED", DRAIN_TIMEOUT_S))

    def wait_handled(self, count: int) -> tuple[int, float]:
        """Wait until `count` updates were handled since the start; return their number and the wait."""
        started = time.perf_counter()
        while (handled := self.handled()) < count:
            if time.perf_counter() - started > DRAIN_TIMEOUT_S:
                raise ServerFailed(f"{handled} of {count} updates were handled after {DRAIN_TIMEOUT_S:.0f} s")
            time.sleep(DRAIN_POLL_S)
        if handled > count:
            raise ServerFailed(f"{handled} updates were handled, but only {count} were acknowledged")
        return handled, time.perf_counter() - started

    def cpu_s(self) -> float:
        return cpu_s(self.process.pid)

    def rss_mib(self) -> float:
        return rss_mib(self.process.pid)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running(
    command: Sequence[str | Path], url: str, *, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[Server]:
    """Run a server from the repository's root; it is killed at the end. `log` gets what it writes to stderr."""
    words = log.open("ab") if log is not None else None
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=os.environ | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=words,
        text=True,
    )
    try:
        yield Server(process, url, log)
    finally:
        process.kill()
        process.wait()
        if words is not None:
            words.close()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
