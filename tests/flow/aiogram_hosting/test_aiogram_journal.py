"""Calls that hosted handlers make: recorded once, replayed after a failure, never made twice in silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiogram import Bot, Dispatcher
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
)
from aiogram.methods import SendMessage
from aiogram.types import BufferedInputFile, CallbackQuery, ErrorEvent, Message, MessageId
from aiogram.utils.callback_answer import CallbackAnswerMiddleware
from aiogram.utils.chat_action import ChatActionSender
from hosting_stage import PERSON, World, message, press
from structlog.testing import capture_logs

from posthouse.core.effects import WhenUncertain
from posthouse.core.errors import LeaseLost
from posthouse.programs.aiogram import CallDropped, CallUncertain, ReplayDiverged
from posthouse.programs.turn import Turn

METHOD = SendMessage(chat_id=PERSON, text="x")


class Crash(Exception):
    """The process dies here, as far as the turn can tell."""


class Fuse:
    """Raises `Crash` the first `times` it is reached."""

    def __init__(self, times: int = 1) -> None:
        self.times = times

    def __call__(self) -> None:
        if self.times > 0:
            self.times -= 1
            raise Crash


async def tries(world: World, body: dict[str, Any], *, times: int = 2) -> None:
    """Run one entry until it is done; each earlier try crashes."""
    entry = world.entry(body)
    for _ in range(times - 1):
        with pytest.raises(Crash):
            await world.run(entry)
    await world.run(entry)


class TestReplay:
    async def test_a_retry_sends_nothing_twice(self) -> None:
        """Run again, a handler gets the same messages without a call, and goes on where it stopped."""
        dp, fuse, ids = Dispatcher(), Fuse(), []

        @dp.message()
        async def two(message: Message) -> None:
            first = await message.answer("one")
            ids.append(first.message_id)
            fuse()
            await first.edit_text("two")
            await message.answer("three")

        async with World(dp) as world:
            await tries(world, message("x"))
        assert world.session.texts == ["one", "two", "three"]
        assert ids == [1001, 1001]
        assert world.store.calls == {}

    async def test_a_replayed_message_is_bound_to_the_bot(self) -> None:
        """Objects that come from the record can be called upon like those from Telegram."""
        dp, fuse, bots = Dispatcher(), Fuse(), []

        @dp.message()
        async def two(message: Message) -> None:
            answer = await message.answer("one")
            bots.append(answer.bot)
            fuse()

        async with World(dp) as world:
            await tries(world, message("x"))
            assert bots == [world.bot, world.bot]

    async def test_every_kind_of_result_is_replayed(self) -> None:
        """Messages, lists of them, truth and text come back from the record as they were."""
        dp, fuse, seen = Dispatcher(), Fuse(), []

        @dp.message()
        async def all_kinds(message: Message, bot: Bot) -> None:
            file = BufferedInputFile(b"x", "x.txt")
            seen.append(
                (
                    await message.answer_document(file),
                    await bot.copy_messages(1, 2, [3, 4]),
                    await message.delete(),
                    await bot.export_chat_invite_link(1),
                )
            )
            fuse()

        async with World(dp) as world:
            copies = [MessageId(message_id=number).as_(world.bot) for number in (8, 9)]
            script = [None, copies, True, "https://t.me/+x"]
            world.session.script = [value if value is None else _constant(value) for value in script]
            await tries(world, message("x"))
        assert seen[0] == seen[1]
        assert world.session.names == [
            "sendDocument",
            "copyMessages",
            "deleteMessage",
            "exportChatInviteLink",
        ]

    async def test_reads_and_indicators_are_not_recorded(self) -> None:
        """`get…` calls are made again, and a typing indicator does not shift the others."""
        dp, fuse = Dispatcher(), Fuse()

        @dp.message()
        async def slow(message: Message, bot: Bot, turn: Turn) -> None:
            async with ChatActionSender.typing(bot=bot, chat_id=message.chat.id, initial_sleep=0):
                await bot.get_chat_member_count(1)
                await message.answer("one")
                fuse()

        async with World(dp) as world:
            await tries(world, message("x"))
            assert world.session.names.count("getChatMemberCount") == 2
            assert world.session.texts == ["one"]

    async def test_calls_side_by_side_may_change_places(self) -> None:
        """Calls of a gather that begin in another order find their own records."""
        dp, fuse, turns = Dispatcher(), Fuse(), [(1, 2, 3), (3, 1, 2)]

        @dp.message()
        async def broadcast(message: Message, bot: Bot) -> None:
            await asyncio.gather(*(bot.send_message(chat, f"to {chat}") for chat in turns.pop(0)))
            fuse()
            await bot.send_message(4, "to 4")

        async with World(dp) as world:
            await tries(world, message("x"))
        assert world.session.texts == ["to 1", "to 2", "to 3", "to 4"]

    async def test_a_handler_that_asks_for_something_else_is_stopped(self) -> None:
        """Another call than the recorded one is named, is terminal, and is not made."""
        dp, fuse, texts = Dispatcher(), Fuse(), []

        @dp.message()
        async def fickle(message: Message) -> None:
            try:
                if texts:
                    await message.answer_dice()
                else:
                    texts.append(await message.answer("one"))
            except Exception:  # as authors do
                pass
            fuse()

        @dp.errors()
        async def catch_all(event: ErrorEvent) -> Any:
            return UNHANDLED if isinstance(event.exception, Crash) else True

        async with World(dp) as world:
            entry = world.entry(message("x"))
            with pytest.raises(Crash):
                await world.run(entry)
            with pytest.raises(ReplayDiverged, match=r"sendMessage \(chat_id=7\).*now asks for sendDice") as caught:
                await world.run(entry)
        assert caught.value.reason == "diverged"
        assert "sendDice" not in world.session.names

    async def test_a_call_to_another_chat_is_not_the_same_call(self) -> None:
        """The same method to another chat diverges."""
        dp, fuse, chats = Dispatcher(), Fuse(), [1, 2]

        @dp.message()
        async def fickle(message: Message, bot: Bot) -> None:
            await bot.send_message(chats.pop(0), "x")
            fuse()

        async with World(dp) as world:
            entry = world.entry(message("x"))
            with pytest.raises(Crash):
                await world.run(entry)
            with pytest.raises(ReplayDiverged, match=r"chat_id=1.*chat_id=2"):
                await world.run(entry)


class TestAftermath:
    async def test_a_press_answered_in_finally_is_not_answered_again(self) -> None:
        """CallbackAnswerMiddleware answers also when the handler fails; the retry takes that answer."""
        dp, fuse = Dispatcher(), Fuse()
        dp.callback_query.middleware(CallbackAnswerMiddleware())

        @dp.callback_query()
        async def pay(query: CallbackQuery, bot: Bot) -> None:
            await bot.send_message(PERSON, "one")
            fuse()
            await bot.send_message(PERSON, "two")

        async with World(dp) as world:
            await tries(world, press("x"))
        assert world.session.names == ["sendMessage", "answerCallbackQuery", "sendMessage"]
        assert world.session.texts == ["one", "two"]

    async def test_an_apology_does_not_stand_for_the_message(self) -> None:
        """What an error handler sent in a failed run is not taken for what the good run sends."""
        dp, fuse = Dispatcher(), Fuse(times=2)

        @dp.message()
        async def work(message: Message) -> None:
            await message.answer("one")
            fuse()
            await message.answer("two")

        @dp.errors()
        async def sorry(event: ErrorEvent, bot: Bot) -> None:
            await bot.send_message(PERSON, "sorry")
            raise event.exception

        async with World(dp) as world:
            await tries(world, message("x"), times=3)
        assert world.session.texts == ["one", "sorry", "two"]

    async def test_the_same_message_on_both_sides_of_an_exception_is_one(self) -> None:
        """A call that says the same is not repeated because an exception was in flight back then."""
        dp, fuse, known = Dispatcher(), Fuse(), {}

        @dp.message()
        async def greet(message: Message) -> None:
            try:
                known["name"]
            except KeyError:
                known["name"] = "Ann"
                await message.answer("Hello")
            else:
                await message.answer("Hello")
            fuse()

        async with World(dp) as world:
            await tries(world, message("x"))
        assert world.session.texts == ["Hello"]


class TestRefusals:
    @pytest.mark.parametrize(
        "refusal",
        [
            TelegramBadRequest(METHOD, "Bad Request: chat not found"),
            TelegramForbiddenError(METHOD, "Forbidden: bot was blocked by the user"),
            TelegramMigrateToChat(METHOD, "Bad Request: group upgraded", migrate_to_chat_id=-1009),
        ],
        ids=lambda refusal: type(refusal).__name__,
    )
    async def test_a_replay_sees_the_same_refusal(self, refusal: Exception) -> None:
        """A refused call is refused again with the same exception, without asking Telegram."""
        dp, fuse, seen = Dispatcher(), Fuse(), []

        @dp.message()
        async def work(message: Message) -> None:
            try:
                await message.answer("x")
            except type(refusal) as error:
                seen.append(error)
            fuse()

        async with World(dp) as world:
            world.session.script = [refusal]
            await tries(world, message("x"))
        assert world.session.names == ["sendMessage"]
        first, second = seen
        assert (type(first), str(first)) == (type(second), str(second))
        assert second.method.text == "x"
        assert getattr(first, "migrate_to_chat_id", 0) == getattr(second, "migrate_to_chat_id", 0)

    async def test_a_refused_returned_file_does_not_fail_the_update(self) -> None:
        """As in aiogram, a refusal of a returned method is logged and the update is done."""
        dp = Dispatcher()

        @dp.message()
        async def file(message: Message) -> Any:
            return message.answer_document(BufferedInputFile(b"x", "x.txt"))

        async with World(dp) as world:
            world.session.script = [TelegramForbiddenError(METHOD, "blocked")]
            with capture_logs() as logs:
                await world.tell("x")
            assert [line["event"] for line in logs] == ["call.refused"]
            world.session.script = [TelegramNetworkError(METHOD, "reset")]
            with pytest.raises(TelegramNetworkError):
                await world.tell("x")


class TestUncertain:
    @staticmethod
    def world(policy: str, *, silent: bool = False) -> tuple[World, list[BaseException]]:
        dp, seen = Dispatcher(), []

        @dp.message()
        async def work(message: Message, bot: Bot) -> None:
            try:
                await message.answer("one")
                await bot.send_gift("rose", user_id=2)
                await message.edit_text("done")
            except Exception as error:
                seen.append(error)
                if not silent:
                    raise

        return World(dp, settings={"uncertain_calls": WhenUncertain(policy)}), seen

    async def test_resend_repeats_the_call(self) -> None:
        """With `resend` a call whose outcome nobody knows is made again, and the operator is told."""
        world, _ = self.world("resend")
        async with world:
            entry = world.entry(message("x"))
            world.session.script = [Crash()]
            with pytest.raises(Crash):
                await world.run(entry)
            with capture_logs() as logs:
                await world.run(entry)
        assert world.session.names == ["sendMessage", "sendMessage", "sendGift", "editMessageText"]
        assert [(line["event"], line["policy"]) for line in logs] == [("call.uncertain", "resend")]

    async def test_drop_takes_the_call_for_done(self) -> None:
        """With `drop` a call that only says yes is taken for done; one with a result raises clearly."""
        world, _ = self.world("drop")
        async with world:
            entry = world.entry(message("x"))
            world.session.script = [None, Crash()]
            with pytest.raises(Crash):
                await world.run(entry)
            await world.run(entry)
            assert world.session.names == ["sendMessage", "sendGift", "editMessageText"]

            entry = world.entry(message("x"))
            world.session.script = [Crash()]
            with pytest.raises(Crash):
                await world.run(entry)
            with pytest.raises(CallDropped, match=r"sendMessage \(chat_id=7\).*'drop' does not repeat"):
                await world.run(entry)
        assert world.session.texts == ["one", "done", "one"]

    @pytest.mark.parametrize("silent", [False, True], ids=["raised", "swallowed"])
    async def test_park_leaves_it_to_the_operator(self, silent: bool) -> None:
        """With `park` the entry becomes a dead letter, even when the handler swallows the exception."""
        world, _ = self.world("park", silent=silent)
        async with world:
            entry = world.entry(message("x"))
            world.session.script = [asyncio.CancelledError()]
            with pytest.raises(asyncio.CancelledError):
                await world.run(entry)
            with pytest.raises(CallUncertain) as caught:
                await world.run(entry)
        assert caught.value.reason == "uncertain"
        assert world.session.names == ["sendMessage"]

    async def test_an_idempotent_call_is_always_repeated(self) -> None:
        """What a person cannot see twice is made again whatever the policy."""
        world, _ = self.world("park")
        async with world:
            entry = world.entry(message("x"))
            world.session.script = [None, None, Crash()]
            with pytest.raises(Crash):
                await world.run(entry)
            await world.run(entry)
        assert world.session.names == ["sendMessage", "sendGift", "editMessageText", "editMessageText"]

    @pytest.mark.parametrize(
        "error",
        [
            TelegramNetworkError(METHOD, "reset"),
            ClientDecodeError("Failed to decode object", ValueError("x"), "<"),
        ],
        ids=["network", "decode"],
    )
    async def test_a_lost_answer_is_uncertain_until_the_handler_went_on(self, error: Exception) -> None:
        """A call whose lost answer ended the run is made again; one survived is replayed as it was."""
        dp, fuse, loud = Dispatcher(), Fuse(times=0), [True]

        @dp.message()
        async def work(message: Message) -> None:
            for _ in range(3):
                try:
                    await message.answer("one")
                    break
                except (TelegramNetworkError, ClientDecodeError):
                    if loud:
                        raise Crash from None
            await message.answer("two")
            fuse()

        async with World(dp) as world:
            world.session.script = [error]
            await tries(world, message("x"))
            assert world.session.texts == ["one", "one", "two"]

            world.session.made.clear()
            loud.clear()
            fuse.times = 1
            world.session.script = [error]
            await tries(world, message("x"))
            assert world.session.texts == ["one", "one", "two"]


class TestLimits:
    async def test_every_call_waits_for_the_budget(self) -> None:
        """Calls spend their chat's budget, answers the bot's alone; reads and replays spend nothing."""
        dp, fuse, spent = Dispatcher(), Fuse(), []

        async def limiter(bot_id: int, chat: int | None) -> None:
            spent.append((bot_id, chat))

        @dp.callback_query()
        async def work(query: CallbackQuery, bot: Bot) -> None:
            await bot.send_message(7, "x")
            await bot.send_message("-1009", "x")
            await query.answer()
            await bot.get_chat(7)
            fuse()

        async with World(dp, limiter=limiter) as world:
            await tries(world, press("x"))
        assert spent == [(42, 7), (42, -1009), (42, None)]

    async def test_a_short_429_is_waited_for(self) -> None:
        """A 429 pauses the chat for everybody, and the call is made again when the limits let it."""
        dp, told = Dispatcher(), []

        async def limiter(bot_id: int, chat: int | None) -> None:
            told.append("admit")

        async def paused(bot_id: int, chat: int | None, delay_s: float) -> None:
            told.append((bot_id, chat, delay_s))

        @dp.message()
        async def work(message: Message) -> None:
            await message.answer("one")

        async with World(dp, limiter=limiter, paused=paused) as world:
            world.session.script = [TelegramRetryAfter(METHOD, "Too Many Requests", retry_after=3)]
            await world.tell("x")
        assert told == ["admit", (42, 7, 3), "admit"]
        assert world.session.texts == ["one", "one"]

    async def test_a_long_429_ends_the_run_and_is_sent_by_the_retry(self) -> None:
        """A 429 longer than the handler's time is raised; nothing happened, so no policy stops the retry."""
        dp = Dispatcher()

        async def limiter(bot_id: int, chat: int | None) -> None: ...

        async def paused(bot_id: int, chat: int | None, delay_s: float) -> None: ...

        @dp.message()
        async def work(message: Message) -> None:
            await message.answer("one")

        settings = {"uncertain_calls": WhenUncertain.PARK}
        async with World(dp, settings=settings, limiter=limiter, paused=paused) as world:
            entry = world.entry(message("x"))
            world.session.script = [TelegramRetryAfter(METHOD, "Too Many Requests", retry_after=300)]
            with pytest.raises(TelegramRetryAfter):
                await world.run(entry)
            await world.run(entry)
        assert world.session.texts == ["one", "one"]

    async def test_a_429_without_a_chat_pauses_nobody(self) -> None:
        """The limit of a method that names no chat is the caller's to handle."""
        dp, told = Dispatcher(), []

        async def limiter(bot_id: int, chat: int | None) -> None: ...

        async def paused(bot_id: int, chat: int | None, delay_s: float) -> None:
            told.append(chat)

        @dp.message()
        async def work(message: Message, bot: Bot) -> None:
            await bot.set_my_name("x")

        async with World(dp, limiter=limiter, paused=paused) as world:
            world.session.script = [TelegramRetryAfter(METHOD, "Too Many Requests", retry_after=3)]
            with pytest.raises(TelegramRetryAfter):
                await world.tell("x")
        assert told == []


class TestBounds:
    async def test_a_lost_lease_sends_nothing(self) -> None:
        """When another process owns the lane no call leaves, and swallowing the exception does not help."""
        dp = Dispatcher()

        @dp.message()
        async def work(message: Message) -> None:
            for _ in range(2):
                try:
                    await message.answer("one")
                except Exception:
                    pass
            raise ValueError("confused by it")

        async with World(dp) as world:
            with pytest.raises(LeaseLost):
                await world.run(world.entry(message("x")), lost=LeaseLost())
        assert world.session.made == []

    async def test_session_middlewares_stay_outside_the_journal(self) -> None:
        """The author's session middleware runs in every try, and what it changes is sent."""
        dp, fuse, passed = Dispatcher(), Fuse(), []

        @dp.message()
        async def work(message: Message) -> None:
            await message.answer("one")
            fuse()

        async with World(dp) as world:

            @world.session.middleware
            async def shout(make_request: Any, bot: Bot, method: Any) -> Any:
                passed.append(method.text)
                return await make_request(bot, method.model_copy(update={"text": method.text.upper()}))

            await tries(world, message("x"))
        assert passed == ["one", "one"]
        assert world.session.texts == ["ONE"]

    async def test_calls_outside_a_turn_go_straight_through(self) -> None:
        """A call that no turn makes is paced and not recorded."""
        spent: list[int | None] = []

        async def limiter(bot_id: int, chat: int | None) -> None:
            spent.append(chat)

        async with World(Dispatcher(), limiter=limiter) as world:
            await world.bot.send_message(9, "news")
        assert (world.session.texts, spent, world.store.calls) == (["news"], [9], {})

    async def test_a_task_that_outlives_its_turn_is_told_once(self) -> None:
        """What a task left behind by a handler does goes straight through; one warning names the task."""
        dp, go, tasks = Dispatcher(), asyncio.Event(), []

        @dp.message()
        async def leave(message: Message, state: Any) -> None:
            async def linger() -> None:
                await go.wait()
                await message.answer("late")
                await state.set_state("late")

            tasks.append(asyncio.create_task(linger(), name="lingering"))

        async with World(dp) as world:
            with capture_logs() as logs:
                await world.tell("x")
                await world.tell("y")
                go.set()
                await asyncio.gather(*tasks)
            assert world.session.texts == ["late", "late"]
            assert world.store.calls == {}
            assert world.store.fsm()[f"fsm:{PERSON}"]["state"] == "late"
        (line,) = [line for line in logs if line["event"] == "turn.outlived"]
        assert line["task"] == "lingering"
        assert line["code"].endswith("leave.<locals>.linger")
        assert "turn.enqueue" in line["mend"]

    async def test_two_hosts_may_share_a_session(self) -> None:
        """A session used by the bots of two Dispatchers records each call once, for the turn that made it."""
        dispatchers = [Dispatcher(), Dispatcher()]
        worlds = []
        for number, dp in enumerate(dispatchers):

            @dp.message()
            async def work(message: Message) -> None:
                await message.answer("x")

            worlds.append(World(dp))
            worlds[number].bot.session = worlds[0].session
        async with worlds[0], worlds[1]:
            for world in worlds:
                await world.tell("x")
        assert worlds[0].session.texts == ["x", "x"]
        assert "make_request" not in vars(worlds[0].session)


def _constant(value: Any) -> Any:
    async def answer(method: Any) -> Any:
        return value

    return answer
