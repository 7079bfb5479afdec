"""Peeking at raw updates: update id, kind and lane, nothing more (architecture §5).

One msgspec pass over the body reads the few ids that routing needs and skips everything else; a Telegram type is
never built here, so that a hostile message cannot cost more than its length. Updates of kinds that this table does
not know are kept all the same and get a lane of their own kind.

    chat in the update          lane = chat id
    only a person               lane = person's id (their private chat with the bot has the same id)
    neither (polls, new kinds)  lane = a hash of the poll id or kind, below every chat id in use

Two things sharing a hashed lane is harmless: lanes only order.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from posthouse.core.entries import LANE_KEY_BOUND, UPDATE_ID_MAX, Incoming

LaneBy = Literal["chat", "user"]

UPDATE_KINDS: tuple[str, ...] = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
    "stopped_message_generation",
)


class MalformedUpdate(ValueError):
    """The body is not an update: bad JSON, no usable `update_id`, or a field of the wrong type."""


class _Id(msgspec.Struct, gc=False):
    id: int | None = None


class _Message(msgspec.Struct, gc=False):
    chat: _Id | None = None


class _Part(msgspec.Struct, gc=False):
    """The routing fields of any kind of update: they do not clash between kinds."""

    chat: _Id | None = None
    from_: _Id | None = msgspec.field(name="from", default=None)
    user: _Id | None = None
    message: _Message | None = None
    id: str | int | None = None
    poll_id: str | None = None
    voter_chat: _Id | None = None
    user_chat_id: int | None = None


_Update = msgspec.defstruct(
    "_Update",
    [("update_id", int), *((kind, _Part | None, None) for kind in UPDATE_KINDS)],
    gc=False,
)
_decode_update: Callable[[bytes], Any] = msgspec.json.Decoder(_Update).decode
_decode_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def hashed_lane(text: str) -> int:
    """A lane for what names neither a chat nor a person: below -2**51, where Telegram has no chats."""
    return -(2**51) - zlib.crc32(text.encode("utf-8", "surrogatepass"))


def _bounded(chat_or_user: int) -> int:
    """The id itself, or a hashed lane for an id that no chat can have."""
    if -LANE_KEY_BOUND < chat_or_user < LANE_KEY_BOUND:
        return chat_or_user
    return hashed_lane(str(chat_or_user))


def _lane(kind: str, part: Any, lane_by: LaneBy) -> int:
    person = part.from_ or part.user
    if lane_by == "user" and person is not None and person.id is not None:
        return _bounded(person.id)
    message = part.message
    chat = part.chat or (message.chat if message is not None else None) or part.voter_chat
    if chat is not None and chat.id is not None:
        return _bounded(chat.id)
    if person is not None and person.id is not None:
        return _bounded(person.id)
    return hashed_lane(f"{kind}:{part.poll_id or part.id or ''}")


def peek(bot_id: int, body: bytes, *, lane_by: LaneBy = "chat") -> Incoming:
    """Read what routing needs from one update's body; raises `MalformedUpdate` and never anything else."""
    try:
        update = _decode_update(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedUpdate(str(error)) from None
    update_id: int = update.update_id
    if not 0 <= update_id < UPDATE_ID_MAX:
        raise MalformedUpdate(f"update_id {update_id} is out of range")
    part = update.message  # nearly always
    kind = "message"
    if part is None:
        kind, part = _other_part(update, body)
    lane = hashed_lane(kind) if part is None else _lane(kind, part, lane_by)
    return Incoming(bot_id, lane, update_id, body, kind)


def _other_part(update: Any, body: bytes) -> tuple[str, Any]:
    for kind in UPDATE_KINDS:
        part = getattr(update, kind)
        if part is not None:
            return kind, part
    try:  # the names that the first pass skipped are read now, and may be no text
        unknown = next((name for name in _decode_names(body) if name != "update_id"), "empty")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedUpdate(str(error)) from None
    return unknown[:64], None


def peek_person(body: bytes) -> int | None:
    """Who caused an update that `peek` has accepted; None when nobody did. Asked only where people are limited."""
    update = _decode_update(body)
    for kind in UPDATE_KINDS:
        part = getattr(update, kind)
        if part is not None:
            person = part.from_ or part.user
            return None if person is None else person.id
    return None
