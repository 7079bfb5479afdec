"""What people send besides text, and what their bots hear of it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.types import Message
from pictures_stage import film, picture, sound
from simulator_stage import TOKEN

from posthouse.simulator import MovableClock, Simulator
from posthouse.simulator.members import Member
from posthouse.testing.town import Person, Town


class Sending:
    """People send things over the control API, to the chat with the bot of this module."""

    def __init__(self, sim: Simulator) -> None:
        self.url = f"{sim.url}/sim/v1/chats"

    async def files(self, person: Person, *files: tuple[str, bytes], status: int = 200, **fields: Any) -> Any:
        form = aiohttp.FormData({"person": str(person.id), **{name: str(value) for name, value in fields.items()}})
        for name, data in files:
            form.add_field("files", data, filename=name)
        return await self._send("POST", f"{person.chat_with(TOKEN).ref}/media", status, data=form)

    async def post(self, person: Person, path: str, *, method: str = "POST", status: int = 200, **fields: Any) -> Any:
        body = {"person": person.id, **fields}
        return await self._send(method, f"{person.chat_with(TOKEN).ref}/{path}", status, json=body)

    async def _send(self, method: str, path: str, status: int, **request: Any) -> Any:
        async with aiohttp.ClientSession() as session, session.request(method, f"{self.url}/{path}", **request) as r:
            answer = await r.json()
            assert r.status == status, answer
            return answer


@pytest.fixture
def sending(sim: Simulator) -> Sending:
    return Sending(sim)


async def heard(bot: Bot) -> list[Message]:
    """The new messages and edits that the bot hears of."""
    found = await bot.get_updates()
    if found:
        await bot.get_updates(offset=found[-1].update_id + 1)
    return [message for update in found if (message := update.message or update.edited_message)]


async def test_a_person_sends_a_photo(bot: Bot, ann: Person, sending: Sending) -> None:
    """The bot gets the photo in its sizes, can download it, and the caption has its entities."""
    (shown,) = await sending.files(ann, ("me.png", picture(900, 600)), kind="photo", caption="/me #hi", spoiler=True)
    assert (shown["media"]["kind"], shown["media"]["width"], shown["text"]) == ("photo", 900, "/me #hi")
    (message,) = await heard(bot)
    assert message.photo is not None
    assert [size.width for size in message.photo] == [90, 320, 800, 900]
    assert message.caption_entities is not None
    assert [entity.type for entity in message.caption_entities] == ["bot_command", "hashtag"]
    assert message.has_media_spoiler
    path = (await bot.get_file(message.photo[-1].file_id)).file_path
    assert path is not None
    assert await bot.download_file(path) is not None
    assert (await bot.send_photo(ann.id, message.photo[-1].file_id)).photo == message.photo


async def test_every_kind_of_file(bot: Bot, ann: Person, sending: Sending) -> None:
    kinds = {
        "document": ("a.txt", b"text"),
        "audio": ("a.wav", sound(2)),
        "voice": ("a.wav", sound(4)),
        "video": ("a.mp4", film()),
        "video_note": ("n.mp4", film(240, 240)),
        "animation": ("a.gif", picture(40, 30, "GIF")),
    }
    for kind, file in kinds.items():
        await sending.files(ann, file, kind=kind)
    messages = await heard(bot)
    assert [message.content_type for message in messages] == list(kinds)
    assert messages[2].voice is not None
    assert messages[2].voice.duration == 4


async def test_a_person_sends_an_album(bot: Bot, ann: Person, sending: Sending) -> None:
    """One update for each item, all with one media_group_id, the caption under the first."""
    pictures = [(f"{colour}.png", picture(colour=colour)) for colour in ("red", "green", "blue")]
    shown = await sending.files(ann, *pictures, kind="photo", caption="Three")
    messages = await heard(bot)
    assert {message.media_group_id for message in messages} == {shown[0]["album_id"]}
    assert [message.caption for message in messages] == ["Three", None, None]
    refused = await sending.files(ann, *[("v.wav", sound())] * 2, kind="voice", status=409)
    assert refused["detail"] == "voice does not go into an album"


async def test_what_a_person_cannot_send(ann: Person, sending: Sending) -> None:
    assert "no picture" in (await sending.files(ann, ("x.png", b"x"), kind="photo", status=409))["detail"]
    await sending.files(ann, kind="photo", status=422)
    await sending.files(ann, ("x.txt", b""), status=422)
    await sending.files(ann, file="nothing", status=404)
    assert "no dice" in (await sending.post(ann, "dice", emoji="🍎", status=409))["detail"]
    await ann.blocks(TOKEN)
    assert "blocked the bot" in (await sending.files(ann, ("x.txt", b"x"), status=409))["detail"]


async def test_a_permission_is_needed_in_a_group(bot: Bot, ann: Person, town: Town, sim: Simulator) -> None:
    """Where members may not send photos, a person cannot."""
    group = await town.group("Quiet", people=[ann], bots=[TOKEN], kind="supergroup")
    chat = sim.world.town.chats[group.ref]
    chat.permissions -= {"can_send_photos"}
    bob = await town.person("Bob")
    chat.seat(Member(sim.world.town.people[bob.id]))
    form = aiohttp.FormData({"person": str(bob.id), "kind": "photo"})
    form.add_field("files", picture(), filename="p.png")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{sim.url}/sim/v1/chats/{group.ref}/media", data=form) as answer,
    ):
        assert answer.status == 409
        assert "not enough rights to send photos" in (await answer.json())["detail"]


async def test_a_person_sends_places_cards_and_dice(bot: Bot, ann: Person, sending: Sending) -> None:
    await sending.post(ann, "places", latitude=1.5, longitude=2.5)
    await sending.post(ann, "places", latitude=1.5, longitude=2.5, title="Café", address="Here 1")
    await sending.post(ann, "contacts", phone_number="+7900", own=True)
    thrown = await sending.post(ann, "dice", emoji="🏀")
    place, venue, card, dice = await heard(bot)
    assert place.location is not None
    assert (place.location.latitude, venue.content_type) == (1.5, "venue")
    assert card.contact is not None
    assert (card.contact.user_id, card.contact.first_name) == (ann.id, "Ann")
    assert dice.dice is not None
    assert dice.dice.value == thrown["media"]["dice"]["value"]


async def test_a_persons_live_location_moves(bot: Bot, ann: Person, sending: Sending, clock: MovableClock) -> None:
    """Every move is an edit that the bot hears of, until the location is over or stopped."""
    sent = await sending.post(ann, "places", latitude=1, longitude=2, live_period_s=60)
    place = f"messages/{sent['id']}/place"
    await sending.post(ann, place, method="PUT", place={"latitude": 3, "longitude": 4})
    first, moved = await heard(bot)
    assert first.location is not None
    assert moved.location is not None
    assert (first.location.live_period, moved.location.latitude, moved.message_id) == (60, 3, first.message_id)
    await sending.post(ann, place, method="PUT")
    (stopped,) = await heard(bot)
    assert stopped.location is not None
    assert stopped.location.live_period is None
    later = await sending.post(ann, "places", latitude=1, longitude=2, live_period_s=60)
    await clock.advance(61)
    over = await sending.post(
        ann, f"messages/{later['id']}/place", method="PUT", place={"latitude": 3, "longitude": 4}, status=409
    )
    assert over["detail"] == "the live location is over"
