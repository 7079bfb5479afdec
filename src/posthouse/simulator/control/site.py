"""Where a request is: the routes are made once, and serve every town of the process.

Making them takes a tenth of a second, which a test run with a simulator for each test would pay a thousand times.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field

from posthouse.simulator.scenarios.recorder import Application, Message, Receive, Recorder, Send
from posthouse.simulator.state.snapshots import Snapshot
from posthouse.simulator.world import World


@dataclass(eq=False)
class Site:
    """The control API of one world: what it keeps beside the world, and the recorder through which requests pass."""

    world: World
    recorder: Recorder
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the request that moves the clock."""

    @classmethod
    def of(cls, world: World, application: Application, prefix: str) -> Site:
        return cls(world, Recorder(application, world, prefix))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        _site.set(self)  # in the context of this request alone: each has a task of its own
        await self.recorder(scope, receive, send)


_site: ContextVar[Site] = ContextVar("site")


def site() -> Site:
    """The site that the current request asked."""
    return _site.get()


def here() -> World:
    """Its world."""
    return _site.get().world
