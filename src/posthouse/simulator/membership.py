"""Coming, going, and rising: the one place where somebody's standing in a chat changes.

Whoever does it, a bot or a person, the change is journaled as `member.changed`, told to the bot it is about
(`my_chat_member`) and to bots that administrate the chat and asked for it (`chat_member`); entering and leaving
also leave a service message, except in a channel.
"""

from __future__ import annotations

from dataclasses import replace

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.hearing import post_service
from posthouse.simulator.invites import InviteLink
from posthouse.simulator.members import Member, Status
from posthouse.simulator.rights import may_edit
from posthouse.simulator.town import Town


def change(
    town: Town,
    chat: Chat,
    actor: Bot | Person,
    after: Member,
    *,
    link: InviteLink | None = None,
    via_join_request: bool = False,
) -> None:
    """Let somebody stand in the chat as `after` says, and tell those who may know."""
    before = chat.member(after.user, town.now())
    if before == after:
        return
    chat.seat(after)
    town.journal.record(
        "member.changed",
        bot_id=actor.id if isinstance(actor, Bot) else None,
        chat=chat.ref,
        person_id=actor.id if isinstance(actor, Person) else None,
        text=f"{after.user.first_name}: {before.status} → {after.status}",
        user=after.user.id,
        before=before.status,
        after=after.status,
    )
    subject = after.user
    details: Wire = {"via_join_request": True} if via_join_request else {}
    for bot in list(chat.bots.values()):
        if bot is not subject and bot.id in chat.admins and "chat_member" in bot.wanted_kinds:
            town.announce(
                bot, "chat_member", {**_update(town, chat, actor, before, after, bot, link), **details}, actor.id
            )
    tell_subject(town, chat, actor, before, after)


def tell_subject(town: Town, chat: Chat, actor: Bot | Person, before: Member, after: Member) -> None:
    """Tell a bot how it stands now."""
    if isinstance(after.user, Bot):
        update = _update(town, chat, actor, before, after, after.user, None)
        town.announce(after.user, "my_chat_member", update, chat.id)


def enter(
    town: Town,
    chat: Chat,
    actor: Bot | Person,
    user: Bot | Person,
    *,
    link: InviteLink | None = None,
    via_join_request: bool = False,
) -> None:
    """Somebody comes in, or is let in by `actor`; a restriction of theirs goes on."""
    before = chat.member(user, town.now())
    after = before.becomes("member")
    if before.status == "restricted":
        after = before.becomes(
            "restricted", permissions=before.permissions, until_date=before.until_date, is_member=True
        )
    chat.join_requests.pop(user.id, None)
    if link is not None:
        link.joined.add(user.id)
    change(town, chat, actor, after, link=link, via_join_request=via_join_request)
    if not chat.is_channel:
        post_service(town, chat, actor, {"new_chat_members": [user.wire()]})


def leave(
    town: Town, chat: Chat, actor: Bot | Person, user: Bot | Person, *, status: Status = "left", until_date: int = 0
) -> None:
    """Somebody goes, or is removed by `actor`; a restriction of theirs waits for their return."""
    before = chat.member(user, town.now())
    after = before.becomes(status, until_date=until_date)
    if status == "left" and before.status == "restricted":
        after = before.becomes(
            "restricted", permissions=before.permissions, until_date=before.until_date, is_member=False
        )
    change(town, chat, actor, after)
    if before.is_inside and not chat.is_channel:
        gone = (user,) if isinstance(user, Bot) and chat.kind == "group" else ()
        post_service(town, chat, actor, {"left_chat_member": user.wire()}, also=gone)


def retag(town: Town, chat: Chat, actor: Bot | Person, member: Member, tag: str) -> None:
    """Give an ordinary member a tag, or take it away."""
    change(town, chat, actor, replace(member, tag=tag))


def _update(
    town: Town, chat: Chat, actor: Bot | Person, before: Member, after: Member, to: Bot, link: InviteLink | None
) -> Wire:
    viewer = chat.member(to, town.now())
    update: Wire = {
        "chat": chat.wire(),
        "from": actor.wire(),
        "date": int(town.now()),
        "old_chat_member": before.wire(chat.kind, can_be_edited=may_edit(viewer, before)),
        "new_chat_member": after.wire(chat.kind, can_be_edited=may_edit(viewer, after)),
    }
    if link is not None:
        update["invite_link"] = link.wire(to)
    return update
