"""Every language model keeps the contract; and what only an adapter over HTTP can get wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from posthouse.adapters.models.anthropic import AnthropicModel
from posthouse.adapters.models.openai import OpenAIModel
from posthouse.ports.model import Draft, LanguageModel, ModelRefused, ModelUnavailable, StopReason
from posthouse.testing.contracts.language_model import QUESTION, STORY, LanguageModelContract, drafted, read
from posthouse.testing.models import Answer, FakeModelServer, Fault, Refusal, Script, ScriptedModel

KEY = "sk-proj-0123456789abcdefABCDEF"
IMPATIENCE_S = 0.3


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def server(script: Script) -> AsyncIterator[FakeModelServer]:
    async with FakeModelServer(script, api_key=KEY) as server:
        yield server


def over_http(dialect: str, server: FakeModelServer, **options: Any) -> AnthropicModel | OpenAIModel:
    options = {"api_key": KEY} | options
    if dialect == "anthropic":
        return AnthropicModel("model-1", base_url=server.anthropic_url, **options)
    return OpenAIModel("model-1", base_url=server.openai_url, **options)


@pytest.fixture(params=["anthropic", "openai", "scripted"])
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def model(implementation: str, script: Script, server: FakeModelServer) -> AsyncIterator[LanguageModel]:
    model = ScriptedModel(script) if implementation == "scripted" else over_http(implementation, server)
    yield model
    await model.close()


@pytest.fixture
async def impatient(implementation: str, script: Script, server: FakeModelServer) -> AsyncIterator[LanguageModel]:
    if implementation == "scripted":
        model: LanguageModel = ScriptedModel(script)
    else:
        model = over_http(implementation, server, timeout_s=IMPATIENCE_S)
    yield model
    await model.close()


class TestLanguageModel(LanguageModelContract):
    pass


dialects = pytest.mark.parametrize("dialect", ["anthropic", "openai"])


def everything_said(error: BaseException | None) -> str:
    """An error and all that led to it, as any log would show them."""
    said = ""
    while error is not None:
        said += f"{error} {error!r} {vars(error)} "
        error = error.__cause__ or error.__context__
    return said


@dialects
@pytest.mark.parametrize(
    "step",
    [
        Refusal(400, f"the header x-api-key: {KEY} is odd"),
        Refusal(400, "x" * 479 + KEY),
        Refusal(500, f"internal: {KEY}"),
        Answer(STORY, Fault.CUT, after=1),
        Answer(STORY, Fault.GARBLE, after=1),
        Answer(STORY, Fault.STALL, after=1),
    ],
)
async def test_no_error_shows_the_key(
    dialect: str, step: Refusal | Answer, script: Script, server: FakeModelServer
) -> None:
    """Whatever the provider quotes and whatever breaks, neither the error nor what caused it has the key."""
    model = over_http(dialect, server, timeout_s=IMPATIENCE_S)
    script.add(step, step)
    for asked in (model.complete(QUESTION), read(model)):
        with pytest.raises((ModelUnavailable, ModelRefused)) as caught:
            await asked
        assert KEY[:12] not in everything_said(caught.value)
    await model.close()


@dialects
async def test_a_wrong_key_is_not_repeated(dialect: str, server: FakeModelServer) -> None:
    """A provider that quotes the wrong key is not quoted."""
    model = over_http(dialect, server, api_key="sk-wrong-0123")
    with pytest.raises(ModelRefused, match="check api_key") as caught:
        await model.complete(QUESTION)
    assert caught.value.reason == "unauthorized"
    assert "sk-wrong" not in everything_said(caught.value)
    await model.close()


@dialects
async def test_nobody_there_is_unavailable(dialect: str, script: Script) -> None:
    """Without a connection nothing was billed, and the error says where it was looked for."""
    async with FakeModelServer(script) as server:
        model = over_http(dialect, server)
    for asked in (model.complete(QUESTION), read(model)):
        with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:\d+ cannot be reached") as caught:
            await asked
        assert caught.value.usage is None
        assert KEY not in everything_said(caught.value)
    await model.close()


async def test_an_openai_stream_is_whole_without_its_usage(script: Script, server: FakeModelServer) -> None:
    """After `finish_reason` the text is complete: a connection that breaks then costs an estimate, not a second try."""
    model = over_http("openai", server)
    script.add(Answer(STORY, Fault.CUT_USAGE))
    reply = drafted(await read(model)).reply()
    assert (reply.text, reply.stop_reason, reply.usage.estimated) == (STORY, StopReason.END, True)
    await model.close()


async def test_an_anthropic_stream_is_broken_before_its_stop_reason(script: Script, server: FakeModelServer) -> None:
    """The usage comes with the stop reason; without them nobody knows whether the text is complete."""
    model = over_http("anthropic", server)
    script.add(Answer(STORY, Fault.CUT_USAGE))
    with pytest.raises(ModelUnavailable):
        await read(model)
    await model.close()


async def test_usage_is_asked_for(script: Script, server: FakeModelServer) -> None:
    """OpenAI tells the usage of a stream only to who asks."""
    model = over_http("openai", server)
    script.add("Hello!", "Hello!")
    await read(model)
    await model.complete(QUESTION)
    streamed, whole = server.bodies
    assert streamed["stream_options"] == {"include_usage": True}
    assert "stream_options" not in whole
    await model.close()


async def test_a_key_may_be_absent(script: Script) -> None:
    """A server of one's own needs no key, and none is sent."""
    async with FakeModelServer(script) as server:
        for dialect in ("anthropic", "openai"):
            model = over_http(dialect, server, api_key="")
            script.add("Hello!")
            assert (await model.complete(QUESTION)).text == "Hello!"
            await model.close()
        sent = {name.lower() for headers in server.headers for name in headers}
        assert not sent & {"x-api-key", "authorization"}


@dialects
async def test_closing_ends_what_is_running(dialect: str, script: Script, server: FakeModelServer) -> None:
    """A model that is closed in the middle of a stream breaks the stream; nothing hangs."""
    model = over_http(dialect, server)
    script.add(Answer(STORY, Fault.HOLD, after=2))

    async def read_and_close() -> None:
        draft = Draft()
        async with aclosing(model.stream(QUESTION)) as events:
            async for event in events:
                draft.add(event)
                if draft.text == "A long ":
                    await model.close()

    with pytest.raises(ModelUnavailable):
        await read_and_close()
    await script.wait_abandoned()


async def test_a_script_that_has_ended_refuses() -> None:
    """A question that the script does not expect fails at once, and says so; `otherwise` answers any number."""
    with pytest.raises(ModelRefused, match="no more answers"):
        await ScriptedModel(Script()).complete(QUESTION)
    model = ScriptedModel(Script("First.", otherwise=lambda request: f"{len(request.messages)} messages"))
    assert [(await model.complete(QUESTION)).text for _ in range(3)] == ["First.", "1 messages", "1 messages"]
