"""What becomes of a delivery, for everything that can come of its call: a pure function, so a table."""

from __future__ import annotations

from typing import Any

import pytest

from posthouse.core.effects import Priority, WhenUncertain
from posthouse.core.errors import Refused, Unreachable
from posthouse.core.leases import DeliveryLease, DeliverySettlement
from posthouse.core.retry import RetryPolicy
from posthouse.ports.store import BotLimits
from posthouse.runtime.payloads import follow_migration, handle_in, rewrite_handle
from posthouse.runtime.sender import (
    ChatPace,
    FloodWatch,
    Outage,
    SenderSettings,
    SendingBot,
    before_sending,
    decide,
)

CHAT, GROUP, SUPERGROUP = 4001, -4002, -1_000_000_004_003
SETTINGS = SenderSettings(retry=RetryPolicy(attempts_max=3, base_s=1.0, factor=2.0, cap_s=60.0))
UNSENT = Unreachable("sendMessage", "connection refused", sent=False)
UNKNOWN = Unreachable("sendMessage", "no answer within 25 s", sent=True)


def lease(**fields: Any) -> DeliveryLease:
    values: dict[str, Any] = {
        "id": 1,
        "bot_id": 7,
        "chat": CHAT,
        "token": 9,
        "attempts": 1,
        "method": "sendMessage",
        "payload": b'{"chat_id":4001,"text":"hi"}',
        "priority": Priority.REPLY,
        "when_uncertain": WhenUncertain.RESEND,
        "handle": None,
        "cause": 0,
        "trace": "7:1",
        "created_at": 0.0,
    }
    return DeliveryLease(**(values | fields))


def refused(code: int, description: str = "no", **details: Any) -> Refused:
    return Refused("sendMessage", code, description, **details)


def shape(end: DeliverySettlement) -> str:
    """Which of the four shapes a settlement has; exactly one, or the test fails."""
    shapes = [
        name
        for name, has in (("sent", end.sent), ("again", end.delay_s is not None), ("dead", bool(end.reason)))
        if has
    ]
    assert len(shapes) <= 1, end
    return shapes[0] if shapes else "dropped"


def end_of(delivery: DeliveryLease, result: Any, **extra: Any) -> DeliverySettlement:
    return decide(delivery, result, SETTINGS, chance=0.0, **extra)


@pytest.mark.req("S1-47", "C1-19")
@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ({"message_id": 5}, {"sent": True, "pace_s": 1.5}),
        (True, {"sent": True, "pace_s": 1.5}),
        (refused(400, "Bad Request: message is not modified"), {"sent": True}),
        (refused(429, retry_after_s=7.0), {"delay_s": 7.0, "counted": False}),
        (refused(429), {"delay_s": 5.0, "counted": False}),
        (
            refused(400, "upgraded", migrate_to_chat_id=SUPERGROUP),
            {"delay_s": 0.0, "counted": True, "migrated_to": SUPERGROUP},
        ),
        (refused(400, "Bad Request: query is too old"), {}),
        (refused(403, "Forbidden: bot was blocked by the user"), {"reason": "blocked"}),
        (refused(403, "Forbidden: bot was kicked from the group chat"), {"reason": "kicked"}),
        (refused(403, "Forbidden: user is deactivated"), {"reason": "deactivated"}),
        (refused(400, "Bad Request: chat not found"), {"reason": "not_found"}),
        (refused(401, "Unauthorized"), {"delay_s": 300.0, "counted": False}),
        (refused(404, "Not Found"), {"delay_s": 300.0, "counted": False}),
        (refused(400, "Bad Request: message is too long"), {"reason": "refused"}),
        (refused(502, "Bad Gateway"), {"delay_s": 0.5, "unknown": True}),
        (UNKNOWN, {"delay_s": 0.5, "unknown": True}),
        (UNSENT, {"delay_s": 0.5, "counted": False}),
    ],
)
def test_what_came_of_the_call_decides(result: Any, wanted: dict[str, Any]) -> None:
    """Every answer of Telegram, and every kind of silence, ends a delivery in exactly one way."""
    end = end_of(lease(), result, pace_s=1.5)
    shape(end)
    defaults: dict[str, Any] = {
        "sent": False,
        "delay_s": None,
        "counted": True,
        "unknown": False,
        "reason": None,
        "migrated_to": None,
        "pace_s": 0.0,
    }
    if wanted.get("sent") and isinstance(result, Refused):
        defaults["pace_s"] = 1.5
    assert {name: getattr(end, name) for name in defaults} == defaults | wanted
    if shape(end) in ("again", "dead"):
        assert end.error


@pytest.mark.parametrize("result", [UNKNOWN, refused(500, "Internal Server Error")])
@pytest.mark.parametrize(
    ("method", "policy", "attempts", "wanted"),
    [
        ("sendMessage", WhenUncertain.RESEND, 1, "again"),
        ("sendMessage", WhenUncertain.RESEND, 3, "dead exhausted"),
        ("sendMessage", WhenUncertain.DROP, 1, "dropped"),
        ("sendMessage", WhenUncertain.PARK, 1, "dead uncertain"),
        ("editMessageText", WhenUncertain.DROP, 1, "again"),
        ("editMessageText", WhenUncertain.PARK, 2, "again"),
        ("answerCallbackQuery", WhenUncertain.PARK, 1, "again"),
        ("editMessageText", WhenUncertain.PARK, 3, "dead exhausted"),
    ],
)
def test_the_policy_decides_an_unknown_outcome(
    result: Any, method: str, policy: WhenUncertain, attempts: int, wanted: str
) -> None:
    """Resend up to the attempts, drop, or park; what is harmless twice is always sent again."""
    end = end_of(lease(method=method, when_uncertain=policy, attempts=attempts), result)
    assert f"{shape(end)} {end.reason or ''}".strip() == wanted
    assert end.unknown is (wanted == "again")


@pytest.mark.parametrize(
    ("method", "policy", "attempts", "unknown", "wanted"),
    [
        ("sendMessage", WhenUncertain.PARK, 9, False, None),
        ("sendMessage", WhenUncertain.RESEND, 2, True, None),
        ("sendMessage", WhenUncertain.DROP, 2, True, "dropped"),
        ("sendMessage", WhenUncertain.PARK, 2, True, "dead uncertain"),
        ("deleteMessage", WhenUncertain.PARK, 2, True, None),
        ("sendMessage", WhenUncertain.RESEND, 3, True, None),
        ("sendMessage", WhenUncertain.RESEND, 4, True, "dead exhausted"),
    ],
)
def test_after_a_crash_the_policy_decides_before_anything_is_sent(
    method: str, policy: WhenUncertain, attempts: int, unknown: bool, wanted: str | None
) -> None:
    """A delivery whose earlier attempt has no known end is only sent when that is harmless or wanted."""
    delivery = lease(method=method, when_uncertain=policy, attempts=attempts, unknown=unknown)
    end = before_sending(delivery, SETTINGS)
    assert (None if end is None else f"{shape(end)} {end.reason or ''}".strip()) == wanted


@pytest.mark.parametrize(
    "result",
    [UNSENT, refused(429, retry_after_s=2.0), refused(401), refused(400, migrate_to_chat_id=SUPERGROUP)],
)
def test_what_was_unknown_stays_unknown(result: Any) -> None:
    """An attempt that surely did nothing does not make an earlier one known."""
    assert end_of(lease(unknown=True), result).unknown is True


def test_a_chat_that_moves_for_ever_ends() -> None:
    """A migration is an attempt: a delivery follows its chat until its attempts are used up."""
    end = end_of(lease(attempts=3), refused(400, "upgraded", migrate_to_chat_id=SUPERGROUP))
    assert end.reason == "refused"


def test_an_outage_uses_up_no_attempts() -> None:
    """However often Telegram cannot be reached, the delivery waits: nothing was sent, nothing is lost."""
    assert shape(end_of(lease(attempts=99), UNSENT)) == "again"
    assert shape(end_of(lease(attempts=99), refused(429, retry_after_s=1.0))) == "again"


@pytest.mark.parametrize(
    ("handle", "result", "message_id"),
    [
        (None, {"message_id": 5}, None),
        ("card", {"message_id": 5}, 5),
        ("card", [{"message_id": 5}, {"message_id": 6}], 5),
        ("card", True, None),
        ("card", [], None),
    ],
)
def test_a_handle_learns_its_message(handle: str | None, result: Any, message_id: int | None) -> None:
    """The message id is kept when a handle waits for it; an album is known by its first message."""
    assert end_of(lease(handle=handle), result).message_id == message_id


def test_a_handle_is_replaced_by_the_message_id() -> None:
    """The payload that leaves has a message id and no trace of the handle."""
    payload = b'{"chat_id":4001,"posthouse_handle":"card","text":"new"}'
    assert handle_in(payload) == "card"
    assert rewrite_handle(payload, 77) == b'{"chat_id":4001,"text":"new","message_id":77}'


def test_a_text_is_no_handle() -> None:
    """A person who writes the field's name into a message changes nothing."""
    assert handle_in(b'{"chat_id":4001,"text":"\\"posthouse_handle\\":\\"card\\""}') is None
    assert handle_in(b'{"chat_id":4001,"reply_markup":{"posthouse_handle":"card"}}') is None


@pytest.mark.parametrize(
    ("chat", "payload", "wanted"),
    [
        (SUPERGROUP, b'{"chat_id":-4002,"text":"a"}', b'{"chat_id":-1000000004003,"text":"a"}'),
        (SUPERGROUP, b'{"chat_id": "-4002"}', b'{"chat_id":-1000000004003}'),
        (SUPERGROUP, b'{"chat_id":-1000000004003}', None),
        (SUPERGROUP, b'{"chat_id": -1000000004003}', None),
        (SUPERGROUP, b'{"chat_id":-1000000009999}', None),
        (SUPERGROUP, b'{"chat_id":4001}', None),
        (SUPERGROUP, b'{"chat_id":"@channel"}', None),
        (SUPERGROUP, b'{"callback_query_id":"1"}', None),
        (GROUP, b'{"chat_id":-4005}', None),
        (CHAT, b'{"chat_id":-4002}', None),
    ],
)
def test_only_a_migration_changes_the_chat(chat: int, payload: bytes, wanted: bytes | None) -> None:
    """A payload for a basic group goes to the supergroup it became; no other chat is ever exchanged."""
    assert follow_migration(chat, payload) == (wanted or payload)


# Pace, floods, outages.


def rests(pace: ChatPace, delivery: DeliveryLease, limits: BotLimits, moments: list[float]) -> list[float]:
    return [round(pace.rest_s(delivery, limits, now), 3) for now in moments]


@pytest.mark.req("S1-47", "C1-13", "S3-46")
def test_a_private_chat_takes_a_burst_and_then_one_a_second() -> None:
    """Three messages leave at once; from then on the chat rests a second after each, until it was quiet."""
    pace = ChatPace()
    assert rests(pace, lease(), BotLimits(), [0, 0, 0, 1, 2, 100]) == [0, 0, 1, 1, 1, 0]


def test_without_a_burst_every_message_is_paced() -> None:
    """A burst of one means the published pace after every message."""
    limits = BotLimits(chat_burst=1, group_burst=1)
    assert rests(ChatPace(), lease(), limits, [0, 1]) == [1, 1]
    assert rests(ChatPace(), lease(chat=GROUP), limits, [0, 3]) == [3, 3]


@pytest.mark.req("C1-13")
@pytest.mark.parametrize("burst", [1, 2, 3, 5])
def test_no_minute_of_a_group_has_more_than_twenty(burst: int) -> None:
    """Sending as early as the pace allows, any 60 seconds hold at most 20 messages, whatever the burst."""
    pace, limits, now, sent = ChatPace(), BotLimits(group_burst=burst), 0.0, []
    while now < 300:
        sent.append(now)
        now += pace.rest_s(lease(chat=GROUP), limits, now)
    assert max(sum(start <= at < start + 59.999 for at in sent) for start in sent) <= 20
    assert len(sent) >= 75


def test_an_album_counts_every_message() -> None:
    """Ten pictures spend the budget of ten messages."""
    pace = ChatPace()
    assert pace.rest_s(lease(method="sendMediaGroup"), BotLimits(), 0.0, messages=10) == pytest.approx(8)


@pytest.mark.parametrize(
    ("delivery", "limits"),
    [
        (lease(method="answerCallbackQuery", priority=Priority.ANSWER), BotLimits(chat_burst=1)),
        (lease(method="sendChatAction"), BotLimits(chat_burst=1)),
        (lease(method="deleteMessage"), BotLimits(chat_burst=1)),
        (lease(), BotLimits(chat_per_s=0)),
        (lease(chat=GROUP), BotLimits(group_per_min=0)),
    ],
)
def test_some_deliveries_are_not_paced(delivery: DeliveryLease, limits: BotLimits) -> None:
    """Answers, what leaves no message, and chats without a limit let the chat go on at once."""
    assert rests(ChatPace(), delivery, limits, [0, 0, 0]) == [0, 0, 0]


def test_quiet_chats_are_forgotten() -> None:
    """The memory of paces does not grow with the number of chats ever written to."""
    pace = ChatPace()
    for number in range(25_000):
        pace.rest_s(lease(chat=number), BotLimits(), float(number))
    assert len(pace._whole_at) <= ChatPace._FORGET_AT


def test_several_chats_together_are_a_flood_of_the_bot() -> None:
    """A 429 closes its chat; a third chat within two seconds closes the bot."""
    watch = FloodWatch(SenderSettings())
    assert [watch.is_of_bot(lease(chat=chat), 10.0) for chat in (1, 1, 2)] == [False, False, False]
    assert watch.is_of_bot(lease(chat=3), 11.0) is True
    assert watch.is_of_bot(lease(chat=3, bot_id=8), 11.0) is False
    assert watch.is_of_bot(lease(chat=4), 20.0) is False


def test_a_flood_without_a_chat_is_of_the_bot() -> None:
    """A 429 to a call that names no chat can only be about the bot."""
    assert FloodWatch(SenderSettings()).is_of_bot(lease(payload=b'{"user_id":1}'), 0.0) is True


def test_an_outage_is_probed_ever_more_rarely_and_ends_with_any_answer() -> None:
    """Calls that fail together count once; silence after a request says nothing; a refusal is an answer."""
    outage = Outage(RetryPolicy(base_s=1.0, cap_s=8.0))
    for _ in range(100):
        outage.note(UNSENT, 0.0)
    assert outage.failures == 1
    outage.note(UNSENT, 50.0)
    assert (outage.failures, 51.0 <= outage.until <= 52.0) == (2, True)
    outage.note(UNKNOWN, 60.0)
    assert outage.failures == 2
    outage.note(refused(403), 71.0)
    assert (outage.failures, outage.until) == (0, 0.0)


def test_a_token_is_never_printed() -> None:
    """A bot that lands in a log or a traceback does not show its token."""
    assert "secret" not in repr(SendingBot("pro", "1:secret"))
    assert "secret" not in str(SendingBot("pro", "1:secret"))
