"""Conversations over several lives of the platform: restarts, a day of silence, deploys, a cache that may be lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from conversation_stage import DAY_S
from structlog.testing import capture_logs
from test_talk_asks import begun_by

from posthouse import App, Retryable, Talk
from posthouse.core.errors import AuthorError
from posthouse.core.sessions import Reason
from posthouse.programs.conversations import choice, number

OUTDATED = "This dialogue was changed meanwhile and cannot go on. Please start again."


def one(function: Callable[..., Any], *, version: int | str = 1, name: str = "order", **options: Any) -> App:
    """An app with one conversation."""
    app = App("lives", **options)
    return begun_by(app, app.conversation(name, version=version)(function))


async def two_sizes(talk: Talk) -> None:
    size = await talk.ask("Size?", choice(["S", "L"]))
    name = await talk.ask("Name?")
    talk.say(f"{size} for {name}")


@pytest.mark.req("E4-1", "S4-3", "S4-9")
async def test_e4_1_a_dialogue_that_was_begun_before_a_restart_ends_after_it(talks: Any) -> None:
    """A press in one life, a text in the next, in a third the end: nothing is said or asked twice."""
    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("/order")
        await stage.ann.reads("Size?")
    async with talks(one(two_sizes)) as stage:
        await stage.ann.presses("L")
        await stage.ann.reads("Name?")
    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("Ann")
        await stage.ann.reads("L for Ann")
        await stage.idle()
        assert stage.ann.read == ["Size?", "Name?", "L for Ann"]
        record = await stage.session("order")
        assert [(event.event, event.to_state) for event in await stage.history(record.id)] == [
            ("begin", "waiting"),
            ("ask", "waiting"),
            ("answer", "done"),
        ]
        assert await stage.road.store.sessions.journal(record.id) == []


@pytest.mark.req("E4-2", "S4-7")
async def test_e4_2_after_a_day_of_silence_the_session_is_gone_and_its_button_outdated(
    talks: Any, database: Any
) -> None:
    """The press is answered with an alert and its keyboard removed, a text is nobody's, and it can begin anew."""
    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("/order")
        await stage.ann.reads("Size?")
    await database.time_passes(DAY_S - 60)
    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("huge")  # an answer, though not a good one: the day begins again
        await stage.ann.reads_times("Size?", 2)
    await database.time_passes(DAY_S - 60)
    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("giant")
        await stage.ann.reads_times("Size?", 3)
    await database.time_passes(DAY_S + 60)
    async with talks(one(two_sizes)) as stage:
        ann = stage.ann
        assert await stage.sessions(live=True) == []
        answer = await ann.answered(await ann.presses("L"))
        assert answer["show_alert"] is True
        assert "outdated" in answer["text"]
        await ann.loses_keyboard(ann.buttons("L")[0][0])
        record = await stage.session("order")
        rejects = [event.reason for event in await stage.history(record.id) if event.to_state is None]
        assert rejects == [Reason.EXPIRED]
        await ann.says("L")
        await ann.reads("echo L")
        await ann.says("/order")
        await ann.reads_times("Size?", 4)
        await ann.presses("S")
        await ann.says("Ann")
        await ann.reads("S for Ann")


# -- deploys ------------------------------------------------------------------------------------------------------


async def three_sizes(talk: Talk) -> None:
    size = await talk.ask("Which size?", choice(["S", "M", "L"]))
    milk = await talk.ask("Milk?", choice(["yes", "no"]))
    talk.say(f"{size}, milk {milk}")


@pytest.mark.req("B-23")
async def test_b_23_a_deploy_that_keeps_the_old_version_lets_its_dialogues_go_on(talks: Any) -> None:
    """The old function goes on with those that it began; who begins now gets the new one."""
    async with talks(one(two_sizes, version=1)) as stage:
        await stage.ann.says("/order")
        await stage.ann.presses("L")
        await stage.ann.reads("Name?")
    app = App("lives")
    app.conversation("order", version=1)(two_sizes)
    app = begun_by(app, app.conversation("order", version=2)(three_sizes))
    async with talks(app) as stage:
        await stage.bob.says("/order")
        await stage.bob.reads("Which size?")
        await stage.ann.says("Ann")
        await stage.ann.reads("L for Ann")
        await stage.bob.presses("M")
        await stage.bob.presses("no")
        await stage.bob.reads("M, milk no")


@pytest.mark.req("B-23")
async def test_b_23_without_the_old_version_a_dialogue_ends_with_a_text(talks: Any) -> None:
    """Nothing of the new code runs on the old state; the person reads why, and the buttons are gone."""
    async with talks(one(two_sizes, version=1)) as stage:
        await stage.ann.says("/order")
        await stage.ann.reads("Size?")
        stage.bob.lang = "ru"
        await stage.bob.says("/order")
        await stage.bob.presses("S")
        await stage.bob.reads("Name?")
    ran: list[str] = []

    async def changed(talk: Talk) -> None:
        ran.append("changed")
        await talk.ask("New?")

    async with talks(one(changed, version=2)) as stage:
        ann = stage.ann
        query = await ann.presses("L")
        await ann.reads(OUTDATED)
        assert "text" not in await ann.answered(query)
        await ann.loses_keyboard(ann.buttons("L")[0][0])
        assert ran == []
        assert await stage.ended("order", user_id=1) == "outdated"
        await ann.says("/order")
        await ann.reads("New?")
    async with talks(one(changed, version=2)) as stage:
        stage.bob.lang = "ru"
        await stage.bob.says("Bob")
        await stage.bob.reads("Этот диалог изменился и не может продолжиться. Начните, пожалуйста, заново.")


@pytest.mark.req("B-23")
async def test_an_app_says_in_its_own_words_that_a_dialogue_was_changed(talks: Any) -> None:
    """Texts of the keys `conversation.…` go first."""
    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("/order")
        await stage.ann.reads("Size?")
    texts = {"en": {"conversation.outdated": "We have a new menu!", "conversation.cancelled": "As you like."}}
    async with talks(one(two_sizes, version=2, texts=texts)) as stage:
        await stage.ann.presses("L")
        await stage.ann.reads("We have a new menu!")
        await stage.ann.says("/order")
        await stage.ann.says("/cancel")
        await stage.ann.reads("As you like.")


def first_code(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        rating = await talk.ask("Rating?", number())
        talk.say(f"{name} {rating}")

    return order


def other_question(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        age = await talk.ask("Age?", number())
        await talk.step("charge", done.append, f"charge {age}")
        await talk.ask("Rating?", number())

    return order


def other_step(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("refund", done.append, f"refund {name}")
        await talk.ask("Rating?", number())

    return order


def step_added_at_the_end(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        await talk.step("thank", done.append, "thank")
        await talk.ask("Rating?", number())

    return order


def other_wait(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        await talk.ask("Rating?", choice(["good", "bad"]))

    return order


def job_instead(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        await talk.job("anything", name=name)

    return order


def ends_early(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        talk.say("That is all.")
        talk.enqueue("anything")

    return order


def ends_at_once(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        talk.say("Closed.")

    return order


def broken(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        await talk.ask("Name?")
        raise LookupError("a bug of the new code")

    return order


def swallows(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        try:
            await talk.step("new", done.append, "new")
        except Exception:
            done.append("swallowed")
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        await talk.ask("Rating?", number())

    return order


def swallows_at_the_end(done: list[str]) -> Any:
    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        await talk.step("charge", done.append, f"charge {name}")
        try:
            await talk.step("new", done.append, "new")
        except AuthorError:
            pass
        await talk.ask("Rating?", number())

    return order


CHANGES = {
    other_question: ("'ask.number'", "'ask.text'"),
    other_step: ("'step.refund'", "'step.charge'"),
    step_added_at_the_end: ("'step.thank'",),
    other_wait: ("'ask.choice'", "'ask.number'"),
    job_instead: ("'job.anything'", "'ask.number'"),
    ends_early: ("the code ends", "'ask.number'"),
    ends_at_once: ("the code ends after 0 of 2",),
    broken: ("LookupError",),
    swallows: ("'step.new'", "'ask.text'"),
    swallows_at_the_end: ("'step.new'",),
}


@pytest.mark.req("B-23", "E4-4")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_b_23_code_changed_without_a_version_is_found_before_it_does_anything(
    talks_on_sqlite: Any, change: Any
) -> None:
    """The log names both operations and the line; the dialogue ends with a text, and nothing was executed or said."""
    done: list[str] = []
    async with talks_on_sqlite(one(first_code(done))) as stage:
        await stage.ann.says("/order")
        await stage.ann.says("Ann")
        await stage.ann.reads("Rating?")
    assert done == ["charge Ann"]
    with capture_logs() as logs:
        async with talks_on_sqlite(one(change(done))) as stage:
            await stage.ann.says("5")
            await stage.ann.reads(OUTDATED)
            await stage.idle()
            assert stage.ann.read == ["Name?", "Rating?", OUTDATED]
            assert await stage.ended("order") == "diverged"
            assert await stage.road.rows("jobs") == []
            assert await stage.road.rows("dead") == []
    assert [what for what in done if what != "swallowed"] == ["charge Ann"]
    (line,) = [entry for entry in logs if entry["event"] == "conversation.diverged"]
    assert line["log_level"] == "error"
    for words in CHANGES[change]:
        assert words in line["error"]
    if change in (other_question, other_step, swallows):
        assert re.search(rf"{change.__name__}\.<locals>\.order:\d+ the code does", line["error"])
        assert re.search(r"first_code\.<locals>\.order:\d+", line["error"])


async def test_texts_may_change_without_a_version(talks: Any) -> None:
    """Only what is awaited counts: other words, other buttons' labels and more messages are no divergence."""

    async def reworded(talk: Talk) -> None:
        talk.say("Welcome to the new shop!")
        size = await talk.ask("Pick a size", choice(["S", "L"], columns=2))
        talk.say("Good choice.")
        name = await talk.ask("And your name?")
        talk.say(f"Here: {size} for {name}")

    async with talks(one(two_sizes)) as stage:
        await stage.ann.says("/order")
        await stage.ann.presses("L")
        await stage.ann.reads("Name?")
    async with talks(one(reworded)) as stage:
        await stage.ann.says("Ann")
        await stage.ann.reads("Here: L for Ann")
        await stage.idle()
        assert stage.ann.read == ["Size?", "Name?", "Here: L for Ann"]


@pytest.mark.req("S4-9")
@pytest.mark.parametrize("error", [ConnectionError("away"), Retryable("busy"), TimeoutError("slow")])
async def test_what_is_away_during_a_replay_is_waited_for(talks_on_sqlite: Any, error: Exception) -> None:
    """A server that does not answer is no divergence: the turn is tried again, and the dialogue goes on."""
    trouble: list[Exception] = []

    async def order(talk: Talk) -> None:
        name = await talk.ask("Name?")
        if trouble:
            raise trouble.pop()
        await talk.ask("Rating?", number())
        talk.say(f"Thanks, {name}")

    async with talks_on_sqlite(one(order)) as stage:
        await stage.ann.says("/order")
        await stage.ann.says("Ann")
        await stage.ann.reads("Rating?")
    trouble.append(error)
    async with talks_on_sqlite(one(order)) as stage:
        await stage.ann.says("5")
        await stage.ann.reads("Thanks, Ann")
        assert trouble == []


# -- the cache ----------------------------------------------------------------------------------------------------


@pytest.mark.req("S4-9")
@pytest.mark.parametrize("live_max", [0, 1, 1000])
async def test_whether_a_coroutine_stayed_in_memory_changes_nothing(talks: Any, live_max: int) -> None:
    """With no room, with room for one of two people, and with room for all: the same messages, each step once."""
    charged: list[str] = []
    begun: list[str] = []

    async def order(talk: Talk) -> None:
        begun.append(talk.person["first_name"])
        total = 0
        for n in range(3):
            total += await talk.ask(f"Number {n}?", number())
            await talk.step("charge", charged.append, f"{talk.user_id} {n}")
        talk.say(f"Total {total}")

    async with talks(one(order, conversations_live_max=live_max)) as stage:
        for person in (stage.ann, stage.bob):
            await person.says("/order")
            await person.reads("Number 0?")
        for n in range(3):
            for person in (stage.ann, stage.bob):
                await person.says(str(n + person.person))
                await person.reads(f"Number {n + 1}?" if n < 2 else f"Total {3 + 3 * person.person}")
        await stage.idle()
        for person in (stage.ann, stage.bob):
            assert person.read == [*(f"Number {n}?" for n in range(3)), f"Total {3 + 3 * person.person}"]
    assert charged == [f"{person} {n}" for n in range(3) for person in (1, 2)]
    assert begun.count("P1") == (1 if live_max == 1000 else 4)


async def test_what_a_finally_does_when_a_coroutine_is_let_go_has_no_effect(talks: Any) -> None:
    """Evicted, it says nothing and does nothing; at its real end it does both, once."""
    swept: list[str] = []

    async def order(talk: Talk) -> None:
        try:
            name = await talk.ask("Name?")
            talk.say(f"Hello {name}")
        finally:
            talk.say("Goodbye")
            await talk.step("sweep", swept.append, "swept")

    async with talks(one(order, conversations_live_max=0)) as stage:
        await stage.ann.says("/order")
        await stage.ann.says("Ann")
        await stage.ann.reads("Goodbye")
        await stage.idle()
        assert stage.ann.read == ["Name?", "Hello Ann", "Goodbye"]
        assert swept == ["swept"]
