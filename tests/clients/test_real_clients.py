"""Unchanged client libraries against the simulator: every method with their own typed calls, and updates."""

from __future__ import annotations

import socket

import pytest
from clients_agents import AGENTS, agent, attached, on_the_wire
from method_examples import EXAMPLES, open_stage, set_up
from simulator_stage import TOKEN
from update_acts import ACTS, borrowed

from posthouse.simulator import MovableClock, RealClock, Simulator
from posthouse.simulator.methods.table import METHODS
from posthouse.simulator.schema import SCHEMA

CALLS_MIN = 40
CANNOT = {
    ("python-telegram-bot", "sendPoll"),  # the example has a picture in its poll, which is newer than the library
    ("pyTelegramBotAPI", "sendPoll"),  # the same
    ("pyTelegramBotAPI", "replaceStickerInSet"),  # it leaves the file out of the request
}
"""Calls that fail inside the library, before or while it writes the request."""


@pytest.mark.parametrize("client", AGENTS)
async def test_a_client_makes_every_call(client: str) -> None:
    """The library makes the example call of each method it has and reads the result; the rest it does not have."""
    made, unknown, failed = [], {}, {}
    async with agent(client) as library, Simulator(limits="off", clock=MovableClock(), seed=1) as sim:
        for name in METHODS:
            async with set_up(sim) as stage:
                given = EXAMPLES[name]
                parameters = dict(given) if isinstance(given, dict) else await given(stage)
                method = SCHEMA.methods[name]
                before = stage.sim.world.calls.seq
                answer = await library.tell(
                    call=name,
                    url=stage.sim.url,
                    parameters=on_the_wire(attached(parameters)),
                    types={**method.required, **method.optional},
                )
                called = [call.method for call in stage.sim.world.calls.records if call.seq > before and call.ok]
            if "error" in answer:
                failed[name] = answer["error"]
            elif "unknown" in answer:
                unknown[name] = answer["unknown"]
            else:
                assert name in called, (name, called)
                made.append(name)
    print(f"{client}: {len(made)} of {len(METHODS)} methods; not in the library: {unknown or 'none'}")
    assert {name: error for name, error in failed.items() if (client, name) not in CANNOT} == {}
    assert len(made) >= CALLS_MIN


@pytest.mark.parametrize("way", ["polling", "webhook"])
@pytest.mark.parametrize("client", AGENTS)
async def test_a_client_receives_every_kind_of_update(client: str, way: str) -> None:
    """Each kind that people can cause, and a real one of each other kind, reaches the library's own handlers."""
    async with open_stage(RealClock()) as stage, agent(client) as library:
        where = {"poll": True} if way == "polling" else {"listen": _free_port()}
        assert await library.tell(url=stage.sim.url, **where) == {"ready": True}
        town = stage.sim.world.town
        awaited = {kind for kind in {*ACTS, *borrowed()} if (client, kind) not in UNHEARD}
        town.bot_by_token(TOKEN).allowed_updates = frozenset(awaited)
        heard: set[str] = set()
        for perform in dict.fromkeys(ACTS.values()):
            await perform(stage)
        for number, (kind, payload) in enumerate(borrowed().items()):
            if kind not in awaited:
                continue
            assert town.announce(town.bot_by_token(TOKEN), kind, payload, number) is not None
        while awaited - heard:
            try:
                heard.add((await library.hear())["update"])
            except TimeoutError:
                pytest.fail(f"not heard of: {sorted(awaited - heard)}")
    print(f"{client} by {way}: {len(heard)} kinds, of them {len(heard & set(ACTS))} made by people")


UNHEARD = {
    ("pyTelegramBotAPI", "guest_message"),
    ("pyTelegramBotAPI", "managed_bot"),
    ("pyTelegramBotAPI", "subscription"),
    ("pyTelegramBotAPI", "stopped_message_generation"),  # loses the rest of the batch
    ("pyTelegramBotAPI", "purchased_paid_media"),  # its parser fails on `from`
}
"""Kinds that the library has no handler for, or cannot read."""


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
