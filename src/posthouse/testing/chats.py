"""Chats as tests see them."""

from __future__ import annotations

from typing import Any

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.testing.control import WITHIN_S, Control, NotSeen, Somebody, cursor_of


class Chat:
    """A chat as people see it."""

    def __init__(self, town: Control, ref: str) -> None:
        self.town = town
        self.ref = ref

    @property
    def id(self) -> int:
        """What bots call this chat."""
        return int(self.ref.rpartition(":")[2])

    async def read(self) -> views.Chat:
        """The chat as it is now."""
        return views.Chat.model_validate(await self.town.request("GET", f"/chats/{self.ref}"))

    async def messages(self) -> list[Message]:
        """The visible messages, oldest first."""
        return (await self.read()).messages

    async def file(self, message: Message) -> bytes:
        """The content of a message's document or picture."""
        path = f"/chats/{self.ref}/messages/{message.id}/file"
        content: bytes = await self.town.request("GET", path)
        return content

    async def transcript(self) -> str:
        """The chat as lines of text."""
        return (await self.read()).transcript()

    async def shows(self, text: str, *, within_s: float = WITHIN_S, after: int | Message = 0) -> Message:
        """The newest message of a bot that contains the text, or raise NotSeen."""
        return await self._seen(f"{text!r} was not shown", within_s, {"text": text, "after": cursor_of(after)})

    async def hides(self, text: str, *, within_s: float = WITHIN_S) -> None:
        """No message of a bot contains the text any more, or raise NotSeen."""
        seen = await self._wait({"text": text, "absent": "true", "within_s": within_s})
        if not seen.found:
            raise NotSeen(f"{text!r} is still shown after {within_s} s:\n{seen.chat.transcript()}")

    async def next_message(self, *, after: int | Message = 0, within_s: float = WITHIN_S) -> Message:
        """The first message that a bot sends or edits after a point, or raise NotSeen."""
        return await self._seen("no message came", within_s, {"after": cursor_of(after)})

    async def bot_messages(self, count: int, *, after: int | Message = 0, within_s: float = WITHIN_S) -> list[Message]:
        """The first `count` messages of bots after a point, or raise NotSeen."""
        query = {"count": count, "after": cursor_of(after), "within_s": within_s}
        seen = await self._wait(query)
        shown = [m for m in seen.chat.messages if m.from_bot and m.cursor > cursor_of(after)]
        if not seen.found:
            raise NotSeen(f"{len(shown)} of {count} messages came in {within_s} s:\n{seen.chat.transcript()}")
        return shown[:count]

    async def _seen(self, failure: str, within_s: float, query: dict[str, Any]) -> Message:
        seen = await self._wait({**query, "within_s": within_s})
        if seen.message is None:
            raise NotSeen(f"{failure} within {within_s} s:\n{seen.chat.transcript()}")
        return seen.message

    async def _wait(self, query: dict[str, Any]) -> views.Seen:
        answer = await self.town.request("GET", f"/chats/{self.ref}/wait", query=query)
        return views.Seen.model_validate(answer)


class Group(Chat):
    """A group or supergroup."""

    async def migrates(self, *, by: Somebody) -> Group:
        """The group becomes a supergroup; return that."""
        answer = await self.town.request("POST", f"/groups/{self.ref}/migration", views.Migration(person=by.id))
        return Group(self.town, views.Chat.model_validate(answer).ref)
