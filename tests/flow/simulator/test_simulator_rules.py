"""Fault rules and limits: what they match, what they do, and what one sees of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.base import ClientDecodeError
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from simulator_stage import TOKEN, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.simulator.faults import KINDS
from posthouse.simulator.floods import Load
from posthouse.testing.town import Person, Town


async def sent(bot: Bot, chat_id: int, text: str = "x") -> str:
    """What becomes of a message: ok, or the name of the error."""
    try:
        await bot.send_message(chat_id, text)
    except Exception as error:
        return type(error).__name__
    return "ok"


@pytest.mark.parametrize(
    ("kind", "error", "effect"),
    [
        ("503", TelegramServerError, False),
        ("504", TelegramServerError, False),
        ("401", TelegramUnauthorizedError, False),
        ("404", TelegramNotFound, False),
        ("409", TelegramConflictError, False),
        ("409_webhook", TelegramConflictError, False),
        ("kicked", TelegramForbiddenError, False),
        ("deactivated", TelegramForbiddenError, False),
        ("chat_not_found", TelegramBadRequest, False),
        ("not_modified", TelegramBadRequest, False),
        ("message_gone", TelegramBadRequest, False),
        ("query_too_old", TelegramBadRequest, False),
        ("effect_then_502", ClientDecodeError, True),
        ("truncated", TelegramNetworkError, True),
    ],
)
async def test_what_the_bot_sees_of_a_fault(
    bot: Bot, town: Town, ann: Person, kind: str, error: type[Exception], effect: bool
) -> None:
    """The error that a real client makes of it, and whether the message was sent all the same."""
    await town.fault(kind, method="sendMessage")
    with pytest.raises(error):
        await bot.send_message(ann.id, "one")
    assert [m.text for m in await ann.chat_with(TOKEN).messages() if m.from_bot] == (["one"] if effect else [])
    assert (await town.calls("sendMessage"))[-1].fault == 1


async def test_all_kinds_are_explained(town: Town) -> None:
    """Every kind has a stage and a sentence, and is accepted as a rule."""
    kinds = await town.fault_kinds()
    assert [kind.kind for kind in kinds] == list(KINDS)
    assert all(kind.explanation.endswith((".", "60 s.", "null it stays so.")) for kind in kinds)
    for kind in kinds:
        assert (await town.fault(kind.kind, method="nothing")).kind == kind.kind


async def test_a_rule_waits_its_turn_and_throws_dice(bot: Bot, town: Town, ann: Person) -> None:
    """`skip` lets the first pass, `count` ends it, `probability` with a `seed` falls the same again."""
    await town.fault("500", method="sendMessage", skip=2, count=1)
    assert [await sent(bot, ann.id) for _ in range(4)] == ["ok", "ok", "TelegramServerError", "ok"]
    runs = []
    for _ in range(2):
        await town.clear_faults()
        rule = await town.fault("500", method="sendMessage", probability=0.4, seed=5, count=None)
        runs.append([await sent(bot, ann.id) for _ in range(20)])
        (after,) = await town.faults()
        assert (after.id, after.matched, after.fired) == (rule.id, 20, runs[-1].count("TelegramServerError"))
    assert runs[0] == runs[1]
    assert 2 < runs[0].count("ok") < 18


async def test_a_rule_for_a_person_or_a_kind_of_update(bot: Bot, town: Town, ann: Person) -> None:
    """Only that person's updates are struck."""
    bob = await town.person("Bob")
    await town.fault("lost_update", person=bob, update="message", count=None)
    await ann.says("from Ann", to=TOKEN)
    await bob.says("from Bob", to=TOKEN)
    assert [u.message.text for u in await bot.get_updates() if u.message] == ["from Ann"]


async def test_an_effect_whose_answer_is_late(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """The message is there at once, the answer beyond any time-out."""
    await town.fault("effect_then_slow", method="sendMessage", delay_s=90)
    sending = asyncio.create_task(bot.send_message(ann.id, "there"))
    await ann.chat_with(TOKEN).shows("there")
    assert not sending.done()
    await clock.advance(90)
    assert (await sending).text == "there"


async def test_the_group_really_migrates(bot: Bot, town: Town, ann: Person) -> None:
    """The call is told the new id, and the supergroup is there."""
    group = await town.group("Crew", people=[ann], bots=[TOKEN])
    await town.fault("chat_migrated", chat=group)
    with pytest.raises(TelegramMigrateToChat) as told:
        await bot.send_message(group.id, "x")
    assert (await bot.send_message(told.value.migrate_to_chat_id, "moved")).chat.type == "supergroup"


async def test_a_lasting_block_lasts(bot: Bot, town: Town, ann: Person) -> None:
    """The person really blocked the bot: it is told, and every later message is refused."""
    await town.fault("blocked", chat=ann.chat_with(TOKEN), lasting=True)
    assert [await sent(bot, ann.id) for _ in range(2)] == ["TelegramForbiddenError"] * 2
    (update,) = await bot.get_updates()
    assert update.my_chat_member
    assert update.my_chat_member.new_chat_member.status == "kicked"


async def test_a_deleted_account_and_a_kick_last(bot: Bot, town: Town, ann: Person) -> None:
    """Nobody is there any more, and the bot is really outside."""
    group = await town.group("Crew", people=[await town.person("Bob")], bots=[TOKEN])
    await town.fault("deactivated", chat=ann.chat_with(TOKEN), lasting=True)
    await town.fault("kicked", chat=group, lasting=True)
    for chat_id in (ann.id, group.id):
        assert [await sent(bot, chat_id) for _ in range(2)] == ["TelegramForbiddenError"] * 2
    await town.event("person.deleted")
    await town.event("member.changed")


async def test_a_429_can_close_a_chat_or_the_bot(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """Even with limits off: until the wait is over, longer for who does not wait; other chats go on."""
    bob = await town.person("Bob")
    await bob.starts(TOKEN)
    await town.fault("429", chat=ann.chat_with(TOKEN), scope="chat", retry_after_s=10)
    assert [await sent(bot, ann.id), await sent(bot, ann.id), await sent(bot, bob.id)] == [
        "TelegramRetryAfter",
        "TelegramRetryAfter",
        "ok",
    ]
    await clock.advance(5)
    with pytest.raises(TelegramRetryAfter) as early:
        await bot.send_message(ann.id, "x")
    assert early.value.retry_after == 6
    await clock.advance(6)
    assert await sent(bot, ann.id) == "ok"
    await town.fault("429", scope="bot", retry_after_s=3, method="sendMessage")
    assert [await sent(bot, ann.id), await sent(bot, bob.id)] == ["TelegramRetryAfter"] * 2
    state = await town.limits_now()
    assert [(budget.budget, budget.closed_for_s) for budget in state.budgets] == [("forced", 3)]
    assert "fault rule 2 closed bot 4242" in state.hits[0].explanation
    await town.clear_faults()
    assert await sent(bot, ann.id) == "ok"


async def test_a_growing_429(bot: Bot, town: Town, ann: Person) -> None:
    """Each asks for more than the one before."""
    await town.fault("429", method="sendMessage", count=3, retry_after_s=1, growth_s=10)
    waits = []
    for _ in range(3):
        with pytest.raises(TelegramRetryAfter) as refused:
            await bot.send_message(ann.id, "x")
        waits.append(refused.value.retry_after)
    assert waits == [1, 11, 21]


# Limits.


@pytest.fixture
async def limited(clock: MovableClock) -> AsyncIterator[tuple[Town, Bot, Person]]:
    async with Simulator(clock=clock, limits="strict", seed=1) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann")
        await ann.starts(TOKEN)
        yield town, bot, ann


async def test_the_strict_profile_has_no_bursts(limited: tuple[Town, Bot, Person], clock: MovableClock) -> None:
    """One message a second, twice the wait for who ignores it, and light calls count."""
    town, bot, ann = limited
    assert [await sent(bot, ann.id), await sent(bot, ann.id)] == ["ok", "TelegramRetryAfter"]
    await clock.advance(0.6)
    with pytest.raises(TelegramRetryAfter) as ignored:
        await bot.send_message(ann.id, "x")
    assert ignored.value.retry_after == 2
    await clock.advance(2)
    assert await sent(bot, ann.id) == "ok"
    for _ in range(30):
        await bot.send_chat_action(ann.id, "typing")
    with pytest.raises(TelegramRetryAfter):
        await bot.send_chat_action(ann.id, "typing")
    state = await town.limits_now()
    assert (state.profile, state.hits[0].budget) == ("strict", "light")
    assert {budget.budget for budget in state.budgets} == {"bot", "private chat", "light"}
    await town.limits("off")
    assert [await sent(bot, ann.id) for _ in range(5)] == ["ok"] * 5


async def test_new_tokens_are_counted_strictly(limited: tuple[Town, Bot, Person]) -> None:
    """Twenty new tokens a minute from one address."""
    town, _, _ = limited
    async with aiohttp.ClientSession() as session:
        statuses = []
        for number in range(21):
            async with session.get(f"{town.url}/bot{5000 + number}:x/getMe") as response:
                statuses.append(response.status)
    assert statuses == [200] * 20 + [429]


async def test_too_many_calls_at_a_time_hang_and_are_refused(clock: MovableClock) -> None:
    """A bot without updates may have a thousand calls under way; the next hangs 3 s and gets 429 for 60 s."""
    async with (
        Simulator(clock=clock, limits="strict") as sim,
        Town(sim.url) as town,
        aiohttp.ClientSession() as session,
    ):
        sim.world.loads[4242] = Load(requests=1000)
        calling = asyncio.create_task(session.get(f"{sim.url}/bot{TOKEN}/getWebhookInfo"))
        await town.event("server.hung")
        await clock.advance(3)
        async with await calling as response:
            assert response.status == 429
            assert (await response.json())["parameters"] == {"retry_after": 60}


async def test_paid_broadcast_goes_beyond_thirty_and_costs_stars(clock: MovableClock) -> None:
    """Thirty a second are free; a tenth of a Star for each further one, from the bot's balance."""
    async with Simulator(clock=clock) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        people = [await town.person(f"P{number}") for number in range(50)]
        for person in people:
            await person.starts(TOKEN)
        sim.world.town.bots[4242].stars = 100
        for person in people:
            await bot.send_message(person.id, "news", allow_paid_broadcast=True)
        assert (await bot.get_my_star_balance()).amount == 98
        transactions = (await bot.get_star_transactions()).transactions
        assert [(one.amount, one.receiver.type if one.receiver else "") for one in transactions] == [
            (1, "telegram_api"),
            (1, "telegram_api"),
        ]


# Webhooks, strictly.


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"url": "http://example.org/h"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ({"url": "https://1.1.1.1:81/h"}, "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"),
        ({"url": "https://127.0.0.1/h"}, "bad webhook: IP address 127.0.0.1 is reserved"),
        ({"url": "https://10.1.2.3:8443/h"}, "bad webhook: IP address 10.1.2.3 is reserved"),
        ({"url": "https://[2606:4700::1111]/h"}, "bad webhook: IPv6-only addresses are not allowed"),
        ({"url": "https://localhost/h"}, "bad webhook: IP address 127.0.0.1 is reserved"),
        ({"url": "https://nobody.invalid/h"}, "bad webhook: Failed to resolve host: Name or service not known"),
        ({"url": "https://1.1.1.1/h", "ip_address": "one"}, "bad webhook: Invalid IP address specified"),
        ({"url": "https:///h"}, "invalid webhook URL specified"),
        ({"url": "https://1.1.1.1:port/h"}, "invalid webhook URL specified"),
    ],
)
async def test_the_public_server_is_choosy(clock: MovableClock, arguments: dict[str, str], text: str) -> None:
    """The exact texts, and a webhook that was there is gone after a failure."""
    async with Simulator(clock=clock, strict_webhooks=True) as sim, aiogram_bot(sim) as bot:
        assert await bot.set_webhook("https://1.1.1.1:8443/h")
        assert (await bot.get_webhook_info()).ip_address == "1.1.1.1"
        await clock.advance(1)
        with pytest.raises(TelegramBadRequest, match=text.replace(".", r"\.")):
            await bot.set_webhook(**arguments)
        assert (await bot.get_webhook_info()).url == ""


async def test_webhooks_are_set_once_a_second_and_not_twice(clock: MovableClock) -> None:
    """The same parameters again change nothing; another URL within a second is refused."""
    async with Simulator(clock=clock) as sim, aiohttp.ClientSession() as session:

        async def set_webhook(**fields: str) -> tuple[int, str]:
            async with session.get(f"{sim.url}/bot{TOKEN}/setWebhook", params=fields) as response:
                return response.status, (await response.json())["description"]

        assert await set_webhook(url="127.0.0.1:9/h") == (200, "Webhook was set")
        status, _ = await set_webhook(url="https://127.0.0.1:9/h")
        assert status == 429
        await clock.advance(1)
        assert await set_webhook(url="https://127.0.0.1:9/h") == (200, "Webhook is already set")
        await clock.advance(1)
        assert await set_webhook(url="https://127.0.0.1:9/h", max_connections="500") == (200, "Webhook was set")
        await clock.advance(1)
        form = aiohttp.FormData({"url": "https://127.0.0.1:9/h"})
        form.add_field("certificate", io.BytesIO(b"x" * (3 * 1024 * 1024 + 1)), filename="c.pem")
        async with session.post(f"{sim.url}/bot{TOKEN}/setWebhook", data=form) as response:
            told = (await response.json())["description"]
            assert told == "Bad Request: certificate size is too big (3145729 bytes)"
        async with session.get(f"{sim.url}/bot{TOKEN}/getWebhookInfo") as response:
            assert (await response.json())["result"] == {
                "url": "",
                "has_custom_certificate": False,
                "pending_update_count": 0,
            }
