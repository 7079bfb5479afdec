"""Anthropic's dialect: `POST /v1/messages`.

    message_start        model, and what the input cost; the output's count there is a placeholder
    content_block_start  ┐
    content_block_delta  ├ text, or the JSON of a tool's arguments in pieces; thinking is billed and not shown
    content_block_stop   ┘ a tool call is complete
    message_delta        stop reason, and the whole usage: from here on the answer is complete
    message_stop         nothing follows
    ping, error          keep-alive; what would have been a status

Its usage counts the input in disjoint parts already: `input_tokens` excludes what was read from the cache or written to
it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from posthouse.adapters.models.exchange import Exchange
from posthouse.adapters.models.failures import Failure, Problem, failure_in_stream
from posthouse.adapters.models.reading import UNREADABLE, UNREADABLE_ERRORS, OpenCall, Reading, billed, tool_call
from posthouse.ports.model import (
    Event,
    Message,
    Reply,
    Request,
    StopReason,
    ToolCall,
    Usage,
    estimate_output_tokens,
    estimate_request_tokens,
)

BASE_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"

_STOP_REASONS = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "tool_use": StopReason.TOOL_CALLS,
    "max_tokens": StopReason.MAX_TOKENS,
    "model_context_window_exceeded": StopReason.MAX_TOKENS,
    "refusal": StopReason.REFUSED,
}


class AnthropicModel:
    """A `LanguageModel` at Anthropic, or behind a gateway that speaks its dialect.

    `base_url` is without `/v1`, as in Anthropic's own SDK.
    """

    def __init__(self, model: str, *, api_key: str, base_url: str = BASE_URL, timeout_s: float = 30.0) -> None:
        self._model = model
        headers = {"anthropic-version": VERSION, **({"x-api-key": api_key} if api_key else {})}
        self._exchange = Exchange(base_url, api_key=api_key, headers=headers, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"AnthropicModel({self._model!r}, base_url={self._exchange.base_url!r})"

    async def complete(self, request: Request) -> Reply:
        answer = await self._exchange.ask("/v1/messages", message_body(self._model, request))
        reply = answer if isinstance(answer, Failure) else read_reply(answer, request)
        if isinstance(reply, Failure):
            raise self._exchange.error(reply, billed(reply, request))
        return reply

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        body = message_body(self._model, request, stream=True)
        return self._exchange.ask_stream("/v1/messages", body, MessageReader(request))

    async def count_tokens(self, request: Request) -> int:
        answer = await self._exchange.ask("/v1/messages/count_tokens", count_body(self._model, request))
        count = answer if isinstance(answer, Failure) else read_count(answer)
        if isinstance(count, Failure):
            raise self._exchange.error(count)
        return count

    async def close(self) -> None:
        await self._exchange.close()


def message_body(model: str, request: Request, *, stream: bool = False) -> bytes:
    """The body of a question."""
    body = _question(model, request) | {"max_tokens": request.max_tokens}
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if stream:
        body["stream"] = True
    return msgspec.json.encode(body)


def count_body(model: str, request: Request) -> bytes:
    """The body that asks how many tokens a question has."""
    return msgspec.json.encode(_question(model, request))


def _question(model: str, request: Request) -> dict[str, Any]:
    """Tools, system, conversation: what changes least comes first, because a cache holds a prefix."""
    question: dict[str, Any] = {"model": model}
    mark = {"cache_control": {"type": "ephemeral"}} if request.cache else {}
    if request.tools:
        question["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
            for tool in request.tools
        ]
        if not request.system:
            question["tools"][-1] |= mark  # the mark closes the prefix, so it stands on its last part
    if request.system:
        question["system"] = [{"type": "text", "text": request.system} | mark] if mark else request.system
    question["messages"] = _turns(request.messages)
    return question


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as Anthropic wants them: a tool's answer is the person's turn, and all answers stand in one turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += _blocks(message)
        else:
            turns.append({"role": role, "content": _blocks(message)})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}]
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    for call in message.tool_calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
    return blocks


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    id: str = ""
    name: str = ""
    input: Any = None


class _Message(msgspec.Struct):
    content: list[_Block] = []
    model: str = ""
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Answer(_Message):
    """A whole answer: without its content it is none."""

    content: list[_Block]


class _Delta(msgspec.Struct):
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    stop_reason: str | None = None


class _StreamEvent(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: Problem | None = None


class _Count(msgspec.Struct):
    input_tokens: int


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_StreamEvent).decode
_decode_count = msgspec.json.Decoder(_Count).decode


def read_reply(content: bytes, request: Request) -> Reply | Failure:
    """The answer in a response's body."""
    try:
        answer = _decode_answer(content)
    except UNREADABLE_ERRORS:
        return UNREADABLE
    text = "".join(block.text or "" for block in answer.content if block.type == "text")
    calls = tuple(_called(block) for block in answer.content if block.type == "tool_use")
    missing = Usage(estimate_request_tokens(request), estimate_output_tokens(text, calls), estimated=True)
    return Reply(
        text=text,
        tool_calls=calls,
        stop_reason=_STOP_REASONS.get(answer.stop_reason or "", StopReason.OTHER),
        usage=missing if answer.usage is None else usage_told(missing, answer.usage),
        model=answer.model,
    )


def read_count(content: bytes) -> int | Failure:
    try:
        return _decode_count(content).input_tokens
    except UNREADABLE_ERRORS:
        return UNREADABLE


def usage_told(before: Usage, told: _Usage, *, is_final: bool = True) -> Usage:
    """The usage after another report: a number replaces the one before, zero too; an absent one leaves it."""

    def latest(now: int | None, then: int) -> int:
        return then if now is None else now

    return Usage(
        input_tokens=latest(told.input_tokens, before.input_tokens),
        output_tokens=latest(told.output_tokens, before.output_tokens),
        cache_read_tokens=latest(told.cache_read_input_tokens, before.cache_read_tokens),
        cache_write_tokens=latest(told.cache_creation_input_tokens, before.cache_write_tokens),
        estimated=not is_final or told.output_tokens is None,
    )


class MessageReader:
    """Reads the events of one streamed message."""

    def __init__(self, request: Request) -> None:
        self.reading = Reading(request)
        self._calls: dict[int, OpenCall] = {}

    def read(self, data: str) -> list[Event | Failure]:
        try:
            event = _decode_event(data)
        except UNREADABLE_ERRORS:
            return [UNREADABLE]
        if event.type == "error":
            return [failure_in_stream(event.error or Problem())]
        return [*self._told(event)]

    def _told(self, event: _StreamEvent) -> list[Event]:
        reading = self.reading
        if event.type == "message_start" and event.message is not None:
            reading.model = event.message.model
            if event.message.usage is not None:
                reading.usage = usage_told(reading.usage, event.message.usage, is_final=False)
            return reading.begin()
        if event.type == "content_block_start" and event.content_block is not None:
            block = event.content_block
            if block.type == "tool_use":
                self._calls[event.index] = OpenCall(block.id, block.name)
                reading.write_unseen(block.name)
            return [*reading.begin(), *reading.write(block.text or "" if block.type == "text" else "")]
        if event.type == "content_block_delta" and event.delta is not None:
            return [*reading.begin(), *self._written(event.index, event.delta)]
        if event.type == "content_block_stop" and event.index in self._calls:
            return [self._calls.pop(event.index).call()]
        if event.type == "message_delta":
            if event.delta is not None and event.delta.stop_reason is not None:
                reading.stop_reason = _STOP_REASONS.get(event.delta.stop_reason, StopReason.OTHER)
            if event.usage is not None:
                reading.usage = usage_told(reading.usage, event.usage)
            return reading.begin()
        reading.is_ended = reading.is_ended or event.type == "message_stop"
        return []

    def _written(self, index: int, delta: _Delta) -> list[Event]:
        if index in self._calls:
            self._calls[index].arguments.append(delta.partial_json)
            self.reading.write_unseen(delta.partial_json)
            return []
        self.reading.write_unseen(delta.thinking)
        return self.reading.write(delta.text)


def _called(block: _Block) -> ToolCall:
    return tool_call(block.id, block.name, msgspec.json.encode(block.input or {}).decode())
