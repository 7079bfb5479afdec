"""Respondents fill in one survey after the other, a question at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from posthouse_apps.demo.ledger import Like
from posthouse_apps.demo.visits import Visit


@dataclass(slots=True)
class Respondent:
    """Somebody who is asked for name and age."""

    visit: Visit
    filled: int = 0

    async def arrive(self) -> None:
        await self.visit.writes("/start", Like("Welcome! You have filled in ", " surveys. Send /survey for one more."))

    async def live(self) -> None:
        (greeting,) = await self.visit.settled()
        self.visit.ledger.begin()
        self.filled = int(re.findall(r"\d+", greeting)[0])
        while not self.visit.leaving:
            await self.fill_in()
            await self.visit.pause(3.0, 8.0)

    async def leave(self) -> None:
        """Nothing to compare: the greeting of the next run will tell the count."""

    async def fill_in(self) -> None:
        name, age = self.visit.name, str(self.visit.dice.randint(18, 80))
        self.filled += 1
        await self.visit.says("/survey", "What is your name?")
        await self.visit.pause(0.4, 1.2)
        await self.visit.says(name, f"Nice to meet you, {name}. How old are you?")
        await self.visit.pause(0.4, 1.2)
        await self.visit.says(age, f"Survey {self.filled}: {name} is {age}. Thank you!")
