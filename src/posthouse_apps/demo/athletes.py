"""Athletes log their training: in words, with second thoughts, and with an eye on the diary.

    "squat 5x100, then bench 3x8 60kg" ─► draft ─┬─ ✅ Save     it is in the diary
           ▲ in one message, or in two           ├─ ✏️ Edit     send another text ─► draft
           │ in one breath                       └─ 🗑 Cancel   it is not
           └────────────────────────────────────────

At the end the diary is exported, and must have every set that was saved, once and in order.
"""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from posthouse_apps.demo.ledger import Like, Owed
from posthouse_apps.demo.visits import Visit

Row = tuple[str, str, str, str]
"""A set as the exported table has it: exercise in small letters, reps, kilograms, seconds."""

NO_TABLE = "Nothing is saved yet."
TABLE = Like("", ", as a table")


@dataclass(frozen=True, slots=True)
class Lift:
    """One exercise of a workout: as it is written, as it is shown, and as it is stored."""

    written: str
    shown: str
    rows: tuple[Row, ...]


@dataclass(slots=True)
class Athlete:
    """Somebody with a diary."""

    visit: Visit
    rows: list[Row] = field(default_factory=list)  # what the diary must have
    before: int = 0  # rows of earlier runs
    last: str = ""  # the line with which /history must end

    @property
    def saved(self) -> int:
        return len(self.rows) - self.before

    async def arrive(self) -> None:
        await self.visit.writes("/start", Like(f"Hello, {self.visit.name}!"))

    async def live(self) -> None:
        await self.visit.settled()
        if self.visit.resumed:
            await self.visit.says("/cancel", either=[[Like("Left.")], [Like("Write sets in your own words")]])
        self.visit.ledger.begin()
        self.rows = await self.exported() if self.visit.resumed else []
        self.before = len(self.rows)
        while not self.visit.leaving:
            await self.log()
            if self.last and self.visit.dice.random() < 0.25:
                await self.visit.says("/history", Like("", f"\n{self.last}"))
            await self.visit.pause(2.0, 6.0)

    async def leave(self) -> None:
        """Compare the diary with what was saved."""
        exported = await self.exported()
        if exported != self.rows:
            lost, unasked = Counter(self.rows) - Counter(exported), Counter(exported) - Counter(self.rows)
            self.visit.ledger.complain(
                f"the diary has {len(exported)} sets and should have {len(self.rows)};"
                f" lost: {list(lost)[:3]}, not asked for: {list(unasked)[:3]}"
            )

    async def log(self) -> None:
        """One workout, from the first word to the decision."""
        lifts = workout(self.visit.dice)
        if self.visit.dice.random() < 0.3:  # in one breath: the second message adds to the draft of the first
            await self.visit.writes(lifts[0].written, draft(lifts[:1]))
            await self.visit.writes(written(lifts[1:]), draft(lifts))
            await self.visit.settled()
        else:
            await self.visit.says(written(lifts), draft(lifts))
        await self.visit.pause(0.5, 2.0)
        choice = self.visit.dice.random()
        if choice < 0.3:
            await self.visit.presses("✏️ Edit", Like("Send the whole log as it should be."))
            await self.visit.pause(0.5, 3.0)
            lifts = workout(self.visit.dice)
            await self.visit.says(written(lifts), draft(lifts))
        if 0.2 < choice < 0.4:
            await self.visit.presses("🗑 Cancel", "Thrown away. Nothing was saved.")
        else:
            await self.visit.presses("✅ Save", saved(lifts))
            self.rows += [row for lift in lifts for row in lift.rows]
            self.last = lifts[-1].shown

    async def exported(self) -> list[Row]:
        """The diary as the bot hands it out."""
        (answer,) = await self.visit.says("/export", either=[[NO_TABLE], [TABLE]])
        if answer == NO_TABLE:
            return []
        table = list(csv.reader(io.StringIO((await self.visit.file()).decode("utf-8-sig"))))
        return [(exercise.lower(), reps, weight, seconds) for _, exercise, reps, weight, seconds in table[1:]]


def draft(lifts: Sequence[Lift]) -> Owed:
    """How the bot shows what it understood."""
    lines = "\n".join(lift.shown for lift in lifts)
    return Like(f"Here is what I understood:\n\n{lines}\n\n", " [✅ Save] [✏️ Edit] [🗑 Cancel]")


def saved(lifts: Sequence[Lift]) -> Owed:
    """How it says that they are saved. Which records they break, the demo does not count."""
    count = sum(len(lift.rows) for lift in lifts)
    return Like(f"Saved: {count} set{'' if count == 1 else 's'}.")


def written(lifts: Sequence[Lift]) -> str:
    return ", then ".join(lift.written for lift in lifts)


def workout(dice: random.Random) -> list[Lift]:
    """Two or three exercises, each another."""
    names = dice.sample(tuple(BARBELL | BODYWEIGHT | HELD), dice.choice((2, 2, 3)))
    return [lift(name, dice) for name in names]


def lift(name: str, dice: random.Random) -> Lift:
    """Some sets of an exercise, as the exercise has them."""
    if shown := BARBELL.get(name):
        sets, reps, weight_kg = dice.choice((1, 3, 4)), dice.randint(3, 12), dice.randrange(40, 160, 5)
        rows = ((shown.lower(), str(reps), str(weight_kg), ""),) * sets
        if sets == 1:
            return Lift(f"{name} {reps}x{weight_kg}", f"• {shown}: {reps} × {weight_kg} kg", rows)
        return Lift(f"{name} {sets}x{reps} {weight_kg}kg", f"• {shown}: {sets} × {reps} × {weight_kg} kg", rows)
    if shown := BODYWEIGHT.get(name):
        first = dice.randint(8, 20)
        counts = (first, first - 2, first - 4)
        rows = tuple((shown.lower(), str(reps), "", "") for reps in counts)
        listed = ", ".join(f"{reps} reps" for reps in counts)
        return Lift(f"{name} {', '.join(map(str, counts))}", f"• {shown}: {listed}", rows)
    shown, sets, seconds = HELD[name], dice.choice((2, 3)), dice.randrange(30, 125, 5)
    return Lift(
        f"{name} {sets}x{seconds}s", f"• {shown}: {sets} × {seconds} s", ((shown.lower(), "", "", str(seconds)),) * sets
    )


# As people say it, and as the bot calls it.
BARBELL = {
    "squat": "Squat",
    "bench": "Bench press",
    "deadlift": "Deadlift",
    "overhead press": "Overhead press",
    "hip thrust": "Hip thrust",
    "barbell row": "Barbell row",
}
BODYWEIGHT = {"pull-ups": "Pull-up", "push-ups": "Push-up", "dips": "Dip"}
HELD = {"plank": "Plank"}
