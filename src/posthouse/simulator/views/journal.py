"""The journal and the calls."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import Field, field_validator

from posthouse.simulator.views.view import View


class Event(View):
    seq: int
    time: float
    kind: str
    bot_id: int | None = None
    chat: str | None = None
    person_id: int | None = None
    message_id: int | None = None
    text: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Events(View):
    """Events after the asked cursor; ask for more after this `cursor`."""

    events: list[Event]
    cursor: int


class Call(View):
    """One Bot API call that a bot made."""

    seq: int
    time: float
    bot_id: int
    method: str
    via: str
    chat_id: int | None
    parameters: dict[str, Any]
    ok: bool
    status: int
    result: Any
    description: str | None
    fault: int | None

    @field_validator("result", mode="before")
    @classmethod
    def _read_raw(cls, result: Any) -> Any:
        """getUpdates answers with JSON that is kept as it went out."""
        return msgspec.json.decode(result) if isinstance(result, msgspec.Raw) else result


class Counters(View):
    calls: dict[str, int]
    events: dict[str, int]
    pending: dict[int, int]
    """Undelivered updates by bot."""
    people: int
    chats: int
