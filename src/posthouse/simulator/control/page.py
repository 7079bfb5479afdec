"""Routes: what the chat page reads.

    dialogs ──► a page of messages ──► the stream of changes, each with the whole message as it is now

The page asks for dialogs once and for messages when a chat is opened; from then on it lives on the stream, which
begins at the cursor that came with the dialogs, so that nothing falls between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from posthouse.simulator import views
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.control.finder import After, Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.control.traffic import calls_of, stream_calls, updates_of
from posthouse.simulator.journal import Event
from posthouse.simulator.moments import drafts_now
from posthouse.simulator.people import reading
from posthouse.simulator.views.chats import of_keyboard
from posthouse.simulator.world import World

PAGE_MESSAGES = 50
FOUND_MAX = 50
GATHER_S = 0.02
"""Real time that the stream gathers changes for, so that a busy town costs the page one repaint and not fifty."""
DIALOG_EVENTS = ("group.", "chat.", "member.", "person.blocked", "person.unblocked", "person.read", "person.joined")
"""Events that change a line in the list of chats, beyond its last message."""

Limit = Annotated[int, Query(ge=1, le=200)]


def routes_of_the_page() -> APIRouter:
    routes = APIRouter(prefix="/page", tags=["page"])
    find = Finder()

    @routes.get("/people/{person_id}/dialogs")
    async def list_dialogs(person_id: int) -> views.Dialogs:
        """Every chat of a person, the newest first."""
        person = find.person(person_id)
        dialogs = [views.of_dialog(chat, person) for chat in _chats_of(here(), person)]
        dialogs.sort(key=lambda dialog: 0 if dialog.last is None else dialog.last.date, reverse=True)
        return views.Dialogs(dialogs=dialogs, cursor=here().journal.seq)

    @routes.get("/people/{person_id}/messages")
    async def read_messages(
        person_id: int,
        chat: str,
        before: int | None = None,
        after: int | None = None,
        limit: Limit = PAGE_MESSAGES,
    ) -> views.MessagePage:
        """Messages of a chat before or after one, else the newest. A private chat nobody has opened is empty."""
        person = find.person(person_id)
        opened = here().town.chats.get(chat)
        if opened is None:
            find.view(chat)
            return views.MessagePage(
                messages=[], more_before=False, more_after=False, read=0, cursor=here().journal.seq
            )
        return _page(here(), opened, person, before, after, limit)

    @routes.get("/people/{person_id}/search")
    async def search(person_id: int, text: str, chat: str | None = None, limit: Limit = FOUND_MAX) -> views.Found:
        """Messages that contain the text, in one chat of the person or in all."""
        person = find.person(person_id)
        wanted = text.strip().casefold()
        chats = _chats_of(here(), person) if chat is None else [find.chat(chat)]
        hits = [m for c in chats for m in c.visible() if wanted and wanted in m.text.casefold()]
        hits.sort(key=lambda message: (message.date, message.id), reverse=True)
        return views.Found(messages=[views.of_message(message) for message in hits[:limit]])

    @routes.put("/people/{person_id}/read")
    async def mark_read(person_id: int, seen: views.Reading) -> None:
        """The person has seen the chat up to this message."""
        reading.read(here().town, find.person(person_id), find.chat(seen.chat), seen.message)

    @routes.get("/people/{person_id}/stream")
    async def stream_changes(person_id: int, after: After = 0) -> StreamingResponse:
        """What this person can see happen, as server-sent events of `Change`; `reset` when the town began anew."""
        return _events(_changes(here(), find.person(person_id), after))

    @routes.get("/chats/{ref}/calls")
    async def read_calls(ref: str, limit: Limit = 100) -> views.Traffic:
        """The newest Bot API calls that have to do with a chat."""
        calls = calls_of(here(), ref, 0)[-limit:]
        return views.Traffic(calls=[views.Call.model_validate(call) for call in calls], cursor=here().calls.seq)

    @routes.get("/chats/{ref}/calls/stream")
    async def stream_traffic(ref: str, after: After = 0) -> StreamingResponse:
        """The same as they happen, as server-sent events of `Call`."""
        return _events(stream_calls(here(), ref, after, GATHER_S))

    @routes.get("/chats/{ref}/updates")
    async def read_updates(ref: str, limit: Limit = 100) -> views.ChatUpdates:
        """The newest updates about a chat, with the attempts to deliver them."""
        return updates_of(here(), ref, limit)

    return routes


def _events(lines: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(lines, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _chats_of(world: World, person: Person) -> list[Chat]:
    return [chat for chat in world.town.chats.values() if person.id in chat.people]


def _page(
    world: World, chat: Chat, person: Person, before: int | None, after: int | None, limit: int
) -> views.MessagePage:
    if after is not None:
        younger = list(islice((m for m in chat.visible() if m.id > after), limit + 1))
        shown, more_before, more_after = younger[:limit], True, len(younger) > limit
    else:
        older = list(islice((m for m in chat.newest_first() if before is None or m.id < before), limit + 1))
        shown, more_before, more_after = older[:limit][::-1], len(older) > limit, before is not None
    return views.MessagePage(
        messages=[views.of_message(message) for message in shown],
        more_before=more_before,
        more_after=more_after,
        keyboard=of_keyboard(chat, person.id),
        read=chat.read.get(person.id, 0),
        cursor=world.journal.seq,
    )


async def _changes(world: World, person: Person, after: int) -> AsyncIterator[str]:
    town = world.town
    yield "retry: 1000\n\n"
    while True:
        ring = world.journal.bell.next_ring()
        if world.town is not town:
            yield "event: reset\ndata: {}\n\n"
            return
        for event in world.journal.after(after):
            after = event.seq
            if (change := _change(world, person, event)) is not None:
                yield f"id: {event.seq}\ndata: {change.model_dump_json()}\n\n"
        if after >= world.journal.seq:
            await ring
            await asyncio.sleep(GATHER_S)


def _change(world: World, person: Person, event: Event) -> views.Change | None:
    """The event as this person sees it, or None if it is none of theirs."""
    chat = None if event.chat is None else world.town.chats.get(event.chat)
    if chat is None or person.id not in chat.people:
        return None
    message: Message | None = None if event.message_id is None else chat.messages.get(event.message_id)
    dialog = views.of_dialog(chat, person) if event.kind.startswith(DIALOG_EVENTS) else None
    return views.Change(
        seq=event.seq,
        time=event.time,
        kind=event.kind,
        bot_id=event.bot_id,
        chat=event.chat,
        person_id=event.person_id,
        message_id=event.message_id,
        text=event.text,
        details=event.details,
        message=None if message is None else views.of_message(message),
        keyboard=of_keyboard(chat, person.id),
        draft=_draft(world, chat),
        dialog=dialog,
    )


def _draft(world: World, chat: Chat) -> views.Draft | None:
    """The newest draft that is seen in the chat."""
    if not chat.drafts:
        return None
    seen = [draft for draft in drafts_now(chat, world.clock.now()) if draft.is_visible]
    return views.Draft.model_validate(seen[-1]) if seen else None
