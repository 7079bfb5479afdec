"""Opening groups, supergroups and channels, and turning one into another."""

from __future__ import annotations

from posthouse.simulator import membership
from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.hearing import post_service
from posthouse.simulator.members import Member, usual_rights
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import deliver
from posthouse.simulator.town import Town


def set_blocked(town: Town, chat: Chat, blocked: bool) -> None:
    """Block or unblock the bot of a private chat."""
    if chat.blocked == blocked:
        return
    chat.blocked = blocked
    town.journal.record(
        "person.blocked" if blocked else "person.unblocked",
        bot_id=chat.bot.id,
        chat=chat.ref,
        person_id=chat.person.id,
    )
    member, kicked = Member(chat.bot), Member(chat.bot, "kicked")
    before, after = (member, kicked) if blocked else (kicked, member)
    membership.tell_subject(town, chat, chat.person, before, after)


def open_group(town: Town, kind: str, title: str, people: list[Person], bots: list[Bot], admins: set[int]) -> Chat:
    """The first person creates a group, supergroup or channel; every bot in it learns that it was added.

    In a channel bots are administrators, since they cannot be there as anything else.
    """
    if not people:
        raise Impossible("a group needs at least one person")
    owner = people[0]
    chat = town.add_group(kind, title, [Member(owner, "creator")])
    town.journal.record("group.opened", chat=chat.ref, person_id=owner.id, text=title)
    newcomers: list[Bot | Person] = [*people[1:], *bots]
    for user in newcomers:
        chat.seat(_newcomer(chat, user, owner, is_admin=user.id in admins))
    if kind != "group":
        chat.message_id = 1  # the message that says so, of which bots are not told; General has its number
    else:
        post_service(town, chat, owner, {"group_chat_created": True})
    for bot in bots:
        membership.tell_subject(town, chat, owner, Member(bot, "left"), chat.members[bot.id])
    return chat


def migrate(town: Town, chat: Chat, person: Person) -> Chat:
    """Turn a group into a supergroup: a new chat id, and a service message on both sides."""
    if chat.kind != "group" or chat.migrated_to is not None:
        raise Impossible("only a group that has not migrated can become a supergroup")
    new = town.add_group("supergroup", chat.title, chat.members.values())
    new.description, new.permissions, new.protected = chat.description, chat.permissions, chat.protected
    chat.migrated_to = new.id
    town.journal.record("group.migrated", chat=chat.ref, person_id=person.id, to_chat=new.ref)
    deliver(town, Message(0, chat, person, int(town.now()), service={"migrate_to_chat_id": new.id}))
    deliver(town, Message(0, new, person, int(town.now()), service={"migrate_from_chat_id": chat.id}))
    return new


def _newcomer(chat: Chat, user: Bot | Person, owner: Person, *, is_admin: bool) -> Member:
    if is_admin or (chat.is_channel and isinstance(user, Bot)):
        return Member(user, "administrator", rights=usual_rights(chat.kind), promoted_by=owner.id)
    return Member(user)
