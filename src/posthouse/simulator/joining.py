"""Coming in by a link, and asking to come in."""

from __future__ import annotations

from posthouse.simulator import membership
from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.invites import LINKS, InviteLink, JoinRequest
from posthouse.simulator.town import Town

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SECRET_CHARACTERS = 16
REQUESTER_REACHABLE_S = 300
"""How long a bot may write to somebody who asked to join and never started it."""


def make_link(town: Town, chat: Chat, creator: Bot | Person, *, is_primary: bool = False) -> InviteLink:
    """A new link of that administrator."""
    secret = "".join(town.dice.choices(_ALPHABET, k=SECRET_CHARACTERS))
    link = chat.links[LINKS + secret] = InviteLink(LINKS + secret, creator, is_primary=is_primary)
    town.journal.record("link.made", chat=chat.ref, text=link.url)
    return link


def request(town: Town, chat: Chat, person: Person, link: InviteLink | None) -> JoinRequest:
    """Ask to come in. Bots that may invite are told, and may write to the person for a while."""
    asked = chat.join_requests[person.id] = JoinRequest(person, int(town.now()), link, person.bio)
    if link is not None:
        link.requested += 1
    town.journal.record("join.requested", chat=chat.ref, person_id=person.id, text=link.url if link else None)
    for bot in chat.bots.values():
        if chat.members[bot.id].has_right("can_invite_users"):
            town.announce(bot, "chat_join_request", _update(chat, asked, bot), person.id)
    return asked


def approve(town: Town, chat: Chat, actor: Bot | Person, asked: JoinRequest) -> None:
    """Let in somebody who asked."""
    _close(chat, asked)
    user = asked.user
    assert isinstance(user, Person)
    town.journal.record("join.approved", chat=chat.ref, person_id=user.id)
    membership.enter(town, chat, actor, user, link=asked.link, via_join_request=asked.link is None)


def decline(town: Town, chat: Chat, actor: Bot | Person, asked: JoinRequest) -> None:
    """Send away somebody who asked; they may ask again."""
    _close(chat, asked)
    town.journal.record("join.declined", chat=chat.ref, person_id=asked.user.id)


def is_at_the_door(town: Town, bot: Bot, person_id: int) -> bool:
    """Whether somebody asked that bot's chats to be let in a short while ago."""
    since = town.now() - REQUESTER_REACHABLE_S
    return any(
        bot.id in chat.admins and person_id in chat.join_requests and chat.join_requests[person_id].date >= since
        for chat in town.chats.values()
    )


def _close(chat: Chat, asked: JoinRequest) -> None:
    del chat.join_requests[asked.user.id]
    if asked.link is not None:
        asked.link.requested -= 1


def _update(chat: Chat, asked: JoinRequest, to: Bot) -> Wire:
    update: Wire = {
        "chat": chat.wire(),
        "from": asked.user.wire(),
        "user_chat_id": asked.user.id,
        "date": asked.date,
    }
    if asked.bio:
        update["bio"] = asked.bio
    if asked.link is not None:
        update["invite_link"] = asked.link.wire(to)
    return update
