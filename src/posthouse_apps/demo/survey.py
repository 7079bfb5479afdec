"""An aiogram bot as anybody would write it. Nothing in it knows of Posthouse.

Under aiogram's own polling a restart would forget who was asked what: its storage is the memory of the process.
Hosted, the same storage is kept in the database and committed with the turn.
"""

from __future__ import annotations

from typing import Any

from aiogram import Dispatcher, F
from aiogram.filters import Command, CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.memory import MemoryStorage
from aiogram.types import Message

dispatcher = Dispatcher(storage=MemoryStorage())


class Survey(StatesGroup):
    name = State()
    age = State()


@dispatcher.message(CommandStart())
async def start(message: Message, state: FSMContext) -> None:
    data = await state.get_data()
    await state.set_state(None)
    await message.answer(f"Welcome! You have filled in {data.get('filled', 0)} surveys. Send /survey for one more.")


@dispatcher.message(Command("survey"))
async def survey(message: Message, state: FSMContext) -> None:
    await state.set_state(Survey.name)
    await message.answer("What is your name?")


@dispatcher.message(Survey.name, F.text)
async def name(message: Message, state: FSMContext) -> None:
    await state.update_data(name=message.text)
    await state.set_state(Survey.age)
    await message.answer(f"Nice to meet you, {message.text}. How old are you?")


@dispatcher.message(Survey.age, F.text.isdecimal())
async def age(message: Message, state: FSMContext) -> Any:
    data = await state.get_data()
    filled = data.get("filled", 0) + 1
    await state.set_data({"filled": filled})
    await state.set_state(None)
    return message.answer(f"Survey {filled}: {data['name']} is {message.text}. Thank you!")


@dispatcher.message(Survey.age)
async def not_an_age(message: Message) -> None:
    await message.answer("A number, please.")


@dispatcher.message()
async def other(message: Message) -> None:
    await message.answer("Send /survey to begin.")
