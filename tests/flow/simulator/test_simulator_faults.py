"""Faults on demand, and the limits that explain themselves."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.base import ClientDecodeError
from aiogram.exceptions import (
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from simulator_stage import TOKEN, Receiver, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person, Town, TownError


@pytest.mark.parametrize(
    ("kind", "error", "effect"),
    [
        ("429", TelegramRetryAfter, False),
        ("500", TelegramServerError, False),
        ("502", TelegramServerError, False),
        ("blocked", TelegramForbiddenError, False),
        ("drop_before_effect", TelegramNetworkError, False),
        ("effect_then_drop", TelegramNetworkError, True),
        ("effect_then_500", TelegramServerError, True),
        ("malformed", ClientDecodeError, True),
    ],
)
async def test_a_fault_strikes_once_and_is_logged(
    bot: Bot, town: Town, ann: Person, kind: str, error: type[Exception], effect: bool
) -> None:
    """The first call fails, with or without its effect; the second is well; the log names the rule."""
    rule = await town.fault(kind, bot=TOKEN, chat=ann.chat_with(TOKEN), method="sendMessage", retry_after_s=3)
    with pytest.raises(error):
        await bot.send_message(ann.id, "one")
    await bot.send_message(ann.id, "two")
    bot_texts = [m.text for m in await ann.chat_with(TOKEN).messages() if m.from_bot]
    assert bot_texts == (["one", "two"] if effect else ["two"])
    calls = await town.calls("sendMessage")
    assert [call.fault for call in calls] == [rule.id, None]
    assert [call.ok for call in calls] == [effect, True]
    assert (await town.event("fault.fired")).details["rule"] == rule.id
    assert (await town.faults())[0].fired == 1


async def test_a_fault_is_only_for_whom_it_is_meant(bot: Bot, town: Town, ann: Person) -> None:
    """Another method, chat or bot is not touched; cleared rules are gone."""
    await town.fault("500", chat=999, count=None)
    await town.fault("500", method="sendPhoto", count=None)
    await town.fault("500", bot=7, count=None)
    await bot.send_message(ann.id, "fine")
    await town.clear_faults()
    assert await town.faults() == []
    with pytest.raises(TownError, match="no fault kind 'meteor'"):
        await town.fault("meteor")


async def test_a_slow_answer_takes_its_time(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """The call hangs until the clock has moved."""
    await town.fault("slow", method="sendMessage", delay_s=30)
    sending = asyncio.create_task(bot.send_message(ann.id, "late"))
    await town.event("fault.fired")
    assert not sending.done()
    await clock.advance(30)
    assert (await sending).text == "late"


async def test_a_lost_acknowledgement_brings_the_update_again(
    bot: Bot, town: Town, ann: Person, receiver: Receiver
) -> None:
    """The receiver said 200, Telegram did not hear it."""
    await town.fault("lost_ack", method="message")
    await bot.set_webhook(receiver.url)
    await ann.says("once", to=TOKEN)
    await receiver.has(2)
    assert receiver.got[0] == receiver.got[1]
    assert (await bot.get_webhook_info()).last_error_message == "Webhook connection closed"


async def test_a_duplicate_comes_although_it_was_acknowledged(
    bot: Bot, town: Town, ann: Person, receiver: Receiver
) -> None:
    """The same update twice, and no error anywhere."""
    await town.fault("duplicate")
    await bot.set_webhook(receiver.url)
    await ann.says("twice", to=TOKEN)
    await receiver.has(2)
    assert receiver.got[0] == receiver.got[1]
    assert (await bot.get_webhook_info()).last_error_date is None


async def test_a_late_update_is_overtaken(
    bot: Bot, town: Town, ann: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """Another chat's younger update arrives first."""
    await town.fault("late", delay_s=5)
    await bot.set_webhook(receiver.url)
    await ann.says("older", to=TOKEN)
    await town.event("fault.fired")
    await (await town.person("Bob")).says("younger", to=TOKEN)
    await receiver.has(1)
    await clock.advance(5)
    await receiver.has(2)
    assert receiver.texts == ["younger", "older"]


async def test_a_private_chat_takes_one_message_a_second(clock: MovableClock) -> None:
    """After a burst of four comes 429 with its header and a reason in the journal; waiting helps."""
    async with Simulator(clock=clock) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann")
        await ann.starts(TOKEN)
        for number in range(4):
            await bot.send_message(ann.id, f"{number}")
        async with aiohttp.ClientSession() as session:
            fields = {"chat_id": ann.id, "text": "5"}
            async with session.post(f"{sim.url}/bot{TOKEN}/sendMessage", json=fields) as response:
                assert (response.status, response.headers["Retry-After"]) == (429, "1")
                assert await response.json() == {
                    "ok": False,
                    "error_code": 429,
                    "description": "Too Many Requests: retry after 1",
                    "parameters": {"retry_after": 1},
                }
        hit = await town.event("flood.hit")
        assert "1 message a second with a burst of 4" in (hit.text or "")
        await bot.send_chat_action(ann.id, "typing")
        await clock.advance(1)
        await bot.send_message(ann.id, "5")


async def test_ignoring_retry_after_makes_it_longer(clock: MovableClock) -> None:
    """A call that comes well before its time adds a second."""
    async with Simulator(clock=clock) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann")
        group = await town.group("Crew", people=[ann], bots=[TOKEN])
        for _ in range(20):
            await bot.send_message(group.id, "x")
        with pytest.raises(TelegramRetryAfter) as first:
            await bot.send_message(group.id, "x")
        await clock.advance(10)
        with pytest.raises(TelegramRetryAfter) as second:
            await bot.send_message(group.id, "x")
        assert (first.value.retry_after, second.value.retry_after) == (60, 51)
        await clock.advance(51)
        await bot.send_message(group.id, "x")


async def test_a_bot_sends_thirty_messages_a_second(clock: MovableClock) -> None:
    """The whole bot is refused after thirty, whatever the chats."""
    async with Simulator(clock=clock) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        people = [await town.person(f"P{number}") for number in range(31)]
        for person in people:
            await person.starts(TOKEN)
        for person in people[:30]:
            await bot.send_message(person.id, "news")
        with pytest.raises(TelegramRetryAfter):
            await bot.send_message(people[30].id, "news")
        assert (await town.event("flood.hit")).details["budget"] == "bot"
        await town.limits("off")
        await bot.send_message(people[30].id, "news")
