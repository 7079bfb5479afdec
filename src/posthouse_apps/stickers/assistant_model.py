"""A language model without a language model: rules that read English and Russian, for who has configured none.

It keeps the port and uses the same tools as a real one, so that everything around it is the same: it reads the last
words and [SYSTEM STATE], asks for tools, reads what they answered, and says something. It costs nothing, knows nothing
of the world, and always answers the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from posthouse.kits.i18n import N_
from posthouse.ports.model import (
    Delta,
    Event,
    Message,
    Reply,
    Request,
    Stop,
    StopReason,
    ToolCall,
    Usage,
    estimate_request_tokens,
)
from posthouse_apps.stickers import assistant_tools as tools
from posthouse_apps.stickers.assistant_tools import CHOICES
from posthouse_apps.stickers.bot import texts
from posthouse_apps.stickers.looks import LABELS
from posthouse_apps.stickers.styles import Emotion, Pose, Style

MODEL = "rules"

WORDS: dict[str, str] = {
    Style.ORIGINAL: r"original|as it is|оригинал|как есть|без стиля",
    Style.COMIC: r"comic|cartoon|комик|мульт",
    Style.PASTEL: r"pastel|soft|пастел|нежн",
    Style.NOIR: r"noir|black and white|нуар|ч[её]рно-бел",
    Style.POP: r"pop\b|pop.?art|поп\b|поп.?арт",
    Style.SKETCH: r"sketch|pencil|набросок|скетч|карандаш|эскиз",
    Style.NEON: r"neon|неон",
    Style.PIXEL: r"pixel|8.?bit|пиксел",
    Emotion.CALM: r"calm|quiet|спокой|тих",
    Emotion.HAPPY: r"happy|joy|glad|smil|радост|счаст|улыб|вес[её]л",
    Emotion.LOVE: r"\blov|heart|влюбл|любов|любл|сердечк",
    Emotion.LAUGHING: r"laugh|\blol|смех|сме[юёе]|хохо",
    Emotion.COOL: r"cool|крут",
    Emotion.SURPRISED: r"surpris|\bwow|удивл|\bвау",
    Emotion.SAD: r"\bsad|\bcry|груст|печал",
    Emotion.ANGRY: r"angry|anger|\bmad\b|\bзл[оыаю]|сердит",
    Emotion.SLEEPY: r"sleep|tired|\bсон[нл]|\bспящ|устал",
    Emotion.PARTY: r"party|birthday|вечерин|праздни",
    Pose.STRAIGHT: r"straight|прямо",
    Pose.TILTED: r"tilt|наклон",
    Pose.LEANING: r"lean|отклон",
    Pose.MIRRORED: r"mirror|flip|зеркал|отраж",
    Pose.ZOOMED: r"zoom|close.?up|крупн|ближе",
}
"""What is read as which value."""

YES = r"\b(yes|yeah|yep|ok|okay|sure|go|draw it|do it|да|ага|угу|ок|давай|рисуй|хорошо|поехали)\b"
TRIAL = r"trial|free|пробн|бесплатн"
BALANCE = r"balance|credits?\b|баланс|кредит"
EXAMPLES = r"example|show me|what styles|пример|покажи|какие.*стил"


class RuleModel:
    """A `LanguageModel` that is a handful of rules."""

    async def complete(self, request: Request) -> Reply:
        *said, reminder = request.messages
        state: dict[str, Any] = msgspec.json.decode(reminder.content[reminder.content.index("{") :])
        answered = _answers(said)
        if answered:
            return _words(_after_tools(answered, state), request)
        calls = _wishes(said[-1].content, state)
        if calls:
            return _asking(calls, len(said), request)
        return _words(_next_step(state), request)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        reply = await self.complete(request)
        yield reply.usage
        if reply.text:
            yield Delta(reply.text)
        for call in reply.tool_calls:
            yield call
        yield reply.usage
        yield Stop(reply.stop_reason, MODEL)

    async def count_tokens(self, request: Request) -> int:
        return estimate_request_tokens(request)

    async def close(self) -> None:
        """Nothing to let go."""


def understood(text: str) -> dict[str, str]:
    """The parameters that a text speaks of; the last word for one of them counts."""
    chosen = {}
    for name, values in CHOICES.items():
        found = [(match.start(), value) for value in values for match in re.finditer(WORDS[value], text.lower())]
        if found:
            chosen[name] = str(max(found)[1])
    return chosen


def _wishes(text: str, state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The tools that the person's words ask for, with their arguments."""
    text = text.lower()
    if chosen := understood(text):
        return {"update_sticker_params": chosen}
    for tool, pattern in (
        ("grant_trial_credit", TRIAL),
        ("check_balance", BALANCE),
        ("show_style_examples", EXAMPLES),
    ):
        if re.search(pattern, text):
            return {tool: {}}
    if re.search(YES, text) and not _open(state):
        return {"confirm_and_generate": {}} if state["photo"] else {"request_photo": {}}
    return {}


def _answers(said: list[Message]) -> dict[str, str]:
    """What the tools have answered since the model last spoke, by the name of the tool."""
    names: dict[str, str] = {}
    answers: dict[str, str] = {}
    for message in reversed(said):
        if message.role == "tool":
            answers[message.tool_call_id] = message.content
        else:
            names = {call.id: call.name for call in message.tool_calls}
            break
    return {names[call_id]: answer for call_id, answer in answers.items() if call_id in names}


def _after_tools(answers: dict[str, str], state: dict[str, Any]) -> str:
    """What to say of what the tools have answered, and how it goes on."""
    language = state["language"]
    said = []
    for tool, answer in answers.items():
        match tool, answer:
            case "grant_trial_credit", _:
                said.append(texts.t(f"rules.trial.{answer}", language))
            case "check_balance", _:
                said.append(texts.t("balance", language, credits=int(answer)))
            case "show_style_examples", _:
                said.append(texts.t("rules.examples", language))
            case "confirm_and_generate", tools.NO_CREDITS:
                return texts.t("rules.no_credits", language)
    return " ".join([*said, _next_step(state)])


def _next_step(state: dict[str, Any]) -> str:
    """Ask for what is still open, then for the photo, then for a yes."""
    language = state["language"]
    for name in _open(state):
        choices = ", ".join(texts.t(N_(LABELS[value]), language) for value in CHOICES[name])
        return texts.t(f"rules.choose.{name}", language, choices=choices)
    if not state["photo"]:
        return texts.t("assistant.photo", language)
    chosen = {name: texts.t(N_(LABELS[state[name]]), language) for name in CHOICES}
    return texts.t("rules.confirm", language, **chosen)


def _open(state: dict[str, Any]) -> list[str]:
    return [name for name in CHOICES if state[name] is None]


def _words(text: str, request: Request) -> Reply:
    return Reply(text, usage=Usage(estimate_request_tokens(request)), model=MODEL)


def _asking(calls: dict[str, dict[str, Any]], number: int, request: Request) -> Reply:
    asked = tuple(ToolCall(f"call-{number}-{place}", name, given) for place, (name, given) in enumerate(calls.items()))
    return Reply("", asked, StopReason.TOOL_CALLS, Usage(estimate_request_tokens(request)), MODEL)
