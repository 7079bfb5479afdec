"""pytest fixtures: a simulated Telegram, its people, and a clock that a test may move.

    pytest_plugins = ["posthouse.testing.fixtures"]      # in your conftest.py

    async def test_it_greets(town, person):
        ann = await person("Ann", talks_to=TOKEN)
        await ann.says("/start")
        await ann.chat.shows("Welcome, Ann", buttons=["Pay"])

| fixture | is |
|---|---|
| `simulator` | a Bot API server on a free port; a bot in any language finds it at `simulator.url` |
| `simulator_options` | what it is made with; override it for limits, strict bots or another seed |
| `town` | the people's side: persons, groups, faults, calls, events |
| `person`, `people` | `await person("Ann")`, `ann, bob = await people("Ann", "Bob")` |
| `movable_clock` | for who asks: time in the simulator stands still until `await movable_clock.advance(seconds)` |

Nothing registers them by itself: names as short as these are yours to take.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.control import BotName
from posthouse.testing.people import Person
from posthouse.testing.town import Town

OnePerson = Callable[..., Awaitable[Person]]
ManyPeople = Callable[..., Awaitable[list[Person]]]


@pytest.fixture
def movable_clock() -> MovableClock:
    """The simulator's clock in a test that asks for it."""
    return MovableClock()


@pytest.fixture
def simulator_options() -> dict[str, Any]:
    """Arguments of `posthouse.simulator.Simulator`: no limits, and the same update ids in every run."""
    return {"limits": "off", "seed": 1}


@pytest_asyncio.fixture
async def simulator(request: pytest.FixtureRequest, simulator_options: dict[str, Any]) -> AsyncIterator[Simulator]:
    """A Telegram of one's own for the length of a test."""
    if "movable_clock" in request.fixturenames:
        simulator_options = {"clock": request.getfixturevalue("movable_clock"), **simulator_options}
    async with Simulator(**simulator_options) as running:
        yield running


@pytest_asyncio.fixture
async def town(simulator: Simulator) -> AsyncIterator[Town]:
    """The people of the simulator."""
    async with Town(simulator.url) as town:
        yield town


@pytest.fixture
def person(town: Town) -> OnePerson:
    """Makes somebody: `ann = await person("Ann", talks_to=TOKEN)`."""
    return town.person


@pytest.fixture
def people(town: Town) -> ManyPeople:
    """Makes several: `ann, bob = await people("Ann", "Bob")`."""

    async def make(*names: str, talks_to: BotName | None = None) -> list[Person]:
        return [await town.person(name, talks_to=talks_to) for name in names]

    return make
