"""What is seen of deliveries, and the faults that happen to them."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiogram import Bot
from aiohttp import FormData, web
from simulator_stage import TOKEN, Receiver, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person, Town


async def test_every_attempt_is_logged(bot: Bot, town: Town, ann: Person, receiver: Receiver) -> None:
    """With its number, status, error, answer, and when it is tried again."""
    receiver.script = [lambda: web.Response(status=503, headers={"Retry-After": "5"}, text="busy")]
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    (failed,) = await town.deliveries(count=1)
    assert (failed.attempt, failed.outcome, failed.status, failed.answer) == (1, "failed", 503, "busy")
    assert failed.error == "Wrong response from the webhook: 503 Service Unavailable"
    assert (failed.kind, failed.chat_id, failed.url, failed.via) == ("message", ann.id, receiver.url, "webhook")
    assert failed.retry_at == failed.time + 5
    (pending,) = [update for update in await town.updates(TOKEN) if update.state == "pending"]
    assert (pending.update_id, pending.attempts) == (failed.update_id, 1)
    assert pending.update["message"]["text"] == "hello"
    await town.passes(5)
    (done,) = await town.deliveries(count=1, after=failed.seq)
    assert (done.attempt, done.outcome, done.error, done.latency_s >= 0) == (2, "delivered", None, True)
    assert (await town.updates(TOKEN))[-1].state == "delivered"


async def test_a_poll_is_a_delivery_too(bot: Bot, town: Town, ann: Person) -> None:
    """Handed on each read, confirmed by the offset."""
    await ann.says("hello", to=TOKEN)
    (update,) = await bot.get_updates()
    await bot.get_updates()
    assert [(one.via, one.outcome, one.attempt) for one in await town.deliveries()] == [
        ("poll", "handed", 1),
        ("poll", "handed", 2),
    ]
    await bot.get_updates(offset=update.update_id + 1)
    assert (await town.updates(TOKEN))[-1].state == "confirmed"


async def test_calls_and_deliveries_can_be_followed(sim: Simulator, bot: Bot, town: Town, ann: Person) -> None:
    """One stream tells events, calls and deliveries as they happen."""
    async with aiohttp.ClientSession() as session:
        url = f"{sim.url}/sim/v1/events/stream?calls_after=0&deliveries_after=0"
        async with session.get(url) as stream:
            await ann.says("hello", to=TOKEN)
            await bot.get_updates()
            seen: dict[str, dict[str, object]] = {}
            name = "journal"
            async with asyncio.timeout(5):
                async for line in stream.content:
                    if line.startswith(b"event: "):
                        name = line[7:].strip().decode()
                    elif line.startswith(b"data: "):
                        data = json.loads(line[6:])
                        seen[name if name != "journal" else data["kind"]] = data
                        name = "journal"
                    if {"person.said", "call", "delivery"} <= seen.keys() and seen["call"]["method"] == "getUpdates":
                        break
    assert seen["delivery"]["outcome"] == "handed"


async def test_a_tap_comes_before_its_message(bot: Bot, town: Town, ann: Person, receiver: Receiver) -> None:
    """The reorder fault holds a message back until the chat's next update has overtaken it."""
    await bot.send_message(ann.id, "?", reply_markup=buttons([("Go", "go")]))
    await town.fault("reorder", update="message", chat=ann.chat_with(TOKEN), delay_s=3600)
    await bot.set_webhook(receiver.url)
    await ann.says("older", to=TOKEN)
    await town.event("fault.fired")
    await ann.presses("Go", on=TOKEN)
    updates = await receiver.has(2)
    assert ["callback_query" in update for update in updates] == [True, False]
    assert updates[0]["update_id"] > updates[1]["update_id"]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("timed_out", "Read timeout expired"), ("lost_ack", "Webhook connection closed")],
)
async def test_a_lost_answer_brings_the_update_again(
    bot: Bot, town: Town, ann: Person, receiver: Receiver, kind: str, error: str
) -> None:
    """The receiver did its work twice, and the log names the rule."""
    rule = await town.fault(kind, update="message")
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    await receiver.has(2)
    first, second = await town.deliveries(count=2)
    assert (first.error, first.fault, second.fault) == (error, rule.id, None)


async def test_an_unreachable_receiver_gets_nothing(bot: Bot, town: Town, ann: Person, receiver: Receiver) -> None:
    """The attempt fails before anything is sent."""
    await town.fault("unreachable")
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    await town.deliveries(outcome="delivered", count=1)
    assert len(receiver.got) == 1
    assert (await town.deliveries(outcome="failed"))[0].error == "Can't connect to the webhook"


async def test_a_poller_gets_a_duplicate(bot: Bot, town: Town, ann: Person) -> None:
    """Confirmed and yet there again, once."""
    await town.fault("duplicate")
    await ann.says("hello", to=TOKEN)
    (update,) = await bot.get_updates()
    (again,) = await bot.get_updates(offset=update.update_id + 1)
    assert again.update_id == update.update_id
    assert await bot.get_updates(offset=update.update_id + 1) == []


async def test_faults_of_updates(bot: Bot, town: Town, ann: Person) -> None:
    """A lost update, an unknown kind, unknown fields, and a jump of the numbering."""
    for kind in ("lost_update", "unknown_kind", "unknown_fields", "update_id_jump"):
        await town.fault(kind, person=ann)
    for text in ("lost", "strange", "deep", "far", "near"):
        await ann.says(text, to=TOKEN)
    strange, deep, far, near = [update.update for update in await town.updates(TOKEN) if update.state == "pending"]
    assert set(strange) == {"update_id", "sent_from_the_future"}
    assert (deep["message"]["text"], "from_the_future" in deep["message"]) == ("deep", True)
    assert far["update_id"] < deep["update_id"]
    assert near["update_id"] == far["update_id"] + 1


async def test_a_receiver_that_was_down_gets_one_connection(
    bot: Bot, town: Town, receiver: Receiver, clock: MovableClock
) -> None:
    """After ten seconds without a success, one update at a time, until one is acknowledged."""
    people = [await town.person(f"P{number}") for number in range(8)]
    await bot.set_webhook(receiver.url)
    await clock.advance(11)
    gate = receiver.held["hello"] = asyncio.Event()
    for person in people:
        await person.says("hello", to=TOKEN)
    await receiver.has(1)
    assert (await bot.get_webhook_info()).pending_update_count == 8
    assert len(receiver.got) == 1
    gate.set()
    await receiver.has(8)


async def test_an_answer_may_be_a_form_with_a_file(bot: Bot, ann: Person, receiver: Receiver) -> None:
    """A method in a multipart body is performed, its file included."""
    form = FormData()
    form.add_field("method", "sendDocument")
    form.add_field("chat_id", str(ann.id))
    form.add_field("document", b"content", filename="a.txt")
    payload = form()

    class Kept:
        data = b""

        async def write(self, chunk: bytes) -> None:
            self.data += chunk

    kept = Kept()
    await payload.write(kept)  # type: ignore[arg-type]
    receiver.script = [lambda: web.Response(body=kept.data, headers={"Content-Type": payload.content_type})]
    await bot.set_webhook(receiver.url)
    await ann.says("send it", to=TOKEN)
    message = await ann.chat_with(TOKEN).next_message()
    assert await ann.chat_with(TOKEN).file(message) == b"content"
