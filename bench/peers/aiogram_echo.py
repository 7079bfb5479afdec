"""A text echo on aiogram that counts messages per chat in its FSM data, kept in Redis.

MODE is one of

    background   aiogram's default: the 200 is sent first, the work is a task in memory
    foreground   `handle_in_background=False`: the 200 follows the work
    frozen       foreground, and the 200,000 objects alive after the imports are hidden from the collector by
                 `gc.freeze()`, whose full collections otherwise take a quarter of the time. Few do this.

Listens on 127.0.0.1:$PORT, path /webhook, with aiogram's own aiohttp handler on uvloop; $REDIS is the Unix
socket, the client parses with hiredis. Prints READY once it listens; on SIGUSR2 prints `HANDLED n`, the
number of updates answered so far.

Calls to Telegram end in a session that answers with a copy of one Message (2 µs), so neither a form, nor
JSON, nor validation, nor HTTP is paid for them. Not `model_construct`: with the fields of a Message it takes
200 µs, as long as the work measured. Event isolation stays off, as it is by default: a lock would add two
round trips.
"""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, cast

import uvloop
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.base import BaseSession
from aiogram.fsm.context import FSMContext
from aiogram.fsm.storage.redis import RedisStorage
from aiogram.methods import SendMessage, TelegramMethod
from aiogram.types import Chat, Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler, setup_application
from aiohttp import web


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


async def echo(message: Message, state: FSMContext) -> None:
    """Count in the session, answer with the count."""
    count = (await state.get_data()).get("count", 0) + 1
    await state.set_data({"count": count})
    await message.answer(f"{count}: {message.text}")


async def serve() -> None:
    """Serve until the process is ended."""
    session = StubSession()
    bot = Bot("123456:bench", session=session)
    dispatcher = Dispatcher(storage=RedisStorage.from_url(f"unix://{os.environ['REDIS']}"))
    dispatcher.message.register(echo, F.text)

    application = web.Application()
    handler = SimpleRequestHandler(
        dispatcher,
        bot,
        handle_in_background=os.environ["MODE"] == "background",
        secret_token=os.environ["SECRET"],
    )
    handler.register(application, path="/webhook")
    setup_application(application, dispatcher, bot=bot)

    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, lambda: print(f"HANDLED {session.handled}", flush=True))
    if os.environ["MODE"] == "frozen":
        gc.collect()
        gc.freeze()
    print("READY", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
