"""Language models for tests: a script of answers, played in memory or by a server that speaks like the real ones.

    script = Script("Hello!", Refusal(429, retry_after_s=7), Answer("A long story", fault=Fault.CUT, after=2))

    model = ScriptedModel(script)                                       # no sockets

    async with FakeModelServer(script) as server:                       # 127.0.0.1, a free port
        model = AnthropicModel("any", api_key="k", base_url=server.anthropic_url)
        model = OpenAIModel("any", api_key="k", base_url=server.openai_url)

Each question takes the next step of the script. The server reads both dialects back into a `Request`, so that
`script.asked` looks the same whoever asked; any SDK that takes a base URL can be pointed at it.

| fault | in a stream, after `after` pieces | in a whole answer |
|---|---|---|
| `ERROR` | an error event | 500 |
| `CUT` | the connection closes | the same, in the middle |
| `CUT_USAGE` | all of the text, and the connection closes before the usage | an answer without usage |
| `GARBLE` | an event that is no JSON | a body that is no JSON |
| `STALL` | silence; `ScriptedModel` times out at once | the same |
| `HOLD` | silence until `script.release()`, then the rest | the same |

`HOLD` and `STALL` with `after=0` come before the first byte. A piece is a word of the text or a tool call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import msgspec
from aiohttp import web

from posthouse.ports.model import (
    Delta,
    Draft,
    Event,
    ModelRefused,
    ModelUnavailable,
    RefusalReason,
    Reply,
    Request,
    Stop,
    Usage,
    estimate_output_tokens,
    estimate_request_tokens,
)
from posthouse.testing.model_dialects import Anthropic, Dialect, OpenAI, Part, words

MODEL = "scripted"
PATIENCE_S = 30.0  # how long a test waits for what does not come


class Fault(StrEnum):
    """What goes wrong with an answer."""

    ERROR = "error"
    CUT = "cut"
    CUT_USAGE = "cut_usage"
    GARBLE = "garble"
    STALL = "stall"
    HOLD = "hold"


class Answer(msgspec.Struct, frozen=True):
    """A scripted answer. A text has the usage that is estimated for it, told as if it were counted."""

    reply: str | Reply
    fault: Fault | None = None
    after: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """A scripted no at the door. `kind` is the provider's word for it; empty: the usual one of the status."""

    status: int
    message: str = "scripted"
    kind: str = ""
    retry_after_s: float | None = None


Step = str | Reply | Answer | Refusal | Callable[[Request], "str | Reply | Answer | Refusal"]


class Script:
    """What a fake model says, step by step, and what it was asked.

    When the steps are used up every question gets `otherwise`, or is refused. Belongs to one event loop.
    """

    def __init__(self, *steps: Step, otherwise: Step | None = None) -> None:
        self.asked: list[Request] = []
        self.abandoned = 0  # answers that the asker did not wait for
        self._steps = list(steps)
        self._otherwise = otherwise
        self._changed = asyncio.Event()
        self._released = asyncio.Event()

    def add(self, *steps: Step) -> None:
        self._steps.extend(steps)

    def release(self) -> None:
        """Let every answer go on that is held, and those to come."""
        self._released.set()

    async def wait_asked(self, times: int = 1) -> None:
        """Wait until so many questions have come."""
        await self._until(lambda: len(self.asked) >= times)

    async def wait_abandoned(self, times: int = 1) -> None:
        """Wait until so many askers have gone away before their answer had ended."""
        await self._until(lambda: self.abandoned >= times)

    async def wait_released(self) -> None:
        await self._released.wait()

    def take(self, request: Request) -> Answer | Refusal:
        """The next step, for whoever plays the script."""
        self.asked.append(request)
        self._changed.set()
        step = self._steps.pop(0) if self._steps else self._otherwise
        if step is None:
            return Refusal(400, "the script has no more answers")
        if callable(step):
            step = step(request)
        if isinstance(step, Refusal):
            return step
        answer = step if isinstance(step, Answer) else Answer(step)
        return msgspec.structs.replace(answer, reply=_told(answer.reply, request))

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Counts an answer that is left before its end as abandoned."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            self.abandoned += 1
            self._changed.set()
            raise

    async def _until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


class ScriptedModel:
    """A `LanguageModel` that plays a script in memory."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def complete(self, request: Request) -> Reply:
        answer = _admitted(self.script.take(request))
        reply = _reply(answer)
        with self.script.attended():
            if answer.fault is Fault.HOLD:
                await self.script.wait_released()
            elif answer.fault is Fault.CUT_USAGE:
                return msgspec.structs.replace(reply, usage=_estimated(request, reply))
            elif answer.fault is not None:
                raise _broken(answer.fault, None if answer.fault is Fault.ERROR else _begun(request))
        return reply

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        answer = _admitted(self.script.take(request))
        reply, fault, draft = _reply(answer), answer.fault, Draft()
        pieces: list[Event] = [*map(Delta, words(reply.text)), *reply.tool_calls]
        ended = _estimated(request, reply) if fault is Fault.CUT_USAGE else reply.usage
        with self.script.attended():
            if fault is Fault.HOLD and answer.after == 0:
                await self.script.wait_released()
            for number, event in enumerate([_begun(request), *pieces, ended], start=-1):
                if fault not in (None, Fault.CUT_USAGE) and number == min(answer.after, len(pieces)):
                    if fault is not Fault.HOLD:
                        billed = draft.usage or _begun(request)
                        yield billed
                        raise _broken(fault, billed)
                    await self.script.wait_released()
                draft.add(event)
                yield event
        yield Stop(reply.stop_reason, reply.model)

    async def count_tokens(self, request: Request) -> int:
        return estimate_request_tokens(request)

    async def close(self) -> None:
        """Nothing to let go."""


class FakeModelServer:
    """Anthropic and OpenAI on one free port of 127.0.0.1, playing one script.

    With an `api_key` it refuses every other, and quotes it in full, as rude servers do. `bodies` and `headers` are
    what came over the wire.
    """

    def __init__(self, script: Script, *, api_key: str | None = None) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._api_key = api_key
        self._closing = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_post("/v1/chat/completions", self._completions)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)

    @property
    def anthropic_url(self) -> str:
        return self.url

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"

    async def __aenter__(self) -> FakeModelServer:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        self.script.release()
        await self._runner.cleanup()

    async def _messages(self, received: web.Request) -> web.StreamResponse:
        return await self._play(received, Anthropic(), received.headers.get("x-api-key"))

    async def _completions(self, received: web.Request) -> web.StreamResponse:
        key = received.headers.get("Authorization", "").removeprefix("Bearer ")
        return await self._play(received, OpenAI(), key or None)

    async def _count(self, received: web.Request) -> web.StreamResponse:
        dialect = Anthropic()
        request = dialect.request(await self._note(received))
        return web.json_response({"input_tokens": estimate_request_tokens(request)})

    async def _note(self, received: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = await received.json()
        self.bodies.append(body)
        self.headers.append(dict(received.headers))
        return body

    async def _play(self, received: web.Request, dialect: Dialect, key: str | None) -> web.StreamResponse:
        body = await self._note(received)
        if self._api_key is not None and key != self._api_key:
            return _refused(dialect, Refusal(401, f"Incorrect API key provided: {key}"))
        if isinstance(dialect, Anthropic) and "anthropic-version" not in received.headers:
            return _refused(dialect, Refusal(400, "anthropic-version: header is required"))
        try:
            request = dialect.request(body)
        except (KeyError, TypeError, AttributeError) as error:
            return _refused(dialect, Refusal(400, f"the body is not of this dialect: {error!r}"))
        step = self.script.take(request)
        if isinstance(step, Refusal):
            return _refused(dialect, step)
        with self.script.attended():
            if step.after == 0 and step.fault in (Fault.HOLD, Fault.STALL):
                await self._silence(step.fault)
                step = msgspec.structs.replace(step, fault=None)
            if body.get("stream"):
                return await self._stream(received, dialect, step, wants_usage=dialect.wants_usage(body))
            return await self._whole(received, dialect, step)

    async def _whole(self, received: web.Request, dialect: Dialect, answer: Answer) -> web.StreamResponse:
        content = dialect.whole(_reply(answer))
        match answer.fault:
            case Fault.HOLD | Fault.STALL:
                await self._silence(answer.fault)
            case Fault.ERROR:
                return _refused(dialect, Refusal(500, "scripted failure"))
            case Fault.CUT_USAGE:
                del content["usage"]
            case Fault.GARBLE:
                return web.Response(body=msgspec.json.encode(content)[:-9], content_type="application/json")
            case Fault.CUT:
                half = web.StreamResponse(headers={"Content-Length": "4096"})
                await half.prepare(received)
                await half.write(b'{"id":')
                _hang_up(received)
                return half
        return web.json_response(content)

    async def _stream(
        self, received: web.Request, dialect: Dialect, answer: Answer, *, wants_usage: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(received)
        pieces, fault = 0, answer.fault
        for frame in dialect.frames(_reply(answer)):
            if frame.part is Part.USAGE and not wants_usage:
                continue
            if _is_due(fault, frame.part, pieces >= answer.after):
                match fault:
                    case Fault.HOLD | Fault.STALL:
                        await self._silence(fault)
                        fault = None
                    case Fault.ERROR:
                        await response.write(dialect.failure_frame())
                        return response
                    case Fault.GARBLE:
                        await response.write(b'data: {"type": "content_block_delta", "delta"\n\n')
                        return response
                    case _:
                        _hang_up(received)
                        return response
            await response.write(frame.data)
            pieces += frame.ends_piece
        return response

    async def _silence(self, fault: Fault) -> None:
        """Until the script lets go, or in a stall until the asker has gone or the server closes."""
        await (self.script.wait_released() if fault is Fault.HOLD else self._closing.wait())


def _told(reply: str | Reply, request: Request) -> Reply:
    """The scripted reply with what a script may leave out."""
    if isinstance(reply, str):
        usage = Usage(estimate_request_tokens(request), estimate_output_tokens(reply, ()))
        return Reply(text=reply, usage=usage, model=MODEL)
    return msgspec.structs.replace(reply, model=reply.model or MODEL)


def _reply(answer: Answer) -> Reply:
    assert isinstance(answer.reply, Reply)
    return answer.reply


def _estimated(request: Request, reply: Reply) -> Usage:
    output = estimate_output_tokens(reply.text, reply.tool_calls)
    return Usage(estimate_request_tokens(request), output, estimated=True)


def _begun(request: Request) -> Usage:
    """What an answer has cost before its first word."""
    return Usage(estimate_request_tokens(request), estimated=True)


def _is_due(fault: Fault | None, part: Part, enough: bool) -> bool:
    """Whether the fault comes before a frame of this part."""
    if fault is Fault.CUT_USAGE:
        return part is Part.USAGE
    return fault is not None and part is not Part.FRAME and (enough or part is not Part.PIECE)


def _hang_up(received: web.Request) -> None:
    if received.transport is not None:
        received.transport.close()


def _refused(dialect: Dialect, refusal: Refusal) -> web.Response:
    headers = {} if refusal.retry_after_s is None else {"Retry-After": f"{refusal.retry_after_s:g}"}
    content = dialect.failure(refusal.status, refusal.kind, refusal.message)
    return web.json_response(content, status=refusal.status, headers=headers)


_REASONS = {
    401: RefusalReason.UNAUTHORIZED,
    402: RefusalReason.QUOTA,
    403: RefusalReason.FORBIDDEN,
    404: RefusalReason.NOT_FOUND,
    413: RefusalReason.TOO_LARGE,
}


def _admitted(step: Answer | Refusal) -> Answer:
    """The answer, or the error that an adapter would raise for the refusal."""
    if isinstance(step, Answer):
        return step
    message = f"The scripted model answered {step.status}: {step.message}"
    if step.status in (408, 409, 425, 429) or step.status >= 500:
        raise ModelUnavailable(message, status=step.status, retry_after_s=step.retry_after_s)
    reason = _REASONS.get(step.status, RefusalReason.BAD_REQUEST)
    if "prompt is too long" in step.message:
        reason = RefusalReason.CONTEXT_LENGTH
    raise ModelRefused(message, reason=reason, status=step.status)


def _broken(fault: Fault, usage: Usage | None) -> ModelUnavailable:
    status = 500 if fault is Fault.ERROR else None
    return ModelUnavailable(f"The scripted model broke off: {fault.value}", status=status, usage=usage)
