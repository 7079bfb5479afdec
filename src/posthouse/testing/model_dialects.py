"""The dialects of Anthropic and OpenAI from the provider's side: a body back into a `Request`, a `Reply` into a body.

Written for `posthouse.testing.models.FakeModelServer` and without a look at the adapters, so that it can contradict
them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from posthouse.ports.model import Message, Reply, Request, StopReason, Tool, ToolCall, Usage


class Part(StrEnum):
    """Which part of a stream a frame belongs to: faults look at it."""

    FRAME = "frame"
    PIECE = "piece"
    END = "end"
    USAGE = "usage"  # and what follows it


class Frame(msgspec.Struct, frozen=True):
    data: bytes
    part: Part = Part.FRAME
    ends_piece: bool = False


class Anthropic:
    """`/v1/messages`, from the provider's side."""

    kinds: ClassVar[dict[int, str]] = {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    _stops: ClassVar[dict[StopReason, str]] = {
        StopReason.END: "end_turn",
        StopReason.TOOL_CALLS: "tool_use",
        StopReason.MAX_TOKENS: "max_tokens",
        StopReason.REFUSED: "refusal",
        StopReason.OTHER: "pause_turn",
    }

    def request(self, body: dict[str, Any]) -> Request:
        system = body.get("system", "")
        blocks = system if isinstance(system, list) else []
        tools = body.get("tools", [])
        return Request(
            system="".join(block["text"] for block in blocks) if blocks else system,
            messages=[message for turn in body["messages"] for message in self._messages(turn)],
            tools=[Tool(tool["name"], tool.get("description", ""), tool["input_schema"]) for tool in tools],
            max_tokens=body.get("max_tokens", 0),
            temperature=body.get("temperature"),
            stop=body.get("stop_sequences", []),
            cache=any("cache_control" in block for block in [*blocks, *tools]),
        )

    def _messages(self, turn: dict[str, Any]) -> Iterator[Message]:
        content = turn["content"]
        blocks: list[dict[str, Any]] = content
        if isinstance(content, str):
            blocks = [{"type": "text", "text": content}]
        if turn["role"] == "assistant":
            calls = [ToolCall(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
            yield Message("assistant", "".join(b["text"] for b in blocks if b["type"] == "text"), calls)
            return
        for block in blocks:
            if block["type"] == "tool_result":
                yield Message("tool", block["content"], tool_call_id=block["tool_use_id"])
            else:
                yield Message("user", block["text"])

    def wants_usage(self, body: dict[str, Any]) -> bool:
        return True

    def failure(self, status: int, kind: str, message: str) -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind or self.kinds.get(status, "api_error"), "message": message}}

    def failure_frame(self) -> bytes:
        return _named("error", self.failure(500, "", "scripted failure"))

    def whole(self, reply: Reply) -> dict[str, Any]:
        text = [{"type": "text", "text": reply.text}] if reply.text else []
        calls = [{"type": "tool_use", "id": c.id, "name": c.name, "input": c.arguments} for c in reply.tool_calls]
        return self._message(reply, [*text, *calls], self._stops[reply.stop_reason], reply.usage.output_tokens)

    def frames(self, reply: Reply) -> Iterator[Frame]:
        opening = self._message(reply, [], None, 1)
        yield Frame(_named("message_start", {"type": "message_start", "message": opening}))
        yield Frame(_named("ping", {"type": "ping"}))
        texts = [("text_delta", "text", word) for word in words(reply.text)]
        if texts:
            yield from self._block(0, {"type": "text", "text": ""}, texts)
        for index, call in enumerate(reply.tool_calls, start=bool(texts)):
            arguments = call.malformed or msgspec.json.encode(call.arguments).decode()
            halves = [("input_json_delta", "partial_json", half) for half in ("", *_halves(arguments))]
            block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
            yield from self._block(index, block, halves, is_call=True)
        usage = {"output_tokens": reply.usage.output_tokens}
        delta = {"stop_reason": self._stops[reply.stop_reason], "stop_sequence": None}
        ended = {"type": "message_delta", "delta": delta, "usage": usage}
        yield Frame(_named("message_delta", ended), Part.USAGE)
        yield Frame(_named("message_stop", {"type": "message_stop"}), Part.USAGE)

    def _block(
        self, index: int, block: dict[str, Any], deltas: list[tuple[str, str, str]], *, is_call: bool = False
    ) -> Iterator[Frame]:
        start = {"type": "content_block_start", "index": index, "content_block": block}
        yield Frame(_named("content_block_start", start), Part.PIECE if is_call else Part.FRAME)
        for kind, field, text in deltas:
            delta = {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: text}}
            part = Part.FRAME if is_call else Part.PIECE
            yield Frame(_named("content_block_delta", delta), part, ends_piece=not is_call)
        stop = _named("content_block_stop", {"type": "content_block_stop", "index": index})
        yield Frame(stop, ends_piece=is_call)

    def _message(self, reply: Reply, content: list[Any], stop_reason: str | None, output: int) -> dict[str, Any]:
        usage = {
            "input_tokens": reply.usage.input_tokens,
            "cache_creation_input_tokens": reply.usage.cache_write_tokens,
            "cache_read_input_tokens": reply.usage.cache_read_tokens,
            "output_tokens": output,
        }
        return {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": reply.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": None,
            "usage": usage,
        }


class OpenAI:
    """`/v1/chat/completions`, from the provider's side."""

    kinds: ClassVar[dict[int, str]] = {
        400: "invalid_request_error",
        401: "invalid_request_error",
        403: "permission_error",
        404: "not_found_error",
        429: "rate_limit_error",
    }
    _stops: ClassVar[dict[StopReason, str]] = {
        StopReason.END: "stop",
        StopReason.TOOL_CALLS: "tool_calls",
        StopReason.MAX_TOKENS: "length",
        StopReason.REFUSED: "content_filter",
        StopReason.OTHER: "unheard_of",
    }

    def request(self, body: dict[str, Any]) -> Request:
        functions = [tool["function"] for tool in body.get("tools", [])]
        lines = body["messages"]
        return Request(
            system="".join(line["content"] for line in lines if line["role"] == "system"),
            messages=[self._message(line) for line in lines if line["role"] != "system"],
            tools=[Tool(f["name"], f.get("description", ""), f["parameters"]) for f in functions],
            max_tokens=body.get("max_tokens") or body.get("max_completion_tokens", 0),
            temperature=body.get("temperature"),
            stop=body.get("stop", []),
        )

    def _message(self, line: dict[str, Any]) -> Message:
        calls = [self._call_back(call) for call in line.get("tool_calls", [])]
        return Message(line["role"], line["content"] or "", calls, line.get("tool_call_id", ""))

    def _call_back(self, call: dict[str, Any]) -> ToolCall:
        id, name, arguments = call["id"], call["function"]["name"], call["function"]["arguments"]
        try:
            return ToolCall(id, name, msgspec.json.decode(arguments, type=dict[str, Any]))
        except msgspec.MsgspecError:
            return ToolCall(id, name, malformed=arguments)

    def wants_usage(self, body: dict[str, Any]) -> bool:
        return bool(body.get("stream_options", {}).get("include_usage"))

    def failure(self, status: int, kind: str, message: str) -> dict[str, Any]:
        told = kind or self.kinds.get(status, "server_error")
        return {"error": {"message": message, "type": told, "param": None, "code": kind or None}}

    def failure_frame(self) -> bytes:
        return _unnamed(self.failure(500, "", "scripted failure"))

    def whole(self, reply: Reply) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None, "refusal": None}
        if reply.tool_calls:
            message["tool_calls"] = [self._call(call) for call in reply.tool_calls]
        choice = {"index": 0, "message": message, "finish_reason": self._stops[reply.stop_reason]}
        return self._envelope(reply, "chat.completion", [choice]) | {"usage": self._usage(reply.usage)}

    def frames(self, reply: Reply) -> Iterator[Frame]:
        yield Frame(b": keep-alive\r\n\r\n")
        yield Frame(self._chunk(reply, {"role": "assistant", "content": ""}))
        for word in words(reply.text):
            yield Frame(self._chunk(reply, {"content": word}), Part.PIECE, ends_piece=True)
        for index, call in enumerate(reply.tool_calls):
            whole = self._call(call)
            first, second = _halves(whole["function"]["arguments"])
            opening = whole | {"index": index, "function": {"name": call.name, "arguments": first}}
            yield Frame(self._chunk(reply, {"tool_calls": [opening]}), Part.PIECE)
            rest = {"index": index, "function": {"arguments": second}}
            yield Frame(self._chunk(reply, {"tool_calls": [rest]}), ends_piece=True)
        yield Frame(self._chunk(reply, {}, self._stops[reply.stop_reason]), Part.END)
        usage = self._envelope(reply, "chat.completion.chunk", []) | {"usage": self._usage(reply.usage)}
        yield Frame(_unnamed(usage), Part.USAGE)
        yield Frame(b"data: [DONE]\n\n")

    def _chunk(self, reply: Reply, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return _unnamed(self._envelope(reply, "chat.completion.chunk", [choice]) | {"usage": None})

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = call.malformed or msgspec.json.encode(call.arguments).decode()
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}

    def _usage(self, usage: Usage) -> dict[str, Any]:
        prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": usage.output_tokens,
            "total_tokens": prompt + usage.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": usage.cache_read_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
        }

    def _envelope(self, reply: Reply, object: str, choices: list[Any]) -> dict[str, Any]:
        return {"id": "chatcmpl-scripted", "object": object, "created": 0, "model": reply.model, "choices": choices}


Dialect = Anthropic | OpenAI


def words(text: str) -> Iterator[str]:
    """The text in pieces, white space with the word before it."""
    return iter(re.findall(r"\s*\S+\s*|\s+", text))


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def _named(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\n".encode() + _unnamed(data)


def _unnamed(data: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
