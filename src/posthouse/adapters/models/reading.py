"""Reading one streamed answer: what both dialects keep while the events come."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from posthouse.adapters.models.failures import Failure
from posthouse.ports.model import (
    Delta,
    Event,
    Request,
    Stop,
    StopReason,
    ToolCall,
    Usage,
    estimate_request_tokens,
    estimate_tokens,
)

UNREADABLE = Failure("answered with something that is no answer", is_billable=True)
UNREADABLE_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What decoding an answer may raise: not JSON, other JSON than agreed, no text, or nested without end."""


class StreamReader(Protocol):
    """Turns the events of one stream into ours. Pure: it is fed texts and never waits."""

    reading: Reading

    def read(self, data: str) -> list[Event | Failure]:
        """What this event tells; a `Failure` is the last."""
        ...


class OpenCall:
    """A tool call whose arguments are still being written."""

    def __init__(self, id: str, name: str) -> None:
        self.id = id
        self.name = name
        self.arguments: list[str] = []

    def call(self) -> ToolCall:
        return tool_call(self.id, self.name, "".join(self.arguments))


class Reading:
    """How far the reading of one streamed answer has come.

    Until the provider has told the usage it is estimated: the input from the question, the output from what was
    written, tool arguments and all.
    """

    def __init__(self, request: Request) -> None:
        self.usage = Usage(input_tokens=estimate_request_tokens(request), estimated=True)
        self.model = ""
        self.stop_reason: StopReason | None = None
        self.is_begun = False
        self.is_ended = False  # the provider said that nothing follows
        self._written: list[str] = []

    def begin(self) -> list[Event]:
        """The first event of every stream, once."""
        if self.is_begun:
            return []
        self.is_begun = True
        return [self.usage]

    def write(self, text: str) -> list[Event]:
        """A piece of the text."""
        self._written.append(text)
        return [Delta(text)] if text else []

    def write_unseen(self, text: str) -> None:
        """Something that is billed and only shown later, or never: arguments, thinking."""
        self._written.append(text)

    @property
    def usage_so_far(self) -> Usage:
        """What to book now: the provider's own numbers for a whole answer, at least what was written otherwise."""
        if self.is_whole and not self.usage.estimated:
            return self.usage
        counted = max(self.usage.output_tokens, estimate_tokens("".join(self._written)))
        return msgspec.structs.replace(self.usage, output_tokens=counted, estimated=True)

    @property
    def is_whole(self) -> bool:
        """Whether the text is complete, even when the connection broke right after it."""
        return self.is_ended or self.stop_reason is not None

    def end(self) -> list[Event]:
        """The last events: the usage, and Stop when the answer is whole."""
        if not self.is_whole:
            return [self.usage_so_far]
        return [self.usage_so_far, Stop(self.stop_reason or StopReason.OTHER, self.model)]


def billed(failure: Failure, request: Request) -> Usage | None:
    """What may be billed for a question that got no answer."""
    return Reading(request).usage_so_far if failure.is_billable else None


def tool_call(id: str, name: str, arguments: str) -> ToolCall:
    """A call with the arguments that the model wrote; no text at all is an empty object."""
    try:
        decoded: Any = msgspec.json.decode(arguments or "{}")
    except UNREADABLE_ERRORS:
        decoded = None
    if isinstance(decoded, dict):
        return ToolCall(id, name, decoded)
    return ToolCall(id, name, malformed=arguments)
