"""The flow `pack` as people live it: real HTTP, both stores, real drawing, a real sticker set."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image
from stickers_stage import Customer, OpenStudio, Studio, photo, until

from posthouse.telegram.callback_data import parse


async def at_payment(ann: Customer) -> None:
    """Ann has chosen the first style and sent a photo."""
    await ann.says("/pack")
    await ann.shown("Style: Original")
    await ann.told("Try")
    await ann.shown("send me a photo")
    await ann.sends(photo())
    await ann.shown("First comes a preview")


async def at_approval(ann: Customer) -> None:
    """Ann has paid for a preview and sees it."""
    await at_payment(ann)
    await ann.told("Preview")
    await ann.shown("Shall I make the pack?")


@pytest.mark.req("S0-49", "S0-53", "C0-14", "B-4")
async def test_a_photo_becomes_a_sticker_set(studio: Studio) -> None:
    """Style, photo, preview for 1 credit, pack for the other 3: a set of four stickers, as Telegram wants them."""
    ann = await studio.customer("Ann")
    await ann.says("/pack")
    shown = await ann.shown("Style: Original", media="photo")
    assert shown.button_texts == ["◀", "1 / 8", "▶", "✨ Try this style", "✖ Cancel"]
    await ann.told("▶")
    await ann.shown("Style: Comic")
    await ann.told("Try")
    await ann.shown("send me a photo")
    await ann.sends(photo())
    await ann.shown("First comes a preview")
    await ann.told("Preview · 1 credit")
    preview = await ann.shown("Shall I make the pack?", media="photo")
    with Image.open(io.BytesIO(await ann.chat.file(preview))) as sheet:
        assert sheet.width == sheet.height > 500
    await ann.told("Make the pack · 3 credits")
    ready = await ann.shown("Your pack is ready: 4 stickers")

    assert ready.id == preview.id  # one message from the photo on
    link = ready.buttons[0][0].url or ""
    made = await studio.telegram("getStickerSet", name=link.rpartition("/")[2])
    assert made["title"] == "Ann's stickers"
    assert [sticker["emoji"] for sticker in made["stickers"]] == ["😌", "😊", "😍", "😂"]
    for sticker in made["stickers"]:
        with Image.open(io.BytesIO(await studio.file(sticker["file_id"]))) as picture:
            assert (picture.format, picture.size) == ("WEBP", (512, 512))
    assert len(await ann.messages("sticker")) == 4
    assert await studio.moves() == [(5, "daily"), (-1, "work"), (-3, "work")]
    assert await ann.balance() == 1
    assert await studio.rejects("pack") == []
    (session,) = await studio.sessions("pack")
    assert (session.state, session.is_active) == ("done", False)
    assert not [message for message in await ann.messages() if "Sticker 4 of 4" in message.text]  # progress went


@pytest.mark.req("C0-9", "S0-32", "S0-33", "S0-34")
async def test_a_person_may_walk_back_and_forth_before_paying(small_studio: Studio) -> None:
    """Carousel, try, photo, back, other style, try, preview: the photo is remembered, and nothing was paid before."""
    ann = await small_studio.customer()
    await at_payment(ann)
    await ann.told("◀ Styles")
    await ann.shown("Walk through the styles")
    await ann.told("◀")
    await ann.shown("Style: Pixels")
    await ann.told("Try")
    await ann.shown("Style: Pixels\n\nFirst comes a preview")
    assert await small_studio.moves() == [(5, "daily")]
    await ann.told("Preview")
    await ann.shown("Here is your preview, style Pixels")


@pytest.mark.req("E0-2", "C0-9", "C0-18", "S0-37")
async def test_a_double_click_on_pay_draws_and_charges_once(studio: Studio) -> None:
    """Both clicks are made before anything is edited: one generation, one credit, and the second hears that it runs."""
    ann = await studio.customer()
    await at_payment(ann)
    await studio.set_drawing(False)
    await studio.town.fault("slow", method="editMessageMedia", delay_s=0.5)
    first, second = await asyncio.gather(ann.presses("Preview"), ann.presses("Preview"))
    answers = [(await press.answer()).get("text", "") for press in (first, second)]
    assert sorted(answers) == ["", "One moment: it is being drawn already."]
    await studio.set_drawing(True)
    await ann.shown("Shall I make the pack?")
    assert await studio.moves() == [(5, "daily"), (-1, "work")]
    assert await studio.transitions("pack", "pack.preview.pay") == 1
    assert await studio.rejects("pack") == [("pack.preview.pay", "in_progress", "already_generating")]


@pytest.mark.req("C0-12", "E0-2")
async def test_nothing_can_be_pressed_while_something_is_drawn(small_studio: Studio) -> None:
    """The keyboard is locked, old buttons say that it is being done, and /pack does not end what is paid for."""
    ann = await small_studio.customer()
    await at_approval(ann)
    offered = await ann.shown("Shall I make the pack?")
    await small_studio.set_drawing(False)
    await ann.told("Make the pack")
    locked = await ann.shown("Making your pack")
    assert locked.button_texts == ["⏳ Generating…"]
    assert await ann.told("Generating") == ("One moment, please…", False)
    for button in ("Make the pack", "Other pictures"):
        told = await ann.presses_outdated(button, on=offered)
        assert told == ("One moment: your pack is being made already.", False)
    await ann.says("/pack")
    await ann.shown("One moment, please: I am still drawing")
    await small_studio.set_drawing(True)
    await ann.shown("Your pack is ready", after=locked)
    assert await small_studio.moves() == [(5, "daily"), (-1, "work"), (-3, "work")]


@pytest.mark.req("E0-3", "S0-36", "S0-52", "C0-9")
async def test_a_pay_button_from_before_going_back_is_refused(small_studio: Studio) -> None:
    """The preview of an outdated keyboard costs nothing: the person is told, and sees where they are."""
    ann = await small_studio.customer()
    await at_payment(ann)
    offered = await ann.shown("First comes a preview")
    await ann.told("◀ Styles")
    await ann.shown("Walk through the styles", after=offered)
    before = await small_studio.state("pack")
    told = await ann.presses_outdated("Preview", on=offered)
    assert told == ("This menu is outdated. Here is the current one.", True)
    assert await small_studio.state("pack") == before
    assert await small_studio.rejects("pack") == [("pack.preview.pay", "wrong_state", "wrong_step")]
    assert await small_studio.moves() == [(5, "daily")]
    await ann.shown("Walk through the styles", buttons=["✨ Try this style"])


@pytest.mark.req("E0-7", "S0-21", "S0-52")
async def test_a_button_of_an_earlier_visit_to_the_same_screen_is_stale(small_studio: Studio) -> None:
    """Carousel, payment, carousel: the first carousel's button would fit the state, but not its revision."""
    ann = await small_studio.customer()
    await at_payment(ann)
    await ann.says("/pack")
    first = await ann.shown("Walk through the styles")
    await ann.told("Try")
    paying = await ann.shown("First comes a preview", after=first)
    await ann.told("◀ Styles")
    await ann.shown("Walk through the styles", after=paying)
    before = await small_studio.state("pack")
    assert await ann.presses_outdated("Try", on=first) == ("This menu is outdated. Here is the current one.", True)
    assert await small_studio.state("pack") == before
    assert await small_studio.rejects("pack") == [("pack.try", "stale_rev", "")]
    told = await ann.presses_outdated("▶", on=first)  # walking is idempotent: what is stale shows where one is
    assert told == ("", False)
    assert await small_studio.state("pack") == before


@pytest.mark.req("S0-50", "S0-52", "C0-8")
async def test_no_button_of_the_past_does_anything_and_each_is_answered(small_studio: Studio) -> None:
    """Once a session has ended, each button that it ever showed is answered and moves nothing."""
    ann = await small_studio.customer()
    keyboards = []
    await ann.says("/pack")
    keyboards.append(await ann.shown("Style: Original"))
    await ann.told("Try")
    keyboards.append(await ann.shown("send me a photo"))
    await ann.sends(photo())
    keyboards.append(await ann.shown("First comes a preview"))
    await ann.told("Preview")
    keyboards.append(await ann.shown("Shall I make the pack?"))
    await ann.told("Make the pack")
    await ann.shown("Your pack is ready")
    before = await small_studio.state("pack"), await small_studio.moves()
    for old in keyboards:
        for text in old.button_texts:
            words, _ = await ann.presses_outdated(text, on=old)
            assert words, f"{text} was answered with nothing"
    assert (await small_studio.state("pack"), await small_studio.moves()) == before
    assert {reason for _, reason, _ in await small_studio.rejects("pack")} == {"already_done"}


@pytest.mark.req("S0-39", "C0-14")
async def test_other_pictures_cost_another_credit(small_studio: Studio) -> None:
    """A second preview shows other stickers of the same photo, and the pack is what was shown last."""
    studio = small_studio
    ann = await studio.customer()
    await at_approval(ann)
    first = await ann.chat.file(await ann.shown("Shall I make the pack?"))
    pressed = await ann.shown("Shall I make the pack?")
    await ann.told("Other pictures · 1 credit")
    second = await ann.shown("Shall I make the pack?", after=pressed)
    assert await ann.chat.file(second) != first
    assert await studio.moves() == [(5, "daily"), (-1, "work"), (-1, "work")]
    await ann.told("Make the pack")
    ready = await ann.shown("Your pack is ready")
    made = await studio.telegram("getStickerSet", name=(ready.buttons[0][0].url or "").rpartition("/")[2])
    assert [sticker["emoji"] for sticker in made["stickers"]] == ["😎", "😮", "😢", "😡"]
    assert await ann.balance() == 0


@pytest.mark.req("S0-40")
async def test_a_pack_can_be_given_up(small_studio: Studio) -> None:
    """Cancel ends the session; what was paid for the preview stays paid, because the preview was seen."""
    ann = await small_studio.customer()
    await at_approval(ann)
    await ann.told("Cancel")
    await ann.shown("Canceled.")
    assert (await small_studio.state("pack"))[0] == "canceled"
    assert await small_studio.moves() == [(5, "daily"), (-1, "work")]


@pytest.mark.req("C0-18")
async def test_without_credits_nothing_is_drawn(small_studio: Studio) -> None:
    """The person hears once how to get some, and the same button works when they have."""
    ann = await small_studio.customer(credits=False)
    await at_payment(ann)
    told = await ann.told("Preview")
    assert told == ("That takes 1 credit, and you have too few. /credits gives you 5 a day.", True)
    assert (await small_studio.state("pack"))[0] == "wait_pack_preview_payment"
    offered = await ann.shown("First comes a preview")
    await ann.says("/credits")
    await ann.shown("Here are 5 credits for today.")
    await ann.told("Preview", on=offered)
    await ann.shown("Shall I make the pack?")
    await ann.says("/credits")
    await ann.shown("You had today's credits already. You have 4")


@pytest.mark.req("C0-14")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%PDF-1.4 is no picture", "I cannot read this file as a picture."),
        (photo(40), "This photo is too small for a sticker."),
    ],
)
async def test_a_file_that_is_no_photo_costs_nothing(small_studio: Studio, content: bytes, told: str) -> None:
    """The credit is back, the person reads why, and another photo does."""
    ann = await small_studio.customer()
    await at_payment(ann)
    await ann.sends_file(content)
    await ann.shown("First comes a preview")
    await ann.told("Preview")
    sorry = await ann.shown(told)
    assert "Your credit is back." in sorry.text
    assert "Now send me a photo" in sorry.text
    assert await small_studio.moves() == [(5, "daily"), (-1, "work"), (1, "refund")]
    await ann.sends_file(photo())
    await ann.shown("First comes a preview")
    await ann.told("Preview")
    await ann.shown("Shall I make the pack?")


@pytest.mark.req("C0-14")
async def test_a_preview_that_fails_gives_the_credit_back(postgres_database: str, studio_on: OpenStudio) -> None:
    """After three tries the job is given up: the person hears of it, and has the credit to try again."""
    async with studio_on(postgres_database) as studio:
        ann = await studio.customer()
        await at_payment(ann)
        await studio.town.fault("500", method="getFile", count=3)
        await ann.told("Preview")
        sorry = await ann.shown("Something went wrong while I was drawing.")
        assert "Your credit is back." in sorry.text
        assert [(row.what, row.reason) for row in await studio.dead()] == [("draw_preview", "exhausted")]
        assert await studio.moves() == [(5, "daily"), (-1, "work"), (1, "refund")]
        await ann.told("Preview")
        await ann.shown("Shall I make the pack?")


@pytest.mark.req("C0-14", "C0-8")
@pytest.mark.parametrize(
    ("database", "fault"), [("sqlite", "500"), ("postgres", "effect_then_drop")], indirect=["database"]
)
async def test_a_pack_job_that_runs_again_goes_on_with_its_own_set(studio: Studio, fault: str) -> None:
    """Telegram fails at the third sticker, or takes it and its answer is lost: one set of four, one charge."""
    ann = await studio.customer()
    await at_approval(ann)
    await studio.town.fault(fault, method="addStickerToSet", skip=1)
    await ann.told("Make the pack")
    ready = await ann.shown("Your pack is ready")
    made = await studio.telegram("getStickerSet", name=(ready.buttons[0][0].url or "").rpartition("/")[2])
    assert [sticker["emoji"] for sticker in made["stickers"]] == ["😌", "😊", "😍", "😂"]
    assert len(await studio.town.calls("createNewStickerSet")) == 1
    assert await studio.moves() == [(5, "daily"), (-1, "work"), (-3, "work")]
    assert len(await ann.messages("sticker")) == 4


@pytest.mark.req("C0-14")
async def test_a_pack_that_fails_gives_its_credits_back(sqlite_database: str, studio_on: OpenStudio) -> None:
    """Three credits return, the preview is offered again, and a second approval ends the set that was begun."""
    async with studio_on(sqlite_database) as studio:
        ann = await studio.customer()
        await at_approval(ann)
        await studio.town.fault("500", method="addStickerToSet", skip=1, count=3)
        await ann.told("Make the pack")
        sorry = await ann.shown("Something went wrong while I was drawing.")
        assert "Your 3 credits are back." in sorry.text
        assert (await studio.state("pack"))[0] == "wait_pack_approval"
        await ann.told("Make the pack")
        await ann.shown("Your pack is ready", after=sorry)
        assert len(await studio.town.calls("createNewStickerSet")) == 1
        assert await studio.moves() == [(5, "daily"), (-1, "work"), (-3, "work"), (3, "refund"), (-3, "work")]


@pytest.mark.req("S0-15", "S0-16", "S0-42", "E0-8")
async def test_buttons_without_a_session_still_work(small_studio: Studio) -> None:
    """A message of the bot that this one took over from means the person's active session, and is counted."""
    ann = await small_studio.customer()
    await at_payment(ann)
    keyboard = {"inline_keyboard": [[{"text": "Old preview", "callback_data": "pack.preview.pay"}]]}
    await small_studio.telegram("sendMessage", chat_id=ann.person.id, text="Of last year", reply_markup=keyboard)
    await ann.told("Old preview")
    await until(lambda: small_studio.transitions("pack", "pack.preview.ready"))
    assert await small_studio.moves() == [(5, "daily"), (-1, "work")]
    formats = {event.event: str(event.format) for event in await small_studio.history("pack") if event.format}
    assert formats["pack.preview.pay"] == "bare"
    assert formats["pack.try"] == "rev"


@pytest.mark.req("E0-4", "S0-19")
async def test_another_person_cannot_press_for_somebody_else(small_studio: Studio) -> None:
    """A button of Ann's under Bob's finger: not found to be his, and nothing of Ann's is shown to him."""
    ann, bob = await small_studio.customer("Ann"), await small_studio.customer("Bob")
    await at_payment(ann)
    pay = next(b for b in (await ann.shown("First comes a preview")).buttons[0])
    assert parse(pay.callback_data or "").action == "pack.preview.pay"
    keyboard = {"inline_keyboard": [[{"text": "Stolen", "callback_data": pay.callback_data}]]}
    await small_studio.telegram("sendMessage", chat_id=bob.person.id, text="Look", reply_markup=keyboard)
    told = await bob.told("Stolen")
    assert told == ("This menu belongs to somebody else.", True)
    assert (await small_studio.state("pack"))[0] == "wait_pack_preview_payment"
    assert [amount for amount, _ in await small_studio.moves()] == [5, 5]


async def test_the_last_photo_is_remembered(small_studio: Studio) -> None:
    """A second pack goes from style to payment at once."""
    ann = await small_studio.customer()
    await at_payment(ann)
    await ann.says("/pack")
    await ann.shown("Style: Original")
    await ann.told("Try")
    await ann.shown("First comes a preview")
