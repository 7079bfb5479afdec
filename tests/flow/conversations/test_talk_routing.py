"""Whose is it? Conversations side by side, people in a group, buttons that are old or somebody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from conversation_stage import Gate
from test_talk_asks import begun_by

from posthouse import App, Talk, Turn
from posthouse.core.sessions import Reason
from posthouse.programs.conversations import choice, number, photo


def orders() -> App:
    """`/order`: a size by button, then a name; `/feedback`: a text; `/mood`: buttons or a number."""
    app = App("orders")

    @app.conversation()
    async def order(talk: Talk) -> None:
        size = await talk.ask("Size?", choice(["S", "L"]))
        name = await talk.ask("Name?")
        talk.say(f"{size} for {name}")

    @app.conversation()
    async def feedback(talk: Talk) -> None:
        words = await talk.ask("How was it?")
        talk.say(f"Noted: {words}")

    @app.conversation()
    async def picture(talk: Talk) -> None:
        await talk.ask("A photo?", photo(), retry="No photo.")
        talk.say("Nice.")

    return begun_by(app, order, feedback, picture)


@pytest.mark.req("S4-1", "E4-3")
async def test_parallel_conversations_in_one_chat_keep_apart(talks: Any) -> None:
    """A button goes to its own; a text to the one that asked last among those that want texts."""
    async with talks(orders()) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.says("/feedback")
        await ann.reads("Size?", "How was it?")
        await ann.presses("L")
        await ann.reads("Name?")
        await ann.says("Ann")
        await ann.reads("L for Ann")
        await ann.says("good")
        await ann.reads("Noted: good")
        await ann.says("more")
        await ann.reads("echo more")


async def test_a_text_passes_by_who_does_not_want_it(talks: Any) -> None:
    """The newest question wants a photo, so the text is for the one before; what nobody wants, the newest refuses."""
    async with talks(orders()) as stage:
        ann = stage.ann
        await ann.says("/feedback")
        await ann.says("/picture")
        await ann.reads("A photo?")
        await ann.says("fine")
        await ann.reads("Noted: fine")
        await ann.says("photo!")
        await ann.reads("No photo.")
        await ann.sends(photo=[{"file_id": "f", "file_unique_id": "f", "width": 1, "height": 1}])
        await ann.reads("Nice.")


async def test_of_questions_asked_in_one_turn_the_later_one_is_answered(talks: Any) -> None:
    """Two conversations that one command began have the same moment; the second asked last."""
    app = App("pair")

    @app.conversation()
    async def last(talk: Talk) -> None:
        talk.say(f"last: {await talk.ask('Last?')}")

    @app.conversation()
    async def first(talk: Talk) -> None:
        talk.say(f"first: {await talk.ask('First?')}")

    @app.command("both")
    async def both(turn: Turn) -> None:
        await first.begin(turn)
        await last.begin(turn)

    async with talks(app) as stage:
        await stage.ann.says("/both")
        await stage.ann.reads("First?", "Last?")
        await stage.ann.says("one")
        await stage.ann.reads("last: one")
        await stage.ann.says("two")
        await stage.ann.reads("first: two")


async def test_a_command_is_no_answer(talks: Any) -> None:
    """Commands go to their handlers while a question waits, and one of the same name begins anew."""
    async with talks(orders()) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Size?")
        await ann.says("/order")
        await ann.reads_times("Size?", 2)
        await ann.loses_keyboard(ann.buttons("S")[0][0])
        query = await ann.presses("S", back=1)
        assert "finished" in (await ann.answered(query))["text"]
        await ann.presses("S")
        await ann.reads("Name?")
        states = sorted(record.state for record in await stage.sessions())
        assert states == ["replaced", "waiting"]


@pytest.mark.req("B-22", "S4-10")
async def test_b_22_in_a_group_each_person_has_their_own(talks: Any) -> None:
    """Texts go to the conversation of who wrote; a press of somebody else's button is refused, and nothing is moved."""
    async with talks(orders()) as stage:
        ann, bob = stage.in_group(1), stage.in_group(2)
        await ann.says("/order")
        await ann.reads("Size?")
        query = await ann.presses("L", by=2)
        answer = await bob.answered(query)
        assert answer == {
            "callback_query_id": query, "text": "This menu belongs to somebody else.", "show_alert": True,
        }  # fmt: skip
        await bob.says("hello")
        await bob.reads("echo hello")
        await bob.says("/order")
        await bob.reads_times("Size?", 2)
        await ann.presses("S", back=1)
        await ann.reads("Name?")
        assert ann.bared == [ann.buttons("S")[0][0]]  # hers, when it was answered; not when Bob pressed it
        await bob.presses("L")
        await bob.reads_times("Name?", 2)
        await bob.says("Bob")
        await bob.reads("L for Bob")
        await ann.says("Ann")
        await ann.reads("S for Ann")


@pytest.mark.req("B-22")
async def test_a_chat_may_have_one_for_everybody(talks: Any) -> None:
    """With the strategy for chats whoever writes answers; a person of another chat has nothing to do with it."""
    app = App("vote")

    @app.conversation(strategy="chat")
    async def vote(talk: Talk) -> None:
        pizza = await talk.ask("Which pizza?")
        by = talk.person["first_name"]
        many = await talk.ask("How many?", number())
        talk.say(f"{many} {pizza}, as {by} wished and {talk.person['first_name']} counted")

    async with talks(begun_by(app, vote)) as stage:
        ann, bob = stage.in_group(1), stage.in_group(2)
        await ann.says("/vote")
        await stage.bob.says("Funghi")
        await stage.bob.reads("echo Funghi")
        await bob.says("Funghi")
        await bob.reads("How many?")
        await ann.says("3")
        await ann.reads("3 Funghi, as P2 wished and P1 counted")


@pytest.mark.req("B-22")
async def test_a_person_may_have_one_for_all_chats(talks: Any) -> None:
    """Asked in private, answered in a group; the buttons disappear where they are, and the answer is said there."""
    app = App("everywhere")

    @app.conversation(strategy="global_user")
    async def everywhere(talk: Talk) -> None:
        color = await talk.ask("Colour?", choice(["Red", "Blue"]))
        talk.say(f"{color}.")

    async with talks(begun_by(app, everywhere)) as stage:
        await stage.ann.says("/everywhere")
        await stage.ann.reads("Colour?")
        group = stage.in_group(1)
        await group.says("blue")
        await group.reads("Blue.")
        await stage.ann.loses_keyboard(stage.ann.buttons("Red")[0][0])
        assert group.bared == []


@pytest.mark.req("C4-6", "S4-1")
async def test_c4_6_an_old_button_is_outdated_and_goes(talks: Any) -> None:
    """An alert in the person's language, the keyboard is removed, the reason is in the history, and nothing moves."""
    async with talks(orders()) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.presses("L")
        await ann.reads("Name?")
        await ann.loses_keyboard(ann.buttons("L")[0][0])
        for lang, words in (("en", "This question is outdated."), ("ru", "Этот вопрос уже неактуален.")):
            ann.lang = lang
            query = await ann.presses("S")
            answer = await ann.answered(query)
            assert (answer["text"], answer["show_alert"]) == (words, True)
        await stage.idle()
        assert ann.bared == [ann.buttons("L")[0][0]] * 3
        record = await stage.session("order")
        rejects = [(event.reason, event.rev) for event in await stage.history(record.id) if event.to_state is None]
        assert rejects == [(Reason.STALE_REV, 2)] * 2
        await ann.says("Ann")
        await ann.reads("L for Ann")


@pytest.mark.req("C4-6")
@pytest.mark.parametrize("data", ["ask=0:AAAAAAAAAA:1", "ask=9:AAAAAAAAAA:1", "ask:AAAAAAAAAA", "nobody:AAAAAAAAAA:7"])
async def test_a_button_of_nobody_is_outdated(talks_on_sqlite: Any, data: str) -> None:
    """A session that is gone, or that never was, is answered with an alert, and its keyboard removed."""
    async with talks_on_sqlite(orders()) as stage:
        query = await stage.ann.presses_data(data, message_id=77)
        answer = await stage.ann.answered(query)
        assert (answer["text"], answer["show_alert"]) == ("This menu is outdated. Start again, please.", True)
        await stage.ann.loses_keyboard(77)


@pytest.mark.req("C4-6")
async def test_a_forged_button_chooses_nothing(talks: Any) -> None:
    """A place that the question does not have, or none at all, is an answer that does not fit."""
    async with talks(orders()) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Size?")
        _, data = ann.buttons("L")[0]
        _, session, rev = data.split(":")
        for forged in (f"ask=2:{session}:{rev}", f"ask=L:{session}:{rev}", f"ask:{session}:{rev}"):
            await ann.presses_data(forged)
        await ann.reads_times("Size?", 4)
        await ann.presses_data(f"ask=0:{session}")  # without a revision it is not ours
        await ann.presses_data(f"ask=0:{session}:{int(rev) + 1}")
        await ann.presses("L")
        await ann.reads("Name?")


@pytest.mark.req("E4-3", "B-12")
async def test_a_double_click_chooses_once(talks: Any) -> None:
    """Both presses are answered, the second with the reason; the conversation moves once."""
    async with talks(orders()) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Size?")
        first, second = await asyncio.gather(ann.presses("L"), ann.presses("L"))
        answers = [await ann.answered(query) for query in (first, second)]
        assert sorted("text" in answer for answer in answers) == [False, True]
        await ann.reads("Name?")
        await stage.idle()
        assert ann.read == ["Size?", "Name?"]
        assert (await stage.session("order")).rev == 2


@pytest.mark.req("E4-3", "S4-10", "B-12")
async def test_e4_3_two_updates_of_one_person_at_once_both_have_their_effect(talks: Any) -> None:
    """Answers that come in parallel are taken one after the other, each by the question that waits then."""
    app = App("sum")

    @app.conversation()
    async def total(talk: Talk) -> None:
        numbers = [await talk.ask(f"Number {n}?", number()) for n in range(10)]
        talk.say(f"Total {sum(numbers)}")

    async with talks(begun_by(app, total)) as stage:
        await stage.ann.says("/total")
        await stage.ann.reads("Number 0?")
        await asyncio.gather(*(stage.ann.says(str(2**n)) for n in range(10)))
        await stage.ann.reads("Total 1023")
        await stage.idle()
        assert sorted(stage.ann.read) == sorted([f"Number {n}?" for n in range(10)] + ["Total 1023"])


@pytest.mark.req("C4-2")
async def test_g4_4_a_cancel_from_outside_comes_between_the_writes(talks: Any) -> None:
    """A button of another handler cancels a conversation that waits for a job; what follows the job is not done."""
    app = App("bypass")
    gate, written = Gate(), list[str]()

    @app.job()
    async def transcribe(job: Any) -> str:
        await gate.wait()
        return "bench press"

    @app.conversation()
    async def log(talk: Talk) -> None:
        words = await talk.job(transcribe)
        await talk.step("save", written.append, words)
        talk.say(f"Saved {words}")

    @app.callback("stop")
    async def stop(turn: Turn) -> None:
        turn.answer("Stopped" if await log.cancel(turn) else "Nothing to stop")

    async with talks(begun_by(app, log)) as stage:
        await stage.ann.says("/log")
        await gate.reached()
        query = await stage.ann.presses_data("stop")
        assert (await stage.ann.answered(query))["text"] == "Stopped"
        await stage.ann.reads("Cancelled.")
        gate.open()
        await stage.idle()
        assert written == []
        assert stage.ann.read == ["Cancelled."]
        query = await stage.ann.presses_data("stop")
        assert (await stage.ann.answered(query))["text"] == "Nothing to stop"
