"""The sender, the one road out: empties the outbox into the Bot API, and settles by what came of each call.

    claim ─► before_sending ─► resolve ─► call ─► decide ─► settle
    (free      (crashed           (payloads)      (pure: the      (whatever finished while
     slots)     mid-send?)                         table below)     the last settle ran)

| what came of it | what becomes of the delivery |
|---|---|
| answered ok, or the wanted state already holds | sent; the chat rests for its pace |
| 429 | again after `retry_after`, not an attempt; closes the chat, or the bot when it hits several chats |
| the chat has a new id | again at once, in the new chat |
| the query is too old | dropped: nobody waits for the answer any more |
| blocked, kicked, deactivated, not found | dead letter with that reason |
| the token is refused | again later, not an attempt; the bot is paused and an operator called |
| the message to edit is gone | its `or_send` is sent in its place; without one it is a wrong call |
| the call itself is wrong | dead letter `refused` |
| not sent at all | again with back-off, not an attempt; the sender probes until Telegram answers |
| 5xx, time-out, reset: unknown | its policy: resend up to the attempts, drop, or park as `uncertain` |

Whoever dies here leaves deliveries whose attempt is recorded and whose end is not: `claim` brings them back
with `unknown` set, and the policy decides before anything is sent. Why: docs/decisions/0006-sender.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import structlog

from posthouse.core.effects import Priority, WhenUncertain
from posthouse.core.errors import Refused, StoreUnavailable, Unreachable
from posthouse.core.leases import DeliveryLease, DeliverySettlement
from posthouse.core.retry import RetryPolicy
from posthouse.ports.clock import Clock
from posthouse.ports.store import BotLimits, Outbox
from posthouse.ports.telegram import TelegramGateway
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.payloads import (
    SUPERGROUP_MAX,
    OrSend,
    follow_migration,
    handle_in,
    message_id_in,
    rewrite_handle,
    without_or_send,
)
from posthouse.telegram.methods import (
    Reaction,
    gone_reason,
    is_idempotent,
    is_message_gone,
    is_paced,
    reaction_to,
)

log = structlog.get_logger("posthouse.sender")

_NOT_SENT_S = 1.0
_PATIENT = RetryPolicy(attempts_max=8, base_s=1.0, factor=3.0, cap_s=600.0)  # a quarter of an hour in all
_PROBING = RetryPolicy(base_s=0.5, cap_s=15.0)


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """How much the sender does at once, and how patient it is. All times in seconds."""

    concurrency: int = 512  # calls in flight, and deliveries leased at a time: 3,000/s at 100 ms a call take 300
    call_timeout_s: float = 25.0  # one Bot API call; must be less than a delivery stays leased
    stop_s: float = 20.0  # how long a stop waits for calls in flight
    retry: RetryPolicy = _PATIENT  # after an unknown outcome
    probe: RetryPolicy = _PROBING  # while Telegram or the store cannot be reached
    retry_after_s: float = 5.0  # for a 429 that names no time
    bot_gone_pause_s: float = 300.0  # how long a bot rests whose token is refused
    flood_chats: int = 3  # a 429 in so many chats of a bot …
    flood_window_s: float = 2.0  # … within this time closes the bot


class SendingBot(NamedTuple):
    """What the sender needs of a bot."""

    name: str
    token: str
    limits: BotLimits = BotLimits()

    def __repr__(self) -> str:  # a token is never printed
        return f"SendingBot({self.name!r})"


# Decisions: pure.


def before_sending(lease: DeliveryLease, settings: SenderSettings) -> DeliverySettlement | None:
    """Settle what must not be sent (again); None means send it.

    `unknown` says that an earlier attempt began and nobody saw its end: a crash in the middle of a send.
    """
    if not lease.unknown:
        return None
    if lease.attempts > settings.retry.attempts_max:
        return _dead(lease, "exhausted", f"{lease.attempts - 1} attempts ended without a known outcome")
    if is_idempotent(lease.method) or lease.when_uncertain == WhenUncertain.RESEND:
        return None
    if lease.when_uncertain == WhenUncertain.DROP:
        return DeliverySettlement(lease)
    return _dead(lease, "uncertain", "an earlier attempt may have arrived; replaying it may send it twice")


def decide(
    lease: DeliveryLease,
    result: Any,
    settings: SenderSettings,
    *,
    pace_s: float = 0.0,
    chance: float | None = None,
) -> DeliverySettlement:
    """The end of a delivery whose call returned `result`, or raised it (`Refused`, `Unreachable`)."""
    if isinstance(result, Refused):
        return _decide_refused(lease, result, settings, pace_s, chance)
    if isinstance(result, Unreachable):
        if result.sent:
            return _decide_unknown(lease, str(result), settings, chance)
        return _again(lease, settings.retry.delay_s(1, chance=chance), error=str(result))
    return DeliverySettlement(lease, sent=True, message_id=_message_id(lease, result), pace_s=pace_s)


def _decide_refused(
    lease: DeliveryLease, refusal: Refused, settings: SenderSettings, pace_s: float, chance: float | None
) -> DeliverySettlement:
    error = f"{refusal.code} {refusal.description}"
    match reaction_to(refusal):
        case Reaction.WAIT:
            return _again(lease, _wait_s(refusal, settings), error=error)
        case Reaction.SUCCESS:
            return DeliverySettlement(lease, sent=True, pace_s=pace_s)
        case Reaction.MIGRATE if lease.attempts < settings.retry.attempts_max:
            return _again(lease, 0.0, error=error, counted=True, migrated_to=refusal.migrate_to_chat_id)
        case Reaction.DROP:
            return DeliverySettlement(lease, error=error)
        case Reaction.CHAT_GONE:
            return _dead(lease, gone_reason(refusal) or "forbidden", error)
        case Reaction.BOT_GONE:
            return _again(lease, settings.bot_gone_pause_s, error=error)
        case Reaction.AGAIN:
            return _decide_unknown(lease, error, settings, chance)
        case _:
            return _dead(lease, "refused", error)


def _decide_unknown(
    lease: DeliveryLease, error: str, settings: SenderSettings, chance: float | None
) -> DeliverySettlement:
    """The attempt may have arrived: only what is harmless twice, or was declared so, is sent again."""
    if is_idempotent(lease.method) or lease.when_uncertain == WhenUncertain.RESEND:
        if settings.retry.exhausted(lease.attempts):
            return _dead(lease, "exhausted", error)
        delay_s = settings.retry.delay_s(lease.attempts, chance=chance)
        return DeliverySettlement(lease, delay_s=delay_s, unknown=True, error=error)
    if lease.when_uncertain == WhenUncertain.DROP:
        return DeliverySettlement(lease, error=error)
    return _dead(lease, "uncertain", error)


def _again(
    lease: DeliveryLease,
    delay_s: float,
    *,
    error: str = "",
    counted: bool = False,
    migrated_to: int | None = None,
) -> DeliverySettlement:
    """Surely not sent now; what an earlier attempt left unknown stays unknown."""
    return DeliverySettlement(
        lease,
        delay_s=delay_s,
        counted=counted,
        unknown=lease.unknown,
        error=error,
        migrated_to=migrated_to,
    )


def _dead(lease: DeliveryLease, reason: str, error: str) -> DeliverySettlement:
    return DeliverySettlement(lease, reason=reason, error=error)


def _wait_s(refusal: Refused, settings: SenderSettings) -> float:
    return settings.retry_after_s if refusal.retry_after_s is None else refusal.retry_after_s


def _message_id(lease: DeliveryLease, result: Any) -> int | None:
    """The id of the message that was sent, when a handle waits for it; an album is known by its first."""
    if lease.handle is None:
        return None
    message = result[0] if isinstance(result, list) and result else result
    message_id = message.get("message_id") if isinstance(message, dict) else None
    return message_id if isinstance(message_id, int) else None


# Memory of the last moments: no I/O either, but with time.


class ChatPace:
    """How long a chat rests after a message: not at all while its burst lasts, then the pace of its budget.

    One number per chat, the moment at which its budget is whole again (GCRA). For groups the burst is taken
    from the published amount of a minute, so that no minute has more. Each process has its own memory.
    """

    _FORGET_AT = 10_000

    def __init__(self) -> None:
        self._whole_at: dict[tuple[int, int], float] = {}

    def rest_s(self, lease: DeliveryLease, limits: BotLimits, now: float, *, messages: int = 1) -> float:
        if lease.priority == Priority.ANSWER or not is_paced(lease.method):
            return 0.0
        pace_s, burst = _pace(lease.chat, limits)
        if pace_s <= 0:
            return 0.0
        chat = (lease.bot_id, lease.chat)
        whole_at = max(self._whole_at.get(chat, now), now) + pace_s * messages
        self._whole_at[chat] = whole_at
        if len(self._whole_at) > self._FORGET_AT:
            self._whole_at = {key: at for key, at in self._whole_at.items() if at > now}
        return max(0.0, whole_at - pace_s * (burst - 1) - now)


def _pace(chat: int, limits: BotLimits) -> tuple[float, int]:
    """Seconds per message and burst of a chat; 0 seconds when it has no limit."""
    if chat >= 0:
        return (1 / limits.chat_per_s if limits.chat_per_s > 0 else 0.0), max(1, limits.chat_burst)
    if limits.group_per_min <= 0:
        return 0.0, 1
    burst = max(1, min(limits.group_burst, int(limits.group_per_min / 2)))
    return 60 / (limits.group_per_min - (burst - 1)), burst


class FloodWatch:
    """Tells a flood of one chat from a flood of the whole bot, by how many chats are refused together."""

    def __init__(self, settings: SenderSettings) -> None:
        self._settings = settings
        self._refused_at: dict[int, dict[int, float]] = {}

    def is_of_bot(self, lease: DeliveryLease, now: float) -> bool:
        """Note a 429 and say whether it closes the bot: no chat in the call, or several chats at once."""
        if b'"chat_id"' not in lease.payload:
            return True
        chats = self._refused_at.setdefault(lease.bot_id, {})
        chats[lease.chat] = now
        recent = {chat: at for chat, at in chats.items() if at > now - self._settings.flood_window_s}
        self._refused_at[lease.bot_id] = recent
        return len(recent) >= self._settings.flood_chats


@dataclass(slots=True)
class Outage:
    """Whether Telegram can be reached at all. While not, one call at a time is tried, ever more rarely."""

    policy: RetryPolicy
    failures: int = 0
    until: float = 0.0

    def note(self, result: Any, now: float) -> None:
        if not isinstance(result, Unreachable):
            self.failures = 0
            self.until = 0.0
        elif not result.sent and now >= self.until:  # the calls that fail together count once
            self.failures += 1
            self.until = now + self.policy.delay_s(self.failures)


# Acts.


@dataclass(slots=True)
class _Flight:
    """What is leased and not settled yet."""

    sending: set[asyncio.Task[None]] = field(default_factory=set)
    finished: list[DeliverySettlement] = field(default_factory=list)
    unsettled: int = 0


class Sender:
    """Sends what the outbox hands out until `stop`. One per process; processes share the outbox."""

    def __init__(
        self,
        outbox: Outbox,
        gateway: TelegramGateway,
        bots: Mapping[int, SendingBot],
        clock: Clock,
        metrics: Metrics,
        settings: SenderSettings | None = None,
    ) -> None:
        self._outbox = outbox
        self._gateway = gateway
        self._bots = bots
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or SenderSettings()
        self._pace = ChatPace()
        self._floods = FloodWatch(self._settings)
        self._outage = Outage(self._settings.probe)
        self._closed_until: dict[int, float] = {}
        self._flight = _Flight()
        self._log = log.bind()  # once: the lazy logger would set itself up for every line
        self._stopping = asyncio.Event()
        self._something_finished = asyncio.Event()
        self._slot_freed = asyncio.Event()

    async def run(self) -> None:
        """Claim, send and settle until `stop`; then finish what is in flight, within `stop_s`."""
        try:
            async with asyncio.TaskGroup() as group:
                settling = group.create_task(self._settle_finished(), name="sender settles")
                await self._claim_until_stopped()
                await self._land()
                settling.cancel()
        finally:
            for task in self._flight.sending:
                task.cancel()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is in flight has ended."""
        self._stopping.set()

    # Claim.

    async def _claim_until_stopped(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            free = self._settings.concurrency - self._flight.unsettled
            probing = self._outage.failures > 0
            if free <= 0 or (probing and self._flight.unsettled):
                self._slot_freed.clear()
                await self._unless_stopped(self._slot_freed.wait())
                continue
            if probing:
                await self._rest(self._outage.until - self._clock.monotonic())
                free = 1
            try:
                leases = await self._outbox.claim(free)
                failures = 0
                if not leases:
                    await self._unless_stopped(self._outbox.ready())
            except StoreUnavailable as error:
                failures += 1
                self._log.warning("outbox.unavailable", error=str(error), failures=failures)
                await self._rest(self._settings.probe.delay_s(failures))
                continue
            self._flight.unsettled += len(leases)
            for lease in leases:
                self._start(lease)

    def _start(self, lease: DeliveryLease) -> None:
        if self._stopping.is_set():  # claimed while the stop came: give it back untouched
            self._finish(_again(lease, 0.0))
            return
        settlement = before_sending(lease, self._settings)
        if settlement is not None:
            self._record(settlement, "uncertain")
            self._finish(settlement)
            return
        task = asyncio.create_task(self._send(lease))
        self._flight.sending.add(task)
        task.add_done_callback(self._flight.sending.discard)

    async def _rest(self, delay_s: float) -> None:
        await self._unless_stopped(self._clock.sleep(max(0.0, delay_s)))

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, Any]) -> None:
        """Wait for this or for the stop, whichever comes first."""
        tasks = (asyncio.ensure_future(waiting), asyncio.ensure_future(self._stopping.wait()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # Send.

    async def _send(self, lease: DeliveryLease) -> None:
        """One delivery from its lease to its settlement; whatever happens, it ends in exactly one."""
        try:
            settlement = await self._attempt(lease)
        except asyncio.CancelledError:  # the stop waited long enough; the bytes may be out
            settlement = self._end(lease, Unreachable(lease.method, "stopped while sending", sent=True))
        except StoreUnavailable as error:  # before the call: nothing was sent
            settlement = _again(lease, _NOT_SENT_S, error=str(error))
        self._finish(settlement)

    async def _attempt(self, lease: DeliveryLease) -> DeliverySettlement:
        bot = self._bots.get(lease.bot_id)
        if bot is None:
            return await self._postpone_stranger(lease)
        payload, or_send = without_or_send(lease.payload)
        handle = handle_in(payload)
        if handle is not None:
            message_id = await self._outbox.message_id(lease.bot_id, lease.chat, handle)
            if message_id is None:
                if or_send is None:
                    return self._bury_unknown_handle(lease, handle)
                return await self._send_anew(bot, lease, or_send, handle)
            payload = rewrite_handle(payload, message_id)
        result = await self._call(bot, lease, payload)
        if or_send is not None and isinstance(result, Refused) and is_message_gone(result):
            return await self._edit_newer_or_send(bot, lease, payload, or_send, handle)
        return self._end(lease, result)

    async def _edit_newer_or_send(
        self, bot: SendingBot, lease: DeliveryLease, payload: bytes, or_send: OrSend, handle: str | None
    ) -> DeliverySettlement:
        """The message of an edit is gone (C0-6). A message that was sent in its place before is edited instead."""
        if handle is not None:
            return await self._send_anew(bot, lease, or_send, handle)
        alias = f"instead:{message_id_in(payload)}"
        newer = await self._outbox.message_id(lease.bot_id, lease.chat, alias)
        if newer is not None:
            result = await self._call(bot, lease, rewrite_handle(payload, newer))
            if not (isinstance(result, Refused) and is_message_gone(result)):
                return self._end(lease, result)
        return await self._send_anew(bot, lease, or_send, alias)

    async def _send_anew(
        self, bot: SendingBot, lease: DeliveryLease, or_send: OrSend, handle: str
    ) -> DeliverySettlement:
        """Send what an edit would have shown; later edits find the message under the same name."""
        sending = msgspec.structs.replace(lease, method=or_send.method, handle=handle)
        settlement = self._end(sending, await self._call(bot, sending, bytes(or_send.parameters)))
        if not settlement.sent:
            settlement.lease = lease  # it is the edit that is tried again, or buried
        return settlement

    async def _call(self, bot: SendingBot, lease: DeliveryLease, payload: bytes) -> Any:
        """What Telegram returned, or why it did not; the bot is closed when that is about all of it."""
        if lease.chat <= SUPERGROUP_MAX:
            payload = follow_migration(lease.chat, payload)
        result = await self._ask(bot, lease, payload)
        self._outage.note(result, self._clock.monotonic())
        if isinstance(result, Refused):
            await self._close_after(lease, result)
        return result

    async def _ask(self, bot: SendingBot, lease: DeliveryLease, payload: bytes) -> Any:
        started = self._clock.monotonic()
        result: Any
        try:
            result = await self._gateway.call(bot.token, lease.method, payload, timeout_s=self._settings.call_timeout_s)
        except (Refused, Unreachable) as error:
            result = error
        except Exception as error:  # a fault of ours: what has left is not known
            words = f"{type(error).__name__}: {error}".replace(bot.token, "<token>")
            self._log.error("delivery.faulted", error=words, **self._fields(lease))
            result = Unreachable(lease.method, words, sent=True)
        self._metrics.delivery_seconds.labels(lease.method).observe(self._clock.monotonic() - started)
        return result

    async def _close_after(self, lease: DeliveryLease, refusal: Refused) -> None:
        """Close the bot when the refusal is about all of it."""
        reaction = reaction_to(refusal)
        name = self._name(lease)
        if reaction is Reaction.WAIT:
            wide = self._floods.is_of_bot(lease, self._clock.monotonic())
            self._metrics.throttled.labels(name, "bot" if wide else "chat").inc()
            if wide:
                await self._close_bot(lease.bot_id, _wait_s(refusal, self._settings))
        elif reaction is Reaction.BOT_GONE:
            self._log.critical(
                "bot.refused",
                bot=name,
                error=f"{refusal.code} {refusal.description}",
                mend="Telegram does not accept this bot's token: put the right one into the environment and "
                "restart. Its messages wait in the outbox until then.",
            )
            await self._close_bot(lease.bot_id, self._settings.bot_gone_pause_s)

    async def _close_bot(self, bot_id: int, delay_s: float) -> None:
        """Pause the bot in the outbox, once for all the calls that were refused together."""
        until = self._clock.monotonic() + delay_s
        if until <= self._closed_until.get(bot_id, 0.0) + 0.5:
            return
        self._closed_until[bot_id] = until
        try:
            await self._outbox.pause(bot_id, None, delay_s)
        except StoreUnavailable as error:
            self._closed_until.pop(bot_id, None)
            self._log.warning("outbox.unavailable", error=str(error), bot=bot_id)

    async def _postpone_stranger(self, lease: DeliveryLease) -> DeliverySettlement:
        """A delivery of a bot that this process was not given: it waits for one that was."""
        self._log.error("delivery.unknown_bot", mend="add the bot to posthouse.toml", **self._fields(lease))
        await self._close_bot(lease.bot_id, self._settings.bot_gone_pause_s)
        return _again(lease, self._settings.bot_gone_pause_s, error="this bot is not configured here")

    def _bury_unknown_handle(self, lease: DeliveryLease, handle: str) -> DeliverySettlement:
        error = f"no message was sent under the handle {handle!r} in chat {lease.chat}, so it cannot be changed"
        settlement = _dead(lease, "handle_unknown", error)
        self._record(settlement, "refused")
        return settlement

    def _end(self, lease: DeliveryLease, result: Any) -> DeliverySettlement:
        """Decide, and put the decision into log and metrics."""
        pace_s = 0.0
        if not isinstance(result, Refused | Unreachable):
            messages = len(result) or 1 if isinstance(result, list) else 1
            limits = self._bots[lease.bot_id].limits
            pace_s = self._pace.rest_s(lease, limits, self._clock.monotonic(), messages=messages)
        settlement = decide(lease, result, self._settings, pace_s=pace_s)
        if settlement.sent:
            self._metrics.deliveries.labels(self._name(lease), "sent").inc()
            self._log.debug("delivery.sent", **self._fields(lease))
        elif isinstance(result, Unreachable):
            self._record(settlement, "uncertain" if result.sent else "unreached")
        else:
            self._record(settlement, "uncertain" if settlement.unknown else "refused")
        return settlement

    def _record(self, settlement: DeliverySettlement, what: str) -> None:
        """Log and count a delivery that was not sent."""
        lease = settlement.lease
        fields = self._fields(lease) | {"error": settlement.error, "delay_s": settlement.delay_s}
        if settlement.reason is not None:
            outcome = "dead"
            self._log.warning("delivery.parked", reason=settlement.reason, **fields)
            self._metrics.dead_letters.labels(self._name(lease), "delivery", settlement.reason).inc()
        else:
            outcome = "dropped" if settlement.delay_s is None else what
            self._log.warning(f"delivery.{what}", dropped=settlement.delay_s is None, **fields)
        self._metrics.deliveries.labels(self._name(lease), outcome).inc()

    def _name(self, lease: DeliveryLease) -> str:
        bot = self._bots.get(lease.bot_id)
        return bot.name if bot is not None else str(lease.bot_id)

    def _fields(self, lease: DeliveryLease) -> dict[str, Any]:
        return {
            "trace": lease.trace,
            "bot": self._name(lease),
            "method": lease.method,
            "attempts": lease.attempts,
        }

    # Settle.

    def _finish(self, settlement: DeliverySettlement) -> None:
        self._flight.finished.append(settlement)
        self._something_finished.set()

    async def _settle_finished(self) -> None:
        """Settle for ever: a batch is whatever finished while the last batch was being settled."""
        while True:
            await self._something_finished.wait()
            self._something_finished.clear()
            batch, self._flight.finished = self._flight.finished, []
            await self._settle(batch)
            self._flight.unsettled -= len(batch)
            self._slot_freed.set()

    async def _settle(self, batch: list[DeliverySettlement]) -> None:
        """Settle a batch, however long the store is away: what has been sent must not be sent again."""
        failures = 0
        while True:
            try:
                kept = await self._outbox.settle(batch)
                break
            except StoreUnavailable as error:
                failures += 1
                self._log.error("outbox.unavailable", error=str(error), unsettled=len(batch), failures=failures)
                await self._clock.sleep(self._settings.probe.delay_s(failures))
        lost = kept.count(False)
        if lost:
            self._metrics.fenced.labels("delivery").inc(lost)
            self._log.warning("delivery.fenced", count=lost)

    async def _land(self) -> None:
        """Let what is in flight end; what takes too long ends with an unknown outcome."""
        deadline = asyncio.ensure_future(self._clock.sleep(self._settings.stop_s))
        try:
            await self._wait_for_sends(deadline)
            for task in self._flight.sending:
                task.cancel()
            if self._flight.sending:
                await asyncio.wait(self._flight.sending)
            await self._wait_for_settlements(deadline)
        finally:
            deadline.cancel()
            await asyncio.gather(deadline, return_exceptions=True)

    async def _wait_for_sends(self, deadline: asyncio.Future[None]) -> None:
        while self._flight.sending and not deadline.done():
            waiting: set[asyncio.Future[None]] = {*self._flight.sending, deadline}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    async def _wait_for_settlements(self, deadline: asyncio.Future[None]) -> None:
        while self._flight.unsettled and not deadline.done():
            self._slot_freed.clear()
            freed = asyncio.create_task(self._slot_freed.wait())
            waiting: set[asyncio.Future[Any]] = {freed, deadline}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            freed.cancel()
        if self._flight.unsettled:
            self._log.error(
                "outbox.unsettled",
                count=self._flight.unsettled,
                mend="the store did not answer in time; these come back with an unknown outcome",
            )
