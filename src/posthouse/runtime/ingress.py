"""Ingress: an update is acknowledged when it is on disk, and not before.

    secret ──► limits ──► peek (id, kind, lane) ──► stored with everything that arrived meanwhile ──► 200
      403        429        400                       503 when the store is away or too much waits

It runs no code of a bot and builds no Telegram type. A refusal writes nothing; Telegram sends the update again.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from logging import DEBUG
from math import ceil

import structlog

from posthouse.core.entries import Incoming, trace_of
from posthouse.ports.clock import Clock
from posthouse.ports.store import Inbox
from posthouse.runtime.batches import Batches
from posthouse.runtime.bots import RunningBot
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.throttle import Rate, Throttle
from posthouse.telegram.peek import MalformedUpdate, peek, peek_person

log = structlog.get_logger("posthouse.ingress")


@dataclass(frozen=True, slots=True)
class IngressSettings:
    """What ingress takes and how much of it."""

    body_max_bytes: int = 1024 * 1024
    """A larger body is refused with 413; Telegram's updates have at most 512 KiB."""
    waiting_max: int = 4096
    """Updates that may wait for the disk; above it 503 tells Telegram to come back."""
    retry_after_s: int = 2
    """`Retry-After` of a 503: small, because Telegram drops a button press whose life ends before the wait."""
    per_user: Rate = field(default_factory=Rate)
    """Updates of one person (S2-15); off by default."""
    per_ip: Rate = field(default_factory=Rate)
    """Requests of one address (S2-15); off by default, as Telegram sends from few."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one request: an HTTP status and, when it is a wait, its seconds."""

    status: int
    retry_after_s: int | None = None


OK = Verdict(200)
FORBIDDEN = Verdict(403)
MALFORMED = Verdict(400)


class Endpoint:
    """One bot's way in."""

    def __init__(self, bot: RunningBot, metrics: Metrics) -> None:
        self.bot_id = bot.bot_id
        self.name = bot.name
        self.secret = bot.secret.encode()
        self.lane_by = bot.lane_by
        count = metrics.updates
        self.stored = count.labels(bot.name, "stored")
        self.duplicate = count.labels(bot.name, "duplicate")
        self.malformed = count.labels(bot.name, "malformed")
        self.forbidden = count.labels(bot.name, "forbidden")
        self.limited = count.labels(bot.name, "limited")
        self.unavailable = count.labels(bot.name, "unavailable")


class Ingress:
    """Takes updates in, from webhooks and pollers alike."""

    def __init__(
        self, inbox: Inbox, *, clock: Clock, metrics: Metrics, settings: IngressSettings, parallel: int = 1
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._metrics = metrics
        self.settings = settings
        self._batches: Batches[Incoming, bool] = Batches(self.store, parallel=parallel)
        self._per_user: Throttle[tuple[int, int]] = Throttle(settings.per_user)
        self._per_ip: Throttle[str] = Throttle(settings.per_ip)
        self.limits_addresses = self._per_ip.on
        self._limits_people = self._per_user.on
        self._unavailable = Verdict(503, settings.retry_after_s)
        self.closing = False
        self._tells = log.is_enabled_for(DEBUG)  # asked once: the road is told line by line only when somebody listens

    def admit(self, endpoint: Endpoint, secret: bytes, ip: str) -> Verdict | None:
        """Look at the request before its body is read: a verdict that refuses it, or None. Constant time (S1-8)."""
        if not hmac.compare_digest(secret, endpoint.secret):
            endpoint.forbidden.inc()
            return FORBIDDEN
        if self.closing or len(self._batches) >= self.settings.waiting_max:
            endpoint.unavailable.inc()
            return self._unavailable
        if self.limits_addresses:
            wait_s = self._per_ip.wait_s(ip, self._clock.monotonic())
            if wait_s:
                endpoint.limited.inc()
                return Verdict(429, max(1, ceil(wait_s)))
        return None

    def receive(self, endpoint: Endpoint, body: bytes, answer: Callable[[Verdict], None]) -> None:
        """Read what routing needs and queue the update for the disk; `answer` is called when that is decided."""
        incoming = self._read(endpoint, body)
        if isinstance(incoming, Verdict):
            answer(incoming)
            return

        def stored(new: bool | None, error: BaseException | None) -> None:
            if error is None:
                (endpoint.stored if new else endpoint.duplicate).inc()
                answer(OK)
            else:
                answer(self._refuse(endpoint, error))

        self._batches.put(incoming, stored)

    def _read(self, endpoint: Endpoint, body: bytes) -> Incoming | Verdict:
        try:
            incoming = peek(endpoint.bot_id, body, lane_by=endpoint.lane_by)
        except MalformedUpdate as error:
            endpoint.malformed.inc()
            log.warning("update.malformed", bot=endpoint.name, error=str(error)[:200])
            return MALFORMED
        if self._limits_people:
            person = peek_person(body)
            key = (incoming.bot_id, incoming.lane if person is None else person)
            wait_s = self._per_user.wait_s(key, self._clock.monotonic())
            if wait_s:
                endpoint.limited.inc()
                return Verdict(429, max(1, ceil(wait_s)))
        return incoming

    async def accept(self, endpoint: Endpoint, body: bytes) -> Verdict:
        """Store one update and say what to answer; returns after the disk has it."""
        answered: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        def answer(verdict: Verdict) -> None:
            if not answered.done():
                answered.set_result(verdict)

        self.receive(endpoint, body, answer)
        return await answered

    def _refuse(self, endpoint: Endpoint, error: BaseException) -> Verdict:
        endpoint.unavailable.inc()
        log.error("update.not_stored", bot=endpoint.name, error=str(error))
        return self._unavailable

    async def close(self) -> None:
        """Take nothing more, and wait until what was taken is on disk."""
        self.closing = True
        await self._batches.flush()

    async def store(self, batch: Sequence[Incoming]) -> list[bool]:
        """Store a batch, from webhooks or a poller; per update True, or False when it was known."""
        started = self._clock.monotonic()
        stored = await self._inbox.ingest(batch)
        self._metrics.ingest_seconds.observe(self._clock.monotonic() - started)
        self._metrics.ingest_batch.observe(len(batch))
        if self._tells:
            for update, new in zip(batch, stored, strict=True):
                log.debug(
                    "update.stored" if new else "update.known",
                    trace=trace_of(update.bot_id, update.update_id),
                    lane=update.lane,
                    kind=update.kind,
                )
        return stored
