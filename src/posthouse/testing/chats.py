"""Chats as tests see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.simulator.views.view import View
from posthouse.testing.control import WITHIN_S, BotName, Control, NotSeen, Somebody, cursor_of, number_of


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

    async def shows(
        self,
        text: str = "",
        *,
        buttons: Sequence[str] = (),
        media: str | None = None,
        within_s: float = WITHIN_S,
        after: int | Message = 0,
    ) -> Message:
        """The newest message of a bot that contains the text and has all of these buttons, or raise NotSeen.

        `media` is the kind that it carries, for example `photo` or `invoice`.
        """
        parts = [repr(text)] if text else []
        parts += [f"buttons {list(buttons)}"] if buttons else []
        parts += [str(media)] if media else []
        wanted = " with ".join(parts)
        query = {"text": text, "button": list(buttons), "media": media, "after": cursor_of(after)}
        return await self._seen(f"{wanted or 'a message'} was not shown", within_s, query)

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

    async def commands_for(self, person: Somebody) -> list[views.Commands]:
        """What each bot here offers this person: commands, and in a private chat the menu button."""
        shown = await self.town.request("GET", f"/chats/{self.ref}/commands", query={"person": person.id})
        return [views.Commands.model_validate(commands) for commands in shown]

    async def _seen(self, failure: str, within_s: float, query: dict[str, Any]) -> Message:
        seen = await self._wait({**query, "within_s": within_s})
        if seen.message is None:
            raise NotSeen(f"{failure} within {within_s} s:\n{seen.chat.transcript()}")
        return seen.message

    async def _wait(self, query: dict[str, Any]) -> views.Seen:
        answer = await self.town.request("GET", f"/chats/{self.ref}/wait", query=query)
        return views.Seen.model_validate(answer)


class Group(Chat):
    """A group, supergroup or channel, and what its members do about it; `by` is who does it."""

    async def migrates(self, *, by: Somebody) -> Group:
        """The group becomes a supergroup; return that."""
        answer = await self.town.request("POST", f"/groups/{self.ref}/migration", views.Migration(person=by.id))
        return Group(self.town, views.Chat.model_validate(answer).ref)

    async def members(self) -> list[views.Member]:
        """Everybody who is or was in it."""
        return [views.Member.model_validate(m) for m in await self._ask("GET", "/members")]

    async def adds(self, user: Somebody | BotName, *, by: Somebody) -> None:
        """Bring a person or a bot in; into a channel a bot comes by `promotes`."""
        await self._ask("POST", "/members", views.NewMember(person=by.id, user=_id(user)))

    async def removes(self, user: Somebody | BotName, *, by: Somebody, until_date: int = 0) -> None:
        """Put somebody out, and ban them where the chat has bans; `by` oneself is leaving."""
        await self._ask("DELETE", f"/members/{_id(user)}", query={"person": by.id, "until_date": until_date})

    async def unbans(self, user: Somebody | BotName, *, by: Somebody) -> None:
        await self._ask("DELETE", f"/bans/{_id(user)}", query={"person": by.id})

    async def promotes(
        self, user: Somebody | BotName, *, by: Somebody, rights: Sequence[str] | None = None, custom_title: str = ""
    ) -> None:
        """Give exactly these rights (None is the usual ones, nothing demotes)."""
        wanted = None if rights is None else list(rights)
        promotion = views.Promotion(person=by.id, rights=wanted, custom_title=custom_title)
        await self._ask("PUT", f"/members/{_id(user)}/rights", promotion)

    async def restricts(
        self, user: Somebody | BotName, *, by: Somebody, permissions: Sequence[str] = (), until_date: int = 0
    ) -> None:
        """Allow a member only this until then (0 is for good)."""
        restriction = views.Restriction(person=by.id, permissions=list(permissions), until_date=until_date)
        await self._ask("PUT", f"/members/{_id(user)}/permissions", restriction)

    async def changes(self, *, by: Somebody, **settings: Any) -> None:
        """Change the title and other settings; `posthouse.simulator.views.ChatChange` names them."""
        await self._ask("PATCH", "", views.ChatChange(person=by.id, **settings))

    async def link(self, *, by: Somebody, **terms: Any) -> views.InviteLink:
        """A new invite link; `posthouse.simulator.views.NewLink` names the terms."""
        return views.InviteLink.model_validate(await self._ask("POST", "/links", views.NewLink(person=by.id, **terms)))

    async def links(self) -> list[views.InviteLink]:
        return [views.InviteLink.model_validate(link) for link in await self._ask("GET", "/links")]

    async def join_requests(self) -> list[views.JoinRequest]:
        """Who asked to come in and waits."""
        return [views.JoinRequest.model_validate(asked) for asked in await self._ask("GET", "/join_requests")]

    async def lets_in(self, person: Somebody, *, by: Somebody) -> None:
        await self._ask("POST", f"/join_requests/{person.id}", views.JoinAnswer(person=by.id))

    async def sends_away(self, person: Somebody, *, by: Somebody) -> None:
        await self._ask("POST", f"/join_requests/{person.id}", views.JoinAnswer(person=by.id, approve=False))

    async def topics(self) -> list[views.Topic]:
        return [views.Topic.model_validate(topic) for topic in await self._ask("GET", "/topics")]

    async def opens_topic(self, name: str, *, by: Somebody) -> views.Topic:
        return views.Topic.model_validate(await self._ask("POST", "/topics", views.NewTopic(person=by.id, name=name)))

    async def changes_topic(
        self, topic_id: int, *, by: Somebody, name: str | None = None, closed: bool | None = None
    ) -> None:
        """Rename, close or reopen a topic."""
        await self._ask("PATCH", f"/topics/{topic_id}", views.TopicChange(person=by.id, name=name, closed=closed))

    async def deletes_topic(self, topic_id: int, *, by: Somebody) -> None:
        await self._ask("DELETE", f"/topics/{topic_id}", query={"person": by.id})

    async def _ask(self, method: str, path: str, body: View | None = None, *, query: Any = None) -> Any:
        return await self.town.request(method, f"/chats/{self.ref}{path}", body, query=query)


def _id(user: Somebody | BotName) -> int:
    return number_of(user) if isinstance(user, int | str) else user.id
