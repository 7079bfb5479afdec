"""The stage: a simulated Telegram, the bots' process, and the crowd; from the first word to the verdict.

    simulator (its own process) ◄──► bots (`posthouse up`, its own process, killed at will)
              ▲                                │ /metrics
              │ people write                   ▼
              └──────────────── this process: crowd, ledger, counters

The bots' process is started again whenever it dies. At the end people stop writing, everybody waits for what is owed,
and the ledger says what is missing.
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from posthouse.testing.town import Event, Town
from posthouse_apps.demo.children import Child
from posthouse_apps.demo.ledger import Verdict, verdict
from posthouse_apps.demo.people import NAMES, Crowd
from posthouse_apps.demo.screen import Screen
from posthouse_apps.demo.visits import buttons_of

BOT_IDS = {"workouts": 500_000_001, "stickers": 500_000_003, "survey": 500_000_002}
TO_TRY = {
    "workouts": "a training log: write “squat 5x100, then bench 3x8 60kg”",
    "stickers": "sticker packs from a photo: send a photo, or /pack",
    "survey": "an aiogram bot, hosted unchanged: /survey",
}
DATABASE = "posthouse.db"
SETTLE_S = 180.0
VISITOR = "you"
"""Whoever came in by the chat page. Nobody keeps a ledger of theirs."""
KILL_AFTER_S = (0.5, 5.0)
"""Of being ready. Where a start takes long the life is longer: Telegram comes again more and more rarely."""
METRICS_EVERY_S = 0.5
TEXTS_KEPT = 1_000
WORDS_MAX = 90  # characters of a message that are shown

CONFIG = """\
# Written by `posthouse demo` at every start. Tokens and secrets are in the environment of the bots' process.
[store]
url = "sqlite:///{database}"

[http]
port = {port}
public_url = "http://127.0.0.1:{port}"

[telegram]
api_url = "http://127.0.0.1:{sim_port}"

[log]
format = "console"

[jobs.queues]
render = 1

# Two native bots.
[bots.workouts]
program = "posthouse_apps.workouts:app"
token = "${{WORKOUTS_TOKEN}}"
secret = "${{WORKOUTS_SECRET}}"

[bots.stickers]
program = "posthouse_apps.stickers:app"
token = "${{STICKERS_TOKEN}}"
secret = "${{STICKERS_SECRET}}"

# An aiogram bot, hosted unchanged.
[bots.survey]
program = "posthouse_apps.demo.survey:dispatcher"
token = "${{SURVEY_TOKEN}}"
secret = "${{SURVEY_SECRET}}"
"""

COUNTERS = {
    "acks": ("posthouse_updates_received_total", 'result="stored"'),
    "duplicates": ("posthouse_updates_received_total", 'result="duplicate"'),
    "turns": ("posthouse_turn_seconds_count", ""),
    "sends": ("posthouse_deliveries_total", 'outcome="sent"'),
}
GAUGES = {
    "waiting": ("posthouse_lanes_waiting", ""),
    "dead letters": ("posthouse_dead_letters_open", ""),
}


class DemoFailed(Exception):
    """The demo cannot go on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    port: int = 8080
    sim_port: int = 8081
    data: Path = Path("posthouse-data")
    crash: bool = False
    seconds: float | None = None
    quiet: bool = False


class Stage:
    """One run of the demo."""

    def __init__(self, options: Options, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._ending = asyncio.Event()
        self._impatient = asyncio.Event()
        self._tokens = {bot: f"{id}:{secrets.token_urlsafe(26)}" for bot, id in BOT_IDS.items()}
        self._environment = {f"{bot.upper()}_TOKEN": token for bot, token in self._tokens.items()}
        self._environment |= {f"{bot.upper()}_SECRET": secrets.token_urlsafe(24) for bot in BOT_IDS}
        self._resumed = False
        self._bots: Child | None = None
        self._running = asyncio.Event()  # the bots were ready once
        self._starting_s = 0.0
        self.deaths = 0
        self.books: list[str] = []
        self._texts: dict[tuple[str, int], str] = {}  # of messages, the newest
        self._counted = dict.fromkeys(COUNTERS, 0)  # by processes that are gone
        self._newest: dict[str, int] = {}

    async def run(self) -> Verdict:
        """Everything, in order. Raises `DemoFailed`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end)
        _check_port(self._options.port, "--port")
        _check_port(self._options.sim_port, "--sim-port")
        self._prepare_data()
        simulator = await self._start_simulator()
        try:
            async with Town(f"http://127.0.0.1:{self._options.sim_port}") as town:
                return await self._play(town)
        finally:
            await simulator.stop()

    @property
    def cut_short(self) -> bool:
        """Somebody did not wait for the end."""
        return self._impatient.is_set()

    def _end(self) -> None:
        """The first signal ends the conversation, the second the waiting."""
        (self._impatient if self._ending.is_set() else self._ending).set()

    async def _play(self, town: Town) -> Verdict:
        crowd = Crowd(town, self._tokens, self._resumed)
        scene: list[asyncio.Task[Any]] = [asyncio.create_task(self._watch(town, crowd), name="watch")]
        try:
            await crowd.arrive()
            keeper = asyncio.create_task(self._keep_bots(), name="keep bots")
            scene += [keeper, asyncio.create_task(self._count(), name="count")]
            if self._options.crash:
                scene.append(asyncio.create_task(self._crash(), name="crash"))
            living = asyncio.create_task(crowd.live(), name="live")
            scene.append(living)
            await self._until(self._running.wait(), keeper, self._task(scene, self._ending.wait()))
            await self._until(self._ending.wait(), keeper, within_s=self._options.seconds)
            self._ending.set()
            crowd.leave()
            self._screen.tell("People stop writing; waiting for what is still owed to them (Ctrl-C: at once).")
            await self._until(self._settled(living), keeper, self._task(scene, self._impatient.wait()))
            self.books = list(crowd.books())
            return verdict(crowd.ledgers, self.deaths)
        finally:
            self._screen.end_counting()
            for task in scene:
                task.cancel()
            for result in await asyncio.gather(*scene, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, DemoFailed):
                    self._screen.tell(f"In passing: {result!r}")
            if self._bots is not None:
                await self._bots.stop()

    def _task(self, scene: list[asyncio.Task[Any]], waiting: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        scene.append(asyncio.create_task(waiting))
        return scene[-1]

    async def _settled(self, living: asyncio.Task[None]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await living

    async def _until(self, goal: Awaitable[object], *others: asyncio.Task[Any], within_s: float | None = None) -> None:
        """Until the goal is reached, the time is over, or one of the others ends; raise what it raised."""
        wanted = asyncio.ensure_future(goal)
        done, _ = await asyncio.wait({wanted, *others}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        wanted.cancel()
        for task in done:
            if not task.cancelled():
                task.result()

    # -- the processes ------------------------------------------------------------------------------------------

    def _prepare_data(self) -> None:
        data = self._options.data
        self._resumed = (data / DATABASE).exists()
        data.mkdir(parents=True, exist_ok=True)
        (data / ".gitignore").write_text("*\n")
        (data / "demo.toml").write_text(self._config())

    def _config(self) -> str:
        return CONFIG.format(database=DATABASE, port=self._options.port, sim_port=self._options.sim_port)

    async def _start_simulator(self) -> Child:
        simulator = await Child.start(["posthouse.simulator", "--port", str(self._options.sim_port)])
        if not await simulator.wait_line("Bot API on"):
            raise DemoFailed("the simulator did not start: " + " ".join(simulator.lines))
        self._screen.tell(f"Telegram is simulated on http://127.0.0.1:{self._options.sim_port} (pid {simulator.pid}).")
        return simulator

    async def _keep_bots(self) -> None:
        """Start the bots' process, and start it again whenever it dies."""
        data = self._options.data
        while True:
            began_s = time.monotonic()
            bots = await Child.start(
                ["posthouse.cli.main", "up", "--config", str(data / "demo.toml")],
                environment=self._environment,
                errors=data / "bots.log",
            )
            self._bots = bots
            ready = await bots.wait_line("ready")
            if ready:
                self._starting_s = time.monotonic() - began_s
                again = " again" if self.deaths else ""
                self._screen.tell(f"The bots run{again} on http://127.0.0.1:{self._options.port} (pid {bots.pid}).")
                if not self.deaths and not self._options.crash:
                    self._screen.tell(f"kill -9 {bots.pid} at any time: it is started again, and nothing is missing.")
                if not self._running.is_set():
                    self._invite()
                self._running.set()
            code = await bots.wait()
            if code > 0 and not ready:
                raise DemoFailed(f"the bots' process cannot start, exit code {code}:\n{_tail(data / 'bots.log')}")
            self.deaths += 1
            for name, value in self._newest.items():
                self._counted[name] += value
            self._newest = {}
            end = f"was killed (signal {-code})" if code < 0 else f"ended (exit code {code})"
            self._screen.tell(f"The bots' process {bots.pid} {end}. Starting it again.")

    def _invite(self) -> None:
        self._screen.tell(f"Talk to the bots yourself: http://127.0.0.1:{self._options.sim_port}/")
        for bot, words in TO_TRY.items():
            self._screen.tell(f"  {bot:<9} {words}")

    async def _crash(self) -> None:
        """Kill -9 at random moments until the end."""
        dice = random.Random()
        at_least_s, at_most_s = KILL_AFTER_S
        while not self._ending.is_set():
            bots = self._bots
            if bots is None or not any(line.startswith("ready") for line in bots.lines):
                await asyncio.sleep(0.05)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), dice.uniform(at_least_s, max(at_most_s, self._starting_s)))
            if not self._ending.is_set():
                bots.kill()
                await bots.wait()

    # -- what is shown ------------------------------------------------------------------------------------------

    async def _watch(self, town: Town, crowd: Crowd) -> None:
        """Follow the simulator's journal: for the eye, and for the ledger."""
        bots = {id: name for name, id in BOT_IDS.items()}
        async for event in town.follow():
            if event.kind == "update.dropped" and event.details.get("update") == "callback_query":
                await crowd.hear_of_lost_press(f"{event.bot_id}:{event.person_id}")
            if event.chat is None or event.bot_id not in bots:
                continue
            if self._is_mere_closing(event):
                continue
            bot = bots[event.bot_id]
            person = NAMES.get(int(event.chat.rpartition(":")[2]), VISITOR)
            if line := _spoken(event):
                by_bot = event.kind.startswith("bot.")
                self._screen.converse(*((bot, person) if by_bot else (person, bot)), line, bot=by_bot)
            await crowd.hear(event)

    def _is_mere_closing(self, event: Event) -> bool:
        """Whether a message only loses its buttons: nothing is said by that, and nothing of it is owed."""
        message = (event.chat or "", event.message_id or 0)
        same = event.kind == "bot.edited" and self._texts.get(message) == (event.text or "")
        if event.kind in ("bot.said", "bot.edited"):
            self._texts.pop(message, None)
            self._texts[message] = event.text or ""
            if len(self._texts) > TEXTS_KEPT:
                del self._texts[next(iter(self._texts))]
        return same and not event.details.get("buttons")

    async def _count(self) -> None:
        """The live line."""
        url = f"http://127.0.0.1:{self._options.port}/metrics"
        timeout = aiohttp.ClientTimeout(total=2)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                page = ""
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(url) as response:
                        page = await response.text()
                if page:
                    self._newest = {name: _sum(page, *where) for name, where in COUNTERS.items()}
                shown = {name: self._counted[name] + self._newest.get(name, 0) for name in COUNTERS}
                shown |= {name: _sum(page, *where) for name, where in GAUGES.items()}
                self._screen.count(
                    "  ".join(f"{name} {value}" for name, value in shown.items()) + f"  kills {self.deaths}"
                )
                await asyncio.sleep(METRICS_EVERY_S)


def _spoken(event: Event) -> str:
    """A line of the conversation, or nothing."""
    text = event.text or ""
    match event.kind:
        case "person.said":
            return _short(text) or "sends a picture"
        case "person.pressed":
            return f"presses [{text}]"
        case "bot.said":
            buttons = " ".join(f"[{button}]" for button in buttons_of(event))
            words = _short(text) or f"({event.details.get('media', 'nothing')})"
            return f"{words} {buttons}".rstrip()
        case "bot.edited":
            return f"{_short(text)} (edited)"
        case "bot.answered" if text:
            return f"{_short(text)} (a note on the button)"
    return ""


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= WORDS_MAX else f"{words[: WORDS_MAX - 1]}…"


def _sum(page: str, metric: str, label: str) -> int:
    """The sum of a metric over its labels."""
    found = re.findall(rf"^{metric}(?:{{(.*?)}})? ([0-9.e+]+)$", page, re.MULTILINE)
    return round(sum(float(value) for labels, value in found if label in labels))


def _check_port(port: int, option: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DemoFailed(
                f"port {port} on 127.0.0.1 is taken by another program: stop it, or choose another with {option}"
            ) from None


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-5:])


def summary(result: Verdict, deaths: int, books: Sequence[str] = (), *, cut_short: bool = False) -> list[str]:
    """The end, in sentences. `books`: what people counted. `cut_short`: what was on its way was not waited for."""
    lines = [
        f"{result.written} messages were written and {result.pressed} buttons pressed; "
        f"the bots' process was killed {deaths} times.",
        f"{result.owed} answers were owed and {result.came} came.",
    ]
    if result.repeated:
        lines.append(
            f"{result.repeated} of them were sent twice: the kill came between the send and Telegram's answer, and "
            "Telegram has no idempotency key."
        )
    if result.pressed_again:
        lines.append(
            f"{result.pressed_again} presses found nobody for 150 s, after which Telegram forgets them, and were made "
            "again."
        )
    lines += books
    if cut_short and result.faults and result.came < result.owed:
        lines.append(
            f"You did not wait for {result.owed - result.came} that were still on their way: they are stored, and the "
            "next start on the same data sends them."
        )
        return lines
    lines += result.faults or ["Nothing is missing, nothing was done twice, everything came in order."]
    return lines


def run(options: Options) -> int:
    """Run the demo; 0 when nothing is missing."""
    screen = Screen(quiet=options.quiet)

    async def play() -> int:
        stage = Stage(options, screen)
        result = await stage.run()
        for line in summary(result, stage.deaths, stage.books, cut_short=stage.cut_short):
            screen.tell(line)
        return 1 if result.faults and not stage.cut_short else 0

    try:
        return asyncio.run(play())
    except DemoFailed as failure:
        screen.end_counting()
        screen.tell(f"demo: {failure}")
        return 1
