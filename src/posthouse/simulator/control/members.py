"""Routes: members of groups and channels, invite links, requests to join."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.control.finder import Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.invites import InviteLink
from posthouse.simulator.members import usual_rights
from posthouse.simulator.people import members
from posthouse.simulator.world import World


def routes_of_members() -> APIRouter:
    routes = APIRouter(tags=["members"])
    find = Finder()

    @routes.get("/chats/{ref}/members")
    async def list_members(ref: str) -> list[views.Member]:
        """Everybody who is or was in the chat, and how they stand now."""
        chat = find.chat(ref)
        return [views.of_member(chat.member(m.user, here().clock.now())) for m in list(chat.members.values())]

    @routes.post("/chats/{ref}/members")
    async def add_member(ref: str, new: views.NewMember) -> views.Member:
        """A member brings in a person or a bot."""
        chat, user = find.chat(ref), find.user(new.user)
        members.add(here().town, find.person(new.person), chat, user)
        return views.of_member(chat.members[user.id])

    @routes.delete("/chats/{ref}/members/{user_id}")
    async def remove_member(ref: str, user_id: int, person: int, until_date: int = 0) -> None:
        """The administrator `person` puts somebody out; oneself, one leaves."""
        chat, actor = find.chat(ref), find.person(person)
        if user_id == person:
            members.leave(here().town, actor, chat)
        else:
            members.remove(here().town, actor, chat, find.user(user_id), until_date=until_date)

    @routes.delete("/chats/{ref}/bans/{user_id}")
    async def unban(ref: str, user_id: int, person: int) -> None:
        members.unban(here().town, find.person(person), find.chat(ref), find.user(user_id))

    @routes.put("/chats/{ref}/members/{user_id}/rights")
    async def promote(ref: str, user_id: int, promotion: views.Promotion) -> views.Member:
        """An administrator makes somebody an administrator; a bot outside is brought in by that."""
        chat, user = find.chat(ref), find.user(user_id)
        wanted = usual_rights(chat.kind) if promotion.rights is None else frozenset(promotion.rights)
        actor = find.person(promotion.person)
        members.promote(here().town, actor, chat, user, wanted, custom_title=promotion.custom_title)
        return views.of_member(chat.members[user.id])

    @routes.put("/chats/{ref}/members/{user_id}/permissions")
    async def restrict(ref: str, user_id: int, restriction: views.Restriction) -> views.Member:
        chat, user = find.chat(ref), find.user(user_id)
        members.restrict(
            here().town,
            find.person(restriction.person),
            chat,
            user,
            frozenset(restriction.permissions),
            until_date=restriction.until_date,
        )
        return views.of_member(chat.members[user.id])

    @routes.get("/chats/{ref}/links")
    async def list_links(ref: str) -> list[views.InviteLink]:
        return [views.of_link(link) for link in find.chat(ref).links.values()]

    @routes.post("/chats/{ref}/links")
    async def make_link(ref: str, new: views.NewLink) -> views.InviteLink:
        terms = new.model_dump(exclude={"person"})
        return views.of_link(members.make_link(here().town, find.person(new.person), find.chat(ref), **terms))

    @routes.post("/joins")
    async def join(joining: views.Joining) -> views.Joined:
        """A person follows an invite link, or enters a public chat."""
        person: Person = find.person(joining.person)
        chat, link = _door(here(), joining.link)
        asked = members.join(here().town, person, chat, link)
        return views.Joined(chat=chat.ref, requested=asked is not None)

    @routes.get("/chats/{ref}/join_requests")
    async def list_requests(ref: str) -> list[views.JoinRequest]:
        return [views.of_request(asked) for asked in find.chat(ref).join_requests.values()]

    @routes.post("/chats/{ref}/join_requests/{person_id}")
    async def answer_request(ref: str, person_id: int, answer: views.JoinAnswer) -> None:
        """An administrator lets in or sends away somebody who asked."""
        actor, person = find.person(answer.person), find.person(person_id)
        members.answer_request(here().town, actor, find.chat(ref), person, approve=answer.approve)

    @routes.delete("/people/{person_id}")
    async def delete_account(person_id: int) -> None:
        """The person deletes the account: bots get `user is deactivated`."""
        members.delete_account(here().town, find.person(person_id))

    return routes


def _door(world: World, written: str) -> tuple[Chat, InviteLink | None]:
    """The chat behind an invite link or a public name."""
    if written.startswith("@"):
        chat = world.town.chat_by_username(written)
        if chat is not None:
            return chat, None
    for chat in world.town.chats.values():
        if (link := chat.links.get(written)) is not None:
            return chat, link
    raise HTTPException(404, f"nothing is behind {written!r}; give an invite link or @username")
