"""People and groups."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from posthouse.simulator.views.view import View


class Person(View):
    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"
    bio: str = ""
    deactivated: bool = False
    """The account was deleted."""


class NewPerson(View):
    first_name: str = Field(min_length=1, max_length=64)
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"
    bio: str = ""
    id: int | None = Field(default=None, ge=1, lt=2**52)
    """One of no other person and no bot; None for the next free one."""


class NewGroup(View):
    title: str = Field(min_length=1, max_length=128)
    kind: Literal["group", "supergroup", "channel"] = "group"
    people: list[int]
    bots: list[int]
    admins: list[int] = Field(default_factory=list)
    """Bots that administrate the group and so hear everything."""


class Migration(View):
    person: int
