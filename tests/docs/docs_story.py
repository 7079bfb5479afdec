"""A page as a story: its blocks are done in order, in a folder of their own, on one database.

    python file=…   written; loaded by the platform, or at the end of the page if nothing loaded it
    python          executed, all of a page in one namespace; `await` is allowed
    toml            parsed as a configuration, with tokens, secrets and a database that are made up
    sh              every command must exist with its options; those that are safe are run
    chat            the platform runs the page's bot on a real store, and people talk to it over real HTTP

A chat has one line for each thing that happens:

    Ann: /start               somebody writes
    Ann: [Undo]               … or presses a button
    bot: Set 1: squat [Undo]  the bot's next message, with its buttons; … at the end stands for the rest
    bot edits: done           an old message that says this now
    note: Done                what the press was answered with
    (an hour later)           the platform's clock is moved
    (restart)                 the process stops and starts again
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from docs_pages import ROOT, Block
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from posthouse.bootstrap import ROLES, build, migrate
from posthouse.cli import operator
from posthouse.cli.main import app as command_line
from posthouse.runtime.platform import Platform
from posthouse.settings import Settings, load, parse
from posthouse.simulator import Simulator
from posthouse.testing.town import Chat, Message, Person, Question, Town

CONFIG = "posthouse.toml"
COMMAND_S = 60.0
WITHIN_S = 10.0  # how long a message may take on a busy machine
ONE_AFTER_THE_OTHER = """
import json, sys
from posthouse.cli.main import main
for arguments in json.loads(sys.argv[1]):
    print("$ posthouse", *arguments, flush=True)
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""
SAFE = {"migrate", "new", "inbox", "outbox", "jobs", "dead", "lanes"}  # posthouse commands that are run
UNRUN = {"git", "curl", "cp", "set", "export", "uv", "pip", "docker", "systemctl"}  # commands that are not ours
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LATER = re.compile(r"\((a|an|\d+) (second|minute|hour|day)s? later\)")
_SAID = re.compile(r"(?P<who>[A-Za-z]+)(?P<edits> edits)?: (?P<text>.+)")
_BUTTONS = re.compile(r"(?: \[[^\]]+\])+$")


def made_up(name: str) -> str:
    """A value for an environment variable that a configuration names."""
    if "TOKEN" in name:
        return f"{1_000_000 + sum(name.encode()) * len(name)}:a-token-for-the-simulator"
    return "postgresql://somebody@localhost/posthouse" if "URL" in name else "a-secret-for-the-simulator"


def variables(text: str) -> dict[str, str]:
    """Made-up values for all variables that a text names."""
    return {name: made_up(name) for name in re.findall(r"\$\{(\w+)\}", text)}


def parsed(block: Block) -> Settings | None:
    """The settings that a toml block says, or raise `ConfigurationInvalid`; other files need only be TOML."""
    if not block.options.get("file", CONFIG).endswith(CONFIG):
        tomllib.loads(block.text)
        return None
    return parse(tomllib.loads(block.text), path=Path(block.where), environment=variables(block.text))


class MovedClock:
    """Real time, which a story may move on."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        return time.time() + self._ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    async def sleep(self, delay_s: float) -> None:
        end = self.monotonic() + delay_s
        while (left_s := end - self.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._moved.wait()
            except TimeoutError:
                return
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._ahead_s += seconds
        self._moved.set()
        self._moved = asyncio.Event()


class Story:
    """One page on its way. `async with` stops what it started and forgets the modules it loaded."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.within_s = WITHIN_S
        self._shell_folder = folder
        self._environment = dict(environment)
        self._namespace: dict[str, Any] = {}
        self._files: set[str] = set()
        self._clock = MovedClock()
        self._processes: list[list[str]] = [list(ROLES)]
        self._running: list[tuple[Platform, asyncio.Task[None]]] = []
        self._simulator: Simulator | None = None
        self._town: Town | None = None
        self._token = ""
        self._people: dict[str, Person] = {}
        self._heard: dict[str, int] = {}
        self._press: Question | None = None

    async def __aenter__(self) -> Story:
        self._before = dict(os.environ)
        os.environ.update(self._environment)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        if self._town is not None:
            await self._town.close()
        if self._simulator is not None:
            await self._simulator.__aexit__(None, None, None)
        self._forget()
        os.environ.clear()
        os.environ.update(self._before)

    async def tell(self, block: Block) -> None:
        """Do what a block says."""
        name = block.options.get("file") or block.options.get("add")
        if name:
            await self._write(block, name)
        elif block.language == "python":
            await self._execute(block)
        elif block.language == "sh":
            await self._run(commands(block))
        elif block.language == "chat":
            await self._play(block)

    async def end(self) -> None:
        """Load the files that nothing has loaded."""
        self._importable()
        for name in sorted(self._files):
            if name.endswith(".py") and not name.startswith(("test_", "conftest")):
                importlib.import_module(name.removesuffix(".py"))

    # -- files and code ---------------------------------------------------------------------------------------------

    async def _write(self, block: Block, name: str) -> None:
        await self._stop()  # the next conversation runs the new files
        self._forget()
        path = self.folder / name
        before = path.read_text() + "\n\n" if "add" in block.options else ""
        path.write_text(before + block.text)
        self._files.add(name)
        if name.endswith(".py"):
            compile(path.read_text(), block.where, "exec")
        self._environment = variables(block.text) | self._environment
        os.environ.update(self._environment)

    async def _execute(self, block: Block) -> None:
        self._importable()
        code = compile(block.text, block.where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, self._namespace)
        if asyncio.iscoroutine(result):
            await result

    def _importable(self) -> None:
        importlib.invalidate_caches()
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))

    def _forget(self) -> None:
        if str(self.folder) in sys.path:
            sys.path.remove(str(self.folder))
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[name]

    # -- commands ---------------------------------------------------------------------------------------------------

    async def _run(self, lines: list[list[str]]) -> None:
        """Run the safe ones in order; `posthouse up` lines are the processes that the next conversation runs on."""
        processes: list[list[str]] = []
        asked: list[list[str]] = []  # commands of ours that follow one another share an interpreter
        for program, *arguments in [*lines, ["end"]]:
            if program == "posthouse" and arguments[0] in SAFE:
                asked.append(arguments)
                continue
            if asked:
                await self._shell([sys.executable, "-c", ONE_AFTER_THE_OTHER, msgspec.json.encode(asked).decode()])
                asked = []
            if program == "cd":
                self._shell_folder = self._shell_folder / arguments[0]
            elif program == "pytest":
                await self._shell([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments])
            elif program == "python" and arguments[0].endswith(".py"):
                await self._shell([sys.executable, *arguments])
            elif program == "posthouse" and arguments[0] == "up":
                given = dict(pairwise(arguments))
                processes.append(given["--role"].split(",") if "--role" in given else list(ROLES))
        if processes:
            await self._stop()
            self._processes = processes

    async def _shell(self, command: list[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self._shell_folder,
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(COMMAND_S):
                output, _ = await process.communicate()
        except BaseException:
            process.kill()
            raise
        assert process.returncode == 0, f"{command[-1]} ended with {process.returncode}:\n{output.decode()}"

    # -- conversations ----------------------------------------------------------------------------------------------

    async def _play(self, block: Block) -> None:
        await self._start()
        for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
            try:
                if line.strip():
                    await self._line(line.strip())
            except BaseException as error:
                error.add_note(f"{block.page}:{number}: {line}")
                raise

    async def _line(self, line: str) -> None:
        if line == "(restart)":
            await self._stop()
            await self._start()
        elif later := _LATER.fullmatch(line):
            self._clock.advance((1 if later[1] in ("a", "an") else int(later[1])) * _UNITS[later[2]])
        elif said := _SAID.fullmatch(line):
            who, text = said["who"], said["text"]
            if who == "bot":
                await self._expect(text, edited=said["edits"] is not None)
            elif who == "note":
                assert self._press is not None, "a note answers a press"
                answer = await self._press.answer(within_s=self.within_s)
                assert answer.get("text") == text, answer
            else:
                await self._says(who, text)
        else:
            raise ValueError("this is no line of a chat; see tests/docs/docs_story.py")

    async def _says(self, who: str, text: str) -> None:
        assert self._town is not None
        person = self._people.get(who)
        if person is None:
            person = self._people[who] = await self._town.person(who)
        self._speaker = who
        if text.startswith("[") and text.endswith("]"):
            self._press = await person.presses(text[1:-1], on=self._token)
        else:
            message = await person.says(text, to=self._token)
            self._heard[who] = message.cursor

    _speaker = ""

    async def _expect(self, text: str, *, edited: bool) -> None:
        chat: Chat = self._people[self._speaker].chat_with(self._token)
        buttons = _BUTTONS.search(text)
        wanted = text[: buttons.start()] if buttons else text
        whole = not wanted.endswith("…")
        heard = self._heard.get(self._speaker, 0)
        message: Message = await chat.shows(wanted.removesuffix("…").strip(), after=heard, within_s=self.within_s)
        assert not whole or message.text == wanted, f"the bot said {message.text!r}"
        assert message.edited is edited, "an edit" if message.edited else "a new message"
        for button in re.findall(r"\[([^\]]+)\]", buttons[0] if buttons else ""):
            assert button in message.button_texts
        self._heard[self._speaker] = message.cursor

    # -- the platform -----------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        if self._running:
            return
        if self._simulator is None:
            self._simulator = await Simulator(limits="off").__aenter__()
            self._town = Town(self._simulator.url)
        settings = self._settings(self._simulator.url)
        (self._token,) = {bot.token for bot in settings.bots.values()}
        await migrate(settings)
        for roles in self._processes:
            # Only one process can have the port that the webhook names.
            here = settings if "ingress" in roles and not self._running else _on_port(settings, 0)
            platform = build(here, roles=roles, clock=self._clock)
            if path := operator.socket_of(settings):
                operator.attach(platform, path)
            running = asyncio.create_task(platform.run())
            self._running.append((platform, running))
            ready = asyncio.create_task(platform.ready.wait())
            await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if running.done():
                running.result()

    async def _stop(self) -> None:
        running, self._running = self._running, []
        for platform, _ in running:
            platform.stop()
        for _, task in running:
            await task

    def _settings(self, api_url: str) -> Settings:
        """The page's own configuration, on the simulator instead of Telegram, and not waiting for its limits."""
        settings = load(self.folder / CONFIG, environment=self._environment)
        bots = {name: msgspec.structs.replace(bot, limits="none") for name, bot in settings.bots.items()}
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        http = msgspec.structs.replace(settings.http, host="127.0.0.1", port=port, public_url=url)
        telegram = msgspec.structs.replace(settings.telegram, api_url=api_url)
        return msgspec.structs.replace(settings, bots=bots, http=http, telegram=telegram)


def _on_port(settings: Settings, port: int) -> Settings:
    http = msgspec.structs.replace(settings.http, port=port, register_webhooks=False)
    return msgspec.structs.replace(settings, http=http)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- commands, without running them -----------------------------------------------------------------------------------


def commands(block: Block) -> list[list[str]]:
    """The commands of a sh block as words; comments and what is set for one command alone are left out."""
    found = []
    for line in re.sub(r"\\\n", " ", block.text).splitlines():
        for part in re.split(r"\s*(?:;|&&|\|\|?|&)\s*", re.sub(r"(^|\s)#.*$", "", line)):
            words = shlex.split(part)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


def check_command(words: list[str]) -> None:
    """Fail when a command, or one of its options, does not exist."""
    program, *arguments = words
    if program == "make":
        target = arguments[0]
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif program == "posthouse":
        _check_posthouse(arguments)
    elif program == "python" and arguments[:1] == ["-m"]:
        importlib.import_module(arguments[1])
    else:
        assert program in UNRUN | {"cd", "pytest", "python", "."} or (ROOT / program).exists(), f"what is {program}?"


def _check_posthouse(arguments: list[str]) -> None:
    """Parse as the command would, missing and unknown options included, and run nothing."""
    command: Any = get_command(command_line)
    rest = [word for word in arguments if word not in ("-h", "--help")]
    context = Context(command)
    while hasattr(command, "commands") and rest:
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"posthouse has no command {shlex.join(arguments)}"
        if isinstance(command, TyperGroup):
            if "list" not in command.commands and not (rest and rest[0] in command.commands):
                command.make_context(name, rest, parent=context)  # a group that is a command itself, like `sim`
                return
            rest = rest if rest and rest[0] in command.commands else ["list", *rest]
            context = Context(command, info_name=name, parent=context)
        elif rest or arguments[-1] not in ("-h", "--help"):
            command.make_context(name, rest, parent=context)
