"""aiogram as an agent; see `agent_lines.py`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiogram.methods
from agent_lines import KINDS, SECRET, TOKEN, UnknownMethod, commands, files, tell
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import BufferedInputFile, Update
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web


def bot_at(url: str) -> Bot:
    return Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))


async def call(command: dict[str, Any]) -> None:
    name = command["call"]
    method = getattr(aiogram.methods, name[0].upper() + name[1:], None)
    if method is None:
        raise UnknownMethod(name)
    parameters = files(command["parameters"], lambda data: BufferedInputFile(data, "file.bin"))
    async with bot_at(command["url"]) as bot:
        await bot(method(**parameters))


def dispatcher() -> Dispatcher:
    dispatching = Dispatcher()

    @dispatching.update.outer_middleware()
    async def seen(handler: Any, update: Update, data: dict[str, Any]) -> None:
        tell(update=update.event_type, id=update.update_id)

    return dispatching


async def poll(url: str) -> None:
    tell(ready=True)
    await dispatcher().start_polling(bot_at(url), allowed_updates=list(KINDS), handle_signals=False)


async def listen(url: str, port: int) -> None:
    bot, app = bot_at(url), web.Application()
    SimpleRequestHandler(dispatcher(), bot, secret_token=SECRET).register(app, path="/hook")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook", allowed_updates=list(KINDS), secret_token=SECRET)
    tell(ready=True)
    await asyncio.Event().wait()


async def main() -> None:
    incoming = commands()
    while (command := await asyncio.to_thread(next, incoming, None)) is not None:
        try:
            if "call" in command:
                await call(command)
                tell(ok=True)
            elif "poll" in command:
                await poll(command["url"])
            else:
                await listen(command["url"], command["listen"])
        except UnknownMethod as unknown:
            tell(unknown=str(unknown))
        except Exception as error:
            tell(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
