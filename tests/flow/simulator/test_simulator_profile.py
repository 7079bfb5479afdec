"""How a bot presents itself, and what of it a person is shown."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    BotCommand,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeChatAdministrators,
    BotCommandScopeChatMember,
    BotCommandScopeDefault,
    ChatAdministratorRights,
    MenuButtonCommands,
    MenuButtonDefault,
    MenuButtonWebApp,
    WebAppInfo,
)

from posthouse.simulator.views import Commands
from posthouse.testing.town import Chat, Person, Town


async def _offered(chat: Chat, person: Person) -> Commands:
    (shown,) = await chat.commands_for(person)
    return shown


async def _first_command(chat: Chat, person: Person) -> str | None:
    commands = (await _offered(chat, person)).commands
    return commands[0]["command"] if commands else None


def _named(name: str) -> list[BotCommand]:
    return [BotCommand(command=name, description="does it")]


async def test_the_narrowest_scope_wins(bot: Bot, town: Town, ann: Person) -> None:
    """Each narrower scope hides the wider one, for a member and for an administrator; deleting shows it again."""
    bob = await town.person("Bob")
    group = await town.group("Crew", kind="supergroup", people=[ann, bob], bots=[bot.id])
    private = ann.chat_with(bot.id)
    assert [await _first_command(c, ann) for c in (private, group)] == [None, None]
    steps = [
        (BotCommandScopeDefault(), "all", ("all", "all", "all")),
        (BotCommandScopeAllPrivateChats(), "private", ("private", "all", "all")),
        (BotCommandScopeAllGroupChats(), "groups", ("private", "groups", "groups")),
        (BotCommandScopeAllChatAdministrators(), "admins", ("private", "groups", "admins")),
        (BotCommandScopeChat(chat_id=group.id), "chat", ("private", "chat", "chat")),
        (BotCommandScopeChatAdministrators(chat_id=group.id), "lords", ("private", "chat", "lords")),
        (BotCommandScopeChatMember(chat_id=group.id, user_id=bob.id), "bob", ("private", "bob", "lords")),
        (BotCommandScopeChat(chat_id=ann.id), "ann", ("ann", "bob", "lords")),
    ]
    for scope, name, shown in steps:
        await bot.set_my_commands(_named(name), scope=scope)
        seen = [await _first_command(c, p) for c, p in ((private, ann), (group, bob), (group, ann))]
        assert tuple(seen) == shown
    await bot.delete_my_commands(scope=BotCommandScopeChatMember(chat_id=group.id, user_id=bob.id))
    assert await _first_command(group, bob) == "chat"


async def test_a_language_is_looked_for_in_each_scope(bot: Bot, town: Town, ann: Person) -> None:
    """A narrow scope without the language hides a wide one with it."""
    hans = await town.person("Hans", language_code="de")
    await hans.says("hallo", to=bot.id)
    await bot.set_my_commands(_named("help"))
    await bot.set_my_commands(_named("hilfe"), language_code="de")
    assert await _first_command(hans.chat_with(bot.id), hans) == "hilfe"
    assert await _first_command(ann.chat_with(bot.id), ann) == "help"
    await bot.set_my_commands(_named("private"), scope=BotCommandScopeAllPrivateChats())
    assert await _first_command(hans.chat_with(bot.id), hans) == "private"
    assert [c.command for c in await bot.get_my_commands(language_code="de")] == ["hilfe"]
    with pytest.raises(TelegramBadRequest, match="invalid language code specified"):
        await bot.get_my_commands(language_code="german")
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.get_my_commands(scope=BotCommandScopeChat(chat_id=-5))


async def test_names_and_descriptions_by_language(bot: Bot) -> None:
    """The name without a language is the bot's; an empty text removes one."""
    await bot.set_my_name("Psyche")
    await bot.set_my_name("Seele", language_code="de")
    await bot.set_my_description("Listens")
    await bot.set_my_short_description("Ear")
    assert ((await bot.get_my_name()).name, (await bot.get_my_name(language_code="de")).name) == ("Psyche", "Seele")
    assert (await bot.me()).first_name == "Psyche"
    assert (await bot.get_my_description()).description == "Listens"
    assert (await bot.get_my_short_description()).short_description == "Ear"
    await bot.set_my_description()
    assert (await bot.get_my_description()).description == ""
    with pytest.raises(TelegramBadRequest, match="BOT_SHORT_DESCRIPTION_INVALID"):
        await bot.set_my_short_description("x" * 121)


async def test_the_menu_button_of_a_chat_goes_before_that_of_all(bot: Bot, ann: Person) -> None:
    """`default` takes the own button of a chat away."""
    app = MenuButtonWebApp(text="Open", web_app=WebAppInfo(url="https://example.org/app"))
    assert isinstance(await bot.get_chat_menu_button(), MenuButtonCommands)
    assert isinstance(await bot.get_chat_menu_button(ann.id), MenuButtonDefault)
    await bot.set_chat_menu_button(ann.id, app)
    shown = await bot.get_chat_menu_button(ann.id)
    assert isinstance(shown, MenuButtonWebApp)
    assert (shown.text, shown.web_app.url) == ("Open", "https://example.org/app")
    assert (await _offered(ann.chat_with(bot.id), ann)).menu_button == app.model_dump(exclude_none=True)
    await bot.set_chat_menu_button(ann.id, MenuButtonDefault())
    assert (await _offered(ann.chat_with(bot.id), ann)).menu_button == {"type": "commands"}
    bad = MenuButtonWebApp(text="Open", web_app=WebAppInfo(url="http://example.org"))
    with pytest.raises(TelegramBadRequest, match="BUTTON_URL_INVALID"):
        await bot.set_chat_menu_button(ann.id, bad)


async def test_default_rights_are_kept_for_groups_and_channels(bot: Bot, ann: Person) -> None:
    """Nothing is wished for until the bot says so; rights of the other kind of chat are left out."""
    wished = ChatAdministratorRights(
        **dict.fromkeys((await bot.get_my_default_administrator_rights()).model_dump(exclude_none=True), False)
        | {"can_delete_messages": True, "can_pin_messages": True}
    )
    await bot.set_my_default_administrator_rights(wished)
    groups = await bot.get_my_default_administrator_rights()
    assert (groups.can_delete_messages, groups.can_pin_messages, groups.can_post_messages) == (True, True, None)
    channels = await bot.get_my_default_administrator_rights(for_channels=True)
    assert (channels.can_delete_messages, channels.can_post_messages) == (False, False)
    assert (await bot.get_user_profile_photos(ann.id)).total_count == 0
