"""The flow `single` as people live it, in both languages, and what the bot says besides."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from stickers_stage import Customer, OpenStudio, Studio, photo


async def at_sticker(ann: Customer) -> None:
    """Ann sees her first sticker."""
    await ann.says("/single")
    await ann.shown("Send me the photo")
    await ann.sends(photo())
    await ann.shown("Choose a style")
    await ann.told("Comic")
    await ann.shown("How do you like it?")


@pytest.mark.req("S0-53", "C0-9", "C0-15")
async def test_one_sticker_with_another_emotion_and_words(studio: Studio) -> None:
    """A sticker and another emotion for a credit each, words for nothing: what is kept is a WebP of 512 pixels."""
    ann = await studio.customer()
    await at_sticker(ann)
    await ann.told("Another emotion · 1 credit")
    await ann.shown("Choose an emotion")
    await ann.told("🥳 party")
    await ann.shown("How do you like it?", buttons=["✏️ Add words"])
    await ann.told("Add words")
    await ann.shown("Write the words")
    await ann.says("Happy birthday!")
    seen = await ann.shown("How do you like it?", buttons=["✅ Keep it"], media="photo")
    await ann.told("Keep it")
    await ann.shown("Here it is.")
    (sticker,) = await ann.messages("sticker")
    with Image.open(io.BytesIO(await ann.chat.file(sticker))) as picture:
        assert (picture.format, picture.size) == ("WEBP", (512, 512))
    assert seen.id not in [message.id for message in await ann.messages()]  # what was to be chosen from is gone
    assert await studio.moves() == [(5, "daily"), (-1, "work"), (-1, "work")]
    assert await ann.balance() == 3
    assert await studio.rejects("single") == []


@pytest.mark.req("S0-53", "C0-10")
async def test_a_person_reads_their_own_language(small_studio: Studio) -> None:
    """A photo out of the blue begins a sticker; what jobs say later is Russian as well."""
    boris = await small_studio.customer("Боря", language="ru")
    await boris.sends(photo())
    await boris.shown("Выбери стиль: стикер стоит 1 кредит.")
    await boris.told("Неон")
    await boris.shown("Как тебе?", buttons=["✅ Оставить"])
    await boris.told("Оставить")
    await boris.shown("Готово.")
    await boris.says("/balance")
    await boris.shown("У тебя 4 кредита.")


@pytest.mark.req("C0-14")
async def test_a_sticker_that_fails_gives_the_credit_back(sqlite_database: str, studio_on: OpenStudio) -> None:
    """The person reads it and chooses again; later failures leave the sticker that is there."""
    async with studio_on(sqlite_database) as studio:
        ann = await studio.customer()
        await ann.sends_file(b"no picture")
        await ann.says("/single")
        await ann.shown("Send me the photo")
        await ann.sends_file(b"no picture")
        await ann.shown("Choose a style")
        await ann.told("Comic")
        sorry = await ann.shown("I cannot read this file as a picture. Your credit is back.")
        await ann.sends(photo())
        await ann.shown("Choose a style", after=sorry)
        await ann.told("Comic")
        liked = await ann.shown("How do you like it?")
        await studio.town.fault("500", method="getFile", count=3)
        await ann.told("Another emotion")
        await ann.shown("Choose an emotion", after=liked)
        await ann.told("sad")
        await ann.shown(
            "Something went wrong while I was drawing. I am sorry. Your credit is back.\n\nHow do you like it?"
        )
        await ann.told("Keep it")
        await ann.shown("Here it is.")
        assert await studio.moves() == [
            (5, "daily"),
            (-1, "work"),
            (1, "refund"),
            (-1, "work"),
            (-1, "work"),
            (1, "refund"),
        ]


@pytest.mark.req("E0-2", "C0-18")
async def test_a_double_click_on_a_style_draws_one_sticker(small_studio: Studio) -> None:
    """The second click hears that the sticker is being drawn, and /single waits for it."""
    ann = await small_studio.customer()
    await ann.sends(photo())
    styles = await ann.shown("Choose a style")
    await small_studio.set_drawing(False)
    await ann.told("Comic")
    await ann.shown("Drawing your sticker", after=styles)
    assert await ann.presses_outdated("Noir", on=styles) == ("One moment: it is being drawn already.", False)
    await ann.says("/single")
    await ann.shown("One moment, please")
    await small_studio.set_drawing(True)
    await ann.shown("How do you like it?")
    assert await small_studio.moves() == [(5, "daily"), (-1, "work")]


async def test_a_value_that_no_button_has_is_refused(small_studio: Studio) -> None:
    """Somebody's own client may send any callback data: a style that does not exist is no style."""
    ann = await small_studio.customer()
    await ann.sends(photo())
    styles = await ann.shown("Choose a style")
    data = (styles.buttons[0][0].callback_data or "").replace("original", "baroque")
    keyboard = {"inline_keyboard": [[{"text": "Baroque", "callback_data": data}]]}
    await small_studio.telegram("sendMessage", chat_id=ann.person.id, text="Mine", reply_markup=keyboard)
    assert await ann.told("Baroque") == ("This menu is outdated. Here is the current one.", True)
    assert (await small_studio.state("single"))[0] == "wait_style"
    assert await small_studio.moves() == [(5, "daily")]


async def test_what_no_flow_waits_for_is_answered_with_what_there_is(small_studio: Studio) -> None:
    """Words out of the blue, and a command in a group."""
    ann = await small_studio.customer()
    await ann.says("Hello?")
    await ann.shown("Send me a photo and I will make a sticker of it.")
    group = await small_studio.town.group("Friends", people=[ann.person], bots=[4242])
    await ann.person.says("/pack", to=group)
    await group.shows("I work in private")
    assert await small_studio.sessions("pack") == []
