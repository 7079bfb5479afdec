"""What people did, recorded into a file and done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiogram import Bot
from simulator_stage import TOKEN, aiogram_bot, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.simulator.scenarios.records import Scenario, ScenarioInvalid, load_scenario, read_scenario
from posthouse.simulator.scenarios.replay import ReplayFailed, replay
from posthouse.testing.town import Town

OTHER = "5353:stand-in"


async def answer(bot: Bot, greeting: str) -> None:
    """A bot: greets with a button, counts presses in place, echoes, and says how the group is called."""
    offset = 0
    while True:
        for update in await bot.get_updates(offset=offset, timeout=50):
            offset = update.update_id + 1
            if update.callback_query:
                await bot.answer_callback_query(update.callback_query.id, text="Counted")
                assert update.callback_query.message
                await bot.edit_message_text(
                    "pressed",
                    chat_id=update.callback_query.message.chat.id,
                    message_id=update.callback_query.message.message_id,
                )
            elif update.edited_message:
                await bot.send_message(update.edited_message.chat.id, f"now {update.edited_message.text}")
            elif update.message and update.message.text == "/start":
                await bot.send_message(update.message.chat.id, greeting, reply_markup=buttons([("Count", "count")]))
            elif update.message and update.message.text:
                await bot.send_message(update.message.chat.id, f"{update.message.text}!")


@asynccontextmanager
async def answering(sim: Simulator, *, token: str = TOKEN, greeting: str = "Hello") -> AsyncIterator[Bot]:
    async with aiogram_bot(sim, token) as bot:
        await bot.get_me()
        task = asyncio.create_task(answer(bot, greeting))
        yield bot
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def recorded(clock: MovableClock) -> Scenario:
    """Ann starts the bot, presses, writes, edits; time passes; she writes in a group; a fault strikes."""
    async with Simulator(limits="off", clock=clock, seed=1) as sim, Town(sim.url) as town, answering(sim):
        await town.records()
        ann = await town.person("Ann")
        chat = ann.chat_with(TOKEN)
        await ann.starts(TOKEN)
        await chat.shows("Hello")
        await (await ann.presses("Count", on=TOKEN)).answer()
        await chat.shows("pressed")
        said = await ann.says("one", to=TOKEN)
        await chat.shows("one!")
        await ann.edits(said, "two")
        await chat.shows("now two")
        await town.passes(3600)
        group = await town.group("Crew", people=[ann], bots=[TOKEN])
        await town.fault("duplicate", update="message")
        await ann.says("/help", to=group)
        await group.shows("/help!")
        return await town.recorded()


def test_a_scenario_reads_well(recorded: Scenario) -> None:
    """Each act is a step with what the bots answered to it; what goes without saying is left out."""
    assert recorded.bots == {4242: "sim4242bot"}
    assert [step.does for step in recorded.steps] == [
        "POST /people",
        "POST /chats/4242:100001/messages",
        "POST /chats/4242:100001/presses",
        "POST /chats/4242:100001/messages",
        "PATCH /chats/4242:100001/messages/3",
        "POST /clock",
        "POST /groups",
        "POST /faults",
        recorded.steps[-1].does,
    ]
    told = yaml.safe_load(recorded.to_yaml())
    assert told["scenario"] == 1
    assert told["steps"][1]["with"].items() >= {"person": 100001, "text": "/start"}.items()
    assert told["steps"][1]["answers"] == [
        {"kind": "bot.said", "bot": 4242, "chat": "4242:100001", "text": "Hello", "buttons": [["Count"]]}
    ]
    assert {answer["kind"] for answer in told["steps"][2]["answers"]} == {"bot.answered", "bot.edited"}
    assert recorded.steps[6].after_s == 3600
    assert read_scenario(recorded.to_yaml()) == recorded


async def test_it_is_done_again_in_another_town(recorded: Scenario) -> None:
    """Other ids, another bot in the same part, people who are there already: the same answers."""
    async with Simulator(limits="off", clock=MovableClock(), seed=2) as sim, Town(sim.url) as town:
        await town.person("Somebody")
        async with answering(sim, token=OTHER):
            done = await town.replays(recorded, bots={4242: OTHER})
            assert (done.steps, done.answers) == (9, sum(len(step.answers) for step in recorded.steps))
            assert (await town.request("GET", "/people"))[-1]["first_name"] == "Ann"
            async with aiohttp.ClientSession() as session:
                url = f"{sim.url}/sim/v1/scenario/replay"
                async with session.post(url, data=recorded.to_yaml(), params={"bot": OTHER}) as response:
                    assert (response.status, (await response.json())["steps"]) == (200, 9)


async def test_a_bot_that_answers_otherwise_is_found(recorded: Scenario) -> None:
    """The error names the step, what was expected, and what came instead."""
    async with Simulator(limits="off", clock=MovableClock()) as sim:
        with pytest.raises(ReplayFailed, match=r"the bot 4242 .* has not called this simulator yet"):
            await replay(sim.url, recorded)
        async with answering(sim, greeting="Good day"):
            with pytest.raises(ReplayFailed) as failed:
                await replay(sim.url, recorded, within_s=0.5)
            assert "step 2 (POST /chats/4242:100001/messages): not answered: " in str(failed.value)
            assert "'text': 'Hello'" in str(failed.value)
            assert "bot.said 4242:100001 'Good day'" in str(failed.value)
            recorded.steps[1].answers[0].text = None
            recorded.steps[1].answers[0].matches = "^(Hello|Good day)$"
            await replay(sim.url, recorded)


async def test_an_act_that_is_impossible_is_told(recorded: Scenario) -> None:
    """A step that was possible then and is not now ends the replay with its reason."""
    recorded.steps[2].body["text"] = "Nothing"
    async with Simulator(limits="off") as sim, answering(sim):
        with pytest.raises(ReplayFailed, match=r"step 3 .*answered 409 where 200 was recorded: .*no button 'Nothing'"):
            await replay(sim.url, recorded)
    with pytest.raises(ReplayFailed, match="no simulator answers at"):
        await replay("http://127.0.0.1:9", recorded)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda text: text.replace("scenario: 1", "scenario: 7"), "scenario: Input should be 1"),
        (lambda text: text.replace("POST /clock", "LOOK /clock"), "step 6, does: String should match"),
        (lambda text: text.replace("bot.edited", "bot.danced"), "step 3, answers, .*, kind: Input should be"),
        (lambda text: text + "\n  wrong: [", "neither YAML nor JSON"),
        (lambda text: "[1, 2]", "the file: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_file_is_told_by_its_place(
    recorded: Scenario, tmp_path: Path, change: Callable[[str], str], text: str
) -> None:
    """The message has the file, the step and the field."""
    file = tmp_path / "scenario.yaml"
    file.write_text(change(recorded.to_yaml()))
    with pytest.raises(ScenarioInvalid, match=f"scenario.yaml.*{text}"):
        load_scenario(file)
