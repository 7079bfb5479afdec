"""Stale, doubled, foreign and legacy presses: a button moves the session that it names, once, or it says why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pack_stage import ALPHA, BETA, Stage, keyboards, line
from structlog.testing import capture_logs

from posthouse.core.sessions import SessionRecord
from posthouse.programs.flows.texts import TEXTS, default_text
from posthouse.testing.town import Chat, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALREADY_GENERATING = "Your preview is being made."
WRONG_STEP = "First choose a pack."
C0_4 = ("event_type", "flow_kind", "session_id", "current_state", "expected_states", "reason_code", "legacy_callback")


# -- doubled ------------------------------------------------------------------------------------------------------


@pytest.mark.req("E0-2", "S0-37", "S0-41", "S0-52", "C0-8")
@pytest.mark.parametrize("presses", [2, 5])
async def test_a_double_click_on_pay_makes_one_picture(stage: Stage, presses: int) -> None:
    """However many credits there are: one is charged, one job is queued, and every other press hears what goes on."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, "wait_pack_preview_payment")
    stage.studio.hold(session.id)
    await stage.slow_screen(ann)
    clicks = [await ann.presses("pack.preview.pay") for _ in range(presses)]
    answers = [await click.answer() for click in clicks]
    assert [answer["text"] for answer in answers] == ["", *[ALREADY_GENERATING] * (presses - 1)]
    assert not any(answer["show_alert"] for answer in answers)
    assert await stage.credits(ann) == (10, 9, [("pack.preview", 1)])
    assert await stage.where(session.id) == ("generating_pack_preview", 8)
    stage.studio.release(session.id)
    await stage.comes_to(session.id, "wait_pack_approval")
    await stage.idle()
    assert stage.studio.made["preview", session.id] == 1


@pytest.mark.req("E0-2", "C0-18")
async def test_one_credit_pays_for_one_picture_whatever_happens_at_once(stage: Stage) -> None:
    """The same person pays in a private chat and in three groups at the same moment: four lanes, one credit."""
    ann = await stage.person(credits=1)
    places: list[Chat] = [ann.chat]
    for name in ("One", "Two", "Three"):
        places.append(await stage.town.group(name, people=[ann], bots=[ALPHA], admins=[ALPHA]))
    for place in places:
        said = await ann.says("/pack photo", to=place)
        await place.shows("wait_pack_carousel", after=said)
        await stage.answer(ann, "Try", on=place)
        await place.shows("wait_pack_preview_payment")
    clicks = await asyncio.gather(*(ann.presses("Pay", on=place) for place in places))
    answers = [(await click.answer())["text"] for click in clicks]
    assert sorted(answers) == ["", *["You have no credits left."] * 3]
    assert await stage.credits(ann) == (1, 0, [("pack.preview", 1)])
    await stage.idle()
    states = sorted(found.state for found in await stage.sessions(user_id=ann.id, flow_kind="pack"))
    assert states == ["wait_pack_approval", *["wait_pack_preview_payment"] * 3]


# -- stale --------------------------------------------------------------------------------------------------------


@pytest.mark.req("E0-3", "S0-36", "S0-33", "C0-9", "C0-6")
async def test_an_old_pay_button_after_back_is_the_wrong_step(stage: Stage) -> None:
    """The state stays, nothing is charged; the old button goes away and the current screen is where it was."""
    ann = await stage.person(credits=10)
    session = await stage.begins(ann, "pack photo")
    await stage.answer(ann, "Try")
    paying = await ann.chat.shows("wait_pack_preview_payment")
    old = await stage.shows_old(ann, paying.buttons[0][0].callback_data or "")
    await stage.answer(ann, "Back", on=paying)
    await ann.chat.shows("wait_pack_carousel · rev 3")
    answer = await stage.answered(ann, f"pack.preview.pay:{session.id}:2", on=old)
    assert answer == {"text": WRONG_STEP, "show_alert": True, "url": ""}
    assert await stage.where(session.id) == ("wait_pack_carousel", 3)
    assert (await stage.moves(session.id))[-1] == ("wait_pack_carousel", "pack.preview.pay", "wrong_state/wrong_step")
    assert (await stage.credits(ann))[1:] == (10, [])
    await stage.idle()
    assert list(await keyboards(ann.chat)) == [paying.id]


@pytest.mark.req("E0-7", "B-2", "S0-21", "S0-52", "C0-6")
async def test_a_button_of_an_earlier_visit_to_the_same_state_is_stale(stage: Stage) -> None:
    """A → B → A: the state fits and the revision does not, so the old button acts no more and the new one does."""
    ann = await stage.person(credits=10)
    session = await stage.begins(ann, "pack photo")
    await stage.answer(ann, "Try")
    first = await ann.chat.shows("wait_pack_preview_payment · rev 2")
    await stage.answer(ann, "Back", on=first)
    await ann.chat.shows("wait_pack_carousel")
    await stage.answer(ann, "Try")
    await ann.chat.shows("wait_pack_preview_payment · rev 4")
    answer = await stage.answered(ann, f"pack.preview.pay:{session.id}:2")
    assert answer["text"] == TEXTS["en"]["stale_rev"]  # type: ignore[index]
    assert answer["show_alert"]
    assert await stage.where(session.id) == ("wait_pack_preview_payment", 4)
    assert (await stage.credits(ann))[1:] == (10, [])
    assert (await stage.answer(ann, "Pay"))["text"] == ""
    await stage.comes_to(session.id, "wait_pack_approval")
    assert stage.studio.made["preview", session.id] == 1


@pytest.mark.req("E0-7", "B-2", "S0-39")
async def test_regenerating_makes_the_old_buttons_of_the_approval_stale(stage: Stage) -> None:
    """Approval → generating → approval: approving what was shown before is refused, once for each old revision."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, "wait_pack_approval", rev=5)
    await stage.answer(ann, "pack.regenerate")
    await stage.comes_to(session.id, "wait_pack_approval")
    for rev in (1, 4, 5, 6, 8, 9_999_999):
        answer = await stage.answered(ann, f"pack.approve:{session.id}:{rev}")
        assert answer["text"] == TEXTS["en"]["stale_rev"]  # type: ignore[index]
    assert await stage.where(session.id) == ("wait_pack_approval", 7)
    assert (await stage.answered(ann, f"pack.approve:{session.id}:7"))["text"] == ""


@pytest.mark.req("S0-34", "S0-33", "C0-10")
async def test_going_back_twice_draws_the_screen_again_and_moves_nothing(stage: Stage) -> None:
    """A second press of the same "Back" is answered without a word: the person is where they wanted to be."""
    ann = await stage.person()
    session = await stage.begins(ann, "pack photo")
    await stage.answer(ann, "Try")
    shown = await ann.chat.shows("wait_pack_preview_payment")
    await stage.slow_screen(ann)
    clicks = [await ann.presses("Back", on=shown) for _ in range(3)]
    for click in clicks:
        assert (await click.answer())["text"] == ""
    assert await stage.where(session.id) == ("wait_pack_carousel", 3)
    await stage.idle()
    assert len(await keyboards(ann.chat)) == 1
    assert (await ann.chat.messages())[-1].text == "pack · wait_pack_carousel · rev 3"


@pytest.mark.req("C0-12")
async def test_while_a_picture_is_made_the_only_button_shows_that(stage: Stage) -> None:
    """Pressing it is answered with what goes on, and moves nothing."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, "wait_pack_preview_payment")
    stage.studio.hold(session.id)
    await stage.answer(ann, "pack.preview.pay")
    shown = await ann.chat.shows("generating_pack_preview")
    assert shown.button_texts == ["⏳ Generating…"]
    answer = await stage.answer(ann, "⏳ Generating…")
    assert answer == {"text": TEXTS["en"]["in_progress"], "show_alert": False, "url": ""}  # type: ignore[index]
    assert await stage.where(session.id) == ("generating_pack_preview", 8)
    assert (await stage.moves(session.id))[-1] == ("generating_pack_preview", "noop", "in_progress/noop")
    assert (await ann.chat.messages())[-1].button_texts == ["⏳ Generating…"]
    stage.studio.release(session.id)
    await stage.comes_to(session.id, "wait_pack_approval")


@pytest.mark.req("S0-52", "B-4", "C0-14")
async def test_the_end_of_a_job_whose_session_was_left_moves_nothing(stage: Stage) -> None:
    """The person has begun anew meanwhile: neither the old session nor the new one is touched by the late picture."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, "wait_pack_preview_payment")
    stage.studio.hold(session.id)
    await stage.answer(ann, "pack.preview.pay")
    fresh = await stage.begins(ann, "pack")
    assert fresh.id != session.id
    stage.studio.release(session.id)
    rejected = ("generating_pack_preview", "pack.preview.made", "already_done/")

    async def told() -> bool:
        return rejected in await stage.moves(session.id)

    await stage.until(told)
    ended = await stage.session(session.id)
    assert ended is not None
    assert (ended.is_active, ended.state) == (False, "generating_pack_preview")
    assert await stage.where(fresh.id) == ("wait_pack_carousel", 1)
    await stage.idle()
    assert list(await keyboards(ann.chat)) == [(await ann.chat.shows(line(fresh))).id]


# -- foreign ------------------------------------------------------------------------------------------------------


@pytest.mark.req("E0-4", "S0-19", "C0-8")
@pytest.mark.parametrize("form", ["{event}:{id}:{rev}", "{event}:{id}", "{event}:{id}:1", "noop:{id}:{rev}"])
@pytest.mark.parametrize("event", ["pack.approve", "pack.cancel", "pack.preview.pay"])
async def test_another_persons_session_is_not_touched_and_not_shown(stage: Stage, event: str, form: str) -> None:
    """Whoever knows the id learns nothing: no state, no screen, no credits; and the owner notices nothing."""
    ann = await stage.person("Ann", credits=10)
    bob = await stage.person("Bob", credits=10)
    session = await stage.put(ann, "wait_pack_approval")
    before, seen = await stage.session(session.id), await ann.chat.transcript()
    data = form.format(event=event, id=session.id, rev=session.rev)
    with capture_logs() as logs:
        answer = await stage.answered(bob, data)
    assert answer == {"text": TEXTS["en"]["wrong_owner"], "show_alert": True, "url": ""}  # type: ignore[index]
    (rejected,) = [entry for entry in logs if entry["event"] == "event.rejected"]
    assert (rejected["reason_code"], rejected["current_state"]) == ("wrong_owner", None)
    await stage.idle()
    assert await stage.session(session.id) == before
    assert await stage.history(session.id) == []
    assert await ann.chat.transcript() == seen
    assert "wait_pack_approval" not in await bob.chat.transcript()
    assert (await stage.credits(ann))[1:] == (10, [])
    assert (await stage.credits(bob))[1:] == (10, [])


@pytest.mark.req("E0-4", "S0-23")
async def test_a_bare_button_never_means_another_persons_session(stage: Stage) -> None:
    """A legacy button in a group where somebody else has a session: the presser has none."""
    ann, bob = await stage.person("Ann", credits=10), await stage.person("Bob", credits=10)
    group = await stage.town.group("Two", people=[ann, bob], bots=[ALPHA], admins=[ALPHA])
    session = await stage.begins(ann, "pack photo", to=group)
    answer = await stage.answered(bob, "pack.try", chat=group)
    assert answer["text"] == TEXTS["en"]["not_found"]  # type: ignore[index]
    assert await stage.where(session.id) == ("wait_pack_carousel", 1)
    assert (await stage.answered(ann, "pack.try", chat=group))["text"] == ""
    assert await stage.where(session.id) == ("wait_pack_preview_payment", 2)


@pytest.mark.req("E0-4", "E0-5")
async def test_a_session_of_another_bot_does_not_exist(stage: Stage) -> None:
    """One person, two bots on one database: an id of one means nothing to the other, in either direction."""
    ann = await stage.person()
    session = await stage.put(ann, "wait_pack_approval")
    await ann.says("/stop", to=BETA)
    answer = await stage.answered(ann, f"pack.cancel:{session.id}:7", chat=ann.chat_with(BETA))
    assert answer["text"] == TEXTS["en"]["not_found"]  # type: ignore[index]
    assert await stage.where(session.id) == ("wait_pack_approval", 7)


@pytest.mark.req("E0-6", "C0-9", "S0-23")
async def test_pack_and_assistant_go_on_beside_each_other(stage: Stage) -> None:
    """Texts go to the assistant and presses to whom they name; neither moves nor ends the other."""
    ann = await stage.person(credits=10)
    pack = await stage.begins(ann, "pack photo")
    assistant = await stage.begins(ann, "assistant")
    await ann.says("a cat")
    await ann.chat.shows("assistant_chat · rev 2")
    assert (await stage.answer(ann, "Try"))["text"] == ""
    await ann.says("a dog")
    await ann.chat.shows("assistant_chat · rev 3")
    assert (await stage.answer(ann, "Pay"))["text"] == ""
    assert (await stage.answered(ann, "a.ok:" + assistant.id + ":3"))["text"] == ""
    await stage.comes_to(pack.id, "wait_pack_approval")
    assert [event for _, event, _ in await stage.moves(pack.id)] == [
        "begin",
        "pack.try",
        "pack.preview.pay",
        "pack.preview.made",
    ]
    assert [to for _, _, to in await stage.moves(assistant.id)] == [*["assistant_chat"] * 3, "assistant_done"]
    assert (await stage.session(pack.id)).is_active  # type: ignore[union-attr]


# -- formats ------------------------------------------------------------------------------------------------------


@pytest.mark.req("E0-8", "S0-13", "S0-14", "S0-15", "S0-16", "S0-23", "S0-45", "S0-47", "C0-2")
@pytest.mark.parametrize(("format", "form"), [("rev", "{e}:{id}:7"), ("id", "{e}:{id}"), ("bare", "{e}")])
async def test_a_flow_that_allows_it_understands_every_format(stage: Stage, format: str, form: str) -> None:
    """All three move; only the bare one is legacy, and that is counted and warned of. The history says which it was."""
    ann = await stage.person()
    session = await stage.put(ann, "wait_pack_approval")
    before = await stage.metric("callback_legacy_total", event="pack.cancel")
    with capture_logs() as logs:
        answer = await stage.answered(ann, form.format(e="pack.cancel", id=session.id))
    assert answer["text"] == ""
    assert await stage.where(session.id) == ("canceled", 8)
    assert [event.format for event in await stage.history(session.id)] == [format]
    legacy = format == "bare"
    assert await stage.metric("callback_legacy_total", event="pack.cancel") - before == legacy
    warned = [entry for entry in logs if entry["event"] == "callback.legacy"]
    assert len(warned) == legacy
    assert all((entry["event_type"], entry["log_level"]) == ("pack.cancel", "warning") for entry in warned)


@pytest.mark.req("S0-23", "S0-15")
async def test_a_bare_button_means_the_session_that_changed_last(stage: Stage) -> None:
    """Of two active sessions of the flow: the older one stays where it is."""
    ann = await stage.person()
    older, newer = await stage.put(ann, "wait_pack_approval"), await stage.put(ann, "wait_pack_approval")
    assert (await stage.answered(ann, "pack.cancel"))["text"] == ""
    assert await stage.where(newer.id) == ("canceled", 8)
    assert await stage.where(older.id) == ("wait_pack_approval", 7)


@pytest.mark.req("E0-8", "S0-44", "S0-16")
@pytest.mark.parametrize(("legacy", "form"), [(False, "single.emotion:{id}"), (True, "single.emotion")])
async def test_legacy_buttons_are_switched_off_flow_by_flow(stage: Stage, legacy: bool, form: str) -> None:
    """A flow that takes only full buttons says `legacy_format`, whatever session it would have been; others go on."""
    ann = await stage.person()
    session = await stage.put(ann, "wait_emotion", flow="single")
    before = await stage.metric("callback_legacy_total", event="single.emotion")
    with capture_logs() as logs:
        answer = await stage.answered(ann, form.format(id=session.id))
    assert answer == {"text": TEXTS["en"]["legacy_format"], "show_alert": True, "url": ""}  # type: ignore[index]
    assert await stage.where(session.id) == ("wait_emotion", 7)
    assert await stage.metric("callback_legacy_total", event="single.emotion") - before == legacy
    (rejected,) = [entry for entry in logs if entry["event"] == "event.rejected"]
    assert rejected["legacy_callback"] is legacy
    assert (await stage.answered(ann, f"single.emotion:{session.id}:7"))["text"] == ""


@pytest.mark.req("S0-48")
async def test_the_share_of_legacy_buttons_can_be_asked_for(stage: Stage) -> None:
    """By flow, event and format, out of the history: nothing is parsed from log lines."""
    ann = await stage.person()

    async def share(format: str) -> int:
        shares = await stage.store.sessions.formats(since_s=3600)
        return sum(s.presses for s in shares if (s.flow_kind, s.event, s.format) == ("pack", "pack.cancel", format))

    before = {format: await share(format) for format in ("rev", "id", "bare")}
    for form in ("{e}:{id}:7", "{e}:{id}", "{e}", "{e}"):
        session = await stage.put(ann, "wait_pack_approval")
        await stage.answered(ann, form.format(e="pack.cancel", id=session.id))
    assert {format: await share(format) - before[format] for format in before} == {"rev": 1, "id": 1, "bare": 2}


# -- every reject -------------------------------------------------------------------------------------------------

Scene = Callable[[Stage, Person], Awaitable[tuple[SessionRecord | None, str]]]


def at(state: str, data: str, **put: Any) -> Scene:
    async def scene(stage: Stage, ann: Person) -> tuple[SessionRecord | None, str]:
        session = await stage.put(ann, state, **put)
        return session, data.format(id=session.id, rev=session.rev)

    return scene


async def of_nobody(stage: Stage, ann: Person) -> tuple[SessionRecord | None, str]:
    return None, "pack.approve:0000000000:3"


async def of_bob(stage: Stage, ann: Person) -> tuple[SessionRecord | None, str]:
    bob = await stage.person("Bob")
    session = await stage.put(bob, "wait_pack_approval")
    return None, f"pack.approve:{session.id}:7"


# reason → (the scene, flow, event, detail, whether the person must stop and look)
REJECTS: dict[str, tuple[Scene, str, str, str, bool]] = {
    "not_found": (of_nobody, "pack", "pack.approve", "", True),
    "wrong_owner": (of_bob, "pack", "pack.approve", "", True),
    "wrong_flow": (at("wait_pack_approval", "a.ok:{id}:{rev}"), "assistant", "assistant.confirm", "", True),
    "wrong_state": (at("wait_pack_approval", "pack.try:{id}:{rev}"), "pack", "pack.try", "", True),
    "stale_rev": (at("wait_pack_approval", "pack.approve:{id}:3"), "pack", "pack.approve", "", True),
    "already_done": (at("canceled", "pack.approve:{id}:{rev}"), "pack", "pack.approve", "", False),
    "in_progress": (
        at("generating_pack_preview", "pack.preview.pay:{id}:3"),
        "pack",
        "pack.preview.pay",
        "already_generating",
        False,
    ),
    "expired": (at("wait_pack_approval", "pack.approve:{id}", lives_s=-1), "pack", "pack.approve", "", True),
    "legacy_format": (at("wait_emotion", "single.emotion", flow="single"), "single", "single.emotion", "", True),
    # `db_error` is in test_session_handlers.py.
}


@pytest.mark.req("E0-9", "S0-28", "S0-29", "S0-45", "S0-47", "S0-50", "S0-51", "C0-4", "C0-8", "C0-10", "B-1")
@pytest.mark.parametrize("reason", REJECTS)
async def test_every_reject_is_logged_answered_counted_and_remembered(stage: Stage, reason: str) -> None:
    """One line with the fields of C0-4, one answer, one count, one line of history; and nothing has moved."""
    scene, flow, event, detail, alert = REJECTS[reason]
    ann = await stage.person(credits=10)
    session, data = await scene(stage, ann)
    format = ("bare", "id", "rev")[data.count(":")]
    counted = await stage.metric("reject_event_total", event=event, reason=reason)
    nobodys = len(await stage.nobodys())
    with capture_logs() as logs:
        press = await stage.presses(ann, data)
        answer = await press.answer()
        await stage.idle()
    words = ALREADY_GENERATING if detail else default_text(reason, "en")  # type: ignore[arg-type]
    assert answer == {"text": words, "show_alert": alert, "url": ""}
    calls = await stage.town.calls("answerCallbackQuery", bot=ALPHA)
    assert sum(call.parameters["callback_query_id"] == press.id for call in calls) == 1

    (said,) = [entry for entry in logs if entry["event"] == "event.rejected"]
    assert set(C0_4) <= set(said)
    named = session if reason != "legacy_format" else None  # it is not looked for
    assert (said["event_type"], said["flow_kind"], said["reason_code"]) == (event, flow, reason)
    assert said["current_state"] == (named.state if named else None)
    assert said["session_id"] == (data.split(":")[1] if ":" in data else None)
    assert tuple(said["expected_states"]) == stage.app.flows[flow].table.expected(event)
    assert (said["legacy_callback"], said["callback_format"]) == (format == "bare", format)
    assert (said["detail"], said["log_level"]) == (detail, "warning")

    assert await stage.metric("reject_event_total", event=event, reason=reason) == counted + 1
    written = await stage.history(named.id) if named else await stage.nobodys()
    assert len(written) == (1 if named else nobodys + 1)
    last = written[-1]
    assert (last.event, last.to_state, last.reason, last.detail, last.format) == (event, None, reason, detail, format)
    assert (last.flow_kind, last.trace) == (flow, said["trace"])
    if session is not None:
        assert await stage.session(session.id) == session
    assert (await stage.credits(ann))[1:] == (10, [])


@pytest.mark.req("S0-45")
async def test_what_is_found_and_moved_is_counted_too(stage: Stage) -> None:
    """`session_resolve_total` by event, result and reason, `session_transition_total` by states and result."""
    ann = await stage.person()
    found = {"event": "pack.cancel", "result": "ok", "reason": ""}
    refused = {"event": "pack.cancel", "result": "reject", "reason": "already_done"}
    moved = {"from": "wait_pack_approval", "to": "canceled", "result": "ok"}
    before = [
        await stage.metric("session_resolve_total", **found),
        await stage.metric("session_resolve_total", **refused),
        await stage.metric("session_transition_total", **moved),
    ]
    session = await stage.put(ann, "wait_pack_approval")
    for _ in range(3):
        await stage.answered(ann, f"pack.cancel:{session.id}:7")
    after = [
        await stage.metric("session_resolve_total", **found),
        await stage.metric("session_resolve_total", **refused),
        await stage.metric("session_transition_total", **moved),
    ]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2, 1]


@pytest.mark.req("S0-12", "C0-8")
async def test_an_idle_session_is_found_by_nobody_any_more(stage: Stage) -> None:
    """A bare button finds none, and a new one begins beside it; its own buttons hear that it has expired."""
    ann = await stage.person()
    idle = await stage.put(ann, "wait_pack_approval", lives_s=-1)
    assert (await stage.answered(ann, "pack.cancel"))["text"] == TEXTS["en"]["not_found"]  # type: ignore[index]
    assert (await stage.answered(ann, f"pack.cancel:{idle.id}:7"))["text"] == TEXTS["en"]["expired"]  # type: ignore[index]
    fresh = await stage.begins(ann, "pack")
    assert await stage.where(fresh.id) == ("wait_pack_carousel", 1)
    assert await stage.session(idle.id) == idle


@pytest.mark.req("C0-8", "S0-50")
@pytest.mark.parametrize("data", ["never.heard.of:0000000000:1", "never.heard.of:0000000000", "noop:0000000000:1"])
async def test_a_button_of_a_flow_that_is_gone_is_outdated(stage: Stage, data: str) -> None:
    """The flow was taken out of the bot: its old buttons say so, and go away."""
    ann = await stage.person()
    answer = await stage.answered(ann, data)
    assert answer == {"text": TEXTS["en"]["not_found"], "show_alert": True, "url": ""}  # type: ignore[index]
    await stage.idle()
    assert await keyboards(ann.chat) == {}


@pytest.mark.parametrize("data", ["hello", "never.heard.of", "order:item:4", ":", "a=b"])
async def test_a_button_that_is_not_ours_is_just_answered(stage: Stage, data: str) -> None:
    """The person's client stops waiting; nothing is rejected, and nothing is said."""
    ann = await stage.person()
    before = len(await stage.nobodys())
    assert await stage.answered(ann, data) == {"text": "", "show_alert": False, "url": ""}
    assert len(await stage.nobodys()) == before


@pytest.mark.req("C0-10", "C0-12")
async def test_a_reject_speaks_the_persons_language(stage: Stage) -> None:
    """Russian for who speaks Russian; the bot's own words are its own affair."""
    ivan = await stage.town.person("Ivan", language_code="ru", talks_to=ALPHA)
    await ivan.says("/credits 1")
    await ivan.chat.shows("credits 1")
    session = await stage.put(ivan, "wait_pack_approval")
    answer = await stage.answered(ivan, f"pack.approve:{session.id}:3")
    assert answer["text"] == TEXTS["ru"]["stale_rev"]  # type: ignore[index]


@pytest.mark.req("S0-24", "S0-26", "C0-1")
async def test_presses_of_one_person_are_worked_on_in_their_order(stage: Stage) -> None:
    """Twenty presses at once, each of the button that was in sight: the first moves, the others find what it left."""
    ann = await stage.person(credits=10)
    session = await stage.put(ann, "wait_pack_approval")
    stage.studio.hold(session.id)
    await stage.slow_screen(ann)
    clicks = [await ann.presses(name) for name in ("pack.regenerate", "pack.cancel", "pack.approve") * 7]
    answers = [(await click.answer())["text"] for click in clicks]
    assert answers[0] == ""
    assert set(answers[1:]) == {TEXTS["en"]["stale_rev"]}  # type: ignore[index]
    assert await stage.where(session.id) == ("generating_pack_preview", 8)
    assert await stage.credits(ann) == (10, 9, [("pack.preview", 1)])
    stage.studio.release(session.id)
    await stage.comes_to(session.id, "wait_pack_approval")
