"""Webhook delivery: order, retries, lifetimes, and what the receiver can answer."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiohttp import web
from simulator_stage import TOKEN, Receiver, buttons

from posthouse.simulator import MovableClock
from posthouse.testing.town import Event, Person, Town


def refuse(status: int = 500, **headers: str) -> partial[web.Response]:
    return partial(web.Response, status=status, headers=headers)


async def failure(town: Town, after: int) -> Event:
    return await town.event("update.failed", after=after)


async def test_an_update_is_posted_as_telegram_does(bot: Bot, ann: Person, receiver: Receiver) -> None:
    """The body has a line feed after the number, the secret is in its header."""
    await bot.set_webhook(receiver.url, secret_token="s3cret")
    await ann.says("hello", to=TOKEN)
    update = (await receiver.has(1))[0]
    assert receiver.bodies[0].startswith(b'{"update_id":%d,\n"message":{' % update["update_id"])
    assert receiver.headers[0]["X-Telegram-Bot-Api-Secret-Token"] == "s3cret"
    assert receiver.headers[0]["Content-Type"] == "application/json"


async def test_the_retry_schedule(bot: Bot, town: Town, ann: Person, receiver: Receiver, clock: MovableClock) -> None:
    """At once, then 2, 4, 8, 16, 32 seconds, then 60 to 64, then a minute or two; always the same update."""
    receiver.script = [refuse()] * 8
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    waits, seq = [], 0
    for _ in range(8):
        event = await failure(town, seq)
        seq = event.seq
        waits.append(event.details["retry_in_s"])
        await clock.advance(waits[-1])
    updates = await receiver.has(9)
    assert waits[:6] == [0, 2, 4, 8, 16, 32]
    assert 60 <= waits[6] <= 64
    assert 60 <= waits[7] <= 120
    assert len({update["update_id"] for update in updates}) == 1
    await town.event("update.delivered")
    info = await bot.get_webhook_info()
    assert info.pending_update_count == 0
    assert info.last_error_message == "Wrong response from the webhook: 500 Internal Server Error"


async def test_retry_after_replaces_the_schedule(
    bot: Bot, town: Town, ann: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """The wait is the receiver's, at most an hour, and does not advance the doubling."""
    receiver.script = [refuse(503, **{"Retry-After": "7"}), refuse(429, **{"Retry-After": "9999"}), refuse()]
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    waits, seq = [], 0
    for _ in range(3):
        event = await failure(town, seq)
        seq = event.seq
        waits.append(event.details["retry_in_s"])
        await clock.advance(waits[-1])
    assert waits == [7, 3600, 0]
    await receiver.has(4)


async def test_a_press_dies_when_the_retry_would_be_too_late(
    bot: Bot, town: Town, ann: Person, receiver: Receiver
) -> None:
    """A callback query lives 150 seconds; a longer Retry-After throws it away at once."""
    await bot.send_message(ann.id, "?", reply_markup=buttons([("Go", "go")]))
    receiver.script = [refuse(503, **{"Retry-After": "300"})]
    await bot.set_webhook(receiver.url)
    await ann.presses("Go", on=TOKEN)
    dropped = await town.event("update.dropped")
    assert dropped.details["update"] == "callback_query"
    assert (await bot.get_webhook_info()).pending_update_count == 0


async def test_a_press_gets_about_eight_attempts(
    bot: Bot, town: Town, ann: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """With a receiver that always fails, a callback query is tried eight times and then dropped."""
    await bot.send_message(ann.id, "?", reply_markup=buttons([("Go", "go")]))
    receiver.script = [refuse()] * 20
    await bot.set_webhook(receiver.url)
    await ann.presses("Go", on=TOKEN)
    seq = 0
    for _ in range(7):
        event = await failure(town, seq)
        seq = event.seq
        await clock.advance(event.details["retry_in_s"])
    await town.event("update.dropped")
    assert len(receiver.got) == 8


async def test_one_chat_is_delivered_in_order_one_at_a_time(bot: Bot, ann: Person, receiver: Receiver) -> None:
    """The second message waits until the first was answered."""
    gate = receiver.held["first"] = asyncio.Event()
    await bot.set_webhook(receiver.url)
    await ann.says("first", to=TOKEN)
    await ann.says("second", to=TOKEN)
    await receiver.has(1)
    assert (await bot.get_webhook_info()).pending_update_count == 2
    gate.set()
    await receiver.has(2)
    assert receiver.texts == ["first", "second"]


async def test_other_chats_and_presses_overtake(bot: Bot, town: Town, ann: Person, receiver: Receiver) -> None:
    """A message that hangs blocks its chat's messages only: not a press in that chat, not another person."""
    await bot.send_message(ann.id, "?", reply_markup=buttons([("Go", "go")]))
    gate = receiver.held["stuck"] = asyncio.Event()
    await bot.set_webhook(receiver.url)
    await ann.says("stuck", to=TOKEN)
    await receiver.has(1)
    await ann.says("behind", to=TOKEN)
    await ann.presses("Go", on=TOKEN)
    await (await town.person("Bob")).says("hello", to=TOKEN)
    updates = await receiver.has(3)
    assert {next(iter(set(update) - {"update_id"})) for update in updates[1:]} == {
        "callback_query",
        "message",
    }
    assert "behind" not in receiver.texts
    gate.set()
    await receiver.has(4)


async def test_max_connections_bounds_what_is_in_flight(bot: Bot, town: Town, receiver: Receiver) -> None:
    """With one connection, a second chat waits for the first."""
    gate = receiver.held["stuck"] = asyncio.Event()
    await bot.set_webhook(receiver.url, max_connections=1)
    await (await town.person("Ann")).says("stuck", to=TOKEN)
    await receiver.has(1)
    await (await town.person("Bob")).says("hello", to=TOKEN)
    assert receiver.texts == ["stuck"]
    gate.set()
    await receiver.has(2)


async def test_sixty_seconds_of_silence_are_a_failure(
    bot: Bot, town: Town, ann: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """The update comes again while the first attempt still hangs."""
    receiver.held["slow"] = asyncio.Event()
    await bot.set_webhook(receiver.url)
    await ann.says("slow", to=TOKEN)
    await receiver.has(1)
    await clock.advance(60)
    assert (await failure(town, 0)).text == "Read timeout expired"
    await receiver.has(2)
    assert receiver.got[0] == receiver.got[1]


async def test_an_unreachable_receiver_is_reported(bot: Bot, town: Town, ann: Person) -> None:
    """The error is in getWebhookInfo and goes away with the webhook."""
    await bot.set_webhook("http://127.0.0.1:9/hook")
    await ann.says("anybody?", to=TOKEN)
    await failure(town, 0)
    assert (await bot.get_webhook_info()).last_error_message == "Can't connect to the webhook"
    await bot.delete_webhook()
    info = await bot.get_webhook_info()
    assert (info.url, info.pending_update_count, info.last_error_date) == ("", 1, None)


async def test_the_answer_may_carry_a_call(bot: Bot, ann: Person, receiver: Receiver) -> None:
    """A method in a 2xx body is performed; methods that move the webhook are not."""
    call = {"method": "sendMessage", "chat_id": ann.id, "text": "from the answer"}
    receiver.script = [
        lambda: web.json_response({"method": "deleteWebhook"}),
        lambda: web.json_response(call),
    ]
    await bot.set_webhook(receiver.url)
    await ann.says("one", to=TOKEN)
    await ann.says("two", to=TOKEN)
    await ann.chat_with(TOKEN).shows("from the answer")
    assert (await bot.get_webhook_info()).url == receiver.url


async def test_410_for_23_hours_removes_the_webhook(
    bot: Bot, town: Town, ann: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """Nothing but 410 for that long, and the webhook is gone."""
    receiver.script = [refuse(410, **{"Retry-After": "3600"})] * 30
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    seq = 0
    for _ in range(23):
        seq = (await failure(town, seq)).seq
        await clock.advance(3600)
    await town.event("webhook.removed")
    assert (await bot.get_webhook_info()).url == ""


async def test_what_was_pending_goes_to_a_new_webhook(bot: Bot, ann: Person, receiver: Receiver) -> None:
    """Updates outlive a change of webhook, unless they are dropped on request."""
    await ann.says("before", to=TOKEN)
    await bot.set_webhook(receiver.url)
    await receiver.has(1)
    await bot.delete_webhook()
    await ann.says("between", to=TOKEN)
    await bot.set_webhook(receiver.url, drop_pending_updates=True)
    await ann.says("after", to=TOKEN)
    await receiver.has(2)
    assert receiver.texts == ["before", "after"]


@pytest.mark.parametrize(
    ("url", "secret", "text"),
    [
        ("http://example.org/hook", "", "bad webhook: An HTTPS URL must be provided for webhook"),
        ("ftp://example.org", "", "invalid webhook URL specified"),
        ("https://example.org", "a b", "secret token contains unallowed characters"),
        ("https://example.org", "x" * 257, "secret token is too long"),
    ],
)
async def test_bad_webhooks_are_refused(bot: Bot, url: str, secret: str, text: str) -> None:
    """Plain http is for near hosts only; a secret has an alphabet and a length."""
    with pytest.raises(TelegramBadRequest, match=text):
        await bot.set_webhook(url, secret_token=secret)
