"""How a member stands in a chat, as values."""

from __future__ import annotations

import pytest
from aiogram.types import ChatMemberAdministrator, ChatMemberUpdated

from posthouse.simulator.chats import Person
from posthouse.simulator.members import ALL_PERMISSIONS, PERMISSIONS, RIGHTS, USUAL_PERMISSIONS, Member, usual_rights

ANN = Person(1, "Ann")
STATUSES = ("creator", "administrator", "member", "restricted", "left", "kicked")


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", RIGHTS)
def test_every_status_is_shown_as_the_schema_says(status: str, kind: str) -> None:
    """A member of any status in any kind of chat is a ChatMember that clients parse."""
    member = Member(ANN, status, rights=usual_rights(kind), tag="t", custom_title="x")  # type: ignore[arg-type]
    shown = member.wire(kind)
    chat = {"id": -1, "type": kind, "title": "T"}
    update = {"chat": chat, "from": ANN.wire(), "date": 1, "old_chat_member": shown, "new_chat_member": shown}
    assert ChatMemberUpdated.model_validate(update).new_chat_member.status == status


def test_an_administrator_has_only_rights_of_its_kind_of_chat() -> None:
    """Posting is a right in channels, pinning one in groups."""
    in_channel = ChatMemberAdministrator.model_validate(
        Member(ANN, "administrator", rights=usual_rights("channel")).wire("channel")
    )
    assert (in_channel.can_post_messages, in_channel.can_pin_messages) == (True, None)


def test_a_ban_and_a_restriction_end_by_themselves() -> None:
    """Who was banned has left when the time is over; who was restricted inside is a member again."""
    kicked = Member(ANN, "kicked", until_date=100)
    inside = Member(ANN, "restricted", until_date=100, tag="old")
    outside = Member(ANN, "restricted", until_date=100, is_member=False)
    assert kicked.at(99) is kicked
    assert [m.at(100).status for m in (kicked, inside, outside)] == ["left", "member", "left"]
    assert inside.at(100).tag == "old"
    assert Member(ANN, "kicked").at(1e12).status == "kicked"


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_who_may_do_what_the_chat_forbids(permission: str) -> None:
    """A closed chat stops members and restricted ones; an administrator needs the right where there is one."""
    nothing: frozenset[str] = frozenset()
    assert Member(ANN, "creator").is_allowed(permission, nothing)
    assert not Member(ANN, "member").is_allowed(permission, nothing)
    assert not Member(ANN, "restricted", permissions=ALL_PERMISSIONS).is_allowed(permission, nothing)
    assert not Member(ANN, "left").is_allowed(permission, ALL_PERMISSIONS)
    bare = Member(ANN, "administrator").is_allowed(permission, nothing)
    assert bare == (permission not in RIGHTS["supergroup"])
    assert Member(ANN, "member").is_allowed(permission, USUAL_PERMISSIONS) == (permission != "can_manage_topics")
