"""What happened in the town, in order: the one stream that the demo prints and that tests wait on.

An event is named noun, dot, past participle, for example `person.said`, `bot.edited`, `update.failed`,
`flood.hit`. Its `seq` is the *cursor* that everything else uses ("after this point"). The journal is a
bounded ring: whoever reads too late misses the oldest events and can see it from a jump in `seq`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from posthouse.simulator.clock import Clock

T = TypeVar("T")
EVENTS_KEPT = 20_000


class Bell:
    """Wakes everybody who waits for its next ring."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def next_ring(self) -> asyncio.Future[None]:
        """A future for the next ring; ask for it before looking at the condition, or in the same breath."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    async def wait(self, within_s: float) -> bool:
        """Wait for the next ring; False when so many real seconds are over before."""
        try:
            async with asyncio.timeout(within_s):
                await self.next_ring()
        except TimeoutError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `details` holds what only this kind of event has."""

    seq: int
    time: float
    kind: str
    bot_id: int | None = None
    chat: str | None = None
    person_id: int | None = None
    message_id: int | None = None
    text: str | None = None
    details: dict[str, object] = field(default_factory=dict)


class Journal:
    """Numbers and keeps events, and wakes those who wait for one."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seq = 0
        self.bell = Bell()
        self.counts: dict[str, int] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)

    def record(
        self,
        kind: str,
        *,
        bot_id: int | None = None,
        chat: str | None = None,
        person_id: int | None = None,
        message_id: int | None = None,
        text: str | None = None,
        **details: object,
    ) -> int:
        """Append an event and return its seq."""
        self.seq += 1
        self._events.append(Event(self.seq, self.clock.now(), kind, bot_id, chat, person_id, message_id, text, details))
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.bell.ring()
        return self.seq

    def clear(self) -> None:
        """Forget every event. Numbering goes on, so that cursors held by readers stay true."""
        self._events.clear()
        self.counts.clear()
        self.bell.ring()

    def after(self, seq: int, *, limit: int = EVENTS_KEPT) -> list[Event]:
        """The oldest events younger than `seq`."""
        if not self._events or seq >= self.seq:
            return []
        skipped = max(0, seq + 1 - self._events[0].seq)
        return list(islice(self._events, skipped, skipped + limit))

    async def wait_until(self, find: Callable[[], T | None], within_s: float) -> T | None:
        """Look again after every event until something is found, or None when the (real) time is over."""
        try:
            async with asyncio.timeout(within_s):
                while (found := find()) is None:
                    await self.bell.next_ring()
                return found
        except TimeoutError:
            return None
