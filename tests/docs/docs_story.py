"""A page as a story: its blocks are done in order, in a folder of their own, on one database.

    python file=…   written; loaded by the platform, or at the end of the page if nothing loaded it
    python          executed, all of a page in one namespace; `await` is allowed
    toml            parsed as a configuration, with tokens, secrets and a database that are made up
    sh              every command must exist with its options; those that are safe are run; ID is the session that
                    changed last
    chat            the platform runs the page's bot on a real store, and people talk to it over real HTTP

A chat has one line for each thing that happens:

    Ann: /start               somebody writes
    Ann: (photo)              … or sends a photo
    Ann: [Undo]               … or presses a button, under a message or of the keyboard
    Ann: [Undo] (twice)       … so fast that the second press knows nothing of what the first one did
    Ann: [Undo] (outdated)    … on a screen that is not there any more, because the own Telegram is behind
    (Anna speaks ru)          what Telegram says of somebody new; else it is en
    bot: Set 1: squat [Undo]  the bot's next message, with its buttons; … at the end stands for the rest
    bot: (photo) You [Undo]   the same with a photo
    bot edits: done           an old message that says this now
    (its buttons are gone)    the message that was seen or pressed last has none any more
    note: Done                what the press was answered with
    alert: Too late           the same in a window that must be closed
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
from base64 import b64decode
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from docs_pages import ROOT, Block
from support_commands import check_posthouse

from posthouse.bootstrap import ROLES, build, migrate
from posthouse.cli import operator
from posthouse.ports.store import SessionFilter
from posthouse.runtime.platform import Platform
from posthouse.settings import Settings, load, parse
from posthouse.simulator import Simulator
from posthouse.testing.town import Button, Message, Person, Question, Town, TownError

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
# posthouse commands that are run
SAFE = {"migrate", "new", "inbox", "outbox", "jobs", "dead", "lanes", "sessions", "flows"}
UNRUN = {"git", "curl", "cp", "set", "export", "uv", "pip", "docker", "systemctl"}  # commands that are not ours
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LATER = re.compile(r"\((a|an|\d+) (second|minute|hour|day)s? later\)")
_SAID = re.compile(r"(?P<who>\w+)(?P<edits> edits)?: (?P<text>.+)")
_SPEAKS = re.compile(r"\((\w+) speaks (\w+)\)")
PRESSES_MAX = 20
_PRESSED = re.compile(r"\[(?P<button>[^\]]+)\](?: \((?P<how>twice|outdated)\))?")
_BUTTONS = re.compile(r"(?: \[[^\]]+\])+$")
_PHOTO = "(photo)"
_PICTURE = b64decode(  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


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
        self._seen: list[Message] = []  # as they were when they were seen, with the buttons that they had then
        self._looked_at: Message | None = None
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
                asked.append([await self._session_id() if word == "ID" else word for word in arguments])
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

    async def _session_id(self) -> str:
        """Ids of sessions are chance, so a page writes ID."""
        platform, _ = self._running[0]
        [record] = await platform.store.sessions.find(SessionFilter(live=False, limit=1))
        return record.id

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
        elif speaks := _SPEAKS.fullmatch(line):
            await self._person(speaks[1], language_code=speaks[2])
        elif line == "(its buttons are gone)":
            await self._buttons_go()
        elif said := _SAID.fullmatch(line):
            who, text = said["who"], said["text"]
            if who == "bot":
                await self._expect(text, edited=said["edits"] is not None)
            elif who in ("note", "alert"):
                assert self._press is not None, f"a {who} answers a press"
                answer = await self._press.answer(within_s=self.within_s)
                assert answer.get("text") == text, answer
                assert who == "note" or answer.get("show_alert"), "it is a note"
            else:
                await self._says(who, text)
        else:
            raise ValueError("this is no line of a chat; see tests/docs/docs_story.py")

    async def _person(self, name: str, *, language_code: str = "en") -> Person:
        assert self._town is not None
        if name not in self._people:
            self._people[name] = await self._town.person(name, language_code=language_code, talks_to=self._token)
        return self._people[name]

    async def _says(self, who: str, text: str) -> None:
        person = await self._person(who)
        self._speaker = who
        if pressed := _PRESSED.fullmatch(text):
            await self._presses(person, pressed["button"], pressed["how"])
        else:
            sent = person.sends_photo(_PICTURE) if text == _PHOTO else person.says(text)
            self._heard[who] = (await sent).cursor

    _speaker = ""

    async def _presses(self, person: Person, button: str, how: str | None) -> None:
        if how == "outdated":
            await self._presses_outdated(person, button, is_old=True)
            return
        for shown in await person.chat.messages():
            if button in shown.button_texts:
                self._looked_at = shown
        try:
            self._press = await person.presses(button)
        except TownError as error:
            try:
                self._heard[self._speaker] = (await person.presses_key(button)).cursor
            except TownError:
                raise error from None
        if how == "twice":
            await self._presses_outdated(person, button)

    async def _presses_outdated(self, person: Person, button: str, *, is_old: bool = False) -> None:
        """Press a button as it was when it was seen; where the bot has taken it away, the person's Telegram is behind.

        `is_old`: not the newest button of that name, but one that is not there any more.
        """
        there = {(shown.id, one.callback_data) for shown in await person.chat.messages() for one in _inline(shown)}
        known = [
            (seen, one.callback_data)
            for seen in self._seen
            for one in _inline(seen)
            if one.text == button and not (is_old and (seen.id, one.callback_data) in there)
        ]
        assert known, f"nobody has seen a button [{button}] that is {'not there any more' if is_old else 'there'}"
        message, data = known[-1]
        self._looked_at = message
        for _ in range(PRESSES_MAX):
            try:
                self._press = await person.presses(data=data, on=message)
                return
            except TownError:  # it is gone, perhaps by what the bot does about the press before
                self._heard[self._speaker] = await self._put_back(person, message)
        raise AssertionError(f"the bot takes the button [{button}] away faster than it can be pressed")

    async def _put_back(self, person: Person, message: Message) -> int:
        """Let a message have the buttons that it had; only the bot can do that. The point from which it has."""
        assert self._simulator is not None
        rows = [[one.model_dump(include={"text", "callback_data"}) for one in row] for row in message.buttons]
        body = {"chat_id": person.chat.id, "message_id": message.id, "reply_markup": {"inline_keyboard": rows}}
        url = f"{self._simulator.url}/bot{self._token}/editMessageReplyMarkup"
        async with aiohttp.ClientSession() as http, http.post(url, json=body) as response:
            assert (await response.json())["ok"]
        return max(shown.cursor for shown in await person.chat.messages())

    async def _expect(self, text: str, *, edited: bool) -> None:
        chat = self._people[self._speaker].chat
        media = "photo" if text.startswith(_PHOTO) else None
        text = text.removeprefix(_PHOTO).strip() if media else text
        found = _BUTTONS.search(text)
        wanted = text[: found.start()] if found else text
        buttons = re.findall(r"\[([^\]]+)\]", found[0] if found else "")
        whole = not wanted.endswith("…")
        heard = self._heard.get(self._speaker, 0)
        while True:
            plain = wanted.removesuffix("…").strip()
            message = await chat.shows(plain, media=media, after=heard, within_s=self.within_s)
            assert not whole or message.text == wanted, f"the bot said {message.text!r}"
            keys = [key["text"] for row in (message.keyboard or {}).get("keyboard", ()) for key in row]
            if message.edited is edited and set(buttons) <= {*message.button_texts, *keys}:
                break
            heard = message.cursor  # an older message of the same text has lost its buttons, for instance
        self._heard[self._speaker] = message.cursor
        self._seen.append(message)
        self._looked_at = message

    async def _buttons_go(self) -> None:
        assert self._looked_at is not None, "a message must have been seen"
        chat, cursor = self._people[self._speaker].chat, self._looked_at.cursor
        while any(_inline(message) for message in await chat.messages() if message.id == self._looked_at.id):
            cursor = (await chat.next_message(after=cursor, within_s=self.within_s)).cursor

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


def _inline(message: Message) -> list[Button]:
    return [button for row in message.buttons for button in row]


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
        check_posthouse(arguments)
    elif program == "python" and arguments[:1] == ["-m"]:
        importlib.import_module(arguments[1])
    else:
        assert program in UNRUN | {"cd", "pytest", "python", "."} or (ROOT / program).exists(), f"what is {program}?"
