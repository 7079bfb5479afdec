"""How a bot presents itself: commands, names, descriptions, the menu button, the rights it would like."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.members import RIGHTS
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.permissions import read_object, read_rights
from posthouse.simulator.profiles import EVERYBODY, Scope, Texts
from posthouse.simulator.refusals import bad_request

COMMANDS_MAX = 100
COMMAND_DESCRIPTION_CHARACTERS_MAX = 256
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_WITHOUT_CHAT = ("default", "all_private_chats", "all_group_chats", "all_chat_administrators")
_ONE_CHAT = ("chat", "chat_administrators", "chat_member")


# Commands.


def set_my_commands(call: Call) -> bool:
    commands = [_command(command) for command in _commands(call)]
    if len(commands) > COMMANDS_MAX:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    key = _scope(call), _language(call)
    if commands:
        call.bot.profile.commands[key] = commands
    else:
        call.bot.profile.commands.pop(key, None)
    _note(call, "commands")
    return TRUE


def get_my_commands(call: Call) -> list[Wire]:
    return call.bot.profile.commands.get((_scope(call), _language(call)), [])


def delete_my_commands(call: Call) -> bool:
    call.bot.profile.commands.pop((_scope(call), _language(call)), None)
    _note(call, "commands")
    return TRUE


def _commands(call: Call) -> list[object]:
    try:
        commands = call.parameters.json("commands")
    except msgspec.DecodeError:
        raise bad_request("can't parse commands JSON object") from None
    if not isinstance(commands, list):
        raise bad_request("expected an Array of bot commands")
    return commands


def _command(command: object) -> Wire:
    if not isinstance(command, dict):
        raise bad_request("expected a BotCommand")
    name = str(command.get("command", "")).removeprefix("/")
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    description = str(command.get("description", "")).strip()
    if not 1 <= len(description) <= COMMAND_DESCRIPTION_CHARACTERS_MAX:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    shown: Wire = {"command": name, "description": description}
    if "is_ephemeral" in command:
        shown["is_ephemeral"] = bool(command["is_ephemeral"])
    return shown


def _scope(call: Call) -> Scope:
    if not call.parameters.text("scope"):
        return EVERYBODY
    given = read_object(call, "scope")
    kind = given.get("type")
    if kind in _WITHOUT_CHAT:
        return (str(kind), 0, 0)
    if kind not in _ONE_CHAT:
        raise bad_request("can't parse BotCommandScope: unsupported type specified")
    if "chat_id" not in given:
        raise bad_request("can't parse BotCommandScope: Can't find field \"chat_id\"")
    chat = call.find_chat(str(given["chat_id"]))
    if chat.is_channel or (chat.is_private and kind != "chat"):
        raise bad_request(f"can't use BotCommandScope {kind} in a {chat.kind} chat")
    if kind != "chat_member":
        return (str(kind), chat.id, 0)
    user_id = given.get("user_id")
    if not isinstance(user_id, int) or call.world.town.user(user_id) is None:
        raise bad_request("user not found")
    return ("chat_member", chat.id, user_id)


# Names and descriptions.


def _setter(what: str, characters_max: int, texts_of: Callable[[Call], Texts]) -> Callable[[Call], bool]:
    def set_text(call: Call) -> bool:
        language, text = _language(call), call.parameters.text(what).strip()
        if len(text) > characters_max:
            raise bad_request(f"BOT_{what.upper()}_INVALID")
        texts = texts_of(call)
        if text:
            texts[language] = text
        else:
            texts.pop(language, None)
        if what == "name" and text and not language:
            call.bot.first_name = text
        _note(call, what)
        return TRUE

    return set_text


def get_my_name(call: Call) -> Wire:
    names, language = call.bot.profile.names, _language(call)
    return {"name": names.get(language, "") if language else call.bot.first_name}


def get_my_description(call: Call) -> Wire:
    return {"description": call.bot.profile.descriptions.get(_language(call), "")}


def get_my_short_description(call: Call) -> Wire:
    return {"short_description": call.bot.profile.short_descriptions.get(_language(call), "")}


def _language(call: Call) -> str:
    language = call.parameters.text("language_code").strip()
    if language and not _LANGUAGE.fullmatch(language):
        raise bad_request("invalid language code specified")
    return language


# The menu button.


def set_chat_menu_button(call: Call) -> bool:
    button = _menu_button(call)
    chat_id = _private_chat_id(call)
    if button["type"] == "default":
        call.bot.profile.menu_buttons.pop(chat_id, None)
    else:
        call.bot.profile.menu_buttons[chat_id] = button
    _note(call, "menu_button")
    return TRUE


def get_chat_menu_button(call: Call) -> Wire:
    return call.bot.profile.menu_button(_private_chat_id(call))


def _menu_button(call: Call) -> Wire:
    if not call.parameters.text("menu_button"):
        return {"type": "default"}
    button = read_object(call, "menu_button")
    kind = button.get("type")
    if kind in ("default", "commands"):
        return {"type": kind}
    if kind != "web_app":
        raise bad_request("can't parse MenuButton: unsupported type specified")
    app = button.get("web_app")
    url = app.get("url") if isinstance(app, dict) else None
    if not isinstance(url, str) or not url.startswith("https://"):
        raise bad_request("BUTTON_URL_INVALID")
    if not button.get("text"):
        raise bad_request("BUTTON_TEXT_INVALID")
    return {"type": "web_app", "text": str(button["text"]), "web_app": {"url": url}}


def _private_chat_id(call: Call) -> int:
    if not call.parameters.integer("chat_id"):
        return 0
    chat = call.chat()
    if not chat.is_private:
        raise bad_request("private chat not found")
    return chat.id


# The rights it would like.


def set_my_default_administrator_rights(call: Call) -> bool:
    given = read_object(call, "rights") if call.parameters.text("rights") else {}
    if call.parameters.flag("for_channels"):
        call.bot.profile.rights_in_channels = read_rights(given, "channel")
    else:
        call.bot.profile.rights_in_groups = read_rights(given, "supergroup")
    _note(call, "administrator_rights")
    return TRUE


def get_my_default_administrator_rights(call: Call) -> Wire:
    profile = call.bot.profile
    if call.parameters.flag("for_channels"):
        return {right: right in profile.rights_in_channels for right in RIGHTS["channel"]}
    return {right: right in profile.rights_in_groups for right in RIGHTS["supergroup"]}


def get_user_profile_photos(call: Call) -> Wire:
    """People of the town have no photos, which a bot is told as it would be of anybody without one."""
    if call.world.town.user(call.parameters.integer("user_id")) is None:
        raise bad_request("user not found")
    return {"total_count": 0, "photos": []}


def _note(call: Call, what: str) -> None:
    call.world.journal.record("bot.introduced", bot_id=call.bot.id, text=what)


METHODS: Methods = {
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setMyName": _setter("name", 64, lambda call: call.bot.profile.names),
    "getMyName": get_my_name,
    "setMyDescription": _setter("description", 512, lambda call: call.bot.profile.descriptions),
    "getMyDescription": get_my_description,
    "setMyShortDescription": _setter("short_description", 120, lambda call: call.bot.profile.short_descriptions),
    "getMyShortDescription": get_my_short_description,
    "setChatMenuButton": set_chat_menu_button,
    "getChatMenuButton": get_chat_menu_button,
    "setMyDefaultAdministratorRights": set_my_default_administrator_rights,
    "getMyDefaultAdministratorRights": get_my_default_administrator_rights,
    "getUserProfilePhotos": get_user_profile_photos,
}
