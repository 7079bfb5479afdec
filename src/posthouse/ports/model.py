"""A language model: it answers whole or piece by piece, and says what the answer cost.

    complete   one question, one `Reply`
    stream     Usage (what is known of the input) → (Delta | ToolCall)* → Usage → Stop
    count      how many tokens the question has

A stream that breaks ends with a `Usage` too, counted as far as it came and marked `estimated`, and then raises
`ModelUnavailable`: providers bill what they began. `Draft` gathers the events of a stream, and its `usage` is what to
book at any moment, also for who stops reading.

    ModelUnavailable   Retryable   nobody is at fault: busy (429, 529), failing (5xx), silent, or the connection broke
    ModelRefused       Terminal    the same question will never be answered: `reason` says why

Nothing here asks twice: the worker that runs the job owns all retries. Deliberately absent: images, forced tool
choice, several answers to one question, thinking as text (it is billed as output and not shown).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

from posthouse.core.errors import Retryable, Terminal

MESSAGE_TOKENS = 4  # what the frame around one message costs, about


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for a tool to be run.

    `malformed` is what it wrote where a JSON object should be; then `arguments` is empty. An answer that was cut at
    `max_tokens` ends so.
    """

    id: str
    name: str
    arguments: dict[str, Any] = {}
    malformed: str = ""


class Message(msgspec.Struct, frozen=True):
    """One line of the conversation. An assistant's may carry tool calls; a tool's says which call it answers."""

    role: Literal["user", "assistant", "tool"]
    content: str = ""
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str = ""


class Tool(msgspec.Struct, frozen=True):
    """What the model may ask for. `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Request(msgspec.Struct, frozen=True):
    """One question. `system` is the author's: what a person wrote belongs in a message (S1-3).

    `cache` asks the provider to keep tools and system for the questions after this one. Anthropic bills that as
    `cache_write_tokens`; OpenAI decides by itself.
    """

    messages: Sequence[Message]
    system: str = ""
    tools: Sequence[Tool] = ()
    max_tokens: int = 1024  # of the answer
    temperature: float | None = None  # None: the model's own
    stop: Sequence[str] = ()  # texts at which the answer ends
    cache: bool = False


class Usage(msgspec.Struct, frozen=True):
    """Tokens that are billed, each in exactly one field, whatever the provider's own convention.

    `input_tokens` is the uncached rest of the input. `estimated` when the provider did not say, or not all.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    estimated: bool = False


class StopReason(StrEnum):
    """Why an answer ended."""

    END = "end"  # it was complete, or came to one of `stop`
    TOOL_CALLS = "tool_calls"  # the model waits for tools
    MAX_TOKENS = "max_tokens"  # it was cut
    REFUSED = "refused"  # the provider's rules
    OTHER = "other"


class Reply(msgspec.Struct, frozen=True):
    """An answer. `model` is the one that wrote it, as the provider names it."""

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    stop_reason: StopReason = StopReason.END
    usage: Usage = Usage()
    model: str = ""


class Delta(msgspec.Struct, frozen=True):
    """The next piece of the text."""

    text: str


class Stop(msgspec.Struct, frozen=True):
    """The answer is whole; nothing follows."""

    reason: StopReason
    model: str = ""


Event = Delta | ToolCall | Usage | Stop


class ModelUnavailable(Retryable):
    """The model gave no answer, or not a whole one.

    `status` is None when there was no HTTP answer. `usage` is what may be billed all the same, None when nothing is.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status
        self.usage = usage


class RefusalReason(StrEnum):
    """What has to change before the model would answer."""

    BAD_REQUEST = "bad_request"
    CONTEXT_LENGTH = "context_length"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    QUOTA = "quota"  # the account's money or monthly limit is used up


class ModelRefused(Terminal):
    """The model will not answer this question."""

    reason: RefusalReason

    def __init__(self, message: str | None = None, *, reason: RefusalReason, status: int | None = None) -> None:
        super().__init__(message, reason=reason)
        self.status = status


class LanguageModel(Protocol):
    """Answers questions. Every call raises `ModelUnavailable` or `ModelRefused`, and neither shows a key."""

    async def complete(self, request: Request) -> Reply:
        """The whole answer."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """The answer as it is written, in the order above. Closing the generator ends the request.

        Use `contextlib.aclosing` where the loop may be left early.
        """
        ...

    async def count_tokens(self, request: Request) -> int:
        """How many input tokens the question has; an estimate where the provider does not count."""
        ...

    async def close(self) -> None:
        """Let connections go. Harmless twice."""
        ...


class Draft:
    """An answer as far as it has come: `add` each event of a stream.

    async with aclosing(model.stream(request)) as events:
        async for event in events:
            draft.add(event)
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tool_calls: list[ToolCall] = []
        self._usage: Usage | None = None
        self._stop: Stop | None = None

    def add(self, event: Event) -> None:
        match event:
            case Delta():
                self._texts.append(event.text)
            case ToolCall():
                self._tool_calls.append(event)
            case Usage():
                self._usage = event
            case Stop():
                self._stop = event

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def is_whole(self) -> bool:
        return self._stop is not None

    @property
    def usage(self) -> Usage | None:
        """What is billed, estimated until the provider has said it; None before the provider began."""
        usage = self._usage
        if usage is None or not usage.estimated:
            return usage
        counted = estimate_output_tokens(self.text, self._tool_calls)
        return msgspec.structs.replace(usage, output_tokens=max(usage.output_tokens, counted))

    def reply(self) -> Reply:
        """The answer, once it is whole; ValueError before."""
        if self._stop is None:
            raise ValueError("this answer is not whole: its stream has not said Stop")
        return Reply(
            text=self.text,
            tool_calls=tuple(self._tool_calls),
            stop_reason=self._stop.reason,
            usage=self.usage or Usage(estimated=True),
            model=self._stop.model,
        )


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has: one for four bytes of UTF-8, rounded up.

    Four letters of English, two of Cyrillic, a little more than one Chinese sign. It errs upwards, as a hold should.
    """
    return (len(text.encode(errors="replace")) + 3) // 4


def estimate_request_tokens(request: Request) -> int:
    """About how many input tokens a question has."""
    tokens = estimate_tokens(request.system)
    for message in request.messages:
        tokens += MESSAGE_TOKENS + estimate_output_tokens(message.content, message.tool_calls)
    return tokens + sum(estimate_tokens(msgspec.json.encode(tool).decode()) for tool in request.tools)


def estimate_output_tokens(text: str, tool_calls: Sequence[ToolCall]) -> int:
    """About how many tokens an answer has."""
    written = (call.name + (call.malformed or msgspec.json.encode(call.arguments).decode()) for call in tool_calls)
    return estimate_tokens(text) + sum(map(estimate_tokens, written))
