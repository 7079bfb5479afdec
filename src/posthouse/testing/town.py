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
from typing import Literal

from posthouse.simulator import views
from posthouse.simulator.scenarios.records import Scenario, read_scenario
from posthouse.simulator.scenarios.replay import Replayed, replay
from posthouse.simulator.views import Bot, Button, Call, Clock, Counters, Delivery, Event, Fault, Message
from posthouse.testing.chats import Chat, Group
from posthouse.testing.control import WITHIN_S, BotName, Control, NotSeen, TownError, cursor_of, number_of
from posthouse.testing.people import Checkout, NotPaid, Person, Question

__all__ = [
    "Bot",
    "Button",
    "Call",
    "Chat",
    "Checkout",
    "Clock",
    "Counters",
    "Delivery",
    "Event",
    "Fault",
    "Group",
    "Message",
    "NotPaid",
    "NotSeen",
    "Person",
    "Question",
    "Town",
    "TownError",
]

_POLL_S = 25.0


class Town(Control):
    """The control API of one simulator."""

    # Who is there.

    async def person(
        self,
        first_name: str,
        *,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = "en",
        bio: str = "",
        id: int | None = None,
        talks_to: BotName | Chat | None = None,
    ) -> Person:
        """Somebody new. `talks_to` is where they are when they act without saying where."""
        new = views.NewPerson(
            first_name=first_name,
            last_name=last_name,
            username=username,
            language_code=language_code,
            bio=bio,
            id=id,
        )
        record = views.Person.model_validate(await self.request("POST", "/people", new))
        return Person(self, record, talks_to)

    async def group(
        self,
        title: str,
        *,
        people: Sequence[Person],
        bots: Sequence[BotName],
        kind: Literal["group", "supergroup", "channel"] = "group",
        admins: Sequence[BotName] = (),
    ) -> Group:
        """A group, supergroup or channel of the first person. Bots not among `admins` hear commands only."""
        new = views.NewGroup(
            title=title,
            kind=kind,
            people=[person.id for person in people],
            bots=[await self.bot_id(bot) for bot in bots],
            admins=[await self.bot_id(bot) for bot in admins],
        )
        return Group(self, views.Chat.model_validate(await self.request("POST", "/groups", new)).ref)

    # What goes wrong.

    async def fault(
        self,
        kind: str,
        *,
        bot: BotName | None = None,
        chat: Chat | int | None = None,
        person: Person | int | None = None,
        method: str | None = None,
        update: str | None = None,
        count: int | None = 1,
        skip: int = 0,
        probability: float = 1.0,
        seed: int | None = None,
        retry_after_s: int = 1,
        growth_s: int = 0,
        scope: Literal["call", "chat", "bot"] = "call",
        delay_s: float = 1.0,
        lasting: bool = False,
    ) -> Fault:
        """Make the next matching call, delivery or update go wrong; `fault_kinds` says what there is."""
        rule = views.NewFault(
            kind=kind,
            bot_id=None if bot is None else number_of(bot),
            chat_id=chat.id if isinstance(chat, Chat) else chat,
            person_id=person.id if isinstance(person, Person) else person,
            method=method,
            update=update,
            count=count,
            skip=skip,
            probability=probability,
            seed=seed,
            retry_after_s=retry_after_s,
            growth_s=growth_s,
            scope=scope,
            delay_s=delay_s,
            lasting=lasting,
        )
        return Fault.model_validate(await self.request("POST", "/faults", rule))

    async def faults(self) -> list[Fault]:
        return [Fault.model_validate(rule) for rule in await self.request("GET", "/faults")]

    async def clear_faults(self) -> None:
        await self.request("DELETE", "/faults")

    async def fault_kinds(self) -> list[views.FaultKind]:
        """What can go wrong, with an explanation of each."""
        return [views.FaultKind.model_validate(kind) for kind in await self.request("GET", "/faults/kinds")]

    async def limits(self, switch: Literal["on", "strict", "off"]) -> None:
        """Turn Telegram's send limits on or off, or make them tighter than they are."""
        settings = views.Settings.model_validate(await self.request("GET", "/settings"))
        await self.request("PUT", "/settings", settings.model_copy(update={"limits": switch}))

    async def limits_now(self) -> views.Limits:
        """Every limit that was used, how much room it has, and the last refusals, newest first."""
        return views.Limits.model_validate(await self.request("GET", "/limits"))

    async def reset(self) -> None:
        """Forget everybody and everything."""
        self._registered.clear()
        await self.request("POST", "/reset")

    # Time and state.

    async def passes(self, seconds: float, *, rest_s: float = 1.0) -> Clock:
        """Let time pass: what falls due on the way happens, each at its own moment."""
        return await self.moves_clock(views.Move(seconds=seconds, rest_s=rest_s))

    async def moves_clock(self, move: views.Move) -> Clock:
        """Stop the clock, let it run faster, move it to a moment, or let it catch up with real time."""
        return Clock.model_validate(await self.request("POST", "/clock", move))

    async def snapshot(self, name: str = "default") -> views.Snapshot:
        """Keep the town as it is now under a name."""
        return views.Snapshot.model_validate(await self.request("POST", "/snapshot", views.SnapshotName(name=name)))

    async def restore(self, name: str = "default") -> None:
        """Put a snapshot in place of the town."""
        await self.request("POST", "/restore", views.SnapshotName(name=name))

    async def records(self, name: str = "") -> None:
        """Write down from now on what people do and how bots answer."""
        await self.request("POST", "/scenario/recording", views.NewRecording(name=name))

    async def recorded(self) -> Scenario:
        """Stop recording and return what was recorded."""
        written: bytes = await self.request("DELETE", "/scenario/recording")
        return read_scenario(written.decode())

    async def replays(
        self, scenario: Scenario, *, bots: dict[int, str] | None = None, within_s: float = WITHIN_S
    ) -> Replayed:
        """Do a scenario again, or raise ReplayFailed; `bots` puts others, by token, in the place of recorded ones."""
        return await replay(self.url, scenario, bots=bots, within_s=within_s)

    # What happened.

    async def deliveries(
        self,
        *,
        bot: BotName | None = None,
        outcome: str | None = None,
        after: int = 0,
        count: int | None = None,
        within_s: float = WITHIN_S,
    ) -> list[Delivery]:
        """Attempts to deliver updates, oldest first; with `count`, wait for that many or raise NotSeen."""
        query = {
            "bot": None if bot is None else number_of(bot),
            "outcome": outcome,
            "after": after,
            "count": count or 1,
            "within_s": within_s if count else 0,
        }
        found = [Delivery.model_validate(one) for one in await self.request("GET", "/deliveries", query=query)]
        if count is not None and len(found) < count:
            shown = [f"{one.kind} {one.outcome}" for one in found]
            raise NotSeen(f"{len(found)} of {count} deliveries in {within_s} s: {shown}")
        return found

    async def updates(self, bot: BotName) -> list[views.Update]:
        """The newest updates of a bot, pending and settled, oldest first."""
        query = {"bot": number_of(bot)}
        return [views.Update.model_validate(one) for one in await self.request("GET", "/updates", query=query)]

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
            "bot": None if bot is None else number_of(bot),
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
        query = {"after": cursor_of(after), "kind": kind, "within_s": within_s}
        return views.Events.model_validate(await self.request("GET", "/events", query=query))
