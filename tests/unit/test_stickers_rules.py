"""The model by rules, and the looks and texts that it and the flows speak of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import posthouse_apps.stickers
from posthouse.kits.i18n import assert_complete
from posthouse.ports.model import Draft, Message, Request, ToolCall
from posthouse_apps.stickers import flows
from posthouse_apps.stickers.assistant_model import RuleModel, understood
from posthouse_apps.stickers.assistant_tools import CHOICES
from posthouse_apps.stickers.bot import texts
from posthouse_apps.stickers.looks import EMOJI, LABELS, STYLES, beside, pack_looks
from posthouse_apps.stickers.styles import Emotion, Style

NOTHING = dict.fromkeys(CHOICES)
ALL = {"style": "comic", "emotion": "happy", "pose": "tilted"}


def question(*said: Message, photo: bool = True, language: str = "en", **chosen: Any) -> Request:
    """What the assistant asks a model."""
    state = {"photo": photo, **NOTHING, **chosen, "language": language}
    reminder = Message("user", f"[SYSTEM STATE] {msgspec.json.encode(state).decode()}")
    return Request([*said, reminder])


async def asked_for(text: str, **state: Any) -> list[tuple[str, dict[str, Any]]]:
    """The tools that a person's words lead to."""
    reply = await RuleModel().complete(question(Message("user", text), **state))
    return [(call.name, call.arguments) for call in reply.tool_calls]


def answered(*answers: tuple[str, str]) -> list[Message]:
    """A model that asked for tools, and what they answered."""
    calls = [ToolCall(f"c{place}", name) for place, (name, _) in enumerate(answers)]
    return [
        Message("user", "…"),
        Message("assistant", tool_calls=calls),
        *(Message("tool", text, tool_call_id=f"c{place}") for place, (_, text) in enumerate(answers)),
    ]


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("value", LABELS)
def test_every_choice_is_understood_by_its_own_name(value: str, language: str) -> None:
    """What the bot calls a style, an emotion or a pose is read as that one, and as nothing else."""
    assert list(understood(texts.t(LABELS[value], language)).values()) == [value]


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("Make me laugh in pop art, mirrored!", {"style": "pop", "emotion": "laughing", "pose": "mirrored"}),
        ("грустный нуар, крупно", {"style": "noir", "emotion": "sad", "pose": "zoomed"}),
        ("first sad, no: happy", {"emotion": "happy"}),
        ("попробуй что-нибудь", {}),
        ("a popular salad", {}),
        ("", {}),
    ],
)
def test_words_are_read(text: str, chosen: dict[str, str]) -> None:
    """In both languages, inflected, the last word for a thing counting."""
    assert understood(text) == chosen


@pytest.mark.req("C0-16")
async def test_the_rules_use_the_tools_of_a_real_model() -> None:
    """Wishes choose, a yes draws only when all is chosen, and money is asked for by its words."""
    assert await asked_for("comic") == [("update_sticker_params", {"style": "comic"})]
    assert await asked_for("yes", style="comic") == []
    assert await asked_for("yes", **ALL) == [("confirm_and_generate", {})]
    assert await asked_for("да, рисуй", **ALL) == [("confirm_and_generate", {})]
    assert await asked_for("yes", photo=False, **ALL) == [("request_photo", {})]
    assert await asked_for("сколько у меня кредитов?") == [("check_balance", {})]
    assert await asked_for("is there a free one?") == [("grant_trial_credit", {})]
    assert await asked_for("покажи примеры") == [("show_style_examples", {})]


@pytest.mark.parametrize(
    ("answers", "state", "said"),
    [
        ([("update_sticker_params", "chosen")], {"style": "comic"}, "Which emotion?"),
        ([("update_sticker_params", "chosen")], ALL, "Style: Comic, emotion: happy, pose: tilted. Shall I draw it"),
        ([("update_sticker_params", "chosen")], ALL | {"photo": False}, "Send me a photo"),
        ([("check_balance", "0")], {}, "You have no credits. Which style?"),
        ([("grant_trial_credit", "had")], {}, "You had your free credit already. Which style?"),
        ([("grant_trial_credit", "none_left")], {}, "Today's free credits are all gone"),
        ([("confirm_and_generate", "refused: the person has no credits")], ALL, "You have no credits. /credits"),
        ([("confirm_and_generate", "refused: style was set")], ALL, "Shall I draw it"),
        ([("show_style_examples", "shown")], {"language": "ru"}, "Вот стили. Какой стиль?"),
    ],
)
async def test_the_rules_put_the_tools_answers_into_words(
    answers: list[tuple[str, str]], state: dict[str, Any], said: str
) -> None:
    """And then ask for what is still open."""
    reply = await RuleModel().complete(question(*answered(*answers), **state))
    assert said in reply.text
    assert reply.tool_calls == ()


async def test_the_rules_keep_the_port_of_a_language_model() -> None:
    """A stream adds up to the whole answer, tokens are counted, and closing twice is harmless."""
    model, asked = RuleModel(), question(Message("user", "comic"))
    draft = Draft()
    async for event in model.stream(asked):
        draft.add(event)
    assert draft.reply() == await model.complete(asked)
    assert await model.count_tokens(asked) > 0
    await model.close()
    await model.close()


@pytest.mark.req("E2-11")
def test_every_text_is_there_in_every_language() -> None:
    """And none that nobody asks for."""
    package = Path(posthouse_apps.stickers.__file__).parent
    assert_complete(texts, package)
    assert texts.languages == ("en", "ru")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_is_answered_to_a_press_fits(language: str) -> None:
    """Telegram takes 200 characters."""
    said = [texts.t(key, language) for key in texts.keys if key.startswith("reject.")]
    said.append(texts.t("credits.too_few", language, needed=15, daily=5))
    assert max(map(len, said)) <= 200


@pytest.mark.req("C0-14")
def test_a_pack_of_any_size_has_no_look_twice() -> None:
    """Of sixteen as of four; and another take shows others."""
    looks = pack_looks(Style.COMIC, take=0, count=16) + pack_looks(Style.COMIC, take=1, count=16)
    assert len(set(looks)) == 32
    assert {look.style for look in looks} == {Style.COMIC}
    assert set(EMOJI) == set(Emotion)


def test_the_carousel_has_no_ends() -> None:
    """Left of the first style is the last."""
    assert beside(STYLES[0], -1) is STYLES[-1]
    assert beside(STYLES[-1], +1) is STYLES[0]


@pytest.mark.req("S0-4", "S0-30", "S0-31", "C0-15")
def test_the_flows_have_the_states_and_events_of_the_design() -> None:
    """Three kinds of session, with the rows of S0 and the edges that C0-14 adds; the picture shows them all."""
    assert set(flows) == {"pack", "single", "assistant"}
    picture = flows["pack"].diagram().splitlines()
    for edge in (
        "wait_pack_carousel --> wait_pack_photo : pack.try",
        "wait_pack_carousel --> wait_pack_preview_payment : pack.try",
        "wait_pack_photo --> wait_pack_preview_payment : pack.photo",
        "wait_pack_preview_payment --> wait_pack_carousel : pack.back.carousel",
        "wait_pack_carousel --> wait_pack_carousel : pack.back.carousel",
        "wait_pack_preview_payment --> generating_pack_preview : pack.preview.pay",
        "pack.preview.pay is refused, wrong_state (wrong_step)",
        "pack.preview.pay is refused, in_progress (already_generating)",
        "generating_pack_preview --> wait_pack_approval : pack.preview.ready",
        "generating_pack_preview --> wait_pack_photo : pack.preview.ready",
        "generating_pack_preview --> wait_pack_preview_payment : pack.preview.failed",
        "wait_pack_approval --> processing_pack : pack.approve",
        "wait_pack_approval --> generating_pack_preview : pack.regenerate",
        "wait_pack_approval --> canceled : pack.cancel",
        "processing_pack --> done : pack.ready",
        "processing_pack --> wait_pack_approval : pack.failed",
    ):
        assert edge in [line.strip() for line in picture], edge
