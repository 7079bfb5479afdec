"""The native way to write a bot: an `App` is a table of handlers.

    App
    ├── middleware        wraps every handler, first registered is outermost
    ├── handlers, in the order of registration; the first that fits runs
    │     command("start")         a message that begins with /start (also /start@bot and deep links)
    │     text("hi") · text(re)    a message with this text, or any text
    │     callback("pay:")         a press of a button whose data is or begins with this
    │     on("pre_checkout_query") any update of the kind
    │     event("reminder")        a due timer, or the end of a job that was queued with notify=True
    ├── flows             add(flow): tables of states and events, with sessions that stale buttons cannot move
    ├── conversations     conversation("order"): coroutines that wait for answers across restarts
    └── jobs and crons    declared here too, so that every worker knows them

What belongs to a session (its buttons, the message that its state waits for, its jobs and timers) goes to its flow or
conversation; everything else to the handlers. An update that no handler fits is done: it is acknowledged and forgotten,
except that an unmatched button press is answered, so that the person's client stops waiting.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cronsim import CronSim, CronSimError

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import Strategy, strategy_named
from posthouse.programs.program import BotIdentity, CronSpec, Hook, JobSpec
from posthouse.programs.turn import Texts, Turn
from posthouse.telegram.callback_data import parse
from posthouse.telegram.peek import UPDATE_KINDS

if TYPE_CHECKING:
    from posthouse.programs.conversations.conversation import Conversation
    from posthouse.programs.conversations.router import ConversationRouter
    from posthouse.programs.conversations.talk import Function
    from posthouse.programs.flows.flow import Flow
    from posthouse.programs.flows.router import FlowRouter

Handler = Callable[[Turn], Awaitable[None]]
Middleware = Callable[[Turn, Handler], Awaitable[None]]
Fits = Callable[[Turn], bool]

_WORD = re.compile(r"\S+")


class App:
    """A native bot program: `app = App("workouts")`, then decorate handlers `async def handler(turn)`."""

    def __init__(
        self, name: str, *, texts: Texts | None = None, tables: Any = None, conversations_live_max: int = 1_000
    ) -> None:
        """`tables`: a SQLAlchemy `MetaData`, whose tables are created at start where they do not exist.

        `conversations_live_max`: how many suspended conversations stay in memory; the others are replayed.
        """
        self.name = name
        self.texts = texts
        self.tables = tables
        self.jobs: dict[str, JobSpec] = {}
        self.crons: dict[str, CronSpec] = {}
        self.flows: dict[str, Flow] = {}
        self.conversations: dict[str, Conversation] = {}
        self._live_max = conversations_live_max
        self._flow_router: FlowRouter | None = None
        self._conversation_router: ConversationRouter | None = None
        self._handlers: dict[str, list[tuple[Fits, Handler]]] = {}
        self._middlewares: list[Middleware] = []
        self._chain: Handler | None = None  # through the middlewares, when there are any
        self._startup: list[Hook] = []
        self._shutdown: list[Hook] = []

    # -- handlers -----------------------------------------------------------------------------------------------

    def command(self, *names: str) -> Callable[[Handler], Handler]:
        """Handle messages that begin with one of these commands, with or without the slash in `names`."""
        wanted = frozenset(name.lstrip("/").lower() for name in names)

        def fits(turn: Turn) -> bool:
            text = turn.update["message"].get("text") or ""
            if not text.startswith("/"):
                return False
            word = _WORD.match(text, 1)  # a lone slash has none
            return word is not None and word[0].partition("@")[0].lower() in wanted

        return self._register("message", fits)

    def text(self, pattern: str | re.Pattern[str] | None = None) -> Callable[[Handler], Handler]:
        """Handle text messages: any that is not a command, this exact text, or a pattern (from the start)."""

        def fits(turn: Turn) -> bool:
            text = turn.update["message"].get("text")
            if text is None:
                return False
            if pattern is None:
                return not text.startswith("/")
            return text == pattern if isinstance(pattern, str) else pattern.match(text) is not None

        return self._register("message", fits)

    def callback(self, data: str | re.Pattern[str] | None = None) -> Callable[[Handler], Handler]:
        """Handle presses of inline buttons: any, this exact data, data that begins with `"x:"`, or a pattern."""

        def fits(turn: Turn) -> bool:
            pressed = turn.update["callback_query"].get("data") or ""
            if data is None:
                return True
            if isinstance(data, re.Pattern):
                return data.match(pressed) is not None
            return pressed.startswith(data) if data.endswith(":") else pressed == data

        return self._register("callback_query", fits)

    def on(self, kind: str) -> Callable[[Handler], Handler]:
        """Handle every update of a kind, for instance `"pre_checkout_query"`."""
        if kind not in UPDATE_KINDS:
            raise AuthorError(f"app.on({kind!r}): no such update kind; known are {', '.join(UPDATE_KINDS)}")
        return self._register(kind, lambda turn: True)

    def event(self, name: str) -> Callable[[Handler], Handler]:
        """Handle a due timer of this name, or the end of a job of this task."""
        return self._register("event", lambda turn: turn.event[0] == name)

    def middleware(self, function: Middleware) -> Middleware:
        """Wrap every handler: `async def audit(turn, call_next): …; await call_next(turn)`."""
        self._middlewares.append(function)
        chain: Handler = self._route
        for layer in reversed(self._middlewares):
            chain = _wrapped(layer, chain)
        self._chain = chain
        return function

    # -- sessions -----------------------------------------------------------------------------------------------

    def add(self, flow: Flow) -> Flow:
        """Know a flow: its buttons, messages, jobs and timers go to it from now on. Raises `AuthorError`."""
        self._check_free(flow.name)
        if self._flow_router is None:
            from posthouse.programs.flows.router import FlowRouter  # only for apps that have flows

            self._flow_router = FlowRouter()
        self._flow_router.add(flow)
        self.flows[flow.name] = flow
        return flow

    def conversation(
        self,
        name: str | None = None,
        *,
        version: int | str = 1,
        strategy: Strategy | str = Strategy.USER_IN_CHAT,
        ttl: timedelta | float | None = timedelta(hours=24),
    ) -> Callable[[Function], Conversation]:
        """Register a conversation `async def name(talk, **arguments)`; what is returned has `begin`.

        The same name may be registered several times with another `version`: the last one is for new conversations,
        the others for those that are under way in their version. `ttl` is how long one may be idle (None: for ever).
        """
        if callable(name):
            raise AuthorError("write @app.conversation() with parentheses: it takes a name, a version and more")

        def register(function: Function) -> Conversation:
            label = name or function.__name__
            known = self.conversations.get(label)
            if known is None:
                self._check_free(label)
                known = self._router().add(label, strategy=strategy_named(strategy), ttl=ttl)
                self.conversations[label] = known
            known.add(function, str(version))
            return known

        return register

    def _router(self) -> ConversationRouter:
        if self._conversation_router is None:
            from posthouse.programs.conversations.router import ConversationRouter  # only for apps that have some

            self._conversation_router = ConversationRouter(self._live_max)
        return self._conversation_router

    def _check_free(self, name: str) -> None:
        if name in self.flows or name in self.conversations:
            raise AuthorError(f"app {self.name!r} has a flow or conversation {name!r} already: choose another name")

    @property
    def keeps_sessions(self) -> bool:
        return bool(self.flows or self.conversations)

    async def take(self, turn: Turn) -> bool:
        """Let a flow or conversation have what belongs to its sessions; False when nothing of it does."""
        if self._flow_router is not None and await self._flow_router.take(turn):
            return True
        return self._conversation_router is not None and await self._conversation_router.take(turn)

    # -- work outside the turn ----------------------------------------------------------------------------------

    def job(
        self,
        task: str | None = None,
        *,
        queue: str = "default",
        attempts_max: int = 5,
        timeout_s: float = 0.0,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register a job function `def render(job, **args)`, sync (runs in a thread) or async."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            name = task or function.__name__
            if name in self.jobs:
                raise AuthorError(f'two jobs are called {name!r}: give one of them another name with @app.job("…")')
            spec = JobSpec(name, function, queue, attempts_max, timeout_s)
            self.jobs[name] = spec
            function.__posthouse_job__ = spec  # type: ignore[attr-defined]
            return function

        return register

    def cron(
        self, expression: str, *, name: str | None = None, timezone: str = "UTC", catch_up: str = "latest"
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Queue a job by schedule: place above `@app.job()`. One firing runs once, however many processes there are."""
        from datetime import datetime
        from zoneinfo import ZoneInfo

        try:
            CronSim(expression, datetime.now(ZoneInfo(timezone)))
        except (CronSimError, KeyError, ValueError, OSError) as error:  # the last three: a zone that is none
            raise AuthorError(f"@app.cron({expression!r}, timezone={timezone!r}) is not a schedule: {error}") from None
        if catch_up not in ("latest", "all", "none"):
            raise AuthorError(f"@app.cron(catch_up={catch_up!r}): use 'latest', 'all' or 'none'")

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            spec = getattr(function, "__posthouse_job__", None)
            if spec is None:
                raise AuthorError("place @app.cron(…) above @app.job(): it schedules a job")
            label = name or f"{self.name}.{spec.task}"
            if label in self.crons:
                raise AuthorError(f'two schedules are called {label!r}: name one of them with @app.cron(…, name="…")')
            self.crons[label] = CronSpec(label, expression, spec.task, timezone, catch_up)
            return function

        return register

    # -- life ---------------------------------------------------------------------------------------------------

    def on_startup(self, hook: Hook) -> Hook:
        """Run `hook` before the first turn."""
        self._startup.append(hook)
        return hook

    def on_shutdown(self, hook: Hook) -> Hook:
        """Run `hook` after the last turn."""
        self._shutdown.append(hook)
        return hook

    def allowed_updates(self) -> list[str]:
        used = {*self._handlers, *(("message", "callback_query") if self.keeps_sessions else ())}
        return [kind for kind in UPDATE_KINDS if kind in used]

    async def start(self, bots: list[BotIdentity]) -> None:
        for hook in self._startup:
            await hook()

    async def stop(self) -> None:
        if self._conversation_router is not None:
            self._conversation_router.close()
        for hook in self._shutdown:
            await hook()

    async def perform(self, turn: Turn) -> None:
        turn.texts = self.texts
        if self._chain is not None:
            await self._chain(turn)
        elif not self.keeps_sessions or not await self.take(turn):
            await self._handler_of(turn)(turn)
        turn.pack_session()

    async def _route(self, turn: Turn) -> None:
        if not await self.take(turn):
            await self._handler_of(turn)(turn)

    def _handler_of(self, turn: Turn) -> Handler:
        for fits, handler in self._handlers.get(turn.kind, ()):
            if fits(turn):
                return handler
        return _unmatched

    def _register(self, kind: str, fits: Fits) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self._handlers.setdefault(kind, []).append((fits, handler))
            return handler

        return register


async def _unmatched(turn: Turn) -> None:
    """A button of a session that no flow knows any more is outdated (C4-6); any other press is just answered."""
    if turn.kind != "callback_query":
        return
    press = parse(turn.update["callback_query"].get("data") or "")
    if press.session_id is None:
        turn.answer()
        return
    from posthouse.programs.flows.rejects import outdated

    outdated(turn, press)


def _wrapped(layer: Middleware, inner: Handler) -> Handler:
    async def call(turn: Turn) -> None:
        await layer(turn, inner)

    return call
