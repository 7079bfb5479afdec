"""An author's aiogram bot, as it would run under polling; nothing in it knows of Posthouse."""

from __future__ import annotations

import asyncio
from typing import Any

from aiogram import Bot, Dispatcher, F
from aiogram.client.default import DefaultBotProperties
from aiogram.enums import ParseMode
from aiogram.filters import Command, CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.types import (
    BufferedInputFile,
    CallbackQuery,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
)
from aiogram.utils.callback_answer import CallbackAnswerMiddleware

TOKEN = "4242:secret"

bot = Bot(TOKEN, default=DefaultBotProperties(parse_mode=ParseMode.HTML))
dp = Dispatcher(storage=MemoryStorage())
dp.callback_query.middleware(CallbackAnswerMiddleware())

failures: list[type[Exception]] = []
"""What the next buttons do in the middle of their work."""


class Order(StatesGroup):
    what = State()


@dp.message(CommandStart())
async def start(message: Message, state: FSMContext) -> None:
    await state.set_state(Order.what)
    keyboard = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Menu", callback_data="menu")]])
    await message.answer("<b>What</b> shall it be?", reply_markup=keyboard)


@dp.message(Order.what)
async def what(message: Message, state: FSMContext) -> Any:
    await state.clear()
    return message.answer(f"One {message.text}, <i>please wait</i>")


@dp.message(Command("file"))
async def file(message: Message) -> None:
    note = await message.answer("Sending…")
    await bot.send_document(message.chat.id, BufferedInputFile(b"menu", "menu.txt"))
    await note.edit_text("Sent")


@dp.message(Command("many"))
async def many(message: Message) -> None:
    await asyncio.gather(*(bot.send_message(message.chat.id, f"number {n}") for n in range(3)))


@dp.message(F.text)
async def other(message: Message) -> Any:
    return message.answer("I am idle")


@dp.callback_query(F.data == "menu")
async def menu(query: CallbackQuery) -> None:
    assert isinstance(query.message, Message)
    await query.message.answer("Tea")
    if failures:
        raise failures.pop()
    await query.message.answer("Coffee")
