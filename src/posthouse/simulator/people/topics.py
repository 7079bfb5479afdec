"""What people do with the topics of a forum."""

from __future__ import annotations

from posthouse.simulator import forum
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.members import Member
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.topics import ICON_COLORS, Topic
from posthouse.simulator.town import Town


def open_topic(town: Town, person: Person, chat: Chat, name: str, icon_color: int = ICON_COLORS[0]) -> Topic:
    """A new topic."""
    member = _member(town, person, chat)
    if not member.is_allowed("can_manage_topics", chat.permissions):
        raise Impossible(f"{person.first_name} may not open topics here")
    return forum.open_topic(town, chat, person, name, icon_color)


def rename(town: Town, person: Person, chat: Chat, topic: Topic, name: str) -> None:
    _check_keeping(town, person, chat, topic)
    forum.change_topic(town, chat, person, topic, name, topic.icon_custom_emoji_id)


def set_closed(town: Town, person: Person, chat: Chat, topic: Topic, closed: bool) -> None:
    _check_keeping(town, person, chat, topic)
    forum.set_closed(town, chat, person, topic, closed)


def delete(town: Town, person: Person, chat: Chat, topic: Topic) -> None:
    if not _member(town, person, chat).has_right("can_delete_messages"):
        raise Impossible(f"{person.first_name} may not delete topics here")
    forum.delete_topic(town, chat, person, topic)


def _check_keeping(town: Town, person: Person, chat: Chat, topic: Topic) -> None:
    member = _member(town, person, chat)
    if not member.has_right("can_manage_topics") and topic.creator_id != person.id:
        raise Impossible(f"{person.first_name} may not change this topic")


def _member(town: Town, person: Person, chat: Chat) -> Member:
    if not chat.is_forum:
        raise Impossible("this chat is not a forum")
    member = chat.member(person, town.now())
    if not member.is_inside:
        raise Impossible(f"{person.first_name} is not in this chat")
    return member
