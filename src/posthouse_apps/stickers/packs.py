"""The flow `pack`: choose a style, give a photo, pay for a preview, and then for the pack (S0-30 … S0-40, C0-14).

    carousel ─► photo ─► preview payment ─► (preview is drawn) ─► approval ─► (pack is drawn) ─► done

All of it is one message with a picture, edited in place. While something is drawn its keyboard is locked (C0-12). A
preview costs 1 credit and so does another one, the pack costs the rest; what fails is given back.
"""

from __future__ import annotations

from posthouse import Button, File, Flow, On, Refuse, Screen, Session, Turn
from posthouse.programs.actions import Kept
from posthouse.programs.flows import Content, JobDone, JobFailed, Reason, Refusal
from posthouse_apps.stickers.bot import app
from posthouse_apps.stickers.charges import apology, charge, refund, settle, user_of
from posthouse_apps.stickers.drawing import draw_pack, draw_preview, example
from posthouse_apps.stickers.looks import STYLES, beside
from posthouse_apps.stickers.photos import PHOTO, forget_photo, last_photo, take_photo
from posthouse_apps.stickers.sets import set_link, set_name
from posthouse_apps.stickers.styles import Style

PACK_SIZE = 4  # 16 when the bot is no longer tried out (C0-14)
PREVIEW_PRICE = 1
PACK_PRICE = PACK_SIZE - PREVIEW_PRICE

BUSY = ("generating_pack_preview", "processing_pack")
"""Paid work is being done: a new /pack has to wait for it."""


async def begin_pack(turn: Turn) -> None:
    """Show the carousel, unless a pack of this person is being drawn."""
    current = await pack.current(turn)
    if current is not None and current.state in BUSY:
        turn.say(turn.t("busy"))
        return
    await pack.begin(turn, data={"style": STYLES[0], "take": 0, PHOTO: last_photo(turn)})


# -- what happens -------------------------------------------------------------------------------------------------


async def turn_left(turn: Turn, session: Session) -> None:
    session.data["style"] = beside(style_of(session), -1)


async def turn_right(turn: Turn, session: Session) -> None:
    session.data["style"] = beside(style_of(session), +1)


async def try_style(turn: Turn, session: Session) -> str:
    return "wait_pack_preview_payment" if session.data[PHOTO] else "wait_pack_photo"


async def pay_preview(turn: Turn, session: Session) -> Refusal | None:
    """Charge for a preview and queue it: one commit, so there is never one without the other."""
    refusal = await charge(turn, session, PREVIEW_PRICE)
    if refusal is None:
        session.enqueue(draw_preview, **drawing_of(session))
    return refusal


async def pay_another_preview(turn: Turn, session: Session) -> Refusal | None:
    session.data["take"] += 1
    return await pay_preview(turn, session)


async def hear_preview(turn: Turn, session: Session) -> str:
    """Show the preview; a photo that cannot be used gives the credit back, and another is asked for."""
    if "fault" in session.result:
        await refund(turn, session)
        forget_photo(turn, session)
        return "wait_pack_photo"
    settle(session)
    session.data["sheet"] = session.result["sheet"]
    return "wait_pack_approval"


async def pay_pack(turn: Turn, session: Session) -> Refusal | None:
    """Charge for the pack and queue it."""
    refusal = await charge(turn, session, PACK_PRICE)
    if refusal is None:
        session.enqueue(
            draw_pack,
            **drawing_of(session),
            owner=user_of(session),
            name=set_name(session.id, session.data["take"]),
            title=turn.t("set.title", name=turn.person["first_name"])[:64],
            language=turn.language,
        )
    return refusal


async def hear_pack(turn: Turn, session: Session) -> str:
    """Deliver the stickers and the link to their set; the photo may be gone since the preview."""
    if "fault" in session.result:
        await refund(turn, session)
        return "wait_pack_approval"
    settle(session)
    session.data["set"] = session.result["name"]
    for sticker in session.result["stickers"]:
        turn.sticker(sticker)
    return "done"


async def give_back(turn: Turn, session: Session) -> None:
    """The work was given up: its credits are the person's again."""
    await refund(turn, session)


def style_of(session: Session) -> Style:
    return Style(session.data["style"])


def drawing_of(session: Session) -> dict[str, object]:
    """What a preview and its pack have in common, so that the pack is what was shown."""
    return {name: session.data[name] for name in (PHOTO, "style", "take")} | {"count": PACK_SIZE}


# -- what is seen -------------------------------------------------------------------------------------------------


async def carousel(turn: Turn, session: Session) -> Screen:
    style = style_of(session)
    place = turn.t("pack.place", number=STYLES.index(style) + 1, count=len(STYLES))
    return Screen(
        turn.t("pack.carousel", style=turn.t(f"style.{style}"), count=PACK_SIZE),
        [
            [Button("◀", "pack.left"), Button(place), Button("▶", "pack.right")],
            [Button(turn.t("button.try"), "pack.try")],
            [cancel_button(turn)],
        ],
        photo=await style_picture(style),
    )


async def photo_wanted(turn: Turn, session: Session) -> Screen:
    sorry = apology(turn, session)
    return Screen(
        sorry + turn.t("pack.photo", style=turn.t(f"style.{style_of(session)}")),
        [[Button(turn.t("button.styles"), "pack.back.carousel")], [cancel_button(turn)]],
        photo=await style_picture(style_of(session)),
        fresh=bool(sorry),
    )


async def preview_payment(turn: Turn, session: Session) -> Screen:
    """The offer of a preview. After one that failed it comes anew, so that it is seen."""
    sorry = apology(turn, session)
    return Screen(
        sorry + turn.t("pack.payment", style=turn.t(f"style.{style_of(session)}"), count=PACK_SIZE),
        [
            [Button(turn.t("button.preview", credits=PREVIEW_PRICE), "pack.preview.pay")],
            [Button(turn.t("button.styles"), "pack.back.carousel")],
            [cancel_button(turn)],
        ],
        photo=await style_picture(style_of(session)),
        fresh=bool(sorry),
    )


async def generating(turn: Turn, session: Session) -> Screen:
    return Screen(
        turn.t("pack.generating", count=PACK_SIZE),
        [[Button(turn.t("button.generating"))]],
        photo=await style_picture(style_of(session)),
    )


def approval(turn: Turn, session: Session) -> Screen:
    """The preview and what can be done with it. After a pack that failed it comes anew."""
    sorry = apology(turn, session)
    return Screen(
        sorry + turn.t("pack.approval", style=turn.t(f"style.{style_of(session)}")),
        [
            [Button(turn.t("button.approve", credits=PACK_PRICE), "pack.approve")],
            [Button(turn.t("button.regenerate", credits=PREVIEW_PRICE), "pack.regenerate")],
            [cancel_button(turn)],
        ],
        photo=preview_picture(session),
        fresh=bool(sorry),
    )


def processing(turn: Turn, session: Session) -> Screen:
    return Screen(
        turn.t("pack.processing", count=PACK_SIZE),
        [[Button(turn.t("button.generating"))]],
        photo=preview_picture(session),
    )


def done(turn: Turn, session: Session) -> Screen:
    return Screen(
        turn.t("pack.done", count=PACK_SIZE),
        [[Button(turn.t("button.open_set"), url=set_link(session.data["set"]))]],
        photo=preview_picture(session),
    )


def canceled(turn: Turn, session: Session) -> Screen:
    return Screen(turn.t("canceled"))


def cancel_button(turn: Turn) -> Button:
    return Button(turn.t("button.cancel"), "pack.cancel")


async def style_picture(style: Style) -> File:
    return File(await example(style), f"{style}.png")


def preview_picture(session: Session) -> File:
    return File(Kept(session.data["sheet"]), "preview.png")


# -- the table ----------------------------------------------------------------------------------------------------

WAITING = ("wait_pack_carousel", "wait_pack_photo", "wait_pack_preview_payment")

pack = app.add(
    Flow(
        "pack",
        states={
            "wait_pack_carousel": carousel,
            "wait_pack_photo": photo_wanted,
            "wait_pack_preview_payment": preview_payment,
            "generating_pack_preview": generating,
            "wait_pack_approval": approval,
            "processing_pack": processing,
            "done": done,
            "canceled": canceled,
        },
        start="wait_pack_carousel",
        final=("done", "canceled"),
        events={
            "pack.photo": Content("photo"),
            "pack.file": Content("document"),
            "pack.preview.ready": JobDone(draw_preview),
            "pack.preview.failed": JobFailed(draw_preview),
            "pack.ready": JobDone(draw_pack),
            "pack.failed": JobFailed(draw_pack),
        },
        rows=[
            On("wait_pack_carousel", "pack.left", to="wait_pack_carousel", handler=turn_left, idempotent=True),
            On("wait_pack_carousel", "pack.right", to="wait_pack_carousel", handler=turn_right, idempotent=True),
            On(
                "wait_pack_carousel",
                "pack.try",
                to=("wait_pack_photo", "wait_pack_preview_payment"),
                handler=try_style,
            ),
            On("wait_pack_carousel", "pack.back.carousel", to="wait_pack_carousel", idempotent=True),
            On("wait_pack_photo", "pack.back.carousel", to="wait_pack_carousel"),
            On("wait_pack_preview_payment", "pack.back.carousel", to="wait_pack_carousel"),
            On(WAITING, "pack.photo", to="wait_pack_preview_payment", handler=take_photo),
            On(WAITING, "pack.file", to="wait_pack_preview_payment", handler=take_photo),
            On("wait_pack_preview_payment", "pack.preview.pay", to="generating_pack_preview", handler=pay_preview),
            Refuse("wait_pack_carousel", "pack.preview.pay", Reason.WRONG_STATE, "wrong_step"),
            Refuse("wait_pack_photo", "pack.preview.pay", Reason.WRONG_STATE, "wrong_step"),
            Refuse("generating_pack_preview", "pack.preview.pay", Reason.IN_PROGRESS, "already_generating"),
            On(
                "generating_pack_preview",
                "pack.preview.ready",
                to=("wait_pack_approval", "wait_pack_photo"),
                handler=hear_preview,
            ),
            On("generating_pack_preview", "pack.preview.failed", to="wait_pack_preview_payment", handler=give_back),
            On("wait_pack_approval", "pack.approve", to="processing_pack", handler=pay_pack),
            On("wait_pack_approval", "pack.regenerate", to="generating_pack_preview", handler=pay_another_preview),
            Refuse("generating_pack_preview", "pack.approve", Reason.IN_PROGRESS, "already_generating"),
            Refuse("generating_pack_preview", "pack.regenerate", Reason.IN_PROGRESS, "already_generating"),
            Refuse("processing_pack", "pack.approve", Reason.IN_PROGRESS, "already_processing"),
            Refuse("processing_pack", "pack.regenerate", Reason.IN_PROGRESS, "already_processing"),
            On("processing_pack", "pack.ready", to=("done", "wait_pack_approval"), handler=hear_pack),
            On("processing_pack", "pack.failed", to="wait_pack_approval", handler=give_back),
            On((*WAITING, "wait_pack_approval"), "pack.cancel", to="canceled"),
            Refuse(BUSY, "pack.cancel", Reason.IN_PROGRESS, "already_generating"),
        ],
        formats=("rev", "id", "bare"),  # the bot that this one takes over from has buttons without a session (S0-15)
    )
)
