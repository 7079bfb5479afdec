"""What a person sees of a session: one message, edited in place, and no button anywhere else that could mislead."""

from __future__ import annotations

from typing import Any

import pytest
from pack_stage import PICTURE, TABLES, Stage, Studio, give, keyboards, line, screen
from structlog.testing import capture_logs

from posthouse import App, Job, Turn
from posthouse.core.sessions import Reason
from posthouse.programs.actions import File
from posthouse.programs.flows import Button, Flow, JobDone, On, Refuse, Screen, Session, Text

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = [
    [Button("Look", "shop.look"), Button("News", "shop.news")],
    [Button("Buy", "shop.buy"), Button("Work", "shop.work"), Button("Again", "shop.again")],
]


def shop_bot(studio: Studio) -> App:
    """A flow with every kind of screen: text, photo, sent anew, with a link, without anything."""
    app = App("shop", tables=TABLES)

    @app.job("shop.work", attempts_max=1)
    async def work(job: Job, session: str) -> str:
        return await studio.work("work", session)

    def picture(turn: Turn, session: Session) -> Screen:
        return Screen(line(session.record), [[Button("Back", "shop.back")]], photo=File(PICTURE, "picture.png"))

    async def news(turn: Turn, session: Session) -> Screen:
        return Screen(line(session.record), [[Button("Back", "shop.back")]], fresh=True)

    def receipt(turn: Turn, session: Session) -> Screen:
        return Screen(line(session.record), [[Button("Receipt", url="https://shop.test/1")]])

    async def works(turn: Turn, session: Session) -> None:
        session.enqueue("shop.work", session=session.id)

    aside = app.add(
        Flow(
            "aside",
            states={"asking": screen([Button("Fine", "aside.fine")]), "over": None},
            start="asking",
            final=("over",),
            rows=[On("asking", "aside.fine", to="over")],
        )
    )

    async def begins_aside(turn: Turn, session: Session) -> None:
        await aside.begin(turn)

    shop = app.add(
        Flow(
            "shop",
            states={
                "list": screen(*LIST),
                "picture": picture,
                "news": news,
                "sure": screen([Button("Yes", "shop.buy"), Button("Back", "shop.back")]),
                "bought": receipt,
                "gone": None,
            },
            start="list",
            final=("bought", "gone"),
            formats=("rev", "id"),
            events={"shop.word": Text(), "shop.worked": JobDone(work)},
            rows=[
                On("list", "shop.look", to="picture"),
                On("list", "shop.news", to="news"),
                On(("picture", "news", "sure"), "shop.back", to="list"),
                On("list", "shop.again", to="list", idempotent=True),
                On("list", "shop.word", to="list"),
                On("list", "shop.work", to="list", handler=works),
                On("list", "shop.worked", to="list"),
                On("list", "shop.aside", to="list", handler=begins_aside),
                On("list", "shop.hand_over", to="gone", handler=begins_aside),
                On("list", "shop.buy", to="sure"),
                On("sure", "shop.buy", to="bought"),
                On(("news", "sure"), "shop.leave", to="gone"),
                Refuse("bought", "shop.buy", Reason.ALREADY_DONE, "bought"),
                Refuse("news", "shop.buy", Reason.ALREADY_DONE, "sold_out"),
            ],
        )
    )

    @app.command("shop")
    async def begin(turn: Turn) -> None:
        await shop.begin(turn)

    @app.command("credits")
    async def credits(turn: Turn) -> None:
        await turn.transact(give, turn.person["id"], 0)
        turn.say("credits 0")

    return app


@pytest.fixture(scope="module")
def program() -> Any:
    return shop_bot


async def only_screen(stage: Stage, person: Any, session_id: str, **message: Any) -> int:
    """The one message of the chat with buttons; they are all of the session's revision. Its id."""
    await stage.idle()
    (found,) = (await keyboards(person.chat)).items()
    record = await stage.session(session_id)
    assert record is not None
    assert {data.partition(":")[2] for data in found[1]} == {f"{record.id}:{record.rev}"}
    shown = next(m for m in await person.chat.messages() if m.id == found[0])
    assert shown.text == line(record)
    return found[0]


@pytest.mark.req("C0-6", "C0-10", "S0-8")
async def test_presses_change_the_message_that_was_pressed(stage: Stage) -> None:
    """Eight moves, one message: the chat does not fill up, and nothing is left to press by mistake."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    first = await only_screen(stage, ann, session.id)
    before = len(await ann.chat.messages())
    for _ in range(4):
        await stage.answer(ann, "Buy")
        assert await only_screen(stage, ann, session.id) == first
        await stage.answer(ann, "Back")
        assert await only_screen(stage, ann, session.id) == first
    assert len(await ann.chat.messages()) == before
    record = await stage.session(session.id)
    assert record is not None
    assert (record.ui_chat_id, record.ui_message_id, record.rev) == (ann.id, first, 9)


@pytest.mark.req("C0-6", "C0-10")
async def test_after_a_message_the_screen_is_below_it(stage: Stage) -> None:
    """The person sees the new screen without scrolling, and the old one has no buttons any more."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    seen = [await only_screen(stage, ann, session.id)]
    for word in ("one", "two"):
        said = await ann.says(word)
        await ann.chat.shows("list", after=said)
        seen.append(await only_screen(stage, ann, session.id))
        assert seen[-1] > said.id
    await stage.answer(ann, "Buy")
    assert await only_screen(stage, ann, session.id) == seen[-1]
    assert len(set(seen)) == 3


@pytest.mark.req("C0-6", "B-4")
@pytest.mark.parametrize("pressed_before", [True, False], ids=["id known", "handle known"])
async def test_a_finished_job_changes_the_sessions_message(stage: Stage, pressed_before: bool) -> None:
    """Wherever the person has written meanwhile: no second screen appears."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    if pressed_before:
        await stage.answer(ann, "Again")
    shown = await only_screen(stage, ann, session.id)
    rev = 3 if pressed_before else 2
    stage.studio.hold(session.id)
    await stage.answer(ann, "Work")
    if not pressed_before:
        said = await ann.says("a word")
        await ann.chat.shows("list", after=said)
        shown, rev = await only_screen(stage, ann, session.id), 3
    stage.studio.release(session.id)
    await ann.chat.shows(f"list · rev {rev + 1}")
    assert await only_screen(stage, ann, session.id) == shown


@pytest.mark.req("C0-6", "C0-10", "C0-8")
@pytest.mark.parametrize("moved_by", ["press", "message"])
@pytest.mark.parametrize("event", ["shop.buy", "shop.back", "shop.again"], ids=["stale", "wrong state", "idempotent"])
async def test_an_outdated_message_loses_its_buttons_and_the_screen_stays_where_it_is(
    stage: Stage, event: str, moved_by: str
) -> None:
    """Whether the session's message is known by its id or only by its handle: one screen, and its buttons work."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    if moved_by == "press":
        await stage.answer(ann, "Again")
    else:
        said = await ann.says("a word")
        await ann.chat.shows("list", after=said)
    shown = await only_screen(stage, ann, session.id)
    old = await stage.shows_old(ann, f"{event}:{session.id}:1")
    await stage.answered(ann, f"{event}:{session.id}:1", on=old)
    assert await only_screen(stage, ann, session.id) == shown
    assert await stage.where(session.id) == ("list", 2)
    await stage.answer(ann, "Buy")
    assert await only_screen(stage, ann, session.id) == shown
    assert await stage.where(session.id) == ("sure", 3)


@pytest.mark.req("C0-6", "C0-10", "C0-8")
@pytest.mark.parametrize("moved_by", ["press", "message"])
@pytest.mark.parametrize("event", ["shop.buy", "shop.again"], ids=["stale", "idempotent"])
async def test_a_client_that_is_behind_is_brought_up_to_date_in_place(stage: Stage, event: str, moved_by: str) -> None:
    """The session's own message still has old buttons: a press of one puts the current ones there."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    if moved_by == "message":
        said = await ann.says("a word")
        await ann.chat.shows("list · rev 2", after=said)
    shown = await only_screen(stage, ann, session.id)
    before = (await stage.where(session.id))[1]
    await stage.answer(ann, "Work")
    await ann.chat.shows(f"list · rev {before + 2}")
    await stage.idle()
    await stage.shows_outdated(ann, f"{event}:{session.id}:{before}", on=shown)
    await stage.answered(ann, f"{event}:{session.id}:{before}", on=shown)
    assert await only_screen(stage, ann, session.id) == shown
    assert await stage.where(session.id) == ("list", before + 2)


@pytest.mark.req("C0-6", "S0-14")
async def test_an_older_button_without_a_revision_brings_the_screen_to_its_message(stage: Stage) -> None:
    """It acts (S0-14), in the message that was pressed; the message where the session was loses its buttons."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    said = await ann.says("a word")
    await ann.chat.shows("list", after=said)
    old = await stage.shows_old(ann, f"shop.buy:{session.id}")
    await stage.answered(ann, f"shop.buy:{session.id}", on=old)
    assert await stage.where(session.id) == ("sure", 3)
    assert await only_screen(stage, ann, session.id) == old


@pytest.mark.req("C0-6", "C0-8", "C0-10")
async def test_the_last_screen_keeps_its_link_after_a_double_click(stage: Stage) -> None:
    """The second press hears that it is done; the receipt that the first one brought stays to be opened."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    await stage.answer(ann, "Buy")
    await ann.chat.shows("sure")
    await stage.slow_screen(ann)
    clicks = [await ann.presses("Yes") for _ in range(2)]
    assert [(await click.answer())["text"] for click in clicks] == ["", "This is finished already."]
    await stage.idle()
    assert list((await keyboards(ann.chat)).values()) == [["https://shop.test/1"]]
    old = await stage.shows_old(ann, f"shop.back:{session.id}:2")
    await stage.answered(ann, f"shop.back:{session.id}:2", on=old)
    await stage.idle()
    assert list((await keyboards(ann.chat)).values()) == [["https://shop.test/1"]]


@pytest.mark.req("C0-8", "C0-10", "C0-6")
@pytest.mark.parametrize("where", ["own message", "old message"])
async def test_what_is_refused_as_done_leaves_the_person_a_way_on(stage: Stage, where: str) -> None:
    """The session lives, so its screen keeps its buttons, or gets them back: a refusal is never a dead end."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    await stage.answer(ann, "News")
    await ann.chat.shows("news")
    shown = await only_screen(stage, ann, session.id)
    data = f"shop.buy:{session.id}:1"
    old = None
    if where == "own message":
        await stage.shows_outdated(ann, data, on=shown)
        old = shown
    answer = await stage.answered(ann, data, on=old)
    assert answer["text"] == "This is finished already."
    assert await only_screen(stage, ann, session.id) == shown
    assert (await stage.answer(ann, "Back"))["text"] == ""


@pytest.mark.req("C0-6")
async def test_a_photo_takes_the_place_of_a_text_and_the_other_way_round(stage: Stage) -> None:
    """Telegram cannot turn one into the other: the old message goes, and nothing is shown twice."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    text = await only_screen(stage, ann, session.id)
    for _ in range(2):
        await stage.answer(ann, "Look")
        picture = await ann.chat.shows("picture", buttons=["Back"], media="photo")
        await stage.idle()
        assert list(await keyboards(ann.chat)) == [picture.id]
        assert text not in [message.id for message in await ann.chat.messages() if not message.deleted]
        await stage.answer(ann, "Back")
        await ann.chat.shows("list", buttons=["Look"])
        text = await only_screen(stage, ann, session.id)
        assert picture.id not in [message.id for message in await ann.chat.messages() if not message.deleted]


@pytest.mark.req("C0-6", "C0-10")
async def test_a_screen_that_is_sent_anew_is_sent_once(stage: Stage) -> None:
    """Entering the state sends it below; a stale press of an older button does not send it again."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    first = await only_screen(stage, ann, session.id)
    await stage.answer(ann, "News")
    await ann.chat.shows("news")
    news = await only_screen(stage, ann, session.id)
    assert news != first
    count = len(await ann.chat.messages())
    for _ in range(2):
        old = await stage.shows_old(ann, f"shop.look:{session.id}:1")
        await stage.answered(ann, f"shop.look:{session.id}:1", on=old)
    assert await only_screen(stage, ann, session.id) == news
    assert len(await ann.chat.messages()) == count + 2


@pytest.mark.req("C0-6")
async def test_a_state_without_a_screen_leaves_no_buttons(stage: Stage) -> None:
    """The session has ended without a word: its last message can be read, and not pressed."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    await stage.answer(ann, "Buy")
    await ann.chat.shows("sure")
    await stage.answered(ann, f"shop.leave:{session.id}:2")
    await stage.idle()
    assert await keyboards(ann.chat) == {}
    assert await stage.where(session.id) == ("gone", 3)


@pytest.mark.req("C0-6", "C0-10")
async def test_beginning_again_moves_the_screen_down(stage: Stage) -> None:
    """The old session's message loses its buttons, whatever was pressed in it; a session that is over stays silent."""
    ann = await stage.person()
    await stage.begins(ann, "shop")
    await stage.answer(ann, "Buy")
    await ann.chat.shows("sure")
    await stage.begins(ann, "shop")
    third = await stage.begins(ann, "shop")
    await only_screen(stage, ann, third.id)


@pytest.mark.req("C0-6", "C0-10", "E0-6")
@pytest.mark.parametrize(("event", "left"), [("shop.aside", True), ("shop.hand_over", False)])
async def test_a_session_that_is_begun_by_a_press_of_another_gets_a_message_of_its_own(
    stage: Stage, event: str, left: bool
) -> None:
    """The pressed message is that of the session that was pressed: two sessions do not write over each other."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    first = await only_screen(stage, ann, session.id)
    await stage.shows_outdated(ann, f"{event}:{session.id}:1", on=first)
    await stage.answered(ann, f"{event}:{session.id}:1", on=first)
    await stage.idle()
    (other,) = await stage.sessions(user_id=ann.id, flow_kind="aside")
    shown = await keyboards(ann.chat)
    assert (first in shown) is left
    assert shown.pop(first, None) is None or left
    assert list(shown.values()) == [[f"aside.fine:{other.id}:1"]]
    assert (await stage.answer(ann, "Fine"))["text"] == ""
    if left:
        await only_screen(stage, ann, session.id)


@pytest.mark.req("C0-6")
@pytest.mark.parametrize("pressed_before", [True, False], ids=["id known", "handle known"])
async def test_a_screen_that_the_person_deleted_comes_back(stage: Stage, pressed_before: bool) -> None:
    """The end of a job finds its message gone: the screen is sent anew, once, and goes on from there."""
    ann = await stage.person()
    session = await stage.begins(ann, "shop")
    if pressed_before:
        await stage.answer(ann, "Again")
    first = await only_screen(stage, ann, session.id)
    for round in range(2):
        stage.studio.hold(session.id)
        await stage.answer(ann, "Work")
        await only_screen(stage, ann, session.id)
        message = next(m for m in await ann.chat.messages() if m.id == first)
        await ann.deletes(message)
        stage.studio.release(session.id)
        await stage.idle()
        second = await only_screen(stage, ann, session.id)
        assert second > first, round
        first = second
    await stage.answer(ann, "Buy")
    assert await only_screen(stage, ann, session.id) == first


@pytest.mark.req("C0-6", "S0-50")
async def test_no_press_leaves_a_dead_letter(stage: Stage) -> None:
    """Everything that was asked of Telegram in this module could be done: no edit failed, nothing was given up."""
    from posthouse.ports.store import Filter

    with capture_logs():
        await stage.idle()
    letters = await stage.store.desk.list("dead", Filter(limit=20))
    assert [(letter.what, letter.error) for letter in letters] == []
