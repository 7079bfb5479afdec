"""Places, cards, dice and albums that bots send."""

from __future__ import annotations

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest
from aiogram.types import (
    BufferedInputFile,
    InputMediaAudio,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
)
from pictures_stage import film, picture, sound
from simulator_stage import TOKEN, buttons

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Person


async def test_a_location_and_a_venue(bot: Bot, ann: Person) -> None:
    point = (await bot.send_location(ann.id, 59.93, 30.33, horizontal_accuracy=9.5)).location
    assert point is not None
    assert (point.latitude, point.longitude, point.horizontal_accuracy, point.live_period) == (59.93, 30.33, 9.5, None)
    sent = await bot.send_venue(ann.id, 59.93, 30.33, "Café", "Nevsky 1", foursquare_id="4b")
    assert sent.venue is not None
    assert sent.location == sent.venue.location
    assert (sent.venue.title, sent.venue.foursquare_id) == ("Café", "4b")
    shown = (await ann.chat_with(TOKEN).read()).messages[-1].media
    assert shown is not None
    assert shown.venue is not None
    assert (shown.kind, shown.venue.address) == ("venue", "Nevsky 1")


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"latitude": 91, "longitude": 0}, "invalid location specified"),
        ({"latitude": 1, "longitude": 0, "live_period": 59}, "wrong live location period specified"),
        ({"latitude": 1, "longitude": 0, "live_period": 60, "heading": 361}, "wrong live location heading specified"),
    ],
)
async def test_a_wrong_location_is_refused(bot: Bot, ann: Person, parameters: dict[str, float], error: str) -> None:
    with pytest.raises(TelegramBadRequest, match=error):
        await bot.send_location(ann.id, **parameters)  # type: ignore[arg-type]


async def test_a_live_location_moves_until_it_is_stopped(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """It can be moved and prolonged; stopped, it is a plain location that cannot be moved."""
    sent = await bot.send_location(ann.id, 1, 2, live_period=60, heading=90, reply_markup=buttons([("Stop", "s")]))
    assert sent.location is not None
    assert (sent.location.live_period, sent.location.heading) == (60, 90)
    where = {"chat_id": ann.id, "message_id": sent.message_id}
    moved = await bot.edit_message_live_location(latitude=3, longitude=4, live_period=120, **where)
    assert not isinstance(moved, bool)
    assert moved.location is not None
    assert (moved.location.latitude, moved.location.live_period, moved.reply_markup) == (3, 120, None)
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await bot.edit_message_live_location(latitude=3, longitude=4, live_period=120, **where)
    stopped = await bot.stop_message_live_location(**where)
    assert not isinstance(stopped, bool)
    assert stopped.location is not None
    assert stopped.location.live_period is None
    with pytest.raises(TelegramBadRequest, match="there is no live location in the message to edit"):
        await bot.stop_message_live_location(**where)
    late = await bot.send_location(ann.id, 1, 2, live_period=60)
    await clock.advance(61)
    with pytest.raises(TelegramBadRequest, match="message can't be edited"):
        await bot.edit_message_live_location(5, 6, chat_id=ann.id, message_id=late.message_id)


async def test_a_contact(bot: Bot, ann: Person) -> None:
    card = (await bot.send_contact(ann.id, "+7 900", "Bob", last_name="B", vcard="BEGIN:VCARD")).contact
    assert card is not None
    assert (card.phone_number, card.first_name, card.last_name, card.vcard) == ("+7 900", "Bob", "B", "BEGIN:VCARD")
    with pytest.raises(TelegramBadRequest, match='parameter "first_name" is required'):
        await bot.send_contact(ann.id, "+7 900", "")


@pytest.mark.parametrize(("emoji", "most"), [("🎲", 6), ("🎯", 6), ("🎳", 6), ("🏀", 5), ("⚽", 5), ("🎰", 64)])
async def test_a_dice_shows_every_value(bot: Bot, ann: Person, emoji: str, most: int) -> None:
    """Throws lie in the emoji's range and reach both ends of it."""
    seen = set()
    for _ in range(most * 8):
        dice = (await bot.send_dice(ann.id, emoji=emoji)).dice
        assert dice is not None
        seen.add(dice.value)
    assert (min(seen), max(seen)) == (1, most)


async def test_another_emoji_is_no_dice(bot: Bot, ann: Person) -> None:
    assert (await bot.send_dice(ann.id)).dice is not None
    with pytest.raises(TelegramBadRequest, match="EMOTICON_INVALID"):
        await bot.send_dice(ann.id, emoji="🍎")


def upload(data: bytes, name: str) -> BufferedInputFile:
    return BufferedInputFile(data, name)


async def test_an_album_is_a_message_for_each_item(bot: Bot, ann: Person) -> None:
    """All items carry one media_group_id; captions stay with their items."""
    sent = await bot.send_media_group(
        ann.id,
        [
            InputMediaPhoto(
                media=upload(picture(), "a.png"), caption="<b>One</b>", parse_mode="HTML", has_spoiler=True
            ),
            InputMediaVideo(media=upload(film(), "b.mp4"), caption="Two"),
        ],
    )
    assert [message.content_type for message in sent] == ["photo", "video"]
    assert len({message.media_group_id for message in sent}) == 1
    assert [message.caption for message in sent] == ["One", "Two"]
    assert sent[0].caption_entities is not None
    assert sent[0].has_media_spoiler
    shown = (await ann.chat_with(TOKEN).read()).messages[-2:]
    assert [message.album_id for message in shown] == [sent[0].media_group_id] * 2
    documents = [InputMediaDocument(media=upload(picture(64, 64, "GIF"), "a.gif")) for _ in range(2)]
    assert [m.content_type for m in await bot.send_media_group(ann.id, documents)] == ["document", "document"]


async def test_an_album_of_one_is_a_message(bot: Bot, ann: Person) -> None:
    """As on the real server, a single item is sent without an album."""
    (sent,) = await bot.send_media_group(ann.id, [InputMediaPhoto(media=upload(picture(), "a.png"))])
    assert sent.media_group_id is None


async def test_a_refused_album_sends_nothing(bot: Bot, ann: Person, sim: Simulator) -> None:
    """What cannot go into one album is refused before the first message exists."""
    photo = InputMediaPhoto(media=upload(picture(), "a.png"))
    above = InputMediaPhoto(media=upload(picture(), "a.png"), show_caption_above_media=True)
    document = InputMediaDocument(media=upload(b"x", "x.txt"))
    audio = InputMediaAudio(media=upload(sound(), "x.wav"))
    broken = InputMediaPhoto(media=upload(b"x", "a.png"))
    for album, error in (
        ([], "there are no messages to send"),
        ([photo] * 11, "too many messages to send as an album"),
        ([photo, document], "document can't be mixed with other media types"),
        ([audio, photo], "audio can't be mixed with other media types"),
        ([photo, above], "parameter show_caption_above_media must be the same for all messages"),
        ([photo, broken], 'failed to send message #2 with the error message "IMAGE_PROCESS_FAILED"'),
        ([InputMediaPhoto(media="attach://none"), photo], "can't parse InputMedia: media not found"),
    ):
        with pytest.raises(TelegramAPIError, match=error):
            await bot.send_media_group(ann.id, album)  # type: ignore[arg-type]
    assert [m.sender_id for m in (await ann.chat_with(TOKEN).read()).messages] == [ann.id]


async def test_an_album_counts_once_against_the_limits(ann: Person, bot: Bot, sim: Simulator) -> None:
    """Ten items go to one chat at once although four messages would be the burst."""
    sim.world.profile = "on"
    photos = [InputMediaPhoto(media=upload(picture(8, 8, colour=c), "a.png")) for c in ("red", "blue") * 5]
    assert len(await bot.send_media_group(ann.id, photos)) == 10  # type: ignore[arg-type]
