"""The people's side: the town client, waiting, the journal, and running alone."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import RestartingTelegram
from simulator_stage import TOKEN, buttons

from posthouse.simulator import PortTaken, Simulator
from posthouse.testing.town import Event, NotSeen, Person, Town, TownError


async def test_a_test_waits_without_sleeping(bot: Bot, ann: Person) -> None:
    """`shows` is answered by the message itself."""
    chat = ann.chat_with(TOKEN)
    waiting = asyncio.create_task(chat.shows("hello"))
    await bot.send_message(ann.id, "hello")
    assert (await waiting).text == "hello"


async def test_what_does_not_come_is_shown_with_the_transcript(bot: Bot, ann: Person) -> None:
    """The failure tells what the person saw instead."""
    await bot.send_message(ann.id, "Choose", reply_markup=buttons([("A", "a"), ("B", "b")]))
    chat = ann.chat_with(TOKEN)
    with pytest.raises(NotSeen, match=r"Bot 4242: Choose\n    \[A\] \[B\]"):
        await chat.shows("something else", within_s=0.01)
    with pytest.raises(NotSeen):
        await chat.bot_messages(2, within_s=0.01)
    with pytest.raises(NotSeen, match="still shown"):
        await chat.hides("Choose", within_s=0.01)
    with pytest.raises(NotSeen):
        await ann.chat_with(77).next_message(within_s=0.01)


async def test_next_message_goes_on_from_a_point(bot: Bot, ann: Person) -> None:
    """A message or an edit after the point counts, older ones do not."""
    chat = ann.chat_with(TOKEN)
    await bot.send_message(ann.id, "old")
    said = await ann.says("next please", to=TOKEN)
    sent = await bot.send_message(ann.id, "new")
    new = await chat.next_message(after=said)
    await bot.edit_message_text("newer", chat_id=ann.id, message_id=sent.message_id)
    assert (new.text, (await chat.next_message(after=new)).text) == ("new", "newer")
    assert [message.text for message in await chat.bot_messages(2)] == ["old", "newer"]


async def test_a_button_must_be_in_sight(bot: Bot, ann: Person) -> None:
    """Pressing what is not there names what is; an older message is pressed when given."""
    await bot.send_message(ann.id, "one", reply_markup=buttons([("Pay", "pay:1")]))
    await bot.send_message(ann.id, "two", reply_markup=buttons([("Pay", "pay:2")]))
    one = await ann.chat_with(TOKEN).shows("one")
    with pytest.raises(TownError, match=r"no button 'Play' in sight; visible buttons: \['Pay', 'Pay'\]"):
        await ann.presses("Play", on=TOKEN)
    await ann.presses("Pay", on=TOKEN)
    await ann.presses("Pay", on=one)
    queries = [update.callback_query for update in await bot.get_updates()]
    assert [query.data for query in queries if query] == ["pay:2", "pay:1"]


async def test_impossible_acts_say_why(town: Town, bot: Bot, ann: Person) -> None:
    """A person cannot write to a blocked bot, into a foreign group, or to a bot that nobody knows."""
    bob = await town.person("Bob")
    group = await town.group("Crew", people=[bob], bots=[TOKEN])
    with pytest.raises(TownError, match="Ann is not in this chat"):
        await ann.says("hi", to=group)
    with pytest.raises(TownError, match="no bot 99"):
        await ann.says("hi", to=99)
    await ann.blocks(TOKEN)
    with pytest.raises(TownError, match="Ann blocked the bot; unblock it first"):
        await ann.says("hi", to=TOKEN)


async def test_odd_requests_are_told_why(town: Town, sim: Simulator, bot: Bot, ann: Person) -> None:
    """References to nothing, cursors from the far future and links to nowhere are mistakes of the client's."""
    for rights in (None, [], ["can_pin_messages"]):
        path = f"/chats/{ann.chat_with(TOKEN).ref}/members/{bot.id}/rights"
        with pytest.raises(TownError, match="a private chat has no members"):
            await town.request("PUT", path, {"person": ann.id, "rights": rights})
    for url in ("https://[", "t.me/c", "t.me/c/", "t.me/c/1/" + "9" * 5000):
        with pytest.raises(TownError):
            await town.request("POST", "/links", {"person": ann.id, "url": url})
    for person_id, name in ((0, "Bob"), (2**52, "Bob"), (None, ""), (ann.id, "Bob"), (bot.id, "Bob")):
        with pytest.raises(TownError):
            await town.request("POST", "/people", {"first_name": name, "id": person_id})
    async with aiohttp.ClientSession(f"{sim.url}/") as client:
        for path in (f"events?after={2**63}", "page/chats/4242:/updates", "page/chats/nothing/updates"):
            assert (await client.get(f"sim/v1/{path}")).status == 200
        await town.records()
        assert (await client.delete("sim/v1/checkouts/no%20such%20one")).status == 404


async def test_the_journal_tells_the_story(bot: Bot, town: Town, ann: Person) -> None:
    """Everything that people and bots did is there in order, as a list and as a stream."""
    start = (await town.events())[-1].seq
    await ann.says("menu", to=TOKEN)
    await bot.send_message(ann.id, "Menu", reply_markup=buttons([("Go", "go")]))
    press = await ann.presses("Go", on=TOKEN)
    await bot.answer_callback_query(press.id, "ok")
    expected = ["person.said", "bot.said", "person.pressed", "bot.answered"]
    assert [event.kind for event in await town.events(after=start)] == expected
    streamed = []
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{town.url}/sim/v1/events/stream?after={start}") as response:
            async for line in response.content:
                if line.startswith(b"data: "):
                    streamed.append(json.loads(line[6:])["kind"])
                if len(streamed) == 4:
                    break
    assert streamed == expected
    followed = [event.kind async for event in _first(town, start, 4)]
    assert followed == expected


async def _first(town: Town, after: int, count: int) -> AsyncIterator[Event]:
    async for event in town.follow(after=after):
        yield event
        count -= 1
        if not count:
            return


async def test_calls_and_counters(bot: Bot, town: Town, ann: Person) -> None:
    """The call log has arguments, results and errors, and can be waited for."""
    chat = ann.chat_with(TOKEN)
    waiting = asyncio.create_task(town.calls("sendMessage", chat=chat, count=1))
    await bot.send_message(ann.id, "hello")
    (call,) = await waiting
    assert (call.parameters["text"], call.result["text"], call.status) == ("hello", "hello", 200)
    with pytest.raises(NotSeen, match="1 of 2 calls"):
        await town.calls("sendMessage", count=2, within_s=0.01)
    counters = await town.counters()
    assert (counters.calls["sendMessage"], counters.people, counters.events["bot.said"]) == (1, 1, 1)


async def test_reset_forgets_everybody(bot: Bot, town: Town, ann: Person) -> None:
    """After a reset the town is empty and works; whoever was polling is told to begin again."""
    poll = asyncio.create_task(bot.get_updates(timeout=50))
    await town.event("poll.opened")
    await town.reset()
    with pytest.raises(RestartingTelegram):
        await poll
    assert (await town.counters()).people == 0
    again = await town.person("Ann")
    await again.says("hello", to=TOKEN)
    assert [u.message.text for u in await bot.get_updates() if u.message] == ["hello"]


async def test_the_control_api_describes_itself(sim: Simulator) -> None:
    """The OpenAPI document lists the routes."""
    async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/sim/v1/openapi.json") as response:
        assert "/sim/v1/chats/{ref}/wait" in (await response.json())["paths"]


async def test_a_taken_port_is_named(sim: Simulator) -> None:
    """The error names the port and the mend."""
    with pytest.raises(PortTaken, match=r"cannot listen on 127.0.0.1:99999 .*0-65535"):
        async with Simulator(port=99_999):
            pass
    with pytest.raises(PortTaken, match=rf"cannot listen on 127.0.0.1:{sim.port} .* --port"):
        async with Simulator(port=sim.port):
            pass


async def test_it_runs_alone(sim: Simulator) -> None:
    """`python -m posthouse.simulator` serves until interrupted, and refuses a taken port in one line."""

    async def start(port: int) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        arguments = ["-m", "posthouse.simulator", "--port", str(port), "--limits", "off"]
        return await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=pipe, stderr=pipe)

    alone = await start(0)
    assert alone.stdout is not None
    line = (await alone.stdout.readline()).decode()
    async with Town(line.split()[3].rstrip(",")) as town:
        await (await town.person("Ann")).says("hello", to="5:token")
    alone.terminate()
    await alone.wait()
    taken = await start(sim.port)
    out, err = await taken.communicate()
    assert (taken.returncode, out, err.count(b"\n")) == (2, b"", 1)
    assert f"127.0.0.1:{sim.port}".encode() in err


async def test_stopping_cuts_waiting_calls() -> None:
    """A simulator ends at once although somebody polls."""
    async with aiohttp.ClientSession() as session:
        async with Simulator() as sim, Town(sim.url) as town:
            poll = asyncio.create_task(session.get(f"{sim.url}/bot1:x/getUpdates?timeout=50"))
            await town.event("poll.opened")
        with pytest.raises(aiohttp.ClientError):
            await poll
