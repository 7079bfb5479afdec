"""getUpdates: offsets, long polls, filters and conflicts."""

from __future__ import annotations

import asyncio

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramConflictError
from simulator_stage import TOKEN, Receiver, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person, Town


async def texts(bot: Bot, **arguments: int) -> list[str]:
    return [u.message.text or "" for u in await bot.get_updates(**arguments) if u.message]


async def polling(town: Town, bot: Bot, wait_s: int = 50) -> asyncio.Task[list[str]]:
    """A poll that is waiting by now."""
    seq = (await town.events())[-1].seq
    poll = asyncio.create_task(texts(bot, timeout=wait_s))
    await town.event("poll.opened", after=seq)
    return poll


async def test_an_offset_confirms_what_is_below_it(bot: Bot, ann: Person) -> None:
    """Without an offset everything comes again; an offset forgets what is below it at once."""
    for text in "abc":
        await ann.says(text, to=TOKEN)
    first = (await bot.get_updates())[0].update_id
    assert await texts(bot) == ["a", "b", "c"]
    assert await texts(bot, offset=first + 1, limit=1) == ["b"]
    assert await texts(bot) == ["b", "c"]


async def test_a_negative_offset_keeps_the_newest(bot: Bot, ann: Person) -> None:
    """`offset=-1` keeps one update and forgets the rest."""
    for text in "abc":
        await ann.says(text, to=TOKEN)
    assert await texts(bot, offset=-1) == ["c"]
    assert await texts(bot) == ["c"]


async def test_an_offset_far_ahead_is_ignored(bot: Bot, ann: Person) -> None:
    """An offset beyond the tail by more than ten reads from the head."""
    await ann.says("a", to=TOKEN)
    update_id = (await bot.get_updates())[0].update_id
    assert await texts(bot, offset=update_id + 100) == ["a"]
    assert await texts(bot, offset=update_id + 2) == []


async def test_update_ids_go_up_by_one(bot: Bot, town: Town, ann: Person) -> None:
    """All kinds and chats of a bot share one sequence."""
    bob = await town.person("Bob")
    await ann.says("a", to=TOKEN)
    await bob.says("b", to=TOKEN)
    await ann.blocks(TOKEN)
    ids = [update.update_id for update in await bot.get_updates()]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    assert ids[0] > 2_000_000


async def test_a_long_poll_is_answered_by_the_next_update(town: Town, bot: Bot, ann: Person) -> None:
    """The waiting call returns as soon as somebody writes."""
    poll = await polling(town, bot)
    await ann.says("now", to=TOKEN)
    assert await poll == ["now"]


async def test_a_long_poll_ends_empty(town: Town, bot: Bot, ann: Person, clock: MovableClock) -> None:
    """When its time is over the answer is an empty list."""
    poll = await polling(town, bot, wait_s=20)
    await clock.advance(20)
    assert await poll == []


async def test_a_second_poller_ends_the_first(sim: Simulator, town: Town, bot: Bot, ann: Person) -> None:
    """The older waiting call gets 409; the newer one gets the update."""
    first = await polling(town, bot)
    async with aiogram_bot(sim) as rival:
        second = await polling(town, rival)
        with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request; make"):
            await first
        await ann.says("for the second", to=TOKEN)
        assert await second == ["for the second"]


async def test_a_webhook_and_polling_exclude_each_other(
    town: Town, bot: Bot, ann: Person, receiver: Receiver, clock: MovableClock
) -> None:
    """setWebhook ends a waiting poll, later polls are refused; the second refusal is three seconds late."""
    poll = await polling(town, bot)
    await bot.set_webhook(receiver.url)
    with pytest.raises(TelegramConflictError, match="terminated by setWebhook request"):
        await poll
    await clock.advance(3)
    with pytest.raises(TelegramConflictError, match="can't use getUpdates method while webhook is active"):
        await bot.get_updates()
    seq = (await town.events())[-1].seq
    hasty = asyncio.create_task(bot.get_updates())
    await town.event("poll.refused", after=seq)
    assert not hasty.done()
    await clock.advance(3)
    with pytest.raises(TelegramConflictError):
        await hasty


async def test_allowed_updates_filter_at_creation(bot: Bot, ann: Person) -> None:
    """A kind that was not wanted when it happened never comes; the setting stays until changed."""
    await bot.get_updates(allowed_updates=["my_chat_member"])
    await ann.says("unheard", to=TOKEN)
    assert await bot.get_updates() == []
    info = await bot.get_webhook_info()
    assert info.allowed_updates == ["my_chat_member"]
    await bot.get_updates(allowed_updates=[])
    await ann.says("heard", to=TOKEN)
    assert await texts(bot) == ["heard"]


async def test_updates_have_a_lifetime(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """A checkout is kept for 150 seconds, a message for a day."""
    await ann.checks_out("plan", bot=TOKEN, amount=1)
    await ann.says("text", to=TOKEN)
    await clock.advance(151)
    assert [u.event_type for u in await bot.get_updates()] == ["message"]
    await clock.advance(86_400)
    assert await bot.get_updates() == []


async def test_spinning_is_slowed_down(clock: MovableClock) -> None:
    """With limits on, the same offset within half a second gets one update at a time."""
    async with Simulator(clock=clock) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann")
        for text in "ab":
            await ann.says(text, to=TOKEN)
        assert await texts(bot) == ["a", "b"]
        assert await texts(bot) == ["a"]
        await clock.advance(1)
        assert await texts(bot) == ["a", "b"]
