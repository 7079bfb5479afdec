"""Somebody in the town, and where they are: what all of a person's acts have in common."""

from __future__ import annotations

from typing import Any

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.simulator.views.view import View
from posthouse.testing.chats import Chat
from posthouse.testing.control import WITHIN_S, BotName, Control, NotSeen, TownError, number_of

Place = BotName | Chat | None
"""A bot's private chat or another chat; None is the one where the person was last."""


class Question:
    """Something a bot was asked: a pressed button, an inline query, a checkout."""

    def __init__(self, town: Control, query_id: str) -> None:
        self.town = town
        self.id = query_id

    async def answer(self, *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """What the bot answered, or raise NotSeen."""
        found = await self.town.request("GET", f"/queries/{self.id}", query={"within_s": within_s})
        query = views.Query.model_validate(found)
        if query.answer is None:
            raise NotSeen(f"the {query.kind} was not answered within {within_s} s")
        return query.answer


class Actor:
    """Somebody who chats with bots.

    A place need not be named every time: without one a person goes on where they last said, pressed or looked
    something up, and begins with the bot of `talks_to`.
    """

    def __init__(self, town: Control, record: views.Person, talks_to: Place = None) -> None:
        self.town = town
        self.id = record.id
        self.first_name = record.first_name
        self.username = record.username
        self._place = talks_to

    def chat_with(self, bot: BotName) -> Chat:
        """The private chat with a bot."""
        return Chat(self.town, f"{number_of(bot)}:{self.id}")

    @property
    def chat(self) -> Chat:
        """The chat where the person is, or raise TownError."""
        if self._place is None:
            raise TownError(f"{self.first_name} is nowhere yet: say with whom or where")
        return self._place if isinstance(self._place, Chat) else self.chat_with(self._place)

    async def _ref(self, place: Place) -> str:
        """The ref of a place, which is where the person is from now on."""
        if place is not None:
            self._place = place
        if isinstance(self._place, str):
            await self.town.bot_id(self._place)
        return self.chat.ref

    async def _spot(self, on: Message | Place) -> tuple[str, int | None]:
        """The ref of a chat, and a message in it if that is what was named."""
        if isinstance(on, Message):
            self._place = Chat(self.town, on.chat)
            return on.chat, on.id
        return await self._ref(on), None

    async def _asked(self, path: str, body: View) -> Question:
        answer = await self.town.request("POST", path, body)
        return Question(self.town, views.Query.model_validate(answer).id)

    async def _sent(self, path: str, body: View) -> Message:
        return Message.model_validate(await self.town.request("POST", path, body))
