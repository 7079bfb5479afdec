"""What the sender must know of a Bot API method: its urgency, its lane, and how a refusal is to be taken.

The reactions follow `docs/decisions/0006-sender.md`; the texts are Telegram's (core.telegram.org/bots/api and
the server's source), matched by substring and without case because their wording has changed over the years.
"""

from __future__ import annotations

import zlib
from enum import StrEnum

from posthouse.core.errors import Refused

ANSWER_METHODS = frozenset(
    {
        "answerCallbackQuery",
        "answerInlineQuery",
        "answerPreCheckoutQuery",
        "answerShippingQuery",
        "answerChatJoinRequestQuery",
        "answerGuestQuery",
        "answerWebAppQuery",
    }
)

# Doing these twice leaves the same state, so an unknown outcome may always be sent again.
_IDEMPOTENT_PREFIXES = (
    "answer",
    "approve",
    "ban",
    "close",
    "decline",
    "delete",
    "edit",
    "get",
    "hide",
    "pin",
    "promote",
    "refund",
    "reopen",
    "restrict",
    "set",
    "stop",
    "unban",
    "unhide",
    "unpin",
)
_IDEMPOTENT_METHODS = frozenset({"sendChatAction"})

# What Telegram counts against a chat: messages that appear or change.
_PACED_PREFIXES = ("send", "edit", "copy", "forward")
_UNPACED_METHODS = frozenset({"sendChatAction", "sendMessageDraft"})


def is_answer(method: str) -> bool:
    return method in ANSWER_METHODS


def is_idempotent(method: str) -> bool:
    """True when a second execution cannot be seen by a person."""
    return method.startswith(_IDEMPOTENT_PREFIXES) or method in _IDEMPOTENT_METHODS


def is_paced(method: str) -> bool:
    """True when the call spends the budget of its chat (1 a second, 20 a minute in a group)."""
    return method.startswith(_PACED_PREFIXES) and method not in _UNPACED_METHODS


def outbound_lane(chat_id: int | str | None, default: int) -> int:
    """The outbound lane of a call: its chat; a `@username` has a stable lane of its own."""
    if chat_id is None:
        return default
    if isinstance(chat_id, int):
        return chat_id
    text = chat_id.strip()
    if text.lstrip("-").isdigit():
        return int(text)
    return -(2**50) - zlib.crc32(text.lower().encode())


class Reaction(StrEnum):
    """What a refusal asks of the sender."""

    WAIT = "wait"  # 429: a deadline, not an attempt
    SUCCESS = "success"  # the wanted state already holds
    MIGRATE = "migrate"  # the chat has a new id
    DROP = "drop"  # perishable and late: nobody waits for it any more
    CHAT_GONE = "chat_gone"  # blocked, kicked, deactivated, not found: terminal for this chat
    BOT_GONE = "bot_gone"  # the token is revoked or wrong: stop the bot, tell the operator
    AGAIN = "again"  # the server's trouble; the effect may have happened
    WRONG = "wrong"  # the call itself is wrong: terminal


_SUCCESS_TEXTS = (
    "is not modified",
    "topic_not_modified",
    "message to delete not found",
    "poll has already been closed",
    "charge_already_refunded",
    "sent message was immediately deleted",
)
# Nothing can be changed any more (telegram.md §5): it was deleted, or is not the bot's, or too old.
_MESSAGE_GONE_TEXTS = ("message to edit not found", "message can't be edited", "message_id_invalid")
_LATE_TEXTS = ("query is too old", "query id is invalid", "query_id_invalid")
_LOGGED_OUT_TEXTS = ("logged out",)

# Why a chat takes no more messages, the first text that fits; what fits none of them is `forbidden`.
_GONE_REASONS = (
    ("blocked", ("blocked by the user", "user_is_blocked")),
    ("kicked", ("bot was kicked", "bot is not a member")),
    ("deactivated", ("user is deactivated", "group is deactivated", "group chat was deleted")),
    (
        "not_found",
        (
            "chat not found",
            "user not found",
            "peer_id_invalid",
            "no access to the user",
            "can't initiate conversation",
        ),
    ),
    (
        "forbidden",
        (
            "not enough rights to send",
            "have no rights to send",
            "chat_write_forbidden",
            "chat_restricted",
            "chat_send_",
        ),
    ),
)


def gone_reason(refusal: Refused) -> str | None:
    """Why the chat is closed to the bot: blocked, kicked, deactivated, not_found, forbidden; else None."""
    text = refusal.description.lower()
    for reason, texts in _GONE_REASONS:
        if any(known in text for known in texts):
            return reason
    return "forbidden" if refusal.code == 403 else None


def is_message_gone(refusal: Refused) -> bool:
    """Whether the message that was to be edited cannot be, and never will."""
    text = refusal.description.lower()
    return any(known in text for known in _MESSAGE_GONE_TEXTS)


def reaction_to(refusal: Refused) -> Reaction:
    """Classify one refusal; every refusal has exactly one reaction."""
    text = refusal.description.lower()
    code = refusal.code
    if refusal.retry_after_s is not None or code == 429:
        return Reaction.WAIT
    if refusal.migrate_to_chat_id is not None:
        return Reaction.MIGRATE
    if any(known in text for known in _SUCCESS_TEXTS):
        return Reaction.SUCCESS
    if refusal.method == "editMessageReplyMarkup" and is_message_gone(refusal):
        return Reaction.SUCCESS  # a keyboard that is to be taken away is gone with its message
    if any(known in text for known in _LATE_TEXTS):
        return Reaction.DROP
    if code in (401, 421) or any(text.endswith(known) for known in _LOGGED_OUT_TEXTS):
        return Reaction.BOT_GONE
    if code == 404 and "method not found" not in text:
        return Reaction.BOT_GONE
    if gone_reason(refusal) is not None:
        return Reaction.CHAT_GONE
    if code >= 500 or code == 408:
        return Reaction.AGAIN
    return Reaction.WRONG
