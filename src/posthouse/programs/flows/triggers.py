"""Triggers: what makes an event of a flow happen. An event without one is a button of that name.

"pack.pay":      Press("pay")             a button, under a shorter name than the event's
"pack.photo":    Content("photo")         a photo from the person
"order.name":    Text()                   a text, or one that fits a pattern
"pack.ready":    JobDone(render)          a job that the session queued has finished
"pack.failed":   JobFailed(render)        it was given up or cancelled
"order.nudge":   Timer()                  a timer that the session set
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posthouse.core.errors import AuthorError
from posthouse.programs.turn import Turn


@dataclass(frozen=True, slots=True)
class Press:
    """A button; `action` is what it carries, when the event's own name is too long or must not be known."""

    action: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A text message that is no command: any, this exact one, or one that a pattern matches from its start."""

    pattern: str | re.Pattern[str] | None = None

    def fits(self, turn: Turn) -> bool:
        text = turn.update["message"].get("text")
        if text is None or text.startswith("/"):
            return False
        if self.pattern is None:
            return True
        return text == self.pattern if isinstance(self.pattern, str) else self.pattern.match(text) is not None


@dataclass(frozen=True, slots=True)
class Content:
    """A message with this in it: `photo`, `document`, `voice`, `contact`, `location`, `sticker`, …"""

    field: str

    def fits(self, turn: Turn) -> bool:
        return self.field in turn.update["message"]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, such as `/cancel`, while the session is in a state that knows it."""

    name: str

    def fits(self, turn: Turn) -> bool:
        first = (turn.update["message"].get("text") or "").split(maxsplit=1)[:1]
        return bool(first) and first[0].partition("@")[0].lower() == "/" + self.name.lstrip("/").lower()


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job of this task, queued with `session.enqueue`, has finished; its result is `session.result`."""

    task: str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job of this task, queued with `session.enqueue`, was given up or cancelled; `session.result` says why."""

    task: str | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that the session set with `session.after(delay, event)`."""


Message = Text | Content | Command
Trigger = Press | Message | JobDone | JobFailed | Timer


def task_name(task: str | Callable[..., Any]) -> str:
    """The name of a job, given as such or as the function that `@app.job` registered."""
    name = task if isinstance(task, str) else getattr(getattr(task, "__posthouse_job__", None), "task", None)
    if name is None:
        raise AuthorError(
            f"{task!r} is not a job: decorate it with @app.job() before the flow, or give the task's name"
        )
    return str(name)
