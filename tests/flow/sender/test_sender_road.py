"""The sender between an honest outbox and a simulated Telegram over real HTTP."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from sender_stage import BOT, TOKEN, ScriptedGateway, WatchedOutbox, call, road, say
from structlog.testing import capture_logs

from posthouse.adapters.blobs.folder import FolderBlobs
from posthouse.adapters.http.bot_api import BotApiGateway
from posthouse.core.effects import Priority, WhenUncertain
from posthouse.core.errors import Refused, Unreachable
from posthouse.core.retry import RetryPolicy
from posthouse.programs.actions import Actions, File
from posthouse.runtime.sender import SendingBot
from posthouse.runtime.stow import Stow
from posthouse.telegram.files import blob_field
from posthouse.testing.clock import ManualClock
from posthouse.testing.contracts.examples import UNLIMITED
from posthouse.testing.contracts.model import ModelStore
from posthouse.testing.town import Person, Town

URL = "https://example.com/"
UNPACED = {BOT: SendingBot("bot", TOKEN, UNLIMITED)}


@pytest.mark.req("S1-47", "S2-66", "E2-13")
async def test_a_delivery_reaches_the_person(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """What is in the outbox arrives in the chat, is settled as sent, counted, and logged with its trace."""
    with capture_logs() as logs:
        async with road(gateway, outbox, clock) as way:
            await way.post(say("Hello, Ann", ann.id, trace="4242:77"))
            await ann.chat_with(TOKEN).shows("Hello, Ann")
            (end,) = await way.ended(1)
            assert end.sent
            assert way.counted("deliveries", bot="bot", outcome="sent") == 1
            await way.stopped()
    (line,) = [line for line in logs if line["event"] == "delivery.sent"]
    assert (line["trace"], line["bot"], line["method"], line["attempts"]) == (
        "4242:77",
        "bot",
        "sendMessage",
        1,
    )
    assert TOKEN not in str(logs)


async def test_a_chat_is_served_in_order(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """Fifty messages to one chat arrive as they were written."""
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(*(say(str(number), ann.id) for number in range(50)))
        await way.ended(50)
        messages = await ann.chat_with(TOKEN).messages()
        assert [m.text for m in messages if m.from_bot] == [str(number) for number in range(50)]


@pytest.mark.req("S1-47", "C1-13", "S3-46")
async def test_a_chat_rests_between_messages(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A private chat gets its burst at once, then one message a second; another chat does not wait."""
    async with road(scripted, outbox, clock) as way:
        await way.post(*(say(str(number), 7) for number in range(5)), say("other", 8))
        ends = await way.ended(4)
        assert sorted(end.pace_s for end in ends) == [0, 0, 0, 1]
        assert [body["text"] for _, body in scripted.calls if body["chat_id"] == 7] == ["0", "1", "2"]
        clock.advance(0.9)
        await _rest(clock)
        assert len(scripted.calls) == 4
        clock.advance(0.2)
        await way.ended(5)
        assert scripted.calls[-1][1]["text"] == "3"


@pytest.mark.req("E1-12", "C1-19", "S1-50", "S1-63")
async def test_a_429_closes_its_chat_until_then(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """After a 429 nothing goes to the chat before `retry_after`; order is kept, and no other chat waits."""
    bob = await town.person("Bob")
    await bob.starts(TOKEN)
    await town.fault("429", chat=ann.id, retry_after_s=7)
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(say("one", ann.id), say("two", ann.id), say("hi", bob.id))
        ends = await way.ended(2)
        assert {end.lease.chat: (end.sent, end.delay_s, end.counted) for end in ends} == {
            ann.id: (False, 7.0, False),
            bob.id: (True, None, True),
        }
        assert way.counted("delivery_throttled", bot="bot", scope="chat") == 1
        assert outbox.pauses == []
        clock.advance(6.9)
        await _rest(clock)
        assert len(await town.calls("sendMessage")) == 2
        clock.advance(0.2)
        ends = await way.ended(4)
        assert [end.lease.attempts for end in ends[2:]] == [1, 1]
        messages = await ann.chat_with(TOKEN).messages()
        assert [m.text for m in messages if m.from_bot] == ["one", "two"]


@pytest.mark.req("S3-46", "C1-19")
async def test_429s_in_several_chats_close_the_bot(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """When several chats of a bot are refused together, the whole bot waits, and it is told so once."""
    scripted.script = [Refused("sendMessage", 429, "Too Many Requests: retry after 30", retry_after_s=30.0)] * 5
    async with road(scripted, outbox, clock) as way:
        await way.post(*(say("x", chat) for chat in range(1, 6)))
        await way.ended(5)
        assert outbox.pauses == [(BOT, None, 30.0)]
        assert way.counted("delivery_throttled", bot="bot", scope="bot") == 3
        await way.post(say("y", 9))
        clock.advance(29)
        await _rest(clock)
        assert len(scripted.calls) == 5
        clock.advance(2)
        ends = await way.ended(11)
        assert all(end.sent for end in ends[5:])


@pytest.mark.req("S3-47", "C1-19")
async def test_a_blocked_bot_gives_up_that_delivery(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A person who blocked the bot gets nothing; the delivery is a dead letter that says why."""
    await ann.blocks(TOKEN)
    with capture_logs() as logs:
        async with road(gateway, outbox, clock) as way:
            await way.post(say("Are you there?", ann.id))
            await way.ended(1)
            assert outbox.dead() == [("blocked", "403 Forbidden: bot was blocked by the user")]
            assert way.counted("dead_letters", bot="bot", what="delivery", reason="blocked") == 1
    assert "delivery.parked" in [line["event"] for line in logs]


async def test_a_migrated_chat_is_followed(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """Deliveries for a group that became a supergroup arrive there, in their order."""
    group = await town.group("Crew", people=[ann], bots=[TOKEN])
    supergroup = await group.migrates(by=ann)
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(say("one", group.id), say("two", group.id))
        first, *rest = await way.ended(3)
        assert (first.migrated_to, first.delay_s) == (supergroup.id, 0.0)
        assert [end.sent for end in rest] == [True, True]
        texts = [m.text for m in await supergroup.messages() if m.from_bot]
        assert texts == ["one", "two"]


async def test_not_modified_is_success(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """An edit that changes nothing has what it wanted."""
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(
            say("same", ann.id, handle="card"),
            call("editMessageText", ann.id, {"chat_id": ann.id, "posthouse_handle": "card", "text": "same"}),
        )
        ends = await way.ended(2)
        assert [end.sent for end in ends] == [True, True]
        (edit,) = await town.calls("editMessageText")
        assert edit.status == 400


async def test_a_late_answer_is_dropped(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """An answer to a query that Telegram no longer knows is forgotten quietly: no retry, no dead letter."""
    late = call("answerCallbackQuery", ann.id, {"callback_query_id": "1"}, priority=Priority.ANSWER)
    async with road(gateway, outbox, clock) as way:
        await way.post(late)
        (end,) = await way.ended(1)
        assert (end.sent, end.delay_s, end.reason) == (False, None, None)
        assert outbox.dead() == []
        assert way.counted("deliveries", bot="bot", outcome="dropped") == 1


@pytest.mark.parametrize("fault", ["effect_then_drop", "effect_then_500", "malformed"])
@pytest.mark.parametrize(
    ("policy", "seen", "reason"),
    [(WhenUncertain.RESEND, 2, None), (WhenUncertain.DROP, 1, None), (WhenUncertain.PARK, 1, "uncertain")],
)
async def test_an_unknown_outcome_follows_the_policy(
    town: Town,
    ann: Person,
    gateway: BotApiGateway,
    outbox: WatchedOutbox,
    clock: ManualClock,
    fault: str,
    policy: WhenUncertain,
    seen: int,
    reason: str | None,
) -> None:
    """A message whose answer got lost has arrived: resending shows it twice, dropping and parking once."""
    await town.fault(fault, method="sendMessage")
    async with road(gateway, outbox, clock) as way:
        await way.post(say("Paid", ann.id, when_uncertain=policy))
        (end,) = await way.ended(1)
        if policy == WhenUncertain.RESEND:
            assert end.unknown
            clock.advance(2)
            await way.ended(2)
        messages = await ann.chat_with(TOKEN).messages()
        assert [m.text for m in messages if m.from_bot] == ["Paid"] * seen
        assert [letter for letter, _ in outbox.dead()] == ([reason] if reason else [])


async def test_an_idempotent_call_is_repeated_whatever_the_policy(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """An edit whose answer got lost is done again: nobody can see the difference."""
    await town.fault("effect_then_drop", method="editMessageText")
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        change = {"chat_id": ann.id, "posthouse_handle": "card", "text": "new"}
        await way.post(
            say("old", ann.id, handle="card"),
            call("editMessageText", ann.id, change, when_uncertain=WhenUncertain.DROP),
        )
        await way.ended(2)
        clock.advance(2)
        ends = await way.ended(3)
        assert [(end.sent, end.unknown) for end in ends] == [(True, False), (False, True), (True, False)]
        await ann.chat_with(TOKEN).shows("new")


async def test_after_the_last_attempt_an_uncertain_delivery_is_a_dead_letter(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A delivery that never gets an answer is given up when its attempts are used up."""
    await town.fault("500", count=None)
    policy = RetryPolicy(attempts_max=3, base_s=1.0, cap_s=1.0)
    async with road(gateway, outbox, clock, retry=policy) as way:
        await way.post(say("x", ann.id))
        for attempt in (1, 2):
            await way.ended(attempt)
            clock.advance(1.1)
        ends = await way.ended(3)
        assert [end.lease.attempts for end in ends] == [1, 2, 3]
        assert outbox.dead() == [("exhausted", "500 Internal Server Error")]


@pytest.mark.parametrize(
    ("policy", "calls", "reason"),
    [(WhenUncertain.RESEND, 1, None), (WhenUncertain.DROP, 0, None), (WhenUncertain.PARK, 0, "uncertain")],
)
async def test_after_a_crash_the_policy_decides_first(
    scripted: ScriptedGateway,
    outbox: WatchedOutbox,
    clock: ManualClock,
    policy: WhenUncertain,
    calls: int,
    reason: str | None,
) -> None:
    """A delivery that was being sent when the process died is not sent again unless that was wanted."""
    await outbox.post([say("x", 7, when_uncertain=policy)])
    assert len(await outbox.claim(1)) == 1  # and the process dies
    outbox.store.abandon()
    outbox.store.model.crashed(clock.now())
    survivor = WatchedOutbox(ModelStore(clock, outbox.store.model))
    async with road(scripted, survivor, clock) as way:
        await way.ended(1)
        assert len(scripted.calls) == calls
        assert [letter for letter, _ in survivor.dead()] == ([reason] if reason else [])


async def test_a_revoked_token_stops_its_bot_and_loses_nothing(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A 401 pauses the bot and calls an operator; its deliveries wait, and no attempt is counted."""
    await town.fault("401")
    with capture_logs() as logs:
        async with road(gateway, outbox, clock) as way:
            await way.post(say("x", ann.id))
            (end,) = await way.ended(1)
            assert (end.delay_s, end.counted) == (300.0, False)
            assert outbox.pauses == [(BOT, None, 300.0)]
            clock.advance(301)
            _, end = await way.ended(2)
            assert (end.sent, end.lease.attempts) == (True, 1)
    (line,) = [line for line in logs if line["event"] == "bot.refused"]
    assert line["log_level"] == "critical"
    assert TOKEN not in str(logs)


async def test_while_telegram_is_away_one_delivery_is_tried_at_a_time(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """No connection means nothing was sent: the outbox waits behind single probes and loses no attempt."""
    away = Unreachable("sendMessage", "no connection", sent=False)
    scripted.script = [away] * 6
    async with road(scripted, outbox, clock, concurrency=4) as way:
        await way.post(*(say("x", chat) for chat in range(40)))
        await way.ended(4)
        for probe in (5, 6):
            await _rest(clock)
            assert len(scripted.calls) == probe - 1
            clock.advance(20)
            await way.ended(probe)
        await _rest(clock)
        clock.advance(20)
        await way.ended(7)
        clock.advance(20)
        ends = await way.ended(46)
        assert sum(end.sent for end in ends) == 40
        assert max(end.lease.attempts for end in ends) == 1
        assert outbox.dead() == []


@pytest.mark.req("S1-47")
async def test_a_handle_finds_its_message_later(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A message is edited by its handle, in the same turn and long after."""
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(say("working", ann.id, handle="status"))
        for count, text in enumerate(("half", "done"), start=2):
            change = {"chat_id": ann.id, "posthouse_handle": "status", "text": text}
            await way.post(call("editMessageText", ann.id, change))
            await way.ended(count)
        (message,) = [m for m in await ann.chat_with(TOKEN).messages() if m.from_bot]
        assert message.text == "done"


async def test_an_unknown_handle_is_a_dead_letter(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A change to a message that was never sent says so, and Telegram is not asked."""
    async with road(scripted, outbox, clock) as way:
        change = {"chat_id": 7, "posthouse_handle": "status", "text": "x"}
        await way.post(call("editMessageText", 7, change))
        await way.ended(1)
        ((reason, error),) = outbox.dead()
        assert reason == "handle_unknown"
        assert "'status'" in error
        assert scripted.calls == []


@pytest.mark.req("C0-6")
@pytest.mark.parametrize("named", ["by its id", "by its handle"])
async def test_what_cannot_be_edited_is_sent_anew_once(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock, named: str
) -> None:
    """An edit finds its message deleted: what it would have shown is sent, and later edits change that message."""
    chat = ann.chat_with(TOKEN)
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(say("menu", ann.id, handle="menu"))
        await way.ended(1)
        shown = await chat.shows("menu")
        await ann.deletes(shown)
        actions = Actions(BOT, ann.id, ann.id, cause=1, trace="4242:1")
        message = shown.id if named == "by its id" else "menu"
        for count, text in enumerate(("sold out", "sold out, sorry", "back again"), start=2):
            actions.edit(message, text, or_send=True, reply_markup={"inline_keyboard": [[{"text": "A", "url": URL}]]})
            await way.post(actions.effects.deliveries.pop())
            end = (await way.ended(count))[-1]
            assert end.sent
            (left,) = [m for m in await chat.messages() if m.from_bot and not m.deleted]
            assert (left.text, left.button_texts) == (text, ["A"])
            if text == "sold out, sorry":
                await ann.deletes(left)  # and once more
        assert outbox.dead() == []


@pytest.mark.req("C0-6")
async def test_a_photo_that_is_gone_is_sent_anew(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock, blobs: FolderBlobs
) -> None:
    """Its file and its caption come along."""
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    chat = ann.chat_with(TOKEN)
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(say("menu", ann.id))
        await way.ended(1)
        shown = await chat.shows("menu")
        await ann.deletes(shown)
        actions = Actions(BOT, ann.id, ann.id, cause=1, trace="4242:1")
        actions.edit_photo(shown.id, File(picture.getvalue(), "a.png"), caption="a picture", or_send=True)
        await Stow(blobs)(actions)
        await way.post(*actions.effects.deliveries)
        await way.ended(2)
        (left,) = [m for m in await chat.messages() if m.from_bot and not m.deleted]
        assert left.media is not None
        assert (left.media.kind, left.text) == ("photo", "a picture")


@pytest.mark.req("C0-6")
async def test_an_edit_that_was_never_sent_is_sent(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A handle under which nothing has arrived: Telegram is asked for a new message at once."""
    actions = Actions(BOT, 7, 7, cause=1, trace="4242:1")
    actions.edit("menu", "sold out", or_send=True, thread_id=5)
    async with road(scripted, outbox, clock) as way:
        await way.post(*actions.effects.deliveries)
        (end,) = await way.ended(1)
        assert end.sent
    ((method, parameters),) = scripted.calls
    assert method == "sendMessage"
    assert parameters == {"chat_id": 7, "message_thread_id": 5, "text": "sold out"}


@pytest.mark.req("C0-6")
async def test_a_new_message_that_is_refused_leaves_the_edit_as_the_dead_letter(
    town: Town, ann: Person, gateway: BotApiGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """So that a replay tries the edit first."""
    async with road(gateway, outbox, clock, bots=UNPACED) as way:
        await way.post(say("menu", ann.id))
        await way.ended(1)
        shown = await ann.chat_with(TOKEN).shows("menu")
        await ann.deletes(shown)
        actions = Actions(BOT, ann.id, ann.id, cause=1, trace="4242:1")
        actions.edit(shown.id, "sold out", or_send=True, reply_markup={"inline_keyboard": [[{"text": "A"}]]})
        await way.post(*actions.effects.deliveries)
        end = (await way.ended(2))[1]
        assert (end.lease.method, end.reason) == ("editMessageText", "refused")


@pytest.mark.req("C0-6")
async def test_a_new_message_of_unknown_fate_is_tried_again_from_the_edit(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """Whether it arrived nobody knows: the policy of the delivery decides, as for every send."""
    gone = Refused("editMessageText", 400, "Bad Request: message to edit not found")
    lost = Unreachable("sendMessage", "no answer within 25 s", sent=True)
    scripted.script = [gone, lost, gone]
    actions = Actions(BOT, 7, 7, cause=1, trace="4242:1")
    actions.edit(9, "sold out", or_send=True)
    async with road(scripted, outbox, clock) as way:
        await way.post(*actions.effects.deliveries)
        (first,) = await way.ended(1)
        assert (first.unknown, first.lease.method) == (True, "editMessageText")
        assert first.delay_s is not None
        clock.advance(first.delay_s + 1)
        assert (await way.ended(2))[1].sent
        assert [method for method, _ in scripted.calls] == ["editMessageText", "sendMessage"] * 2
        assert outbox.dead() == []


async def test_a_document_arrives_whole(
    town: Town,
    ann: Person,
    gateway: BotApiGateway,
    blobs: FolderBlobs,
    outbox: WatchedOutbox,
    clock: ManualClock,
) -> None:
    """A stored file is uploaded under its name with the rest of the parameters."""
    key = await blobs.put(b"%PDF" + bytes(100_000))
    async with road(gateway, outbox, clock) as way:
        parameters = {"chat_id": ann.id, "document": blob_field(key, "Отчёт.pdf"), "caption": "July"}
        await way.post(call("sendDocument", ann.id, parameters))
        (end,) = await way.ended(1)
        assert end.sent
        message = await ann.chat_with(TOKEN).shows("July")
        assert message.media is not None
        assert (message.media.kind, message.media.file_name) == ("document", "Отчёт.pdf")
        assert message.media.size_bytes == 100_004


async def test_a_stop_finishes_what_is_in_flight(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """After `stop` nothing more is claimed; what is being sent is awaited and settled; then `run` returns."""
    gate = asyncio.Event()

    async def slow() -> Any:
        await gate.wait()
        return {"message_id": 1}

    scripted.script = [slow, slow]
    async with road(scripted, outbox, clock) as way:
        await way.post(say("a", 1), say("b", 2))
        await scripted.was_called(2)
        way.sender.stop()
        await way.post(say("c", 3))
        gate.set()
        await way.stopped()
        assert [end.sent for end in outbox.ends] == [True, True]
        assert len(outbox.store.model.outbox) == 1


async def test_a_stop_gives_back_what_was_just_claimed(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """Deliveries that a claim brings while the stop comes are neither sent nor charged with an attempt."""
    asked, gate, claim = asyncio.Event(), asyncio.Event(), outbox.inner.claim

    async def slow_claim(limit: int) -> Any:
        asked.set()
        await gate.wait()
        return await claim(limit)

    outbox.inner.claim = slow_claim  # type: ignore[method-assign]  # the store takes its time
    async with road(scripted, outbox, clock) as way:
        await way.post(say("a", 1))
        await asked.wait()
        way.sender.stop()
        gate.set()
        await way.stopped()
        assert scripted.calls == []
        (waiting,) = outbox.store.model.outbox.values()
        assert (waiting.attempts, waiting.unknown, waiting.held) == (0, False, None)


async def test_a_stop_does_not_wait_for_ever(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A call that outlives the stop's deadline is given up, and settled as what it is: an unknown outcome."""

    async def never() -> Any:
        await asyncio.Event().wait()

    scripted.script = [never, never]
    async with road(scripted, outbox, clock, stop_s=20) as way:
        await way.post(say("a", 1), say("b", 2, when_uncertain=WhenUncertain.PARK))
        await scripted.was_called(2)
        way.sender.stop()
        await _rest(clock)
        clock.advance(20)
        await way.stopped()
        again, parked = sorted(outbox.ends, key=lambda end: end.lease.chat)
        assert (again.unknown, again.delay_s is not None) == (True, True)
        assert parked.reason == "uncertain"


async def test_a_store_that_is_away_delays_the_settlement(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """What was sent is settled as soon as the store is back, and is not sent again."""
    outbox.away = 3
    async with road(scripted, outbox, clock) as way:
        await way.post(say("a", 1))
        await scripted.was_called(1)
        for _ in range(3):
            await _rest(clock)
            clock.advance(30)
        await way.ended(1)
        assert len(scripted.calls) == 1
        assert outbox.ends[0].sent


async def test_a_lost_lease_is_counted(scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock) -> None:
    """A settlement that comes too late changes nothing and shows in the metrics."""

    async def steal() -> Any:
        for delivery in outbox.store.model.outbox.values():
            delivery.held = None
            delivery.due_at = clock.now() + 1000
        return {"message_id": 1}

    scripted.script = [steal]
    async with road(scripted, outbox, clock) as way:
        await way.post(say("a", 1))
        await way.ended(1)
        await way.stopped()
        assert way.counted("finish_stale", what="delivery") == 1


async def test_a_fault_of_ours_is_an_unknown_outcome(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """An unforeseen error neither loses the delivery nor stops the sender, and does not show the token."""
    scripted.script = [RuntimeError(f"https://api.telegram.org/bot{TOKEN}/sendMessage broke")]
    with capture_logs() as logs:
        async with road(scripted, outbox, clock) as way:
            await way.post(say("a", 1))
            (end,) = await way.ended(1)
            assert end.unknown
            assert TOKEN not in end.error
    assert TOKEN not in str(logs)
    assert "delivery.faulted" in [line["event"] for line in logs]


async def test_a_delivery_of_an_unknown_bot_waits(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """A sender that was not given a bot leaves its deliveries to one that was."""
    async with road(scripted, outbox, clock) as way:
        await way.post(say("a", 1, bot_id=99))
        (end,) = await way.ended(1)
        assert (end.counted, end.reason, outbox.pauses[0][0]) == (False, None, 99)
        assert scripted.calls == []


async def test_batches_form_while_the_store_writes(
    scripted: ScriptedGateway, outbox: WatchedOutbox, clock: ManualClock
) -> None:
    """What finishes during one settlement is settled together in the next."""
    gate = asyncio.Event()
    settle = outbox.inner.settle

    async def slow_settle(batch: Any) -> list[bool]:
        if len(outbox.batches) == 0:
            await gate.wait()
        return await settle(batch)

    outbox.inner.settle = slow_settle  # type: ignore[method-assign]  # the store takes its time
    async with road(scripted, outbox, clock) as way:
        await way.post(say("first", 1))
        await scripted.was_called(1)
        await way.post(*(say("x", chat) for chat in range(2, 30)))
        await scripted.was_called(29)
        gate.set()
        await way.ended(29)
        assert outbox.batches[:2] == [1, 28]


async def _rest(clock: ManualClock) -> None:
    """Let everybody act until all wait for the clock or the network."""
    for _ in range(20):
        await asyncio.sleep(0)
