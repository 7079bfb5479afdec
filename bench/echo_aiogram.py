"""The text echo as an aiogram bot that Posthouse hosts; the same code shape as `bench/peers/aiogram_echo.py`.

`awaiting` awaits `message.answer(…)`, as most bots do: the call is journaled and made inside the turn. `returning`
returns the method, which goes through the outbox. Calls to Telegram end in the same stub as the peer's.
"""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.base import BaseSession
from aiogram.fsm.context import FSMContext
from aiogram.methods import SendMessage, TelegramMethod
from aiogram.types import Chat, Message

from bench.ours import TOKEN


class StubSession(BaseSession):
    """Answers sendMessage at once, in this process."""

    handled = 0
    answer = Message(message_id=1, date=datetime.now(UTC), chat=Chat(id=1, type="private"), text="")

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None = None,  # noqa: ASYNC109 - the base class names it so
    ) -> Any:
        self.handled += 1
        return self.answer.model_copy(update={"message_id": self.handled, "text": cast(SendMessage, method).text})

    async def stream_content(self, *args: Any, **options: Any) -> AsyncGenerator[bytes, None]:
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk

    async def close(self) -> None:
        pass


bot = Bot(TOKEN, session=StubSession())
awaiting = Dispatcher()
returning = Dispatcher()


@awaiting.message(F.text)
async def echo(message: Message, state: FSMContext) -> None:
    """Count in the session, answer with the count."""
    count = (await state.get_data()).get("count", 0) + 1
    await state.set_data({"count": count})
    await message.answer(f"{count}: {message.text}")


@returning.message(F.text)
async def echo_by_return(message: Message, state: FSMContext) -> SendMessage:
    """The same, and the answer is what the handler returns."""
    count = (await state.get_data()).get("count", 0) + 1
    await state.set_data({"count": count})
    return message.answer(f"{count}: {message.text}")
