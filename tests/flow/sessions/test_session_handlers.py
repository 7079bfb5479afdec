"""What handlers of a flow may do and what comes of it: answers, refusals, failures, databases that say no."""

from __future__ import annotations

from typing import Any

import pytest
from pack_stage import ALPHA, LEDGER, TABLES, Stage, Studio, charge, fail, give, line, screen
from sqlalchemy import select
from structlog.testing import capture_logs

from posthouse import App, Job, Turn
from posthouse.core.sessions import SessionRecord
from posthouse.programs.flows import (
    Button,
    Content,
    Flow,
    JobDone,
    On,
    Refusal,
    Session,
    Text,
    Timer,
)
from posthouse.programs.flows.texts import TEXTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRESSES = [
    "odd.answers",
    "odd.refuses",
    "odd.refuses_words",
    "odd.db_error",
    "odd.db_error_late",
    "odd.raises_once",
    "odd.raises",
    "odd.returns_wrong",
    "odd.restarts",
    "odd.ends",
    "odd.draws_nothing",
    "odd.works",
    "odd.waits",
    "begin",
    "end",
]
tries: dict[str, int] = {}


def odd_bot(studio: Studio) -> App:
    """A flow whose handlers do everything that handlers do, and some things that they should not."""
    app = App("odd", tables=TABLES, texts={"en": {"reject.no_luck": "Luck has left you."}})
    start = [Button(event, event) for event in PRESSES]

    @app.job("odd.work", attempts_max=1)
    async def work(job: Job, session: str) -> str:
        return await studio.work("work", session)

    async def answers(turn: Turn, session: Session) -> None:
        turn.answer("mine", show_alert=True)

    async def refuses(turn: Turn, session: Session) -> Refusal:
        await asks_for_everything(turn, session)
        return Refusal("no_luck", "No luck today.", show_alert=False)

    async def refuses_words(turn: Turn, session: Session) -> Refusal:
        return Refusal("no_luck")

    async def asks_for_everything(turn: Turn, session: Session) -> None:
        turn.say("never said")
        turn.answer("never answered")
        turn.session["never"] = True
        session.data["never"] = True
        session.enqueue("odd.work", session=session.id)
        session.after(0, "odd.due")
        await side.begin(turn)

    async def db_error(turn: Turn, session: Session) -> None:
        await asks_for_everything(turn, session)
        await turn.transact(fail)

    async def db_error_late(turn: Turn, session: Session) -> None:
        await turn.transact(charge, turn.person["id"], session.id, session.rev, "never", 1)
        await turn.transact(fail)

    async def raises_once(turn: Turn, session: Session) -> None:
        turn.say("never said")
        if turn.attempt == 1:
            raise RuntimeError("on purpose")
        turn.say(f"attempt {turn.attempt}")

    async def raises(turn: Turn, session: Session) -> None:
        turn.say("never said")
        raise RuntimeError("on purpose")

    async def returns_wrong(turn: Turn, session: Session) -> str:
        return "nowhere"

    async def restarts(turn: Turn, session: Session) -> None:
        await odd.begin(turn)

    async def ends(turn: Turn, session: Session) -> None:
        await odd.end(turn)

    async def works(turn: Turn, session: Session) -> None:
        session.data["person"] = turn.person["id"]
        session.enqueue("odd.work", session=session.id, data={"number": 7})

    async def is_done(turn: Turn, session: Session) -> None:
        tries[session.id] = tries.get(session.id, 0) + 1
        if tries[session.id] == 1:
            await turn.transact(fail)
        await turn.transact(charge, session.data["person"], session.id, session.rev, "done", 1)
        session.data["done"] = [session.result, session.carried]

    async def waits(turn: Turn, session: Session) -> None:
        session.after(0, "odd.due", data="soon")

    async def is_due(turn: Turn, session: Session) -> None:
        tries[session.id] = tries.get(session.id, 0) + 1
        if tries[session.id] == 1:
            await turn.transact(fail)
        session.data["due"] = session.carried

    async def hears(turn: Turn, session: Session) -> None:
        if turn.text == "break":
            await turn.transact(fail)
        session.data["heard"] = turn.text

    def nothing(turn: Turn, session: Session) -> Any:
        turn.say("never")

    odd = Flow(
        "odd",
        states={"here": screen(start), "there": screen(), "over": None, "blank": nothing},
        start="here",
        final=("over", "blank"),
        events={
            "odd.done": JobDone(work),
            "odd.due": Timer(),
            "odd.heard": Text(),
            "odd.seen": Content("photo"),
        },
        rows=[
            On("here", "odd.answers", to="there", handler=answers),
            On("here", "odd.refuses", to="there", handler=refuses),
            On("here", "odd.refuses_words", to="there", handler=refuses_words),
            On("here", "odd.db_error", to="there", handler=db_error),
            On("here", "odd.db_error_late", to="there", handler=db_error_late),
            On("here", "odd.raises_once", to="there", handler=raises_once),
            On("here", "odd.raises", to="there", handler=raises),
            On("here", "odd.returns_wrong", to="there", handler=returns_wrong),
            On("here", "odd.restarts", to="there", handler=restarts),
            On("here", "odd.ends", to="there", handler=ends),
            On("here", "odd.draws_nothing", to="blank"),
            On("here", "odd.works", to="there", handler=works),
            On("here", "odd.waits", to="there", handler=waits),
            On("here", "odd.heard", to="here", handler=hears),
            On("here", "begin", to="there"),
            On("there", "end", to="over"),
            On("there", "odd.done", to="here", handler=is_done),
            On("there", "odd.due", to="here", handler=is_due),
            On("there", "odd.seen", to="over"),
        ],
    )
    side = Flow("side", states={"a": screen(), "b": None}, start="a", final=("b",), rows=[On("a", "side.go", to="b")])
    app.add(odd)
    app.add(side)

    @app.command("odd")
    async def begin(turn: Turn) -> None:
        await odd.begin(turn)

    @app.command("credits")
    async def credits(turn: Turn) -> None:
        await turn.transact(give, turn.person["id"], int(turn.text.split()[1]))
        turn.say(f"credits {turn.text.split()[1]}")

    @app.command("remembers")
    async def remembers(turn: Turn) -> None:
        turn.say(f"remembers {sorted(turn.session)}")

    @app.middleware
    async def answers_first(turn: Turn, call_next: Any) -> None:
        if turn.kind == "callback_query" and turn.update["callback_query"]["data"].startswith("end:"):
            turn.answer("at once")
        await call_next(turn)

    return app


@pytest.fixture(scope="module")
def program() -> Any:
    return odd_bot


async def answers_to(stage: Stage, press: Any) -> int:
    """How often a press was answered, once everything was sent."""
    await stage.idle()
    calls = await stage.town.calls("answerCallbackQuery", bot=ALPHA)
    return sum(call.parameters["callback_query_id"] == press.id for call in calls)


async def nothing_happened(stage: Stage, ann: Any, session: SessionRecord) -> None:
    """What the handler asked for is forgotten: messages, jobs, timers, sessions of others, what the chat remembers."""
    await stage.idle()
    now = await stage.session(session.id)
    assert now == session
    assert "never" not in await ann.chat.transcript()
    assert stage.studio.made["work", session.id] == 0
    assert await stage.sessions(user_id=ann.id, flow_kind="side", live=False) == []
    assert "odd.due" not in [event for _, event, _ in await stage.moves(session.id)]
    assert (await stage.credits(ann))[1:] == (5, [])
    said = await ann.says("/remembers")
    assert (await ann.chat.shows("remembers", after=said)).text == "remembers []"


@pytest.mark.req("B-5", "C0-11")
async def test_a_handler_that_answers_itself_is_not_answered_twice(stage: Stage) -> None:
    """Telegram takes one answer to a press: the handler's."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    press = await ann.presses("odd.answers")
    assert await press.answer() == {"text": "mine", "show_alert": True, "url": ""}
    assert await answers_to(stage, press) == 1
    assert await stage.where(session.id) == ("there", 2)


@pytest.mark.req("B-5", "C0-11")
async def test_a_press_that_a_middleware_has_answered_is_not_answered_again(stage: Stage) -> None:
    """Whoever answered before the flow had the press."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    await stage.answer(ann, "begin")
    press = await stage.presses(ann, f"end:{session.id}:2")
    assert (await press.answer())["text"] == "at once"
    assert await answers_to(stage, press) == 1
    assert (await stage.where(session.id))[0] == "over"


@pytest.mark.req("C0-3", "S0-28", "E0-9")
async def test_a_handlers_refusal_forgets_all_that_it_asked_for(stage: Stage) -> None:
    """The person reads the handler's words, once; the session and its screen stay as they were."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    before = await ann.chat.transcript()
    refused = await stage.metric("session_transition_total", result="refused", **{"from": "here", "to": "here"})
    with capture_logs() as logs:
        press = await ann.presses("odd.refuses")
        assert await press.answer() == {"text": "No luck today.", "show_alert": False, "url": ""}
        assert await answers_to(stage, press) == 1
    assert await ann.chat.transcript() == before
    await nothing_happened(stage, ann, session)
    assert await stage.moves(session.id) == [("", "begin", "here"), ("here", "odd.refuses", "wrong_state/no_luck")]
    (said,) = [entry for entry in logs if entry["event"] == "event.rejected"]
    assert (said["reason_code"], said["detail"], said["current_state"]) == ("wrong_state", "no_luck", "here")
    counted = await stage.metric("session_transition_total", result="refused", **{"from": "here", "to": "here"})
    assert counted == refused + 1
    assert await stage.metric("session_transition_total", to="a") == 0


@pytest.mark.req("B-1", "C0-12")
async def test_a_refusal_without_words_is_told_in_the_bots_own(stage: Stage) -> None:
    """The text under `reject.<detail>`; the buttons still work afterwards."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    assert (await stage.answer(ann, "odd.refuses_words"))["text"] == "Luck has left you."
    await stage.idle()
    assert (await stage.answer(ann, "begin"))["text"] == ""
    assert await stage.where(session.id) == ("there", 2)


@pytest.mark.req("E0-11", "E0-9", "S0-25", "S0-29", "S0-50")
@pytest.mark.parametrize("event", ["odd.db_error", "odd.db_error_late"])
async def test_a_database_that_says_no_is_told_and_nothing_moves(stage: Stage, event: str) -> None:
    """`db_error`: logged with its cause, answered with an alert, counted, remembered; what was written is undone."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    before = await stage.metric("reject_event_total", event=event, reason="db_error")
    with capture_logs() as logs:
        press = await ann.presses(event)
        assert await press.answer() == {"text": TEXTS["en"]["db_error"], "show_alert": True, "url": ""}  # type: ignore[index]
        assert await answers_to(stage, press) == 1
    await nothing_happened(stage, ann, session)
    assert await stage.moves(session.id) == [("", "begin", "here"), ("here", event, "db_error/")]
    (said,) = [entry for entry in logs if entry["event"] == "event.rejected"]
    assert (said["reason_code"], said["session_id"], said["current_state"]) == ("db_error", session.id, "here")
    (cause,) = [entry for entry in logs if entry["event"] == "session.db_error"]
    assert "nowhere" in cause["error"]
    assert await stage.metric("reject_event_total", event=event, reason="db_error") == before + 1
    assert (await stage.answer(ann, "begin"))["text"] == ""
    assert await stage.where(session.id) == ("there", 2)


@pytest.mark.req("E0-11")
async def test_a_database_error_of_a_message_is_told_in_the_chat(stage: Stage) -> None:
    """There is no press to answer, so the bot says it; the next message finds the session as it was."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    said = await ann.says("break")
    await ann.chat.shows("Something went wrong", after=said)
    assert await stage.session(session.id) == session
    await ann.says("hello")
    await ann.chat.shows("odd · here · rev 2", buttons=["begin"])


@pytest.mark.req("E0-11", "B-4", "S0-50")
@pytest.mark.parametrize(("press", "event"), [("odd.works", "odd.done"), ("odd.waits", "odd.due")])
async def test_a_database_error_at_the_end_of_a_job_is_tried_again(stage: Stage, press: str, event: str) -> None:
    """Nobody would press again for a job or a timer: its end is not lost, so the session does not wait for ever."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    await stage.answer(ann, press)
    record = await stage.comes_to(session.id, "here")
    assert record.rev == 3
    assert tries[session.id] == 2
    assert await stage.moves(session.id) == [("", "begin", "here"), ("here", press, "there"), ("there", event, "here")]
    if press == "odd.works":
        assert record.data.endswith(b'"done":["work of %s",{"number":7}]}' % session.id.encode())
        written = await stage.query(select(LEDGER.c.what).where(LEDGER.c.session == session.id))
        assert written == [("done",)]
    else:
        assert record.data == b'{"due":"soon"}'


@pytest.mark.req("B-5", "S0-45", "S0-41")
async def test_a_handler_that_fails_once_is_run_again_and_answered_once(stage: Stage) -> None:
    """What the first run asked for is forgotten; the transition is counted once."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    before = await stage.metric("session_resolve_total", event="odd.raises_once", result="ok")
    press = await ann.presses("odd.raises_once")
    assert (await press.answer())["text"] == ""
    assert await answers_to(stage, press) == 1
    await ann.chat.shows("attempt 2")
    assert (await ann.chat.transcript()).count("never said") == 1
    assert await stage.where(session.id) == ("there", 2)
    assert await stage.metric("session_resolve_total", event="odd.raises_once", result="ok") == before + 1


@pytest.mark.req("S0-50", "C0-3")
@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("odd.raises", "on purpose"),
        ("odd.returns_wrong", "its row leads to there"),
        ("odd.restarts", "its own session"),
        ("odd.ends", "its own session"),
        ("odd.draws_nothing", "the screen of the state blank gave None: return a Screen"),
    ],
)
async def test_a_handler_that_is_wrong_moves_nothing_and_an_operator_hears_of_it(
    stage: Stage, event: str, says: str
) -> None:
    """The press becomes a dead letter that says what the author did; the session is where it was and goes on."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    await ann.presses(event)

    async def buried() -> list[Any]:
        return [row for row in await stage.store.desk.list("dead", _of(ann)) if row.lane == ann.id]

    (letter,) = await stage.until(buried)
    assert says in letter.error
    assert await stage.session(session.id) == session
    assert "never" not in await ann.chat.transcript()
    assert (await stage.answer(ann, "begin"))["text"] == ""


def _of(person: Any) -> Any:
    from posthouse.ports.store import Filter

    return Filter(lane=person.id)


@pytest.mark.req("S0-27", "C0-3")
async def test_an_event_may_have_any_name(stage: Stage) -> None:
    """`begin` and `end` are words of ours in the history, and events like others in a table."""
    ann = await stage.person(credits=5)
    session = await stage.begins(ann, "odd")
    assert (await stage.answer(ann, "begin"))["text"] == ""
    assert await stage.where(session.id) == ("there", 2)
    assert (await stage.answered(ann, f"end:{session.id}:2"))["text"] == "at once"
    assert await stage.where(session.id) == ("over", 3)
    assert await stage.moves(session.id) == [
        ("", "begin", "here"),
        ("here", "begin", "there"),
        ("there", "end", "over"),
    ]


@pytest.mark.req("S0-23", "C0-10")
async def test_beginning_anew_ends_the_session_before_it(stage: Stage) -> None:
    """One active session of a flow: the old one loses its buttons, and a press of them is told that it is over."""
    ann = await stage.person(credits=5)
    old = await stage.begins(ann, "odd")
    new = await stage.begins(ann, "odd")
    assert new.id != old.id
    ended = await stage.session(old.id)
    assert ended is not None
    assert (ended.is_active, ended.state, ended.rev) == (False, "here", 2)
    await stage.idle()
    shown = [message for message in await ann.chat.messages() if message.buttons]
    assert [message.text for message in shown] == [line(new)]
    assert (await stage.answered(ann, f"begin:{old.id}:1"))["text"] == TEXTS["en"]["already_done"]  # type: ignore[index]
    assert await stage.where(new.id) == ("here", 1)
