"""The caretaker: frees what the dead hold, forgets what is old, and reads the gauges. One in every process.

    reap    about each second     leases of dead processes and overdue leases go back to work
    prune   about each minute     update ids, closed dead letters, old blobs; in slices, until none is left
    gauges  every few seconds     read into `latest`, so that the metrics page never touches the database

The times are jittered, so that many processes do not come at once. An error is logged and the next round
comes: nothing here may stop for good, because recovery depends on it (G1-11)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from posthouse.core.errors import ConfigurationInvalid, StoreUnavailable
from posthouse.ports.blobs import Blobs
from posthouse.ports.clock import Clock
from posthouse.ports.store import Gauges, Upkeep
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.timers import first_of

log = structlog.get_logger("posthouse.caretaker")

SEEN_MIN_S = 48 * 3600.0  # Telegram keeps an undelivered update for 24 h; B-13
_REAPED = ("lanes", "deliveries", "jobs", "workers")


@dataclass(frozen=True, slots=True)
class CaretakerSettings:
    """How often the caretaker comes, and how long things are kept. Times in seconds."""

    reap_every_s: float = 1.0
    prune_every_s: float = 60.0
    prune_pause_s: float = 0.02  # between two slices, so that turns come in between
    gauges_every_s: float = 5.0
    seen_s: float = 72 * 3600.0  # how long update ids are remembered; at least 48 h
    dead_letters_s: float = 30 * 86_400.0  # how long a dead letter is kept after it was closed
    sessions_s: float = 30 * 86_400.0  # how long a session is kept after it ended or expired
    blobs_s: float = 30 * 86_400.0  # how long a file waits to be sent, dead letters included

    def __post_init__(self) -> None:
        if self.seen_s < SEEN_MIN_S:
            raise ConfigurationInvalid(
                f"[retention] seen_s is {self.seen_s:g}: update ids must be remembered at least "
                f"{SEEN_MIN_S:g} s (48 h), or Telegram's own retries would run twice"
            )
        for name in ("reap_every_s", "prune_every_s", "gauges_every_s"):
            if getattr(self, name) <= 0:
                raise ConfigurationInvalid(f"[retention] {name} is {getattr(self, name)}: give seconds above 0")


class Caretaker:
    """Reaps, prunes and reads gauges until it is stopped."""

    def __init__(
        self,
        upkeep: Upkeep,
        *,
        clock: Clock,
        metrics: Metrics,
        blobs: Blobs | None = None,
        settings: CaretakerSettings | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._upkeep = upkeep
        self._blobs = blobs
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or CaretakerSettings()
        self._chance = chance
        self._latest = Gauges()
        self._stopping = asyncio.Event()

    def latest(self) -> Gauges:
        """The newest reading of the gauges, for `Metrics.show_gauges`."""
        return self._latest

    async def run(self) -> None:
        """Take care until `stop`."""
        async with asyncio.TaskGroup() as rounds:
            rounds.create_task(self._every(self._settings.reap_every_s, self.reap))
            rounds.create_task(self._every(self._settings.prune_every_s, self.prune))
            rounds.create_task(self._every(self._settings.gauges_every_s, self.read_gauges))

    async def stop(self, deadline_s: float = 0.0) -> None:
        """Come no more. A round on its way is finished by `run`."""
        self._stopping.set()

    async def reap(self) -> None:
        """Free what dead processes and overdue leases hold."""
        reaped = await self._upkeep.reap()
        freed = {what: count for what in _REAPED if (count := getattr(reaped, what))}
        for what, count in freed.items():
            self._metrics.reaped.labels(what).inc(count)
        if freed:
            log.warning("leases.reaped", **freed)

    async def prune(self) -> None:
        """Forget old rows, slice by slice, and old blobs."""
        settings, rows = self._settings, 0
        while not self._stopping.is_set():
            slice_ = await self._upkeep.prune(
                seen_s=settings.seen_s, dead_letters_s=settings.dead_letters_s, sessions_s=settings.sessions_s
            )
            if not slice_:
                break
            rows += slice_
            await self._clock.sleep(settings.prune_pause_s)
        blobs = 0 if self._blobs is None else await self._blobs.prune(older_than_s=settings.blobs_s)
        if rows or blobs:
            log.info("rows.pruned", rows=rows, blobs=blobs)

    async def read_gauges(self) -> None:
        """Read the store's gauges into `latest`; a failed reading leaves the last one."""
        self._latest = await self._upkeep.gauges()

    async def _every(self, every_s: float, visit: Callable[[], Awaitable[None]]) -> None:
        name = getattr(visit, "__name__", "")
        while not self._stopping.is_set():
            try:
                await visit()
            except StoreUnavailable as error:
                log.warning("caretaker.postponed", what=name, error=str(error))
            except Exception:
                log.exception("caretaker.failed", what=name)
            await first_of(self._clock.sleep(every_s * (0.8 + 0.4 * self._chance())), self._stopping.wait())
