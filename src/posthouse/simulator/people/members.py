"""Adding, removing, promoting, restricting; coming by a link, asking, leaving."""

from __future__ import annotations

from posthouse.simulator import joining, membership, rights
from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.invites import InviteLink, JoinRequest
from posthouse.simulator.members import ALL_PERMISSIONS, RIGHTS, Member
from posthouse.simulator.people.impossible import Impossible, refuse_person
from posthouse.simulator.town import Town

User = Bot | Person


def add(town: Town, actor: Person, chat: Chat, user: User) -> None:
    """Bring somebody in. Bots come into a channel only by `promote`."""
    member = _inside(town, actor, chat)
    if not member.is_allowed("can_invite_users", chat.permissions):
        raise Impossible(f"{actor.first_name} may not add members here")
    if chat.is_channel and isinstance(user, Bot):
        raise Impossible("bots are in a channel only as administrators: promote it")
    before = chat.member(user, town.now())
    if before.is_inside:
        raise Impossible(f"{user.first_name} is in this chat already")
    if before.status == "kicked" and not member.has_right("can_restrict_members"):
        raise Impossible(f"{user.first_name} is banned from this chat")
    membership.enter(town, chat, actor, user)


def remove(town: Town, actor: Person, chat: Chat, user: User, *, until_date: int = 0) -> None:
    """Put somebody out; from a supergroup or channel they are banned until then, 0 for good."""
    member, target = _inside(town, actor, chat), chat.member(user, town.now())
    refuse_person(rights.to_restrict(member, target))
    if chat.kind == "group":
        membership.leave(town, chat, actor, user, status="kicked" if isinstance(user, Bot) else "left")
    else:
        membership.leave(town, chat, actor, user, status="kicked", until_date=until_date)


def unban(town: Town, actor: Person, chat: Chat, user: User) -> None:
    """Let somebody who was put out come again."""
    member, target = _inside(town, actor, chat), chat.member(user, town.now())
    refuse_person(rights.to_restrict(member, target))
    if target.status == "kicked":
        membership.change(town, chat, actor, target.becomes("left"))


def promote(
    town: Town, actor: Person, chat: Chat, user: User, wanted: frozenset[str], *, custom_title: str = ""
) -> None:
    """Give somebody exactly these rights; none of them makes an ordinary member again.

    Who is outside is brought in, as Telegram's apps do when a bot is made an administrator.
    """
    member, target = _inside(town, actor, chat), chat.member(user, town.now())
    unknown = wanted - frozenset(RIGHTS[chat.kind])
    if unknown:
        raise Impossible(f"a {chat.kind} has no such rights: {sorted(unknown)}")
    wanted = wanted | {"can_manage_chat"} if wanted else wanted
    refuse_person(rights.to_promote(member, target, wanted))
    if not wanted:
        if target.status != "administrator":
            raise Impossible(f"{user.first_name} is no administrator here")
        after = target.becomes("left" if chat.is_channel and isinstance(user, Bot) else "member")
    else:
        if not target.is_inside and not chat.is_channel:
            membership.enter(town, chat, actor, user)
        promoter = target.promoted_by or actor.id
        after = target.becomes("administrator", rights=wanted, promoted_by=promoter, custom_title=custom_title)
    membership.change(town, chat, actor, after)


def restrict(
    town: Town, actor: Person, chat: Chat, user: User, permissions: frozenset[str], *, until_date: int = 0
) -> None:
    """Allow somebody only this until then; everything lifts the restriction."""
    if chat.kind != "supergroup":
        raise Impossible("members can be restricted in supergroups only")
    if permissions - ALL_PERMISSIONS:
        raise Impossible(f"there are no such permissions: {sorted(permissions - ALL_PERMISSIONS)}")
    member, target = _inside(town, actor, chat), chat.member(user, town.now())
    refuse_person(rights.to_restrict(member, target))
    after = target.becomes("restricted", permissions=permissions, until_date=until_date, is_member=target.is_inside)
    if permissions == ALL_PERMISSIONS:
        after = target.becomes("member" if target.is_inside else "left")
    membership.change(town, chat, actor, after)


def leave(town: Town, person: Person, chat: Chat) -> None:
    """Go. An owner leaves the chat without one."""
    _inside(town, person, chat)
    membership.leave(town, chat, person, person)


def join(town: Town, person: Person, chat: Chat, link: InviteLink | None) -> JoinRequest | None:
    """Come in by a link, or into a public chat; returns the request where somebody must agree first."""
    standing = chat.member(person, town.now())
    if standing.is_inside:
        raise Impossible(f"{person.first_name} is in this chat already")
    if standing.status == "kicked":
        raise Impossible(f"{person.first_name} is banned from this chat")
    if link is None and not chat.username:
        raise Impossible("a private chat is joined by an invite link")
    if link is not None and (closed := link.closed_because(town.now())) is not None:
        raise Impossible(closed)
    if link.creates_join_request if link is not None else chat.join_by_request:
        return joining.request(town, chat, person, link)
    membership.enter(town, chat, person, person, link=link)
    return None


def answer_request(town: Town, actor: Person, chat: Chat, person: Person, *, approve: bool) -> None:
    """An administrator lets in or sends away somebody who asked."""
    if not _inside(town, actor, chat).has_right("can_invite_users"):
        raise Impossible(f"{actor.first_name} may not answer requests to join")
    asked = chat.join_requests.get(person.id)
    if asked is None:
        raise Impossible(f"{person.first_name} has not asked to join")
    (joining.approve if approve else joining.decline)(town, chat, actor, asked)


def make_link(town: Town, actor: Person, chat: Chat, **terms: object) -> InviteLink:
    """A new invite link on these terms, which are fields of InviteLink."""
    refuse_person(rights.to_invite(_inside(town, actor, chat)))
    link = joining.make_link(town, chat, actor)
    for name, value in terms.items():
        setattr(link, name, value)
    return link


def delete_account(town: Town, person: Person) -> None:
    """The person is gone from Telegram: nobody can write to them, and no name is left."""
    if person.deactivated:
        raise Impossible("this account was deleted before")
    town.journal.record("person.deleted", person_id=person.id, text=person.first_name)
    person.deactivated = True
    person.first_name, person.last_name, person.username, person.bio = "", None, None, ""


def _inside(town: Town, person: Person, chat: Chat) -> Member:
    if chat.is_private:
        raise Impossible("a private chat has no members")
    if chat.migrated_to is not None:
        raise Impossible(f"the group became the supergroup {chat.migrated_to}")
    member = chat.member(person, town.now())
    if not member.is_inside:
        raise Impossible(f"{person.first_name} is not in this chat")
    return member
