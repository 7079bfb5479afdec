"""Processes that the demo starts, and ends: each in a session of its own, so that Ctrl-C reaches the demo alone."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LINES_KEPT = 40
STOP_S = 25.0
PR_SET_PDEATHSIG = 1


class Child:
    """A running process whose output is read line by line and kept, the newest lines only."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.lines: list[str] = []
        self._silent = False
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read(), name=f"output of {process.pid}")

    @classmethod
    async def start(
        cls, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, errors: Path | None = None
    ) -> Child:
        """Start `python -m …`; what it writes to stderr goes to a file, or joins its output."""
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        stderr = asyncio.subprocess.STDOUT if errors is None else os.open(errors, appending, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        finally:
            if errors is not None:
                os.close(stderr)
        return cls(process)

    async def wait_line(self, start: str) -> bool:
        """Until it has printed a line that begins so; False when it ended without."""
        async with self._news:
            await self._news.wait_for(lambda: any(x.startswith(start) for x in self.lines) or self._silent)
        return any(line.startswith(start) for line in self.lines)

    async def wait(self) -> int:
        """Until it has ended; its exit code, negative for a signal."""
        code = await self._process.wait()
        await self._reading
        return code

    def kill(self) -> None:
        """kill -9."""
        if self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                self.kill()
        await self.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.lines = [*self.lines, line.decode(errors="replace").rstrip()][-LINES_KEPT:]
                self._news.notify_all()
        async with self._news:
            self._silent = True
            self._news.notify_all()


def _end_with_parent() -> None:
    """When the demo itself is killed, the kernel ends its children."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
