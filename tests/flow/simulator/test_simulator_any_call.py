"""Ten thousand calls that no client would make, in process: none of them finds a bug."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import pytest
from any_call import AnyCall, AnyCalls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulator_stage import TOKEN

from posthouse.simulator import MovableClock, Simulator
from posthouse.simulator.bot_api import BotApi
from posthouse.simulator.methods.table import METHODS
from posthouse.simulator.people.groups import open_group
from posthouse.simulator.people.writing import say
from posthouse.simulator.schema import problems, problems_of_result
from posthouse.simulator.world import World

CALLS = 10_000
CALLS_OF_ONE_TOWN = 100


class Caller:
    """Sends requests to the Bot API as a web server would."""

    def __init__(self, world: World) -> None:
        self.app = BotApi(world)
        self.clock = world.clock

    async def send(self, call: AnyCall) -> tuple[int, bytes]:
        """Status and body of the answer."""
        sent: list[dict[str, Any]] = []
        incoming = [{"type": "http.request", "body": call.body, "more_body": False}]
        scope = {
            "type": "http",
            "method": call.verb,
            "path": f"/bot{TOKEN}/{call.path}",
            "query_string": call.query,
            "headers": [(b"content-type", call.content_type.encode())],
        }

        async def receive() -> dict[str, Any]:
            return incoming.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        answering = asyncio.ensure_future(self.app(scope, receive, send))
        await asyncio.sleep(0)
        while not answering.done():  # it waits for the clock (a poll), or for a file from the network
            await asyncio.wait({answering}, timeout=0.001)
            assert isinstance(self.clock, MovableClock)
            await self.clock.advance(1)
        answering.result()
        return sent[0]["status"], sent[1]["body"]


async def make_town(seed: int) -> tuple[World, dict[str, tuple[Any, ...]]]:
    """A bot with a private chat, a group, a supergroup, some messages and an upload; and what calls may name."""
    world = Simulator(limits="off", clock=MovableClock(), seed=seed).world
    town = world.town
    bot = town.bot_by_token(TOKEN)
    ann, bob = town.add_person("Ann"), town.add_person("Bob")
    private = town.private_chat(bot, ann)
    say(town, ann, private, "/start")
    group = open_group(town, "group", "Friends", [ann, bob], [bot], set())
    club = open_group(town, "supergroup", "Club", [ann, bob], [bot], {bot.id})
    chats = (ann.id, ann.id, group.id, club.id, club.id, str(club.id), bob.id)
    known: dict[str, tuple[Any, ...]] = {
        "chat_id": chats,
        "from_chat_id": chats,
        "user_id": (ann.id, bob.id, bot.id),
        "message_id": (1, 2, 3, 4, 5),
        "message_ids": ([1], [2, 3], [1, 2, 3, 4, 5], [3, 1]),
        "text": ("Hello", "Hello 😀", "<b>x</b>"),
        "parse_mode": ("HTML", "MarkdownV2", "Markdown", ""),
        "currency": ("XTR", "EUR"),
        "url": ("https://example.org/hook", ""),
        "inline_message_id": ("",),
    }
    return world, known


async def run_calls(seed: int) -> int:
    """Make the calls of one seed in one town and return how many succeeded."""
    world, known = await make_town(seed)
    dice = Random(seed)
    calls, caller, succeeded = AnyCalls(dice, tuple(METHODS), known), Caller(world), 0
    for _ in range(CALLS_OF_ONE_TOWN):
        call = calls.make()
        status, body = await caller.send(call)
        bugs = [event for event in world.journal.after(0) if event.kind == "bug.found"]
        assert not bugs, f"{call.parameters}\n{bugs[0].details.get('traceback')}"
        answer = json.loads(body)
        assert status == (200 if answer["ok"] else answer["error_code"])
        assert status in (200, 400, 403, 404, 409, 413, 429, 501), (call, answer)
        if answer["ok"]:
            succeeded += 1
            wrong = problems_of_result(call.method, answer["result"])
            assert wrong == [], (call.method, call.parameters, wrong)
    for update in world.town.bot_by_token(TOKEN).queue.read(0, 100):
        assert problems(json.loads(update.body), "Update") == []
    return succeeded


@settings(
    max_examples=CALLS // CALLS_OF_ONE_TOWN,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_no_call_finds_a_bug(seed: int) -> None:
    """Any call is answered; what succeeds is of its type, what does not is refused with a known code."""
    asyncio.run(run_calls(seed))


def test_a_fair_part_of_the_calls_succeeds() -> None:
    """The random calls are near enough to right ones to reach into the methods."""
    assert sum(asyncio.run(run_calls(seed)) for seed in range(5)) > 5 * CALLS_OF_ONE_TOWN * 0.1


async def test_a_bug_is_answered_500_and_found_in_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is no refusal becomes an Internal Server Error and an event with its traceback."""

    def broken(_: object) -> object:
        raise ValueError("oops")

    monkeypatch.setitem(METHODS, "getMe", broken)
    world, _ = await make_town(1)
    status, body = await Caller(world).send(AnyCall("getMe", "GET", "getMe", b"", "", b"", {}))
    assert status == 500
    assert "ValueError in getMe: oops" in json.loads(body)["description"]
    (bug,) = [event for event in world.journal.after(0) if event.kind == "bug.found"]
    assert "raise ValueError" in str(bug.details["traceback"])
