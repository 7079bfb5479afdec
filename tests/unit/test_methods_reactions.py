"""What every refusal of Telegram asks of the sender, and what the sender knows of a method."""

from __future__ import annotations

import pytest

from posthouse.core.errors import Refused
from posthouse.telegram.files import BlobPart, blob_field, take_blobs
from posthouse.telegram.methods import (
    ANSWER_METHODS,
    Reaction,
    gone_reason,
    is_answer,
    is_idempotent,
    is_paced,
    reaction_to,
)

KEY = "ab" * 32


def refusal(code: int, description: str, **details: float) -> Refused:
    return Refused("sendMessage", code, description, **details)  # type: ignore[arg-type]


REACTIONS: list[tuple[int, str, Reaction]] = [
    (429, "Too Many Requests: retry after 3", Reaction.WAIT),
    (
        400,
        "Bad Request: message is not modified: specified new message content and reply markup are exactly "
        "the same as a current content and reply markup of the message",
        Reaction.SUCCESS,
    ),
    (400, "Bad Request: chat description is not modified", Reaction.SUCCESS),
    (400, "Bad Request: TOPIC_NOT_MODIFIED", Reaction.SUCCESS),
    (400, "Bad Request: message to delete not found", Reaction.SUCCESS),
    (400, "Bad Request: poll has already been closed", Reaction.SUCCESS),
    (400, "Bad Request: CHARGE_ALREADY_REFUNDED", Reaction.SUCCESS),
    (
        500,
        "Internal Server Error: sent message was immediately deleted and can't be returned",
        Reaction.SUCCESS,
    ),
    (
        400,
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
        Reaction.DROP,
    ),
    (400, "Bad Request: QUERY_ID_INVALID", Reaction.DROP),
    (403, "Forbidden: bot was blocked by the user", Reaction.CHAT_GONE),
    (403, "Forbidden: bot was kicked from the supergroup chat", Reaction.CHAT_GONE),
    (403, "Forbidden: bot is not a member of the channel chat", Reaction.CHAT_GONE),
    (403, "Forbidden: user is deactivated", Reaction.CHAT_GONE),
    (403, "Forbidden: the group chat was deleted", Reaction.CHAT_GONE),
    (403, "Forbidden: bot can't initiate conversation with a user", Reaction.CHAT_GONE),
    (403, "Forbidden: the bot can't send messages to the bot", Reaction.CHAT_GONE),
    (403, "Forbidden: something new", Reaction.CHAT_GONE),
    (400, "Bad Request: chat not found", Reaction.CHAT_GONE),
    (400, "Bad Request: private chat not found", Reaction.CHAT_GONE),
    (400, "Bad Request: group is deactivated", Reaction.CHAT_GONE),
    (400, "Bad Request: not enough rights to send text messages to the chat", Reaction.CHAT_GONE),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Reaction.CHAT_GONE),
    (401, "Unauthorized", Reaction.BOT_GONE),
    (401, "Unauthorized: invalid token specified", Reaction.BOT_GONE),
    (404, "Not Found", Reaction.BOT_GONE),
    (421, "Misdirected Request: unallowed token specified", Reaction.BOT_GONE),
    (400, "Logged out", Reaction.BOT_GONE),
    (404, "Not Found: method not found", Reaction.WRONG),
    (500, "Internal Server Error: restart", Reaction.AGAIN),
    (502, "Bad Gateway", Reaction.AGAIN),
    (504, "Gateway Timeout", Reaction.AGAIN),
    (408, "Request Timeout", Reaction.AGAIN),
    (400, "Bad Request: message is too long", Reaction.WRONG),
    (400, "Bad Request: can't parse entities: Unmatched end tag at byte offset 3", Reaction.WRONG),
    (400, "Bad Request: message to edit not found", Reaction.WRONG),
    (400, "Bad Request: not enough rights to pin a message", Reaction.WRONG),
    (409, "Conflict: terminated by other getUpdates request", Reaction.WRONG),
    (413, "Request Entity Too Large", Reaction.WRONG),
]


@pytest.mark.req("S1-47", "S3-46", "C1-19")
@pytest.mark.parametrize(("code", "description", "reaction"), REACTIONS)
def test_every_refusal_has_its_reaction(code: int, description: str, reaction: Reaction) -> None:
    """A refusal is classified by its code and by Telegram's text, whatever the case of the text."""
    assert reaction_to(refusal(code, description)) is reaction
    assert reaction_to(refusal(code, description.upper())) is reaction


def test_every_reaction_has_a_refusal() -> None:
    """No reaction is without an example here."""
    seen = {reaction for _, _, reaction in REACTIONS} | {Reaction.MIGRATE}
    assert seen == set(Reaction)


def test_what_telegram_adds_decides_before_the_text() -> None:
    """`retry_after` and `migrate_to_chat_id` say more than the text around them."""
    assert reaction_to(refusal(400, "Bad Request: chat not found", retry_after_s=3)) is Reaction.WAIT
    upgraded = refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-7)
    assert reaction_to(upgraded) is Reaction.MIGRATE


@pytest.mark.parametrize(
    ("code", "description", "reason"),
    [
        (403, "Forbidden: bot was blocked by the user", "blocked"),
        (403, "Forbidden: bot was kicked from the group chat", "kicked"),
        (403, "Forbidden: bot is not a member of the supergroup chat", "kicked"),
        (403, "Forbidden: user is deactivated", "deactivated"),
        (403, "Forbidden: the group chat was deleted", "deactivated"),
        (400, "Bad Request: chat not found", "not_found"),
        (403, "Forbidden: bot can't initiate conversation with a user", "not_found"),
        (400, "Bad Request: CHAT_SEND_PHOTOS_FORBIDDEN", "forbidden"),
        (403, "Forbidden: whatever comes", "forbidden"),
        (400, "Bad Request: message is too long", None),
    ],
)
def test_a_closed_chat_has_a_reason(code: int, description: str, reason: str | None) -> None:
    """A chat that takes no more messages says why in one of five words."""
    assert gone_reason(refusal(code, description)) == reason


@pytest.mark.parametrize(
    ("method", "idempotent", "paced"),
    [
        ("sendMessage", False, True),
        ("sendMediaGroup", False, True),
        ("copyMessage", False, True),
        ("forwardMessages", False, True),
        ("editMessageText", True, True),
        ("deleteMessage", True, False),
        ("answerCallbackQuery", True, False),
        ("sendChatAction", True, False),
        ("setMessageReaction", True, False),
        ("pinChatMessage", True, False),
        ("refundStarPayment", True, False),
        ("createInvoiceLink", False, False),
        ("createForumTopic", False, False),
        ("sendGift", False, True),
    ],
)
def test_methods_are_known_by_what_a_repetition_does(method: str, idempotent: bool, paced: bool) -> None:
    """What makes a new message is never harmless twice; what shows in a chat spends its budget."""
    assert (is_idempotent(method), is_paced(method)) == (idempotent, paced)


def test_answers_are_harmless_twice_and_unpaced() -> None:
    """Whatever has a deadline at Telegram may be repeated and waits for no chat."""
    for method in ANSWER_METHODS:
        assert is_answer(method)
        assert is_idempotent(method)
        assert not is_paced(method)


def test_a_blob_field_becomes_a_part_of_its_name() -> None:
    """A blob in a field of the call is uploaded in a part named like the field."""
    rest, parts = take_blobs({"chat_id": 7, "document": blob_field(KEY, "Отчёт | 1.pdf")})
    assert rest == {"chat_id": 7}
    assert parts == [BlobPart("document", KEY, "Отчёт | 1.pdf")]


def test_a_blob_inside_media_is_attached() -> None:
    """Blobs inside lists and objects get parts of their own, and references in their places."""
    media = [
        {"type": "photo", "media": blob_field(KEY, "a.jpg")},
        {"type": "video", "media": "BAAC-file-id", "thumbnail": blob_field(KEY, "b.jpg")},
    ]
    rest, parts = take_blobs({"media": media})
    assert rest["media"] == [
        {"type": "photo", "media": "attach://file0"},
        {"type": "video", "media": "BAAC-file-id", "thumbnail": "attach://file1"},
    ]
    assert [part.filename for part in parts] == ["a.jpg", "b.jpg"]


def test_a_text_is_never_an_upload() -> None:
    """What a person writes cannot name a stored file, nor can a file field that is not exactly ours."""
    written = blob_field(KEY, "secret.pdf")
    parameters = {
        "text": written,
        "caption": written,
        "document": f"blob:{KEY}",
        "photo": f"xblob:{KEY}|a",
        "reply_markup": {"inline_keyboard": [[{"text": written, "callback_data": written}]]},
    }
    assert take_blobs(parameters) == (parameters, [])


def test_a_wrong_key_is_refused_when_the_field_is_written() -> None:
    """A blob field is only written for a key that a blob store gave."""
    with pytest.raises(ValueError, match="not a blob key"):
        blob_field("abc", "a.pdf")
