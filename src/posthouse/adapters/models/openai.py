"""OpenAI's dialect, spoken by many: `POST /chat/completions` under a base URL that ends in `/v1`.

    chunk…        choices[0].delta: text, or pieces of tool calls by index
    chunk         choices[0].finish_reason: from here on the answer is complete
    chunk         usage, with no choices; only because `stream_options.include_usage` asks for it
    [DONE]        nothing follows

Its usage counts the input as one sum, of which the cached parts are a subset: `usage_of` takes them apart.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from yarl import URL

from posthouse.adapters.models.exchange import Exchange
from posthouse.adapters.models.failures import Failure, Problem, failure_in_stream
from posthouse.adapters.models.reading import UNREADABLE, UNREADABLE_ERRORS, OpenCall, Reading, billed, tool_call
from posthouse.ports.model import (
    Event,
    Message,
    Reply,
    Request,
    StopReason,
    Usage,
    estimate_output_tokens,
    estimate_request_tokens,
)

BASE_URL = "https://api.openai.com/v1"

_STOP_REASONS = {
    "stop": StopReason.END,
    "length": StopReason.MAX_TOKENS,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.REFUSED,
}


class OpenAIModel:
    """A `LanguageModel` at OpenAI, or at any server that speaks its dialect; there `api_key` may be empty.

    `base_url` has the `/v1`, as in OpenAI's own SDK. The provider does not count tokens, so `count_tokens` estimates.
    """

    def __init__(self, model: str, *, api_key: str, base_url: str = BASE_URL, timeout_s: float = 30.0) -> None:
        self._model = model
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._exchange = Exchange(base_url, api_key=api_key, headers=headers, timeout_s=timeout_s)
        # OpenAI's newer models refuse the old name; Ollama and LM Studio ignore the new one, and write without end.
        self._limit = "max_completion_tokens" if URL(base_url).host == "api.openai.com" else "max_tokens"

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r}, base_url={self._exchange.base_url!r})"

    async def complete(self, request: Request) -> Reply:
        body = chat_body(self._model, request, limit=self._limit)
        answer = await self._exchange.ask("/chat/completions", body)
        reply = answer if isinstance(answer, Failure) else read_reply(answer, request)
        if isinstance(reply, Failure):
            raise self._exchange.error(reply, billed(reply, request))
        return reply

    def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        body = chat_body(self._model, request, limit=self._limit, stream=True)
        return self._exchange.ask_stream("/chat/completions", body, ChunkReader(request))

    async def count_tokens(self, request: Request) -> int:
        return estimate_request_tokens(request)

    async def close(self) -> None:
        await self._exchange.close()


def chat_body(model: str, request: Request, *, limit: str = "max_tokens", stream: bool = False) -> bytes:
    """The body of a question; `limit` is the field that bounds the answer."""
    body: dict[str, Any] = {"model": model}
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
            for tool in request.tools
        ]
    system = [{"role": "system", "content": request.system}] if request.system else []
    body["messages"] = [*system, *map(_line, request.messages)]
    body[limit] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.stop:
        body["stop"] = list(request.stop)
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


def _line(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.content}
    line: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        line["content"] = message.content or None
        line["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": call.malformed or msgspec.json.encode(call.arguments).decode(),
                },
            }
            for call in message.tool_calls
        ]
    return line


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    """A whole message, or a piece of one."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None  # some compatible servers
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    model: str | None = None
    usage: _Usage | None = None
    error: Problem | str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_reply(content: bytes, request: Request) -> Reply | Failure:
    """The answer in a response's body."""
    try:
        answer = _decode(content)
    except UNREADABLE_ERRORS:
        return UNREADABLE
    if answer.error is not None:  # some gateways answer 200 with an error inside
        return failure_in_stream(_problem(answer.error))
    if not answer.choices or (said := answer.choices[0].message) is None:
        return UNREADABLE
    text = said.content or said.refusal or ""
    functions = [(call.id or "", call.function or _Function()) for call in said.tool_calls or []]
    calls = tuple(tool_call(id, function.name or "", function.arguments or "") for id, function in functions)
    missing = Usage(estimate_request_tokens(request), estimate_output_tokens(text, calls), estimated=True)
    return Reply(
        text=text,
        tool_calls=calls,
        stop_reason=_stop_reason(answer.choices[0].finish_reason, is_refusal=said.refusal is not None),
        usage=usage_of(answer.usage, missing),
        model=answer.model or "",
    )


def usage_of(told: _Usage | None, missing: Usage) -> Usage:
    """What the provider told, each token in one field; `missing` where it told nothing. A told zero is a zero."""
    if told is None or told.prompt_tokens is None or told.completion_tokens is None:
        return missing
    details = told.prompt_tokens_details or _InputDetails()
    read, written = details.cached_tokens or 0, details.cache_write_tokens or 0
    return Usage(
        input_tokens=max(0, told.prompt_tokens - read - written),
        output_tokens=told.completion_tokens,
        cache_read_tokens=read,
        cache_write_tokens=written,
    )


class ChunkReader:
    """Reads the chunks of one streamed completion."""

    def __init__(self, request: Request) -> None:
        self.reading = Reading(request)
        self._calls: dict[int, OpenCall] = {}
        self._is_refusal = False

    def read(self, data: str) -> list[Event | Failure]:
        if data.strip() == "[DONE]":
            self.reading.is_ended = True
            return [*self.reading.begin(), *self._end_calls()]
        try:
            chunk = _decode(data)
        except UNREADABLE_ERRORS:
            return [UNREADABLE]
        if chunk.error is not None:
            return [failure_in_stream(_problem(chunk.error))]
        return [*self._told(chunk)]

    def _told(self, chunk: _Answer) -> list[Event]:
        reading = self.reading
        reading.model = reading.model or chunk.model or ""
        events = reading.begin()
        for choice in chunk.choices[:1]:
            if choice.delta is not None:
                events += self._written(choice.delta)
            if choice.finish_reason is not None:
                reading.stop_reason = _stop_reason(choice.finish_reason, is_refusal=self._is_refusal)
                events += self._end_calls()
        reading.usage = usage_of(chunk.usage, reading.usage)
        return events

    def _written(self, said: _Said) -> list[Event]:
        self._is_refusal = self._is_refusal or said.refusal is not None
        self.reading.write_unseen(said.reasoning_content or "")
        for piece in said.tool_calls or []:
            self._write_call(piece)
        return self.reading.write(said.content or said.refusal or "")

    def _write_call(self, piece: _Call) -> None:
        function = piece.function or _Function()
        index = piece.index
        if index is None:  # some compatible servers send whole calls, unnumbered
            index = len(self._calls) if piece.id or not self._calls else max(self._calls)
        call = self._calls.setdefault(index, OpenCall("", ""))
        call.id = call.id or piece.id or ""
        call.name = call.name or function.name or ""
        call.arguments.append(function.arguments or "")
        self.reading.write_unseen((function.name or "") + (function.arguments or ""))

    def _end_calls(self) -> list[Event]:
        calls, self._calls = self._calls, {}
        return [calls[index].call() for index in sorted(calls)]


def _stop_reason(told: str | None, *, is_refusal: bool) -> StopReason:
    return StopReason.REFUSED if is_refusal else _STOP_REASONS.get(told or "", StopReason.OTHER)


def _problem(error: Problem | str) -> Problem:
    return error if isinstance(error, Problem) else Problem(message=error)
