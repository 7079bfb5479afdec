"""The clock over HTTP: moved, stopped, faster, and back to real time; and what falls due on the way."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from aiogram import Bot
from aiohttp import web
from simulator_stage import TOKEN, Receiver, aiogram_bot

from posthouse.simulator import MovableClock, RealClock, Simulator
from posthouse.simulator.clock import sleep_until
from posthouse.simulator.views import Move
from posthouse.testing.town import Person, Town, TownError


async def test_a_day_of_retries_passes_in_one_call(bot: Bot, town: Town, ann: Person, receiver: Receiver) -> None:
    """Every retry happens at its own moment, and the update is given up when its day is over."""
    receiver.script = [lambda: web.Response(status=500)] * 3000
    await bot.set_webhook(receiver.url)
    await ann.says("hello", to=TOKEN)
    await town.event("update.failed")
    began = time.monotonic()
    await town.passes(86_400)
    assert time.monotonic() - began < 25
    attempts = await town.deliveries(bot=TOKEN)
    assert 700 < len(attempts) < 1500
    assert [one.attempt for one in attempts] == list(range(1, len(attempts) + 1))
    waits = [later.time - earlier.time for earlier, later in pairwise(attempts[8:])]
    assert all(59 < wait < 122 for wait in waits)
    assert (attempts[-1].outcome, (await bot.get_webhook_info()).pending_update_count) == ("dropped", 0)


async def test_a_receiver_that_never_answers_does_not_stop_time(
    bot: Bot, town: Town, ann: Person, receiver: Receiver
) -> None:
    """At each moment it is waited for only so long; its sixty seconds run out on the way."""
    import asyncio

    receiver.held["stuck"] = asyncio.Event()
    await bot.set_webhook(receiver.url)
    await ann.says("stuck", to=TOKEN)
    await receiver.has(1)
    await town.passes(61, rest_s=0.05)
    (attempt,) = await town.deliveries(outcome="failed")
    assert attempt.error == "Read timeout expired"


async def test_time_is_moved_to_a_moment_and_never_back(town: Town, bot: Bot, clock: MovableClock) -> None:
    """The past is refused with how far it is."""
    now = clock.now()
    assert (await town.moves_clock(Move(to=now + 100))).now == pytest.approx(now + 100)
    with pytest.raises(TownError, match=r"time does not go back: the clock is 50\.0"):
        await town.moves_clock(Move(to=now + 50))
    with pytest.raises(TownError, match="time does not go back"):
        await town.moves_clock(Move(real=True))


async def test_a_clock_runs_faster_stops_and_catches_up() -> None:
    """An hour passes in a moment of real time; a stopped clock stands; real time is only ahead."""
    async with Simulator() as sim, Town(sim.url) as town:
        fast = await town.moves_clock(Move(rate=100_000))
        await sleep_until(sim.world.clock, fast.now + 3600)
        frozen = await town.moves_clock(Move(rate=0))
        assert frozen.now >= fast.now + 3600
        assert sim.world.clock.now() == frozen.now
        assert (frozen.rate, frozen.movable) == (0, True)
        with pytest.raises(TownError, match="ahead"):
            await town.moves_clock(Move(real=True))
    async with Simulator(clock=MovableClock(1_000_000_000.0)) as sim, Town(sim.url) as town:
        real = await town.moves_clock(Move(real=True))
        assert (real.rate, real.ahead_s) == (1, pytest.approx(0, abs=0.5))


async def test_a_clock_that_is_not_ours_is_left_alone() -> None:
    """A simulator on the machine's own clock says that it cannot be moved."""
    async with Simulator(clock=RealClock()) as sim, Town(sim.url) as town:
        with pytest.raises(TownError, match="cannot be moved"):
            await town.passes(1)


async def test_limits_and_deadlines_follow_the_clock() -> None:
    """A moved clock opens a flood gate."""
    async with Simulator(clock=MovableClock()) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann")
        await ann.starts(TOKEN)
        for _ in range(4):
            await bot.send_message(ann.id, "x")
        await town.passes(1)
        await bot.send_message(ann.id, "x")
