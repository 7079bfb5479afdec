"""Is a `posthouse …` command that some text shows one that exists?

from support_commands import check_posthouse
"""

from __future__ import annotations

import shlex
from typing import Any

from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from posthouse.cli.main import app as command_line


def check_posthouse(arguments: list[str]) -> None:
    """Parse as the command would, missing and unknown options included, and run nothing."""
    command: Any = get_command(command_line)
    rest = [word for word in arguments if word not in ("-h", "--help")]
    context = Context(command)
    while hasattr(command, "commands") and rest:
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"posthouse has no command {shlex.join(arguments)}"
        if isinstance(command, TyperGroup):
            if "list" not in command.commands and not (rest and rest[0] in command.commands):
                command.make_context(name, rest, parent=context)  # a group that is a command itself, like `sim`
                return
            rest = rest if rest and rest[0] in command.commands else ["list", *rest]
            context = Context(command, info_name=name, parent=context)
        elif rest or arguments[-1] not in ("-h", "--help"):
            command.make_context(name, rest, parent=context)
