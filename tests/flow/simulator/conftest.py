"""A simulator, its town, a bot, and a webhook receiver, each over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiogram import Bot
from aiohttp import web
from simulator_stage import TOKEN, Receiver, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.fixtures import movable_clock, people, person, simulator, simulator_options, town
from posthouse.testing.town import Person, Town

__all__ = ["movable_clock", "people", "person", "simulator", "simulator_options", "town"]


@pytest.fixture
def clock(movable_clock: MovableClock) -> MovableClock:
    return movable_clock


@pytest.fixture
def sim(clock: MovableClock, simulator: Simulator) -> Simulator:
    """A simulator without limits, on a clock that stands still."""
    return simulator


@pytest.fixture
async def bot(sim: Simulator) -> AsyncIterator[Bot]:
    async with aiogram_bot(sim) as bot:
        yield bot


@pytest.fixture
async def ann(town: Town, bot: Bot) -> Person:
    """Ann, who has started the bot; her update is not pending any more."""
    ann = await town.person("Ann")
    await ann.starts(TOKEN)
    await bot.delete_webhook(drop_pending_updates=True)
    return ann


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook"
    yield receiver
    for gate in receiver.held.values():
        gate.set()
    await runner.cleanup()
