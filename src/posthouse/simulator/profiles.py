"""How a bot presents itself: names and descriptions by language, commands by scope, buttons and wishes.

Which commands a person sees is decided here, as Telegram decides it: the narrowest scope that has commands,
and in each scope the person's language before no language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Wire = dict[str, Any]
Texts = dict[str, str]
"""A text by language code; the empty code is for everybody else."""


Scope = tuple[str, int, int]
"""For whom commands are: a type of chats, and for one chat or one member of it their ids (else 0)."""
EVERYBODY: Scope = ("default", 0, 0)


@dataclass(slots=True, eq=False)
class Profile:
    """What one bot says about itself."""

    names: Texts = field(default_factory=dict)
    descriptions: Texts = field(default_factory=dict)
    short_descriptions: Texts = field(default_factory=dict)
    commands: dict[tuple[Scope, str], list[Wire]] = field(default_factory=dict)
    """By scope and language."""
    menu_buttons: dict[int, Wire] = field(default_factory=dict)
    """By the id of a private chat; 0 is for all others."""
    rights_in_groups: frozenset[str] = frozenset()
    rights_in_channels: frozenset[str] = frozenset()
    """What it would like to be given when it is made an administrator."""

    def commands_in(self, kind: str, chat_id: int, user_id: int, language: str, *, is_admin: bool) -> list[Wire]:
        """The commands that somebody sees in a chat of that kind."""
        for scope in _scopes(kind, chat_id, user_id, is_admin=is_admin):
            for code in (language, ""):
                if (scope, code) in self.commands:
                    return self.commands[scope, code]
        return []

    def menu_button(self, chat_id: int) -> Wire:
        """The button beside the input field of that private chat, or of all others for 0."""
        if chat_id:
            return self.menu_buttons.get(chat_id, {"type": "default"})
        return self.menu_buttons.get(0, {"type": "commands"})

    def menu_button_for(self, chat_id: int) -> Wire:
        """The button that the person of that private chat sees."""
        return self.menu_buttons.get(chat_id) or self.menu_button(0)


def _scopes(kind: str, chat_id: int, user_id: int, *, is_admin: bool) -> Iterator[Scope]:
    """The scopes that a person is in, the narrowest first."""
    if kind == "private":
        yield ("chat", chat_id, 0)
        yield ("all_private_chats", 0, 0)
    else:
        yield ("chat_member", chat_id, user_id)
        if is_admin:
            yield ("chat_administrators", chat_id, 0)
        yield ("chat", chat_id, 0)
        if is_admin:
            yield ("all_chat_administrators", 0, 0)
        yield ("all_group_chats", 0, 0)
    yield EVERYBODY
