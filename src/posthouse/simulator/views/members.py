"""Who is in a group or channel, and what people do about it."""

from __future__ import annotations

from pydantic import Field

from posthouse.simulator import members as state
from posthouse.simulator.views.view import View


class Member(View):
    """How one bot or person stands in a chat. `until_date` is when a ban or restriction ends; 0 is never."""

    user: int
    name: str
    status: str
    rights: list[str] = Field(default_factory=list)
    permissions: list[str] = Field(default_factory=list)
    until_date: int = 0
    custom_title: str = ""
    tag: str = ""


class NewMember(View):
    """`person` brings `user`, a bot or a person, in."""

    person: int
    user: int


class Promotion(View):
    """`person` gives a member exactly these rights; none of them makes an ordinary member again."""

    person: int
    rights: list[str] | None = None
    """None means the usual ones: all but hiding and promoting others."""
    custom_title: str = ""


class Restriction(View):
    """`person` allows a member only this until then (0 is for good)."""

    person: int
    permissions: list[str] = Field(default_factory=list)
    until_date: int = 0


def of_member(member: state.Member) -> Member:
    return Member(
        user=member.user.id,
        name=member.user.first_name,
        status=member.status,
        rights=sorted(member.rights),
        permissions=sorted(member.permissions),
        until_date=member.until_date,
        custom_title=member.custom_title,
        tag=member.tag,
    )
