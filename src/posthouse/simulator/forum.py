"""What happens to the topics of a forum, whoever does it; each change leaves a service message."""

from __future__ import annotations

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.hearing import post_service
from posthouse.simulator.topics import GENERAL_ID, ICON_COLORS, Topic
from posthouse.simulator.town import Town


def open_topic(
    town: Town, chat: Chat, actor: Bot | Person, name: str, icon_color: int = ICON_COLORS[0], icon: str = ""
) -> Topic:
    """A new topic, known by the number of the message that says so."""
    topic = Topic(chat.message_id + 1, name, icon_color, icon, creator_id=actor.id)
    chat.topics[topic.id] = topic
    post_service(town, chat, actor, {"forum_topic_created": topic.badge()}, thread_id=topic.id)
    return topic


def change_topic(town: Town, chat: Chat, actor: Bot | Person, topic: Topic, name: str, icon: str) -> bool:
    """Give a topic this name and icon; False when it has them already."""
    edited: Wire = {}
    if name != topic.name:
        topic.name = edited["name"] = name
    if icon != topic.icon_custom_emoji_id:
        topic.icon_custom_emoji_id = edited["icon_custom_emoji_id"] = icon
    if edited:
        _tell(town, chat, actor, topic, {"forum_topic_edited": edited})
    return bool(edited)


def set_closed(town: Town, chat: Chat, actor: Bot | Person, topic: Topic, closed: bool) -> bool:
    """Close or reopen a topic; False when it is so already."""
    if topic.closed == closed:
        return False
    topic.closed = closed
    _tell(town, chat, actor, topic, {"forum_topic_closed" if closed else "forum_topic_reopened": {}})
    return True


def hide_general(town: Town, chat: Chat, actor: Bot | Person, general: Topic, hidden: bool) -> bool:
    """Hide or show the General topic; False when it is so already. A hidden one is closed."""
    if general.hidden == hidden:
        return False
    general.hidden = hidden
    general.closed = general.closed or hidden
    service: Wire = {"general_forum_topic_hidden" if hidden else "general_forum_topic_unhidden": {}}
    _tell(town, chat, actor, general, service)
    return True


def delete_topic(town: Town, chat: Chat, actor: Bot | Person, topic: Topic) -> None:
    """Remove a topic with every message in it."""
    del chat.topics[topic.id]
    cursor = town.journal.record(
        "topic.deleted",
        bot_id=actor.id if isinstance(actor, Bot) else None,
        chat=chat.ref,
        person_id=actor.id if isinstance(actor, Person) else None,
        text=topic.name,
        topic=topic.id,
    )
    for message in chat.messages.values():
        if message.thread_id == topic.id:
            message.deleted, message.cursor = True, cursor


def _tell(town: Town, chat: Chat, actor: Bot | Person, topic: Topic, service: Wire) -> None:
    post_service(town, chat, actor, service, thread_id=0 if topic.id == GENERAL_ID else topic.id)
