"""The flow `assistant`: a conversation that ends in a sticker, by rules and with a language model behind a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from stickers_stage import Customer, OpenStudio, Studio, photo, until

from posthouse.ports.model import Reply, Request, StopReason, ToolCall
from posthouse.settings import ModelSection
from posthouse.testing.models import Answer, FakeModelServer, Fault, Refusal, Script

TOOLS = [
    "update_sticker_params",
    "confirm_and_generate",
    "request_photo",
    "show_style_examples",
    "grant_trial_credit",
    "check_balance",
]
COMIC = {"style": "comic", "emotion": "happy", "pose": "tilted"}


def asks(*calls: tuple[str, dict[str, Any]], text: str = "") -> Reply:
    """A reply of the model that asks for tools."""
    return Reply(
        text,
        [ToolCall(f"call_{place}", name, arguments) for place, (name, arguments) in enumerate(calls)],
        StopReason.TOOL_CALLS,
    )


def state_of(request: Request) -> dict[str, Any]:
    """What [SYSTEM STATE] tells the model."""
    content = request.messages[-1].content
    mark = "[SYSTEM STATE] "
    state: dict[str, Any] = msgspec.json.decode(content[content.index(mark) + len(mark) :])
    return state


def tool_answers(request: Request) -> list[str]:
    """What the tools have answered so far."""
    return [message.content for message in request.messages if message.role == "tool"]


async def at_chat(ann: Customer) -> None:
    """Ann has sent a photo before, and begins to talk."""
    await ann.sends(photo())
    await ann.shown("Choose a style")
    await ann.told("Cancel")
    await ann.shown("Canceled.")
    await ann.says("/assistant")
    await ann.shown("Tell me which sticker")


@pytest.fixture
def script() -> Script:
    return Script(otherwise="Which style would you like?")


@pytest.fixture(params=["anthropic", "openai"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def model(script: Script, dialect: str) -> AsyncIterator[dict[str, ModelSection]]:
    """`[models.assistant]` at a server that plays the script."""
    async with FakeModelServer(script) as server:
        url = server.anthropic_url if dialect == "anthropic" else server.openai_url
        yield {"assistant": ModelSection(dialect, "scripted", api_key="k", base_url=url)}  # type: ignore[arg-type]


@pytest.fixture
async def talking(sqlite_database: str, studio_on: OpenStudio, model: dict[str, ModelSection]) -> AsyncIterator[Studio]:
    """The bot with that model."""
    async with studio_on(sqlite_database, models=model) as studio:
        yield studio


anthropic = pytest.mark.parametrize("dialect", ["anthropic"])


# -- by rules -----------------------------------------------------------------------------------------------------


@pytest.mark.req("S0-53", "C0-16")
async def test_a_conversation_in_english_ends_in_a_sticker(studio: Studio) -> None:
    """Photo, wishes in plain words, a yes: one credit, one sticker."""
    ann = await studio.customer()
    await ann.says("/assistant")
    await ann.shown("Send me a photo")
    await ann.sends(photo())
    await ann.shown("Which style? Original, Comic")
    await ann.says("Something like a cartoon, and I am very happy there")
    await ann.shown("Which pose?")
    await ann.says("tilted a bit")
    await ann.shown("Style: Comic, emotion: happy, pose: tilted. Shall I draw it for 1 credit?")
    await ann.says("yes!")
    await ann.shown("Here it is!")
    assert len(await ann.messages("sticker")) == 1
    assert await studio.moves() == [(5, "daily"), (-1, "work")]
    assert (await studio.state("assistant"))[0] == "done"


@pytest.mark.req("S0-53", "C0-16", "C0-10")
async def test_a_conversation_in_russian_ends_in_a_sticker(small_studio: Studio) -> None:
    """The same in Russian, with examples of the styles and a question about credits on the way."""
    boris = await small_studio.customer("Боря", language="ru", credits=False)
    await boris.says("/assistant")
    await boris.shown("Пришли фото")
    await boris.sends(photo())
    await boris.shown("Какой стиль?")
    await boris.says("покажи примеры")
    await boris.shown("Оригинал · Комикс · Пастель", media="photo")
    await boris.says("нуар, грустный, крупно")
    await boris.shown("Стиль: Нуар, эмоция: грусть, поза: крупно. Нарисовать за 1 кредит?")
    await boris.says("да")
    await boris.shown("У тебя нет кредитов.")
    await boris.says("тогда пробный")
    await boris.shown("Вот один бесплатный кредит. Стиль: Нуар")
    await boris.says("давай")
    await boris.shown("Готово!")
    assert await small_studio.moves() == [(1, "trial"), (-1, "work")]


@pytest.mark.req("E0-6", "C0-9", "S0-1", "S0-43")
async def test_pack_and_assistant_of_one_person_do_not_touch_each_other(studio: Studio) -> None:
    """Three flows side by side: buttons act in their own session, words and photos go where they are waited for."""
    ann = await studio.customer()
    await ann.says("/pack")
    carousel = await ann.shown("Walk through the styles")
    await ann.says("/assistant")
    await ann.shown("Send me a photo, and tell me")
    await ann.says("/single")
    await ann.shown("Send me the photo for your sticker")
    assert [(await studio.state(flow))[0] for flow in ("pack", "assistant", "single")] == [
        "wait_pack_carousel",
        "assistant_wait_photo",
        "wait_photo",
    ]
    await ann.says("comic, happy, tilted")  # of the three only the assistant waits for words
    await until(lambda: studio.is_in("assistant", "assistant_chat"))
    await ann.told("▶", on=carousel)
    await ann.shown("Style: Comic", after=carousel)
    assert (await studio.state("single")) == ("wait_photo", 1)
    await ann.sends(photo())  # the carousel was touched last, and takes a photo too
    await ann.shown("Style: Comic\n\nFirst comes a preview")
    await studio.set_drawing(False)
    await ann.told("Preview")
    await ann.says("draw me")
    await ann.shown("Send me a photo, and tell me")
    await studio.set_drawing(True)
    await ann.shown("Shall I make the pack?")
    assert await studio.moves() == [(5, "daily"), (-1, "work")]
    assert (await studio.state("single")) == ("wait_photo", 1)
    rejected = [await studio.rejects(flow) for flow in ("pack", "assistant", "single")]
    assert rejected == [[], [], []]


# -- with a model -------------------------------------------------------------------------------------------------


@pytest.mark.req("C0-16", "S1-5", "S1-3")
async def test_a_model_draws_with_its_tools(talking: Studio, script: Script) -> None:
    """It is told the state with each question, its tools answer, and only a yes of the person draws."""
    script.add(
        asks(("update_sticker_params", COMIC)),
        "Comic, happy, tilted: shall I?",
        asks(("check_balance", {}), ("confirm_and_generate", {}), ("confirm_and_generate", {}), text="On my way!"),
    )
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("A happy comic, tilted, please")
    await ann.shown("Comic, happy, tilted: shall I?")
    await ann.says("Yes")
    await ann.shown("Here it is!")
    first, second, third = script.asked
    assert [tool.name for tool in first.tools] == TOOLS
    assert state_of(first) == {"photo": True, "style": None, "emotion": None, "pose": None, "language": "en"}
    assert state_of(second) == {"photo": True, **COMIC, "language": "en"}
    assert tool_answers(second) == ["chosen; name all three and ask for a yes"]
    assert next(m.content for m in third.messages if m.role == "user") == "A happy comic, tilted, please"
    assert "Yes" not in third.system
    assert "A happy comic" not in first.system
    assert len(await ann.messages("sticker")) == 1  # it asked twice
    assert await talking.moves() == [(5, "daily"), (-1, "work")]
    assert await talking.dead() == []
    assert await talking.rejects("assistant") == []


@pytest.mark.req("C0-16")
@anthropic
async def test_a_model_cannot_draw_what_the_person_has_not_agreed_to(talking: Studio, script: Script) -> None:
    """Null parameters, parameters of the same turn, wrong values and unknown tools are refused in words."""
    script.add(
        asks(("confirm_and_generate", {})),
        asks(("update_sticker_params", COMIC | {"style": "baroque"}), ("teleport", {})),
        asks(("update_sticker_params", COMIC), ("confirm_and_generate", {}), ("request_photo", {})),
        "So: shall I?",
    )
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("Just draw something")
    await ann.shown("So: shall I?")
    told = tool_answers(script.asked[-1])
    assert told[0] == "refused: style, emotion, pose is null"
    assert told[1].startswith("refused: no such style. There are style: original, comic")
    assert told[2] == "refused: there is no tool teleport"
    assert told[3:] == [
        "chosen; name all three and ask for a yes",
        "refused: emotion, pose, style was set in this same turn; ask the person first",
        "refused: there is a photo already",
    ]
    assert await talking.moves() == [(5, "daily")]


@pytest.mark.req("C0-16")
@anthropic
async def test_a_model_that_only_asks_for_tools_is_stopped(talking: Studio, script: Script) -> None:
    """After five questions for one message of the person the bot says that it got lost."""
    script.add(*[asks(("check_balance", {}))] * 9)
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("How much do I have?")
    await ann.shown("I got lost in thought.")
    assert len(script.asked) == 5


@pytest.mark.req("C0-16")
@anthropic
async def test_after_three_errors_the_person_may_do_it_by_hand(talking: Studio, script: Script) -> None:
    """Two more tries after the first; then the manual way is offered, and it begins with the photo that is known."""
    script.add(Refusal(529), Answer("half an answer", Fault.CUT), Refusal(500))
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("Hello")
    await ann.shown("I cannot think just now.", buttons=["🖐 Do it by hand", "✖ Cancel"])
    assert len(script.asked) == 3
    await ann.told("Do it by hand")
    await ann.shown("I have your photo. Choose a style", buttons=["Comic"])
    assert (await talking.state("assistant"))[0] == "handed_over"
    await ann.told("Comic")
    await ann.shown("How do you like it?")
    assert [(row.what, row.reason) for row in await talking.dead()] == [("think", "exhausted")]


@pytest.mark.req("C0-16")
@anthropic
async def test_after_errors_the_conversation_can_go_on(talking: Studio, script: Script) -> None:
    """What was said before is not forgotten. A refusal for good is not tried again."""
    script.add(Refusal(401), "There you are again!")
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("Hello")
    await ann.shown("I cannot think just now.")
    assert len(script.asked) == 1
    await ann.says("Still there?")
    shown = await ann.shown("There you are again!")
    assert shown.button_texts == ["✖ Cancel"]
    said = " ".join(message.content for message in script.asked[-1].messages)
    assert "Hello" in said
    assert "Still there?" in said


@pytest.mark.req("C0-16", "S0-52")
@anthropic
async def test_an_answer_that_comes_too_late_is_dropped(talking: Studio, script: Script) -> None:
    """The person has cancelled while the model was thinking: what it says, and what it asks for, changes nothing."""
    script.add(Answer(asks(("grant_trial_credit", {}), text="Too late"), Fault.HOLD))
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("Hello")
    await ann.shown("💭")
    await script.wait_asked()
    await ann.told("Cancel")
    await ann.shown("Canceled.")
    before = await ann.chat.transcript()
    script.release()
    await until(lambda: talking.rejects("assistant"))
    assert await talking.rejects("assistant") == [("assistant.heard", "already_done", "")]
    assert await ann.chat.transcript() == before
    assert await talking.moves() == [(5, "daily")]
    assert (await talking.state("assistant"))[0] == "canceled"


@pytest.mark.req("C0-16")
@anthropic
async def test_what_is_said_while_the_model_thinks_goes_with_the_next_question(talking: Studio, script: Script) -> None:
    """The first answer is not shown any more: the second one knows everything."""
    script.add(Answer("An answer to the first", Fault.HOLD), "An answer to both")
    ann = await talking.customer()
    await at_chat(ann)
    await ann.says("A comic")
    await script.wait_asked()
    await ann.says("And happy")
    await ann.shown("💭")
    script.release()
    await ann.shown("An answer to both")
    said = [(m.role, m.content) for m in script.asked[1].messages]
    assert said[:2] == [("user", "A comic"), ("assistant", "An answer to the first")]
    assert said[2][1].startswith("And happy")
    await ann.chat.hides("An answer to the first")


@pytest.mark.req("C0-16")
@anthropic
async def test_a_model_asks_for_a_photo(talking: Studio, script: Script) -> None:
    """The person is asked by the model's own words, and the photo goes on with the conversation."""
    script.add(asks(("request_photo", {}), text="May I see you first?"), "What a face!")
    ann = await talking.customer()
    await ann.says("/assistant")
    await ann.shown("Send me a photo")
    await ann.says("Comic, please")
    await ann.shown("May I see you first?")
    assert (await talking.state("assistant"))[0] == "assistant_wait_photo"
    await ann.sends(photo())
    await ann.shown("What a face!")
    assert [state_of(asked)["photo"] for asked in script.asked] == [False, True]


@pytest.mark.req("C0-16")
@anthropic
async def test_a_model_is_reminded_of_so_much_only(talking: Studio, script: Script) -> None:
    """A long conversation is cut at its beginning, at a message of the person."""
    ann = await talking.customer()
    await at_chat(ann)
    for number in range(18):
        await ann.says(f"Message {number}")
        await ann.shown("Which style would you like?")
    said = script.asked[-1].messages
    assert len(said) <= 31
    assert said[0].role == "user"
    assert said[0].content.startswith("Message")
    assert said[0].content != "Message 0"
