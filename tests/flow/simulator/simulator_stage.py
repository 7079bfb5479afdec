"""What the simulator's tests share: a token, a bot, a keyboard, and a webhook receiver with a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiohttp import web

from posthouse.simulator import Simulator

TOKEN = "4242:secret"


class _PromptSession(AiohttpSession):
    """aiogram's session without the quarter of a second that it gives TLS connections to close."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def aiogram_bot(sim: Simulator, token: str = TOKEN) -> Bot:
    return Bot(token, session=_PromptSession(api=TelegramAPIServer.from_base(sim.url)))


def buttons(*rows: list[tuple[str, str]]) -> InlineKeyboardMarkup:
    keyboard = [[InlineKeyboardButton(text=t, callback_data=d) for t, d in row] for row in rows]
    return InlineKeyboardMarkup(inline_keyboard=keyboard)


@dataclass
class Receiver:
    """A bot's webhook: keeps what it got, answers as the script says, then 200."""

    url: str = ""
    script: list[Callable[[], web.Response]] = field(default_factory=list)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """Updates whose text is a key are answered once its event is set."""
    got: list[dict[str, Any]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        async with self._news:
            self.bodies.append(body)
            self.got.append(json.loads(body))
            self.headers.append(dict(request.headers))
            self._news.notify_all()
        if (gate := self.held.get(self.texts[-1])) is not None:
            await gate.wait()
        return self.script.pop(0)() if self.script else web.Response()

    @property
    def texts(self) -> list[str]:
        return [str(update.get("message", {}).get("text", "")) for update in self.got]

    async def has(self, count: int) -> list[dict[str, Any]]:
        """Wait for that many updates."""
        async with asyncio.timeout(5), self._news:
            await self._news.wait_for(lambda: len(self.got) >= count)
        return self.got
