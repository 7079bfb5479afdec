"""What the assistant's model may ask for: six tools (C0-16), and what each does when it is asked.

    update_sticker_params   choose style, emotion, pose, or some of them
    confirm_and_generate    draw, for a credit: only what the person has seen named and said yes to
    request_photo           ask the person for a photo
    show_style_examples     a picture of each style
    grant_trial_credit      one credit, once in a person's life, while the day has some
    check_balance           how many credits there are

The model decides nothing about money or photos: every condition is checked here, and a refusal is an answer that it can
put into words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from posthouse import Session, Turn
from posthouse.ports.model import Tool, ToolCall
from posthouse_apps.stickers import credits
from posthouse_apps.stickers.charges import CHARGE, charge, user_of
from posthouse_apps.stickers.drawing import draw_sticker, show_examples
from posthouse_apps.stickers.looks import EMOTIONS, POSES, STYLES
from posthouse_apps.stickers.photos import PHOTO

PRICE = 1
CHOICES: dict[str, tuple[str, ...]] = {"style": STYLES, "emotion": EMOTIONS, "pose": POSES}
"""The three parameters of a sticker, and what each can be."""

PARAMS = "params"  # in the session's data: what is chosen so far
FRESH = "fresh"  # there too: what was chosen since the person last said something

NO_CREDITS = "refused: the person has no credits"


def _tool(name: str, description: str, **properties: Any) -> Tool:
    return Tool(name, description, {"type": "object", "properties": properties, "additionalProperties": False})


TOOLS = (
    _tool(
        "update_sticker_params",
        "Choose style, emotion or pose as the person wishes. Leave out what they did not speak of.",
        **{name: {"type": "string", "enum": list(values)} for name, values in CHOICES.items()},
    ),
    _tool(
        "confirm_and_generate",
        "Draw the sticker for one credit. Only after all three parameters were named to the person, and they agreed in"
        " a message of their own.",
    ),
    _tool("request_photo", "Ask the person to send a photo."),
    _tool("show_style_examples", "Show the person a picture of each style."),
    _tool("grant_trial_credit", "Give the person a free credit. It works once; offer it when they have none."),
    _tool("check_balance", "How many credits the person has."),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model hears of a tool, and the state that the session has come to by it, if any."""

    text: str
    state: str | None = None


async def run(turn: Turn, session: Session, call: ToolCall) -> Answer:
    """Do what the model asks for, or say why not."""
    if call.malformed:
        return Answer("refused: the arguments are no JSON object")
    match call.name:
        case "update_sticker_params":
            return update_params(session, call.arguments)
        case "confirm_and_generate":
            return await generate(turn, session)
        case "request_photo":
            return request_photo(session)
        case "show_style_examples":
            turn.enqueue(show_examples, language=turn.language)
            return Answer("shown")
        case "grant_trial_credit":
            return Answer(await turn.transact(credits.grant_trial, user_of(session), turn.moment))
        case "check_balance":
            return Answer(str(await turn.transact(credits.balance, user_of(session))))
    return Answer(f"refused: there is no tool {call.name}")


def update_params(session: Session, arguments: dict[str, Any]) -> Answer:
    """Choose what is given; models like to give null for what was not spoken of."""
    arguments = {name: value for name, value in arguments.items() if value is not None}
    wrong = [name for name, value in arguments.items() if value not in CHOICES.get(name, ())]
    if wrong:
        known = "; ".join(f"{name}: {', '.join(values)}" for name, values in CHOICES.items())
        return Answer(f"refused: no such {', '.join(wrong)}. There are {known}")
    session.data[PARAMS] |= arguments
    session.data[FRESH] = sorted({*session.data[FRESH], *arguments})
    lacking = missing(session)
    return Answer(
        f"chosen; still null: {', '.join(lacking)}" if lacking else "chosen; name all three and ask for a yes"
    )


async def generate(turn: Turn, session: Session) -> Answer:
    """Charge for the sticker and queue it, unless something speaks against it."""
    if CHARGE in session.data:
        return Answer("refused: it is being drawn already")
    if session.data[PHOTO] is None:
        return Answer("refused: there is no photo")
    if lacking := missing(session):
        return Answer(f"refused: {', '.join(lacking)} is null")
    if fresh := session.data[FRESH]:
        return Answer(f"refused: {', '.join(fresh)} was set in this same turn; ask the person first")
    if await charge(turn, session, PRICE) is not None:
        return Answer(NO_CREDITS)
    session.enqueue(draw_sticker, photo=session.data[PHOTO], **session.data[PARAMS], caption=None)
    return Answer("started", "assistant_processing")


def request_photo(session: Session) -> Answer:
    if session.data[PHOTO] is not None:
        return Answer("refused: there is a photo already")
    return Answer("asked", "assistant_wait_photo")


def missing(session: Session) -> list[str]:
    return [name for name, value in session.data[PARAMS].items() if value is None]
