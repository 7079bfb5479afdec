"""Who stands how in a group, supergroup or channel, and what that allows.

    creator ─ may everything
    administrator ─ has rights; a right outside `RIGHTS` of the chat's kind does not exist there
    member ─ has the chat's default permissions
    restricted ─ has its own permissions, inside or outside the chat, until a date
    left, kicked ─ outside; kicked until a date, or forever

A `Member` is a value: a change makes a new one, so that an update can show how it was before. What has a date
ends by itself: `at` is how a member stands at a moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

Status = Literal["creator", "administrator", "member", "restricted", "left", "kicked"]

PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)
"""What an ordinary member may be allowed."""

EVERYWHERE = (
    "is_anonymous",
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_send_welcome_messages",
)
RIGHTS: dict[str, tuple[str, ...]] = {
    "group": (*EVERYWHERE, "can_pin_messages", "can_manage_tags"),
    "supergroup": (*EVERYWHERE, "can_pin_messages", "can_manage_topics", "can_manage_tags"),
    "channel": (*EVERYWHERE, "can_post_messages", "can_edit_messages", "can_manage_direct_messages"),
}
"""What an administrator may be given, by the kind of the chat."""

ALL_PERMISSIONS = frozenset(PERMISSIONS)
USUAL_PERMISSIONS = ALL_PERMISSIONS - {"can_manage_topics"}
"""What a new group allows its members."""


def usual_rights(kind: str) -> frozenset[str]:
    """What a new administrator gets when nobody says otherwise: everything but hiding and promoting."""
    return frozenset(RIGHTS.get(kind, ())) - {"is_anonymous", "can_promote_members"}


class User(Protocol):
    """A person or a bot."""

    @property
    def id(self) -> int: ...
    @property
    def first_name(self) -> str: ...

    def wire(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Member:
    """How one user stands in one chat."""

    user: User
    status: Status = "member"
    rights: frozenset[str] = frozenset()
    """Of an administrator; of a creator only whether it hides."""
    permissions: frozenset[str] = frozenset()
    """Of somebody restricted."""
    until_date: int = 0
    """When a ban or a restriction ends, in Unix seconds; 0 means never."""
    is_member: bool = True
    """Whether somebody restricted is inside."""
    custom_title: str = ""
    tag: str = ""
    promoted_by: int = 0
    """Who made this administrator: the id of a user, who may also unmake it."""

    @property
    def is_inside(self) -> bool:
        return self.status in ("creator", "administrator", "member") or (self.status == "restricted" and self.is_member)

    @property
    def is_admin(self) -> bool:
        return self.status in ("creator", "administrator")

    @property
    def is_anonymous(self) -> bool:
        return "is_anonymous" in self.rights

    def at(self, now: float) -> Member:
        """The same member at that moment: a ban or restriction whose time is over is gone."""
        if not self.until_date or now < self.until_date or self.status not in ("restricted", "kicked"):
            return self
        back = self.status == "restricted" and self.is_member
        return Member(self.user, "member" if back else "left", tag=self.tag)

    def becomes(self, status: Status, **changes: Any) -> Member:
        """The member in another status, with only the tag kept of what it was."""
        return replace(Member(self.user, status, tag=self.tag), **changes)

    def has_right(self, right: str) -> bool:
        """Whether an administrator's right is there."""
        return self.status == "creator" or (self.status == "administrator" and right in self.rights)

    def is_allowed(self, permission: str, by_default: frozenset[str]) -> bool:
        """Whether this member may do what the chat allows its members `by_default`; administrators need the
        right of that name where there is one."""
        if self.status == "creator":
            return True
        if self.status == "administrator":
            return permission in self.rights or permission not in _RIGHTS_OF_THE_SAME_NAME
        if self.status == "restricted":
            return self.is_member and permission in self.permissions and permission in by_default
        return self.status == "member" and permission in by_default

    def wire(self, kind: str, *, can_be_edited: bool = False) -> dict[str, Any]:
        """As Telegram shows a member of a chat of that kind."""
        shown: dict[str, Any] = {"user": self.user.wire(), "status": self.status}
        if self.status == "administrator":
            shown["can_be_edited"] = can_be_edited
            shown.update({right: right in self.rights for right in RIGHTS[kind]})
        elif self.status == "creator":
            shown["is_anonymous"] = self.is_anonymous
        elif self.status == "restricted":
            shown["is_member"] = self.is_member
            shown.update({permission: permission in self.permissions for permission in PERMISSIONS})
        if self.status in ("restricted", "kicked"):
            shown["until_date"] = self.until_date
        if self.custom_title and self.is_admin:
            shown["custom_title"] = self.custom_title
        if self.tag and self.status in ("member", "restricted"):
            shown["tag"] = self.tag
        return shown


_RIGHTS_OF_THE_SAME_NAME = ALL_PERMISSIONS & frozenset(RIGHTS["supergroup"])
