"""Files, polls, stickers and paid media outlive the process."""

from __future__ import annotations

from pathlib import Path

from aiogram.types import BufferedInputFile, InputPaidMediaPhoto, InputSticker
from pictures_stage import picture
from simulator_stage import TOKEN, aiogram_bot

from posthouse.simulator import MovableClock, Simulator
from posthouse.testing.town import Town


async def test_media_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    """Ids stay good, sets keep their stickers, and a poll that was open still ends on its date."""
    state = tmp_path / "town.bin"
    photo = BufferedInputFile(picture(900, 600), "p.png")
    async with Simulator(state=state, limits="off", clock=MovableClock()) as sim, Town(sim.url) as town:
        async with aiogram_bot(sim) as bot:
            ann = await town.person("Ann")
            await ann.starts(TOKEN)
            sent = (await bot.send_photo(ann.id, photo)).photo
            await bot.send_poll(ann.id, "Tea?", ["Yes", "No"], open_period=60)
            await bot.send_paid_media(ann.id, 5, [InputPaidMediaPhoto(media=photo)])
            sticker = InputSticker(
                sticker=BufferedInputFile(picture(512, 512), "s.png"), format="static", emoji_list=["🍵"]
            )
            await bot.create_new_sticker_set(ann.id, "tea_by_sim4242bot", "Tea", [sticker])
            stickers = await bot.get_sticker_set("tea_by_sim4242bot")
    clock = MovableClock()
    async with Simulator(state=state, limits="off", clock=clock) as sim, Town(sim.url) as town:
        async with aiogram_bot(sim) as bot:
            assert sent is not None
            assert (await bot.send_photo(ann.id, sent[-1].file_id)).photo == sent
            assert await bot.get_sticker_set("tea_by_sim4242bot") == stickers
            assert (await bot.send_sticker(ann.id, stickers.stickers[0].file_id)).sticker == stickers.stickers[0]
            await clock.advance(60)
            await town.event("poll.closed")
            assert [update.poll.is_closed for update in await bot.get_updates() if update.poll] == [True]
