"""Every state × every event of the photo bot's table, over the whole road: it moves as a row says, or says why not."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from pack_stage import PACK_CREDITS, PICTURE, Stage, Studio, line, photo_bot

from posthouse.core.sessions import Reason
from posthouse.programs.flows import Flow, JobFailed, On, Refuse
from posthouse.programs.flows.triggers import JobDone

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLOWS = photo_bot(Studio()).flows
PACK = FLOWS["pack"]
TABLE = PACK.table
REV = 7
ENDS = [event for event, trigger in TABLE.triggers.items() if isinstance(trigger, JobDone | JobFailed)]


def outcome(flow: Flow, state: str, event: str) -> tuple[str, str]:
    """What a pair comes to, read off the table: ("", the states it may lead to) or (reason, detail)."""
    row = flow.table.row(state, event)
    if isinstance(row, On):
        return "", " ".join([row.to] if isinstance(row.to, str) else row.to)
    if isinstance(row, Refuse):
        return str(row.reason), row.detail
    return str(Reason.ALREADY_DONE if state in flow.table.final else Reason.WRONG_STATE), ""


@pytest.mark.req(
    "E0-1", "S0-2", "S0-30", "S0-31", "S0-32", "S0-33", "S0-34", "S0-35", "S0-36", "S0-37", "S0-38", "S0-39", "S0-40",
    "S0-49", "S0-50", "S0-27", "C0-3", "C0-8",
)  # fmt: skip
@pytest.mark.parametrize(("state", "event"), [*product(TABLE.states, TABLE.pressed)])
async def test_a_press_moves_as_its_row_says_or_is_rejected_with_a_code(stage: Stage, state: str, event: str) -> None:
    """Nothing is silent: state, revision, history and the answer to the press agree with the table."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, state, rev=REV)
    stage.studio.hold(session.id)
    answer = await stage.answer(ann, event)
    reason, wanted = outcome(PACK, state, event)
    now = await stage.session(session.id)
    history = await stage.history(session.id)
    assert now is not None
    assert len(history) == 1
    assert (history[0].event, history[0].from_state, history[0].format) == (event, state, "rev")
    if reason:
        assert (now.state, now.rev, now.data) == (state, REV, session.data)
        assert (history[0].to_state, history[0].reason, history[0].detail) == (None, reason, wanted)
        assert answer["text"]
        assert (await stage.credits(ann))[1:] == (10, [])
    else:
        assert now.state in wanted.split()
        assert (now.rev, history[0].to_state, history[0].rev) == (REV + 1, now.state, REV + 1)
        assert (answer["text"], answer["show_alert"]) == ("", False)
        assert now.is_active is (now.state not in TABLE.final)
        await ann.chat.shows(line(now))
    stage.studio.release(session.id)


@pytest.mark.req("S0-32")
@pytest.mark.parametrize(("photo", "to"), [(" photo", "wait_pack_preview_payment"), ("", "wait_pack_photo")])
async def test_where_a_try_leads_depends_on_whether_there_is_a_photo(stage: Stage, photo: str, to: str) -> None:
    """One row with two ways, and the handler chooses among them."""
    ann = await stage.person()
    session = await stage.begins(ann, f"pack{photo}")
    await stage.answer(ann, "Try")
    assert await stage.where(session.id) == (to, 2)


@pytest.mark.req("E0-1", "B-4", "C0-14")
@pytest.mark.parametrize(("state", "event"), [*product(TABLE.states, ENDS)])
async def test_the_end_of_a_job_moves_as_its_row_says_or_is_rejected_with_a_code(
    stage: Stage, state: str, event: str
) -> None:
    """Whatever the session is doing when the end comes; nobody is told of a reject, because nobody waits."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, state, rev=REV)
    trigger: Any = TABLE.triggers[event]
    if isinstance(trigger, JobFailed):
        stage.studio.failing.add(session.id)
    await ann.says(f"/late {trigger.task} {session.id}")
    (written,) = await stage.until(lambda: stage.history(session.id))
    reason, wanted = outcome(PACK, state, event)
    assert (written.event, written.from_state, written.format) == (event, state, "")
    if reason:
        assert (written.to_state, written.reason, written.detail) == (None, reason, wanted)
        assert await stage.where(session.id) == (state, REV)
        assert (await stage.credits(ann))[1:] == (10, [])
    else:
        assert (written.to_state, await stage.where(session.id)) == (wanted, (wanted, REV + 1))


@pytest.mark.req("E0-1", "B-4", "C0-14")
@pytest.mark.parametrize("state", TABLE.states)
async def test_a_photo_is_for_the_state_that_waits_for_it(stage: Stage, state: str) -> None:
    """In every other state it is no event of the flow: the bot's own handlers get it, and nothing moves."""
    ann = await stage.person()
    session = await stage.put(ann, state, rev=REV)
    sent = await ann.sends_photo(PICTURE)
    if state == "wait_pack_photo":
        await ann.chat.shows("wait_pack_preview_payment", after=sent)
        assert await stage.where(session.id) == ("wait_pack_preview_payment", REV + 1)
    else:
        await ann.chat.shows("nobody waits for this", after=sent)
        assert await stage.where(session.id) == (state, REV)
        assert await stage.history(session.id) == []


FOREIGN = [(name, event) for name, flow in FLOWS.items() if name != "pack" for event in flow.table.pressed]


@pytest.mark.req("S0-20", "E0-6", "C0-8")
@pytest.mark.parametrize(("flow", "event"), FOREIGN)
async def test_an_event_of_another_flow_does_not_move_the_session(stage: Stage, flow: str, event: str) -> None:
    """The reference names a session of `pack`, the action is another flow's: `wrong_flow`, whatever the state."""
    ann = await stage.person()
    session = await stage.put(ann, "wait_pack_approval", rev=REV)
    action = FLOWS[flow].table.action(event)
    answer = await stage.answered(ann, f"{action}:{session.id}:{REV}")
    assert answer == {"text": "This button belongs to another menu.", "show_alert": True, "url": ""}
    assert await stage.where(session.id) == ("wait_pack_approval", REV)
    assert await stage.moves(session.id) == [("wait_pack_approval", event, "wrong_flow/")]


@pytest.mark.req("C0-8", "S0-52")
@pytest.mark.parametrize("event", [*ENDS, "pack.photo"])
async def test_a_press_cannot_pretend_to_be_the_end_of_a_job(stage: Stage, event: str) -> None:
    """A client may send any data: a name that is no button's moves nothing, with a session and without."""
    ann = await stage.person(credits=10)
    state = next(state for (state, name) in TABLE.pairs if name == event)
    session = await stage.put(ann, state, rev=REV)
    for data in (f"{event}:{session.id}:{REV}", f"{event}:{session.id}", event):
        await stage.answered(ann, data)
        assert await stage.where(session.id) == (state, REV)
    assert await stage.history(session.id) == []
    assert (await stage.credits(ann))[1:] == (10, [])


@pytest.mark.req("S0-53", "C0-9", "C0-14", "S0-41", "S0-49")
async def test_a_pack_is_made_from_the_first_screen_to_the_last(stage: Stage) -> None:
    """Carousel → try → photo → back → try → preview → again → approve: one message, and as many credits as it says."""
    ann = await stage.person(credits=PACK_CREDITS + 1)
    session = await stage.begins(ann)
    await stage.answer(ann, "Try")
    await ann.chat.shows("wait_pack_photo")
    await ann.sends_photo(PICTURE)
    await ann.chat.shows("wait_pack_preview_payment", buttons=["Pay", "Back"])
    await stage.answer(ann, "Back")
    await ann.chat.shows("wait_pack_carousel", buttons=["Try"])
    await stage.answer(ann, "Try")
    await ann.chat.shows("wait_pack_preview_payment", buttons=["Pay"])
    await stage.answer(ann, "Pay")
    await ann.chat.shows("wait_pack_approval", buttons=["Approve", "Again", "Cancel"])
    await stage.answer(ann, "Again")
    await ann.chat.shows("wait_pack_approval · rev 9")
    await stage.answer(ann, "Approve")
    await ann.chat.shows("confirm_sticker · rev 11")
    assert [to for _, _, to in await stage.moves(session.id)] == [
        "wait_pack_carousel",
        "wait_pack_photo",
        "wait_pack_preview_payment",
        "wait_pack_carousel",
        "wait_pack_preview_payment",
        "generating_pack_preview",
        "wait_pack_approval",
        "generating_pack_preview",
        "wait_pack_approval",
        "processing_pack",
        "confirm_sticker",
    ]
    assert await stage.credits(ann) == (5, 0, [("pack.preview", 1), ("pack.preview", 1), ("pack.whole", 3)])


@pytest.mark.req("C0-14", "B-4")
async def test_what_fails_is_given_back(stage: Stage) -> None:
    """A preview that cannot be made costs nothing, nor does a pack; the person can go on from there."""
    ann = await stage.person(credits=PACK_CREDITS)
    session = await stage.begins(ann, "pack photo")
    await stage.answer(ann, "Try")
    stage.studio.failing.add(session.id)
    await ann.chat.shows("wait_pack_preview_payment")
    await stage.answer(ann, "Pay")
    await ann.chat.shows("wait_pack_preview_payment · rev 4", buttons=["Pay"])
    assert (await stage.credits(ann))[1] == PACK_CREDITS
    stage.studio.failing.clear()
    await stage.answer(ann, "Pay")
    await ann.chat.shows("wait_pack_approval")
    stage.studio.failing.add(session.id)
    await stage.answer(ann, "Approve")
    await ann.chat.shows("wait_pack_approval · rev 8", buttons=["Approve"])
    assert (await stage.credits(ann))[1] == PACK_CREDITS - 1


@pytest.mark.req("S0-53", "C0-9")
async def test_single_and_assistant_are_not_degraded(stage: Stage) -> None:
    """Values of buttons, texts and commands move the other flows as their rows say."""
    ann = await stage.person()
    single = await stage.begins(ann, "single")
    await stage.answer(ann, "Comic")
    await ann.chat.shows("wait_emotion", buttons=["Joy", "Style"])
    await stage.answer(ann, "Style")
    await ann.chat.shows("wait_style · rev 3")
    await stage.answer(ann, "Comic")
    await ann.chat.shows("wait_emotion · rev 4")
    await stage.answer(ann, "Joy")
    done = await stage.session(single.id)
    assert done is not None
    assert (done.state, done.rev, done.is_active, done.data) == ("confirm_sticker", 5, False, b'{"style":"comic"}')

    chatting = await stage.begins(ann, "assistant")
    for text, rev in (("a cat", 2), ("a sad cat", 3)):
        await ann.says(text)
        await ann.chat.shows(f"assistant_chat · rev {rev}", buttons=["Make it"])
    await ann.says("/stop")
    await ann.chat.shows("assistant_done · rev 4")
    done = await stage.session(chatting.id)
    assert done is not None
    assert (done.is_active, done.data) == (False, b'{"heard":["a cat","a sad cat"]}')
