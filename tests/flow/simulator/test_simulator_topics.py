"""Forum topics: opened, renamed, closed and deleted by bots and people."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from chats_stage import EVERY_KIND, Host, services, updates_of

from posthouse.testing.town import Group, Person, Town, TownError

KEEPING = ["can_manage_topics", "can_delete_messages"]


@pytest.fixture
async def host(town: Town, ann: Person, bot: Bot) -> Host:
    await bot.get_updates(allowed_updates=EVERY_KIND)
    return Host(town, ann)


async def _forum(host: Host, bot: Bot, rights: list[str] | None) -> Group:
    chat = await host.opens("supergroup", bot_id=bot.id, rights=rights)
    await host.changes(chat, is_forum=True)
    await updates_of(bot)
    return chat


async def test_a_topic_lives_its_life(host: Host, bot: Bot) -> None:
    """Opened, written in, renamed, closed, reopened, deleted; every step but the last is a service message in it."""
    chat = await _forum(host, bot, KEEPING)
    assert (await bot.get_chat(chat.id)).is_forum
    topic = await bot.create_forum_topic(chat.id, "Ideas", icon_color=0xCB86DB)
    assert (topic.name, topic.icon_color) == ("Ideas", 0xCB86DB)
    thread = topic.message_thread_id
    sent = await bot.send_message(chat.id, "first", message_thread_id=thread)
    assert (sent.message_thread_id, sent.is_topic_message) == (thread, True)
    await bot.edit_forum_topic(chat.id, thread, name="Good ideas")
    with pytest.raises(TelegramBadRequest, match="TOPIC_NOT_MODIFIED"):
        await bot.edit_forum_topic(chat.id, thread, name="Good ideas")
    await bot.close_forum_topic(chat.id, thread)
    await bot.reopen_forum_topic(chat.id, thread)
    told = services(await updates_of(bot))
    assert [m.content_type for m in told] == [
        "forum_topic_created",
        "forum_topic_edited",
        "forum_topic_closed",
        "forum_topic_reopened",
    ]
    assert {m.message_thread_id for m in told} == {thread} == {told[0].message_id}
    await bot.delete_forum_topic(chat.id, thread)
    assert [m.text for m in await chat.messages() if m.text] == []
    with pytest.raises(TelegramBadRequest, match="message thread not found"):
        await bot.send_message(chat.id, "anybody?", message_thread_id=thread)
    with pytest.raises(TelegramBadRequest, match="TOPIC_ID_INVALID"):
        await bot.close_forum_topic(chat.id, thread)


async def test_a_closed_topic_is_closed_to_members(host: Host, bot: Bot, town: Town) -> None:
    """Administrators of topics and the opener may go on writing."""
    chat = await _forum(host, bot, None)
    bob = await town.person("Bob")
    await host.adds(bob.id, chat)
    topic = await chat.opens_topic("News", by=host.person)
    await bob.says("still open", to=chat, thread=topic.id)
    await chat.changes_topic(topic.id, by=host.person, closed=True)
    with pytest.raises(TownError, match="TOPIC_CLOSED"):
        await bob.says("too late", to=chat, thread=topic.id)
    with pytest.raises(TelegramBadRequest, match="TOPIC_CLOSED"):
        await bot.send_message(chat.id, "too late", message_thread_id=topic.id)
    await host.person.says("I may", to=chat, thread=topic.id)
    with pytest.raises(TelegramBadRequest, match="not enough rights to close or open the topic"):
        await bot.reopen_forum_topic(chat.id, topic.id)
    with pytest.raises(TownError, match="Bob may not open topics here"):
        await chat.opens_topic("Mine", by=bob)
    with pytest.raises(TelegramBadRequest, match="not enough rights to create a topic"):
        await bot.create_forum_topic(chat.id, "Mine")


async def test_a_message_stays_in_its_topic(host: Host, bot: Bot) -> None:
    """What a person writes there carries the thread, and an answer to it goes there by itself."""
    chat = await _forum(host, bot, KEEPING)
    topic = await bot.create_forum_topic(chat.id, "Ideas")
    said = await host.person.says("how about this", to=chat, thread=topic.message_thread_id)
    heard = next(u.message for u in await updates_of(bot) if u.message and u.message.text)
    assert (heard.message_thread_id, heard.is_topic_message) == (topic.message_thread_id, True)
    answer = await bot.send_message(chat.id, "nice", reply_to_message_id=said.id)
    assert answer.message_thread_id == topic.message_thread_id
    assert {t.name for t in await chat.topics()} == {"Ideas", "General"}


async def test_general_is_named_closed_and_hidden(host: Host, bot: Bot) -> None:
    """It has the id 1, which no message may name, and its service messages carry no thread."""
    chat = await _forum(host, bot, KEEPING)
    await bot.edit_general_forum_topic(chat.id, "Lobby")
    await bot.close_general_forum_topic(chat.id)
    await bot.reopen_general_forum_topic(chat.id)
    await bot.hide_general_forum_topic(chat.id)
    with pytest.raises(TelegramBadRequest, match="TOPIC_NOT_MODIFIED"):
        await bot.close_general_forum_topic(chat.id)  # hiding closed it
    await bot.unhide_general_forum_topic(chat.id)
    told = services(await updates_of(bot))
    assert [m.content_type for m in told] == [
        "forum_topic_edited",
        "forum_topic_closed",
        "forum_topic_reopened",
        "general_forum_topic_hidden",
        "general_forum_topic_unhidden",
    ]
    assert {m.message_thread_id for m in told} == {None}
    with pytest.raises(TelegramBadRequest, match="message thread not found"):
        await bot.send_message(chat.id, "hello", message_thread_id=1)


async def test_only_forums_have_topics(host: Host, bot: Bot) -> None:
    """The server's words in a supergroup without topics."""
    chat = await host.opens("supergroup", bot_id=bot.id, rights=KEEPING)
    with pytest.raises(TelegramBadRequest, match="the chat is not a forum"):
        await bot.create_forum_topic(chat.id, "Ideas")
    with pytest.raises(TelegramBadRequest, match="message thread not found"):
        await bot.send_message(chat.id, "hello", message_thread_id=5)


async def test_people_send_media_into_a_topic(host: Host, bot: Bot) -> None:
    """Into the topic that they name, also while another one is closed to them."""
    chat = await _forum(host, bot, KEEPING)
    thread = (await bot.create_forum_topic(chat.id, "Ideas")).message_thread_id
    await updates_of(bot)
    person = host.person
    await person.sends("document", b"one", name="a.txt", to=chat, thread=thread)
    album = await person.sends("document", b"two", b"three", to=chat, thread=thread)
    assert [message.thread for message in album] == [thread, thread]
    place = {"person": person.id, "latitude": 1, "longitude": 2, "thread": thread}
    card = {"person": person.id, "phone_number": "+49", "thread": thread}
    throw = {"person": person.id, "thread": thread}
    bodies: dict[str, dict[str, object]] = {"places": place, "contacts": card, "dice": throw}
    for what, body in bodies.items():
        await host.town.request("POST", f"/chats/{chat.ref}/{what}", body)
    heard = [update.message for update in await updates_of(bot)]
    assert [message and message.message_thread_id for message in heard] == [thread] * 6
    with pytest.raises(TownError, match="no topic 999"):
        await person.sends("document", b"lost", to=chat, thread=999)


async def test_slow_mode_takes_an_album_as_one_message(host: Host, bot: Bot, town: Town) -> None:
    """All of it comes, and the next message has to wait."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=KEEPING, others=[bob])
    await host.changes(chat, slow_mode_s=30)
    album = await bob.sends("document", b"one", b"two", to=chat)
    assert len(album) == 2
    with pytest.raises(TownError, match="slow mode"):
        await bob.sends("document", b"three", to=chat)
