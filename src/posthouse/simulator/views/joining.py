"""Invite links, and asking to come in."""

from __future__ import annotations

from pydantic import Field

from posthouse.simulator import invites as state
from posthouse.simulator.views.view import View


class InviteLink(View):
    url: str
    creator: int
    name: str = ""
    is_primary: bool = False
    is_revoked: bool = False
    creates_join_request: bool = False
    expire_date: int = 0
    member_limit: int = 0
    joined: int = 0
    requested: int = 0


class NewLink(View):
    """A link of `person`, an administrator; 0 means no end and no limit."""

    person: int
    name: str = ""
    creates_join_request: bool = False
    expire_date: int = Field(default=0, ge=0)
    member_limit: int = Field(default=0, ge=0, le=state.MEMBERS_MAX)


class Joining(View):
    """`person` follows an invite link, or enters the public chat `@username`."""

    person: int
    link: str


class Joined(View):
    """The chat, and whether somebody must agree first."""

    chat: str
    requested: bool


class JoinRequest(View):
    person: int
    name: str
    date: int
    link: str | None = None


class JoinAnswer(View):
    """The administrator `person` lets in or sends away."""

    person: int
    approve: bool = True


def of_link(link: state.InviteLink) -> InviteLink:
    return InviteLink(
        url=link.url,
        creator=link.creator.id,
        name=link.name,
        is_primary=link.is_primary,
        is_revoked=link.is_revoked,
        creates_join_request=link.creates_join_request,
        expire_date=link.expire_date,
        member_limit=link.member_limit,
        joined=len(link.joined),
        requested=link.requested,
    )


def of_request(asked: state.JoinRequest) -> JoinRequest:
    return JoinRequest(
        person=asked.user.id,
        name=asked.user.first_name,
        date=asked.date,
        link=asked.link.url if asked.link else None,
    )
