"""Effects: what a turn or a job asks for, as data. Nothing happens until the commit that carries them.

A *delivery* is one outbox row on its way to Telegram; `Outgoing` is that row before it is written.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec

from posthouse.core.sessions import SessionChanges


class Priority(IntEnum):
    """Which delivery goes first when a bot's budget is short. Smaller goes first."""

    ANSWER = 0  # has a deadline at Telegram: callback, pre-checkout, inline; skips the chat budget
    REPLY = 1
    NOTIFICATION = 2
    BROADCAST = 3


class WhenUncertain(StrEnum):
    """What to do with a delivery whose last attempt may or may not have arrived: Telegram has no idempotency key."""

    RESEND = "resend"  # a person may see it twice
    DROP = "drop"  # a person may not see it at all
    PARK = "park"  # an operator decides: it waits among the dead letters


class Outgoing(msgspec.Struct, gc=False):
    """One Bot API call to be written to the outbox.

    `chat` is the outbound lane: deliveries of one (bot, chat) leave in order. `payload` is the JSON object of
    the method's parameters. `handle` names the message so that a later effect can edit it before Telegram has
    given it an id. `cause` is the entry or job that asked, `trace` its trace id.
    """

    bot_id: int
    chat: int
    method: str
    payload: bytes
    priority: int = Priority.REPLY
    when_uncertain: str = WhenUncertain.RESEND
    handle: str | None = None
    cause: int = 0
    trace: str = ""


class StateWrite(msgspec.Struct, gc=False):
    """A new value for one named piece of a chat's state; `data` None deletes it."""

    bot_id: int
    lane: int
    name: str
    data: bytes | None


class JobRequest(msgspec.Struct, gc=False):
    """One job to be queued. `args` is a JSON object; `delay_s` counts from the commit.

    With `bot_id` and `lane` the job's end comes back as an entry of that lane (`notify`). `unique_key` makes
    the request a no-op while a job of the same queue and key is still live.
    """

    queue: str
    task: str
    args: bytes = b"{}"
    priority: int = 1
    delay_s: float = 0.0
    attempts_max: int = 5
    unique_key: str | None = None
    bot_id: int = 0
    lane: int = 0
    notify: bool = False
    data: bytes = b"null"
    trace: str = ""


class TimerRequest(msgspec.Struct, gc=False):
    """An entry due `delay_s` after the commit. A timer with the same `key` in the lane replaces the older one.

    `payload` None with a `key` cancels it.
    """

    bot_id: int
    lane: int
    delay_s: float
    payload: bytes | None
    key: str | None = None
    trace: str = ""


class Effects(msgspec.Struct):
    """All that one turn or job wants to happen together."""

    deliveries: list[Outgoing] = []
    jobs: list[JobRequest] = []
    timers: list[TimerRequest] = []
    states: list[StateWrite] = []
    sessions: SessionChanges | None = None
    counted: list[tuple[str, tuple[str, ...]]] = []  # metrics to add one to: name and label values

    def __bool__(self) -> bool:
        return bool(self.deliveries or self.jobs or self.timers or self.states or self.sessions)

    def clear(self) -> None:
        """Forget everything, as when the turn failed."""
        self.deliveries, self.jobs, self.timers, self.states, self.counted = [], [], [], [], []
        self.sessions = None
