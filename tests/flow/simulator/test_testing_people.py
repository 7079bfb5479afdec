"""What people of the test client do besides writing: files, keys, votes, reactions."""

from __future__ import annotations

import struct
import zlib

from aiogram import Bot
from aiogram.types import KeyboardButton, ReplyKeyboardMarkup
from simulator_stage import TOKEN

from posthouse.testing.town import Person


def picture() -> bytes:
    """A PNG of eight by eight pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x40\x80\xc0" * 8 for _ in range(8))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_files_places_and_cards(bot: Bot, ann: Person) -> None:
    """Each reaches the bot as the kind it was sent as."""
    await ann.starts(TOKEN)
    await bot.get_updates(offset=-1)
    await ann.sends_photo(picture(), caption="My cat")
    await ann.sends_document(b"plan", name="plan.txt")
    await ann.sends_place(50.7, 7.1)
    await ann.sends_place(50.7, 7.1, title="Market")
    await ann.shares_contact("+4915")
    await ann.throws("🎯")
    kinds = [update.message.content_type for update in await bot.get_updates() if update.message]
    assert kinds[1:] == ["photo", "document", "location", "venue", "contact", "dice"]


async def test_keys_reactions_and_forwards(bot: Bot, ann: Person) -> None:
    """A key says its text; a reaction and a forward are the person's."""
    keyboard = ReplyKeyboardMarkup(keyboard=[[KeyboardButton(text="Tea")]])
    await bot.send_message(ann.id, "What?", reply_markup=keyboard)
    asked = await ann.chat_with(TOKEN).shows("What?")
    assert (await ann.presses_key("Tea", on=TOKEN)).text == "Tea"
    await ann.reacts(asked, "👍")
    assert (await ann.forwards(asked)).text == "What?"
    (reaction,) = next(m for m in await ann.chat.messages() if m.id == asked.id).reactions
    assert (reaction.emoji, reaction.by) == ("👍", [ann.id])
    await ann.deletes(asked)
    assert asked.id not in [message.id for message in await ann.chat.messages()]


async def test_a_vote(bot: Bot, ann: Person) -> None:
    """It is in the poll, and can be taken back."""
    sent = await bot.send_poll(ann.id, "Tea?", ["Yes", "No"], is_anonymous=False)
    shown = await ann.chat_with(TOKEN).next_message()
    await ann.votes(0, on=shown)
    await ann.votes(on=shown)
    answers = [update.poll_answer.option_ids for update in await bot.get_updates() if update.poll_answer]
    assert (answers, sent.poll is not None) == ([[0], []], True)
