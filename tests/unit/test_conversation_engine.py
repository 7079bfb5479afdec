"""The replay engine without Telegram: coroutines that are suspended in one task and continued in another."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.core.errors import AuthorError
from posthouse.programs.conversations.engine import (
    JOURNAL_MAX,
    RECORD_BYTES_MAX,
    Finished,
    Journal,
    Record,
    Wait,
    advance,
    caller,
    close,
    place,
    suspend,
)
from posthouse.programs.conversations.errors import Diverged


async def ask(what: str) -> Any:
    return await suspend(Wait(what, None))


async def in_a_task(running: Coroutine[Any, Any, Any], *args: Any) -> Wait | Finished:
    """Advance in a task of its own, as another turn does."""

    async def turn() -> Wait | Finished:
        return await advance(running, *args)

    return await asyncio.create_task(turn())


@pytest.mark.req("S4-1", "S4-2")
async def test_a_coroutine_waits_across_tasks() -> None:
    """Each answer may come in another task; what the coroutine returns is `Finished`."""

    async def order() -> str:
        size = await ask("size")
        name = await ask("name")
        return f"{size} for {name}"

    running = order()
    assert (await in_a_task(running)).op == "size"  # type: ignore[union-attr]
    assert (await in_a_task(running, "small")).op == "name"  # type: ignore[union-attr]
    ended = await in_a_task(running, "Ann")
    assert isinstance(ended, Finished)
    assert ended.value == "small for Ann"


async def test_what_it_awaits_between_its_waits_belongs_to_the_loop() -> None:
    """A future, a task and a sleep are awaited by whichever task runs the coroutine then."""
    loop = asyncio.get_running_loop()
    seen: list[asyncio.Task[Any] | None] = []

    async def work() -> str:
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        first = await ask("first")
        seen.append(asyncio.current_task())
        future = loop.create_future()
        loop.call_soon(future.set_result, "from the loop")
        return f"{first}, {await future}, {await asyncio.create_task(asyncio.sleep(0, 'from a task'))}"

    running = work()
    await in_a_task(running)
    ended = await in_a_task(running, "told")
    assert isinstance(ended, Finished)
    assert ended.value == "told, from the loop, from a task"
    assert seen[0] is not seen[1]


async def test_an_error_that_it_awaited_is_raised_inside_it() -> None:
    """A failed future reaches the coroutine's own `except`, and the coroutine goes on."""
    loop = asyncio.get_running_loop()

    async def work() -> str:
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(future.set_exception, ValueError("no"))
        try:
            await future
        except ValueError as error:
            return f"{error} and {await ask('more')}"
        return ""

    running = work()
    assert isinstance(await in_a_task(running), Wait)
    ended = await in_a_task(running, "yes")
    assert isinstance(ended, Finished)
    assert ended.value == "no and yes"


async def test_an_error_can_be_thrown_in_where_it_waits() -> None:
    """Caught, it goes on; uncaught, `advance` raises it."""

    async def careful() -> str:
        try:
            return str(await ask("answer"))
        except TimeoutError:
            return f"late: {await ask('again')}"

    running = careful()
    await in_a_task(running)
    assert (await in_a_task(running, None, TimeoutError())).op == "again"  # type: ignore[union-attr]
    ended = await in_a_task(running, "now")
    assert isinstance(ended, Finished)
    assert ended.value == "late: now"

    running = ask("answer")
    await in_a_task(running)
    with pytest.raises(TimeoutError, match="too late"):
        await in_a_task(running, None, TimeoutError("too late"))


async def test_cancelling_the_turn_cancels_the_coroutine_inside_it() -> None:
    """A cancelled task raises `CancelledError` at the coroutine's own await, and is cancelled."""
    reached, cleaned = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await ask("begin")
        try:
            reached.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    running = work()
    await in_a_task(running)
    task = asyncio.create_task(in_a_task(running, "go"))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await cleaned.wait()


async def test_a_cancelled_turn_may_be_survived_by_who_catches_it() -> None:
    """A coroutine that catches the cancellation and waits for an answer is suspended there, and goes on later."""
    reached = asyncio.Event()

    async def stubborn() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            reached.set()
            await asyncio.Event().wait()
        return str(await ask("again"))

    running = stubborn()
    task = asyncio.create_task(in_a_task(running))
    await reached.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    ended = await in_a_task(running, "back")
    assert isinstance(ended, Finished)
    assert ended.value == "back"


async def test_closing_runs_finally_and_lets_nothing_out() -> None:
    """`close` ends a suspended coroutine, also when its `finally` awaits, waits for an answer, or raises."""
    said: list[str] = []

    async def tidy() -> None:
        try:
            await ask("x")
        finally:
            said.append("tidy")

    async def waits_again() -> None:
        try:
            await ask("x")
        finally:
            said.append("waits")
            await ask("y")

    async def awaits() -> None:
        try:
            await ask("x")
        finally:
            said.append("awaits")
            await asyncio.sleep(3600)

    async def fails() -> None:
        try:
            await ask("x")
        finally:
            said.append("fails")
            raise ValueError("in finally")

    async def exits() -> None:
        try:
            await ask("x")
        finally:
            said.append("exits")
            sys.exit(3)

    for function in (tidy, waits_again, awaits, fails, exits):
        running = function()
        await in_a_task(running)
        close(running)
    assert said == ["tidy", "waits", "awaits", "fails", "exits"]


async def test_closing_what_has_ended_or_never_begun_is_harmless() -> None:
    """A coroutine that has returned can be closed, and one that was never started too."""
    running = ask("x")
    await in_a_task(running)
    assert isinstance(await in_a_task(running, 1), Finished)
    close(running)
    fresh = ask("y")
    close(fresh)


async def test_stop_iteration_is_an_error_like_any_other() -> None:
    """A coroutine that leaks `StopIteration` fails; it does not look as if it had returned."""

    async def leaks() -> None:
        await ask("x")
        next(iter(()))

    running = leaks()
    await in_a_task(running)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_a_task(running, 1)


# -- the journal --------------------------------------------------------------------------------------------------


def replayed(*ops: str) -> Journal:
    """A journal that was read back."""
    journal = Journal()
    packed = [journal.add(Record(op, number, at=f"order:{number}"))[1] for number, op in enumerate(ops)]
    return Journal.read(packed)


@pytest.mark.req("B-23", "E4-4")
def test_divergence_names_both_operations_and_both_places() -> None:
    """The message says what the code does and where, what the journal has and where that was made, and the mend."""
    journal = replayed("ask.text", "step.charge")

    def order() -> None:
        journal.next("ask.text", caller(1))
        journal.next("ask.number", caller(1))

    line = order.__code__.co_firstlineno + 2
    with pytest.raises(Diverged) as diverged:
        order()
    said = str(diverged.value)
    assert f"order:{line} the code does 'ask.number'" in said
    assert "'step.charge'" in said
    assert "entry 1, made at order:1" in said
    assert "version=" in said


@pytest.mark.req("B-23")
def test_code_that_catches_a_divergence_does_not_find_back_into_the_journal() -> None:
    """After a divergence every operation diverges, also one that would have fitted."""
    journal = replayed("ask.text", "ask.number")
    with pytest.raises(Diverged):
        journal.next("step.charge", caller(1))
    with pytest.raises(Diverged, match=r"step\.charge"):
        journal.next("ask.text", caller(1))
    assert journal.position == 0
    assert journal.diverged is not None


def test_places_are_function_and_line() -> None:
    """`place` names a method with its class."""

    class Shop:
        def here(self) -> str:
            return place(caller(1))

    assert Shop().here().endswith(f"Shop.here:{Shop.here.__code__.co_firstlineno + 1}")


def test_a_journal_replays_what_was_added() -> None:
    """Records come back in order; behind the last one everything is new."""
    journal = replayed("a", "b")
    assert journal.is_replaying
    assert [journal.next(op, caller(1)).value for op in ("a", "b")] == [0, 1]  # type: ignore[union-attr]
    assert not journal.is_replaying
    assert journal.next("c", caller(1)) is None
    ordinal, packed = journal.add(Record("c", {"x": [1, None]}, at="here"))
    assert ordinal == 2
    assert Journal.read([packed]).records == [Record("c", {"x": [1, None]}, at="here")]
    assert not journal.is_replaying


def test_a_journal_is_bounded() -> None:
    """Entry 1001 is refused with the mend, and so is a record of more than 64 KiB; neither is kept."""
    journal = Journal()
    for _ in range(JOURNAL_MAX):
        journal.add(Record("sleep"))
    with pytest.raises(AuthorError, match=r"1000 entries at loop:9.*talk\.restart"):
        journal.add(Record("sleep", at="loop:9"))
    assert len(journal.records) == JOURNAL_MAX

    journal = Journal()
    room = RECORD_BYTES_MAX - len(journal.add(Record("step.big", ""))[1])
    journal.add(Record("step.big", "x" * room))
    with pytest.raises(AuthorError, match=r"step\.big.*at most 65536"):
        journal.add(Record("step.big", "x" * (room + 1)))
    assert len(journal.records) == 2


def test_what_is_not_json_is_refused_with_the_place() -> None:
    """The author reads which operation gave it, and where."""
    with pytest.raises(AuthorError, match=r"'step\.x' at order:7 gave is not JSON"):
        Journal().add(Record("step.x", object(), at="order:7"))
    with pytest.raises(AuthorError, match="not JSON"):
        Journal().add(Record("step.x", "\ud800", at="order:7"))


# -- any program, replayed from any prefix ------------------------------------------------------------------------

Node = tuple[Any, ...]
"""("ask", name) · ("step", name) · ("branch", then, otherwise) on the last answer · ("loop", times, body)."""

_leaf = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(["text", "number", "choice"])),
    st.tuples(st.just("step"), st.sampled_from(["charge", "save"])),
    st.tuples(st.just("breath")),
)
programs = st.lists(
    st.recursive(
        _leaf,
        lambda inner: st.one_of(
            st.tuples(st.just("branch"), st.lists(inner, max_size=3), st.lists(inner, max_size=3)),
            st.tuples(st.just("loop"), st.integers(0, 3), st.lists(inner, max_size=2)),
            st.tuples(st.just("try"), st.lists(inner, max_size=2), st.lists(inner, max_size=2)),
        ),
        max_leaves=8,
    ),
    max_size=5,
)


class Machine:
    """Runs one program over one journal, as a conversation does."""

    def __init__(self, program: list[Node], journal: Journal, world: list[str]) -> None:
        self.program = program
        self.journal = journal
        self.world = world
        self.told: list[Any] = []
        self.ops: list[str] = []

    async def run(self) -> list[Any]:
        await self.block(self.program)
        return self.told

    async def block(self, nodes: list[Node]) -> None:
        for node in nodes:
            match node:
                case ("ask", name):
                    await self.ask(f"ask.{name}")
                case ("step", name):
                    await self.step(f"step.{name}")
                case ("breath",):
                    await asyncio.sleep(0)
                case ("branch", then, otherwise):
                    await self.block(then if self.told and self.told[-1] % 2 else otherwise)
                case ("loop", times, body):
                    for _ in range(times):
                        await self.block(body)
                case ("try", body, handler):
                    try:
                        await self.block(body)
                    except ArithmeticError:
                        await self.block(handler)

    async def ask(self, op: str) -> None:
        self.ops.append(op)
        record = self.journal.next(op, caller())
        if record is None:
            answer = await suspend(Wait(op, None))
            record = Record(op, answer, "odd" if answer % 5 == 0 else "")
            self.journal.add(record)
        if record.error:
            raise ArithmeticError
        self.told.append(record.value)

    async def step(self, op: str) -> None:
        self.ops.append(op)
        record = self.journal.next(op, caller())
        if record is None:
            await asyncio.sleep(0)
            self.world.append(f"{op} {len(self.journal.records)}")
            record = Record(op, len(self.world))
            self.journal.add(record)
        self.told.append(record.value)


async def drive(machine: Machine, answers: list[int], stop_after: int | None = None) -> tuple[Any, int]:
    """Answer until it ends or `stop_after` answers were given; returns (result or None, answers given)."""
    running, given = machine.run(), 0
    try:
        reached = await in_a_task(running)
        while isinstance(reached, Wait):
            if stop_after is not None and given == stop_after:
                return None, given
            answer = answers[given % len(answers)] if answers else 1
            given += 1
            reached = await in_a_task(running, answer)
        return reached.value, given
    except ArithmeticError:
        return "raised", given
    finally:
        close(running)


@pytest.mark.req("E4-4", "S4-9")
@settings(deadline=None, max_examples=120)
@given(program=programs, answers=st.lists(st.integers(1, 20), min_size=1, max_size=6))
async def test_any_program_goes_on_from_any_of_its_waits_as_if_nothing_had_happened(
    program: list[Node], answers: list[int]
) -> None:
    """Given up at each wait in turn and brought back by its journal, it ends alike, with the same operations.

    No step is done twice, and a replay does none at all.
    """
    world: list[str] = []
    whole = Machine(program, Journal(), world)
    ended, waits = await drive(whole, answers)

    for stop in range(waits + 1):
        seen: list[str] = []
        first = Machine(program, Journal(), seen)
        _, given = await drive(first, answers, stop_after=stop)
        before = list(seen)
        stored = [Journal().add(record)[1] for record in first.journal.records]

        asleep = Machine(program, Journal.read(stored), seen)
        await drive(asleep, answers, stop_after=0)
        assert seen == before  # a replay executes nothing (G4-3)
        assert asleep.ops == first.ops

        again = Machine(program, Journal.read(stored), seen)
        rest = answers[given % len(answers) :] + answers[: given % len(answers)]
        assert (await drive(again, rest))[0] == ended
        assert again.ops == whole.ops
        assert seen == world


async def _first_divergence(code: Callable[[Journal], Coroutine[Any, Any, Any]], journal: Journal) -> str | None:
    running = code(journal)
    try:
        await in_a_task(running)
    except Diverged as diverged:
        return str(diverged)
    finally:
        close(running)
    return None


@pytest.mark.req("B-23")
@settings(deadline=None, max_examples=60)
@given(
    ops=st.lists(st.sampled_from(["ask.a", "ask.b", "step.c"]), min_size=1, max_size=6),
    place_changed=st.integers(0, 5),
)
async def test_a_changed_operation_is_found_wherever_it_stands(ops: list[str], place_changed: int) -> None:
    """Whichever recorded operation the code no longer does, nothing behind it is executed."""
    place_changed %= len(ops)
    done: list[str] = []

    async def changed(journal: Journal) -> None:
        for number, op in enumerate(ops):
            name = "step.new" if number == place_changed else op
            if journal.next(name, caller(1)) is None:
                done.append(name)

    said = await _first_divergence(changed, replayed(*ops))
    assert said is not None
    assert "'step.new'" in said
    assert f"entry {place_changed}" in said
    assert done == []
