"""The control API of one simulator, as a client: what everything here is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, TypeAlias

import aiohttp

from posthouse.simulator import views
from posthouse.simulator.views import Bot, Message
from posthouse.simulator.views.view import View

WITHIN_S = 5.0

BotName: TypeAlias = str | int
"""A token, or the number before its colon."""


class Somebody(Protocol):
    """A person, or anything else that has its id."""

    @property
    def id(self) -> int: ...


class NotSeen(AssertionError):
    """What a test waited for did not come in time; the message holds the transcript."""


class TownError(Exception):
    """The simulator could not do what was asked; the message says why."""


class Control:
    """Requests to `/sim/v1`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None
        self._registered: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def bot(
        self,
        token: str,
        *,
        first_name: str | None = None,
        username: str | None = None,
        privacy: bool | None = None,
        apps: dict[str, str] | None = None,
    ) -> Bot:
        """Register a bot, or rename it; without this a bot appears with its first call.

        `apps` are the addresses of its Mini Apps by name; the main one has the empty name.
        """
        new = views.NewBot(token=token, first_name=first_name, username=username, privacy=privacy, apps=apps or {})
        self._registered.add(token)
        return Bot.model_validate(await self.request("POST", "/bots", new))

    async def bot_id(self, bot: BotName) -> int:
        """The id of a bot, which is registered if it was named by its token."""
        if isinstance(bot, str) and bot not in self._registered:
            await self.bot(bot)
        return number_of(bot)

    async def request(
        self,
        method: str,
        path: str,
        body: View | Mapping[str, object] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the control API, or raise TownError with its words."""
        content = body.model_dump() if isinstance(body, View) else body
        return await self._request(method, path, query, json=content)

    async def upload(self, path: str, fields: Mapping[str, object], files: Sequence[tuple[str, bytes]]) -> Any:
        """Send files with the fields of a form, or raise TownError."""
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, str(value))
        for name, content in files:
            form.add_field("files", content, filename=name)
        return await self._request("POST", path, None, data=form)

    async def _request(self, method: str, path: str, query: Mapping[str, Any] | None, **body: Any) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        params: list[tuple[str, str]] = []
        for name, value in (query or {}).items():
            values = value if isinstance(value, list) else [value]
            params += [(name, str(one)) for one in values if one is not None]
        async with self._session.request(method, f"{self.url}/sim/v1{path}", params=params, **body) as response:
            if response.status == 500:
                raise TownError(f"{method} {path}: the simulator itself failed; its log says why")
            if response.status < 400 and response.content_type != "application/json":
                return await response.read()
            answer = await response.json()
            if response.status >= 400:
                raise TownError(f"{method} {path}: {answer.get('detail', answer)}")
            return answer


def number_of(bot: BotName) -> int:
    """The id of a bot that is named by its token or its id."""
    return bot if isinstance(bot, int) else int(bot.partition(":")[0])


def cursor_of(point: int | Message) -> int:
    """The point in the journal that a message stands for."""
    return point.cursor if isinstance(point, Message) else point
