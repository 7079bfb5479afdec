"""The people of the demo: who they are, what they write, and what they are owed for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from posthouse.testing.town import Person, Town
from posthouse_apps.demo.ledger import ChatLedger

# Ids are fixed, so that a second start on the same data meets the same people.
NAMES = {700_000_001: "Ann", 700_000_002: "Boris", 700_000_003: "Chen", 700_000_004: "Dilnoza"}
EXERCISES = ("squat", "bench", "deadlift", "press", "row")
CHORES = ("stretch", "drink water", "breathe", "stand up")
PATIENCE_S = 90.0


@dataclass(slots=True)
class Crowd:
    """Everybody, and the ledger of every chat, kept up to date from the simulator's journal."""

    town: Town
    tokens: dict[str, str]  # by bot
    dice: random.Random = field(default_factory=random.Random)
    ledgers: dict[str, ChatLedger] = field(default_factory=dict)  # by chat
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _people: list[Person] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def arrive(self) -> None:
        """Everybody presses Start, whether or not a bot is there to hear it."""
        for bot, token in self.tokens.items():
            await self.town.bot(token, first_name=bot, username=f"posthouse_{bot}_bot")
        for id, name in NAMES.items():
            person = await self.town.person(name, id=id)
            self._people.append(person)
            for bot, token in self.tokens.items():
                self.ledgers[person.chat_with(token).ref] = ChatLedger(bot, name)
                greeting = f"Hello {name}!" if bot == "workouts" else "Welcome!"
                await self._say(person, bot, "/start", "greetings", greeting)

    async def live(self) -> None:
        """Write and press until it is time to leave; then finish the sentence and go."""
        async with asyncio.TaskGroup() as group:
            for person in self._people:
                group.create_task(self._train(person), name=f"{person.first_name} trains")
                group.create_task(self._fill_in(person), name=f"{person.first_name} fills in")

    async def hear(self, ref: str, kind: str, text: str) -> None:
        """Something happened in a chat."""
        ledger = self.ledgers.get(ref)
        if ledger is None:
            return
        if kind == "bot.answered":
            ledger.answered += 1
        elif kind in ("bot.said", "bot.edited"):
            ledger.take(text)
        async with self._news:
            self._news.notify_all()

    async def wait_settled(self, within_s: float) -> bool:
        """Until everybody got what is owed to them; False when that takes too long."""
        return await self._wait(lambda: all(ledger.settled for ledger in self.ledgers.values()), within_s)

    # -- what they do -------------------------------------------------------------------------------------------

    async def _train(self, person: Person) -> None:
        """Sets, one at a time or in one breath; now and then a set is taken back, a reminder, a summary."""
        ledger = self._ledger(person, "workouts")
        await self._settled(ledger)
        number = _number_in(ledger, "Hello")
        chores = 0
        while not self.leaving.is_set():
            for _ in range(self.dice.choice((1, 1, 2, 3))):
                number += 1
                text = f"{self.dice.choice(EXERCISES)} {self.dice.randint(3, 12)}x{self.dice.randrange(20, 160, 5)}"
                await self._say(person, "workouts", text, "sets", f"Set {number}: {text}")
                await self._pause(0.2, 0.6)
            await self._settled(ledger)
            match self.dice.randrange(6):
                case 0:
                    await self._undo(person, ledger, number)
                case 1:
                    chores += 1
                    chore = f"{self.dice.choice(CHORES)}, round {chores}"
                    ledger.owe("reminders", chore)
                    await self._say(person, "workouts", f"remind me to {chore}", "promises", chore)
                case 2:
                    await self._say(person, "workouts", "/summary", "summaries", "Summary")
                    await self._settled(ledger)
            await self._pause(0.5, 2.5)

    async def _undo(self, person: Person, ledger: ChatLedger, number: int) -> None:
        message = await person.chat_with(self.tokens["workouts"]).shows(f"Set {number}:", within_s=PATIENCE_S)
        ledger.pressed += 1
        ledger.owe("undone", f"set {number}")
        await person.presses("Undo last", on=message)
        await self._settled(ledger)

    async def _fill_in(self, person: Person) -> None:
        """One survey after the other, a question at a time."""
        ledger = self._ledger(person, "survey")
        await self._settled(ledger)
        number = _number_in(ledger, "Welcome")
        while not self.leaving.is_set():
            number += 1
            age = str(self.dice.randint(18, 80))
            for text, answer in (
                ("/survey", "What is your name?"),
                (person.first_name, f"Nice to meet you, {person.first_name}. How old are you?"),
                (age, f"Survey {number}: {person.first_name} is {age}. Thank you!"),
            ):
                await self._say(person, "survey", text, "dialogue", answer)
                await self._settled(ledger)
                await self._pause(0.4, 1.2)
            await self._pause(2.0, 6.0)

    async def _say(self, person: Person, bot: str, text: str, stream: str, answer: str) -> None:
        ledger = self._ledger(person, bot)
        ledger.owe(stream, answer)
        ledger.written += 1
        await person.says(text, to=self.tokens[bot])

    async def _settled(self, ledger: ChatLedger) -> None:
        """Until this chat got everything but its reminders, or patience is at an end: the ledger will tell."""
        await self._wait(lambda: _settled_but_reminders(ledger), PATIENCE_S)

    async def _pause(self, low_s: float, high_s: float) -> None:
        """Think for a while, unless it is time to leave."""
        try:
            await asyncio.wait_for(self.leaving.wait(), self.dice.uniform(low_s, high_s))
        except TimeoutError:
            pass

    async def _wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(condition)
                return True
        except TimeoutError:
            return False

    def _ledger(self, person: Person, bot: str) -> ChatLedger:
        return self.ledgers[person.chat_with(self.tokens[bot]).ref]


def _settled_but_reminders(ledger: ChatLedger) -> bool:
    streams = (stream for name, stream in ledger.streams.items() if name != "reminders")
    return ledger.answered >= ledger.pressed and all(stream.settled for stream in streams)


def _number_in(ledger: ChatLedger, greeting: str) -> int:
    """The count that a greeting tells: 0 at first, more on a second start."""
    text = next(text for text in ledger.shown if text.startswith(greeting))
    return int(next(word for word in text.split() if word.isdecimal()))
