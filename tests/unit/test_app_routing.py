"""Which handler of an `App` runs, and what the app declares."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from posthouse.core.entries import Completion, Entry, Event, entry_id_of_job
from posthouse.core.errors import AuthorError
from posthouse.programs.app import App
from posthouse.programs.job import Job
from posthouse.programs.program import BotIdentity
from posthouse.programs.turn import Turn

BOT, CHAT = 42, 4001


class NoReach:
    """A turn of these tests reaches nothing beyond its own records."""


def turn_of(body: dict[str, Any] | bytes, *, entry_id: int = 7, lane: int = CHAT) -> Turn:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Turn(Entry(BOT, lane, entry_id, payload, 0.0), reach=NoReach(), states={}, bot="coach")  # type: ignore[arg-type]


def message(text: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {"message_id": 1, "chat": {"id": CHAT}, "from": {"id": CHAT}, **fields}
    return {"update_id": 7, "message": body if text is None else body | {"text": text}}


def press(data: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {"id": "99", "from": {"id": CHAT}, **fields}
    return {"update_id": 7, "callback_query": body if data is None else body | {"data": data}}


class Log(list[str]):
    """Handlers that write down their names."""

    def named(self, name: str) -> Callable[[Turn], Awaitable[None]]:
        async def handler(turn: Turn) -> None:
            self.append(name)

        return handler


async def ran(app: App, log: Log, body: dict[str, Any]) -> list[str]:
    log.clear()
    await app.perform(turn_of(body))
    return list(log)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("/start", True),
        ("/start@coach_bot", True),
        ("/START", True),
        ("/start abc-123", True),
        ("/start@coach_bot abc", True),
        ("/start\nmore", True),
        ("/starter", False),
        ("start", False),
        ("say /start", False),
        ("/", False),
        ("/ start", False),
        ("/@coach_bot", False),
        ("", False),
        (None, False),
    ],
)
async def test_a_command_is_the_first_word(text: str | None, fits: bool) -> None:
    """A command fits with or without a bot's name, with a deep link, in any case; a lone slash is no
    command."""
    app, log = App("a"), Log()
    app.command("/start", "go")(log.named("start"))
    assert await ran(app, log, message(text)) == (["start"] if fits else [])


async def test_text_handlers() -> None:
    """Exact text, a pattern from the start, and any text that is no command; the first that fits runs."""
    app, log = App("a"), Log()
    app.text("menu")(log.named("exact"))
    app.text(re.compile(r"\d+ kg"))(log.named("pattern"))
    app.text()(log.named("any"))
    app.on("message")(log.named("rest"))
    assert await ran(app, log, message("menu")) == ["exact"]
    assert await ran(app, log, message("100 kg")) == ["pattern"]
    assert await ran(app, log, message("it is 100 kg")) == ["any"]
    assert await ran(app, log, message("/help")) == ["rest"]
    assert await ran(app, log, message(photo=[])) == ["rest"]


async def test_callback_handlers() -> None:
    """Data that ends with a colon is a prefix, other data is exact; patterns and a catch-all work too."""
    app, log = App("a"), Log()
    app.callback("pay:")(log.named("prefix"))
    app.callback("ok")(log.named("exact"))
    app.callback(re.compile(r"p\d"))(log.named("pattern"))
    assert await ran(app, log, press("pay:10")) == ["prefix"]
    assert await ran(app, log, press("ok")) == ["exact"]
    assert await ran(app, log, press("p5")) == ["pattern"]
    assert await ran(app, log, press("okay")) == []
    app.callback()(log.named("any"))
    assert await ran(app, log, press("okay")) == ["any"]
    assert await ran(app, log, press(game_short_name="chess")) == ["any"]


@pytest.mark.req("B-5")
async def test_a_press_that_nobody_handles_is_answered() -> None:
    """The person's client stops waiting even when no handler fits; other updates are just done."""
    app = App("a")
    turn = turn_of(press("gone"))
    await app.perform(turn)
    [delivery] = turn.effects.deliveries
    assert (delivery.method, json.loads(delivery.payload)) == (
        "answerCallbackQuery",
        {"callback_query_id": "99"},
    )
    turn = turn_of(message("hello"))
    await app.perform(turn)
    assert not turn.effects


async def test_the_first_middleware_is_outermost() -> None:
    """Middleware wraps in the order of registration, sees the end of the handler, and may leave it out."""
    app, log = App("a"), Log()

    def layer(name: str) -> Callable[[Turn, Callable[[Turn], Awaitable[None]]], Awaitable[None]]:
        async def around(turn: Turn, call_next: Callable[[Turn], Awaitable[None]]) -> None:
            log.append(f"{name}+")
            if turn.text != "stop":
                await call_next(turn)
            log.append(f"{name}-")

        return around

    app.middleware(layer("a"))
    app.text()(log.named("handler"))
    app.middleware(layer("b"))
    assert await ran(app, log, message("hi")) == ["a+", "b+", "handler", "b-", "a-"]
    assert await ran(app, log, message("stop")) == ["a+", "a-"]


async def test_events_go_by_name() -> None:
    """A due timer and a finished job find the handler of their name, with their data."""
    app, seen = App("a"), []

    @app.event("remind")
    async def remind(turn: Turn) -> None:
        seen.append(turn.event)

    @app.event("render")
    async def render(turn: Turn) -> None:
        seen.append((turn.event[0], turn.event[1]["result"], turn.event[1]["data"]))

    timer = msgspec.json.encode(Event("remind", msgspec.Raw(b'{"n":1}')))
    await app.perform(turn_of(timer, entry_id=entry_id_of_job(1)))
    job = msgspec.json.encode(Completion(5, "render", msgspec.Raw(b"8"), data=msgspec.Raw(b'"card"')))
    await app.perform(turn_of(job, entry_id=entry_id_of_job(5)))
    await app.perform(turn_of(msgspec.json.encode(Event("other")), entry_id=entry_id_of_job(2)))
    assert seen == [("remind", {"n": 1}), ("render", 8, "card")]


def test_allowed_updates_are_the_kinds_with_handlers() -> None:
    """Telegram is asked for what has a handler and for nothing else; events are ours."""
    app, log = App("a"), Log()
    for register in (app.callback(), app.on("pre_checkout_query"), app.command("start"), app.event("x")):
        register(log.named("any"))
    assert app.allowed_updates() == ["message", "callback_query", "pre_checkout_query"]


async def test_the_session_is_packed_when_the_handler_returned() -> None:
    """A session that a handler changed is an effect of its turn; one of a handler that raised is not."""
    app = App("a")

    @app.text("good")
    async def good(turn: Turn) -> None:
        turn.session["n"] = 1

    @app.text("bad")
    async def bad(turn: Turn) -> None:
        turn.session["n"] = 1
        raise ValueError

    turn = turn_of(message("good"))
    await app.perform(turn)
    assert [(write.name, write.data) for write in turn.effects.states] == [("", b'{"n":1}')]
    turn = turn_of(message("bad"))
    with pytest.raises(ValueError):
        await app.perform(turn)
    assert turn.effects.states == []


async def test_hooks_run_in_order() -> None:
    """Start-up and shutdown hooks run as registered."""
    app, log = App("a"), []
    for name in ("one", "two"):

        async def hook(name: str = name) -> None:
            log.append(name)

        app.on_startup(hook)
        app.on_shutdown(hook)
    await app.start([BotIdentity("coach", BOT, "secret")])
    await app.stop()
    assert log == ["one", "two", "one", "two"]
    assert "secret" not in repr(BotIdentity("coach", BOT, "secret"))


# -- declarations --------------------------------------------------------------------------------------------


def test_a_job_is_declared_with_its_defaults() -> None:
    """The function stays callable, and the app knows task, queue, attempts and timeout."""
    app = App("a")

    @app.job("draw", queue="gpu", attempts_max=2, timeout_s=60)
    def render(job: Job) -> int:
        return 1

    spec = app.jobs["draw"]
    assert (spec.task, spec.queue, spec.attempts_max, spec.timeout_s) == ("draw", "gpu", 2, 60)
    assert spec.function is render
    with pytest.raises(AuthorError, match="two jobs are called 'draw'"):
        app.job("draw")(render)


@pytest.mark.req("S1-49")
def test_a_schedule_is_declared_above_its_job() -> None:
    """A schedule is named after app and task, or as asked."""
    app = App("workouts")

    @app.cron("0 9 * * *", timezone="Europe/Berlin", catch_up="none")
    @app.cron("0 18 * * *", name="evening")
    @app.job()
    async def remind(job: Job) -> None: ...

    assert {(c.name, c.expression, c.timezone, c.catch_up, c.task) for c in app.crons.values()} == {
        ("workouts.remind", "0 9 * * *", "Europe/Berlin", "none", "remind"),
        ("evening", "0 18 * * *", "UTC", "latest", "remind"),
    }


@pytest.mark.parametrize(
    ("expression", "options", "says"),
    [
        ("61 * * * *", {}, "is not a schedule: Bad minute"),
        ("* * *", {}, "is not a schedule: Wrong number"),
        ("* * * * *", {"timezone": "Mars/Base"}, "Mars/Base"),
        ("* * * * *", {"timezone": "../etc"}, "is not a schedule"),
        ("* * * * *", {"timezone": "America"}, "is not a schedule"),
        ("* * * * *", {"timezone": ""}, "is not a schedule"),
        ("* * * * *", {"catch_up": "some"}, "use 'latest', 'all' or 'none'"),
    ],
)
def test_an_impossible_schedule_fails_where_it_is_written(expression: str, options: dict[str, str], says: str) -> None:
    """A wrong expression, zone or policy raises when the module is imported."""
    with pytest.raises(AuthorError, match=says):
        App("a").cron(expression, **options)


def test_wrong_declarations_say_what_to_do() -> None:
    """A schedule without a job, two of one name, and an unknown kind are refused with the mend."""
    app = App("a")

    async def plain(job: Job) -> None: ...

    with pytest.raises(AuthorError, match=r"above @app\.job"):
        app.cron("* * * * *")(plain)
    app.job()(plain)
    app.cron("* * * * *")(plain)
    with pytest.raises(AuthorError, match=r"two schedules are called 'a\.plain'"):
        app.cron("0 * * * *")(plain)
    with pytest.raises(AuthorError, match="no such update kind"):
        app.on("massage")
