"""The platform: its services in one task group, in the order of the road.

    ingress ─► inbox ─► executor ─► outbox ─► sender ─► Telegram
    (server,            (turns)               ▲
     pollers)                                 │
                 timers, schedules ─► workers ┘        caretaker: reaping, retention, gauges

It starts from the back (whatever takes work in starts last) and stops from the front, each service finishing what it
holds: no update is half taken, no turn half done, no delivery left without a known end if its answer comes in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from posthouse.ports.store import Store
from posthouse.programs.program import BotIdentity, Program
from posthouse.runtime.caretaker import Caretaker
from posthouse.runtime.executor import Executor
from posthouse.runtime.ingress import Ingress
from posthouse.runtime.schedules import Schedules
from posthouse.runtime.sender import Sender
from posthouse.runtime.timers import Timers
from posthouse.runtime.workers import Workers

log = structlog.get_logger("posthouse.platform")


class Server(Protocol):
    """Listens for webhooks until it is stopped."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Poller(Protocol):
    """Fetches the updates of one bot until it is stopped."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(slots=True)
class Platform:
    """One process. Which services it has depends on its roles; what is None is another process's business."""

    store: Store
    programs: Sequence[tuple[Program, list[BotIdentity]]]
    caretaker: Caretaker
    ingress: Ingress | None = None
    server: Server | None = None
    pollers: Sequence[Poller] = ()
    register: Callable[[], Awaitable[None]] | None = None
    executor: Executor | None = None
    sender: Sender | None = None
    workers: Workers | None = None
    timers: Timers | None = None
    schedules: Schedules | None = None
    closing: Sequence[Callable[[], Awaitable[None]]] = ()
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Open the store, start the programs, serve until `stop`, and leave everything tidy."""
        await self.store.open()
        try:
            for program, bots in self.programs:
                if program.tables is not None:
                    await self.store.create_tables(program.tables)
                await program.start(bots)
            async with asyncio.TaskGroup() as services:
                tasks = self._start(services)
                if self.register is not None:
                    await self.register()
                self.ready.set()
                log.info("platform.ready")
                await self._stopping.wait()
                await self._stop_in_order(tasks)
        finally:
            for program, _ in self.programs:
                await program.stop()
            for close in self.closing:
                await close()
            await self.store.close()
            log.info("platform.stopped")

    def stop(self) -> None:
        """Ask for a graceful stop; `run` returns when it is done."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _start(self, services: asyncio.TaskGroup) -> dict[str, asyncio.Task[None]]:
        """From the back of the road to the front."""
        road = {
            "caretaker": self.caretaker,
            "sender": self.sender,
            "workers": self.workers,
            "timers": self.timers,
            "schedules": self.schedules,
            "executor": self.executor,
            "server": self.server,
            **{f"poller {number}": poller for number, poller in enumerate(self.pollers)},
        }
        return {name: services.create_task(service.run(), name=name) for name, service in road.items() if service}

    async def _stop_in_order(self, tasks: dict[str, asyncio.Task[None]]) -> None:
        """From the front of the road to the back."""
        log.info("platform.stopping")
        for poller in self.pollers:
            poller.stop()
        if self.ingress is not None:
            await self.ingress.close()
        if self.server is not None:
            self.server.stop()
        if self.schedules is not None:
            await self.schedules.stop()
        if self.timers is not None:
            await self.timers.stop()
        if self.executor is not None:
            self.executor.stop()
            await asyncio.wait([tasks["executor"]])
        if self.workers is not None:
            await self.workers.stop(10.0)
        if self.sender is not None:
            self.sender.stop()
            await asyncio.wait([tasks["sender"]])
        await self.caretaker.stop()
