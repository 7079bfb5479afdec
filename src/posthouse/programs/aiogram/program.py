"""Hosts an unchanged aiogram Dispatcher: its handlers run inside turns.

    entry ─► Update (bounded parse) ─► dp.feed_update(bot, update, turn=turn) ─► what came of it
               FSM reads, writes ──► the turn's state, committed with it         a method   → the outbox
               await bot.…       ──► journaled calls (`session`)                 UNHANDLED  → the App, if any
               an exception      ──► the runtime retries, nothing is written     else       → done

In posthouse.toml:

    [bots.shop]
    program = "shop.main:dp"     # the Dispatcher, as it is
    bot = "shop.main:bot"        # optional: the Bot object that the code imports

Name `bot` whenever code imports a Bot object: calls of a Bot that the host does not know are neither recorded
nor paced. Handlers that declare `turn: Turn` get it, for `turn.transact`, `turn.enqueue`, `turn.after`, ….

Events (due timers, finished jobs) and jobs are declared on a native App that lies in the Dispatcher:

    app = dp["posthouse"] = App("shop")

    @app.event("reminder")
    async def remind(turn: Turn) -> None: ...

The App also gets the updates that no aiogram handler took, so a bot can move over handler by handler. Flows and
conversations of the App work beside aiogram's handlers: a handler begins one (`await order.begin(turn)`), and what it
then waits for goes to it by an outer middleware, inside all of the author's own.

Outside the promises, because aiogram gives them no turn: tasks that a handler starts and does not await, and
aiogram-dialog's background managers (`BgManager` calls `dp.propagate_event` from a task of its own). Their
calls go straight out, their state is written at once, and the first one is logged (`turn.outlived`).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.dispatcher.event.bases import UNHANDLED, CancelHandler, SkipHandler
from aiogram.exceptions import TelegramAPIError
from aiogram.fsm.storage.base import BaseEventIsolation, BaseStorage
from aiogram.fsm.storage.memory import DisabledEventIsolation, MemoryStorage
from aiogram.fsm.strategy import FSMStrategy
from aiogram.methods import TelegramMethod
from aiogram.types import ErrorEvent, TelegramObject

from posthouse.core.effects import WhenUncertain
from posthouse.core.errors import ConfigurationInvalid
from posthouse.programs.aiogram.errors import OUTCOMES
from posthouse.programs.aiogram.hosted import HostedTurn, Latecomers, current, log
from posthouse.programs.aiogram.isolation import LaneIsolation
from posthouse.programs.aiogram.parsing import UpdateParser
from posthouse.programs.aiogram.replay import Ending, Replay
from posthouse.programs.aiogram.session import HostedCalls, Limiter, Paused, ending_of
from posthouse.programs.aiogram.storage import StateKeeper, TurnStorage
from posthouse.programs.app import App
from posthouse.programs.conversations.talk import STEP_FLOOR
from posthouse.programs.program import BotIdentity, CronSpec, JobSpec
from posthouse.programs.turn import Turn
from posthouse.telegram.peek import LaneBy

APP_KEY = "posthouse"
TURN_KEY = "turn"

HandledErrors = Callable[[Turn, BaseException], None]
"""`handled_errors(turn, error)` hears of an exception that the author's own error handler took."""


@dataclass(frozen=True, slots=True)
class HostedBot:
    """How one bot of a hosted Dispatcher is run."""

    bot: Bot | None = None
    """The author's own Bot; None makes one from the token."""
    api_url: str | None = None
    """Another Bot API server, such as `http://localhost:8081`, also for the author's own Bot."""
    lane_by: LaneBy = "chat"
    """What a lane is; the FSM strategy GLOBAL_USER needs `user`."""
    uncertain_calls: WhenUncertain = WhenUncertain.RESEND
    """What a retry does with a call whose outcome is not known: `resend`, `drop` or `park`."""
    handler_timeout_s: float = 30.0
    """The runtime's limit on one turn, so that a 429 is only waited for when it can be."""


_DEFAULTS = HostedBot()


class AiogramProgram:
    """Runs the entries of one or more bots through one Dispatcher, which it holds from `start` to `stop`.

    `bots` says by name how each bot is run. `keeper` reads and writes state outside turns; `limiter` and
    `paused` share Telegram's limits with the sender.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        keeper: StateKeeper,
        bots: Mapping[str, HostedBot] | None = None,
        limiter: Limiter | None = None,
        paused: Paused | None = None,
        handled_errors: HandledErrors | None = None,
    ) -> None:
        self.dispatcher = dispatcher
        self.handled_errors = handled_errors
        app = dispatcher.workflow_data.get(APP_KEY)
        self.app: App | None = app if isinstance(app, App) else None
        self._settings = dict(bots or {})
        self._latecomers = Latecomers()
        self._calls = HostedCalls(limiter, paused, self._latecomers)
        self._parser = UpdateParser()
        self._storage = TurnStorage(keeper, self._latecomers)
        self._bots: dict[int, tuple[Bot, HostedBot]] = {}
        self._undo: list[Callable[[], object]] = []
        self._replaced: list[BaseStorage | BaseEventIsolation] = []

    # -- what the program declares -------------------------------------------------------------------------

    @property
    def jobs(self) -> Mapping[str, JobSpec]:
        return self.app.jobs if self.app is not None else {}

    @property
    def crons(self) -> Mapping[str, CronSpec]:
        return self.app.crons if self.app is not None else {}

    @property
    def tables(self) -> Any:
        return self.app.tables if self.app is not None else None

    @property
    def keeps_sessions(self) -> bool:
        return self.app is not None and self.app.keeps_sessions

    def allowed_updates(self) -> list[str]:
        used = set(self.dispatcher.resolve_used_update_types())
        if self.app is not None:
            used.update(self.app.allowed_updates())
        return sorted(used)

    # -- life ----------------------------------------------------------------------------------------------

    async def start(self, bots: list[BotIdentity]) -> None:
        """Take the Dispatcher over, then run its start-up hooks with `bot`, `bots` and `dispatcher`."""
        self._check(bots)
        try:
            self._take_over(bots)
            self._parser.warm_up()
            await self.dispatcher.emit_startup(**self._hook_data())
            self._attach()  # again: a hook may have given its bot another session
            if self.app is not None:
                await self.app.start(bots)
        except BaseException:
            self._give_back()
            raise
        if TURN_KEY in self.dispatcher.workflow_data:
            log.warning("host.turn_hidden", key=TURN_KEY, why="the Dispatcher has workflow data of that name")

    async def stop(self) -> None:
        """Run the shutdown hooks, close what was opened or replaced, give the Dispatcher back as it was."""
        if not self._bots:
            return  # never started
        try:
            if self.app is not None:
                await self.app.stop()
            await self.dispatcher.emit_shutdown(**self._hook_data())
            for replaced in self._replaced:
                await replaced.close()
        finally:
            await self._calls.close()
            self._give_back()

    def _hook_data(self) -> dict[str, Any]:
        """What aiogram's own polling gives its hooks."""
        bots = tuple(bot for bot, _ in self._bots.values())
        data = {"dispatcher": self.dispatcher, "bots": bots, **self.dispatcher.workflow_data}
        return data | {"bot": bots[-1]} if bots else data

    def _check(self, bots: list[BotIdentity]) -> None:
        """Refuse what cannot be kept in order: state that lanes would share."""
        dispatcher = self.dispatcher
        if isinstance(dispatcher.fsm.storage, TurnStorage):
            raise ConfigurationInvalid(f"{dispatcher} is hosted by another program already")
        if dispatcher.fsm not in tuple(dispatcher.update.outer_middleware):
            return  # disable_fsm=True
        strategy = dispatcher.fsm.strategy
        for identity in bots:
            lane_by = self._settings.get(identity.name, _DEFAULTS).lane_by
            if strategy is FSMStrategy.GLOBAL_USER and lane_by != "user":
                mend = 'set lane = "user", so that one person\'s updates from all chats run in order'
            elif strategy in (FSMStrategy.CHAT, FSMStrategy.CHAT_TOPIC) and lane_by == "user":
                mend = 'set lane = "chat", so that all updates of one chat run in order'
            else:
                continue
            raise ConfigurationInvalid(
                f"bot {identity.name}: with lane = {lane_by!r} lanes would share the state that the FSM "
                f"strategy {strategy.name} keeps; {mend}"
            )

    def _take_over(self, bots: list[BotIdentity]) -> None:
        sessions: dict[str | None, AiohttpSession] = {}
        for identity in bots:
            settings = self._settings.get(identity.name, _DEFAULTS)
            self._bots[identity.bot_id] = (self._bot(identity, settings, sessions), settings)
        self._swap_storage()
        errors = self.dispatcher.errors.outer_middleware
        errors.register(self._watch_errors)
        self._undo.append(lambda: errors.unregister(self._watch_errors))
        if self.keeps_sessions:
            updates = self.dispatcher.update.outer_middleware
            updates.register(self._let_sessions)  # registered last: inside all of the author's own
            self._undo.append(lambda: updates.unregister(self._let_sessions))
        self._undo.append(self._calls.detach)
        self._attach()

    def _attach(self) -> None:
        for bot, _ in self._bots.values():
            self._calls.attach(bot.session)

    def _bot(self, identity: BotIdentity, settings: HostedBot, sessions: dict[str | None, AiohttpSession]) -> Bot:
        """The author's Bot, or a new one; those to the same server share their connections."""
        bot, url = settings.bot, settings.api_url
        api = None if url is None else TelegramAPIServer.from_base(url)
        if bot is None:
            if url not in sessions:
                sessions[url] = AiohttpSession() if api is None else AiohttpSession(api=api)
            return Bot(identity.token, session=sessions[url])
        if bot.id != identity.bot_id:
            raise ConfigurationInvalid(
                f"bot {identity.name}: its token is of bot {identity.bot_id}, but the Bot object given with "
                f"`bot` is bot {bot.id}; build it from the same token"
            )
        if api is not None:
            session, before = bot.session, bot.session.api
            session.api = api
            self._undo.append(lambda: setattr(session, "api", before))
        return bot

    def _swap_storage(self) -> None:
        fsm = self.dispatcher.fsm
        storage, isolation = fsm.storage, fsm.events_isolation
        if not isinstance(storage, MemoryStorage):
            why = "Posthouse keeps the FSM, committed with the turn; what the old storage holds is not seen"
            log.info("host.storage_replaced", storage=type(storage).__name__, why=why)
        elif storage.storage:
            why = "Posthouse keeps the FSM; what was put into MemoryStorage before the start is not seen"
            log.warning("host.state_hidden", records=len(storage.storage), why=why)
        fsm.storage = self._storage
        self._undo.append(lambda: setattr(fsm, "storage", storage))
        self._replaced.append(storage)
        if not isinstance(isolation, DisabledEventIsolation):
            log.info("host.isolation_replaced", isolation=type(isolation).__name__, why="lanes serialise")
            fsm.events_isolation = LaneIsolation()
            self._undo.append(lambda: setattr(fsm, "events_isolation", isolation))
            self._replaced.append(isolation)

    def _give_back(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._replaced.clear()
        self._bots.clear()
        self._parser.close()

    # -- one turn ------------------------------------------------------------------------------------------

    async def perform(self, turn: Turn) -> None:
        try:
            bot, settings = self._bots[turn.bot_id]
        except KeyError:
            raise ConfigurationInvalid(f"bot {turn.bot_id} was not given to its program's start()") from None
        records = await turn.reach.recall()
        turn.journaled = bool(records)
        calls = [record for record in records if record.ordinal < STEP_FLOOR]  # the others are steps of a conversation
        hosted = HostedTurn(
            turn,
            self._calls,
            Replay(calls, turn.trace),
            uncertain_calls=settings.uncertain_calls,
            deadline=asyncio.get_running_loop().time() + settings.handler_timeout_s,
        )
        token = current.set(hosted)
        try:
            await (self._feed(turn, hosted, bot) if turn.entry.is_update else self._event(turn))
            hosted.pack_states()
        except Exception as error:
            if hosted.verdict not in (None, error):
                raise hosted.verdict from error
            raise
        finally:
            hosted.ended = True
            current.reset(token)
        if hosted.verdict is not None:
            raise hosted.verdict  # the handler swallowed it
        if hosted.handled_error is not None:
            self._report(turn, hosted.handled_error)

    async def _feed(self, turn: Turn, hosted: HostedTurn, bot: Bot) -> None:
        if self.app is not None:
            turn.texts = self.app.texts
        update = await self._parser.parse(turn, bot)
        if update is None:
            log.warning("update.kind_unknown", trace=turn.trace, kind=turn.kind, mend="upgrade aiogram")
            return
        data = {} if TURN_KEY in self.dispatcher.workflow_data else {TURN_KEY: turn}
        try:
            response = await self.dispatcher.feed_update(bot, update, **data)
        except SkipHandler:
            response = UNHANDLED
        except CancelHandler:  # an author's word for "stop here"
            response = None
        if response is UNHANDLED:
            await self._unhandled(turn)
        elif isinstance(response, TelegramMethod):
            await self._execute(turn, hosted, bot, response)

    async def _let_sessions(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        """What a flow or conversation of the App waits for is theirs; the Dispatcher's handlers get the rest."""
        hosted = current.get()
        if hosted is not None and hosted.host is self._calls and self.app is not None:
            hosted.turn.texts = self.app.texts
            if await self.app.take(hosted.turn):
                hosted.turn.pack_session()
                return None
        return await handler(event, data)

    async def _unhandled(self, turn: Turn) -> None:
        if self.app is not None:
            await self.app.perform(turn)
        elif turn.kind == "callback_query":
            turn.answer()

    async def _event(self, turn: Turn) -> None:
        app = self.app
        if app is not None and await app.take(turn):
            turn.pack_session()
            return
        if app is None or not any(fits(turn) for fits, _ in app._handlers.get("event", ())):
            log.info("event.unhandled", trace=turn.trace, what=turn.event[0])
            return
        await app.perform(turn)

    async def _execute(self, turn: Turn, hosted: HostedTurn, bot: Bot, method: TelegramMethod[Any]) -> None:
        """Execute a method that a handler returned: through the outbox, or at once when it carries a file.

        As in aiogram, a refusal of such a call does not fail the update.
        """
        files: dict[str, Any] = {}
        dump = method.model_dump(warnings=False, exclude_none=True)
        body = bot.session.prepare_value(dump, bot=bot, files=files, _dumps_json=False)
        if not files:
            turn.call(method.__api_method__, when_uncertain=hosted.uncertain_calls, **body)
            return
        try:
            await bot(method)
        except TelegramAPIError as error:
            if ending_of(error) is not Ending.REFUSED:
                raise
            log.warning("call.refused", trace=turn.trace, method=method.__api_method__, error=str(error))

    # -- errors --------------------------------------------------------------------------------------------

    async def _watch_errors(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        """Stand before the author's error handlers: keep outcomes from them, remember what they took."""
        hosted = current.get()
        if hosted is None or hosted.host is not self._calls or not isinstance(event, ErrorEvent):
            return await handler(event, data)
        if isinstance(event.exception, OUTCOMES):
            return UNHANDLED
        response = await handler(event, data)
        if response is not UNHANDLED:
            hosted.handled_error = event.exception
        return response

    def _report(self, turn: Turn, error: BaseException) -> None:
        log.warning(
            "turn.error_handled",
            trace=turn.trace,
            bot=turn.bot,
            error=repr(error),
            traceback="".join(traceback.format_exception(error)),
        )
        if self.handled_errors is not None:
            self.handled_errors(turn, error)
