"""The flow `single`: one sticker from a photo, with a style, perhaps another emotion, perhaps words (C0-15).

    photo ─► style ─► (drawn, 1 credit) ─► keep it ─► done
                                 ▲     ├─► another emotion (1 credit) ─┐
                                 │     └─► words (free) ───────────────┤
                                 └─────────────────────────────────────┘

Deliberately absent of the original's states: those of its providers (`processing_motion`, `wait_replace_face`, …) and
of its shop (`wait_first_purchase`, `wait_buy_credit`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from posthouse import Button, File, Flow, On, Refuse, Screen, Session, Turn
from posthouse.programs.actions import Kept
from posthouse.programs.flows import Content, JobDone, JobFailed, Reason, Refusal, Text
from posthouse_apps.stickers.bot import app
from posthouse_apps.stickers.captions import CAPTION_MAX
from posthouse_apps.stickers.charges import apology, charge, refund, settle
from posthouse_apps.stickers.drawing import draw_sticker
from posthouse_apps.stickers.looks import EMOJI, EMOTIONS, STYLES
from posthouse_apps.stickers.photos import PHOTO, forget_photo, last_photo, photo_in, take_photo
from posthouse_apps.stickers.rendering import Look

PRICE = 1

BUSY = ("processing", "processing_emotion", "processing_text")
"""Work is being done: a new /single has to wait for it."""


async def begin_single(turn: Turn) -> None:
    """Ask for a photo, unless a sticker of this person is being drawn."""
    if not await is_busy(turn):
        await single.begin(turn)


async def begin_single_with_photo(turn: Turn) -> None:
    """A photo out of the blue is one to make a sticker of."""
    turn.session[PHOTO] = photo_in(turn)
    await begin_single_by_hand(turn)


async def begin_single_by_hand(turn: Turn) -> None:
    """Begin with the photo that the chat knows already."""
    if await is_busy(turn):
        return
    photo = last_photo(turn)
    await single.begin(turn, state="wait_style" if photo else "wait_photo", data={PHOTO: photo} if photo else None)


async def is_busy(turn: Turn) -> bool:
    """Whether a sticker is being drawn; then the person is asked for a moment."""
    current = await single.current(turn)
    busy = current is not None and current.state in BUSY
    if busy:
        turn.say(turn.t("busy"))
    return busy


# -- what happens -------------------------------------------------------------------------------------------------


async def choose_style(turn: Turn, session: Session) -> Refusal | None:
    """Charge for the sticker and queue it."""
    if session.value not in STYLES:
        return Refusal("unknown_style", turn.t("reject.wrong_step"))
    return await pay_sticker(turn, session, style=session.value)


async def choose_emotion(turn: Turn, session: Session) -> Refusal | None:
    if session.value not in EMOTIONS:
        return Refusal("unknown_emotion", turn.t("reject.wrong_step"))
    return await pay_sticker(turn, session, emotion=session.value)


async def pay_sticker(turn: Turn, session: Session, **changed: str) -> Refusal | None:
    refusal = await charge(turn, session, PRICE)
    if refusal is None:
        draw(session, **changed)
    return refusal


async def write_words(turn: Turn, session: Session) -> None:
    """Words are free: the sticker is paid for."""
    draw(session, caption=turn.text[:CAPTION_MAX])


def draw(session: Session, **changed: str) -> None:
    """Queue the sticker with something changed; it becomes the session's look when it is there."""
    look = look_of(session) | changed
    session.enqueue(draw_sticker, photo=session.data[PHOTO], data=look, **look)


async def hear_first(turn: Turn, session: Session) -> str:
    """Show the sticker; a photo that cannot be used gives the credit back, and another is asked for."""
    if "fault" in session.result:
        await refund(turn, session)
        forget_photo(turn, session)
        return "wait_photo"
    return await hear_sticker(turn, session)


async def hear_sticker(turn: Turn, session: Session) -> str:
    """Show the sticker, or the one before it when the photo is gone since."""
    if "fault" in session.result:
        await refund(turn, session)
    else:
        settle(session)
        session.data["look"] = session.carried
        session.data |= session.result
    return "confirm_sticker"


async def give_back(turn: Turn, session: Session) -> None:
    await refund(turn, session)


async def deliver(turn: Turn, session: Session) -> None:
    turn.sticker(File(Kept(session.data["sticker"]), "sticker.webp"))


def look_of(session: Session) -> dict[str, Any]:
    look: dict[str, Any] = session.data.get("look") or asdict(Look())
    return look


# -- what is seen -------------------------------------------------------------------------------------------------


def photo_wanted(turn: Turn, session: Session) -> Screen:
    sorry = apology(turn, session)
    return Screen(sorry + turn.t("single.photo"), [[cancel_button(turn)]], fresh=is_new(session, sorry))


def styles(turn: Turn, session: Session) -> Screen:
    sorry = apology(turn, session)
    buttons = [Button(turn.t(f"style.{style}"), "single.style", style) for style in STYLES]
    return Screen(
        sorry + turn.t("single.style", credits=PRICE),
        [*in_rows(buttons), [cancel_button(turn)]],
        fresh=is_new(session, sorry),
    )


def is_new(session: Session, sorry: str) -> bool:
    """Whether a screen comes in a new message: to be seen, or because the pressed button is another flow's."""
    return bool(sorry) or session.event == "begin"


def drawing(turn: Turn, session: Session) -> Screen:
    photo = view(session) if "view" in session.data else None
    return Screen(turn.t("single.processing"), [[Button(turn.t("button.generating"))]], photo=photo)


def confirm(turn: Turn, session: Session) -> Screen:
    """The sticker and what can be done with it. After something that failed it comes anew."""
    sorry = apology(turn, session)
    return Screen(
        sorry + turn.t("single.confirm"),
        [
            [Button(turn.t("button.keep"), "single.keep")],
            [Button(turn.t("button.emotion", credits=PRICE), "single.emotion")],
            [Button(turn.t("button.words"), "single.words")],
            [cancel_button(turn)],
        ],
        photo=view(session),
        fresh=bool(sorry),
    )


def emotions(turn: Turn, session: Session) -> Screen:
    buttons = [
        Button(f"{EMOJI[emotion]} {turn.t(f'emotion.{emotion}')}", "single.emotion.pick", emotion)
        for emotion in EMOTIONS
    ]
    return Screen(
        turn.t("single.emotion", credits=PRICE), [*in_rows(buttons), [back_button(turn)]], photo=view(session)
    )


def words_wanted(turn: Turn, session: Session) -> Screen:
    return Screen(turn.t("single.words"), [[back_button(turn)]], photo=view(session))


def done(turn: Turn, session: Session) -> Screen:
    return Screen(turn.t("single.done"))


def canceled(turn: Turn, session: Session) -> Screen:
    return Screen(turn.t("canceled"))


def view(session: Session) -> File:
    return File(Kept(session.data["view"]), "sticker.png")


def in_rows(buttons: list[Button]) -> list[list[Button]]:
    return [buttons[place : place + 2] for place in range(0, len(buttons), 2)]


def cancel_button(turn: Turn) -> Button:
    return Button(turn.t("button.cancel"), "single.cancel")


def back_button(turn: Turn) -> Button:
    return Button(turn.t("button.back"), "single.back")


# -- the table ----------------------------------------------------------------------------------------------------

single = app.add(
    Flow(
        "single",
        states={
            "wait_photo": photo_wanted,
            "wait_style": styles,
            "processing": drawing,
            "confirm_sticker": confirm,
            "wait_emotion": emotions,
            "processing_emotion": drawing,
            "wait_text_overlay": words_wanted,
            "processing_text": drawing,
            "done": done,
            "canceled": canceled,
        },
        start=("wait_photo", "wait_style"),
        final=("done", "canceled"),
        events={
            "single.photo": Content("photo"),
            "single.file": Content("document"),
            "single.text": Text(),
            "single.drawn": JobDone(draw_sticker),
            "single.failed": JobFailed(draw_sticker),
        },
        rows=[
            On(("wait_photo", "wait_style"), "single.photo", to="wait_style", handler=take_photo),
            On(("wait_photo", "wait_style"), "single.file", to="wait_style", handler=take_photo),
            On("wait_style", "single.style", to="processing", handler=choose_style),
            On("processing", "single.drawn", to=("confirm_sticker", "wait_photo"), handler=hear_first),
            On("processing", "single.failed", to="wait_style", handler=give_back),
            Refuse("processing", "single.style", Reason.IN_PROGRESS, "already_generating"),
            On("confirm_sticker", "single.keep", to="done", handler=deliver),
            On("confirm_sticker", "single.emotion", to="wait_emotion"),
            On("confirm_sticker", "single.words", to="wait_text_overlay"),
            On("wait_emotion", "single.emotion.pick", to="processing_emotion", handler=choose_emotion),
            On("processing_emotion", "single.drawn", to="confirm_sticker", handler=hear_sticker),
            On("processing_emotion", "single.failed", to="confirm_sticker", handler=give_back),
            Refuse("processing_emotion", "single.emotion.pick", Reason.IN_PROGRESS, "already_generating"),
            On("wait_text_overlay", "single.text", to="processing_text", handler=write_words),
            On("processing_text", "single.drawn", to="confirm_sticker", handler=hear_sticker),
            On("processing_text", "single.failed", to="confirm_sticker", handler=give_back),
            On(("wait_emotion", "wait_text_overlay"), "single.back", to="confirm_sticker"),
            On(("wait_photo", "wait_style", "confirm_sticker"), "single.cancel", to="canceled"),
            Refuse(BUSY, "single.cancel", Reason.IN_PROGRESS, "already_generating"),
        ],
    )
)
