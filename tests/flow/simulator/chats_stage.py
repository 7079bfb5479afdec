"""What the tests of chats and members share: people acting through the control API, and what a bot is told."""

from __future__ import annotations

from typing import Any

from aiogram import Bot
from aiogram.types import ChatMemberUpdated, Message, Update

from posthouse.simulator import views
from posthouse.testing.town import Chat, Person, Town

EVERY_KIND = ["message", "channel_post", "edited_channel_post", "my_chat_member", "chat_member", "chat_join_request"]


class Host:
    """Somebody who owns groups and channels, acting through the control API."""

    def __init__(self, town: Town, person: Person) -> None:
        self.town = town
        self.person = person

    async def opens(self, kind: str, *, bot_id: int, rights: list[str] | None = None, others: Any = ()) -> Chat:
        """A new chat with a bot that is an administrator with these rights, or an ordinary member for None."""
        people = [self.person.id, *(person.id for person in others)]
        new = views.NewGroup(title="Crew", kind=kind, people=people, bots=[] if kind == "channel" else [bot_id])
        chat = Chat(self.town, (await self.town.request("POST", "/groups", new))["ref"])
        if rights is not None:
            await self.promotes(bot_id, chat, rights)
        return chat

    async def promotes(self, user_id: int, chat: Chat, rights: list[str] | None, *, title: str = "") -> None:
        promotion = views.Promotion(person=self.person.id, rights=rights, custom_title=title)
        await self.town.request("PUT", f"/chats/{chat.ref}/members/{user_id}/rights", promotion)

    async def adds(self, user_id: int, chat: Chat) -> None:
        new = views.NewMember(person=self.person.id, user=user_id)
        await self.town.request("POST", f"/chats/{chat.ref}/members", new)

    async def removes(self, user_id: int, chat: Chat) -> None:
        await self.town.request("DELETE", f"/chats/{chat.ref}/members/{user_id}", query={"person": self.person.id})

    async def restricts(self, user_id: int, chat: Chat, permissions: list[str], *, until_date: int = 0) -> None:
        restriction = views.Restriction(person=self.person.id, permissions=permissions, until_date=until_date)
        await self.town.request("PUT", f"/chats/{chat.ref}/members/{user_id}/permissions", restriction)

    async def changes(self, chat: Chat, **settings: Any) -> None:
        change = views.ChatChange(person=self.person.id, **settings)
        await self.town.request("PATCH", f"/chats/{chat.ref}", change)

    async def members(self, chat: Chat) -> dict[int, str]:
        """How everybody stands, by id."""
        return {m["user"]: m["status"] for m in await self.town.request("GET", f"/chats/{chat.ref}/members")}


async def joins(person: Person, link: str) -> bool:
    """Follow a link; whether somebody must agree first."""
    joining = views.Joining(person=person.id, link=link)
    return bool((await person.town.request("POST", "/joins", joining))["requested"])


async def updates_of(bot: Bot) -> list[Update]:
    """What the bot was told since it last looked."""
    updates = await bot.get_updates()
    if updates:
        await bot.get_updates(offset=updates[-1].update_id + 1)
    return updates


def services(updates: list[Update]) -> list[Message]:
    """The service messages among them."""
    return [m for u in updates if (m := u.message or u.channel_post) is not None and m.text is None]


def changes(updates: list[Update]) -> list[tuple[str, int, str, str]]:
    """Kind, user, status before and after of every change of a member."""
    found: list[tuple[str, int, str, str]] = []
    for update in updates:
        changed: ChatMemberUpdated | None = update.my_chat_member or update.chat_member
        if changed is not None:
            old, new = changed.old_chat_member, changed.new_chat_member
            found.append((update.event_type, new.user.id, old.status, new.status))
    return found
