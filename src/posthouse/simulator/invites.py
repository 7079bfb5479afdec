"""Invite links and requests to join."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from posthouse.simulator.members import User

NAME_CHARACTERS_MAX = 32
MEMBERS_MAX = 99_999
LINKS = "https://t.me/+"


@dataclass(slots=True, eq=False)
class InviteLink:
    """A link that lets people in: at once, or after an administrator has agreed."""

    url: str
    creator: User
    name: str = ""
    is_primary: bool = False
    is_revoked: bool = False
    creates_join_request: bool = False
    expire_date: int = 0
    """In Unix seconds; 0 means never."""
    member_limit: int = 0
    """How many may come by it; 0 means any number."""
    joined: set[int] = field(default_factory=set)
    requested: int = 0
    """Requests by it that wait for an answer."""

    def closed_because(self, now: float) -> str | None:
        """Why nobody can come by this link now, or None."""
        if self.is_revoked:
            return "the link was revoked"
        if self.expire_date and now >= self.expire_date:
            return "the link has expired"
        if self.member_limit and len(self.joined) >= self.member_limit:
            return f"the link has let in its {self.member_limit} members"
        return None

    def wire(self, to: User | None = None) -> dict[str, Any]:
        """The link as a bot sees it; of links that others made it sees only the first half."""
        url = self.url
        if to is not None and to is not self.creator:
            secret = url.removeprefix(LINKS)
            url = LINKS + secret[: len(secret) // 2] + "…"
        shown: dict[str, Any] = {
            "invite_link": url,
            "creator": self.creator.wire(),
            "creates_join_request": self.creates_join_request,
            "is_primary": self.is_primary,
            "is_revoked": self.is_revoked,
        }
        for name in ("name", "expire_date", "member_limit"):
            if getattr(self, name):
                shown[name] = getattr(self, name)
        if self.requested:
            shown["pending_join_request_count"] = self.requested
        return shown


@dataclass(slots=True, eq=False)
class JoinRequest:
    """Somebody stands before the door."""

    user: User
    date: int
    link: InviteLink | None = None
    bio: str = ""
