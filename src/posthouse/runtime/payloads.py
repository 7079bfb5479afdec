"""The parameters of a delivery as they leave: what stands in them for the sender alone is resolved and taken out.

    posthouse_handle    the name of a message that had no Telegram id yet            → message_id
    posthouse_or_send   what is sent anew when the message that is edited is gone    → kept aside
    chat_id             of a basic group that has become a supergroup                → the supergroup's

All of it is pure; bytes that cannot hold a field are not decoded.
"""

from __future__ import annotations

import msgspec

from posthouse.programs.actions import HANDLE_FIELD, OR_SEND_FIELD

SUPERGROUP_MAX = -1_000_000_000_000  # ids of supergroups lie below, ids of basic groups above

_HANDLE_MARK = f'"{HANDLE_FIELD}"'.encode()
_OR_SEND_MARK = f'"{OR_SEND_FIELD}"'.encode()


class OrSend(msgspec.Struct):
    """The call that brings a message back whose edit found it gone."""

    method: str
    parameters: msgspec.Raw


_decode_or_send = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_or_send(payload: bytes) -> tuple[bytes, OrSend | None]:
    """The parameters of an edit, and what to send should its message be gone."""
    if _OR_SEND_MARK not in payload:
        return payload, None
    parameters = _decode_or_send(payload)
    kept = parameters.pop(OR_SEND_FIELD, None)
    if kept is None:  # it is in a text
        return payload, None
    return msgspec.json.encode(parameters), msgspec.json.decode(kept, type=OrSend)


def handle_in(payload: bytes) -> str | None:
    """The handle that the payload names; nothing is decoded when the bytes cannot hold one."""
    if _HANDLE_MARK not in payload:
        return None
    handle = msgspec.json.decode(payload).get(HANDLE_FIELD)
    return handle if isinstance(handle, str) else None


def rewrite_handle(payload: bytes, message_id: int) -> bytes:
    """The payload with the message's real id in the place of its handle, or of another id."""
    parameters = msgspec.json.decode(payload)
    parameters.pop(HANDLE_FIELD, None)
    parameters["message_id"] = message_id
    return msgspec.json.encode(parameters)


def message_id_in(payload: bytes) -> int:
    """The message that an edit is of."""
    return int(msgspec.json.decode(payload)["message_id"])


def follow_migration(chat: int, payload: bytes) -> bytes:
    """The payload with the id of its supergroup, when it was written for the basic group that became it.

    The outbox has moved the delivery to the lane of the new chat; its parameters still name the old one.
    """
    if chat > SUPERGROUP_MAX or b'"chat_id":%d' % chat in payload or b'"chat_id"' not in payload:
        return payload
    parameters = msgspec.json.decode(payload)
    try:
        named = int(parameters.get("chat_id", 0))
    except (TypeError, ValueError):  # a @username
        return payload
    if not SUPERGROUP_MAX < named < 0:
        return payload
    parameters["chat_id"] = chat
    return msgspec.json.encode(parameters)
