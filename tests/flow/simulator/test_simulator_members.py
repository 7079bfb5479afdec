"""Members: what bots and people do to them, and who is told."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import (
    ChatMemberAdministrator,
    ChatMemberBanned,
    ChatMemberOwner,
    ChatMemberRestricted,
    ChatPermissions,
)
from chats_stage import EVERY_KIND, Host, changes, services, updates_of
from simulator_stage import TOKEN, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.simulator.members import PERMISSIONS
from posthouse.testing.town import Person, Town, TownError

RESTRICTING = ["can_restrict_members"]
PROMOTING = ["can_promote_members", "can_delete_messages", "can_invite_users"]


@pytest.fixture
async def host(town: Town, ann: Person, bot: Bot) -> Host:
    await bot.get_updates(allowed_updates=EVERY_KIND)
    return Host(town, ann)


async def test_members_are_listed_with_their_standing(host: Host, bot: Bot, town: Town) -> None:
    """Administrators, a member, the count, and a stranger who has left, as clients parse them."""
    bob, eve = await town.person("Bob"), await town.person("Eve")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=PROMOTING, others=[bob])
    owner, me = await bot.get_chat_administrators(chat.id)
    assert isinstance(owner, ChatMemberOwner)
    assert isinstance(me, ChatMemberAdministrator)
    assert (owner.user.id, me.user.id, me.can_promote_members, me.can_pin_messages) == (
        host.person.id,
        bot.id,
        True,
        False,
    )
    assert await bot.get_chat_member_count(chat.id) == 3
    assert [(await bot.get_chat_member(chat.id, p.id)).status for p in (bob, eve)] == ["member", "left"]
    with pytest.raises(TelegramBadRequest, match="PARTICIPANT_ID_INVALID"):
        await bot.get_chat_member(chat.id, 999)


async def test_a_private_chat_has_two_members(bot: Bot, ann: Person, town: Town) -> None:
    """It has no administrators, and nobody else is in it."""
    bob = await town.person("Bob")
    assert await bot.get_chat_member_count(ann.id) == 2
    assert (await bot.get_chat_member(ann.id, ann.id)).status == "member"
    with pytest.raises(TelegramBadRequest, match="member not found"):
        await bot.get_chat_member(ann.id, bob.id)
    with pytest.raises(TelegramBadRequest, match="there are no administrators in the private chat"):
        await bot.get_chat_administrators(ann.id)
    with pytest.raises(TelegramBadRequest, match="chat member status can't be changed in private chats"):
        await bot.leave_chat(ann.id)


async def test_a_ban_ends_by_the_clock(host: Host, bot: Bot, town: Town, clock: MovableClock) -> None:
    """Until then the person is kicked and cannot write; both changes and the leaving are told."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=RESTRICTING, others=[bob])
    await updates_of(bot)
    until = int(clock.now()) + 60
    await bot.ban_chat_member(chat.id, bob.id, until_date=until)
    member = await bot.get_chat_member(chat.id, bob.id)
    assert isinstance(member, ChatMemberBanned)
    assert int(member.until_date.timestamp()) == until
    updates = await updates_of(bot)
    assert changes(updates) == [("chat_member", bob.id, "member", "kicked")]
    assert [m.left_chat_member.id for m in services(updates) if m.left_chat_member] == [bob.id]
    with pytest.raises(TownError, match="Bob is not in this chat"):
        await bob.says("hey", to=chat)
    await host.changes(chat, username="crew_here")
    with pytest.raises(TownError, match="Bob is banned from this chat"):
        await bob.joins("@crew_here")
    await clock.advance(61)
    assert (await bot.get_chat_member(chat.id, bob.id)).status == "left"


async def test_unban_lets_come_again_and_puts_out_who_is_inside(host: Host, bot: Bot, town: Town) -> None:
    """`only_if_banned` leaves a member alone; without it the member is put out and may come again."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=RESTRICTING, others=[bob])
    await bot.unban_chat_member(chat.id, bob.id, only_if_banned=True)
    assert (await host.members(chat))[bob.id] == "member"
    await bot.unban_chat_member(chat.id, bob.id)
    assert (await host.members(chat))[bob.id] == "left"
    await host.adds(bob.id, chat)
    await bot.ban_chat_member(chat.id, bob.id)
    await bot.unban_chat_member(chat.id, bob.id, only_if_banned=True)
    assert (await host.members(chat))[bob.id] == "left"


async def test_restrictions_stop_what_they_name(host: Host, bot: Bot, town: Town, clock: MovableClock) -> None:
    """A restricted person cannot write until the time is over; all permissions lift it at once."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=RESTRICTING, others=[bob])
    await bot.restrict_chat_member(chat.id, bob.id, ChatPermissions(), until_date=int(clock.now()) + 60)
    member = await bot.get_chat_member(chat.id, bob.id)
    assert isinstance(member, ChatMemberRestricted)
    assert (member.is_member, member.can_send_messages) == (True, False)
    with pytest.raises(TownError, match="not enough rights to send text messages to the chat"):
        await bob.says("hey", to=chat)
    await clock.advance(61)
    await bob.says("free again", to=chat)
    polls = ChatPermissions(can_send_polls=True)
    await bot.restrict_chat_member(chat.id, bob.id, polls, until_date=int(clock.now()) + 10)
    member = await bot.get_chat_member(chat.id, bob.id)
    assert isinstance(member, ChatMemberRestricted)
    assert (member.can_send_messages, member.can_send_photos) == (True, False)
    assert int(member.until_date.timestamp()) == 0  # less than 30 seconds is forever
    everything = ChatPermissions(**dict.fromkeys(PERMISSIONS, True))
    await bot.restrict_chat_member(chat.id, bob.id, everything)
    assert (await bot.get_chat_member(chat.id, bob.id)).status == "member"


async def test_who_may_not_be_restricted(host: Host, bot: Bot, town: Town) -> None:
    """The owner, the bot itself, other people's administrators; and nobody by a bot without the right."""
    bob, eve = await town.person("Bob"), await town.person("Eve")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=RESTRICTING, others=[bob, eve])
    await host.promotes(bob.id, chat, ["can_pin_messages"])
    for user_id, text in (
        (host.person.id, "can't remove chat owner"),
        (bot.id, "can't restrict self"),
        (bob.id, "user is an administrator of the chat"),
    ):
        with pytest.raises(TelegramBadRequest, match=text):
            await bot.ban_chat_member(chat.id, user_id)
    await host.promotes(bot.id, chat, ["can_pin_messages"])
    with pytest.raises(TelegramBadRequest, match="not enough rights to restrict/unrestrict chat member"):
        await bot.restrict_chat_member(chat.id, eve.id, ChatPermissions())
    group = await host.opens("group", bot_id=bot.id, others=[eve])
    with pytest.raises(TelegramBadRequest, match="method is available only for supergroups"):
        await bot.restrict_chat_member(group.id, eve.id, ChatPermissions())
    with pytest.raises(TelegramBadRequest, match="CHAT_ADMIN_REQUIRED"):
        await bot.ban_chat_member(group.id, eve.id)


async def test_a_bot_promotes_within_its_own_rights(host: Host, bot: Bot, town: Town) -> None:
    """It gives what it has, takes back what it gave, sets a title, and cannot touch others' administrators."""
    bob, eve = await town.person("Bob"), await town.person("Eve")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=PROMOTING, others=[bob, eve])
    await bot.promote_chat_member(chat.id, bob.id, can_delete_messages=True)
    await bot.set_chat_administrator_custom_title(chat.id, bob.id, "Cleaner")
    member = await bot.get_chat_member(chat.id, bob.id)
    assert isinstance(member, ChatMemberAdministrator)
    assert (member.can_be_edited, member.can_manage_chat, member.can_invite_users, member.custom_title) == (
        True,
        True,
        False,
        "Cleaner",
    )
    with pytest.raises(TelegramBadRequest, match="RIGHT_FORBIDDEN"):
        await bot.promote_chat_member(chat.id, eve.id, can_pin_messages=True)
    with pytest.raises(TelegramBadRequest, match="user is not an administrator"):
        await bot.set_chat_administrator_custom_title(chat.id, eve.id, "Nobody")
    with pytest.raises(TelegramBadRequest, match="only the owner can edit their custom title"):
        await bot.set_chat_administrator_custom_title(chat.id, host.person.id, "Boss")
    with pytest.raises(TelegramBadRequest, match="CUSTOM_TITLE_EMOJI_NOT_ALLOWED"):
        await bot.set_chat_administrator_custom_title(chat.id, bob.id, "🧹")
    await bot.promote_chat_member(chat.id, bob.id)
    assert (await host.members(chat))[bob.id] == "member"
    await host.promotes(eve.id, chat, ["can_pin_messages"])
    with pytest.raises(TelegramBadRequest, match="CHAT_ADMIN_REQUIRED"):
        await bot.promote_chat_member(chat.id, eve.id)
    with pytest.raises(TelegramBadRequest, match="not enough rights to change custom title of the user"):
        await bot.set_chat_administrator_custom_title(chat.id, eve.id, "Mine")


async def test_a_tag_is_for_ordinary_members(host: Host, bot: Bot, town: Town) -> None:
    """It is shown with the member, and goes when it is emptied."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=["can_manage_tags"], others=[bob])
    await bot.set_chat_member_tag(chat.id, bob.id, "Newbie")
    assert (await bot.get_chat_member(chat.id, bob.id)).tag == "Newbie"
    await bot.set_chat_member_tag(chat.id, bob.id, "")
    assert (await bot.get_chat_member(chat.id, bob.id)).tag is None


async def test_a_bot_outside_is_told_how_it_stands(host: Host, bot: Bot) -> None:
    """A bot that left, one that was put out, and one that never was in the chat hear three different things."""
    chat = await host.opens("supergroup", bot_id=bot.id)
    await bot.leave_chat(chat.id)
    with pytest.raises(TelegramForbiddenError, match="bot is not a member of the supergroup chat"):
        await bot.send_message(chat.id, "hello?")
    await host.adds(bot.id, chat)
    await host.removes(bot.id, chat)
    with pytest.raises(TelegramForbiddenError, match="bot was kicked from the supergroup chat"):
        await bot.get_chat(chat.id)
    group = await host.opens("group", bot_id=bot.id)
    await updates_of(bot)
    await host.removes(bot.id, group)
    with pytest.raises(TelegramForbiddenError, match="bot was kicked from the group chat"):
        await bot.send_message(group.id, "hello?")
    updates = await updates_of(bot)
    assert changes(updates) == [("my_chat_member", bot.id, "member", "kicked")]
    assert [m.left_chat_member.id for m in services(updates) if m.left_chat_member] == [bot.id]
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(-1001234567890, "hello?")


async def test_coming_and_going_is_told(host: Host, bot: Bot, town: Town) -> None:
    """New and leaving members are service messages; only an administrator who asked hears chat_member."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=["can_pin_messages"])
    quiet = await host.opens("supergroup", bot_id=bot.id)
    await updates_of(bot)
    for place in (chat, quiet):
        await host.adds(bob.id, place)
        await bob.leaves(place)
    updates = await updates_of(bot)
    assert changes(updates) == [
        ("chat_member", bob.id, "left", "member"),
        ("chat_member", bob.id, "member", "left"),
    ]
    came = [m for m in services(updates) if m.new_chat_members]
    assert [(m.chat.id, m.from_user and m.from_user.id) for m in came] == [
        (chat.id, host.person.id),
        (quiet.id, host.person.id),
    ]
    assert [m.from_user.id for m in services(updates) if m.left_chat_member and m.from_user] == [bob.id, bob.id]


async def test_a_bot_learns_that_it_is_promoted_and_demoted(host: Host, bot: Bot) -> None:
    """Both are my_chat_member, with the rights before and after."""
    chat = await host.opens("supergroup", bot_id=bot.id)
    await updates_of(bot)
    await host.promotes(bot.id, chat, ["can_pin_messages"])
    await host.promotes(bot.id, chat, [])
    assert changes(await updates_of(bot)) == [
        ("my_chat_member", bot.id, "member", "administrator"),
        ("my_chat_member", bot.id, "administrator", "member"),
    ]


async def test_the_closed_chat_stops_members_and_bots(host: Host, bot: Bot, town: Town) -> None:
    """What the chat forbids its members, it forbids a bot that is one; administrators go on."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, others=[bob])
    with pytest.raises(TelegramBadRequest, match="not enough rights to change chat permissions"):
        await bot.set_chat_permissions(chat.id, ChatPermissions())
    await host.changes(chat, permissions=["can_invite_users"])
    with pytest.raises(TelegramBadRequest, match="not enough rights to send text messages to the chat"):
        await bot.send_message(chat.id, "hello?")
    with pytest.raises(TownError, match="not enough rights to send text messages to the chat"):
        await bob.says("hello?", to=chat)
    await host.person.says("mine", to=chat)
    await host.promotes(bot.id, chat, RESTRICTING)
    await bot.send_message(chat.id, "now I may")
    await bot.set_chat_permissions(chat.id, ChatPermissions(can_send_messages=True, can_invite_users=True))
    await bob.says("me too", to=chat)
    permissions = (await bot.get_chat(chat.id)).permissions
    assert permissions is not None
    assert (permissions.can_send_messages, permissions.can_send_photos) == (True, False)


async def test_slow_mode_is_for_ordinary_people(host: Host, bot: Bot, town: Town, clock: MovableClock) -> None:
    """They wait, administrators and bots do not."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, others=[bob])
    await host.changes(chat, slow_mode_s=10)
    assert (await bot.get_chat(chat.id)).slow_mode_delay == 10
    await bob.says("one", to=chat)
    with pytest.raises(TownError, match="slow mode: Bob may write again in 10 s"):
        await bob.says("two", to=chat)
    for _ in range(2):
        await host.person.says("I may", to=chat)
        await bot.send_message(chat.id, "so may I")
    await clock.advance(10)
    await bob.says("two", to=chat)


async def test_only_an_administrator_deletes_what_others_wrote(host: Host, bot: Bot, town: Town) -> None:
    """A bot deletes its own message; another's only with the right."""
    chat = await host.opens("supergroup", bot_id=bot.id)
    said = await host.person.says("keep me", to=chat)
    with pytest.raises(TelegramBadRequest, match="message can't be deleted"):
        await bot.delete_message(chat.id, said.id)
    await host.promotes(bot.id, chat, ["can_delete_messages"])
    await bot.delete_message(chat.id, said.id)
    assert [m.text for m in await chat.messages() if m.text] == []


async def test_other_bots_hear_of_members_but_not_of_each_other(sim: Simulator, host: Host, bot: Bot) -> None:
    """One bot promotes another: that one hears my_chat_member, an administrator bot hears chat_member."""
    async with aiogram_bot(sim, "7:second") as second:
        await second.get_updates()
        chat = await host.opens("supergroup", bot_id=bot.id, rights=PROMOTING)
        await host.adds(second.id, chat)
        await updates_of(bot)
        await updates_of(second)
        await bot.promote_chat_member(chat.id, second.id, can_delete_messages=True)
        assert changes(await updates_of(second)) == [("my_chat_member", second.id, "member", "administrator")]
        assert changes(await updates_of(bot)) == [("chat_member", second.id, "member", "administrator")]
        assert len(await bot.get_chat_administrators(chat.id)) == 2
        shown = await bot.get_chat_administrators(chat.id, return_bots=True)
        assert {member.user.id for member in shown} == {host.person.id, bot.id, second.id}


async def test_a_deleted_account_cannot_be_written_to(host: Host, bot: Bot, town: Town) -> None:
    """The bot is refused, the name is gone, and the person can do nothing more."""
    ann = host.person
    await ann.deletes_account()
    with pytest.raises(TelegramForbiddenError, match="user is deactivated"):
        await bot.send_message(ann.id, "still there?")
    with pytest.raises(TownError, match="this account was deleted"):
        await ann.says("boo", to=TOKEN)
    assert (await bot.get_chat(ann.id)).first_name == ""
