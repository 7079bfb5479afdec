"""Questions on the road: what is asked again, what gives up, what ends, and what time does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from posthouse import App, Talk, Turn
from posthouse.core.errors import AuthorError
from posthouse.programs.conversations import Cancelled, TimedOut, TooManyTries, choice, date, number, photo, text


def begun_by(app: App, *conversations: Any) -> App:
    """`/name` begins each of these; any other text is echoed, so that a test sees what nobody wanted."""
    for conversation in conversations:

        async def begin(turn: Turn, conversation: Any = conversation) -> None:
            await conversation.begin(turn)

        app.command(conversation.name)(begin)

    @app.text()
    async def echo(turn: Turn) -> None:
        turn.say(f"echo {turn.text}")

    return app


@pytest.mark.req("S4-1", "S4-2")
async def test_answers_that_do_not_fit_are_asked_for_again(talks: Any) -> None:
    """Words of one's own, what `check` says, or else the question; the buttons of the question stay good."""
    app = App("order")

    @app.conversation()
    async def order(talk: Talk) -> None:
        size = await talk.ask("Size?", choice(["S", "L"]), retry="One of the buttons, please.")
        many = await talk.ask(
            "<b>How many?</b>", number(check=lambda n: "Too many!" if n > 9 else None), parse_mode="HTML"
        )
        talk.say(f"{many} x {size}")

    async with talks(begun_by(app, order)) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Size?")
        await ann.says("huge")
        await ann.reads("One of the buttons, please.")
        await ann.sends(voice={"file_id": "v", "file_unique_id": "v", "duration": 1})
        await ann.reads_times("One of the buttons, please.", 2)
        await ann.presses("L")
        await ann.reads("<b>How many?</b>")
        await ann.says("a few")
        await ann.reads_times("<b>How many?</b>", 2)
        await ann.says("12")
        await ann.reads("Too many!")
        await ann.says("3")
        await ann.reads("3 x L")
        assert await stage.ended("order") == "done"
        sent = [body for _, body in stage.calls if body.get("text") in ("<b>How many?</b>", "Too many!")]
        assert [body.get("parse_mode") for body in sent] == ["HTML", "HTML", None]  # ours is no markup


@pytest.mark.req("S4-1", "S4-3")
async def test_a_button_means_what_it_said_when_it_was_asked(talks: Any) -> None:
    """A deployment that puts options in another order, or takes one away, does not change what a person chose."""

    def ordering(options: list[str]) -> App:
        app = App("order")

        @app.conversation()
        async def order(talk: Talk) -> None:
            talk.say(f"You have {await talk.ask('Size?', choice(options))}.")

        return begun_by(app, order)

    async with talks(ordering(["S", "M", "L"])) as stage:
        await stage.ann.says("/order")
        await stage.ann.reads("Size?")
    async with talks(ordering(["L", "S"])) as stage:
        await stage.ann.presses("M")  # is no more: asked again
        await stage.ann.reads_times("Size?", 2)
        await stage.ann.presses("S")
        await stage.ann.reads("You have S.")


@pytest.mark.req("S4-1")
async def test_after_the_last_try_it_gives_up(talks: Any) -> None:
    """`tries` counts over restarts; `TooManyTries` ends with a message, or is caught and the conversation goes on."""
    app = App("quiz")

    @app.conversation()
    async def quiz(talk: Talk) -> None:
        try:
            await talk.ask("2 + 2?", number(min=4, max=4), tries=3)
        except TooManyTries:
            talk.say("It was 4.")
        await talk.ask("3 + 3?", number(min=6, max=6), tries=2)

    app = begun_by(app, quiz)
    async with talks(app) as stage:
        await stage.ann.says("/quiz")
        await stage.ann.says("1")
        await stage.ann.reads_times("2 + 2?", 2)
    async with talks(app) as stage:
        ann = stage.ann
        await ann.says("2")
        await ann.reads_times("2 + 2?", 3)
        await ann.says("3")
        await ann.reads("It was 4.", "3 + 3?")
        await ann.says("7")
        await ann.reads_times("3 + 3?", 2)
        await ann.says("8")
        await ann.reads("Let us leave it for now. Start again whenever you like.")
        assert await stage.ended("quiz") == "given_up"
        await ann.says("6")
        await ann.reads("echo 6")


@pytest.mark.req("S4-1")
async def test_a_cancel_word_ends_it_and_takes_the_buttons_away(talks: Any) -> None:
    """/cancel, also addressed to the bot and in any case, and the words of the question; in the person's language."""
    app = App("order")

    @app.conversation()
    async def order(talk: Talk) -> None:
        await talk.ask("Size?", choice(["S", "L"]))

    @app.conversation()
    async def stay(talk: Talk) -> None:
        word = await talk.ask("Any word?", cancel=("stop",))
        try:
            await talk.ask("Another?")
        except Cancelled:
            talk.say(f"Cancelled after {word}.")

    async with talks(begun_by(app, order, stay)) as stage:
        ann, bob = stage.ann, stage.bob
        bob.lang = "ru"
        for person, word, said in ((ann, "/CANCEL@a_bot", "Cancelled."), (bob, "Отмена", "Отменено.")):
            await person.says("/order")
            await person.reads("Size?")
            await person.says(word)
            await person.reads(said)
            await person.loses_keyboard(person.buttons("S")[-1][0])
            assert len(person.bared) == 1
        await ann.says("/stay")
        await ann.says("cancel")  # no cancel word of this question
        await ann.reads("Another?")
        await ann.says("cancel")
        await ann.reads("Cancelled after cancel.")
        assert await stage.ended("stay") == "done"


@pytest.mark.req("S4-7")
async def test_a_question_times_out_over_a_restart(talks: Any) -> None:
    """Its clock is a timer in the store: it rings in the next life, in the language of the person."""
    app = App("slow")

    @app.conversation()
    async def slow(talk: Talk) -> None:
        try:
            await talk.ask("Quick?", choice(["Now"]), timeout=0.3)
        except TimedOut:
            talk.say("Too slow.")
        await talk.ask("Quicker?", timeout=timedelta(milliseconds=50))

    app = begun_by(app, slow)
    async with talks(app) as stage:
        stage.ann.lang = "ru"
        await stage.ann.says("/slow")
        await stage.ann.reads("Quick?")
    async with talks(app) as stage:
        await stage.ann.reads("Too slow.", "Quicker?")
        await stage.ann.loses_keyboard(stage.ann.buttons("Now")[0][0])
        await stage.ann.reads("Я долго ждал ответа и закрыл этот диалог. Начните снова, когда захотите.")
        assert await stage.ended("slow") == "timed_out"


async def test_an_answer_in_time_stops_the_clock(talks: Any) -> None:
    """A timer of an answered question never ends the conversation, whether it was cancelled or came too late."""
    app = App("clock")

    @app.conversation()
    async def clock(talk: Talk) -> None:
        await talk.ask("First?", timeout=0.15)
        await talk.ask("Second?")
        talk.say("both")

    @app.event("bell")
    async def bell(turn: Turn) -> None:
        turn.say("the bell")

    @app.command("bell")
    async def ring(turn: Turn) -> None:
        turn.after(0.3, "bell")

    async with talks(begun_by(app, clock)) as stage:
        ann = stage.ann
        await ann.says("/clock")
        await ann.says("one")
        await ann.reads("Second?")
        await ann.says("/bell")
        await ann.reads("the bell")  # due long after the clock of the first question
        await ann.says("two")
        await ann.reads("both")


@pytest.mark.req("S4-1")
async def test_ask_any_takes_what_comes_first(talks: Any) -> None:
    """A photo, a typed number, or a button; name and value say which it was."""
    app = App("receipt")

    @app.conversation()
    async def receipt(talk: Talk) -> None:
        for _ in range(3):
            name, value = await talk.ask_any(
                "Receipt?", photo=photo(), sum=number(min=1), skip=choice(["Skip"]), retry="Photo, sum, or Skip."
            )
            talk.say(f"{name} {getattr(value, 'file_id', value)}")

    async with talks(begun_by(app, receipt)) as stage:
        ann = stage.ann
        await ann.says("/receipt")
        await ann.says("0")
        await ann.reads("Photo, sum, or Skip.")
        await ann.says("12")
        await ann.reads("sum 12")
        sizes = [{"file_id": f, "file_unique_id": f, "width": w, "height": w} for f, w in (("s", 90), ("big", 900))]
        await ann.sends(photo=sizes)
        await ann.reads("photo big")
        await ann.reads_times("Receipt?", 3)
        await ann.presses("Skip")
        await ann.reads("skip Skip")


@pytest.mark.req("E4-4", "S4-9")
async def test_an_answer_is_read_once_and_not_judged_again_in_a_replay(talks: Any) -> None:
    """What it was checked against has changed by the restart, and the conversation goes on all the same."""
    app = App("names")
    taken: set[str] = set()

    @app.conversation()
    async def sign_up(talk: Talk) -> None:
        name = await talk.ask("Name?", text(check=lambda name: "Taken." if name in taken else None))
        await talk.step("take", taken.add, name)
        day = await talk.ask("Day?", date())
        talk.say(f"{name} on {day.isoformat()}")

    app = begun_by(app, sign_up)
    async with talks(app) as stage:
        await stage.ann.says("/sign_up")
        await stage.ann.says("Ann")
        await stage.ann.reads("Day?")
    async with talks(app) as stage:
        await stage.ann.says("2026-11-28")
        await stage.ann.reads("Ann on 2026-11-28")


async def test_what_is_journaled_cannot_be_asked_for_while_an_answer_is_read(talks_on_sqlite: Any) -> None:
    """`talk.moment` in a `check` would stand in the journal before its own question: the author hears of it."""
    app = App("times")

    @app.conversation()
    async def times(talk: Talk) -> None:
        await talk.ask("Day?", date(check=lambda day: "Past!" if day < talk.moment.date() else None))

    async with talks_on_sqlite(begun_by(app, times), bot={"attempts_max": 1}) as stage:
        await stage.ann.says("/times")
        await stage.ann.says("2026-11-28")
        (letter,) = await stage.road.dead()
        assert letter.reason == AuthorError.__name__


@pytest.mark.req("B-22")
async def test_a_topic_has_its_questions_in_it(talks: Any) -> None:
    """With the strategy for topics each topic has its own conversation, and its messages are sent there."""
    app = App("topics")

    @app.conversation(strategy="user_in_topic")
    async def topic(talk: Talk) -> None:
        answer = await talk.ask("What?", number())
        talk.say(f"It is {answer}")
        talk.photo("file-id")

    async with talks(begun_by(app, topic)) as stage:
        one, two = stage.in_group(1, thread=11), stage.in_group(1, thread=22)
        await one.says("/topic")
        await two.says("/topic")
        await two.says("two")
        await two.says("2")
        await one.says("1")
        await one.reads("It is 1", "It is 2")
        await stage.idle()
        where = [
            (body.get("text", method), body["message_thread_id"]) for method, body in stage.calls if "chat_id" in body
        ]
        assert sorted(where) == [
            ("It is 1", 11), ("It is 2", 22), ("What?", 11), ("What?", 22), ("What?", 22),
            ("sendPhoto", 11), ("sendPhoto", 22),
        ]  # fmt: skip
