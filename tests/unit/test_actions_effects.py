"""What handlers ask for, byte for byte: `Actions`, and what `Turn` and `Job` add."""

from __future__ import annotations

import datetime
import json
import time
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from posthouse.core.effects import Effects, Outgoing, Priority, StateWrite, WhenUncertain
from posthouse.core.entries import Entry, Event, entry_id_of_timer
from posthouse.core.errors import AuthorError
from posthouse.core.leases import JobLease
from posthouse.programs.actions import Actions
from posthouse.programs.app import App
from posthouse.programs.job import Job, job_arguments
from posthouse.programs.turn import Turn

BOT, CHAT = 42, 4001


def actions(chat_id: int | None = CHAT) -> Actions:
    return Actions(BOT, CHAT, chat_id, cause=7, trace="42:7")


def only(found: Actions) -> Outgoing:
    [delivery] = found.effects.deliveries
    return delivery


def sent(found: Actions) -> tuple[str, Any]:
    delivery = only(found)
    return delivery.method, json.loads(delivery.payload)


# -- say, edit, delete ---------------------------------------------------------------------------------------


def test_say_is_one_delivery() -> None:
    """The payload is the call's JSON, and nothing else; the delivery knows its bot, chat, cause and trace."""
    act = actions()
    act.say("привет", parse_mode="HTML", handle="status", when_uncertain=WhenUncertain.PARK)
    assert only(act) == Outgoing(
        BOT,
        CHAT,
        "sendMessage",
        '{"chat_id":4001,"text":"привет","parse_mode":"HTML"}'.encode(),
        Priority.REPLY,
        "park",
        "status",
        7,
        "42:7",
    )


def test_a_keyboard_is_plain_data_or_an_aiogram_object() -> None:
    """Both give the same bytes."""
    from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

    plain, typed = actions(), actions()
    plain.say("x", reply_markup={"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]})
    rows = [[InlineKeyboardButton(text="Go", callback_data="go")]]
    typed.say("x", reply_markup=InlineKeyboardMarkup(inline_keyboard=rows))
    assert only(plain).payload == only(typed).payload


def test_another_chat_is_another_outbound_lane() -> None:
    """A message to another chat leaves in that chat's order; a channel by name has a stable lane of its
    own."""
    act = actions()
    for chat in (-100123, "-100123", "@Channel", "@channel"):
        act.say("x", chat_id=chat)
    lanes = [delivery.chat for delivery in act.effects.deliveries]
    assert lanes[:2] == [-100123, -100123]
    assert lanes[2] == lanes[3] < -(2**50)


def test_an_empty_text_and_a_missing_chat_fail_at_once() -> None:
    """The author hears of it in the handler and not from Telegram."""
    with pytest.raises(AuthorError, match="needs a text"):
        actions().say("")
    with pytest.raises(AuthorError, match="no chat"):
        actions(None).say("x")
    with pytest.raises(AuthorError, match="chat_id"):
        actions(None).edit("status", "x")
    with pytest.raises(AuthorError, match="object cannot be written as JSON"):
        actions().say("x", reply_markup=object())


def test_edit_and_delete_by_handle_or_id() -> None:
    """A handle travels as `posthouse_handle` for the sender to resolve; an id goes as it is."""
    for message, field in (("status", "posthouse_handle"), (17, "message_id")):
        act = actions()
        act.edit(message, "new", reply_markup={"inline_keyboard": []})
        assert sent(act) == (
            "editMessageText",
            {"chat_id": CHAT, field: message, "text": "new", "reply_markup": {"inline_keyboard": []}},
        )
        act = actions()
        act.delete(message, chat_id=5)
        assert sent(act) == ("deleteMessage", {"chat_id": 5, field: message})
        assert only(act).chat == 5


# -- document ------------------------------------------------------------------------------------------------


def test_a_document_of_bytes_waits_to_be_stowed() -> None:
    """Bytes and paths become uploads with a file name; the delivery names the file until it is stowed."""
    act = actions()
    act.document(b"%PDF", filename="a.pdf", caption="report", handle="doc")
    act.document(Path("/tmp/photo.png"))
    act.document(b"x")
    assert act.uploads is not None
    assert [(upload.path, upload.source) for upload in act.uploads] == [
        (("document",), b"%PDF"),
        (("document",), Path("/tmp/photo.png")),
        (("document",), b"x"),
    ]
    assert [json.loads(upload.delivery.payload)["document"] for upload in act.uploads] == [
        "a.pdf",
        "photo.png",
        "document",
    ]
    first = act.effects.deliveries[0]
    assert first is act.uploads[0].delivery
    assert (first.method, first.handle) == ("sendDocument", "doc")
    assert json.loads(first.payload) == {"chat_id": CHAT, "caption": "report", "document": "a.pdf"}


def test_a_document_by_id_needs_no_upload() -> None:
    """A string is a `file_id` or URL that Telegram knows."""
    act = actions()
    act.document("BQACAgI", protect_content=True)
    assert sent(act) == ("sendDocument", {"chat_id": CHAT, "protect_content": True, "document": "BQACAgI"})
    assert act.uploads is None


# -- call ----------------------------------------------------------------------------------------------------


def test_a_call_by_name() -> None:
    """A `send…` call gets the chat of the turn; answers have their priority; parameters pass as they are."""
    act = actions()
    act.call("sendDice", emoji="🎲")
    assert sent(act) == ("sendDice", {"emoji": "🎲", "chat_id": CHAT})
    act = actions()
    act.call("answerInlineQuery", inline_query_id="5", results=[])
    assert only(act).priority == Priority.ANSWER
    assert only(act).chat == CHAT
    act = actions()
    act.call("sendMessage", chat_id=9, text="x", priority=Priority.BROADCAST)
    assert (only(act).priority, only(act).chat) == (Priority.BROADCAST, 9)


def test_a_call_by_aiogram_method_keeps_its_discriminators() -> None:
    """What was left out is left out, but the `type` that an object is born with is sent: Telegram needs
    it."""
    from aiogram.methods import SendMediaGroup, SendMessage, SetMessageReaction
    from aiogram.types import InputMediaPhoto, LinkPreviewOptions, ReactionTypeEmoji

    act = actions()
    act.call(SendMediaGroup(chat_id=CHAT, media=[InputMediaPhoto(media="id")]))
    assert sent(act) == ("sendMediaGroup", {"chat_id": CHAT, "media": [{"type": "photo", "media": "id"}]})
    act = actions()
    act.call(SetMessageReaction(chat_id=CHAT, message_id=1, reaction=[ReactionTypeEmoji(emoji="👍")]))
    assert sent(act)[1]["reaction"] == [{"type": "emoji", "emoji": "👍"}]
    act = actions()
    act.call(SendMessage(chat_id=CHAT, text="x", link_preview_options=LinkPreviewOptions(is_disabled=True)))
    assert sent(act)[1] == {"chat_id": CHAT, "text": "x", "link_preview_options": {"is_disabled": True}}


def test_moments_are_epoch_seconds() -> None:
    """The Bot API wants unix times: a datetime is one, a timedelta counts from now."""
    from aiogram.methods import BanChatMember

    moment = datetime.datetime(2026, 1, 1, tzinfo=UTC)
    act = actions()
    act.call(BanChatMember(chat_id=CHAT, user_id=6, until_date=moment))
    assert sent(act)[1]["until_date"] == 1_767_225_600
    act = actions()
    act.call("banChatMember", chat_id=CHAT, user_id=6, until_date=timedelta(days=1))
    assert abs(sent(act)[1]["until_date"] - time.time() - 86_400) < 100


def test_an_aiogram_file_is_refused_with_the_class() -> None:
    """A file that `call` cannot carry is an author's error, not a crash deep in pydantic."""
    from aiogram.methods import SendPhoto
    from aiogram.types import BufferedInputFile

    with pytest.raises(AuthorError, match="BufferedInputFile"):
        actions().call(SendPhoto(chat_id=CHAT, photo=BufferedInputFile(b"x", "x")))


# -- jobs, timers, state -------------------------------------------------------------------------------------


@pytest.mark.req("S1-44", "S1-46")
def test_enqueue_by_function_takes_the_declared_defaults() -> None:
    """A decorated function knows its task, queue and attempts; the request knows lane and trace."""
    app = App("a")

    @app.job(queue="gpu", attempts_max=2)
    def render(job: Job, *, size: int) -> None: ...

    act = actions()
    act.enqueue(render, size=3, notify=True, data={"card": 7}, unique_key="k", delay=timedelta(minutes=1), priority=0)
    [request] = act.effects.jobs
    assert (request.queue, request.task, request.args, request.attempts_max) == (
        "gpu",
        "render",
        b'{"size":3}',
        2,
    )
    assert (request.bot_id, request.lane, request.trace) == (BOT, CHAT, "42:7")
    assert (request.notify, request.data, request.unique_key) == (True, b'{"card":7}', "k")
    assert (request.delay_s, request.priority) == (60.0, 0)


def test_enqueue_by_name_and_its_refusals() -> None:
    """A name is taken as it is; what is no job, and a priority outside 0…3, are refused."""
    act = actions()
    act.enqueue("render", queue="gpu", attempts_max=9)
    [request] = act.effects.jobs
    assert (request.queue, request.attempts_max, request.args, request.data) == ("gpu", 9, b"{}", b"null")
    with pytest.raises(AuthorError, match=r"decorate it with @app\.job"):
        act.enqueue(print)
    for priority in (-1, 4):
        with pytest.raises(AuthorError, match=f"priority {priority} of job render is outside"):
            act.enqueue("render", priority=priority)
    with pytest.raises(AuthorError, match="object cannot be written"):
        act.enqueue("render", thing=object())


def test_a_timer_is_an_event_for_later() -> None:
    """`after` carries name and data as the entry's payload, with its cause; `cancel_timer` is the same key
    with none."""
    act = actions()
    act.after(timedelta(hours=1), "remind", data={"n": 1}, key="r")
    act.after(0.5, "again")
    act.cancel_timer("r")
    first, second, cancel = act.effects.timers
    assert msgspec.json.decode(first.payload or b"", type=Event) == Event("remind", msgspec.Raw(b'{"n":1}'), "42:7")
    assert (first.delay_s, first.key, first.lane) == (3600.0, "r", CHAT)
    assert (second.delay_s, second.key) == (0.5, None)
    assert (cancel.payload, cancel.key) == (None, "r")


def test_state_is_written_by_name() -> None:
    """A piece of state belongs to the lane, or to the lane given."""
    act = actions()
    act.write_state("flow", b"1")
    act.write_state("flow", None, lane=5)
    assert act.effects.states == [StateWrite(BOT, CHAT, "flow", b"1"), StateWrite(BOT, 5, "flow", None)]
    act.effects.clear()
    assert act.effects == Effects()
    assert not act.effects


# -- turn ----------------------------------------------------------------------------------------------------


def turn_of(body: Any, *, entry_id: int = 7, lane: int = CHAT, **fields: Any) -> Turn:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"reach": None, "states": {}} | fields
    return Turn(Entry(BOT, lane, entry_id, payload, 0.0), **fields)


MESSAGE: dict[str, Any] = {
    "update_id": 7,
    "message": {
        "message_id": 1,
        "date": 1,
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": CHAT, "is_bot": False, "first_name": "A", "language_code": "de-AT"},
        "caption": "look",
    },
}


def test_a_turn_speaks_to_its_chat() -> None:
    """The chat of a turn is its lane; a lane made from a hash is no chat."""
    turn = turn_of(MESSAGE)
    turn.say("hi")
    turn.edit("status", "hi")
    assert [delivery.chat for delivery in turn.effects.deliveries] == [CHAT, CHAT]
    assert (turn.trace, turn.cause, turn.kind, turn.text) == ("42:7", 7, "message", "look")
    with pytest.raises(AuthorError, match="no chat"):
        turn_of({"update_id": 7, "poll": {"id": "5"}}, lane=-(2**51) - 5).say("hi")


def test_the_session_is_written_only_when_it_changed() -> None:
    """Reading writes nothing, a change writes once, an emptied session is deleted."""
    raw = b'{"step":1}'
    turn = turn_of(MESSAGE, states={"": raw})
    assert turn.session == {"step": 1}
    turn.pack_session()
    assert turn.effects.states == []
    turn.session["step"] = 2
    turn.pack_session()
    assert [write.data for write in turn.effects.states] == [b'{"step":2}']
    turn = turn_of(MESSAGE, states={"": raw})
    turn.session = {}
    turn.pack_session()
    assert [write.data for write in turn.effects.states] == [None]
    turn = turn_of(MESSAGE)
    turn.pack_session()
    assert turn.session == {}
    turn.pack_session()
    assert turn.effects.states == []


@pytest.mark.req("B-6")
@pytest.mark.parametrize(
    ("update", "arguments", "method", "body"),
    [
        ({"callback_query": {"id": "9"}}, {}, "answerCallbackQuery", {"callback_query_id": "9"}),
        (
            {"callback_query": {"id": "9"}},
            {"text": "No", "show_alert": True},
            "answerCallbackQuery",
            {"callback_query_id": "9", "text": "No", "show_alert": True},
        ),
        (
            {"pre_checkout_query": {"id": "9"}},
            {"text": "sold out", "ok": False},
            "answerPreCheckoutQuery",
            {"pre_checkout_query_id": "9", "ok": False, "error_message": "sold out"},
        ),
        (
            {"pre_checkout_query": {"id": "9"}},
            {},
            "answerPreCheckoutQuery",
            {"pre_checkout_query_id": "9", "ok": True},
        ),
        (
            {"shipping_query": {"id": "9"}},
            {"shipping_options": []},
            "answerShippingQuery",
            {"shipping_query_id": "9", "ok": True, "shipping_options": []},
        ),
        (
            {"inline_query": {"id": "9"}},
            {"results": []},
            "answerInlineQuery",
            {"inline_query_id": "9", "results": []},
        ),
    ],
)
def test_answer_fits_the_query(update: Any, arguments: Any, method: str, body: Any) -> None:
    """Each query is answered by its own method, with the priority of answers."""
    turn = turn_of({"update_id": 7} | update)
    turn.answer(**arguments)
    assert sent(turn) == (method, body)
    assert only(turn).priority == Priority.ANSWER


def test_only_queries_can_be_answered() -> None:
    """Answering a message is the author's mistake."""
    with pytest.raises(AuthorError, match="kind message is not a query"):
        turn_of(MESSAGE).answer()


def test_texts_speak_the_persons_language() -> None:
    """`t` takes the person's language, else the app's first, else the key; values are filled in."""
    texts = {"en": {"hi": "Hello {name}", "bye": "Bye"}, "de": {"hi": "Hallo {name}"}}
    turn = turn_of(MESSAGE, texts=texts)
    assert turn.t("hi", name="A") == "Hallo A"
    assert turn.t("bye") == "Bye"
    assert turn.t("nope") == "nope"
    assert turn_of(MESSAGE).t("hi") == "hi"
    event = msgspec.json.encode(Event("remind", msgspec.Raw(b'{"from":"Berlin"}')))
    assert turn_of(event, entry_id=entry_id_of_timer(1), texts=texts).t("bye") == "Bye"


def test_an_event_has_no_person() -> None:
    """What an author put into a timer is never taken for a person."""
    event = msgspec.json.encode(Event("remind", msgspec.Raw(b'{"from":{"id":1}}')))
    turn = turn_of(event, entry_id=entry_id_of_timer(1))
    assert (turn.person, turn.kind, turn.event) == ({}, "event", ("remind", {"from": {"id": 1}}))


@pytest.mark.parametrize(
    ("update", "person"),
    [
        ({"poll_answer": {"poll_id": "1", "user": {"id": 3}}}, 3),
        ({"message_reaction": {"chat": {"id": 1}, "user": {"id": 4}}}, 4),
        ({"callback_query": {"id": "1", "from": {"id": 5}}}, 5),
        ({"channel_post": {"chat": {"id": 1}}}, None),
    ],
)
def test_the_person_is_found_in_every_kind(update: Any, person: int | None) -> None:
    """Whoever caused the update is its person, under `from` or `user`."""
    assert turn_of({"update_id": 7} | update).person.get("id") == person


def test_typed_views_are_aiograms() -> None:
    """`message` and `callback` are aiogram's types; asking for what is not there is the author's mistake."""
    turn = turn_of(MESSAGE)
    assert turn.message.caption == "look"
    with pytest.raises(AuthorError, match="is not a button press"):
        _ = turn.callback
    pressed = {
        "id": "9",
        "from": MESSAGE["message"]["from"],
        "chat_instance": "1",
        "message": MESSAGE["message"],
    }
    turn = turn_of({"update_id": 7, "callback_query": pressed})
    assert turn.callback.id == "9"
    assert turn.message.message_id == 1
    assert turn.text == "look"


# -- job -----------------------------------------------------------------------------------------------------


def job_of(**fields: Any) -> Job:
    plain = {
        "id": 5,
        "token": 1,
        "queue": "q",
        "task": "t",
        "args": b'{"x":1}',
        "attempts": 2,
        "attempts_max": 3,
    }
    plain |= {"bot_id": BOT, "lane": CHAT, "notify": False, "data": b"null", "trace": "42:7"}
    return Job(JobLease(**(plain | fields)), bot="coach")


def test_a_job_speaks_in_its_bots_chat() -> None:
    """A job of a lane says to its chat, with itself as the cause; its progress message has a handle."""
    job = job_of()
    job.say("done")
    assert (only(job).chat, only(job).cause, only(job).trace) == (CHAT, -5, "42:7")
    assert (job.progress_handle, job.attempt, job.cancelled) == ("job-5", 2, False)
    assert job_arguments(JobLease(5, 1, "q", "t", b'{"x":1}', 1, 3, 0, 0, False, b"null", "")) == {"x": 1}


@pytest.mark.parametrize("fields", [{"bot_id": 0, "lane": 0}, {"lane": 0}, {"lane": -(2**51) - 1}])
async def test_a_job_without_a_chat_says_so(fields: dict[str, int]) -> None:
    """A schedule's job has no chat of its own: it must name one, and shows no progress."""
    job = job_of(**fields)
    with pytest.raises(AuthorError, match="no chat"):
        job.say("done")
    await job.progress("half")
    job.progress("half")
