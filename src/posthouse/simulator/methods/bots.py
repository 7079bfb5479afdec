"""What a bot says about itself."""

from __future__ import annotations

import re

import msgspec

from posthouse.simulator.bots import Wire
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.refusals import bad_request, not_implemented

COMMANDS_MAX = 100
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def get_me(call: Call) -> Wire:
    return {
        **call.bot.wire(),
        "can_join_groups": True,
        "can_read_all_group_messages": not call.bot.privacy,
        "supports_inline_queries": True,
        "supports_guest_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
        "allows_users_to_create_topics": False,
        "can_manage_bots": False,
    }


def set_my_commands(call: Call) -> bool:
    try:
        commands = call.parameters.json("commands")
    except msgspec.DecodeError:
        raise bad_request("can't parse commands JSON object") from None
    if not isinstance(commands, list):
        raise bad_request("expected an Array of bot commands")
    if len(commands) > COMMANDS_MAX:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    call.bot.commands[_scope(call)] = [_command(command) for command in commands]
    return TRUE


def get_my_commands(call: Call) -> list[Wire]:
    return call.bot.commands.get(_scope(call), [])


def log_out(call: Call) -> bool:
    raise not_implemented(f"is the only server there is, so {call.method} has nowhere to go")


def _command(command: object) -> Wire:
    if not isinstance(command, dict):
        raise bad_request("expected a BotCommand")
    name = str(command.get("command", "")).removeprefix("/")
    if not _COMMAND.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(str(command.get("description", ""))) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {**command, "command": name}


def _scope(call: Call) -> str:
    """Commands are kept for each pair of scope and language."""
    try:
        scope = call.parameters.json("scope") or {"type": "default"}
    except msgspec.DecodeError:
        raise bad_request("can't parse BotCommandScope JSON object") from None
    return msgspec.json.encode([scope, call.parameters.text("language_code")], order="sorted").decode()


METHODS: Methods = {
    "getMe": get_me,
    "logOut": log_out,
    "close": log_out,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
}
