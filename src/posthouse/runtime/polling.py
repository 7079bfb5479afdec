"""Polling: getUpdates for one bot, for whoever has no public address.

    getUpdates(offset) ─► peek each item ─► ingest (commit) ─► offset moves ─► getUpdates(offset) …

The confirming call is the next call: Telegram forgets everything below `offset` at once. So the offset moves
only after the commit; a crash in between brings the same updates again, and the inbox knows them. One call at
a time: a second one would end the first with a 409.

An item that is not an update is counted, logged and skipped, and the offset moves past it alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from posthouse.core.entries import Incoming
from posthouse.core.errors import Refused, StoreUnavailable, Unreachable
from posthouse.core.retry import RetryPolicy
from posthouse.ports.clock import Clock
from posthouse.ports.telegram import TelegramGateway
from posthouse.runtime.metrics import Metrics
from posthouse.telegram.methods import Reaction, reaction_to
from posthouse.telegram.peek import LaneBy, MalformedUpdate, peek

log = structlog.get_logger("posthouse.polling")

Ingest = Callable[[Sequence[Incoming]], Awaitable[list[bool]]]

_PATIENT = RetryPolicy(base_s=1.0, cap_s=60.0)
_MENDS = {
    "webhook": 'a webhook is set for this bot, and Telegram then refuses polling. Set mode = "webhook", or '
    "delete the webhook (a restart of Posthouse in polling mode does) and stop whoever sets it again",
    "poller": "another program polls with this token, and each ends the other's calls. Stop the other one, "
    "or use a bot of its own for each",
    "setting": "somebody set a webhook for this bot while it was being polled. If that is another "
    "deployment, give it a bot of its own",
    "unknown": "another program uses this bot's token. Stop it, or use a bot of its own for each",
}


@dataclass(frozen=True, slots=True)
class PollerSettings:
    """How a bot is polled. Times in seconds."""

    timeout_s: int = 25  # how long Telegram holds an empty call open; 50 at most
    limit: int = 100
    allowed_updates: tuple[str, ...] | None = None  # None leaves Telegram's setting as it is
    lane_by: LaneBy = "chat"
    answer_margin_s: float = 15.0  # a call is lost when it is not answered so long after `timeout_s`
    conflict_s: float = 10.0
    retry_after_s: float = 5.0
    retry: RetryPolicy = _PATIENT


def conflict_of(description: str) -> str:
    """Which of the conflicts a 409 is about: webhook, poller, setting or unknown."""
    text = description.lower()
    if "webhook is active" in text:
        return "webhook"
    if "other getupdates" in text:
        return "poller"
    if "setwebhook" in text:
        return "setting"
    return "unknown"


class Poller:
    """Polls one bot until `stop`, or until Telegram refuses its token (then `refused` is True)."""

    def __init__(
        self,
        bot_id: int,
        name: str,
        token: str,
        gateway: TelegramGateway,
        ingest: Ingest,
        clock: Clock,
        metrics: Metrics,
        settings: PollerSettings | None = None,
    ) -> None:
        self._bot_id = bot_id
        self._name = name
        self._token = token
        self._gateway = gateway
        self._ingest = ingest
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or PollerSettings()
        self._offset = 0
        self._failures = 0
        self._stopping = asyncio.Event()
        self.refused = False

    @property
    def offset(self) -> int:
        """Everything below it is committed; 0 before the first update."""
        return self._offset

    async def run(self) -> None:
        """Poll, commit, move on; after a failure again from the same offset, ever more patiently."""
        while not self._stopping.is_set() and not self.refused:
            try:
                items = await self._unless_stopped(self._get_updates())
                if items:
                    await self._take(items)
                if self._failures and items is not None:
                    log.info("polling.recovered", bot=self._name, failures=self._failures)
                    self._failures = 0
            except (Refused, Unreachable, StoreUnavailable) as error:
                delay_s = self._delay_after(error)
                if not self.refused:
                    await self._unless_stopped(self._clock.sleep(delay_s))

    def stop(self) -> None:
        """Poll no more. A call that waits at Telegram is given up: it confirmed only what was committed."""
        self._stopping.set()

    async def _get_updates(self) -> list[Any]:
        wanted: dict[str, Any] = {"timeout": self._settings.timeout_s, "limit": self._settings.limit}
        if self._offset:
            wanted["offset"] = self._offset
        if self._settings.allowed_updates is not None:
            wanted["allowed_updates"] = self._settings.allowed_updates
        items = await self._gateway.call(
            self._token,
            "getUpdates",
            msgspec.json.encode(wanted),
            timeout_s=self._settings.timeout_s + self._settings.answer_margin_s,
        )
        if not isinstance(items, list):
            raise Unreachable("getUpdates", "the result is not a list of updates", sent=True)
        return items

    async def _take(self, items: list[Any]) -> None:
        """Commit the updates, and only then let the offset pass them."""
        batch, offset = self._read(items)
        if offset == self._offset and not batch:
            raise Unreachable("getUpdates", f"{len(items)} items, and not one is an update", sent=True)
        if batch:
            stored = await self._ingest(batch)
            new = stored.count(True)
            self._metrics.updates.labels(self._name, "stored").inc(new)
            self._metrics.updates.labels(self._name, "duplicate").inc(len(stored) - new)
        self._offset = offset

    def _read(self, items: list[Any]) -> tuple[list[Incoming], int]:
        """The updates among the items, and the offset behind the last item.

        Behind the *last*, not the largest: after an idle week Telegram may begin again at a lower number.
        """
        batch: list[Incoming] = []
        offset = self._offset
        for item in items:
            body = raw_update(item)
            try:
                incoming = peek(self._bot_id, body, lane_by=self._settings.lane_by)
            except MalformedUpdate as error:
                offset = _offset_behind(body, offset)
                self._metrics.updates.labels(self._name, "malformed").inc()
                log.error(
                    "update.malformed",
                    bot=self._name,
                    error=str(error),
                    size_bytes=len(body),
                    skipped_to=offset,
                )
            else:
                batch.append(incoming)
                offset = incoming.update_id + 1
        return batch, offset

    def _delay_after(self, error: Refused | Unreachable | StoreUnavailable) -> float:
        """Log the failure with its mend and say how long to wait."""
        self._failures += 1
        delay_s = self._settings.retry.delay_s(self._failures)
        if isinstance(error, StoreUnavailable):
            log.error("polling.not_stored", bot=self._name, error=str(error), delay_s=delay_s)
            return delay_s
        code = error.code if isinstance(error, Refused) else 0
        self._metrics.polling_errors.labels(self._name, str(code or "unreachable")).inc()
        if isinstance(error, Unreachable):
            log.warning("polling.unreachable", bot=self._name, error=str(error), delay_s=delay_s)
            return delay_s
        reaction = reaction_to(error)
        if reaction is Reaction.BOT_GONE:
            self.refused = True
            log.critical(
                "polling.stopped",
                bot=self._name,
                error=f"{code} {error.description}",
                mend="Telegram does not accept this bot's token: put the right one into the environment and "
                "restart. Its updates wait at Telegram for up to 24 hours.",
            )
            return 0.0
        if reaction is Reaction.WAIT:
            delay_s = self._settings.retry_after_s if error.retry_after_s is None else error.retry_after_s
        mend = ""
        if code == 409:
            mend = _MENDS[conflict_of(error.description)]
            delay_s = max(delay_s, self._settings.conflict_s)
        log.error("polling.refused", bot=self._name, error=f"{code} {error.description}", mend=mend, delay_s=delay_s)
        return delay_s

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, Any]) -> Any:
        """The result of `waiting`, or None when the stop came first."""
        task, stop = asyncio.ensure_future(waiting), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stop.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)


def raw_update(item: Any) -> bytes:
    """The bytes of one item of a result: as they came when the gateway kept them, else encoded again."""
    return bytes(item) if isinstance(item, msgspec.Raw | bytes) else msgspec.json.encode(item)


def _offset_behind(body: bytes, offset: int) -> int:
    """The offset that skips this item alone: behind its own number when it has one, else one further."""
    try:
        update_id = msgspec.json.decode(body, type=dict[str, Any])["update_id"]
        return int(update_id) + 1
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, UnicodeDecodeError):
        return offset + 1 if offset else 0
