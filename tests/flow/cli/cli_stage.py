"""A project on disk and its commands as real processes: what a person at a terminal has."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

TOKEN = "1001:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaww"
SECRET = "the-webhook-secret"
WITHIN_S = 30.0

CONFIG = """\
[store]
url = "sqlite:///data/posthouse.db"

[http]
port = 0
register_webhooks = {register}
public_url = "http://127.0.0.1:{public_port}"

[telegram]
api_url = "{api_url}"

[log]
format = "json"

[bots.echo]
program = "bot:app"
token = "${{ECHO_TOKEN}}"
secret = "${{ECHO_SECRET}}"
attempts_max = 1
on_dead = "{on_dead}"
"""

BOT = """\
import asyncio

from posthouse import App, Terminal, Turn

app = App("echo")


@app.text("boom")
async def boom(turn: Turn) -> None:
    raise Terminal("this one never works", reason="boom")


@app.text("slow")
async def slow(turn: Turn) -> None:
    print("slow begins", flush=True)
    await asyncio.sleep(1.0)
    turn.session["slow"] = True


@app.text("work")
async def work(turn: Turn) -> None:
    turn.enqueue(crunch, queue="mill")


@app.job(queue="mill")
async def crunch(job) -> None:
    job.say("crunched")


@app.text()
async def echo(turn: Turn) -> None:
    turn.session["count"] = turn.session.get("count", 0) + 1
    turn.say(f"{turn.session['count']}: {turn.text}")
"""

NOBODY = "http://127.0.0.1:9"  # the discard port: nothing answers there


@dataclass(slots=True)
class Ended:
    """A command that has run."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Serving:
    """`posthouse up` as it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.url = ""
        self.out: list[str] = []
        self.err: list[str] = []
        self._silent = 0
        self._news = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self.out)),
            asyncio.create_task(self._read(process.stderr, self.err)),
        ]

    async def wait_out(self, pattern: str) -> re.Match[str]:
        return await self._wait(self.out, pattern)

    async def wait_log(self, event: str) -> dict[str, Any]:
        """The first log line of this event."""
        found = await self._wait(self.err, rf'.*"event":"{re.escape(event)}".*')
        line: dict[str, Any] = json.loads(found[0])
        return line

    async def post(self, update_id: int, text: str, *, chat: int = 7, secret: str | None = SECRET) -> int:
        """Deliver a message as Telegram does; the status that came back."""
        headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
        person = {"id": chat, "is_bot": False, "first_name": "Ann"}
        message = {"message_id": update_id, "date": 1, "chat": {"id": chat, "type": "private"}, "from": person}
        async with aiohttp.ClientSession() as session:
            body = {"update_id": update_id, "message": message | {"text": text}}
            async with session.post(f"{self.url}/webhook/echo", json=body, headers=headers) as response:
                return response.status

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}{path}") as response:
            return response.status, await response.text()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(WITHIN_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def _wait(self, lines: list[str], pattern: str) -> re.Match[str]:
        expression = re.compile(pattern)

        def look() -> re.Match[str] | None:
            return next((found for line in lines if (found := expression.match(line))), None)

        async with asyncio.timeout(WITHIN_S), self._news:
            await self._news.wait_for(lambda: look() or self._silent == 2)
        found = look()
        assert found is not None, f"no {pattern!r} in:\n" + "\n".join(self.out + self.err)
        return found

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        async for line in stream:
            async with self._news:
                lines.append(line.decode().rstrip())
                self._news.notify_all()
        async with self._news:
            self._silent += 1
            self._news.notify_all()


class Project:
    """A folder with a configuration and a bot."""

    def __init__(
        self, folder: Path, *, api_url: str = NOBODY, register: bool = False, on_dead: str = "skip", port: int = 8080
    ) -> None:
        self.folder = folder
        self.environment = {**os.environ, "ECHO_TOKEN": TOKEN, "ECHO_SECRET": SECRET}
        config = CONFIG.format(register=str(register).lower(), api_url=api_url, on_dead=on_dead, public_port=port)
        (folder / "posthouse.toml").write_text(config)
        (folder / "bot.py").write_text(BOT)

    @property
    def database(self) -> Path:
        return self.folder / "data" / "posthouse.db"

    async def command(self, *arguments: str, secrets: bool = True) -> Ended:
        """Run `posthouse …` to its end."""
        process = await self._start(*arguments, secrets=secrets)
        async with asyncio.timeout(WITHIN_S):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def up(self, *arguments: str) -> AsyncIterator[Serving]:
        """`posthouse up`, ready; killed at the end if it still runs."""
        serving = Serving(await self._start("up", *arguments))
        try:
            serving.url = (await serving.wait_out(r"  listening on (\S+)"))[1]
            await serving.wait_out("ready in")
            yield serving
        finally:
            if serving.process.returncode is None:
                serving.process.kill()
            await serving.wait()

    async def _start(self, *arguments: str, secrets: bool = True) -> asyncio.subprocess.Process:
        hidden = () if secrets else ("ECHO_TOKEN", "ECHO_SECRET")
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "posthouse.cli.main",
            *arguments,
            cwd=self.folder,
            env={name: value for name, value in self.environment.items() if name not in hidden},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
