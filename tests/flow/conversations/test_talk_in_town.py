"""People talk to a bot in the simulated town: real HTTP, a real store, photos, files, cards, places and buttons."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from conversation_stage import TOKEN
from test_talk_asks import begun_by

from posthouse import App, Talk, Turn
from posthouse.programs.conversations import choice, contact, date, document, location, number, photo
from posthouse.simulator import Simulator
from posthouse.testing.town import Town


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    lines = (b"\x00" + b"\x80\x40\x20" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def form() -> App:
    """A question of each kind."""
    app = App("form")

    @app.conversation()
    async def form(talk: Talk) -> None:
        name = await talk.ask("Your name?")
        age = await talk.ask("Your age?", number(min=0, max=150), retry="A number, please.")
        born = await talk.ask("Born on?", date())
        size = await talk.ask("T-shirt?", choice({"s": "Small", "l": "Large"}, columns=2))
        picture = await talk.ask("A photo of you?", photo())
        file = await talk.ask("Your papers?", document())
        card = await talk.ask("Your number?", contact(button="Share my number"))
        place = await talk.ask("Where are you?", location(button="Share my place"))
        talk.say(
            f"{name}, {age}, {born}, {size}, {picture.width}x{picture.height} {picture.caption!r},"
            f" {file.file_name} {file.file_size}, {card.phone_number} own {card.user_id == talk.user_id},"
            f" {place.latitude:.2f} {place.longitude:.2f}"
        )
        talk.photo(picture.file_id, caption="That is you.")

    return begun_by(app, form)


@pytest.mark.req("S4-1", "S4-9")
async def test_a_form_of_every_kind_is_filled_in_over_two_lives(
    townsfolk: Any, simulator: Simulator, town: Town
) -> None:
    """Texts, numbers, dates, buttons, and what the client has menus for; the photo that comes back is the person's."""
    ann = await town.person("Ann", talks_to=TOKEN)
    chat = ann.chat_with(TOKEN)
    async with townsfolk(form()):
        await ann.says("/form", to=TOKEN)
        await chat.shows("Your name?")
        await ann.says("Ann")
        await chat.shows("Your age?")
        await ann.says("old")
        await chat.shows("A number, please.")
        await ann.says("33")
        await chat.shows("Born on?")
        await ann.says("29.02.1992")
        question = await chat.shows("T-shirt?", buttons=["Small", "Large"])
        press = await ann.presses("Large", on=question)
        await press.answer()
        await chat.shows("A photo of you?")
        hers = await ann.sends_photo(png(1600, 400), caption="me")
    async with townsfolk(form()):
        await chat.shows("Your papers?")
        await ann.sends_document(b"%PDF-1.4", name="papers.pdf")
        await chat.shows("Your number?")
        await ann.presses_key("Share my number")
        await chat.shows("Where are you?")
        await ann.sends_place(52.52, 13.405)
        told = await chat.shows("That is you.", media="photo")
        assert await chat.file(told) == await chat.file(hers)
        (summary,) = [m.text for m in await chat.messages() if m.from_bot and m.text.startswith("Ann, 33")]
        assert summary.startswith("Ann, 33, 1992-02-29, l, 1600x400 'me', papers.pdf 8, 15550")
        assert summary.endswith(" own True, 52.52 13.40")
        answered = next(message for message in await chat.messages() if message.id == question.id)
        assert not answered.buttons


@pytest.mark.req("E4-1", "S4-3")
async def test_e4_1_edit_pressed_before_a_restart_is_completed_after_it(townsfolk: Any, town: Town) -> None:
    """✏️ Edit, a restart, a text: the text takes the place of the draft, and the new draft can be saved."""
    saved: list[str] = []

    def diary() -> App:
        app = App("diary")

        @app.conversation()
        async def log(talk: Talk, text: str) -> None:
            while True:
                what = await talk.ask(f"Draft: {text}", choice({"save": "✅ Save", "edit": "✏️ Edit"}))
                if what == "save":
                    break
                text = await talk.ask("What shall it say?")
            await talk.step("save", saved.append, text)
            talk.say(f"Saved: {text}")

        @app.text()
        async def begin(turn: Turn) -> None:
            await log.begin(turn, text=turn.text)

        return app

    ann = await town.person("Ann", talks_to=TOKEN)
    chat = ann.chat_with(TOKEN)
    async with townsfolk(diary()):
        await ann.says("squats 5x5", to=TOKEN)
        await chat.shows("Draft: squats 5x5", buttons=["✏️ Edit"])
        press = await ann.presses("✏️ Edit")
        await press.answer()
        await chat.shows("What shall it say?")
    async with townsfolk(diary()):
        await ann.says("squats 5x5, 80 kg")
        draft = await chat.shows("Draft: squats 5x5, 80 kg", buttons=["✅ Save"])
        await ann.presses("✅ Save", on=draft)
        await chat.shows("Saved: squats 5x5, 80 kg")
    assert saved == ["squats 5x5, 80 kg"]


@pytest.mark.req("C4-6", "B-22")
async def test_c4_6_in_a_group_buttons_are_for_who_was_asked_and_for_once(townsfolk: Any, town: Town) -> None:
    """Somebody else's press and a late one are answered with an alert; the answered question has no buttons."""
    app = App("pizza")

    @app.conversation()
    async def pizza(talk: Talk) -> None:
        kind = await talk.ask(f"{talk.person['first_name']}, which pizza?", choice(["Funghi", "Napoli"]))
        many = await talk.ask(f"How many {kind}?", number())
        talk.say(f"{many} {kind} for {talk.person['first_name']}")

    ann, bob = await town.person("Ann"), await town.person("Bob")
    group = await town.group("Dinner", people=[ann, bob], bots=[TOKEN], admins=[TOKEN])
    async with townsfolk(begun_by(app, pizza)):
        await ann.says("/pizza", to=group)
        hers = await group.shows("Ann, which pizza?", buttons=["Funghi", "Napoli"])
        foreign = await (await bob.presses("Napoli", on=hers)).answer()
        assert foreign["show_alert"] is True
        assert foreign["text"] == "This menu belongs to somebody else."
        await bob.says("/pizza", to=group)
        his = await group.shows("Bob, which pizza?")
        first = await ann.presses("Funghi", on=hers)
        assert not (await first.answer()).get("text")
        await group.shows("How many Funghi?")
        await bob.presses("Napoli", on=his)
        await group.shows("How many Napoli?")
        await ann.says("2", to=group)
        await group.shows("2 Funghi for Ann")
        await bob.says("3", to=group)
        await group.shows("3 Napoli for Bob")
        bare = {message.id for message in await group.messages() if message.from_bot and not message.buttons}
        assert {hers.id, his.id} <= bare
