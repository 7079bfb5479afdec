"""The fixtures that are shipped: people who know where they are, and failures that show what happened."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiogram import Bot
from aiogram.types import LabeledPrice
from simulator_stage import TOKEN, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.fixtures import ManyPeople, OnePerson
from posthouse.testing.town import NotSeen, Town, TownError


async def test_a_person_goes_on_where_they_are(bot: Bot, town: Town, person: OnePerson) -> None:
    """A place is named once; another one is where they are from then on."""
    ann = await person("Ann", talks_to=TOKEN)
    assert (await ann.says("hello")).chat == f"{bot.id}:{ann.id}"
    await bot.send_message(ann.id, "Choose", reply_markup=buttons([("A", "a"), ("B", "b")]))
    shown = await ann.chat.shows("Choose", buttons=["A", "B"])
    await ann.presses("A")
    group = await town.group("Crew", people=[ann], bots=[TOKEN])
    await ann.says("hi", to=group)
    assert (await ann.says("again")).chat == group.ref
    await ann.presses("B", on=shown)
    assert ann.chat.ref == shown.chat


async def test_who_is_nowhere_must_be_told(people: ManyPeople) -> None:
    """Nobody is guessed."""
    ann, bob = await people("Ann", "Bob")
    with pytest.raises(TownError, match="Ann is nowhere yet: say with whom or where"):
        await ann.says("hello")
    assert bob.id != ann.id


async def test_missing_buttons_fail_with_the_transcript(bot: Bot, person: OnePerson) -> None:
    """The failure says what was wanted and shows the chat."""
    ann = await person("Ann", talks_to=TOKEN)
    await ann.says("hello")
    await bot.send_message(ann.id, "Choose", reply_markup=buttons([("A", "a")]))
    with pytest.raises(NotSeen, match=r"buttons \['A', 'Pay'\] was not shown within 0.01 s:\nAnn: hello"):
        await ann.chat.shows(buttons=["A", "Pay"], within_s=0.01)


async def test_the_clock_stands_still_for_who_asks(movable_clock: MovableClock, simulator: Simulator) -> None:
    """The simulator has the clock of the test."""
    assert simulator.world.clock is movable_clock


async def test_time_passes_otherwise(simulator: Simulator) -> None:
    """Without the clock the simulator has the machine's."""
    assert abs(simulator.world.clock.now() - time.time()) < 5


async def test_the_newest_invoice_is_paid(bot: Bot, people: ManyPeople) -> None:
    """Without naming it; what the bot says in between does not matter."""
    (ann,) = await people("Ann", talks_to=TOKEN)
    await ann.says("tea, please")
    await bot.send_invoice(ann.id, "Tea", "A cup", "tea", "XTR", [LabeledPrice(label="Tea", amount=5)])
    await bot.send_message(ann.id, "Enjoy it")
    paying = asyncio.create_task(ann.pays())
    while not (
        queries := [update.pre_checkout_query for update in await bot.get_updates() if update.pre_checkout_query]
    ):
        pass
    await bot.answer_pre_checkout_query(queries[0].id, ok=True)
    assert (await paying).paid
