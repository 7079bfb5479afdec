"""What a button of a session carries, in Telegram's 64 bytes of `callback_data`.

    action:session:rev          `rev`    what we write: a press of another revision is stale (S0-13)
    action:session              `id`     understood where a flow allows it; no revision is compared (S0-14)
    action                      `bare`   legacy: the person's active session of the flow is meant (S0-15)

An action may carry a value, `action=value:session:rev`. Lengths are bytes, not characters, and what does not fit is an
error: a reference is never dropped, because a button without one acts on whatever session is active then (B-3).
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import SESSION_ID_LENGTH

DATA_BYTES_MAX = 64
REV_DIGITS_MAX = 7  # ten million moves of one session
ACTION_BYTES_MAX = DATA_BYTES_MAX - SESSION_ID_LENGTH - REV_DIGITS_MAX - 2
"""What is left for an action with its value."""

ASK = "ask"
"""The action of a conversation's buttons; no flow may have it."""

_ACTION = re.compile(r"[a-z][a-z0-9_.-]*", re.ASCII)
# Ours, or the uuid of a session that was adopted from another bot (S0-12).
_SESSION = re.compile(
    rf"[0-9A-Za-z]{{{SESSION_ID_LENGTH}}}|[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}"
)
_REV = re.compile(rf"[1-9][0-9]{{0,{REV_DIGITS_MAX - 1}}}", re.ASCII)


class Format(StrEnum):
    """How a button names its session."""

    REV = "rev"
    ID = "id"
    BARE = "bare"


class CallbackData(msgspec.Struct, frozen=True, gc=False):
    """A press, read. `session_id` is None for the bare format, `rev` for all but the full one."""

    action: str
    value: str = ""
    session_id: str | None = None
    rev: int | None = None

    @property
    def format(self) -> Format:
        if self.session_id is None:
            return Format.BARE
        return Format.ID if self.rev is None else Format.REV


def parse(data: str) -> CallbackData:
    """Read a button's data; what has none of our three forms is a bare action of that whole text."""
    head, *rest = data.split(":")
    action, _, value = head.partition("=")
    match rest:
        case []:
            return CallbackData(action, value)
        case [session] if _SESSION.fullmatch(session):
            return CallbackData(action, value, session)
        case [session, rev] if _SESSION.fullmatch(session) and _REV.fullmatch(rev):
            return CallbackData(action, value, session, int(rev))
    return CallbackData(data)


def pack(action: str, value: str, session_id: str, rev: int) -> str:
    """The data of a button. Raises `AuthorError` when the value has a colon or all of it is more than 64 bytes."""
    data = f"{action}={value}:{session_id}:{rev}" if value else f"{action}:{session_id}:{rev}"
    if ":" in value:
        raise AuthorError(f"the button {action!r} has the value {value!r}: a value must not contain a colon")
    if len(data.encode()) > DATA_BYTES_MAX:
        spare = DATA_BYTES_MAX - len(data.encode()) + len(value.encode())
        raise AuthorError(
            f"the button {action!r} with the value {value!r} takes {len(data.encode())} bytes of Telegram's"
            f" {DATA_BYTES_MAX}: make the value at most {max(0, spare)} bytes, or keep it in the session"
        )
    return data


def check_action(action: str) -> str | None:
    """What is wrong with an action, or None: its form, or that it leaves no room for session and revision (B-3)."""
    if _ACTION.fullmatch(action) is None:
        return f"the action {action!r} must be lower-case letters, digits, '.', '_' or '-', a letter first"
    if len(action.encode()) > ACTION_BYTES_MAX:
        return (
            f"the action {action!r} takes {len(action.encode())} bytes, but with session and revision only"
            f" {ACTION_BYTES_MAX} of Telegram's {DATA_BYTES_MAX} are left: give the event a shorter action"
        )
    return None
