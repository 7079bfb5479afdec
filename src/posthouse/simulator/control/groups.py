"""Routes: settings and topics of groups and channels, and the commands that people are offered."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.chats import Chat
from posthouse.simulator.control.finder import Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.people import settings, topics
from posthouse.simulator.topics import GENERAL_ID, Topic


def routes_of_groups() -> APIRouter:
    routes = APIRouter(prefix="/chats/{ref}", tags=["groups"])
    find = Finder()

    @routes.patch("")
    async def change_chat(ref: str, change: views.ChatChange) -> views.Chat:
        """A member changes the title and other settings, as far as they may."""
        wanted = change.model_dump(exclude={"person", "permissions", "linked"})
        if change.permissions is not None:
            wanted["permissions"] = frozenset(change.permissions)
        if change.linked is not None:
            wanted["linked"] = find.chat(change.linked)
        settings.change(here().town, find.person(change.person), find.chat(ref), settings.Change(**wanted))
        return find.view(ref)

    @routes.get("/topics")
    async def list_topics(ref: str) -> list[views.Topic]:
        chat = find.chat(ref)
        chat.topic(GENERAL_ID)
        return [views.Topic.model_validate(topic) for topic in chat.topics.values()]

    @routes.post("/topics")
    async def open_topic(ref: str, new: views.NewTopic) -> views.Topic:
        topic = topics.open_topic(here().town, find.person(new.person), find.chat(ref), new.name, new.icon_color)
        return views.Topic.model_validate(topic)

    @routes.patch("/topics/{topic_id}")
    async def change_topic(ref: str, topic_id: int, change: views.TopicChange) -> views.Topic:
        chat, person = find.chat(ref), find.person(change.person)
        topic = _topic(chat, topic_id)
        if change.name is not None:
            topics.rename(here().town, person, chat, topic, change.name)
        if change.closed is not None:
            topics.set_closed(here().town, person, chat, topic, change.closed)
        return views.Topic.model_validate(topic)

    @routes.delete("/topics/{topic_id}")
    async def delete_topic(ref: str, topic_id: int, person: int) -> None:
        chat = find.chat(ref)
        topics.delete(here().town, find.person(person), chat, _topic(chat, topic_id))

    @routes.get("/commands")
    async def list_commands(ref: str, person: int) -> list[views.Commands]:
        """The commands that this person is offered here by each bot, in their language."""
        chat, somebody = find.chat(ref, opened=True), find.person(person)
        shown = []
        for bot in chat.bots.values():
            commands = bot.profile.commands_in(
                chat.kind, chat.id, person, somebody.language_code or "", is_admin=person in chat.admins
            )
            button = bot.profile.menu_button_for(chat.id) if chat.is_private else None
            shown.append(views.Commands(bot=bot.id, commands=commands, menu_button=button))
        return shown

    return routes


def _topic(chat: Chat, topic_id: int) -> Topic:
    topic = chat.topic(topic_id)
    if topic is None:
        raise HTTPException(404, f"no topic {topic_id} in chat {chat.ref}")
    return topic
