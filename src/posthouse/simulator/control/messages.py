"""Routes: what people do with messages besides writing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from posthouse.simulator import views
from posthouse.simulator.control.finder import Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.people import keyboards, reactions, writing


def routes_of_messages() -> APIRouter:
    routes = APIRouter(prefix="/chats/{ref}", tags=["messages"])
    find = Finder()

    @routes.delete("/messages/{message_id}")
    async def delete(ref: str, message_id: int, person: Annotated[int, Query()]) -> None:
        """A person deletes an own message, or any message of a private chat."""
        writing.delete(here().town, find.person(person), find.message(find.chat(ref), message_id))

    @routes.put("/messages/{message_id}/reactions")
    async def react(ref: str, message_id: int, reacting: views.Reacting) -> views.Message:
        """Let these emoji be the person's reactions; none takes them away."""
        message = find.message(find.chat(ref), message_id)
        reactions.put_reactions(here().town, find.person(reacting.person), message, reacting.emoji)
        return views.of_message(message)

    @routes.post("/keys")
    async def press_key(ref: str, key: views.Key) -> views.Message:
        """A person presses a button of the reply keyboard."""
        shared = keyboards.Shared(
            location=None if key.location is None else key.location.model_dump(exclude_none=True),
            users=tuple(find.user(user) for user in key.users),
            chat=None if key.chat is None else find.chat(key.chat),
        )
        message = keyboards.press_key(here().town, find.person(key.person), find.chat(ref), key.text, shared)
        return views.of_message(message)

    @routes.post("/stops")
    async def stop(ref: str, stopping: views.Stopping) -> views.Draft:
        """A person stops the draft that a bot is writing."""
        draft = reactions.stop_draft(here().town, find.person(stopping.person), find.chat(ref), stopping.draft)
        return views.Draft.model_validate(draft)

    @routes.post("/forwards")
    async def forward(ref: str, forwarding: views.Forwarding) -> views.Message:
        """A person forwards a message of some chat into this one."""
        message = find.message(find.chat(forwarding.from_chat), forwarding.message)
        chat = find.chat(ref, opened=True)
        return views.of_message(writing.forward(here().town, find.person(forwarding.person), message, chat))

    return routes
