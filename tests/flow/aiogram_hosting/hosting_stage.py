"""A tiny honest world for hosted Dispatchers: a session that records calls, a store in memory, and turns.

`World.run` does what the runtime does for one entry: make a turn from what the store holds, let the program
perform it, and commit its effects, or leave everything as it was when it raised.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.client.session.base import BaseSession
from aiogram.methods import TelegramMethod
from aiogram.types import Message

from posthouse.core.effects import Outgoing, StateWrite
from posthouse.core.entries import Entry
from posthouse.core.leases import CallRecord
from posthouse.programs.aiogram import AiogramProgram, HostedBot
from posthouse.programs.program import BotIdentity
from posthouse.programs.turn import Turn

TOKEN = "42:TEST"
BOT = 42
PERSON = 7
NAME = "shop"


class RecorderSession(BaseSession):
    """Answers every call at once and remembers it. `script` is what the next calls raise, return or do."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[TelegramMethod[Any]] = []
        self.script: list[Any] = []
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None = None,  # noqa: ASYNC109
    ) -> Any:
        self.made.append(method)
        answer = self.script.pop(0) if self.script else None
        if callable(answer) and not isinstance(answer, type):
            answer = await answer(method)
        if isinstance(answer, BaseException):
            raise answer
        return self.usual(bot, method) if answer is None else answer

    async def stream_content(self, *args: Any, **kwargs: Any) -> AsyncGenerator[bytes, None]:
        yield b""

    def usual(self, bot: Bot, method: TelegramMethod[Any]) -> Any:
        if method.__returning__ is not Message:
            return True
        body = {
            "message_id": 1000 + len(self.made),
            "date": 1_700_000_000,
            "chat": {"id": method.chat_id, "type": "private"},
        }
        if hasattr(method, "text"):
            body["text"] = method.text
        return Message.model_validate(body, context={"bot": bot})

    @property
    def names(self) -> list[str]:
        return [method.__api_method__ for method in self.made]

    @property
    def texts(self) -> list[str]:
        return [method.text for method in self.made if getattr(method, "text", None) is not None]


class MemoryStore:
    """States, recorded calls and deliveries of all lanes; also the program's `StateKeeper`."""

    def __init__(self) -> None:
        self.states: dict[tuple[int, int, str], bytes] = {}
        self.calls: dict[int, dict[int, CallRecord]] = {}
        self.deliveries: list[Outgoing] = []

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        return {name: self.states[bot_id, lane, name] for name in names if (bot_id, lane, name) in self.states}

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        for write in writes:
            key = (write.bot_id, write.lane, write.name)
            if write.data is None:
                self.states.pop(key, None)
            else:
                self.states[key] = write.data

    def fsm(self, *, bot_id: int = BOT, lane: int = PERSON) -> dict[str, Any]:
        """What the FSM remembers of a lane, decoded."""
        return {
            name: json.loads(data) for (bot, chat, name), data in self.states.items() if (bot, chat) == (bot_id, lane)
        }


class MemoryReach:
    """The turn's way to the memory store. `lost` makes every begun call find that the lease is gone."""

    def __init__(self, store: MemoryStore, entry: Entry, lost: BaseException | None = None) -> None:
        self._store = store
        self._entry = entry
        self._lost = lost

    async def transact(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(None, *args)

    async def read_states(self, lane: int, names: Iterable[str]) -> dict[str, bytes]:
        return await self._store.read_states(self._entry.bot_id, lane, tuple(names))

    async def recall(self) -> list[CallRecord]:
        return list(self._store.calls.get(self._entry.entry_id, {}).values())

    async def begin_call(self, record: CallRecord) -> None:
        if self._lost is not None:
            raise self._lost
        self._store.calls.setdefault(record.entry_id, {})[record.ordinal] = record

    async def end_call(self, record: CallRecord) -> None:
        self._store.calls[record.entry_id][record.ordinal] = record


class World:
    """One program over one Dispatcher and one bot, unless told otherwise. Use with `async with`."""

    def __init__(self, dispatcher: Dispatcher, *, settings: dict[str, Any] | None = None, **options: Any) -> None:
        self.session = RecorderSession()
        self.bot = Bot(TOKEN, session=self.session)
        self.store = MemoryStore()
        self.dispatcher = dispatcher
        self.identities = options.pop("identities", [BotIdentity(NAME, BOT, TOKEN)])
        bots = options.pop("bots", {NAME: HostedBot(**{"bot": self.bot, **(settings or {})})})
        self.program = AiogramProgram(dispatcher, keeper=self.store, bots=bots, **options)
        self._update_id = 0

    async def __aenter__(self) -> World:
        await self.program.start(self.identities)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.program.stop()

    def entry(
        self, body: dict[str, Any], *, lane: int = PERSON, bot_id: int = BOT, entry_id: int | None = None
    ) -> Entry:
        if entry_id is None:
            self._update_id += 1
            entry_id = self._update_id
            body = {"update_id": entry_id, **body}
        return Entry(bot_id, lane, entry_id, json.dumps(body).encode(), 0.0)

    async def run(self, entry: Entry | dict[str, Any], *, lost: BaseException | None = None) -> Turn:
        """One try of one entry: committed when it returns; when it raises, only recorded calls stay."""
        if isinstance(entry, dict):
            entry = self.entry(entry)
        states = {
            name: data
            for (bot, lane, name), data in self.store.states.items()
            if (bot, lane) == (entry.bot_id, entry.lane)
        }
        turn = Turn(entry, reach=MemoryReach(self.store, entry, lost), states=states, bot=NAME)
        await self.program.perform(turn)
        await self.store.write_states(turn.effects.states)
        self.store.deliveries += turn.effects.deliveries
        self.store.calls.pop(entry.entry_id, None)
        return turn

    async def tell(self, text: str, *, person: int = PERSON, chat: int | None = None, **fields: Any) -> Turn:
        """A person writes to the bot."""
        chat = person if chat is None else chat
        return await self.run(self.entry(message(text, person=person, chat=chat, **fields), lane=chat))

    def delivered(self) -> list[tuple[str, dict[str, Any]]]:
        """What was committed to the outbox: (method, parameters)."""
        return [(delivery.method, json.loads(delivery.payload)) for delivery in self.store.deliveries]


def message(text: str, *, person: int = PERSON, chat: int = PERSON, **fields: Any) -> dict[str, Any]:
    return {
        "message": {
            "message_id": 5,
            "date": 1_700_000_000,
            "chat": {"id": chat, "type": "private" if chat == person else "supergroup"},
            "from": {"id": person, "is_bot": False, "first_name": "Ann"},
            "text": text,
            **fields,
        }
    }


def press(data: str, *, person: int = PERSON) -> dict[str, Any]:
    return {
        "callback_query": {
            "id": "900",
            "from": {"id": person, "is_bot": False, "first_name": "Ann"},
            "chat_instance": "1",
            "data": data,
            "message": message("pay?", person=person)["message"],
        }
    }
