"""Routes: the journal of the town, the calls of bots, counters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from itertools import takewhile
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from posthouse.simulator import views
from posthouse.simulator.control.finder import LISTED_MAX, After, WithinS
from posthouse.simulator.control.site import here
from posthouse.simulator.world import CallRecord, World


class _Numbered(Protocol):
    @property
    def seq(self) -> int: ...


R = TypeVar("R", bound=_Numbered)


def routes_of_the_journal() -> APIRouter:
    routes = APIRouter(tags=["journal"])

    @routes.get("/events")
    async def read_events(
        after: After = 0,
        kind: str | None = None,
        within_s: WithinS = 0,
        limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = 1000,
    ) -> views.Events:
        """Events after a cursor; with `within_s`, wait for the first."""

        def look() -> list[Any] | None:
            return [e for e in here().journal.after(after) if kind in (None, e.kind)][:limit] or None

        found = await here().journal.wait_until(look, within_s) or []
        cursor = found[-1].seq if found else max(after, here().journal.seq)
        return views.Events(events=[views.Event.model_validate(e) for e in found], cursor=cursor)

    @routes.get("/events/stream")
    async def stream_events(
        after: After = 0,
        calls_after: Annotated[int | None, Query(ge=0, description="With calls younger than this.")] = None,
        deliveries_after: Annotated[int | None, Query(ge=0, description="With deliveries younger than this.")] = None,
    ) -> StreamingResponse:
        """All events from a cursor on, as server-sent events; calls and deliveries on request.

        Those have the event names `call` and `delivery`, and no id: theirs is the `seq` in the data.
        """
        stream = _stream(here(), after, calls_after, deliveries_after)
        return StreamingResponse(stream, media_type="text/event-stream")

    @routes.get("/calls")
    async def list_calls(
        method: str | None = None,
        bot: int | None = None,
        chat: int | None = None,
        after: After = 0,
        count: Annotated[int, Query(ge=1)] = 1,
        within_s: WithinS = 0,
    ) -> list[views.Call]:
        """Bot API calls in order, oldest first; with `within_s`, wait until there are `count` of them."""

        def select() -> list[CallRecord]:
            return [
                call
                for call in here().calls.records
                if call.seq > after
                and (method is None or call.method.lower() == method.lower())
                and bot in (None, call.bot_id)
                and chat in (None, call.chat_id)
            ]

        await here().journal.wait_until(lambda: True if len(select()) >= count else None, within_s)
        return [views.Call.model_validate(call) for call in select()]

    @routes.get("/counters")
    async def read_counters() -> views.Counters:
        return views.Counters(
            calls=here().calls.counts,
            events=here().journal.counts,
            pending={bot.id: len(bot.queue) for bot in here().town.bots.values()},
            people=len(here().town.people),
            chats=len(here().town.chats),
        )

    return routes


async def _stream(
    world: World, after: int, calls_after: int | None, deliveries_after: int | None
) -> AsyncIterator[str]:
    while True:
        ring = world.journal.bell.next_ring()
        found = False
        if calls_after is not None:
            for call in _younger(world.calls.records, calls_after):
                calls_after, found = call.seq, True
                yield f"event: call\ndata: {views.Call.model_validate(call).model_dump_json()}\n\n"
        if deliveries_after is not None:
            for delivery in _younger(world.deliveries.records, deliveries_after):
                deliveries_after, found = delivery.seq, True
                yield f"event: delivery\ndata: {views.Delivery.model_validate(delivery).model_dump_json()}\n\n"
        for event in world.journal.after(after):
            after, found = event.seq, True
            yield f"id: {event.seq}\ndata: {views.Event.model_validate(event).model_dump_json()}\n\n"
        if not found:
            await ring


def _younger(records: Sequence[R], seq: int) -> list[R]:
    """The records after that one, without looking at all of the older ones."""
    found = list(takewhile(lambda record: record.seq > seq, reversed(records)))
    found.reverse()
    return found
