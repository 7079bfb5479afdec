"""The stage of conversations: people who write and press on the road, lives of a platform, a day that passes.

Talks       a running platform; `stage.ann` writes, presses, reads
Somebody    one person in one chat, as the recording gateway shows it
Database    one database over several lives, and what is in it
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from road_stage import BOT, WAIT_S, RecordingGateway, Road, running, settings_for

from posthouse import App
from posthouse.core.sessions import SessionEvent, SessionRecord
from posthouse.ports.store import SessionFilter
from posthouse.runtime.platform import Platform
from posthouse.settings import TelegramSection
from posthouse.testing import running as running_platform

TOKEN = f"{BOT}:road"
DAY_S = 24 * 3600

_numbers = count(1)


class Database:
    """A database from outside: rows of the author's, and time that passes while nobody runs on it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.gateway = RecordingGateway()
        """Telegram for all lives on this database: what was said before stays said."""

    async def time_passes(self, seconds: float) -> None:
        """Move every session's end that far into the past. The platform must not run."""
        raise NotImplementedError

    async def committed(self, query: str) -> list[Any]:
        """The first column of a query, as somebody else sees it."""
        raise NotImplementedError


class SqliteDatabase(Database):
    async def time_passes(self, seconds: float) -> None:
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        try:
            connection.execute("UPDATE sessions SET expires_at = expires_at - ?", (int(seconds * 1_000_000),))
            connection.commit()
        finally:
            connection.close()

    async def committed(self, query: str) -> list[Any]:
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
        try:
            return [row[0] for row in connection.execute(query)]
        finally:
            connection.close()


class PostgresDatabase(Database):
    async def time_passes(self, seconds: float) -> None:
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(
                "UPDATE sessions SET expires_at = expires_at - $1::float8 * interval '1 second'", seconds
            )
        finally:
            await connection.close()

    async def committed(self, query: str) -> list[Any]:
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            return [row[0] for row in await connection.fetch(query)]
        finally:
            await connection.close()


class Talks:
    """A running platform, and people."""

    def __init__(self, road: Road, database: Database) -> None:
        self.road = road
        self.database = database
        self.ann = Somebody(self, 1)
        self.bob = Somebody(self, 2)

    def in_group(self, person: int, group: int = -100, **where: Any) -> Somebody:
        """The same person in a group."""
        return Somebody(self, person, group, **where)

    @property
    def platform(self) -> Platform:
        return self.road.platform

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        return self.road.gateway.calls

    async def sessions(self, **filters: Any) -> list[SessionRecord]:
        return list(await self.road.store.sessions.find(SessionFilter(**({"live": False} | filters))))

    async def history(self, session_id: str) -> list[SessionEvent]:
        return list(await self.road.store.sessions.history(session_id))

    async def session(self, flow_kind: str, **filters: Any) -> SessionRecord:
        """The newest session of a conversation."""
        found = [record for record in await self.sessions(**filters) if record.flow_kind == flow_kind]
        return max(found, key=lambda record: record.created_at)

    async def ended(self, flow_kind: str, **filters: Any) -> str:
        """The state in which the newest session of a conversation ended, once it has."""

        async def over() -> str | None:
            record = await self.session(flow_kind, **filters)
            return None if record.is_active else record.state

        state: str = await self.road.until(over)
        return state

    async def idle(self) -> None:
        await self.road.idle()


class Somebody:
    """One person in one chat: a private chat, or a group when one is given."""

    def __init__(
        self, talks: Talks, person: int, chat: int | None = None, *, thread: int = 0, lang: str = "en"
    ) -> None:
        self.talks = talks
        self.person = person
        self.chat = person if chat is None else chat
        self.thread = thread
        self.lang = lang

    # -- what they do -------------------------------------------------------------------------------------------

    async def says(self, text: str) -> None:
        await self.sends(text=text)

    async def sends(self, **content: Any) -> None:
        """A message with any content; acknowledged when this returns."""
        number = next(_numbers)
        topic = {"message_thread_id": self.thread, "is_topic_message": True} if self.thread else {}
        await self._post(number, "message", self._message(number) | content | topic)

    async def presses(self, label: str, *, back: int = 0, by: int | None = None) -> str:
        """Press the newest button of that label (or the one `back` before it), once it is there; the query's id."""
        await self.talks.road.gateway.until(lambda: len(self.buttons(label)) > back)
        message_id, data = self.buttons(label)[-1 - back]
        return await self.presses_data(data, message_id=message_id, by=by)

    async def presses_data(self, data: str, *, message_id: int = 1, by: int | None = None) -> str:
        number = next(_numbers)
        query = {
            "id": f"q{number}",
            "from": self._person(by or self.person),
            "chat_instance": "1",
            "data": data,
            "message": self._message(message_id) | {"text": "?"},
        }
        await self._post(number, "callback_query", query)
        return f"q{number}"

    async def _post(self, number: int, kind: str, body: dict[str, Any]) -> None:
        reply = await self.talks.road.post({"update_id": number, kind: body})
        assert reply.status == 200

    def _message(self, message_id: int) -> dict[str, Any]:
        kind = "private" if self.chat > 0 else "supergroup"
        chat = {"id": self.chat, "type": kind}
        return {"message_id": message_id, "date": 1_750_000_000, "chat": chat, "from": self._person(self.person)}

    def _person(self, person: int) -> dict[str, Any]:
        return {"id": person, "is_bot": False, "first_name": f"P{person}", "language_code": self.lang}

    # -- what they see ------------------------------------------------------------------------------------------

    @property
    def read(self) -> list[str]:
        """The texts sent to this chat so far."""
        return [body["text"] for _, body in self.talks.calls if body.get("chat_id") == self.chat and "text" in body]

    async def reads(self, *texts: str) -> None:
        """Wait until each of these was sent to this chat, the last of them as the newest message."""
        try:
            await self.talks.road.gateway.until(lambda: set(texts) <= set(self.read))
        except TimeoutError:
            raise AssertionError(f"never said: {sorted(set(texts) - set(self.read))}; said: {self.read}") from None

    async def reads_times(self, text: str, times: int) -> None:
        """Wait until a text was sent that often."""
        try:
            await self.talks.road.gateway.until(lambda: self.read.count(text) >= times)
        except TimeoutError:
            raise AssertionError(f"{text!r} was said {self.read.count(text)} times; said: {self.read}") from None

    def buttons(self, label: str) -> list[tuple[int, str]]:
        """(message id, data) of every button of that label that was ever sent here, oldest first."""
        found = []
        for number, (_, body) in enumerate(self.talks.calls, start=1):
            if body.get("chat_id") != self.chat:
                continue
            for row in (body.get("reply_markup") or {}).get("inline_keyboard", ()):
                found += [(number, key["callback_data"]) for key in row if key["text"] == label]
        return found

    async def answered(self, query_id: str) -> dict[str, Any]:
        """What a press was answered with."""

        def answer() -> dict[str, Any] | None:
            for method, body in self.talks.calls:
                if method == "answerCallbackQuery" and body["callback_query_id"] == query_id:
                    return body
            return None

        await self.talks.road.gateway.until(lambda: answer() is not None)
        found = answer()
        assert found is not None
        return found

    async def loses_keyboard(self, message_id: int) -> None:
        """Wait until the inline keyboard of a message was taken away."""
        await self.talks.road.gateway.until(lambda: message_id in self.bared)

    @property
    def bared(self) -> list[int]:
        """The messages of this chat whose keyboard was taken away."""
        return [
            body["message_id"]
            for method, body in self.talks.calls
            if method == "editMessageReplyMarkup" and body["chat_id"] == self.chat and "reply_markup" not in body
        ]


@asynccontextmanager
async def on_road(database: Database, app: App, **sections: Any) -> AsyncIterator[Talks]:
    """One life of a platform, stopped gracefully at the end."""
    async with running(settings_for(database.url, database.folder, app, **sections), gateway=database.gateway) as road:
        yield Talks(road, database)


@asynccontextmanager
async def in_town(database: Database, api_url: str, app: App, **sections: Any) -> AsyncIterator[Platform]:
    """One life of a platform that polls the simulator."""
    bot = {"mode": "polling"} | sections.pop("bot", {})
    telegram = TelegramSection(api_url=api_url)
    settings = settings_for(database.url, database.folder, app, bot=bot, telegram=telegram, **sections)
    async with running_platform(settings) as platform:
        yield platform


class Gate:
    """Where a test holds somebody's function until it lets it go."""

    def __init__(self) -> None:
        self._reached, self._open = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        """For the function: say that it is here, and wait."""
        self._reached.set()
        await self._open.wait()

    async def reached(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self._reached.wait()

    def open(self) -> None:
        self._open.set()


class Fault:
    """Makes commits of turns that change sessions fail, at the store's own door. Made before the first turn."""

    def __init__(self, platform: Platform) -> None:
        turns = platform.store.turns
        settle = turns.settle
        self.failed = 0
        self._errors: list[Exception] = []

        async def fail_or_settle(settlements: Any) -> Any:
            if self._errors and any(settlement.effects.sessions for settlement in settlements):
                self.failed += 1
                raise self._errors.pop(0)
            return await settle(settlements)

        turns.settle = fail_or_settle  # type: ignore[method-assign]

    def fails(self, *errors: Exception) -> None:
        """Let the next commits raise these instead."""
        self._errors += errors


def decoded(record: SessionRecord) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(record.data)
    return data
