"""Language models without a network: bodies, answers, events, usage, and what a failure means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from posthouse.adapters.models import anthropic, openai
from posthouse.adapters.models.anthropic import AnthropicModel, MessageReader
from posthouse.adapters.models.failures import Failure, Problem, failure_in_stream, failure_of, retry_after_s
from posthouse.adapters.models.openai import ChunkReader, OpenAIModel
from posthouse.adapters.models.reading import UNREADABLE
from posthouse.core.errors import ConfigurationInvalid, Retryable, Terminal
from posthouse.ports.model import (
    Delta,
    Draft,
    Event,
    Message,
    ModelRefused,
    ModelUnavailable,
    RefusalReason,
    Reply,
    Request,
    Stop,
    StopReason,
    Tool,
    ToolCall,
    Usage,
    estimate_request_tokens,
    estimate_tokens,
)

KEY = "sk-0123456789abcdef"
CALL = ToolCall("c1", "set_style", {"style": "anime"})
SCHEMA = {"type": "object", "properties": {"style": {"type": "string"}}}
QUESTION = Request([Message("user", "Hi")])
FULL = Request(
    [
        Message("user", "Make a sticker"),
        Message("assistant", "", [CALL]),
        Message("tool", "done", tool_call_id="c1"),
        Message("user", "[SYSTEM STATE] step=pose"),
    ],
    system="You make stickers.",
    tools=[Tool("set_style", "Sets the style.", SCHEMA)],
    max_tokens=50,
    temperature=0.0,
    stop=["END"],
    cache=True,
)


def body_of(content: bytes) -> Any:
    return msgspec.json.decode(content)


# Bodies


def test_an_anthropic_body() -> None:
    """The prefix carries one cache mark, a tool's answer is the person's turn, and turns alternate."""
    assert body_of(anthropic.message_body("m", FULL, stream=True)) == {
        "model": "m",
        "tools": [{"name": "set_style", "description": "Sets the style.", "input_schema": SCHEMA}],
        "system": [{"type": "text", "text": "You make stickers.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Make a sticker"}]},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "set_style", "input": {"style": "anime"}}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "done"},
                    {"type": "text", "text": "[SYSTEM STATE] step=pose"},
                ],
            },
        ],
        "max_tokens": 50,
        "temperature": 0.0,
        "stop_sequences": ["END"],
        "stream": True,
    }


def test_a_small_anthropic_body() -> None:
    """What was not asked for is not sent."""
    assert body_of(anthropic.message_body("m", QUESTION)) == {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "max_tokens": 1024,
    }


def test_a_cached_prefix_without_system_ends_with_the_tools() -> None:
    """The mark stands on the last part of the prefix, and the author's tools are left as they are."""
    request = msgspec.structs.replace(FULL, system="")
    body = body_of(anthropic.message_body("m", request))
    assert body["tools"][-1]["cache_control"] == {"type": "ephemeral"}
    assert "system" not in body
    assert "cache_control" not in body_of(anthropic.message_body("m", msgspec.structs.replace(request, cache=False)))


def test_counting_sends_only_the_question() -> None:
    """Anthropic refuses settings of the answer where there is no answer."""
    assert set(body_of(anthropic.count_body("m", FULL))) == {"model", "tools", "system", "messages"}


def test_an_openai_body() -> None:
    """Arguments travel as text, a call without words has no content, and the usage of a stream is asked for."""
    assert body_of(openai.chat_body("m", FULL, stream=True)) == {
        "model": "m",
        "tools": [
            {
                "type": "function",
                "function": {"name": "set_style", "description": "Sets the style.", "parameters": SCHEMA},
            }
        ],
        "messages": [
            {"role": "system", "content": "You make stickers."},
            {"role": "user", "content": "Make a sticker"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "set_style", "arguments": '{"style":"anime"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "user", "content": "[SYSTEM STATE] step=pose"},
        ],
        "max_tokens": 50,
        "temperature": 0.0,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_small_openai_body() -> None:
    """What was not asked for is not sent; the bound of the answer has the name that the server knows."""
    assert body_of(openai.chat_body("m", QUESTION, limit="max_completion_tokens")) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 1024,
    }


# Usage: the two conventions are opposite


def anthropic_reply(usage: Any, **fields: Any) -> Reply | Failure:
    answer = {"content": [{"type": "text", "text": "Yes"}], "model": "m", "stop_reason": "end_turn", "usage": usage}
    return anthropic.read_reply(msgspec.json.encode(answer | fields), QUESTION)


def openai_reply(usage: Any, *, message: Any = None, finish_reason: str | None = "stop") -> Reply | Failure:
    choice = {"index": 0, "message": message or {"role": "assistant", "content": "Yes"}, "finish_reason": finish_reason}
    answer = {"model": "m", "choices": [choice], "usage": usage}
    return openai.read_reply(msgspec.json.encode(answer), QUESTION)


def usage_in(reply: Reply | Failure) -> Usage:
    assert isinstance(reply, Reply)
    return reply.usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"input_tokens": 2006, "output_tokens": 300}, Usage(2006, 300)),
        (
            # 86 + 1920 + 0 = 2006 of input
            {
                "input_tokens": 86,
                "cache_read_input_tokens": 1920,
                "cache_creation_input_tokens": 0,
                "output_tokens": 300,
            },
            Usage(86, 300, cache_read_tokens=1920),
        ),
        (
            # 14 + 1920 + 72 = 2006 of input
            {
                "input_tokens": 14,
                "cache_read_input_tokens": 1920,
                "cache_creation_input_tokens": 72,
                "output_tokens": 1,
            },
            Usage(14, 1, cache_read_tokens=1920, cache_write_tokens=72),
        ),
        (
            {"input_tokens": 5, "cache_read_input_tokens": None, "output_tokens": 0, "service_tier": "standard"},
            Usage(5, 0),
        ),
    ],
)
def test_anthropic_counts_disjoint_parts(told: Any, usage: Usage) -> None:
    """`input_tokens` excludes the cached parts already, so it stays as it is."""
    assert usage_in(anthropic_reply(told)) == usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306}, Usage(2006, 300)),
        (
            # 2006 - 1920 = 86 uncached
            {"prompt_tokens": 2006, "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 1920}},
            Usage(86, 300, cache_read_tokens=1920),
        ),
        (
            # 9657 - 0 - 9654 = 3
            {
                "prompt_tokens": 9657,
                "completion_tokens": 78,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 9654, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 37},
            },
            Usage(3, 78, cache_write_tokens=9654),
        ),
        (
            # 3438 - 3423 - 12 = 3
            {
                "prompt_tokens": 3438,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 3423, "cache_write_tokens": 12},
            },
            Usage(3, 5, cache_read_tokens=3423, cache_write_tokens=12),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 0, "prompt_tokens_details": None}, Usage(5, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),
        (
            {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(0, 1, cache_read_tokens=9),
        ),
    ],
)
def test_openai_counts_a_sum_with_subsets(told: Any, usage: Usage) -> None:
    """The cached parts are inside `prompt_tokens`, so they are taken out."""
    assert usage_in(openai_reply(told)) == usage


@pytest.mark.parametrize("reply", [anthropic_reply(None), openai_reply(None), openai_reply({})])
def test_a_missing_usage_is_estimated(reply: Reply | Failure) -> None:
    """A provider that does not tell is estimated, and the number says so: “Hi” in its frame, and “Yes”."""
    assert usage_in(reply) == Usage(5, 1, estimated=True)


# Whole answers


def test_an_anthropic_answer_is_read() -> None:
    """Text blocks are one text, thinking is left out, calls have their arguments."""
    content = [
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "text", "text": "Let me "},
        {"type": "text", "text": "see."},
        {"type": "tool_use", "id": "c1", "name": "set_style", "input": {"style": "anime"}},
        {"type": "tool_use", "id": "c2", "name": "check_balance", "input": {}},
    ]
    usage = {"input_tokens": 1, "output_tokens": 2}
    assert anthropic_reply(usage, content=content, stop_reason="tool_use") == Reply(
        "Let me see.", (CALL, ToolCall("c2", "check_balance")), StopReason.TOOL_CALLS, Usage(1, 2), "m"
    )


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ('{"style":"anime"}', CALL),
        ("", ToolCall("c1", "set_style")),
        ('{"style": "ani', ToolCall("c1", "set_style", malformed='{"style": "ani')),
        ('["anime"]', ToolCall("c1", "set_style", malformed='["anime"]')),
        ("null", ToolCall("c1", "set_style", malformed="null")),
    ],
)
def test_arguments_that_are_no_object_are_malformed(arguments: str, call: ToolCall) -> None:
    """What a model wrote instead of a JSON object is kept, so that it can be told; it is no failure of the call."""
    function = {"name": "set_style", "arguments": arguments}
    message = {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
    reply = openai_reply({"prompt_tokens": 1, "completion_tokens": 2}, message=message, finish_reason="length")
    assert reply == Reply("", (call,), StopReason.MAX_TOKENS, Usage(1, 2), "m")
    streamed = [{"id": "c1", "index": 0, "function": function}]
    assert call in fed(ChunkReader(QUESTION), chunk(tool_calls=streamed), chunk(finish_reason="length"))


def test_malformed_arguments_go_back_as_they_were() -> None:
    """The conversation that is continued shows the model what it wrote; Anthropic takes only an object."""
    broken = ToolCall("c1", "set_style", malformed='{"style": "ani')
    request = Request([Message("user", "Hi"), Message("assistant", "", [broken])])
    line = body_of(openai.chat_body("m", request))["messages"][-1]
    assert line["tool_calls"][0]["function"]["arguments"] == '{"style": "ani'
    assert body_of(anthropic.message_body("m", request))["messages"][-1]["content"][0]["input"] == {}


def test_a_refusal_of_openai_is_the_text() -> None:
    """What the model says instead of an answer is shown, and marked."""
    reply = openai_reply(None, message={"content": None, "refusal": "I cannot do that."})
    assert isinstance(reply, Reply)
    assert (reply.text, reply.stop_reason) == ("I cannot do that.", StopReason.REFUSED)


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"id":', b"[]", b"null", b"{}", b'{"choices":[{}]}', b"\xff"])
def test_what_is_no_answer_is_unreadable(content: bytes) -> None:
    """A 200 with anything else in it is a failure of the way, and may have been billed."""
    assert anthropic.read_reply(content, QUESTION) == UNREADABLE
    assert openai.read_reply(content, QUESTION) == UNREADABLE
    assert isinstance(UNREADABLE.error(Usage(5, estimated=True)), ModelUnavailable)


def test_an_error_inside_a_200_is_an_error() -> None:
    """Some gateways say no with a yes around it."""
    failure = openai.read_reply(b'{"error":{"message":"Overloaded","code":502}}', QUESTION)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.reason, failure.message) == (502, None, "answered 502: Overloaded")


# Streams


def fed(reader: MessageReader | ChunkReader, *events: Any) -> list[Event]:
    """What a reader tells of events, its end included; a failure ends it."""
    told: list[Event] = []
    for event in events:
        for each in reader.read(event if isinstance(event, str) else msgspec.json.encode(event).decode()):
            assert not isinstance(each, Failure), each
            told.append(each)
    return told + reader.reading.end()


def chunk(*, content: str | None = None, finish_reason: str | None = None, usage: Any = None, **delta: Any) -> Any:
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish_reason}
    return {"model": "m", "choices": [choice], "usage": usage}


MESSAGE_START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 14,
            "cache_creation_input_tokens": 72,
            "cache_read_input_tokens": 1920,
            "output_tokens": 1,
        },
    },
}
BEGUN = Usage(14, 1, cache_read_tokens=1920, cache_write_tokens=72, estimated=True)


def block_delta(index: int, **delta: str) -> Any:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def test_an_anthropic_stream_is_read() -> None:
    """Input from the start, output from `message_delta`; a call is told when its block has ended."""
    assert fed(
        MessageReader(QUESTION),
        MESSAGE_START,
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        block_delta(0, type="thinking_delta", thinking="hm"),
        block_delta(0, type="signature_delta", signature="x"),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        block_delta(1, type="text_delta", text="Let me "),
        block_delta(1, type="text_delta", text="see."),
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "c1", "name": "set_style", "input": {}},
        },
        block_delta(2, type="input_json_delta", partial_json=""),
        block_delta(2, type="input_json_delta", partial_json='{"style":'),
        block_delta(2, type="input_json_delta", partial_json='"anime"}'),
        {"type": "content_block_stop", "index": 2},
        {"type": "something_new", "index": 9},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 89}},
        {"type": "message_stop"},
    ) == [
        BEGUN,
        Delta("Let me "),
        Delta("see."),
        CALL,
        Usage(14, 89, cache_read_tokens=1920, cache_write_tokens=72),
        Stop(StopReason.TOOL_CALLS, "m"),
    ]


def test_a_later_report_replaces_the_one_before() -> None:
    """`message_delta` may tell the input once more; what it tells counts, zero too, and is not added."""
    usage = {"input_tokens": 20, "cache_read_input_tokens": 0, "output_tokens": 3}
    events = fed(
        MessageReader(QUESTION),
        MESSAGE_START,
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
    )
    assert events[-2] == Usage(20, 3, cache_read_tokens=0, cache_write_tokens=72)


def test_a_broken_anthropic_stream_counts_what_it_wrote() -> None:
    """Exact input; output by what was written, unseen arguments and thinking too: 8 + 9 + 12 + 7 = 36 bytes."""
    reader = MessageReader(QUESTION)
    events = fed(
        reader,
        MESSAGE_START,
        block_delta(0, type="thinking_delta", thinking="thinking"),
        block_delta(1, type="text_delta", text="Let me "),
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "c", "name": "set_style"},
        },
        block_delta(2, type="input_json_delta", partial_json='{"style": "a'),
    )
    assert events == [BEGUN, Delta("Let me "), msgspec.structs.replace(BEGUN, output_tokens=9)]
    assert not reader.reading.is_whole


def test_an_openai_stream_is_read() -> None:
    """Pieces of calls are put together by their index; the usage comes in a chunk without choices."""
    assert fed(
        ChunkReader(QUESTION),
        chunk(role="assistant", content=""),
        chunk(content="Let me "),
        chunk(content="see."),
        chunk(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "set_style", "arguments": ""}}]),
        chunk(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "check_balance", "arguments": "{}"}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"style":'}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": '"anime"}'}}]),
        chunk(finish_reason="tool_calls"),
        {
            "model": "m",
            "choices": [],
            "usage": {
                "prompt_tokens": 2006,
                "completion_tokens": 30,
                "prompt_tokens_details": {"cached_tokens": 1920},
            },
        },
        "[DONE]",
    ) == [
        Usage(5, estimated=True),
        Delta("Let me "),
        Delta("see."),
        CALL,
        ToolCall("c2", "check_balance"),
        Usage(86, 30, cache_read_tokens=1920),
        Stop(StopReason.TOOL_CALLS, "m"),
    ]


def test_a_broken_openai_stream_counts_what_it_wrote() -> None:
    """The question and what was written of the answer, arguments too: 7 + 9 + 12 = 28 bytes."""
    call = {"index": 0, "id": "c1", "function": {"name": "set_style", "arguments": '{"style": "a'}}
    reader = ChunkReader(QUESTION)
    events = fed(reader, chunk(content="Let me "), chunk(tool_calls=[call]))
    assert events == [Usage(5, estimated=True), Delta("Let me "), Usage(5, 7, estimated=True)]
    assert not reader.reading.is_whole


def test_usage_in_every_chunk_is_the_latest() -> None:
    """Some servers count along. The last count holds; in a stream that breaks it is an estimate all the same."""
    counted = [
        chunk(content="a", usage={"prompt_tokens": 10, "completion_tokens": 1}),
        chunk(content="b", usage={"prompt_tokens": 10, "completion_tokens": 2}),
    ]
    assert fed(ChunkReader(QUESTION), *counted)[-1] == Usage(10, 2, estimated=True)
    assert fed(ChunkReader(QUESTION), *counted, chunk(finish_reason="stop"))[-2] == Usage(10, 2)


def test_calls_without_an_index_are_whole() -> None:
    """Some servers send complete calls, unnumbered; they end with the stream, whatever it says of its end."""
    calls = [
        chunk(tool_calls=[{"id": "c1", "function": {"name": "set_style", "arguments": '{"style":"anime"}'}}]),
        chunk(tool_calls=[{"id": "c2", "function": {"name": "check_balance"}}]),
    ]
    events = fed(ChunkReader(QUESTION), *calls, "[DONE]")
    assert events[1:3] == [CALL, ToolCall("c2", "check_balance")]
    assert events[-1] == Stop(StopReason.OTHER, "m")


def test_a_streamed_refusal_is_the_text() -> None:
    """A refusal is shown as it comes, and the end says what it was."""
    events = fed(ChunkReader(QUESTION), chunk(refusal="I can"), chunk(refusal="not."), chunk(finish_reason="stop"))
    assert [event for event in events if isinstance(event, Delta | Stop)] == [
        Delta("I can"),
        Delta("not."),
        Stop(StopReason.REFUSED, "m"),
    ]


@pytest.mark.parametrize("reader", [MessageReader, ChunkReader])
@pytest.mark.parametrize("data", ["", "{", "[]", "null", '{"type": 5, "choices": 5}'])
def test_an_event_that_cannot_be_read_ends_the_stream(
    reader: type[MessageReader] | type[ChunkReader], data: str
) -> None:
    """An event that is none is a failure, not an exception from inside."""
    assert reader(QUESTION).read(data) == [UNREADABLE]


@pytest.mark.parametrize(
    ("problem", "status", "reason"),
    [
        (Problem("Overloaded", "overloaded_error"), 529, None),
        (Problem("Internal", "api_error"), 500, None),
        (Problem("slow down", "rate_limit_error"), 429, None),
        (Problem("upstream", code=502), 502, None),
        (Problem("what is it", "unheard_of", "nor_this"), 500, None),
        (Problem(), 500, None),
        (Problem("bad", "invalid_request_error"), 400, RefusalReason.BAD_REQUEST),
        (Problem("too much", "invalid_request_error", "context_length_exceeded"), 400, RefusalReason.CONTEXT_LENGTH),
        (Problem("pay", "insufficient_quota", "insufficient_quota"), 429, RefusalReason.QUOTA),
    ],
)
def test_a_failure_in_a_stream_has_the_status_it_would_have_had(
    problem: Problem, status: int, reason: RefusalReason | None
) -> None:
    """An error event is judged like an answer, and may be billed because the answer had begun."""
    failure = failure_in_stream(problem)
    assert (failure.status, failure.reason, failure.is_billable) == (status, reason, True)
    error = msgspec.json.encode({"type": "error", "error": problem}).decode()
    assert MessageReader(QUESTION).read(error) == ChunkReader(QUESTION).read(error) == [failure]


# Failures


def told(message: str, kind: str | None = None, code: str | None = None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "code": code}})


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        *[(status, told("wait"), None) for status in (408, 409, 425, 429, 500, 502, 503, 504, 529, 599)],
        (429, told("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), RefusalReason.QUOTA),
        (400, told("Your credit balance is too low", "invalid_request_error"), RefusalReason.QUOTA),
        (402, told("Pay first"), RefusalReason.QUOTA),
        (400, told("max_tokens: must be positive", "invalid_request_error"), RefusalReason.BAD_REQUEST),
        (400, told("too long", code="context_length_exceeded"), RefusalReason.CONTEXT_LENGTH),
        (400, told("prompt is too long: 210000 tokens > 200000 maximum"), RefusalReason.CONTEXT_LENGTH),
        (400, told("This model's maximum context length is 8192 tokens"), RefusalReason.CONTEXT_LENGTH),
        (400, told("the request exceeds the available context size"), RefusalReason.CONTEXT_LENGTH),
        (401, told("Incorrect API key provided"), RefusalReason.UNAUTHORIZED),
        (403, told("Country, region, or territory not supported"), RefusalReason.FORBIDDEN),
        (404, told("no such model"), RefusalReason.NOT_FOUND),
        (413, told("Request exceeds the maximum size", "request_too_large"), RefusalReason.TOO_LARGE),
        (422, told("unprocessable"), RefusalReason.BAD_REQUEST),
        (301, b"<html>moved</html>", RefusalReason.BAD_REQUEST),
        (502, b"<html>Bad Gateway</html>", None),
        (500, b"", None),
        (400, b'{"error":"model is required"}', RefusalReason.BAD_REQUEST),
        (
            400,
            b'{"object":"error","message":"maximum context length is 8192","code":400}',
            RefusalReason.CONTEXT_LENGTH,
        ),
    ],
)
def test_a_status_says_who_has_to_act(status: int, content: bytes, reason: RefusalReason | None) -> None:
    """The worker asks again, or the author, the operator or the person has to change something."""
    failure = failure_of(status, {"Retry-After": "3"}, content)
    error = failure.error()
    assert error.status == status
    if reason is None:
        assert isinstance(error, ModelUnavailable)
        assert isinstance(error, Retryable)
        assert error.retry_after_s == 3.0
    else:
        assert isinstance(error, ModelRefused)
        assert isinstance(error, Terminal)
        assert error.reason == reason
    assert not failure.is_billable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Fri, 01 Jan 2027 00:01:30 GMT", "Date": "Fri, 01 Jan 2027 00:00:00 GMT"}, 90.0),
        ({"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT", "Date": "Fri, 01 Jan 2027 00:01:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 01 Jan 2027 00:01:30 GMT"}, None),
        ({"Retry-After": "Fri, 01 Jan 2027 00:01:30 GMT", "Date": "Fri, 01 Jan 2027 00:00:00 -0000"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    """A date counts from the answer's own clock; what is neither is no wish at all."""
    assert retry_after_s(headers) == seconds


def test_a_message_says_what_the_provider_said() -> None:
    """Status, kind and words are shown on one line, except where a provider may quote the key."""
    assert failure_of(429, {}, told("slow\n  down", "rate_limit_error")).message == (
        "answered 429 rate_limit_error: slow down"
    )
    assert failure_of(502, {}, b"<html>").message == "answered 502: no explanation"
    assert "check base_url" in failure_of(307, {}, b"").message
    assert "sk-" not in failure_of(401, {}, told("Incorrect API key provided: sk-01**cdef")).message


# The adapters' own settings


def test_a_key_is_not_shown() -> None:
    """A model prints as its name and where it is, whatever else it knows."""
    model = AnthropicModel("claude", api_key=KEY)
    assert repr(model) == "AnthropicModel('claude', base_url='https://api.anthropic.com')"
    assert repr(OpenAIModel("gpt", api_key=KEY, base_url="http://localhost:11434/v1/")) == (
        "OpenAIModel('gpt', base_url='http://localhost:11434/v1')"
    )


@pytest.mark.parametrize("api_key", [f"{KEY}\n", "sk 0", "ключ", "sk\x00"])
def test_a_key_that_no_header_carries_is_refused(api_key: str) -> None:
    """A key with a line end would fail with every question; it fails at the start instead, unseen."""
    with pytest.raises(ConfigurationInvalid, match="api_key") as caught:
        OpenAIModel("m", api_key=api_key)
    assert api_key not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "says"),
    [
        ("api.openai.com/v1", "no URL"),
        ("ftp://host", "no URL"),
        ("http://", "no URL"),
        ("http://[bad", "no URL"),
        (f"https://user:{KEY}@host/v1", "host carries more than a path"),
        (f"https://host/v1?key={KEY}", "host carries more than a path"),
    ],
)
def test_a_base_url_is_checked(base_url: str, says: str) -> None:
    """A base URL is shown in errors, so it may hold no secret."""
    with pytest.raises(ConfigurationInvalid, match=says) as caught:
        AnthropicModel("m", api_key="k", base_url=base_url)
    assert KEY not in str(caught.value)


def test_a_timeout_is_above_zero() -> None:
    """No answer comes in no time."""
    with pytest.raises(ConfigurationInvalid, match="timeout_s"):
        AnthropicModel("m", api_key="k", timeout_s=0)


# Counting and gathering


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("привет", 3), ("你好", 2), ("\ud800", 1)]
)
def test_tokens_are_estimated_by_bytes(text: str, tokens: int) -> None:
    """A token for four bytes, rounded up, of any text at all."""
    assert estimate_tokens(text) == tokens


def test_a_question_is_estimated_with_everything_in_it() -> None:
    """System, each message in its frame, calls and tools: nothing that is billed is left out."""
    assert estimate_request_tokens(QUESTION) == 4 + 1
    assert estimate_request_tokens(Request([Message("user", "Hi")], system="Be brief.")) == 3 + 4 + 1
    # "set_style" + {"style":"anime"}: 9 + 17 bytes
    assert estimate_request_tokens(Request([Message("assistant", "", [CALL])])) == 4 + 7
    assert estimate_request_tokens(FULL) > 40


def test_a_draft_knows_its_cost_at_any_moment() -> None:
    """Nothing before the provider began, an estimate while it writes, its own numbers at the end."""
    draft = Draft()
    assert draft.usage is None
    draft.add(Usage(14, 1, cache_read_tokens=1920, estimated=True))
    draft.add(Delta("Let me see."))
    assert draft.usage == Usage(14, 3, cache_read_tokens=1920, estimated=True)
    draft.add(CALL)
    assert draft.usage == Usage(14, 3 + 7, cache_read_tokens=1920, estimated=True)
    with pytest.raises(ValueError, match="not whole"):
        draft.reply()
    draft.add(Usage(14, 12, cache_read_tokens=1920))
    draft.add(Stop(StopReason.TOOL_CALLS, "m"))
    assert draft.reply() == Reply(
        "Let me see.", (CALL,), StopReason.TOOL_CALLS, Usage(14, 12, cache_read_tokens=1920), "m"
    )
