"""Conversations inside a hosted aiogram Dispatcher: begun by its handlers, answered before them."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram import Dispatcher, F
from aiogram.filters import Command
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from posthouse import App, Job, Talk, Turn
from posthouse.programs.conversations import JobFailed, choice, number


class Hosted:
    """An aiogram bot with an App in it; `seen` is what its own middleware and handlers got."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.charged: list[str] = []
        self.fails: list[Exception] = []
        self.app = App("hosted")
        self.dispatcher = Dispatcher()
        self.dispatcher["posthouse"] = self.app
        app, dp = self.app, self.dispatcher

        @app.job(attempts_max=1)
        async def double(job: Job, number: int) -> int:
            if number == 13:
                raise ValueError("unlucky")
            return 2 * number

        @app.conversation()
        async def order(talk: Talk) -> None:
            size = await talk.ask("Size?", choice(["S", "L"]))
            many = await talk.ask("How many?", number(), retry="A number!")
            await talk.step("charge", self.charged.append, f"{many} {size}")
            if self.fails:
                raise self.fails.pop()
            try:
                twice = await talk.job(double, number=many)
            except JobFailed:
                twice = 0
            await talk.sleep(0.01)
            talk.say(f"{many} {size}, {twice}")

        self.order = order

        @dp.message.outer_middleware()
        async def watch(handler: Any, event: Message, data: dict[str, Any]) -> Any:
            self.seen.append(f"outer {event.text}")
            return await handler(event, data)

        @dp.message(Command("order"))
        async def begin(message: Message, turn: Turn, state: FSMContext) -> None:
            await state.update_data(orders=(await state.get_data()).get("orders", 0) + 1)
            await order.begin(turn)

        @dp.message(Command("stop"))
        async def stop(message: Message, turn: Turn) -> None:
            turn.say(f"stopped {await order.cancel(turn)}")

        @dp.message(Command("count"))
        async def count(message: Message, turn: Turn, state: FSMContext) -> None:
            turn.say(f"orders: {(await state.get_data()).get('orders', 0)}")

        @dp.callback_query(F.data == "mine")
        async def mine(query: CallbackQuery, turn: Turn) -> None:
            turn.answer("the Dispatcher's")

        @dp.message()
        async def echo(message: Message, turn: Turn) -> None:
            self.seen.append(f"echo {message.text}")
            turn.say(f"echo {message.text}")


@pytest.mark.req("S4-1", "S4-9", "E4-1")
async def test_a_conversation_that_an_aiogram_handler_began_goes_on_over_a_restart(talks: Any) -> None:
    """Its answers do not reach the Dispatcher's handlers; commands, other buttons and what comes after it do."""
    bot = Hosted()
    async with talks(bot.dispatcher) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Size?")
        assert (await ann.answered(await ann.presses_data("mine")))["text"] == "the Dispatcher's"
        query = await ann.presses("L")
        assert "text" not in await ann.answered(query)
        await ann.reads("How many?")
    bot = Hosted()  # another process has another one
    async with talks(bot.dispatcher) as stage:
        ann = stage.ann
        await ann.says("many")
        await ann.reads("A number!")
        await ann.says("/count")
        await ann.reads("orders: 1")
        await ann.says("3")
        await ann.reads("3 L, 6")
        await ann.says("thanks")
        await ann.reads("echo thanks")
        assert [line for line in bot.seen if line.startswith("echo")] == ["echo thanks"]
        assert bot.charged == ["3 L"]


@pytest.mark.req("E4-4")
async def test_a_hosted_turn_that_fails_behind_a_step_does_not_do_it_again(talks: Any) -> None:
    """The step's record lies among the recorded calls of the entry, and is not taken for one of the handler's own."""
    bot = Hosted()
    bot.fails += [ConnectionError("once"), ConnectionError("twice")]
    async with talks(bot.dispatcher) as stage:
        await stage.ann.says("/order")
        await stage.ann.presses("S")
        await stage.ann.reads("How many?")
        await stage.ann.says("13")
        await stage.ann.reads("13 S, 0")
        assert bot.charged == ["13 S"]


@pytest.mark.req("C4-6")
async def test_old_buttons_and_cancels_work_in_a_hosted_bot(talks: Any) -> None:
    """A cancel word, a cancel by a handler of the Dispatcher, and an outdated button with its alert."""
    bot = Hosted()
    async with talks(bot.dispatcher) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Size?")
        await ann.says("/cancel")
        await ann.reads("Cancelled.")
        await ann.says("/order")
        await ann.reads_times("Size?", 2)
        await ann.says("/stop")
        await ann.reads("stopped True")
        answer = await ann.answered(await ann.presses("L"))
        assert "finished" in answer["text"]
        answer = await ann.answered(await ann.presses_data("ask=0:AAAAAAAAAA:1", message_id=77))
        assert (answer["text"], answer["show_alert"]) == ("This menu is outdated. Start again, please.", True)
        await ann.loses_keyboard(77)
        await ann.says("hello")
        await ann.reads("echo hello")


@pytest.mark.req("E4-4")
async def test_of_a_conversation_that_failed_nothing_stays_when_an_error_handler_takes_it(talks: Any) -> None:
    """The Dispatcher's error handler ends the turn well; the conversation still waits for the same answer."""
    bot = Hosted()
    bot.fails += [LookupError("a bug")]

    @bot.dispatcher.errors()
    async def sorry(event: Any) -> bool:
        return True

    async with talks(bot.dispatcher) as stage:
        await stage.ann.says("/order")
        await stage.ann.presses("S")
        await stage.ann.reads("How many?")
        await stage.ann.says("1")
        await stage.road.until(lambda: _empty(bot))
        await stage.ann.says("2")
        await stage.ann.reads("2 S, 4")


async def _empty(bot: Hosted) -> bool:
    return not bot.fails
