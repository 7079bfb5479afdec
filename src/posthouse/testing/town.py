"""People for tests: they write to bots, press buttons, and see what comes back.

    async with Simulator(limits="off") as sim, Town(sim.url) as town:
        ann = await town.person("Ann")
        await ann.says("/start", to=TOKEN)
        await ann.chat_with(TOKEN).shows("Welcome, Ann")
        press = await ann.presses("Pay", on=TOKEN)
        assert await press.answer() == {"text": "Thank you", ...}

A bot is named by its token or by its id. Whatever waits does so in the simulator, answered by the event
itself, and fails with the chat's transcript. The *cursor* of a message or event is a point in the journal:
`after=message` means what happened after it. Deliberately absent: sleeping, and any look into the
simulator's memory; all of it goes through the control API, so the simulator may run in another process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Self, TypeAlias

import aiohttp

from posthouse.simulator import views
from posthouse.simulator.views import Bot, Button, Call, Counters, Event, Fault, Message
from posthouse.simulator.views.view import View

__all__ = [
    "Bot",
    "Button",
    "Call",
    "Chat",
    "Counters",
    "Event",
    "Fault",
    "Group",
    "Message",
    "NotSeen",
    "Person",
    "Question",
    "Town",
    "TownError",
]

WITHIN_S = 5.0
_POLL_S = 25.0

BotName: TypeAlias = str | int
"""A token, or the number before its colon."""


class NotSeen(AssertionError):
    """What a test waited for did not come in time; the message holds the transcript."""


class TownError(Exception):
    """The simulator could not do what was asked; the message says why."""


class Town:
    """The control API of one simulator."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._registered: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    # Who is there.

    async def person(
        self,
        first_name: str,
        *,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = "en",
        id: int | None = None,
    ) -> Person:
        """Somebody new."""
        new = views.NewPerson(
            first_name=first_name, last_name=last_name, username=username, language_code=language_code, id=id
        )
        return Person(self, views.Person.model_validate(await self.request("POST", "/people", new)))

    async def bot(
        self,
        token: str,
        *,
        first_name: str | None = None,
        username: str | None = None,
        privacy: bool | None = None,
    ) -> Bot:
        """Register a bot, or rename it; without this a bot appears with its first call."""
        new = views.NewBot(token=token, first_name=first_name, username=username, privacy=privacy)
        self._registered.add(token)
        return Bot.model_validate(await self.request("POST", "/bots", new))

    async def group(
        self,
        title: str,
        *,
        people: Sequence[Person],
        bots: Sequence[BotName],
        kind: Literal["group", "supergroup"] = "group",
        admins: Sequence[BotName] = (),
    ) -> Group:
        """A group with people and bots in it. A bot not among its `admins` hears only its commands."""
        new = views.NewGroup(
            title=title,
            kind=kind,
            people=[person.id for person in people],
            bots=[await self.bot_id(bot) for bot in bots],
            admins=[await self.bot_id(bot) for bot in admins],
        )
        return Group(self, views.Chat.model_validate(await self.request("POST", "/groups", new)).ref)

    async def bot_id(self, bot: BotName) -> int:
        """The id of a bot, which is registered if it was named by its token."""
        if isinstance(bot, str) and bot not in self._registered:
            await self.bot(bot)
        return _bot_id(bot)

    # What goes wrong.

    async def fault(
        self,
        kind: str,
        *,
        bot: BotName | None = None,
        chat: Chat | int | None = None,
        method: str | None = None,
        count: int | None = 1,
        retry_after_s: int = 1,
        delay_s: float = 1.0,
    ) -> Fault:
        """Make the next matching call or delivery fail; see `posthouse.simulator.faults` for the kinds."""
        rule = views.NewFault(
            kind=kind,
            bot_id=None if bot is None else _bot_id(bot),
            chat_id=chat.id if isinstance(chat, Chat) else chat,
            method=method,
            count=count,
            retry_after_s=retry_after_s,
            delay_s=delay_s,
        )
        return Fault.model_validate(await self.request("POST", "/faults", rule))

    async def faults(self) -> list[Fault]:
        return [Fault.model_validate(rule) for rule in await self.request("GET", "/faults")]

    async def clear_faults(self) -> None:
        await self.request("DELETE", "/faults")

    async def limits(self, switch: Literal["on", "off"]) -> None:
        """Turn Telegram's send limits on or off."""
        settings = views.Settings.model_validate(await self.request("GET", "/settings"))
        await self.request("PUT", "/settings", settings.model_copy(update={"limits": switch}))

    async def reset(self) -> None:
        """Forget everybody and everything."""
        self._registered.clear()
        await self.request("POST", "/reset")

    # What happened.

    async def calls(
        self,
        method: str | None = None,
        *,
        bot: BotName | None = None,
        chat: Chat | int | None = None,
        after: int = 0,
        count: int | None = None,
        within_s: float = WITHIN_S,
    ) -> list[Call]:
        """Bot API calls so far, oldest first; with `count`, wait for that many or raise NotSeen."""
        query = {
            "method": method,
            "bot": None if bot is None else _bot_id(bot),
            "chat": chat.id if isinstance(chat, Chat) else chat,
            "after": after,
            "count": count or 1,
            "within_s": within_s if count else 0,
        }
        calls = [Call.model_validate(call) for call in await self.request("GET", "/calls", query=query)]
        if count is not None and len(calls) < count:
            shown = [f"{call.method} {call.status}" for call in calls]
            raise NotSeen(f"{len(calls)} of {count} calls of {method or 'any method'} in {within_s} s: {shown}")
        return calls

    async def events(self, *, after: int | Message = 0, kind: str | None = None) -> list[Event]:
        """What is in the journal after a point."""
        return (await self._events(after, kind, 0)).events

    async def event(self, kind: str, *, after: int | Message = 0, within_s: float = WITHIN_S) -> Event:
        """The next event of a kind after a point, or raise NotSeen."""
        found = await self._events(after, kind, within_s)
        if not found.events:
            raise NotSeen(f"no {kind} within {within_s} s")
        return found.events[0]

    async def follow(self, *, after: int = 0) -> AsyncIterator[Event]:
        """Every event from a point on, for as long as one listens."""
        while True:
            found = await self._events(after, None, _POLL_S)
            for event in found.events:
                yield event
            after = found.cursor

    async def counters(self) -> Counters:
        return Counters.model_validate(await self.request("GET", "/counters"))

    async def _events(self, after: int | Message, kind: str | None, within_s: float) -> views.Events:
        query = {"after": _cursor(after), "kind": kind, "within_s": within_s}
        return views.Events.model_validate(await self.request("GET", "/events", query=query))

    async def request(
        self, method: str, path: str, body: View | None = None, *, query: dict[str, Any] | None = None
    ) -> Any:
        """Call the control API, or raise TownError with its words."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        async with self._session.request(
            method,
            f"{self.url}/sim/v1{path}",
            json=None if body is None else body.model_dump(),
            params={name: str(value) for name, value in (query or {}).items() if value is not None},
        ) as response:
            if response.status == 500:
                raise TownError(f"{method} {path}: the simulator itself failed; its log says why")
            if response.status < 400 and response.content_type != "application/json":
                return await response.read()
            answer = await response.json()
            if response.status >= 400:
                raise TownError(f"{method} {path}: {answer.get('detail', answer)}")
            return answer


class Chat:
    """A chat as people see it."""

    def __init__(self, town: Town, ref: str) -> None:
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
        return await self._seen(f"{text!r} was not shown", within_s, {"text": text, "after": _cursor(after)})

    async def hides(self, text: str, *, within_s: float = WITHIN_S) -> None:
        """No message of a bot contains the text any more, or raise NotSeen."""
        seen = await self._wait({"text": text, "absent": "true", "within_s": within_s})
        if not seen.found:
            raise NotSeen(f"{text!r} is still shown after {within_s} s:\n{seen.chat.transcript()}")

    async def next_message(self, *, after: int | Message = 0, within_s: float = WITHIN_S) -> Message:
        """The first message that a bot sends or edits after a point, or raise NotSeen."""
        return await self._seen("no message came", within_s, {"after": _cursor(after)})

    async def bot_messages(self, count: int, *, after: int | Message = 0, within_s: float = WITHIN_S) -> list[Message]:
        """The first `count` messages of bots after a point, or raise NotSeen."""
        query = {"count": count, "after": _cursor(after), "within_s": within_s}
        seen = await self._wait(query)
        shown = [m for m in seen.chat.messages if m.from_bot and m.cursor > _cursor(after)]
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

    async def migrates(self, *, by: Person) -> Group:
        """The group becomes a supergroup; return that."""
        answer = await self.town.request("POST", f"/groups/{self.ref}/migration", views.Migration(person=by.id))
        return Group(self.town, views.Chat.model_validate(answer).ref)


class Person:
    """Somebody who chats with bots."""

    def __init__(self, town: Town, record: views.Person) -> None:
        self.town = town
        self.id = record.id
        self.first_name = record.first_name
        self.username = record.username

    def chat_with(self, bot: BotName) -> Chat:
        """The private chat with a bot."""
        return Chat(self.town, f"{_bot_id(bot)}:{self.id}")

    async def says(self, text: str, *, to: BotName | Chat, reply_to: Message | None = None) -> Message:
        """Write to a bot or into a group. The first message to a bot starts it."""
        saying = views.Saying(person=self.id, text=text, reply_to=reply_to.id if reply_to else None)
        answer = await self.town.request("POST", f"/chats/{await self._ref(to)}/messages", saying)
        return Message.model_validate(answer)

    async def starts(self, bot: BotName, payload: str = "") -> Message:
        """Follow a deep link, or press Start."""
        return await self.says(f"/start {payload}".strip(), to=bot)

    async def edits(self, message: Message, text: str) -> Message:
        """Change the text of an own message."""
        rewording = views.Rewording(person=self.id, text=text)
        answer = await self.town.request("PATCH", f"/chats/{message.chat}/messages/{message.id}", rewording)
        return Message.model_validate(answer)

    async def presses(
        self, text: str | None = None, *, on: Message | BotName | Chat, data: str | None = None
    ) -> Question:
        """Press an inline button, named by its text or its callback data, on that message.

        `on` a bot or chat means the newest visible message there that has the button.
        """
        ref = on.chat if isinstance(on, Message) else await self._ref(on)
        press = views.Press(
            person=self.id,
            text=text,
            callback_data=data,
            message=on.id if isinstance(on, Message) else None,
        )
        return Question(self.town, await self.town.request("POST", f"/chats/{ref}/presses", press))

    async def blocks(self, bot: BotName) -> None:
        await self._set_blocked(bot, True)

    async def unblocks(self, bot: BotName) -> None:
        await self._set_blocked(bot, False)

    async def asks_inline(self, text: str, *, bot: BotName) -> Question:
        """Type `@bot text` somewhere; its answer holds the results."""
        asking = views.InlineAsking(person=self.id, bot=await self.town.bot_id(bot), text=text)
        return Question(self.town, await self.town.request("POST", "/inline_queries", asking))

    async def checks_out(self, payload: str, *, bot: BotName, amount: int, currency: str = "XTR") -> Question:
        """Confirm a payment; once the bot agrees, it gets a successful_payment."""
        checkout = views.Checkout(
            person=self.id,
            bot=await self.town.bot_id(bot),
            currency=currency,
            amount=amount,
            payload=payload,
        )
        return Question(self.town, await self.town.request("POST", "/checkouts", checkout))

    async def _set_blocked(self, bot: BotName, blocked: bool) -> None:
        ref = await self._ref(bot)
        await self.town.request("PUT", f"/chats/{ref}/blocked", views.Blocking(blocked=blocked))

    async def _ref(self, place: BotName | Chat) -> str:
        return place.ref if isinstance(place, Chat) else f"{await self.town.bot_id(place)}:{self.id}"


class Question:
    """Something a bot was asked: a pressed button, an inline query, a checkout."""

    def __init__(self, town: Town, record: Any) -> None:
        self.town = town
        self.id = views.Query.model_validate(record).id

    async def answer(self, *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """What the bot answered, or raise NotSeen."""
        found = await self.town.request("GET", f"/queries/{self.id}", query={"within_s": within_s})
        query = views.Query.model_validate(found)
        if query.answer is None:
            raise NotSeen(f"the {query.kind} was not answered within {within_s} s")
        return query.answer


def _bot_id(bot: BotName) -> int:
    return bot if isinstance(bot, int) else int(bot.partition(":")[0])


def _cursor(point: int | Message) -> int:
    return point.cursor if isinstance(point, Message) else point
