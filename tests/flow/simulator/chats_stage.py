"""What the tests of chats and members share: an owner of groups and channels, and what a bot is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from aiogram import Bot
from aiogram.types import ChatMemberUpdated, Message, Update

from posthouse.testing.town import Group, Person, Town

EVERY_KIND = ["message", "channel_post", "edited_channel_post", "my_chat_member", "chat_member", "chat_join_request"]


class Host:
    """Somebody who owns groups and channels."""

    def __init__(self, town: Town, person: Person) -> None:
        self.town = town
        self.person = person

    async def opens(
        self,
        kind: Literal["group", "supergroup", "channel"],
        *,
        bot_id: int,
        rights: list[str] | None = None,
        others: Sequence[Person] = (),
    ) -> Group:
        """A new chat with a bot that is an administrator with these rights, or an ordinary member for None."""
        bots = [] if kind == "channel" else [bot_id]
        chat = await self.town.group("Crew", kind=kind, people=[self.person, *others], bots=bots)
        if rights is not None:
            await self.promotes(bot_id, chat, rights)
        return chat

    async def promotes(self, user_id: int, chat: Group, rights: list[str] | None, *, title: str = "") -> None:
        await chat.promotes(user_id, by=self.person, rights=rights, custom_title=title)

    async def adds(self, user_id: int, chat: Group) -> None:
        await chat.adds(user_id, by=self.person)

    async def removes(self, user_id: int, chat: Group) -> None:
        await chat.removes(user_id, by=self.person)

    async def changes(self, chat: Group, **settings: Any) -> None:
        await chat.changes(by=self.person, **settings)

    async def members(self, chat: Group) -> dict[int, str]:
        """How everybody stands, by id."""
        return {member.user: member.status for member in await chat.members()}


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
