"""Stickers and the sets that bots make of them."""

from __future__ import annotations

import gzip

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BufferedInputFile, InputSticker, MaskPosition
from pictures_stage import picture
from simulator_stage import TOKEN, aiogram_bot

from posthouse.simulator import Simulator
from posthouse.testing.town import Person

NAME = "cats_by_sim4242bot"
TGS = gzip.compress(b'{"tgs":1}', mtime=0)


def sticker(
    width: int = 512, height: int = 300, *, colour: str = "teal", emoji: str = "😺", data: bytes | None = None,
    form: str = "static", **more: object,
) -> InputSticker:  # fmt: skip
    file = BufferedInputFile(data or picture(width, height, colour=colour), "s.png")
    return InputSticker(sticker=file, format=form, emoji_list=[emoji], **more)


@pytest.fixture
async def cats(bot: Bot, ann: Person) -> str:
    """A set of two stickers that Ann owns."""
    assert await bot.create_new_sticker_set(ann.id, NAME, "Cats", [sticker(), sticker(colour="red", emoji="😻")])
    return NAME


async def test_a_set_holds_its_stickers(bot: Bot, cats: str) -> None:
    found = await bot.get_sticker_set(cats.upper())
    assert (found.name, found.title, found.sticker_type) == (NAME, "Cats", "regular")
    assert [(s.emoji, s.set_name, s.width, s.height) for s in found.stickers] == [
        ("😺", NAME, 512, 300),
        ("😻", NAME, 512, 300),
    ]
    path = (await bot.get_file(found.stickers[0].file_id)).file_path
    assert path is not None
    assert path.endswith((".png", ".webp"))
    content = await bot.download_file(path)
    assert content is not None
    assert content.read()[8:12] == b"WEBP"


async def test_a_sticker_of_a_set_is_sent(bot: Bot, ann: Person, cats: str, sim: Simulator) -> None:
    """It shows its emoji and set; a person sends it back by its unique id."""
    first = (await bot.get_sticker_set(cats)).stickers[0]
    sent = (await bot.send_sticker(ann.id, first.file_id)).sticker
    assert sent == first
    shown = (await ann.chat_with(TOKEN).read()).messages[-1].media
    assert shown is not None
    assert shown.sticker is not None
    assert (shown.kind, shown.sticker.emoji, shown.sticker.set_name) == ("sticker", "😺", NAME)
    form = aiohttp.FormData({"person": str(ann.id), "file": str(shown.unique_id)})
    url = f"{sim.url}/sim/v1/chats/{ann.chat_with(TOKEN).ref}/media"
    async with aiohttp.ClientSession() as session, session.post(url, data=form) as answer:
        assert answer.status == 200
    (update,) = await bot.get_updates()
    assert update.message is not None
    assert update.message.sticker == first


async def test_an_uploaded_sticker(bot: Bot, ann: Person) -> None:
    """WebP, TGS and WebM are stickers; anything else becomes a document."""
    for data, kind in (
        (picture(512, 512, "WEBP"), (False, False)),
        (TGS, (True, False)),
        (b"\x1aE\xdf\xa3", (False, True)),
    ):
        sent = (await bot.send_sticker(ann.id, BufferedInputFile(data, "s"), emoji="🐶")).sticker
        assert sent is not None
        assert (sent.is_animated, sent.is_video, sent.emoji, sent.set_name) == (*kind, "🐶", None)
    assert (await bot.send_sticker(ann.id, BufferedInputFile(b"text", "s.txt"))).document is not None
    with pytest.raises(TelegramBadRequest, match="there is no sticker in the request"):
        await bot.send_sticker(ann.id, "")


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (sticker(500, 300), "STICKER_PNG_DIMENSIONS"),
        (sticker(512, 513), "STICKER_PNG_DIMENSIONS"),
        (sticker(data=picture(512, 512, "JPEG")), "STICKER_PNG_NOPNG"),
        (sticker(data=b"x", form="animated"), "STICKER_TGS_NOTGS"),
        (sticker(data=b"x", form="video"), "STICKER_VIDEO_NOWEBM"),
        (sticker(data=bytes(257 * 1024), form="video"), "STICKER_VIDEO_BIG"),
        (sticker(emoji="cat"), "invalid sticker emojis"),
        (sticker(form="moving"), "invalid sticker format specified"),
        (sticker(keywords=["k" * 65]), "too many keywords specified"),
    ],
)
async def test_a_sticker_that_does_not_fit_is_refused(
    bot: Bot, ann: Person, cats: str, item: InputSticker, error: str
) -> None:
    with pytest.raises(TelegramBadRequest, match=error):
        await bot.add_sticker_to_set(ann.id, cats, item)
    assert len((await bot.get_sticker_set(cats)).stickers) == 2


@pytest.mark.parametrize(
    ("name", "title", "error"),
    [
        ("", "Cats", "sticker set name must be non-empty"),
        ("cats", "Cats", "invalid sticker set name is specified"),
        ("1cats_by_sim4242bot", "Cats", "invalid sticker set name is specified"),
        ("ca__ts_by_sim4242bot", "Cats", "invalid sticker set name is specified"),
        (NAME, "Cats", "sticker set name is already occupied"),
        ("dogs_by_sim4242bot", " ", "sticker set title must be non-empty"),
    ],
)
async def test_a_name_has_rules(bot: Bot, ann: Person, cats: str, name: str, title: str, error: str) -> None:
    with pytest.raises(TelegramBadRequest, match=error):
        await bot.create_new_sticker_set(ann.id, name, title, [sticker()])


async def test_who_and_what_a_set_needs(bot: Bot, ann: Person, sim: Simulator, cats: str) -> None:
    """An owner who exists, at least one sticker, and the bot that made it."""
    with pytest.raises(TelegramBadRequest, match="user not found"):
        await bot.create_new_sticker_set(999, "a_by_sim4242bot", "A", [sticker()])
    with pytest.raises(TelegramBadRequest, match="STICKERS_EMPTY"):
        await bot.create_new_sticker_set(ann.id, "a_by_sim4242bot", "A", [])
    with pytest.raises(TelegramBadRequest, match="STICKERSET_INVALID"):
        await bot.get_sticker_set("nothing")
    async with aiogram_bot(sim, "5:other") as other:
        with pytest.raises(TelegramBadRequest, match="STICKERSET_INVALID"):
            await other.set_sticker_set_title(cats, "Mine")
        assert (await other.get_sticker_set(cats)).title == "Cats"


async def test_a_set_is_changed(bot: Bot, ann: Person, cats: str) -> None:
    """Stickers are added once, moved, replaced and removed; emoji, title and the set itself too."""
    assert await bot.add_sticker_to_set(ann.id, cats, sticker())  # the very same: no change
    assert await bot.add_sticker_to_set(ann.id, cats, sticker(colour="blue", emoji="🐱"))
    found = (await bot.get_sticker_set(cats)).stickers
    assert [s.emoji for s in found] == ["😺", "😻", "🐱"]
    await bot.set_sticker_position_in_set(found[2].file_id, 0)
    await bot.set_sticker_emoji_list(found[0].file_id, ["🙀", "😹"])
    assert [s.emoji for s in (await bot.get_sticker_set(cats)).stickers] == ["🐱", "🙀", "😻"]
    await bot.replace_sticker_in_set(ann.id, cats, found[0].file_id, sticker(colour="green", emoji="🐈"))
    await bot.delete_sticker_from_set(found[1].file_id)
    await bot.set_sticker_set_title(cats, "Kittens")
    changed = await bot.get_sticker_set(cats)
    assert ([s.emoji for s in changed.stickers], changed.title) == (["🐱", "🐈"], "Kittens")
    with pytest.raises(TelegramBadRequest, match="STICKER_INVALID"):
        await bot.delete_sticker_from_set(found[1].file_id)
    await bot.set_sticker_keywords(changed.stickers[0].file_id, ["cat"])
    await bot.delete_sticker_set(cats)
    with pytest.raises(TelegramBadRequest, match="STICKERSET_INVALID"):
        await bot.get_sticker_set(cats)


async def test_a_set_has_a_thumbnail(bot: Bot, ann: Person, cats: str) -> None:
    square = BufferedInputFile(picture(100, 100), "t.png")
    await bot.set_sticker_set_thumbnail(cats, ann.id, "static", square)
    assert (await bot.get_sticker_set(cats)).thumbnail is not None
    with pytest.raises(TelegramBadRequest, match="STICKER_PNG_DIMENSIONS"):
        await bot.set_sticker_set_thumbnail(cats, ann.id, "static", BufferedInputFile(picture(101, 100), "t.png"))
    await bot.set_sticker_set_thumbnail(cats, ann.id, "static")
    assert (await bot.get_sticker_set(cats)).thumbnail is None


async def test_an_uploaded_file_is_used_in_a_set(bot: Bot, ann: Person) -> None:
    uploaded = await bot.upload_sticker_file(ann.id, BufferedInputFile(picture(512, 512), "s.png"), "static")
    item = InputSticker(sticker=uploaded.file_id, format="static", emoji_list=["🐭"])
    await bot.create_new_sticker_set(ann.id, "mice_by_sim4242bot", "Mice", [item])
    (found,) = (await bot.get_sticker_set("mice_by_sim4242bot")).stickers
    assert (found.emoji, found.width) == ("🐭", 512)


async def test_masks_and_custom_emoji(bot: Bot, ann: Person) -> None:
    """A mask has its place on a face; a custom emoji has an id under which it is found."""
    place = MaskPosition(point="eyes", x_shift=0.5, y_shift=0, scale=1)
    await bot.create_new_sticker_set(
        ann.id, "masks_by_sim4242bot", "Masks", [sticker(mask_position=place)], sticker_type="mask"
    )
    (mask,) = (await bot.get_sticker_set("masks_by_sim4242bot")).stickers
    assert mask.mask_position is not None
    assert (mask.type, mask.mask_position.point, mask.mask_position.x_shift) == ("mask", "eyes", 0.5)
    with pytest.raises(TelegramBadRequest, match="STICKER_PNG_DIMENSIONS"):
        await bot.create_new_sticker_set(ann.id, "e_by_sim4242bot", "E", [sticker()], sticker_type="custom_emoji")
    await bot.create_new_sticker_set(
        ann.id, "e_by_sim4242bot", "E", [sticker(100, 100)], sticker_type="custom_emoji", needs_repainting=True
    )
    (emoji,) = (await bot.get_sticker_set("e_by_sim4242bot")).stickers
    assert emoji.needs_repainting
    assert emoji.custom_emoji_id is not None
    (found,) = await bot.get_custom_emoji_stickers([emoji.custom_emoji_id, "1"])
    assert found.file_id == emoji.file_id
    await bot.set_custom_emoji_sticker_set_thumbnail("e_by_sim4242bot", custom_emoji_id=emoji.custom_emoji_id)
    assert (await bot.get_sticker_set("e_by_sim4242bot")).thumbnail is not None
