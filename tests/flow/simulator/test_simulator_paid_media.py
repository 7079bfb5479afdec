"""Media for Stars: what the bot sends, what a person pays, and what the bot hears of it."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BufferedInputFile, InputPaidMediaPhoto, InputPaidMediaVideo, PaidMediaPhoto
from pictures_stage import film, picture
from simulator_stage import TOKEN

from posthouse.simulator import Simulator
from posthouse.testing.town import Person


def photo() -> InputPaidMediaPhoto:
    return InputPaidMediaPhoto(media=BufferedInputFile(picture(), "p.png"))


async def test_paid_media_is_bought(bot: Bot, ann: Person, sim: Simulator) -> None:
    """The Stars move once, the bot gets the payload, and the account names the media."""
    video = InputPaidMediaVideo(media=BufferedInputFile(film(), "f.mp4"))
    sent = await bot.send_paid_media(ann.id, 30, [photo(), video], payload="p-1", caption="Secret")
    assert sent.paid_media is not None
    assert sent.paid_media.star_count == 30
    assert [media.type for media in sent.paid_media.paid_media] == ["photo", "video"]
    before = await ann.stars()
    shown = await _buy(sim, ann, sent.message_id, 200)
    assert shown["media"]["paid"]["buyers"] == [ann.id]
    assert await ann.stars() == before - 30
    (update,) = await bot.get_updates()
    assert update.purchased_paid_media is not None
    assert update.purchased_paid_media.paid_media_payload == "p-1"
    (booked,) = (await bot.get_star_transactions()).transactions
    assert booked.amount == 30
    assert booked.source is not None
    assert booked.source.type == "user"
    assert booked.source.paid_media is not None
    assert isinstance(booked.source.paid_media[0], PaidMediaPhoto)
    assert "has paid" in (await _buy(sim, ann, sent.message_id, 409))["detail"]
    await ann.gets_stars(-await ann.stars())
    dear = await bot.send_paid_media(ann.id, 25_000, [photo()])
    assert "has 0 Stars" in (await _buy(sim, ann, dear.message_id, 409))["detail"]


async def _buy(sim: Simulator, person: Person, message_id: int, status: int) -> Any:
    url = f"{sim.url}/sim/v1/chats/{person.chat_with(TOKEN).ref}/messages/{message_id}/purchases"
    async with aiohttp.ClientSession() as session, session.post(url, json={"person": person.id}) as answer:
        assert answer.status == status
        return await answer.json()


async def test_wrong_paid_media_is_refused(bot: Bot, ann: Person) -> None:
    for stars, media, error in (
        (0, [photo()], "STARS_AMOUNT_INVALID"),
        (25_001, [photo()], "STARS_AMOUNT_INVALID"),
        (1, [], "there are no media to send"),
        (1, [photo()] * 11, "too many paid media specified"),
    ):
        with pytest.raises(TelegramBadRequest, match=error):
            await bot.send_paid_media(ann.id, stars, media)  # type: ignore[arg-type]
