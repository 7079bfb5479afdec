"""Random presses of any button ever shown, by anybody, doubled, delayed, with crashes between: the books agree.

Whatever was pressed in whatever order, afterwards

    history    has no transition outside the table, each follows the one before it, revisions grow by one
    credits    given = left + spent, never negative, and each charge is one transition, each refund one failure
    answers    every press was answered once, and asked for again only where a crash or a fault left it unknown
    model      each line of history is what a single-threaded reading of the requirement says of that press
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pack_stage import (
    ALPHA,
    ALPHA_ID,
    LEDGER,
    PACK_CREDITS,
    PICTURE,
    Stage,
    Studio,
    keyboards,
    photo_bot,
    staged,
)
from sqlalchemy import select

from posthouse.core.sessions import Reason, SessionEvent, SessionRecord
from posthouse.ports.store import Filter
from posthouse.programs.flows import NOOP, On, Refuse
from posthouse.telegram.callback_data import parse
from posthouse.testing.actor import Question
from posthouse.testing.town import Chat, Person, TownError

FLOWS = photo_bot(Studio()).flows
ACTIONS = {flow.table.action(event): (flow, event) for flow in FLOWS.values() for event in flow.table.pressed}
GIVEN = 14
COSTS = {"pack.preview.pay": 1, "pack.regenerate": 1, "pack.approve": PACK_CREDITS - 1}
REFUNDS = {"pack.preview.failed": -1, "pack.failed": -(PACK_CREDITS - 1)}
FAULTS = [
    {"kind": "late", "update": "callback_query", "delay_s": 0.05},
    {"kind": "duplicate", "update": "callback_query"},
    {"kind": "lost_ack", "update": "callback_query"},
    {"kind": "effect_then_drop", "method": "answerCallbackQuery"},
    {"kind": "effect_then_500", "method": "editMessageText"},
    {"kind": "drop_before_effect", "method": "editMessageText"},
    {"kind": "slow", "method": "editMessageText", "delay_s": 0.1},
]


@dataclass
class Town:
    """Three people in private chats and in a group, and everything that they were ever shown and have pressed."""

    stage: Stage
    random: random.Random
    people: list[Person] = field(default_factory=list)
    group: Chat | None = None
    shown: list[str] = field(default_factory=list)
    presses: list[Question] = field(default_factory=list)
    updates: dict[int, dict[str, Any]] = field(default_factory=dict)
    crashes: int = 0
    faults: int = 0

    async def gather(self) -> None:
        for name in ("Ann", "Bob", "Cyd"):
            self.people.append(await self.stage.person(name, credits=GIVEN))
        self.group = await self.stage.town.group("All", people=self.people, bots=[ALPHA], admins=[ALPHA])

    def places(self, person: Person) -> list[Chat]:
        assert self.group is not None
        return [person.chat_with(ALPHA), self.group]

    async def begin(self) -> None:
        """Everybody has a screen in front of them, in each of their chats."""
        for person in self.people:
            for place in self.places(person):
                said = await person.says("/pack photo", to=place)
                await place.shows("wait_pack_carousel", after=said)

    async def lives(self, acts: int) -> None:
        """Everybody does so many things, all at the same time."""
        await asyncio.gather(*(self.acts(person, random.Random(self.random.random()), acts) for person in self.people))

    async def acts(self, person: Person, dice: random.Random, count: int) -> None:
        """So many things one after the other, with moments between that nobody chose."""
        for _ in range(count):
            await asyncio.sleep(dice.uniform(0, 0.06))
            place = dice.choice(self.places(person))
            act = dice.choices(["current", "old", "legacy", "write", "photo"], [10, 6, 2, 4, 1])[0]
            times = dice.choices([1, 2, 3], [6, 3, 1])[0]
            if act == "write":
                words = ["/pack photo", "/pack photo", "/pack", "/single", "/assistant", "a cat", "/stop"]
                await person.says(dice.choice(words), to=place)
            elif act == "photo":
                await person.sends_photo(PICTURE, to=place)
            else:
                await self.press(person, place, dice, act, times)

    async def press(self, person: Person, place: Chat, dice: random.Random, act: str, times: int) -> None:
        seen = await keyboards(place)
        self.shown += [data for row in seen.values() for data in row]
        if act == "current" and seen:
            message = dice.choice(list(seen))
            await self.pressed(person, dice.choice(seen[message]), times, place, on=message)
        elif self.shown:
            data = dice.choice(self.shown)
            if act == "legacy":
                data = data.rsplit(":", dice.choice([1, 2]))[0]
            await self.pressed(person, data, times, place)

    async def pressed(self, person: Person, data: str, times: int, place: Chat, *, on: int | None = None) -> None:
        message = on or await self.stage.shows_old(person, data, chat=place)
        for _ in range(times):
            try:
                self.presses.append(await self.stage.presses(person, data, on=message, chat=place))
            except TownError as error:
                if "in sight" not in str(error):
                    raise
                return  # the bot has taken the button away a moment ago

    async def notes_updates(self) -> None:
        """What the simulator remembers of updates is bounded, so it is asked now and then."""
        query = {"bot": ALPHA_ID, "limit": 500}
        for update in await self.stage.town.request("GET", "/updates", query=query):
            body = update.get("update") or {}
            if "callback_query" in body:
                self.updates[update["update_id"]] = body["callback_query"]

    async def misfortune(self) -> None:
        for rule in self.random.sample(FAULTS, 2):
            self.faults += 1
            options: dict[str, Any] = {"count": 1, "skip": self.random.randrange(5), **rule}
            await self.stage.town.fault(options.pop("kind"), bot=ALPHA, **options)

    async def dies(self, life: Life, following: Life) -> None:
        """The platform ends at a moment that nobody chose, and another one begins on the same database."""
        await asyncio.sleep(self.random.uniform(0.05, 0.5))
        self.crashes += 1
        await life.dies()
        await self.stage.is_at(await following.begins())
        await self.stage.town.passes(2, rest_s=0.01)  # Telegram comes again, with what was not taken

    async def quiet(self) -> None:
        """Wait until every update has come, everything was worked on and sent, and every press was answered."""
        await self.stage.town.clear_faults()

        async def delivered() -> bool:
            await self.stage.town.passes(1, rest_s=0.05)
            await self.stage.idle()  # or time would run away from what was taken, and queries grow too old
            return not (await self.stage.town.counters()).pending.get(ALPHA_ID)

        await self.stage.until(delivered)
        for press in self.presses:
            await press.answer(within_s=30)
        await self.stage.idle()
        await self.notes_updates()


class Life:
    """A process of `pack_platform.py`, which is ready to begin; it ends when it is killed."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    @classmethod
    async def spawn(cls, stage: Stage, folder: Path, number: int, seed: int) -> Life:
        options = {
            "url": stage.settings.store.url,
            "folder": str(folder),
            "api_url": stage.sim.url,
            "seed": seed * 100 + number,
        }
        log = folder / f"life-{number}"
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(Path(__file__).with_name("pack_platform.py")),
                json.dumps(options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
            )
        life = cls(process, log)
        await life.says("WAITING")
        return life

    async def begins(self) -> int:
        """Let it run; its port."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return int((await self.says("READY")).split()[1])

    async def says(self, word: str) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            said = (await self.process.stdout.readline()).decode()
        if not said.startswith(word):
            raise AssertionError(f"a life did not begin:\n{self.log.read_text()[-4000:]}")
        return said

    async def dies(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        # The transport of a killed child is closed now, not when the garbage collector comes by.
        self.process._transport.close()  # type: ignore[attr-defined]


# -- the books ----------------------------------------------------------------------------------------------------


def expected(session: SessionRecord, state: str, rev: int, active: bool, press: dict[str, Any]) -> set[str]:
    """What the requirement says of a press that names this session where it is now; several where credits decide."""
    data = parse(press["data"])
    flow, event = ACTIONS.get(data.action) or (FLOWS[session.flow_kind], data.action)
    row = flow.table.row(state, event)
    if flow.name != session.flow_kind:
        return {"wrong_flow/"}
    if isinstance(row, Refuse):
        return {f"{row.reason}/{row.detail}"}
    if not active:
        return {"already_done/"}
    if event == NOOP:
        return {"in_progress/noop"}
    if data.rev is not None and data.rev != rev:
        return {"stale_rev/"}
    if not isinstance(row, On):
        return {"wrong_state/"}
    refused = {"wrong_state/no_credits"} if event in COSTS else set()
    return refused | {row.to} if isinstance(row.to, str) else set(row.to)


def check_history(session: SessionRecord, history: list[SessionEvent], updates: dict[int, dict[str, Any]]) -> None:
    """One session's history, line by line, against its table and against a reading of the requirement."""
    table = FLOWS[session.flow_kind].table
    first = history[0]
    assert (first.event, first.from_state, first.to_state, first.rev) == ("begin", "", table.start[0], 1)
    state, rev, active = table.start[0], 1, True
    for line in history[1:]:
        where = f"{session!r}: {line!r}"
        number = int(line.trace.partition(":")[2])
        press = updates.get(number)
        assert line.from_state == state, where
        if press is not None and line.format in ("rev", "id"):
            assert parse(press["data"]).session_id == session.id, where
            outcome = line.to_state or f"{line.reason}/{line.detail}"
            assert outcome in expected(session, state, rev, active, press), where
        if line.to_state is None:
            assert line.rev == rev, where
            assert Reason(line.reason), where
            continue
        assert active, where
        assert line.rev == rev + 1, where
        if line.event == "end":
            assert line.to_state == state, where
            active = False
        else:
            row = table.row(state, line.event)
            assert isinstance(row, On), where
            assert line.to_state in ((row.to,) if isinstance(row.to, str) else row.to), where
            active = line.to_state not in table.final
        state, rev = line.to_state, line.rev
    assert (session.state, session.rev, session.is_active) == (state, rev, active)


async def check_credits(town: Town, sessions: dict[str, list[SessionEvent]]) -> None:
    """What each person has, what was charged, and the transitions that did it."""
    moved: Counter[tuple[str, int, int]] = Counter()
    for id, history in sessions.items():
        for line in history:
            amount = COSTS.get(line.event) or REFUNDS.get(line.event)
            if amount and line.to_state is not None:
                moved[id, line.rev - 1, amount] += 1
    assert not [key for key, times in moved.items() if times > 1]
    written = await town.stage.query(select(LEDGER.c.session, LEDGER.c.rev, LEDGER.c.amount))
    assert Counter(tuple(row) for row in written) == moved
    for person in town.people:
        given, left, spent = await town.stage.credits(person)
        assert given == GIVEN
        assert left >= 0
        assert left + sum(amount for _, amount in spent) == given


async def check_answers(town: Town) -> None:
    """Each press: one answer that counted, and one line of history unless it only drew a screen again."""
    tried: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for call in await town.stage.town.calls("answerCallbackQuery", bot=ALPHA):
        tried[call.parameters["callback_query_id"]] += 1
        taken[call.parameters["callback_query_id"]] += call.ok
    assert len(tried) == len(town.presses)
    assert {press.id for press in town.presses} == set(tried)
    again = {id: times for id, times in tried.items() if times > 1}
    if not town.crashes and not town.faults:
        assert again == {}
    assert max(tried.values()) <= 1 + town.crashes + town.faults
    assert all(taken[id] <= 1 for id in taken)


async def check(town: Town) -> str:
    """All of it; returns the figures."""
    store = town.stage.store
    assert len(town.presses) > 20
    records = await town.stage.sessions(live=False, limit=1_000)
    assert len(records) < 1_000
    sessions = {record.id: await town.stage.history(record.id) for record in records}
    for record in records:
        check_history(record, sessions[record.id], town.updates)
    await check_credits(town, sessions)
    await check_answers(town)
    lines = Counter(line.trace for history in sessions.values() for line in history if line.format)
    lines += Counter(line.trace for line in await town.stage.nobodys() if line.format)
    assert not [trace for trace, times in lines.items() if times > 1]
    ours = {number: press for number, press in town.updates.items() if parse(press["data"]).action in ACTIONS}
    silent = [press["data"] for number, press in ours.items() if not lines[f"{ALPHA_ID}:{number}"]]
    assert all(data.startswith("pack.back.carousel:") for data in silent), silent  # S0-34: drawn again
    one_active(records)
    dead = await store.desk.list("dead", Filter(limit=20))
    assert [(letter.kind, letter.what, letter.error) for letter in dead if letter.kind != "job"] == []
    moves = sum(line.to_state is not None for history in sessions.values() for line in history)
    return f"{len(town.presses)} presses, {moves} moves, {len(records)} sessions, {town.crashes} crashes"


def one_active(records: list[SessionRecord]) -> None:
    """Nobody has two active sessions of one flow in one place (C0-10)."""
    active = Counter((record.flow_kind, record.owner) for record in records if record.is_active)
    assert not [key for key, times in active.items() if times > 1]


# -- the runs -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgres"])
def chaos_url(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> Iterator[str]:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        shutil.copy(sqlite_template, tmp_path / "chaos.db")
        yield f"sqlite:///{tmp_path}/chaos.db"
        return
    server: Any = request.getfixturevalue("postgres_server")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


async def in_calm(url: str, folder: Path, seed: int, *, acts: int) -> str:
    """One life, and nothing goes wrong."""
    async with staged(url, folder) as stage:
        stage.studio.luck = random.Random(seed)
        town = Town(stage, random.Random(seed))
        await town.gather()
        await town.begin()
        await town.lives(acts)
        await town.quiet()
        return await check(town)


async def in_storms(url: str, folder: Path, seed: int, *, storms: int, acts: int) -> str:
    """Many lives, each killed in the middle of what people do; a last one here puts everything in order."""
    async with staged(url, folder, starts=False) as stage:
        town = Town(stage, random.Random(seed))
        lives = [await Life.spawn(stage, folder, 0, seed)]
        try:
            await stage.is_at(await lives[0].begins())
            await town.gather()
            await town.begin()
            for number in range(storms):
                lives.append(await Life.spawn(stage, folder, number + 1, seed))
                await town.misfortune()
                await asyncio.gather(town.lives(acts), town.dies(*lives[-2:]))
                await town.notes_updates()
        finally:
            for life in lives:
                await life.dies()
        stage.studio.luck = random.Random(seed)
        await stage.start()
        await town.quiet()
        return await check(town)


@pytest.mark.req("S0-27", "S0-52", "C0-1", "C0-8", "C0-18", "B-2", "B-5", "E0-2", "E0-7")
async def test_the_books_agree_after_any_presses(chaos_url: str, tmp_path: Path, record_property: Any) -> None:
    """Without crashes, and then every press is answered by exactly one call."""
    record_property("figures", await in_calm(chaos_url, tmp_path, 1, acts=50))


@pytest.mark.req("S0-27", "S0-52", "C0-1", "C0-8", "C0-18", "B-2", "B-5", "E0-2", "E0-7")
async def test_the_books_agree_after_any_presses_and_crashes(
    chaos_url: str, tmp_path: Path, record_property: Any
) -> None:
    """The platform dies in the middle of it, Telegram stumbles, and nothing is lost, done twice, or unanswered."""
    record_property("figures", await in_storms(chaos_url, tmp_path, 2, storms=3, acts=25))


@pytest.mark.soak
@pytest.mark.req("S0-27", "S0-52", "C0-1", "C0-8", "C0-18", "B-2", "B-5", "E0-2", "E0-7")
@pytest.mark.parametrize("seed", range(100, 106))
async def test_the_books_agree_after_a_long_storm(
    chaos_url: str, tmp_path: Path, seed: int, record_property: Any
) -> None:
    """Ten crashes to a storm and six storms on each database, a minute each."""
    record_property("figures", await in_storms(chaos_url, tmp_path, seed, storms=10, acts=40))
