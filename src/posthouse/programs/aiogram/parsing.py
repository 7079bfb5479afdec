"""From raw JSON to aiogram's types, so that one hostile message cannot stop the process.

Validation is synchronous, and its cost is not bounded by the length of the message (aiogram #1842: about
4^depth). Small updates, nearly all, are validated in place. Unusually large or nested ones go to a thread of
a pool: the event loop goes on (aiogram's types call back into Python for every object, and there the
interpreter changes threads), and the turn's time limit ends the turn. The thread itself cannot be stopped: it
finishes or stays, at most `THREADS` of them; further large updates time out until the dead letters take them.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiogram import Bot
from aiogram.methods import Response
from aiogram.types import Message, Update
from pydantic import ValidationError

from posthouse.programs.aiogram.errors import UpdateUnreadable
from posthouse.programs.turn import Turn

BYTES_IN_PLACE = 16 * 1024
OBJECTS_IN_PLACE = 100
THREADS = 2

_KNOWN_KINDS = frozenset(Update.model_fields) - {"update_id"}


class UpdateParser:
    """Validates updates, in place or in a thread."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def warm_up(self) -> None:
        """Build pydantic's validators now; the first person would wait for it otherwise."""
        Update.model_validate({"update_id": 0})
        Response[Message].model_validate({"ok": True})

    async def parse(self, turn: Turn, bot: Bot) -> Update | None:
        """The typed update, or None for a kind that this aiogram does not know. Raises `UpdateUnreadable`."""
        raw = turn.update
        if not _KNOWN_KINDS.intersection(raw):
            return None
        payload = turn.entry.payload
        try:
            if len(payload) <= BYTES_IN_PLACE and payload.count(b"{") <= OBJECTS_IN_PLACE:
                return _validate(raw, bot)
            return await asyncio.get_running_loop().run_in_executor(self._threads(), _validate, raw, bot)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise UpdateUnreadable(
                f"update {turn.trace} does not fit aiogram's types ({error.error_count()} errors, the first "
                f"at {where}: {first['msg']}); upgrade aiogram, then replay the dead letter"
            ) from None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="posthouse-parse")
        return self._pool


def _validate(raw: dict[str, Any], bot: Bot) -> Update:
    return Update.model_validate(raw, context={"bot": bot})
