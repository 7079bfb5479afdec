"""A session as a handler sees it: what it remembers, and work whose end comes back to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import SessionRecord
from posthouse.programs.flows.triggers import task_name
from posthouse.programs.turn import Turn

SESSION_KEY = "posthouse_session"  # in the data of a job or timer: whose end or moment it is
EVENT_KEY = "event"
TIMER = "posthouse.session"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Session:
    """State and data of one flow for one person, while an event of it is handled.

    `data` is a JSON object that is committed with the transition when it changed. `event` is what happened; `value` is
    the pressed button's; `result` is what a finished job returned, or why a failed one failed; `carried` is what was
    given to `enqueue` or `after` as `data`.
    """

    __slots__ = ("_turn", "carried", "data", "event", "record", "result", "value")

    def __init__(
        self,
        turn: Turn,
        record: SessionRecord,
        *,
        event: str = "",
        value: str = "",
        result: Any = None,
        carried: Any = None,
    ) -> None:
        self._turn = turn
        self.record = record
        self.data: dict[str, Any] = _decode(record.data)
        self.event = event
        self.value = value
        self.result = result
        self.carried = carried

    def __repr__(self) -> str:
        return f"Session({self.id}, {self.record.flow_kind}, {self.state}, rev {self.rev})"

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def state(self) -> str:
        return self.record.state

    @property
    def rev(self) -> int:
        return self.record.rev

    @property
    def user_id(self) -> int:
        """Whose session it is; 0 when its strategy makes it everybody's."""
        return self.record.owner.user_id

    def packed(self) -> bytes:
        """The data as it is to be stored. Raises `AuthorError` when it is not JSON."""
        try:
            return _encode(self.data)
        except (TypeError, ValueError) as error:
            raise AuthorError(f"session.data of flow {self.record.flow_kind!r} is not JSON: {error}") from None

    def enqueue(self, job: str | Callable[..., Any], *, data: Any = None, **args: Any) -> None:
        """Queue a job, as `turn.enqueue`; its end is an event of this session (`JobDone`, `JobFailed`)."""
        task_name(job)
        self._turn.enqueue(job, notify=True, data={SESSION_KEY: self.id, "data": data}, **args)

    def after(self, delay: timedelta | float, event: str, *, data: Any = None) -> None:
        """Let `event` (a `Timer` of the flow) happen to this session after `delay`; a later one of it replaces it."""
        body = {SESSION_KEY: self.id, EVENT_KEY: event, "data": data}
        self._turn.after(delay, TIMER, data=body, key=f"{self.id}:{event}")

    def cancel_timer(self, event: str) -> None:
        """Cancel the timer of this event, if it still waits."""
        self._turn.cancel_timer(f"{self.id}:{event}")
