"""Invite links and requests to join."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from chats_stage import EVERY_KIND, Host, changes, services, updates_of

from posthouse.simulator import MovableClock
from posthouse.testing.town import Person, Town, TownError

INVITING = ["can_invite_users"]


@pytest.fixture
async def host(town: Town, ann: Person, bot: Bot) -> Host:
    await bot.get_updates(allowed_updates=EVERY_KIND)
    return Host(town, ann)


async def test_a_link_lets_in_until_it_is_full_or_old(host: Host, bot: Bot, town: Town, clock: MovableClock) -> None:
    """A limit and an end by the clock close it; the update names the link."""
    bob, eve = await town.person("Bob"), await town.person("Eve")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=INVITING)
    await updates_of(bot)
    link = await bot.create_chat_invite_link(chat.id, name="One", member_limit=1)
    assert (link.name, link.member_limit, link.is_primary, link.creator.id) == ("One", 1, False, bot.id)
    assert not await bob.joins(link.invite_link)
    updates = await updates_of(bot)
    assert changes(updates) == [("chat_member", bob.id, "left", "member")]
    joined = next(u.chat_member for u in updates if u.chat_member)
    assert joined.invite_link
    assert joined.invite_link.invite_link == link.invite_link
    assert [m.new_chat_members[0].id for m in services(updates) if m.new_chat_members] == [bob.id]
    with pytest.raises(TownError, match="the link has let in its 1 members"):
        await eve.joins(link.invite_link)
    edited = await bot.edit_chat_invite_link(chat.id, link.invite_link, expire_date=int(clock.now()) + 60)
    assert (edited.name, edited.member_limit) == (None, None)
    await clock.advance(60)
    with pytest.raises(TownError, match="the link has expired"):
        await eve.joins(link.invite_link)


async def test_a_revoked_link_is_closed(host: Host, bot: Bot, town: Town) -> None:
    """A revoked primary link has a successor; exporting makes another and closes the old one."""
    bob = await town.person("Bob")
    chat = await host.opens("channel", bot_id=bot.id, rights=INVITING)
    first = await bot.export_chat_invite_link(chat.id)
    second = await bot.export_chat_invite_link(chat.id)
    assert (await bot.get_chat(chat.id)).invite_link == second
    with pytest.raises(TownError, match="the link was revoked"):
        await bob.joins(first)
    revoked = await bot.revoke_chat_invite_link(chat.id, second)
    assert revoked.is_revoked
    assert (await bot.get_chat(chat.id)).invite_link not in (None, first, second)
    with pytest.raises(TelegramBadRequest, match="INVITE_HASH_EXPIRED"):
        await bot.edit_chat_invite_link(chat.id, second, name="again")
    link = await bot.create_chat_invite_link(chat.id)
    assert not await bob.joins(link.invite_link)
    assert (await host.members(chat))[bob.id] == "member"


async def test_links_are_refused_with_the_servers_words(host: Host, bot: Bot, clock: MovableClock) -> None:
    """Without the right, with a limit and a request at once, with an end in the past, with another's link."""
    chat = await host.opens("supergroup", bot_id=bot.id)
    with pytest.raises(TelegramBadRequest, match="not enough rights to manage chat invite link"):
        await bot.create_chat_invite_link(chat.id)
    await host.promotes(bot.id, chat, INVITING)
    with pytest.raises(TelegramBadRequest, match="member limit can't be specified for links requiring"):
        await bot.create_chat_invite_link(chat.id, member_limit=3, creates_join_request=True)
    with pytest.raises(TelegramBadRequest, match="EXPIRE_DATE_INVALID"):
        await bot.create_chat_invite_link(chat.id, expire_date=int(clock.now()) - 1)
    with pytest.raises(TelegramBadRequest, match="USAGE_LIMIT_INVALID"):
        await bot.create_chat_invite_link(chat.id, member_limit=100_000)
    foreign = await chat.link(by=host.person, name="Ann's")
    with pytest.raises(TelegramBadRequest, match="CHAT_ADMIN_REQUIRED"):
        await bot.revoke_chat_invite_link(chat.id, foreign.url)
    assert [link.name for link in await chat.links()] == ["Ann's"]


async def test_a_bot_lets_in_who_asks(host: Host, bot: Bot, town: Town) -> None:
    """The request is an update with the bio; approved, the person is in, and a second answer finds nobody."""
    bob = await town.person("Bob", bio="I knit")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=INVITING)
    link = await bot.create_chat_invite_link(chat.id, creates_join_request=True)
    await updates_of(bot)
    assert await bob.joins(link.invite_link)
    asked = next(u.chat_join_request for u in await updates_of(bot) if u.chat_join_request)
    assert (asked.from_user.id, asked.user_chat_id, asked.bio) == (bob.id, bob.id, "I knit")
    assert asked.invite_link
    assert asked.invite_link.pending_join_request_count == 1
    assert [asking.name for asking in await chat.join_requests()] == ["Bob"]
    await bot.approve_chat_join_request(chat.id, bob.id)
    assert changes(await updates_of(bot)) == [("chat_member", bob.id, "left", "member")]
    with pytest.raises(TelegramBadRequest, match="USER_ALREADY_PARTICIPANT"):
        await bot.approve_chat_join_request(chat.id, bob.id)


async def test_who_is_declined_may_ask_again(host: Host, bot: Bot, town: Town) -> None:
    """Asking at a public chat that wants it needs no link; an owner may answer too."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=INVITING)
    await host.changes(chat, username="crew_public", join_by_request=True)
    assert (await bot.get_chat("@crew_public")).join_by_request
    assert await bob.joins("@crew_public")
    await bot.decline_chat_join_request(chat.id, bob.id)
    with pytest.raises(TelegramBadRequest, match="HIDE_REQUESTER_MISSING"):
        await bot.decline_chat_join_request(chat.id, bob.id)
    assert await bob.joins("@crew_public")
    await updates_of(bot)
    await chat.lets_in(bob, by=host.person)
    (joined,) = [u.chat_member for u in await updates_of(bot) if u.chat_member]
    assert joined.via_join_request
    assert (await host.members(chat))[bob.id] == "member"


async def test_a_bot_may_write_to_who_asks_for_five_minutes(
    host: Host, bot: Bot, town: Town, clock: MovableClock
) -> None:
    """After that the person must have started it."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=INVITING)
    link = await bot.create_chat_invite_link(chat.id, creates_join_request=True)
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(bob.id, "too early")
    await bob.joins(link.invite_link)
    await bot.send_message(bob.id, "why do you want to come?")
    await bob.chat_with(bot.id).shows("why do you want to come?")
    await clock.advance(301)
    with pytest.raises(TelegramForbiddenError, match="bot can't initiate conversation with a user"):
        await bot.send_message(bob.id, "still there?")
    await bob.says("yes", to=bot.id)
    await bot.send_message(bob.id, "good")
