"""Handlers share tasks until they wait; no handler can tell."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

from road_stage import beforehand, incoming, running

from posthouse import App, Turn

CHATS = range(1, 41)

chat_of_context: ContextVar[int | None] = ContextVar("chat_of_context", default=None)


async def test_a_handler_that_waits_keeps_nobody_behind_it_waiting(configure: Any) -> None:
    """Of many chats claimed at once every other one waits for the last of them; none shares its task while it waits."""
    app = App("waiting")
    last = asyncio.Event()
    waiting: dict[int, asyncio.Task[Any] | None] = {}

    @app.text()
    async def handler(turn: Turn) -> None:
        if turn.lane == CHATS[-1]:
            last.set()
        elif turn.lane % 2:
            waiting[turn.lane] = asyncio.current_task()
            await last.wait()
        turn.say(f"chat {turn.lane}")

    settings = configure(app)
    async with running(settings):
        pass
    async with beforehand(settings) as store:
        await store.inbox.ingest([incoming(chat, "x", chat=chat) for chat in CHATS])
    async with running(settings) as road:
        await road.gateway.sent(*(f"chat {chat}" for chat in CHATS))
    tasks = list(waiting.values())
    assert len(tasks) == len(CHATS) / 2
    assert None not in tasks
    assert len(set(tasks)) == len(tasks)


async def test_what_a_handler_sets_in_its_context_is_not_seen_by_the_next(configure: Any) -> None:
    """Whether it waits or not, and whether the next turn is of another chat or of its own."""
    app = App("context")
    found: list[int | None] = []

    @app.text()
    async def handler(turn: Turn) -> None:
        found.append(chat_of_context.get())
        token = chat_of_context.set(turn.lane)
        if turn.lane % 3 == 0:
            await asyncio.sleep(0)
            assert chat_of_context.get() == turn.lane
            chat_of_context.reset(token)  # the context is the same one after the wait
            chat_of_context.set(turn.lane)
        turn.say(f"chat {turn.lane} {turn.text}")

    settings = configure(app)
    async with running(settings):
        pass
    async with beforehand(settings) as store:
        await store.inbox.ingest([incoming(chat, "one", chat=chat) for chat in CHATS])
        await store.inbox.ingest([incoming(100 + chat, "two", chat=chat) for chat in CHATS])
    async with running(settings) as road:
        await road.gateway.sent(*(f"chat {chat} two" for chat in CHATS))
    assert found == [None] * len(found)


async def test_before_it_waits_a_handler_has_all_that_asyncio_gives_to_a_task(on_road: Any) -> None:
    """`asyncio.timeout` and task groups work, and a time-out inside a handler is the handler's own."""
    app = App("asyncio")

    @app.text()
    async def handler(turn: Turn) -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            turn.say(f"{turn.text} in time")
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))

    async with on_road(app) as road:
        await road.write(1, "one")
        await road.write(2, "two", chat=2)
        await road.gateway.sent("one in time", "two in time")
