"""An unchanged Dispatcher inside turns: what handlers return, ask for and raise."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiogram import Bot, Dispatcher, F, Router
from aiogram.client.default import DefaultBotProperties
from aiogram.enums import ParseMode
from aiogram.filters import Command
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.methods import SendDocument, SendMediaGroup, SendMessage
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    ErrorEvent,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    Message,
    Update,
)
from hosting_stage import BOT, NAME, PERSON, TOKEN, RecorderSession, World, message, press
from structlog.testing import capture_logs

from posthouse.core.errors import ConfigurationInvalid, Retryable
from posthouse.programs.aiogram import AiogramProgram, HostedBot, UpdateUnreadable
from posthouse.programs.app import App
from posthouse.programs.program import BotIdentity
from posthouse.programs.turn import Turn


class TestReturnedMethods:
    async def test_a_returned_method_goes_through_the_outbox(self) -> None:
        """A method that a handler returns is a delivery of the turn, and no call is made in it."""
        dp = Dispatcher()

        @dp.message()
        async def echo(message: Message) -> Any:
            return message.answer(message.text or "")

        async with World(dp) as world:
            await world.tell("hi")
        assert world.delivered() == [("sendMessage", {"chat_id": PERSON, "text": "hi"})]
        assert world.session.made == []

    async def test_defaults_of_the_bot_are_in_the_delivery(self) -> None:
        """A returned method carries the bot's defaults, in nested objects too."""
        dp = Dispatcher()
        markup = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="a", callback_data="b")]])

        @dp.message(F.text == "one")
        async def one(message: Message) -> Any:
            return SendMessage(chat_id=message.chat.id, text="<b>x</b>", reply_markup=markup)

        @dp.message(F.text == "album")
        async def album(message: Message) -> Any:
            return SendMediaGroup(chat_id=message.chat.id, media=[InputMediaPhoto(media="id", caption="<b>c</b>")])

        default = DefaultBotProperties(parse_mode=ParseMode.HTML, protect_content=True)
        bot = Bot(TOKEN, session=RecorderSession(), default=default)
        async with World(dp, settings={"bot": bot}) as world:
            await world.tell("one")
            await world.tell("album")
        (_, one_body), (_, album_body) = world.delivered()
        assert (one_body["parse_mode"], one_body["protect_content"]) == ("HTML", True)
        assert one_body["reply_markup"] == {"inline_keyboard": [[{"text": "a", "callback_data": "b"}]]}
        assert album_body["media"] == [{"type": "photo", "media": "id", "caption": "<b>c</b>", "parse_mode": "HTML"}]

    async def test_a_returned_file_is_sent_in_the_turn(self) -> None:
        """A returned method with a file of this process is called at once, through the journal."""
        dp = Dispatcher()

        @dp.message()
        async def file(message: Message) -> Any:
            return SendDocument(chat_id=message.chat.id, document=BufferedInputFile(b"x", "x.txt"))

        async with World(dp) as world:
            turn = await world.tell("file")
        assert world.session.names == ["sendDocument"]
        assert world.delivered() == []
        assert turn.journaled


class TestUnhandled:
    async def test_an_unhandled_press_is_answered(self) -> None:
        """A button that no handler takes stops spinning."""
        async with World(Dispatcher()) as world:
            await world.run(press("gone"))
        assert world.delivered() == [("answerCallbackQuery", {"callback_query_id": "900"})]

    async def test_an_unhandled_message_is_done(self) -> None:
        """An update that no handler takes leaves nothing behind."""
        async with World(Dispatcher()) as world:
            turn = await world.tell("hi")
        assert not turn.effects

    async def test_the_app_takes_what_the_dispatcher_leaves(self) -> None:
        """A native App in the Dispatcher handles the updates that no aiogram handler took."""
        dp = Dispatcher()
        app = dp["posthouse"] = App("shop", texts={"en": {"hello": "Hello"}})

        @dp.message(Command("old"))
        async def old(message: Message, turn: Turn) -> None:
            turn.say(turn.t("hello") + " from aiogram")

        @app.command("new")
        async def new(turn: Turn) -> None:
            turn.say(turn.t("hello"))

        async with World(dp) as world:
            await world.tell("/old")
            await world.tell("/new")
        assert [body["text"] for _, body in world.delivered()] == ["Hello from aiogram", "Hello"]
        assert world.program.allowed_updates() == ["message"]

    async def test_an_update_of_an_unknown_kind_is_done_with_a_line(self) -> None:
        """A kind that this aiogram does not know is logged and forgotten; aiogram's warning is not raised."""
        async with World(Dispatcher()) as world:
            with capture_logs() as logs:
                turn = await world.run({"brain_wave": {"id": 1}})
        assert not turn.effects
        assert [(line["event"], line["kind"]) for line in logs] == [("update.kind_unknown", "brain_wave")]

    async def test_an_update_that_does_not_fit_is_terminal(self) -> None:
        """An update that aiogram's types refuse is a dead letter at once, with the place named."""
        async with World(Dispatcher()) as world:
            with pytest.raises(UpdateUnreadable, match=r"message\.chat.*upgrade aiogram") as caught:
                await world.run({"message": {"message_id": 1, "date": 1, "chat": "nowhere"}})
        assert caught.value.reason == "unreadable"

    async def test_a_large_update_is_parsed_beside_the_event_loop(self) -> None:
        """An unusually nested update is handled like any other."""
        dp = Dispatcher()
        seen: list[int] = []

        @dp.message()
        async def count(message: Message) -> None:
            seen.append(len(message.entities or []))

        entities = [{"type": "bold", "offset": n, "length": 1} for n in range(100)]
        async with World(dp) as world:
            await world.tell("x" * 100, entities=entities)
            assert world.program._parser._pool is not None
        assert seen == [100]


class TestEvents:
    async def test_an_event_runs_its_handler(self) -> None:
        """A due timer reaches the App's event handler inside a hosted turn."""
        dp = Dispatcher()
        app = dp["posthouse"] = App("shop")

        @app.event("reminder")
        async def remind(turn: Turn) -> None:
            _, data = turn.event
            await dp.fsm.get_context(bot, PERSON, PERSON).set_state(f"reminded {data}")
            turn.say("Time!")

        async with World(dp) as world:
            bot = world.bot
            await world.run(world.entry({"event": "timer", "name": "reminder", "data": 3}, entry_id=-9))
        assert world.delivered() == [("sendMessage", {"chat_id": PERSON, "text": "Time!"})]
        assert world.store.fsm() == {f"fsm:{PERSON}": {"state": "reminded 3", "data": {}}}

    async def test_an_event_that_nobody_handles_is_done_with_a_line(self) -> None:
        """An event without a handler is logged and forgotten, with an App and without."""
        for app in (None, App("shop")):
            dp = Dispatcher(posthouse=app)
            async with World(dp) as world:
                with capture_logs() as logs:
                    await world.run(world.entry({"event": "timer", "name": "lost", "data": None}, entry_id=-9))
            assert [line["event"] for line in logs] == ["event.unhandled"]

    async def test_jobs_and_crons_of_the_app_are_the_program_s(self) -> None:
        """What the App declares is known to workers."""
        dp = Dispatcher()
        app = dp["posthouse"] = App("shop")

        @app.cron("0 9 * * *")
        @app.job()
        async def report(job: Any) -> None: ...

        world = World(dp)
        assert list(world.program.jobs) == ["report"]
        assert list(world.program.crons) == ["shop.report"]


class TestHandlers:
    async def test_handlers_get_the_turn_and_the_dispatcher(self) -> None:
        """Handlers that declare `turn`, `dispatcher` or workflow data get them; effects are the turn's."""
        dp = Dispatcher(prices={"tea": 2})
        router = Router()
        dp.include_router(router)

        @router.message()
        async def order(message: Message, turn: Turn, dispatcher: Dispatcher, prices: dict[str, int]) -> None:
            assert dispatcher is dp
            turn.say(f"{prices['tea']}", handle="bill")

        async with World(dp) as world:
            await world.tell("tea")
        assert [delivery.handle for delivery in world.store.deliveries] == ["bill"]

    async def test_synchronous_handlers_run(self) -> None:
        """A plain function as a handler works and reaches its turn."""
        dp = Dispatcher()

        @dp.message()
        def plain(message: Message, turn: Turn) -> None:
            turn.say("sync")

        async with World(dp) as world:
            await world.tell("x")
        assert [body["text"] for _, body in world.delivered()] == ["sync"]

    async def test_workflow_data_named_turn_stays_the_author_s(self) -> None:
        """A Dispatcher that has its own `turn` keeps it, and the operator is told."""
        dp = Dispatcher(turn="white")
        seen: list[object] = []

        @dp.message()
        async def move(message: Message, turn: str) -> None:
            seen.append(turn)

        with capture_logs() as logs:
            async with World(dp) as world:
                await world.tell("e4")
        assert seen == ["white"]
        assert "host.turn_hidden" in [line["event"] for line in logs]

    async def test_two_bots_share_a_dispatcher(self) -> None:
        """Each update is handled with its own bot, and the state of the same person is apart."""
        dp = Dispatcher()

        @dp.message()
        async def count(message: Message, bot: Bot, state: Any) -> Any:
            data = await state.update_data(count=1 + (await state.get_data()).get("count", 0))
            return message.answer(f"{bot.id} {data['count']}")

        sessions = RecorderSession()
        bots = {f"bot{n}": HostedBot(bot=Bot(f"{n}:TEST", session=sessions)) for n in (1, 2)}
        identities = [BotIdentity(f"bot{n}", n, f"{n}:TEST") for n in (1, 2)]
        async with World(dp, bots=bots, identities=identities) as world:
            for bot_id in (1, 2, 1):
                await world.run(world.entry(message("x"), bot_id=bot_id))
            with pytest.raises(ConfigurationInvalid, match="bot 3 was not given"):
                await world.run(world.entry(message("x"), bot_id=3))
        texts = [(delivery.bot_id, json.loads(delivery.payload)["text"]) for delivery in world.store.deliveries]
        assert texts == [(1, "1 1"), (2, "2 1"), (1, "1 2")]
        assert sessions.closed == 1


class TestErrors:
    async def test_an_unhandled_exception_reaches_the_runtime(self) -> None:
        """What a handler raises is raised by the turn, as it is."""
        dp = Dispatcher()

        @dp.message()
        async def broken(message: Message) -> None:
            raise LookupError("no tea")

        async with World(dp) as world:
            with pytest.raises(LookupError, match="no tea"):
                await world.tell("x")
        assert world.delivered() == []

    async def test_a_handled_error_is_done_and_seen(self) -> None:
        """When an error handler took the exception the turn is done, and the operator hears of it."""
        heard: list[tuple[str, str]] = []
        dp = Dispatcher()

        @dp.message()
        async def broken(message: Message, state: Any) -> None:
            await state.set_state("tried")
            raise LookupError("no tea")

        @dp.errors()
        async def sorry(event: ErrorEvent, turn: Turn) -> bool:
            turn.say("Sorry")
            return True

        hear = lambda turn, error: heard.append((turn.trace, repr(error)))  # noqa: E731
        async with World(dp, handled_errors=hear) as world:
            with capture_logs() as logs:
                await world.tell("x")
        assert heard == [(f"{BOT}:1", "LookupError('no tea')")]
        assert [(line["event"], line["trace"]) for line in logs] == [("turn.error_handled", f"{BOT}:1")]
        assert [body["text"] for _, body in world.delivered()] == ["Sorry"]
        assert world.store.fsm()[f"fsm:{PERSON}"]["state"] == "tried"

    async def test_an_error_of_an_outer_middleware_is_seen(self) -> None:
        """Exceptions that never reached a handler are seen too."""
        heard: list[BaseException] = []
        dp = Dispatcher()

        @dp.update.outer_middleware()
        async def refuse(handler: Any, event: Update, data: dict[str, Any]) -> Any:
            raise PermissionError("banned")

        @dp.errors()
        async def shrug(event: ErrorEvent) -> None: ...

        async with World(dp, handled_errors=lambda turn, error: heard.append(error)) as world:
            with capture_logs():
                await world.tell("x")
        assert [type(error) for error in heard] == [PermissionError]

    async def test_an_outcome_is_not_given_to_error_handlers(self) -> None:
        """`Retryable` and `Terminal` decide the turn, whatever the author's error handlers take."""
        taken: list[BaseException] = []
        dp = Dispatcher()

        @dp.message()
        async def later(message: Message) -> None:
            raise Retryable("later", retry_after_s=5)

        @dp.errors()
        async def catch_all(event: ErrorEvent) -> bool:
            taken.append(event.exception)
            return True

        async with World(dp) as world:
            with pytest.raises(Retryable):
                await world.tell("x")
        assert taken == []

    async def test_an_error_handler_that_declines_leaves_the_exception(self) -> None:
        """An error handler that returns UNHANDLED does not make the turn done."""
        from aiogram.dispatcher.event.bases import UNHANDLED

        dp = Dispatcher()

        @dp.message()
        async def broken(message: Message) -> None:
            raise LookupError("no tea")

        @dp.errors()
        async def decline(event: ErrorEvent) -> Any:
            return UNHANDLED

        async with World(dp) as world:
            with pytest.raises(LookupError):
                await world.tell("x")


class TestLife:
    async def test_hooks_run_around_the_turns(self) -> None:
        """Start-up hooks run before the first turn, with what polling gives them; shutdown hooks after."""
        story: list[Any] = []
        dp = Dispatcher(prices=1)

        @dp.startup()
        async def up(bot: Bot, bots: Any, dispatcher: Dispatcher, prices: int) -> None:
            story.append(("up", bot.id, len(bots), dispatcher is dp, prices))

        @dp.shutdown()
        async def down(bot: Bot, bots: Any, dispatcher: Dispatcher) -> None:
            story.append(("down", bot.id))

        @dp.message()
        async def turn(message: Message) -> None:
            story.append(message.text)

        async with World(dp) as world:
            await world.tell("x")
        assert story == [("up", BOT, 1, True, 1), "x", ("down", BOT)]
        assert world.session.closed == 1

    async def test_the_dispatcher_is_given_back(self) -> None:
        """After stop the Dispatcher and the session are what they were, and can be hosted again."""
        storage = MemoryStorage()
        dp = Dispatcher(storage=storage)
        world = World(dp)
        for _ in range(2):
            async with world:
                assert dp.storage is not storage
                assert "make_request" in vars(world.session)
            assert dp.storage is storage
            assert "make_request" not in vars(world.session)
            assert len(dp.errors.outer_middleware) == 0

    async def test_a_failing_hook_gives_the_dispatcher_back(self) -> None:
        """When a start-up hook raises, the start fails and nothing stays taken over."""
        dp = Dispatcher()

        @dp.startup()
        async def fail() -> None:
            raise OSError("no config")

        before = dp.storage
        with pytest.raises(OSError, match="no config"):
            async with World(dp):
                pass
        assert dp.storage is before

    async def test_one_dispatcher_has_one_host(self) -> None:
        """A second program cannot take over a Dispatcher that is hosted."""
        dp = Dispatcher()
        async with World(dp):
            with pytest.raises(ConfigurationInvalid, match="another program"):
                await World(dp).program.start([BotIdentity(NAME, BOT, TOKEN)])

    async def test_a_bot_object_of_another_token_is_refused(self) -> None:
        """The Bot named in the configuration is the bot of the token."""
        with pytest.raises(ConfigurationInvalid, match=r"of bot 42.*is bot 43"):
            async with World(Dispatcher(), settings={"bot": Bot("43:TEST", session=RecorderSession())}):
                pass

    async def test_another_server_holds_for_the_author_s_bot_too(self) -> None:
        """`api_url` points the author's own Bot at another Bot API server, until stop."""
        bot = Bot(TOKEN, session=RecorderSession())
        before = bot.session.api
        async with World(Dispatcher(), settings={"bot": bot, "api_url": "http://localhost:8081/"}):
            assert bot.session.api.api_url(TOKEN, "getMe") == f"http://localhost:8081/bot{TOKEN}/getMe"
        assert bot.session.api is before

    async def test_bots_made_from_tokens_share_their_connections(self) -> None:
        """Bots without an object of the author's are made, one session for each server."""
        seen: list[Bot] = []
        dp = Dispatcher()

        @dp.startup()
        async def up(bots: tuple[Bot, ...]) -> None:
            seen.extend(bots)

        names = {"a": HostedBot(), "b": HostedBot(), "c": HostedBot(api_url="http://localhost:1")}
        identities = [BotIdentity(name, n, f"{n}:TEST") for n, name in enumerate(names, 1)]
        async with World(dp, bots=names, identities=identities):
            pass
        assert seen[0].session is seen[1].session
        assert seen[2].session is not seen[0].session
        assert [bot.id for bot in seen] == [1, 2, 3]

    async def test_the_platform_keeps_the_webhook(self) -> None:
        """A start-up hook that sets or deletes the webhook is told yes, and nothing is sent."""
        dp = Dispatcher()

        @dp.startup()
        async def up(bot: Bot) -> None:
            assert await bot.set_webhook("https://example.org") is True
            assert await bot.delete_webhook(drop_pending_updates=True) is True
            await bot.set_my_commands([])

        with capture_logs() as logs:
            async with World(dp) as world:
                assert world.session.names == ["setMyCommands"]
        assert [line["method"] for line in logs if line["event"] == "call.ignored"] == [
            "setWebhook",
            "deleteWebhook",
        ]

    async def test_a_program_imports_without_starting(self) -> None:
        """Building the program touches neither the Dispatcher nor the network."""
        dp = Dispatcher()
        before = dp.storage
        AiogramProgram(dp, keeper=World(dp).store)
        assert dp.storage is before

    async def test_callback_answer_is_unaffected(self) -> None:
        """A handled press is the handler's to answer."""
        dp = Dispatcher()

        @dp.callback_query()
        async def pressed(query: CallbackQuery) -> Any:
            return query.answer("ok")

        async with World(dp) as world:
            await world.run(press("x"))
        assert world.delivered() == [("answerCallbackQuery", {"callback_query_id": "900", "text": "ok"})]
        assert world.store.deliveries[0].priority == 0
