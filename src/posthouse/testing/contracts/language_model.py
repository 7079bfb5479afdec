"""What every language model promises (`posthouse.ports.model`), as tests that every adapter passes.

An adapter's test module derives an empty class and provides three fixtures:

    script      a `posthouse.testing.models.Script`: what the provider says next, and what it was asked
    model       the adapter, talking to something that plays the script
    impatient   the same with a timeout of a fraction of a second

    from posthouse.testing.contracts.language_model import LanguageModelContract

    class TestLanguageModel(LanguageModelContract):
        pass
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import msgspec
import pytest

from posthouse.ports.model import (
    Delta,
    Draft,
    Event,
    LanguageModel,
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
    estimate_tokens,
)
from posthouse.testing.models import Answer, Fault, Refusal, Script

QUESTION = Request([Message("user", "Make me a sticker")])
STYLE = Tool(
    "update_sticker_params",
    "Sets what is known of the sticker.",
    {"type": "object", "properties": {"style": {"type": ["string", "null"]}}, "required": ["style"]},
)
CALL = ToolCall("call_1", "update_sticker_params", {"style": "«аниме»", "pose": None, "tags": ["a", "b"]})
STORY = "A long story, told in words."
BREAKING = (Fault.ERROR, Fault.CUT, Fault.GARBLE)


async def read(model: LanguageModel, request: Request = QUESTION, *, into: list[Event] | None = None) -> list[Event]:
    """All events of a stream; `into` has those that came when it breaks."""
    events = [] if into is None else into
    async with aclosing(model.stream(request)) as stream:
        async for event in stream:
            events.append(event)
    return events


async def read_broken(model: LanguageModel) -> tuple[list[Event], ModelUnavailable]:
    """The events of a stream that breaks, and how it does."""
    events: list[Event] = []
    with pytest.raises(ModelUnavailable) as caught:
        await read(model, into=events)
    return events, caught.value


def drafted(events: list[Event]) -> Draft:
    draft = Draft()
    for event in events:
        draft.add(event)
    return draft


def usages(events: list[Event]) -> list[Usage]:
    return [event for event in events if isinstance(event, Usage)]


async def failure(model: LanguageModel, *, streamed: bool) -> ModelUnavailable | ModelRefused:
    """What a question raises that gets not a single event."""
    events: list[Event] = []
    with pytest.raises((ModelUnavailable, ModelRefused)) as caught:
        await (read(model, into=events) if streamed else model.complete(QUESTION))
    assert events == []
    assert isinstance(caught.value, ModelUnavailable | ModelRefused)
    return caught.value


class LanguageModelContract:
    @pytest.mark.parametrize("text", ["Hello!", "Привет, 你好 🎭\n\nдва абзаца", "  white  space  "])
    async def test_an_answer_comes_whole_and_in_pieces(self, model: LanguageModel, script: Script, text: str) -> None:
        """The same answer, whole and streamed: text, end, usage, and the name of the model that wrote it."""
        wanted = Reply(text, usage=Usage(11, 7), model="model-1")
        script.add(wanted, wanted)
        assert await model.complete(QUESTION) == wanted
        assert drafted(await read(model)).reply() == wanted

    async def test_the_question_arrives(self, model: LanguageModel, script: Script) -> None:
        """System, conversation, tool calls and their answers, tools and settings reach the model as they were given."""
        request = Request(
            [
                Message("user", "Make me a sticker"),
                Message("assistant", "Which style?", [CALL, ToolCall("call_2", "check_balance")]),
                Message("tool", '{"style":"anime"}', tool_call_id="call_1"),
                Message("tool", "3 credits", tool_call_id="call_2"),
                Message("user", "[SYSTEM STATE] step=pose"),
                Message("assistant", "Ready."),
                Message("user", "Go"),
            ],
            system="You help with stickers.",
            tools=[STYLE],
            max_tokens=77,
            temperature=0.25,
            stop=["END", "\n\n"],
        )
        script.add("one", "two")
        await model.complete(request)
        await read(model, request)
        assert list(map(msgspec.json.encode, script.asked)) == [msgspec.json.encode(request)] * 2

    @pytest.mark.req("C0-16")
    async def test_tool_calls_arrive_complete(self, model: LanguageModel, script: Script) -> None:
        """Each call comes once, after the text, with its arguments decoded; null stays null."""
        calls = (CALL, ToolCall("call_2", "check_balance"))
        wanted = Reply("Let me see. ", calls, StopReason.TOOL_CALLS, Usage(5, 9), "model-1")
        script.add(wanted, wanted, msgspec.structs.replace(wanted, text=""))
        assert await model.complete(QUESTION) == wanted
        assert drafted(await read(model)).reply() == wanted
        events = await read(model)
        assert [event for event in events if isinstance(event, ToolCall | Delta)] == list(calls)

    @pytest.mark.parametrize(
        "reason", [StopReason.END, StopReason.MAX_TOKENS, StopReason.REFUSED, StopReason.OTHER, StopReason.TOOL_CALLS]
    )
    async def test_the_reason_of_an_end_is_told(self, model: LanguageModel, script: Script, reason: StopReason) -> None:
        """Why an answer ended is one of ours, also for a word that nobody has heard of."""
        script.add(Reply("So", stop_reason=reason), Reply("So", stop_reason=reason))
        assert (await model.complete(QUESTION)).stop_reason is reason
        assert drafted(await read(model)).reply().stop_reason is reason

    async def test_a_stream_has_an_order(self, model: LanguageModel, script: Script) -> None:
        """What is known of the input, the text in pieces, the usage, and Stop at the very end."""
        script.add(STORY)
        begun, *pieces, usage, stop = await read(model)
        assert isinstance(begun, Usage)
        assert begun.estimated
        assert begun.input_tokens > 0
        assert len(pieces) > 1
        assert all(isinstance(piece, Delta) for piece in pieces)
        assert isinstance(usage, Usage)
        assert not usage.estimated
        assert isinstance(stop, Stop)

    @pytest.mark.parametrize(
        "usage",
        [
            Usage(2006, 300),
            Usage(86, 300, cache_read_tokens=1920),
            Usage(14, 300, cache_read_tokens=1920, cache_write_tokens=72),
            Usage(0, 1, cache_write_tokens=3435),
            Usage(),
        ],
    )
    async def test_each_token_is_counted_once(self, model: LanguageModel, script: Script, usage: Usage) -> None:
        """Cached tokens are not part of `input_tokens`, and a zero that was told is not a missing number."""
        script.add(Reply("Yes", usage=usage), Reply("Yes", usage=usage))
        assert (await model.complete(QUESTION)).usage == usage
        assert usages(await read(model))[-1] == usage

    @pytest.mark.parametrize("streamed", [False, True])
    @pytest.mark.parametrize(
        ("refusal", "retry_after_s"),
        [
            (Refusal(429, retry_after_s=7), 7.0),
            (Refusal(429), None),
            (Refusal(529), None),
            (Refusal(503, retry_after_s=0.5), 0.5),
            (Refusal(500), None),
        ],
    )
    async def test_a_busy_model_is_unavailable(
        self, model: LanguageModel, script: Script, refusal: Refusal, retry_after_s: float | None, streamed: bool
    ) -> None:
        """429, 529 and 5xx are worth another try, after the pause that was asked for; nothing is billed."""
        script.add(refusal, "Hello!")
        error = await failure(model, streamed=streamed)
        assert isinstance(error, ModelUnavailable)
        assert (error.status, error.retry_after_s, error.usage) == (refusal.status, retry_after_s, None)
        assert len(script.asked) == 1, "retries belong to the worker"
        assert (await model.complete(QUESTION)).text == "Hello!"

    @pytest.mark.parametrize("streamed", [False, True])
    @pytest.mark.parametrize(
        ("refusal", "reason"),
        [
            (Refusal(400), RefusalReason.BAD_REQUEST),
            (Refusal(401), RefusalReason.UNAUTHORIZED),
            (Refusal(403), RefusalReason.FORBIDDEN),
            (Refusal(404), RefusalReason.NOT_FOUND),
            (
                Refusal(400, "prompt is too long: 210000 tokens > 200000 maximum"),
                RefusalReason.CONTEXT_LENGTH,
            ),
        ],
    )
    async def test_a_question_that_can_never_be_answered_is_refused(
        self, model: LanguageModel, script: Script, refusal: Refusal, reason: RefusalReason, streamed: bool
    ) -> None:
        """400, 401, 403, 404 and a conversation that is too long end the job, with a reason."""
        script.add(refusal)
        error = await failure(model, streamed=streamed)
        assert isinstance(error, ModelRefused)
        assert (error.status, error.reason) == (refusal.status, reason)

    @pytest.mark.parametrize("fault", BREAKING)
    async def test_a_broken_stream_says_what_it_cost(self, model: LanguageModel, script: Script, fault: Fault) -> None:
        """What had come is there, its cost is the last event and in the error, estimated; and the next one works."""
        script.add(Answer(STORY, fault, after=2), "Again.")
        events, error = await read_broken(model)
        draft = drafted(events)
        assert draft.text == "A long "
        assert not draft.is_whole
        assert events[-1] == draft.usage == error.usage
        assert error.usage is not None
        assert error.usage.estimated
        assert error.usage.input_tokens > 0
        assert error.usage.output_tokens >= estimate_tokens(draft.text)
        assert (await model.complete(QUESTION)).text == "Again."

    @pytest.mark.parametrize("fault", BREAKING)
    async def test_a_broken_tool_call_is_not_shown(self, model: LanguageModel, script: Script, fault: Fault) -> None:
        """A call counts when it is complete; no half of one is run."""
        script.add(Answer(Reply("Wait. ", [CALL]), fault, after=1))
        events, _ = await read_broken(model)
        assert [event for event in events if isinstance(event, ToolCall | Stop)] == []

    @pytest.mark.parametrize("fault", BREAKING)
    async def test_a_broken_answer_is_unavailable(self, model: LanguageModel, script: Script, fault: Fault) -> None:
        """A whole answer that fails, breaks or cannot be read is worth another try."""
        script.add(Answer(STORY, fault))
        error = await failure(model, streamed=False)
        assert isinstance(error, ModelUnavailable)
        assert error.status == (500 if fault is Fault.ERROR else None)
        assert (error.usage is None) is (fault is Fault.ERROR)

    async def test_usage_that_never_came_is_estimated(self, model: LanguageModel, script: Script) -> None:
        """All of the text without its usage: counted and marked, whether the stream counts as whole or as broken."""
        script.add(Answer(STORY, Fault.CUT_USAGE), Answer(STORY, Fault.CUT_USAGE))
        events: list[Event] = []
        with suppress(ModelUnavailable):
            await read(model, into=events)
        draft = drafted(events)
        assert draft.text == STORY
        assert draft.usage is not None
        assert draft.usage.estimated
        assert draft.usage.output_tokens == estimate_tokens(STORY)
        reply = await model.complete(QUESTION)
        assert (reply.text, reply.usage.estimated) == (STORY, True)
        assert reply.usage.output_tokens == estimate_tokens(STORY)

    async def test_silence_ends_in_a_timeout(self, impatient: LanguageModel, script: Script) -> None:
        """A model that says nothing, from the start or from the middle on, is given up and billed as an estimate."""
        script.add(Answer(STORY, Fault.STALL), Answer(STORY, Fault.STALL), Answer(STORY, Fault.STALL, after=2))
        with pytest.raises(ModelUnavailable) as caught:
            await impatient.complete(QUESTION)
        assert caught.value.usage is not None
        for _ in range(2):
            events, error = await read_broken(impatient)
            assert events[-1] == error.usage
            assert error.usage is not None
            assert error.usage.estimated

    @pytest.mark.parametrize("after", [0, 2])
    async def test_a_slow_answer_is_waited_for(self, model: LanguageModel, script: Script, after: int) -> None:
        """An answer that hesitates, before its first byte or later, comes complete when it comes."""
        script.add(Answer(STORY, Fault.HOLD, after=after), Answer(STORY, Fault.HOLD, after=after))
        asking = [asyncio.create_task(read(model)), asyncio.create_task(model.complete(QUESTION))]
        await script.wait_asked(2)
        assert not any(task.done() for task in asking)
        script.release()
        events, reply = await asyncio.gather(*asking)
        assert isinstance(events, list)
        assert isinstance(reply, Reply)
        assert drafted(events).text == reply.text == STORY

    async def test_pieces_arrive_as_they_are_written(self, model: LanguageModel, script: Script) -> None:
        """What was written is shown before the rest is: nothing waits for the end."""
        script.add(Answer(STORY, Fault.HOLD, after=2))
        draft = Draft()
        async with aclosing(model.stream(QUESTION)) as events:
            async for event in events:
                draft.add(event)
                if draft.text == "A long ":
                    script.release()
        assert draft.reply().text == STORY

    @pytest.mark.req("C0-16")
    async def test_closing_a_stream_ends_the_request(self, model: LanguageModel, script: Script) -> None:
        """Who stops reading hangs up, so that the provider may stop writing, and knows what to book."""
        script.add(Answer(STORY, Fault.HOLD, after=2), "Next.")
        draft = Draft()
        async with aclosing(model.stream(QUESTION)) as events:
            async for event in events:
                draft.add(event)
                if draft.text == "A long ":
                    break
        await script.wait_abandoned()
        assert draft.usage is not None
        assert draft.usage.estimated
        assert draft.usage.input_tokens > 0
        assert draft.usage.output_tokens == estimate_tokens("A long ")
        assert (await model.complete(QUESTION)).text == "Next."

    @pytest.mark.parametrize("streamed", [False, True])
    async def test_cancelling_ends_the_request(self, model: LanguageModel, script: Script, streamed: bool) -> None:
        """A job that is cancelled hangs up at once."""
        script.add(Answer(STORY, Fault.HOLD))
        asking = asyncio.create_task(read(model) if streamed else model.complete(QUESTION))
        await script.wait_asked()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await script.wait_abandoned()

    async def test_answers_do_not_mix(self, model: LanguageModel, script: Script) -> None:
        """Twenty questions at once each get their own answer."""
        script.add(*[lambda request: request.messages[0].content] * 20)
        questions = [Request([Message("user", f"the answer of {number}")]) for number in range(20)]
        events = await asyncio.gather(*(read(model, question) for question in questions))
        assert [drafted(each).text for each in events] == [f"the answer of {number}" for number in range(20)]

    async def test_tokens_are_counted_before(self, model: LanguageModel, script: Script) -> None:
        """A longer question has more tokens, tools and system among them; counting asks nothing of the model."""
        longer = Request([Message("user", "word " * 500)], system="Be brief.", tools=[STYLE])
        short, long = await model.count_tokens(QUESTION), await model.count_tokens(longer)
        assert 0 < short < long
        assert 400 < long < 1200
        assert script.asked == []

    async def test_closing_twice_is_harmless(self, model: LanguageModel, script: Script) -> None:
        """A model may be closed before its first question, and again."""
        await model.close()
        script.add("Hello!")
        assert (await model.complete(QUESTION)).text == "Hello!"
        await model.close()
        await model.close()
