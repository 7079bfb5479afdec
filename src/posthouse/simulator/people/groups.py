"""Groups, and who is in which chat."""

from __future__ import annotations

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
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
    before, after = ("member", "kicked") if blocked else ("kicked", "member")
    _announce_membership(town, chat, chat.bot, chat.person, before, after)


def open_group(town: Town, kind: str, title: str, people: list[Person], bots: list[Bot], admins: set[int]) -> Chat:
    """Create a group; every bot in it learns that it was added by the first person."""
    if not people:
        raise Impossible("a group needs at least one person")
    chat = town.add_group(kind, title, people, bots, admins)
    town.journal.record("group.opened", chat=chat.ref, person_id=people[0].id, text=title)
    for bot in bots:
        _announce_membership(town, chat, bot, people[0], "left", "member")
    return chat


def migrate(town: Town, chat: Chat, person: Person) -> Chat:
    """Turn a group into a supergroup: a new chat id, and a service message on both sides."""
    if chat.kind != "group" or chat.migrated_to is not None:
        raise Impossible("only a group that has not migrated can become a supergroup")
    new = town.add_group("supergroup", chat.title, list(chat.people.values()), list(chat.bots.values()), chat.admins)
    chat.migrated_to = new.id
    town.journal.record("group.migrated", chat=chat.ref, person_id=person.id, to_chat=new.ref)
    deliver(town, Message(0, chat, person, int(town.now()), service={"migrate_to_chat_id": new.id}))
    deliver(town, Message(0, new, person, int(town.now()), service={"migrate_from_chat_id": chat.id}))
    return new


def _announce_membership(town: Town, chat: Chat, bot: Bot, person: Person, before: str, after: str) -> None:
    payload: Wire = {
        "chat": chat.wire(),
        "from": person.wire(),
        "date": int(town.now()),
        "old_chat_member": _member(bot, before),
        "new_chat_member": _member(bot, after),
    }
    town.announce(bot, "my_chat_member", payload, chat.id)


def _member(bot: Bot, status: str) -> Wire:
    member: Wire = {"user": bot.wire(), "status": status}
    if status == "kicked":
        member["until_date"] = 0
    return member
