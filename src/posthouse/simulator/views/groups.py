"""Settings and topics of groups, supergroups and channels."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from posthouse.simulator import topics as state
from posthouse.simulator.views.view import View


class ChatChange(View):
    """What `person` changes about a chat; None leaves a setting as it is."""

    person: int
    title: str | None = Field(default=None, max_length=128)
    description: str | None = Field(default=None, max_length=255)
    username: str | None = Field(default=None, pattern=r"^$|^[A-Za-z]\w{3,31}$")
    """Empty makes the chat private."""
    permissions: list[str] | None = None
    slow_mode_s: int | None = Field(default=None, ge=0, le=3600)
    auto_delete_s: int | None = Field(default=None, ge=0)
    is_forum: bool | None = None
    protected: bool | None = None
    join_by_request: bool | None = None
    signed: bool | None = None
    linked: str | None = None
    """The ref of a channel's discussion group."""


class Topic(View):
    id: int
    name: str
    icon_color: int
    icon_custom_emoji_id: str = ""
    closed: bool = False
    hidden: bool = False


class NewTopic(View):
    person: int
    name: str = Field(min_length=1, max_length=state.NAME_CHARACTERS_MAX)
    icon_color: int = state.ICON_COLORS[0]


class TopicChange(View):
    """A new name, or the door opened or closed, by `person`."""

    person: int
    name: str | None = Field(default=None, min_length=1, max_length=state.NAME_CHARACTERS_MAX)
    closed: bool | None = None


class Commands(View):
    """What a person is offered by one bot: its commands, and in a private chat its menu button."""

    bot: int
    commands: list[dict[str, Any]]
    menu_button: dict[str, Any] | None = None
