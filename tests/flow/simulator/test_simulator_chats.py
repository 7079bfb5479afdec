"""Groups, supergroups and channels: what they are, who speaks in them, and what is changed about them."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import BotCommand, BotCommandScopeChatMember, BufferedInputFile, MessageOriginChannel
from chats_stage import EVERY_KIND, Host, services, updates_of
from pictures_stage import picture
from simulator_stage import aiogram_bot

from posthouse.simulator import Simulator
from posthouse.testing.town import Person, Town, TownError


@pytest.fixture
async def host(town: Town, ann: Person, bot: Bot) -> Host:
    await bot.get_updates(allowed_updates=EVERY_KIND)
    return Host(town, ann)


@pytest.mark.parametrize("kind", ["group", "supergroup", "channel"])
async def test_a_bot_changes_what_it_may(host: Host, bot: Bot, kind: str) -> None:
    """Title, description and photo; the first and the last leave service messages that the bot itself hears."""
    chat = await host.opens(kind, bot_id=bot.id, rights=["can_change_info"])
    await updates_of(bot)
    await bot.set_chat_title(chat.id, "Crew 2")
    await bot.set_chat_title(chat.id, "Crew 2")
    await bot.set_chat_description(chat.id, "Who we are")
    with pytest.raises(TelegramBadRequest, match="chat description is not modified"):
        await bot.set_chat_description(chat.id, "Who we are")
    await bot.set_chat_photo(chat.id, BufferedInputFile(picture(640, 640), "us.png"))
    shown = await bot.get_chat(chat.id)
    assert (shown.type, shown.title, shown.description) == (kind, "Crew 2", "Who we are")
    assert shown.photo
    assert (await bot.get_file(shown.photo.big_file_id)).file_path
    await bot.delete_chat_photo(chat.id)
    with pytest.raises(TelegramBadRequest, match="CHAT_NOT_MODIFIED"):
        await bot.delete_chat_photo(chat.id)
    told = services(await updates_of(bot))
    assert [m.content_type for m in told] == ["new_chat_title", "new_chat_photo", "delete_chat_photo"]
    assert told[1].new_chat_photo


async def test_changes_need_the_right(host: Host, bot: Bot) -> None:
    """Each refusal names the act; private chats have nothing to change."""
    chat = await host.opens("supergroup", bot_id=bot.id, rights=["can_pin_messages"])
    photo = BufferedInputFile(picture(640, 640), "us.png")
    for call, text in (
        (bot.set_chat_title(chat.id, "X"), "not enough rights to change chat title"),
        (bot.set_chat_description(chat.id, "X"), "not enough rights to set chat description"),
        (bot.set_chat_photo(chat.id, photo), "not enough rights to change chat photo"),
        (bot.set_chat_sticker_set(chat.id, "x_by_bot"), "not enough rights to change supergroup sticker set"),
        (bot.set_chat_title(host.person.id, "X"), "can't change private chat title"),
    ):
        with pytest.raises(TelegramBadRequest, match=text):
            await call


async def test_a_public_chat_is_known_by_its_name(sim: Simulator, host: Host, bot: Bot) -> None:
    """Anybody's bot may look at it, only one inside may write."""
    chat = await host.opens("supergroup", bot_id=bot.id)
    await host.changes(chat, username="crew_public")
    assert (await bot.send_message("@crew_public", "hello")).chat.username == "crew_public"
    assert (await bot.get_chat("@Crew_Public")).active_usernames == ["crew_public"]
    async with aiogram_bot(sim, "7:second") as stranger:
        assert (await stranger.get_chat("@crew_public")).id == chat.id
        with pytest.raises(TelegramForbiddenError, match="bot is not a member of the supergroup chat"):
            await stranger.send_message("@crew_public", "hello")
        with pytest.raises(TelegramBadRequest, match="chat not found"):
            await stranger.get_chat("@crew_private")


async def test_a_channel_speaks_with_one_voice(host: Host, bot: Bot, town: Town) -> None:
    """Posts have no sender but the channel; a person's are channel_post, edits edited_channel_post."""
    chat = await host.opens("channel", bot_id=bot.id, rights=["can_post_messages"])
    sent = await bot.send_message(chat.id, "News")
    assert (sent.from_user, sent.sender_chat and sent.sender_chat.id) == (None, chat.id)
    await updates_of(bot)
    await host.changes(chat, signed=True)
    said = await host.person.says("More news", to=chat)
    await host.person.edits(said, "More good news")
    post, edited = await updates_of(bot)
    assert post.channel_post
    assert (post.channel_post.text, post.channel_post.author_signature) == ("More news", "Ann")
    assert edited.edited_channel_post
    assert edited.edited_channel_post.text == "More good news"
    bob = await town.person("Bob")
    await host.changes(chat, username="crew_news")
    await bob.joins("@crew_news")
    with pytest.raises(TownError, match="need administrator rights in the channel chat"):
        await bob.says("me too", to=chat)
    await host.promotes(bot.id, chat, ["can_invite_users"])
    with pytest.raises(TelegramBadRequest, match="need administrator rights in the channel chat"):
        await bot.send_message(chat.id, "News")


async def test_bots_are_in_channels_as_administrators(host: Host, bot: Bot) -> None:
    """Promoting brings a bot in, and demoting puts it out."""
    chat = await host.opens("channel", bot_id=bot.id)
    with pytest.raises(TownError, match="bots are in a channel only as administrators"):
        await host.adds(bot.id, chat)
    await host.promotes(bot.id, chat, None)
    assert (await host.members(chat))[bot.id] == "administrator"
    await host.promotes(bot.id, chat, [])
    assert (await host.members(chat))[bot.id] == "left"


async def test_an_anonymous_administrator_is_the_group(host: Host, bot: Bot, town: Town) -> None:
    """Its messages come from GroupAnonymousBot, in the name of the chat, signed with the title."""
    bob = await town.person("Bob")
    chat = await host.opens("supergroup", bot_id=bot.id, rights=["can_delete_messages"], others=[bob])
    await host.promotes(bob.id, chat, ["is_anonymous"], title="Ghost")
    await updates_of(bot)
    await bob.says("boo", to=chat)
    (update,) = await updates_of(bot)
    assert update.message
    assert update.message.from_user
    assert update.message.sender_chat
    assert (update.message.from_user.username, update.message.sender_chat.id, update.message.author_signature) == (
        "GroupAnonymousBot",
        chat.id,
        "Ghost",
    )


async def test_a_person_speaks_as_an_own_channel_unless_it_is_banned(host: Host, bot: Bot) -> None:
    """banChatSenderChat silences the channel; unbanning lets it speak again."""
    chat = await host.opens("supergroup", bot_id=bot.id, rights=["can_restrict_members"])
    channel = await host.opens("channel", bot_id=bot.id)
    await updates_of(bot)
    await host.person.says("As the press", to=chat, as_chat=channel)
    (update,) = await updates_of(bot)
    assert update.message
    assert update.message.sender_chat
    assert update.message.sender_chat.id == channel.id
    await bot.ban_chat_sender_chat(chat.id, channel.id)
    with pytest.raises(TownError, match="is banned here"):
        await host.person.says("As the press", to=chat, as_chat=channel)
    await bot.unban_chat_sender_chat(chat.id, channel.id)
    await host.person.says("As the press", to=chat, as_chat=channel)
    with pytest.raises(TelegramBadRequest, match="PARTICIPANT_ID_INVALID"):
        await bot.ban_chat_sender_chat(chat.id, chat.id)


async def test_people_change_settings(host: Host, bot: Bot, town: Town) -> None:
    """A bot sees them with getChat; the title and the timer leave service messages."""
    chat = await host.opens("supergroup", bot_id=bot.id)
    news = await host.opens("channel", bot_id=bot.id, rights=["can_manage_chat"])
    await updates_of(bot)
    await host.changes(chat, title="Club", description="About", protected=True, auto_delete_s=86400)
    await host.changes(news, linked=chat.ref)
    shown = await bot.get_chat(chat.id)
    assert (shown.title, shown.description, shown.has_protected_content) == ("Club", "About", True)
    assert (shown.message_auto_delete_time, shown.linked_chat_id) == (86400, news.id)
    told = services(await updates_of(bot))
    assert [m.content_type for m in told] == ["new_chat_title", "message_auto_delete_timer_changed"]
    assert told[0].has_protected_content
    bob = await town.person("Bob")
    with pytest.raises(TownError, match="Bob is not in this group or channel"):
        await Host(town, bob).changes(chat, title="Mine")
    await host.adds(bob.id, chat)
    await Host(town, bob).changes(chat, title="Ours")  # members may, unless the chat forbids it
    with pytest.raises(TownError, match="Bob may not change what members may do"):
        await Host(town, bob).changes(chat, permissions=[])
    with pytest.raises(TownError, match="is_forum is a setting of a supergroup, and this is a channel chat"):
        await host.changes(news, is_forum=True)


async def test_a_migrated_group_keeps_its_members(host: Host, bot: Bot, town: Town) -> None:
    """Owner, members and the bot stand as they stood."""
    bob = await town.person("Bob")
    group = await town.group("Crew", people=[host.person, bob], bots=[bot.id])
    new = await group.migrates(by=host.person)
    assert await host.members(new) == {host.person.id: "creator", bob.id: "member", bot.id: "member"}
    assert await bot.get_chat_member_count(new.id) == 3


async def test_a_snapshot_keeps_members_topics_links_and_commands(host: Host, bot: Bot, town: Town) -> None:
    """What a bot made of a group is there again, as it was."""
    bob = await town.person("Bob")
    rights = ["can_manage_topics", "can_restrict_members", "can_invite_users"]
    chat = await host.opens("supergroup", bot_id=bot.id, rights=rights, others=[bob])
    await host.changes(chat, is_forum=True, username="crew_kept")
    topic = await bot.create_forum_topic(chat.id, "Ideas")
    await bot.ban_chat_member(chat.id, bob.id)
    link = await bot.create_chat_invite_link(chat.id, name="Door")
    scope = BotCommandScopeChatMember(chat_id=chat.id, user_id=host.person.id)
    await bot.set_my_commands([BotCommand(command="go", description="goes")], scope=scope)
    await town.request("POST", "/snapshot")
    await bot.unban_chat_member(chat.id, bob.id)
    await bot.set_my_commands([], scope=scope)
    await town.request("POST", "/restore")
    assert (await host.members(chat))[bob.id] == "kicked"
    assert {t.id: t.name for t in await chat.topics()}[topic.message_thread_id] == "Ideas"
    assert [(k.url, k.name) for k in await chat.links()] == [(link.invite_link, "Door")]
    (offered,) = await chat.commands_for(host.person)
    assert [command["command"] for command in offered.commands] == ["go"]
    assert (await bot.send_message("@crew_kept", "hello", message_thread_id=topic.message_thread_id)).is_topic_message


async def test_a_channels_posts_come_into_its_discussion_group(host: Host, bot: Bot) -> None:
    """Telegram forwards them in the channel's name, signed if the channel signs."""
    group = await host.opens("supergroup", bot_id=bot.id, rights=["can_delete_messages"])
    channel = await host.opens("channel", bot_id=bot.id, rights=["can_post_messages"])
    await host.changes(channel, linked=group.ref, signed=True)
    await updates_of(bot)
    post = await bot.send_message(channel.id, "News")
    assert post.author_signature == "Bot 4242"
    (update,) = await updates_of(bot)
    assert update.message
    assert (update.message.is_automatic_forward, update.message.text, update.message.chat.id) == (
        True,
        "News",
        group.id,
    )
    assert update.message.from_user
    assert update.message.sender_chat
    assert (update.message.from_user.id, update.message.sender_chat.id) == (777000, channel.id)
    origin = update.message.forward_origin
    assert isinstance(origin, MessageOriginChannel)
    assert (origin.chat.id, origin.message_id) == (channel.id, post.message_id)


async def test_the_newest_pin_is_part_of_a_chat(host: Host, bot: Bot) -> None:
    """Pinning needs the right, and a topic's pins are taken down together."""
    chat = await host.opens("supergroup", bot_id=bot.id, rights=["can_manage_topics"])
    await host.changes(chat, is_forum=True, permissions=["can_send_messages"])
    topic = await bot.create_forum_topic(chat.id, "Ideas")
    inside = await bot.send_message(chat.id, "in the topic", message_thread_id=topic.message_thread_id)
    outside = await bot.send_message(chat.id, "in General")
    with pytest.raises(TelegramBadRequest, match="not enough rights to manage pinned messages in the chat"):
        await bot.pin_chat_message(chat.id, inside.message_id)
    await host.promotes(bot.id, chat, ["can_manage_topics", "can_pin_messages"])
    for message in (inside, outside):
        await bot.pin_chat_message(chat.id, message.message_id)
    shown = (await bot.get_chat(chat.id)).pinned_message
    assert shown
    assert shown.message_id == outside.message_id
    await bot.unpin_all_general_forum_topic_messages(chat.id)
    shown = (await bot.get_chat(chat.id)).pinned_message
    assert shown
    assert shown.message_id == inside.message_id
    await bot.unpin_all_forum_topic_messages(chat.id, topic.message_thread_id)
    assert (await bot.get_chat(chat.id)).pinned_message is None
