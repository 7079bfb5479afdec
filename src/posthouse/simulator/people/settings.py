"""What people change about a group, supergroup or channel."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.hearing import post_service
from posthouse.simulator.members import ALL_PERMISSIONS
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.town import Town


@dataclass(frozen=True, slots=True)
class Change:
    """The settings to change; None leaves one as it is."""

    title: str | None = None
    description: str | None = None
    username: str | None = None
    """Empty makes the chat private."""
    permissions: frozenset[str] | None = None
    slow_mode_s: int | None = None
    auto_delete_s: int | None = None
    is_forum: bool | None = None
    protected: bool | None = None
    join_by_request: bool | None = None
    signed: bool | None = None
    linked: Chat | None = None


_PLAIN = ("description", "slow_mode_s", "protected", "join_by_request", "signed")
_ONLY_IN: dict[str, tuple[str, ...]] = {
    "slow_mode_s": ("supergroup",),
    "is_forum": ("supergroup",),
    "join_by_request": ("supergroup",),
    "username": ("supergroup", "channel"),
    "permissions": ("group", "supergroup"),
    "signed": ("channel",),
    "linked": ("channel",),
}


def change(town: Town, actor: Person, chat: Chat, wanted: Change) -> None:
    """Change the settings of a chat, all of them or none."""
    _check(town, actor, chat, wanted)
    for name in _PLAIN:
        if (value := getattr(wanted, name)) is not None:
            setattr(chat, name, value)
    if wanted.username is not None:
        chat.username = wanted.username
    if wanted.permissions is not None:
        chat.permissions = wanted.permissions
    if wanted.is_forum is not None:
        chat.is_forum = wanted.is_forum
    if wanted.linked is not None:
        chat.linked, wanted.linked.linked = wanted.linked, chat
    town.journal.record("chat.changed", chat=chat.ref, person_id=actor.id)
    if wanted.title is not None and wanted.title != chat.title:
        chat.title = wanted.title
        post_service(town, chat, actor, {"new_chat_title": chat.title})
    if wanted.auto_delete_s is not None and wanted.auto_delete_s != chat.auto_delete_s:
        chat.auto_delete_s = wanted.auto_delete_s
        timer = {"message_auto_delete_time": chat.auto_delete_s}
        post_service(town, chat, actor, {"message_auto_delete_timer_changed": timer})


def _check(town: Town, actor: Person, chat: Chat, wanted: Change) -> None:
    for name, kinds in _ONLY_IN.items():
        if getattr(wanted, name) is not None and chat.kind not in kinds:
            raise Impossible(f"{name} is a setting of a {' or '.join(kinds)}, and this is a {chat.kind} chat")
    member = chat.member(actor, town.now())
    if chat.is_private or not member.is_inside:
        raise Impossible(f"{actor.first_name} is not in this group or channel")
    needs_info = any(getattr(wanted, name) is not None for name in Change.__slots__ if name != "permissions")
    if needs_info and not member.is_allowed("can_change_info", chat.permissions):
        raise Impossible(f"{actor.first_name} may not change this chat")
    if wanted.permissions is not None:
        if not member.has_right("can_restrict_members"):
            raise Impossible(f"{actor.first_name} may not change what members may do")
        if wanted.permissions - ALL_PERMISSIONS:
            raise Impossible(f"there are no such permissions: {sorted(wanted.permissions - ALL_PERMISSIONS)}")
    if wanted.title is not None and not wanted.title.strip():
        raise Impossible("a chat needs a title")
    if wanted.username and (taken := town.chat_by_username(wanted.username)) not in (None, chat):
        raise Impossible(f"@{wanted.username} is {taken.title if taken else ''}")
    if wanted.linked is not None and wanted.linked.kind != "supergroup":
        raise Impossible("a channel's discussion group is a supergroup")
