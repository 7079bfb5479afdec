"""A visit: somebody in the private chat with one bot, who writes, presses, and waits for what is owed for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from posthouse.testing.town import Chat, Event, Message, Person
from posthouse_apps.demo.ledger import ChatLedger, Owed

PATIENCE_S = 600.0
"""While nobody is leaving. Telegram comes again after two minutes at last, and the bots may be away once more then."""

STICKER = "(a sticker)"


class Unanswered(Exception):
    """What is owed did not come in time, so this visit cannot go on; the ledger has what is missing."""


@dataclass(slots=True)
class News:
    """That something happened: who waits looks again."""

    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def tell(self) -> None:
        async with self._came:
            self._came.notify_all()

    async def wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Until it is so; False when that takes too long."""
        try:
            async with asyncio.timeout(within_s), self._came:
                await self._came.wait_for(condition)
                return True
        except TimeoutError:
            return False


@dataclass(slots=True)
class Visit:
    """Someone in a chat. `heard` is what came of what they did last."""

    person: Person
    token: str
    ledger: ChatLedger
    news: News
    dice: random.Random
    resumed: bool  # this chat may have a past: an earlier run of the demo on the same data
    heard: list[str] = field(default_factory=list)
    _screen: Event | None = None
    _latest: Event | None = None
    _pressed: str = ""
    _press_lost: bool = False

    @property
    def name(self) -> str:
        return self.person.first_name

    @property
    def chat(self) -> Chat:
        return self.person.chat_with(self.token)

    @property
    def leaving(self) -> bool:
        """It is time to finish."""
        return self.news.leaving.is_set()

    async def hear(self, event: Event) -> None:
        """Something happened in the chat."""
        if event.kind == "bot.answered":
            self.ledger.take_answer(event.text or "")
        elif event.kind in ("bot.said", "bot.edited"):
            text = shown(event)
            if self.ledger.take(text):
                self.heard.append(text)
                self._latest = event
                self._screen = event if buttons_of(event) else self._screen
        await self.news.tell()

    async def hear_of_lost_press(self) -> None:
        """Telegram keeps a press for 150 s, and the bots were away each time it came."""
        self._press_lost = not self.ledger.answers.settled
        await self.news.tell()

    # -- what they do -------------------------------------------------------------------------------------------

    async def says(self, text: str, *owed: Owed, either: Sequence[Sequence[Owed]] = ()) -> list[str]:
        """Write, and wait for what is owed for it; returns what came. `either` are ways to go on."""
        self._owe(owed, either)
        await self.writes(text)
        return await self.settled()

    async def writes(self, text: str, *owed: Owed) -> None:
        """Write without waiting for the answer."""
        self._owe(owed)
        self.ledger.written += 1
        await self.person.says(text, to=self.token)

    async def sends(self, photo: bytes, *owed: Owed) -> list[str]:
        """Send a photo, and wait for what is owed for it."""
        self._owe(owed)
        self.ledger.written += 1
        await self.person.sends("photo", photo, name="photo.jpg", to=self.token)
        return await self.settled()

    async def presses(
        self, button: str, *owed: Owed, either: Sequence[Sequence[Owed]] = (), answer: Owed = ""
    ) -> list[str]:
        """Press the button that begins so on the screen that came last, and wait for what is owed for it.

        A copy of that screen, sent again after a kill, is another message and stays alone.
        """
        assert self._screen is not None
        text = next(text for text in buttons_of(self._screen) if text.startswith(button))
        self._owe(owed, either)
        self.ledger.answers.owe(answer)
        self.ledger.pressed += 1
        self._pressed = text
        await self.person.presses(text, on=_message(self._screen))
        return await self.settled()

    async def settled(self) -> list[str]:
        """Until the chat got everything; returns what came. Raises `Unanswered`."""
        while not self.ledger.settled:
            if not await self.news.wait(lambda: self.ledger.settled or self._press_lost, PATIENCE_S):
                raise Unanswered
            if self._press_lost and self._screen is not None:
                self._press_lost = False
                self.ledger.pressed_again += 1
                await self.person.presses(self._pressed, on=_message(self._screen))
        heard, self.heard = self.heard, []
        return heard

    async def pause(self, low_s: float, high_s: float) -> None:
        """Think for a while, unless it is time to leave."""
        try:
            await asyncio.wait_for(self.news.leaving.wait(), self.dice.uniform(low_s, high_s))
        except TimeoutError:
            pass

    async def file(self) -> bytes:
        """The content of what came last."""
        assert self._latest is not None
        return await self.chat.file(_message(self._latest))

    async def link(self) -> str:
        """Where the button of the screen that came last leads."""
        assert self._screen is not None
        (message,) = (one for one in await self.chat.messages() if one.id == self._screen.message_id)
        return message.buttons[0][0].url or ""

    async def telegram(self, method: str, **parameters: Any) -> Any:
        """What Telegram answers to a call that the bot could make."""
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{self.person.town.url}/bot{self.token}/{method}", json=parameters) as response:
                answer = await response.json()
        return answer["result"]

    def _owe(self, owed: Sequence[Owed], either: Sequence[Sequence[Owed]] = ()) -> None:
        self.ledger.shown.owe(*owed)
        if either:
            self.ledger.shown.owe_either(*either)


def shown(event: Event) -> str:
    """A bot's message as the ledger compares it: its text, and its buttons behind that."""
    text = event.text or (STICKER if event.details.get("media") == "sticker" else "")
    return " ".join([text, *(f"[{button}]" for button in buttons_of(event))])


def buttons_of(event: Event) -> list[str]:
    return [text for row in event.details.get("buttons", []) for text in row]


def _message(event: Event) -> Message:
    """The message of an event. Reading the whole chat for it would be much, after hours."""
    return Message(
        id=event.message_id or 0,
        chat=event.chat or "",
        sender_id=event.bot_id or 0,
        sender_name="",
        from_bot=True,
        date=0,
        text=event.text or "",
        cursor=event.seq,
    )
