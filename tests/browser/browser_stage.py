"""What the browser tests share: a small bot that can do everything the page shows, and where the browser is."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiogram import Bot, Dispatcher, F
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.filters import Command, CommandStart
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    KeyboardButton,
    LabeledPrice,
    Message,
    PreCheckoutQuery,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    ShippingOption,
    ShippingQuery,
)

from posthouse.simulator import Simulator
from posthouse.testing.town import Person, Town

TOKEN = "4242:secret"
OTHER_TOKEN = "5151:secret"
ARTIFACTS = Path(__file__).parents[2] / ".artifacts"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = "POSTHOUSE_BROWSER_TESTS"
"""Set to `required`, it makes a missing browser or page an error and not a skip."""
RICH = (
    "<b>Bold</b>, <i>italic</i>, <u>underlined</u>, <s>gone</s> and <tg-spoiler>a secret 🤫</tg-spoiler>\n"
    '<code>inline()</code> <a href="https://example.org/">a link</a> 👩‍👩‍👧 <b>after emoji</b>\n'
    '<pre><code class="language-python">print("hello")</code></pre>\n'
    "<blockquote>Quoted words</blockquote>@other_bot #tag /help"
)


@dataclass
class Stage:
    """A town with two bots; the first one talks."""

    sim: Simulator
    town: Town
    bot: Bot
    troubles: list[str]

    def address(self, person: Person | None = None, chat: str = "") -> str:
        return self.sim.url + ("" if person is None else f"/#/{person.id}" + (f"/{chat}" if chat else ""))


def chromium() -> str | None:
    """The browser that is installed here."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def is_required() -> bool:
    return os.environ.get(REQUIRED) == "required"


def picture(width: int, height: int, red: int, green: int, blue: int) -> bytes:
    """A PNG with a soft gradient."""

    def pixel(x: int, y: int) -> bytes:
        return bytes((red, min(255, green + x * 90 // width), min(255, blue + y * 90 // height)))

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class PromptSession(AiohttpSession):
    """aiogram's session without the quarter of a second that it gives TLS connections to close."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def bot_on(url: str, token: str = TOKEN) -> Bot:
    session = PromptSession(api=TelegramAPIServer.from_base(url))
    return Bot(token, session=session, default=DefaultBotProperties(parse_mode="HTML"))


MENU = InlineKeyboardMarkup(
    inline_keyboard=[
        [
            InlineKeyboardButton(text="Toast", callback_data="toast"),
            InlineKeyboardButton(text="Alert", callback_data="alert"),
        ],
        [InlineKeyboardButton(text="Count 0", callback_data="count:0")],
        [
            InlineKeyboardButton(text="Other bot", url="https://t.me/other_bot?start=hello"),
            InlineKeyboardButton(text="Delete", callback_data="delete"),
        ],
    ]
)


def talkative() -> Dispatcher:
    """A bot that shows something of every kind."""
    dp = Dispatcher()

    @dp.message(CommandStart())
    async def start(message: Message) -> None:
        name = message.from_user.first_name if message.from_user else "you"
        await message.answer(f"Welcome, <b>{name}</b>! Press something.", reply_markup=MENU)

    @dp.message(Command("rich"))
    async def rich(message: Message) -> None:
        await message.answer(RICH)

    @dp.message(Command("keyboard"))
    async def keyboard(message: Message) -> None:
        rows = [[KeyboardButton(text="Tea"), KeyboardButton(text="Coffee")], [KeyboardButton(text="Nothing")]]
        markup = ReplyKeyboardMarkup(keyboard=rows, resize_keyboard=True, input_field_placeholder="What to drink?")
        await message.answer("Tea or coffee?", reply_markup=markup)

    @dp.message(F.text.in_({"Tea", "Coffee", "Nothing"}))
    async def drink(message: Message) -> None:
        await message.answer(f"{message.text} it is.", reply_markup=ReplyKeyboardRemove())

    @dp.message(Command("photo"))
    async def photo(message: Message) -> None:
        await message.answer_photo(
            BufferedInputFile(picture(320, 200, 40, 90, 140), "sea.png"), caption="The <b>sea</b>"
        )

    @dp.message(Command("album"))
    async def album(message: Message) -> None:
        shades = [(200, 80, 60), (60, 120, 70), (70, 80, 160)]
        await message.answer_media_group(
            [InputMediaPhoto(media=BufferedInputFile(picture(240, 240, *shade), "p.png")) for shade in shades]
        )

    @dp.message(Command("file"))
    async def file(message: Message) -> None:
        await message.answer_document(BufferedInputFile(b"hello\n" * 500, "report.txt"), caption="The report")

    @dp.message(Command("pay"))
    async def pay(message: Message) -> None:
        await message.answer_invoice(
            title="A cup of tea",
            description="Hot, with milk",
            payload="tea",
            currency="XTR",
            prices=[LabeledPrice(label="Tea", amount=25)],
        )

    @dp.message(Command("typing"))
    async def typing(message: Message, bot: Bot) -> None:
        await bot.send_chat_action(message.chat.id, "typing")

    @dp.shipping_query()
    async def ship(query: ShippingQuery) -> None:
        options = [
            ShippingOption(id=name, title=name.title(), prices=[LabeledPrice(label=name, amount=amount)])
            for name, amount in (("snail", 300), ("owl", 900))
        ]
        await query.answer(ok=True, shipping_options=options)

    @dp.pre_checkout_query()
    async def agree(query: PreCheckoutQuery) -> None:
        await query.answer(ok=True)

    @dp.message(F.successful_payment)
    async def thank(message: Message) -> None:
        await message.answer(
            "Thank you for the stars!" if message.successful_payment.currency == "XTR" else "Thank you!"
        )

    @dp.edited_message()
    async def edited(message: Message) -> None:
        await message.answer(f"You meant: {message.text}")

    @dp.message(F.text)
    async def echo(message: Message) -> None:
        await message.answer(f"You said: {message.html_text}")

    @dp.message()
    async def received(message: Message) -> None:
        await message.answer(f"I got a {message.content_type}.")

    @dp.callback_query(F.data == "toast")
    async def toast(query: CallbackQuery) -> None:
        await query.answer("A small word")

    @dp.callback_query(F.data == "alert")
    async def alert(query: CallbackQuery) -> None:
        await query.answer("Read this carefully.", show_alert=True)

    @dp.callback_query(F.data.startswith("count:"))
    async def count(query: CallbackQuery) -> None:
        number = int((query.data or "").split(":")[1]) + 1
        rows = [[InlineKeyboardButton(text=f"Count {number}", callback_data=f"count:{number}")]]
        assert isinstance(query.message, Message)
        await query.message.edit_text(f"Counted to {number}", reply_markup=InlineKeyboardMarkup(inline_keyboard=rows))
        await query.answer()

    @dp.callback_query(F.data == "delete")
    async def delete(query: CallbackQuery) -> None:
        assert isinstance(query.message, Message)
        await query.message.delete()
        await query.answer()

    return dp


def polling(dispatcher: Dispatcher, bot: Bot) -> asyncio.Task[None]:
    """Poll until the dispatcher is told to stop."""
    running: Any = dispatcher.start_polling(bot, handle_signals=False, close_bot_session=False)
    return asyncio.ensure_future(running)
