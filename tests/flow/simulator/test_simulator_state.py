"""The town outlives its process: state files, snapshots, and what they refuse."""

from __future__ import annotations

import sys
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiogram import Bot
from aiogram.types import BufferedInputFile
from simulator_stage import TOKEN, Receiver, aiogram_bot, buttons

from posthouse.simulator import MovableClock, PortTaken, Simulator, TownInUse, TownUnreadable
from posthouse.simulator.views import Move
from posthouse.testing.town import Person, Town, TownError


async def test_a_restart_keeps_the_town(tmp_path: Path, receiver: Receiver) -> None:
    """People, chats, buttons, files, pending updates, open queries, rules, limits and the clock are as they were."""
    file = tmp_path / "town.bin"
    async with Simulator(state=file, limits="strict", seed=1) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann", username="ann")
        await ann.starts(TOKEN)
        await bot.send_message(ann.id, "choose", reply_markup=buttons([("Go", "go")]))
        await town.limits("off")
        sent = await bot.send_document(ann.id, BufferedInputFile(b"content", "a.txt"), caption="file")
        assert sent.document
        press = await ann.presses("Go", on=TOKEN)
        group = await town.group("Crew", people=[ann], bots=[TOKEN])
        await ann.says("/help", to=group)
        await town.fault("500", method="sendPhoto", count=5)
        moved = await town.moves_clock(Move(seconds=100_000))
        pending = [update.json_text for update in map(_Json, await town.updates(TOKEN)) if update.pending]
        calls = (await town.calls())[-1].seq
    async with Simulator(state=file) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        assert [update.json_text for update in map(_Json, await town.updates(TOKEN)) if update.pending] == pending
        assert (await town.moves_clock(Move())).ahead_s == pytest.approx(moved.ahead_s, abs=1)
        (rule,) = await town.faults()
        assert (rule.kind, rule.method, rule.count) == ("500", "sendPhoto", 5)
        ann = Person(town, await _person(town))
        shown = await ann.chat_with(TOKEN).messages()
        assert [message.text for message in shown] == ["/start", "choose", "file"]
        assert await ann.chat_with(TOKEN).file(shown[-1]) == b"content"
        downloaded = await bot.download(sent.document.file_id)
        assert downloaded
        assert downloaded.read() == b"content"
        assert [update.update_id for update in await bot.get_updates()] == []  # the clock ran past their day
        again = await ann.says("hello", to=TOKEN)
        assert again.id > shown[-1].id
        assert (await bot.send_message(group.id, "still here")).chat.title == "Crew"
        assert (await town.calls())[-1].seq > calls
        assert press.id


class _Json:
    def __init__(self, update: object) -> None:
        self.pending = update.state == "pending"  # type: ignore[attr-defined]
        self.json_text = msgspec.json.encode(update.update)  # type: ignore[attr-defined]


async def _person(town: Town) -> object:
    from posthouse.simulator import views

    return views.Person.model_validate((await town.request("GET", "/people"))[0])


async def test_a_webhook_goes_on_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    """What was pending when the simulator stopped is delivered by the next one, in flight or parked."""
    file = tmp_path / "town.bin"
    clock = MovableClock()
    async with Simulator(state=file, clock=clock, limits="off") as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        ann = await town.person("Ann")
        await bot.set_webhook("http://127.0.0.1:9/nobody")
        await ann.says("hello", to=TOKEN)
        await town.deliveries(outcome="failed", count=2)
    # The receiver was down, and now it is somewhere else: the file is a town, not a network.
    async with Simulator(state=file, clock=MovableClock()) as sim, Town(sim.url) as town, aiogram_bot(sim) as bot:
        assert (await bot.get_webhook_info()).url == "http://127.0.0.1:9/nobody"
        await bot.set_webhook(receiver.url)
        await town.passes(10)
        await receiver.has(1)
        assert receiver.texts == ["hello"]


async def test_changes_are_on_disk_a_moment_later(tmp_path: Path) -> None:
    """Without a clean end, the file has what was there a second before."""
    file = tmp_path / "deep" / "town.bin"
    async with Simulator(state=file) as sim, Town(sim.url) as town:
        await town.person("Ann")
        await sim.saved()
        copy = file.read_bytes()
        before = file.stat().st_mtime_ns
        await sim.saved()
        assert file.stat().st_mtime_ns == before
    (tmp_path / "copy").write_bytes(copy)
    async with Simulator(state=tmp_path / "copy") as sim, Town(sim.url) as town:
        assert (await town.counters()).people == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x80\x04pickle", "not a kept town"),
        (b"posthouse town, format 99\n", "format 99, and this program reads format 1; open it with the version"),
        (b"posthouse town, format 1\n\xc1", "cannot be read"),
        (b"posthouse town, format 1\n" + msgspec.msgpack.encode([[["os:system", []]], [[0]], {}]), "os:system"),
        (b"posthouse town, format 1\n" + msgspec.msgpack.encode([[], [], {}]), "cannot be read|not whole"),
    ],
)
async def test_another_file_is_refused_and_left_alone(tmp_path: Path, data: bytes, text: str) -> None:
    """The error says what it is and what to do; the file stays as it was."""
    file = tmp_path / "town.bin"
    file.write_bytes(data)
    with pytest.raises(TownUnreadable, match=text):
        async with Simulator(state=file):
            pass
    assert file.read_bytes() == data


async def test_a_snapshot_is_gone_back_to(bot: Bot, town: Town, ann: Person, receiver: Receiver) -> None:
    """People and messages of later are gone, webhooks of then are at work again, cursors still grow."""
    chat = ann.chat_with(TOKEN)
    await bot.send_message(ann.id, "before")
    await bot.set_webhook(receiver.url)
    taken = await town.snapshot("start")
    assert (taken.name, taken.people, taken.chats) == ("start", 1, 1)
    await town.person("Bob")
    await bot.send_message(ann.id, "after")
    await bot.delete_webhook()
    seq = (await town.events())[-1].seq
    await town.restore("start")
    assert [m.text for m in await chat.messages()] == ["/start", "before"]
    assert (await town.counters()).people == 1
    assert (await town.events())[-1].seq > seq
    await ann.says("hello again", to=TOKEN)
    await receiver.has(1)
    with pytest.raises(TownError, match="no snapshot 'none'; there are start"):
        await town.restore("none")


async def test_a_snapshot_travels_as_a_file(bot: Bot, town: Town, ann: Person, tmp_path: Path) -> None:
    """What is downloaded is what `--state` and another simulator take."""
    await town.snapshot()
    data = await town.request("GET", "/snapshots/default")
    (tmp_path / "town.bin").write_bytes(data)
    async with Simulator(state=tmp_path / "town.bin") as sim, Town(sim.url) as other:
        assert (await other.counters()).people == 1
    async with Simulator() as sim, aiohttp.ClientSession() as session, Town(sim.url) as other:
        async with session.put(f"{sim.url}/sim/v1/snapshots/theirs", data=data) as response:
            assert response.status == 200
        assert (await other.counters()).people == 1
        async with session.put(f"{sim.url}/sim/v1/snapshots/theirs", data=b"nonsense") as response:
            assert (response.status, "not a kept town" in await response.text()) == (422, True)
        assert (await other.counters()).people == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
async def test_a_file_belongs_to_one_simulator_at_a_time(tmp_path: Path) -> None:
    """A second one would overwrite what the first keeps: it is refused, and may have the file once that has ended."""
    file = tmp_path / "town.bin"
    async with Simulator(state=file) as sim, Town(sim.url) as town:
        await town.person("Ann")
        with pytest.raises(TownInUse, match=r"another simulator keeps its town in .*town\.bin; stop .* --state"):
            async with Simulator(state=file):
                pass
    async with Simulator(state=file) as sim, Town(sim.url) as town:
        assert (await town.counters()).people == 1
        with pytest.raises(PortTaken):
            async with Simulator(state=tmp_path / "other.bin", port=sim.port):
                pass
        async with Simulator(state=tmp_path / "other.bin"):
            pass


async def test_a_place_for_no_town_is_told(tmp_path: Path) -> None:
    """A folder, or a path through a file, instead of a traceback."""
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "town.bin"):
        with pytest.raises(TownUnreadable, match="no town can be kept there"):
            async with Simulator(state=place):
                pass
