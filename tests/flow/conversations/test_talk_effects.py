"""What a conversation does besides asking: steps, rows, jobs, time. Each happens once, whatever is replayed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conversation_stage import Fault, Gate, decoded
from sqlalchemy import Connection
from sqlalchemy import text as sql
from test_talk_asks import begun_by

from posthouse import App, Job, Talk, Terminal, Turn
from posthouse.core.errors import AuthorError
from posthouse.programs.conversations import Cancelled, JobFailed, TimedOut, choice, number


def create(connection: Connection) -> None:
    connection.execute(sql("CREATE TABLE IF NOT EXISTS app_note (body TEXT)"))


def note(connection: Connection, body: str) -> dict[str, Any]:
    create(connection)
    connection.execute(sql("INSERT INTO app_note (body) VALUES (:body)"), {"body": body})
    return {"body": body, "pair": (1, 2), "at": datetime(2026, 11, 28, tzinfo=UTC)}


def notes(connection: Connection) -> list[str]:
    create(connection)
    return [row[0] for row in connection.execute(sql("SELECT body FROM app_note ORDER BY body"))]


def with_notes(app: App) -> App:
    """`/notes` says what is in the table."""

    @app.command("notes")
    async def tell(turn: Turn) -> None:
        turn.say(f"notes: {await turn.transact(notes)}")

    return app


# -- step ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("E4-4", "S4-9")
async def test_rows_are_committed_before_the_step_behind_them(talks: Any) -> None:
    """Whoever the step calls hears of nothing that may yet be taken back, and nobody waits on an open transaction."""
    app = App("shop")
    seen: list[Any] = []

    async def tell_carrier(parcel: str) -> str:
        seen.append(await stage.database.committed("SELECT body FROM app_note ORDER BY body"))
        return parcel

    @app.conversation()
    async def parcel(talk: Talk) -> None:
        name = await talk.ask("Which?")
        await talk.transact(note, name)
        first = await talk.step("carrier", tell_carrier, name)
        await talk.transact(note, f"{name} again")
        second = await talk.step("carrier", tell_carrier, f"{name} again")
        stars = await talk.ask("How was it?", number())
        talk.say(f"{first}, {second}, {stars}")

    app = begun_by(app, parcel)
    async with talks(app) as stage:
        await stage.ann.says("/parcel")
        await stage.ann.says("tea")
        await stage.ann.reads("How was it?")
    async with talks(app) as stage:
        await stage.ann.says("5")
        await stage.ann.reads("tea, tea again, 5")
        assert seen == [["tea"], ["tea", "tea again"]]
        assert stage.ann.read.count("How was it?") == 1


@pytest.mark.req("E4-4", "S4-9")
async def test_g4_3_a_step_is_done_once_however_often_its_turn_and_its_conversation_run(talks: Any) -> None:
    """Recorded before the commit: a turn that fails behind it does not do it again; a replay does not either."""
    app = App("shop")
    charged: list[str] = []
    fails = ["once", "twice"]

    async def charge(order: str) -> dict[str, Any]:
        await asyncio.sleep(0)
        charged.append(order)
        return {"order": order, "pair": (1, 2)}

    @app.conversation()
    async def buy(talk: Talk) -> None:
        order = await talk.ask("What?")
        receipt = await talk.step("charge", charge, order)
        second = await talk.step("stamp", charged.append, "stamp")
        if fails:
            raise ConnectionError(fails.pop())
        rating = await talk.ask("How was it?", number())
        talk.say(f"{receipt} {second} {rating}")

    app = begun_by(app, buy)
    async with talks(app) as stage:
        await stage.ann.says("/buy")
        await stage.ann.says("tea")
        await stage.ann.reads("How was it?")
        assert charged == ["tea", "stamp"]
    async with talks(app) as stage:
        await stage.ann.says("5")
        await stage.ann.reads("{'order': 'tea', 'pair': [1, 2]} None 5")
        assert charged == ["tea", "stamp"]
        assert stage.ann.read.count("How was it?") == 1


@pytest.mark.req("E4-4")
async def test_steps_of_several_conversations_in_one_turn_are_not_taken_for_one_another(talks: Any) -> None:
    """Two conversations begun by one command do a step of the same name; the retry finds each one's own result."""
    app = App("twins")
    done: list[str] = []
    fails = [True]

    def mark(what: str) -> str:
        done.append(what)
        return what

    @app.conversation()
    async def first(talk: Talk) -> None:
        talk.say(f"first {await talk.step('mark', mark, 'a')}")

    @app.conversation()
    async def second(talk: Talk, again: bool = False) -> None:
        talk.say(f"second {await talk.step('mark', mark, 'c' if again else 'b')}")
        if not again:
            talk.restart(again=True)

    @app.command("both")
    async def both(turn: Turn) -> None:
        await first.begin(turn)
        await second.begin(turn)
        if fails:
            fails.clear()
            raise ConnectionError("behind both")

    async with talks(app) as stage:
        await stage.ann.says("/both")
        await stage.ann.reads("first a", "second b", "second c")
        assert done == ["a", "b", "c"]


async def test_what_a_step_raises_is_tried_again_by_the_turn(talks: Any) -> None:
    """Nothing of the turn is kept, and the answer that led there is not lost."""
    app = App("flaky")
    tries: list[str] = []

    def flaky(what: str) -> str:
        tries.append(what)
        if len(tries) < 3:
            raise ConnectionError("not now")
        return what

    @app.conversation()
    async def order(talk: Talk) -> None:
        what = await talk.ask("What?")
        talk.say(f"Trying {what}")
        talk.say(f"Got {await talk.step('flaky', flaky, what)}")

    async with talks(begun_by(app, order)) as stage:
        await stage.ann.says("/order")
        await stage.ann.says("tea")
        await stage.ann.reads("Got tea")
        assert tries == ["tea"] * 3
        assert stage.ann.read.count("Trying tea") == 1


@pytest.mark.req("E4-4")
async def test_a_step_that_raised_cannot_be_passed_over(talks_on_sqlite: Any) -> None:
    """A replay could not know what was raised: waiting behind it fails with the mend; ending behind it is fine."""
    app = App("careless")

    def fail() -> None:
        raise KeyError("card")

    @app.conversation()
    async def goes_on(talk: Talk) -> None:
        try:
            await talk.step("pay", fail)
        except KeyError:
            talk.say("declined")
        await talk.ask("Another card?")

    @app.conversation()
    async def ends(talk: Talk) -> None:
        try:
            await talk.step("pay", fail)
        except KeyError:
            talk.say("declined, the end")

    async with talks_on_sqlite(begun_by(app, goes_on, ends), bot={"attempts_max": 1}) as stage:
        await stage.ann.says("/goes_on")
        (letter,) = await stage.road.dead()
        assert letter.reason == AuthorError.__name__
        await stage.ann.says("/ends")
        await stage.ann.reads("declined, the end")
        assert "Another card?" not in stage.ann.read


@pytest.mark.parametrize("what", ["step", "transact", "begin"])
async def test_what_is_not_json_is_refused_when_it_is_given(talks_on_sqlite: Any, what: str) -> None:
    """A result that a replay could not give back fails its turn, as arguments do that could not be kept."""
    app = App("odd")

    @app.conversation()
    async def odd(talk: Talk, thing: Any = None) -> None:
        if what == "step":
            await talk.step("odd", object)
        await talk.transact(lambda connection: connection)

    @app.command("odd")
    async def begin(turn: Turn) -> None:
        await odd.begin(turn, thing=object() if what == "begin" else 1)

    async with talks_on_sqlite(app, bot={"attempts_max": 1}) as stage:
        await stage.ann.says("/odd")
        (letter,) = await stage.road.dead()
        assert letter.reason == AuthorError.__name__


# -- transact -----------------------------------------------------------------------------------------------------


@pytest.mark.req("E4-4", "S4-9")
async def test_rows_are_written_with_the_answer_or_not_at_all(talks: Any) -> None:
    """A turn that fails leaves no row, its retry writes one; the result is the same plain data now and in a replay."""
    app = with_notes(App("notes"))
    fails = [True]
    live: list[Any] = []

    @app.conversation()
    async def keep(talk: Talk) -> None:
        body = await talk.ask("Note?")
        kept = await talk.transact(note, body)
        live.append(kept)
        if fails:
            fails.clear()
            raise ConnectionError("after the insert")
        await talk.ask("More?")
        talk.say(f"kept {kept}")

    app = begun_by(app, keep)
    async with talks(app) as stage:
        await stage.ann.says("/keep")
        await stage.ann.says("milk")
        await stage.ann.reads("More?")
        await stage.ann.says("/notes")
        await stage.ann.reads("notes: ['milk']")
    async with talks(app) as stage:
        await stage.ann.says("no")
        await stage.ann.reads("kept {'body': 'milk', 'pair': [1, 2], 'at': '2026-11-28T00:00:00Z'}")
        await stage.ann.says("/notes")
        await stage.ann.reads_times("notes: ['milk']", 2)
    assert live[0] == live[-1] == {"body": "milk", "pair": [1, 2], "at": "2026-11-28T00:00:00Z"}
    assert len(live) == 3  # a failed try, the next one, and the replay: which did nothing


# -- jobs ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("S4-1", "S4-9")
async def test_a_conversation_waits_for_jobs_over_a_restart(talks: Any) -> None:
    """The job runs once; its result or failure comes back into the conversation, which another process goes on with."""
    app = App("jobs")
    runs: list[str] = []

    @app.job(attempts_max=1)
    async def double(job: Job, number: int) -> dict[str, int]:
        runs.append(f"double {number}")
        return {"twice": 2 * number}

    @app.job(attempts_max=1)
    async def doomed(job: Job) -> None:
        runs.append("doomed")
        raise Terminal("no paper", reason="paper")

    @app.conversation()
    async def work(talk: Talk) -> None:
        amount = await talk.ask("Number?", number())
        talk.say("Working.")
        result = await talk.job(double, number=amount)
        talk.say(f"It is {result['twice']}")
        try:
            await talk.job("doomed")
        except JobFailed as failed:
            talk.say(f"Failed: {'no paper' in str(failed)}")
        await talk.job("doomed")

    app = begun_by(app, work)
    async with talks(app) as stage:
        await stage.road.store.desk.pause_queue("default", True)
        await stage.ann.says("/work")
        await stage.ann.says("21")
        await stage.ann.reads("Working.")
        await stage.ann.says("meanwhile")  # it wants no text now
        await stage.ann.reads("echo meanwhile")
    assert runs == []
    async with talks(app) as stage:
        await stage.road.store.desk.pause_queue("default", False)
        await stage.ann.reads("It is 42", "Failed: True")
        await stage.ann.reads("That did not work on our side, so this is closed. Please try again later.")
        assert await stage.ended("work") == "failed"
    assert runs == ["double 21", "doomed", "doomed"]


@pytest.mark.req("S4-1")
async def test_the_late_end_of_a_job_does_not_disturb_what_comes_after_a_cancel(talks: Any) -> None:
    """Cancelled from outside while it waits for a job, it goes on elsewhere; the job's end finds nobody waiting."""
    app = App("late")
    gate = Gate()

    @app.job()
    async def slow(job: Job) -> str:
        await gate.wait()
        return "late"

    @app.conversation()
    async def work(talk: Talk) -> None:
        try:
            await talk.job(slow)
        except Cancelled:
            talk.say("stopped")
        answer = await talk.ask("And now?")
        talk.say(f"then {answer}")

    @app.command("stop")
    async def stop(turn: Turn) -> None:
        turn.say(f"stopping: {await work.cancel(turn)}")

    async with talks(begun_by(app, work)) as stage:
        await stage.ann.says("/work")
        await gate.reached()
        await stage.ann.says("/stop")
        await stage.ann.reads("stopped", "And now?", "stopping: True")
        gate.open()
        await stage.idle()
        await stage.ann.says("tea")
        await stage.ann.reads("then tea")
        assert "late" not in "".join(stage.ann.read)
        await stage.ann.says("/stop")
        await stage.ann.reads("stopping: False")


# -- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("S4-9")
async def test_it_sleeps_over_a_restart_and_lets_others_have_the_messages(talks: Any) -> None:
    """What is written meanwhile is not for it; it wakes in the next life, without having said anything twice."""
    app = App("nap")

    @app.conversation()
    async def nap(talk: Talk) -> None:
        talk.say("Good night.")
        await talk.sleep(timedelta(milliseconds=300))
        talk.say("Good morning.")
        await talk.sleep(0.01)
        talk.say("Up.")

    app = begun_by(app, nap)
    async with talks(app) as stage:
        await stage.ann.says("/nap")
        await stage.ann.reads("Good night.")
        await stage.ann.says("hello?")
        await stage.ann.reads("echo hello?")
    async with talks(app) as stage:
        await stage.ann.reads("Good morning.", "Up.")
        await stage.idle()
        assert stage.ann.read == ["Good night.", "echo hello?", "Good morning.", "Up."]


@pytest.mark.req("E4-4")
async def test_moment_and_person_are_those_of_the_line_where_they_were_asked_for(talks: Any) -> None:
    """A replay for a timer, which has no person, still finds the person who spoke, and the moment when they did."""
    app = App("clock")
    seen: list[tuple[datetime, str]] = []

    @app.conversation()
    async def clock(talk: Talk) -> None:
        begun, name = talk.moment, talk.person["first_name"]
        assert talk.moment == begun
        seen.append((begun, name))
        await talk.sleep(0.3)
        assert talk.person == {}
        later = talk.moment
        talk.say(f"{name}, {later > begun}")

    app = begun_by(app, clock)
    async with talks(app) as stage:
        await stage.ann.says("/clock")
        await stage.road.until(lambda: stage.sessions(live=True))
    async with talks(app) as stage:
        await stage.ann.reads("P1, True")
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert abs((datetime.now(UTC) - seen[0][0]).total_seconds()) < 300


# -- restart, cancel, parts ---------------------------------------------------------------------------------------


async def test_restart_begins_anew_with_its_arguments(talks: Any) -> None:
    """An empty journal and a new session: a conversation without end stays small, and old buttons are outdated."""
    app = App("loop")

    @app.conversation()
    async def loop(talk: Talk, total: int = 0) -> None:
        more = await talk.ask(f"Total {total}. More?", choice(["+1", "+2"]))
        talk.restart(total=total + int(more))

    app = begun_by(app, loop)
    async with talks(app) as stage:
        ann = stage.ann
        await ann.says("/loop")
        await ann.reads("Total 0. More?")
        await ann.presses("+2")
        await ann.reads("Total 2. More?")
    async with talks(app) as stage:
        ann = stage.ann
        await ann.presses("+1")
        await ann.reads("Total 3. More?")
        query = await ann.presses("+1", back=2)
        assert (await ann.answered(query)).get("show_alert") is None  # it ended regularly: "this is finished"
        assert "finished" in (await ann.answered(query))["text"]
        await stage.idle()
        active = await stage.sessions(live=True)
        assert [decoded(record)["arguments"] for record in active] == [{"total": 3}]
        assert await stage.road.store.sessions.journal(active[0].id) == []


@pytest.mark.req("E4-4")
async def test_arguments_are_the_same_in_every_life(talks_on_sqlite: Any) -> None:
    """What the code does to its own copy of an argument is not kept: a replay begins with what was given."""
    app = App("basket")

    @app.conversation()
    async def basket(talk: Talk, goods: list[str]) -> None:
        goods.append(await talk.ask(f"{goods}. More?"))
        goods.append(await talk.ask(f"{goods}. And?"))
        talk.say(f"{goods}")

    @app.command("basket")
    async def begin(turn: Turn) -> None:
        await basket.begin(turn, goods=["tea"])

    async with talks_on_sqlite(app) as stage:
        await stage.ann.says("/basket")
        await stage.ann.reads("['tea']. More?")
        await stage.ann.says("milk")
        await stage.ann.reads("['tea', 'milk']. And?")
    async with talks_on_sqlite(app) as stage:
        await stage.ann.says("cups")
        await stage.ann.reads("['tea', 'milk', 'cups']")


@pytest.mark.req("B-22")
async def test_restart_by_a_timer_keeps_whose_it_is(talks: Any) -> None:
    """A conversation that a person has in all chats begins anew for that person, though a timer has none."""
    app = App("rounds")

    @app.conversation(strategy="global_user")
    async def rounds(talk: Talk, number: int = 1) -> None:
        if number == 1:
            await talk.sleep(0.01)
            talk.restart(number=2)
        answer = await talk.ask(f"Round {number}?")
        talk.say(f"Round {number}: {answer}")

    async with talks(begun_by(app, rounds)) as stage:
        group = stage.in_group(1)
        await group.says("/rounds")
        await group.reads("Round 2?")
        (record,) = await stage.sessions(live=True)
        assert (record.lane, record.owner.user_id) == (1, 1)
        await group.says("fine")
        await group.reads("Round 2: fine")


@pytest.mark.req("S4-1", "B-23")
async def test_a_conversation_is_a_part_of_another_in_the_version_of_its_beginning(talks: Any) -> None:
    """`await part(talk)` returns what the part returns; a new version of the part is for those who come to it later."""

    def first() -> App:
        app = App("parts")

        @app.conversation(version=1)
        async def name(talk: Talk, who: str) -> str:
            first_name = await talk.ask(f"First name of {who}?")
            last_name = await talk.ask(f"Last name of {who}?")
            return f"{first_name} {last_name}"

        @app.conversation()
        async def form(talk: Talk) -> None:
            me = await name(talk, who="you")
            friend = await name(talk, who="your friend")
            talk.say(f"{me} and {friend}")

        return begun_by(app, form)

    def second() -> App:
        app = App("parts")

        @app.conversation("name", version=1)
        async def name_before(talk: Talk, who: str) -> str:
            first_name = await talk.ask(f"First name of {who}?")
            last_name = await talk.ask(f"Last name of {who}?")
            return f"{first_name} {last_name}"

        @app.conversation(version=2)
        async def name(talk: Talk, who: str) -> str:
            await talk.step("new", list)
            return str(await talk.ask(f"Full name of {who}?"))

        @app.conversation()
        async def form(talk: Talk) -> None:
            me = await name(talk, who="you")
            friend = await name(talk, who="your friend")
            talk.say(f"{me} and {friend}")

        return begun_by(app, form)

    async with talks(first()) as stage:
        await stage.ann.says("/form")
        await stage.ann.says("Ann")
        await stage.ann.reads("Last name of you?")
    async with talks(second()) as stage:
        await stage.ann.says("Archer")
        await stage.ann.reads("Full name of your friend?")
        await stage.ann.says("Bob Baker")
        await stage.ann.reads("Ann Archer and Bob Baker")


async def test_errors_pass_through_a_part(talks_on_sqlite: Any) -> None:
    """A part that times out raises in the conversation that awaits it."""
    app = App("outer")

    @app.conversation()
    async def inner(talk: Talk) -> str:
        return str(await talk.ask("Inner?", timeout=0.01))

    @app.conversation()
    async def outer(talk: Talk) -> None:
        try:
            await inner(talk)
        except TimedOut:
            talk.say("The part timed out.")

    async with talks_on_sqlite(begun_by(app, outer)) as stage:
        await stage.ann.says("/outer")
        await stage.ann.reads("The part timed out.")


# -- commits ------------------------------------------------------------------------------------------------------


@pytest.mark.req("E4-4", "B-12")
async def test_after_a_failed_commit_the_coroutine_in_memory_is_not_trusted(talks: Any) -> None:
    """It had gone on in vain: the retry replays the journal, and each thing is said and done once."""
    app = App("commit")
    begun: list[bool] = []
    charged: list[int] = []

    @app.conversation()
    async def order(talk: Talk) -> None:
        begun.append(talk.is_live)
        first = await talk.ask("First?", number())
        await talk.step("charge", charged.append, first)
        second = await talk.ask("Second?", number())
        talk.say(f"{first} {second}")

    async with talks(begun_by(app, order)) as stage:
        ann, fault = stage.ann, Fault(stage.platform)
        await ann.says("/order")
        await ann.reads("First?")
        fault.fails(RuntimeError("the disk said no"), RuntimeError("and no again"))  # the first is tried again as it is
        await ann.says("1")
        await ann.reads("Second?")
        assert fault.failed == 2
        assert charged == [1]
        assert begun == [True, False]  # replayed once, because of that commit
        await ann.says("2")
        await ann.reads("1 2")
        assert ann.read == ["First?", "Second?", "1 2"]
        assert begun == [True, False]


@pytest.mark.req("E4-4")
async def test_of_a_conversation_that_failed_nothing_stays_when_a_middleware_hides_it(talks: Any) -> None:
    """The middleware says sorry and the turn commits; the conversation still waits where it did, and goes on."""
    app = with_notes(App("sorry"))
    fails = [True]

    @app.middleware
    async def sorry(turn: Turn, call_next: Any) -> None:
        try:
            await call_next(turn)
        except LookupError:
            turn.say("Sorry!")

    @app.conversation()
    async def order(talk: Talk, fail: bool = False) -> None:
        name = await talk.ask("Name?", choice(["Ann", "Bob"]))
        talk.say(f"Hello {name}")
        talk.enqueue("nobody knows this job")
        if fails:
            fails.clear()
            raise LookupError("a bug")
        await talk.ask("More?")
        talk.say("done")

    @app.job("nobody knows this job")
    async def job(job: Job) -> None:
        return

    async with talks(begun_by(app, order)) as stage:
        ann = stage.ann
        await ann.says("/order")
        await ann.reads("Name?")
        await ann.says("Ann")
        await ann.reads("Sorry!")
        assert ann.read == ["Name?", "Sorry!"]
        await ann.presses("Bob")
        await ann.reads("More?")
    async with talks(app) as stage:
        await stage.ann.says("no")
        await stage.ann.reads("done")
        assert stage.ann.read == ["Name?", "Sorry!", "Hello Bob", "More?", "done"]
