"""The people of the demo: who they are, and that each of them lives with every bot at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from posthouse.testing.town import Event, Person, Town, TownError
from posthouse_apps.demo.athletes import Athlete
from posthouse_apps.demo.customers import Customer, Studio
from posthouse_apps.demo.ledger import ChatLedger
from posthouse_apps.demo.respondents import Respondent
from posthouse_apps.demo.visits import News, Unanswered, Visit

# Ids are fixed, so that a second start on the same data meets the same people.
NAMES = {700_000_001: "Ann", 700_000_002: "Boris", 700_000_003: "Chen", 700_000_004: "Dilnoza"}


class Guest(Protocol):
    """What somebody does with one bot."""

    visit: Visit

    async def arrive(self) -> None:
        """Press Start, whether or not the bot is there to hear it."""

    async def live(self) -> None:
        """Write and press until it is time to leave; then finish the story. Raises `Unanswered`."""

    async def leave(self) -> None:
        """Look whether the bot's books say what one's own say."""


@dataclass(slots=True)
class Crowd:
    """Everybody, and the ledger of every chat, kept up to date from the simulator's journal."""

    town: Town
    tokens: dict[str, str]  # by bot
    resumed: bool = False  # there was a run of the demo on these data before
    dice: random.Random = field(default_factory=random.Random)
    guests: dict[str, Guest] = field(default_factory=dict)  # by chat
    _news: News = field(default_factory=News)
    _studio: Studio = field(default_factory=Studio)
    _checked: int = 0

    async def arrive(self) -> None:
        """Everybody presses Start."""
        for bot, token in self.tokens.items():
            await self.town.bot(token, first_name=bot, username=f"posthouse_{bot}_bot")
        for id, name in NAMES.items():
            person = await self.town.person(name, id=id)
            for bot, token in self.tokens.items():
                guest = self._guest(bot, person, token)
                self.guests[guest.visit.chat.ref] = guest
                await guest.arrive()

    async def live(self) -> None:
        """Everybody lives with every bot until it is time to leave."""
        async with asyncio.TaskGroup() as group:
            for ref, guest in self.guests.items():
                group.create_task(self._live(guest), name=f"life in {ref}")

    async def hear(self, event: Event) -> None:
        """Something happened in a chat."""
        if event.chat in self.guests:
            await self.guests[event.chat].visit.hear(event)

    async def hear_of_lost_press(self, chat: str) -> None:
        """Telegram has given up to tell a bot of a press."""
        if chat in self.guests:
            await self.guests[chat].visit.hear_of_lost_press()

    def leave(self) -> None:
        """It is time."""
        self._news.leaving.set()

    @property
    def ledgers(self) -> list[ChatLedger]:
        return [guest.visit.ledger for guest in self.guests.values()]

    def books(self) -> Iterator[str]:
        """What people kept count of themselves, once all of them have compared it with what the bots say."""
        if self._checked < len(self.guests):
            return
        saved = sum(guest.saved for guest in self.guests.values() if isinstance(guest, Athlete))
        customers = [guest for guest in self.guests.values() if isinstance(guest, Customer)]
        yield f"Sets saved: {saved}; each is in its diary once."
        spent, packs = (sum(values) for values in zip(*((c.spent, c.packs) for c in customers), strict=True))
        yield f"Credits spent: {spent}, packs made: {packs}; every balance is right."
        if given_up := sum(customer.given_up for customer in customers):
            yield f"Drawings given up after three tries: {given_up}. Their credits came back."

    async def _live(self, guest: Guest) -> None:
        try:
            await guest.live()
            await guest.leave()
            self._checked += not guest.visit.ledger.complaints
        except Unanswered:
            pass  # the ledger has what is missing
        except TownError as error:
            guest.visit.ledger.complain(str(error))

    def _guest(self, bot: str, person: Person, token: str) -> Guest:
        ledger = ChatLedger(bot, person.first_name, strict=not self.resumed)
        visit = Visit(person, token, ledger, self._news, self.dice, self.resumed)
        match bot:
            case "workouts":
                return Athlete(visit)
            case "stickers":
                return Customer(visit, self._studio)
        return Respondent(visit)
