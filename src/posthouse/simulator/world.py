"""Everything that one simulator holds, wired in one place."""

from __future__ import annotations

import random
import time
from collections import deque
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat
from posthouse.simulator.clock import Clock
from posthouse.simulator.deliveries import DeliveryLog
from posthouse.simulator.faults import Faults
from posthouse.simulator.floods import PROFILES, Floods, Hit, Load, Profile, Window
from posthouse.simulator.journal import Bell, Journal
from posthouse.simulator.payments import Transaction
from posthouse.simulator.refusals import Refusal, too_many_requests
from posthouse.simulator.town import Town

CALLS_KEPT = 10_000
PAID_BALANCE_MIN = 10_000
"""Stars that a bot must have for paid broadcasts, where the profile asks."""
PAID_MESSAGES_PER_STAR = 10
CALM_S = 60.0
"""So long after its start the server does not count requests (facts, 8.2)."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One Bot API call as the log keeps it. `fault` is the id of the rule that fired on it."""

    seq: int
    time: float
    bot_id: int
    method: str
    via: str
    chat_id: int | None
    parameters: dict[str, object]
    ok: bool
    status: int
    result: object
    description: str | None
    fault: int | None


@dataclass(slots=True)
class CallLog:
    """The newest calls, in a ring."""

    seq: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    records: deque[CallRecord] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))

    def keep(self, record: CallRecord) -> None:
        self.seq = record.seq
        self.counts[record.method] = self.counts.get(record.method, 0) + 1
        self.records.append(record)


class World:
    """The town, the clock, and the rules of Telegram around them."""

    def __init__(
        self,
        clock: Clock,
        *,
        limits: Profile,
        strict_bots: bool,
        seed: int | None,
        strict_webhooks: bool = False,
    ) -> None:
        self.clock = clock
        self.profile = _checked_profile(limits)
        self.strict_bots = strict_bots
        self.strict_webhooks = strict_webhooks
        """setWebhook takes only what the public server takes: https, four ports, public addresses."""
        self.seed = seed
        self.started_at = clock.now()
        self.journal = Journal(clock)
        self.webhooks_bell = Bell()
        """Rings when some bot's webhook changed."""
        self.polls_bell = Bell()
        """Rings when there is another poll that ends on a date."""
        self.calls = CallLog()
        self.deliveries = DeliveryLog()
        self.loads: dict[int, Load] = {}
        self.in_flight: set[object] = set()
        """Deliveries that wait for a receiver's answer."""
        self.rest_bell = Bell()
        """Rings when the last of them has ended."""
        self.changes = 0
        """Counts changes that are neither in the journal nor a call: rules and settings."""
        self._fill()

    def _fill(self) -> None:
        self.floods = Floods()
        self.calls.records.clear()
        self.calls.counts.clear()
        self.deliveries.records.clear()
        self.new_tokens = (Window(20, 60), Window(600, 3600))
        self.town = Town(self.journal, random.Random(self.seed), strict=self.strict_bots)

    @property
    def faults(self) -> Faults:
        return self.town.faults

    @property
    def limits(self) -> bool:
        """Whether any limits are on."""
        return self.profile != "off"

    def settings(self) -> dict[str, Any]:
        return {
            "limits": self.profile,
            "strict_bots": self.strict_bots,
            "strict_webhooks": self.strict_webhooks,
        }

    def change_settings(self, *, limits: Profile, strict_bots: bool, strict_webhooks: bool) -> None:
        """Another profile begins with full budgets."""
        if limits != self.profile:
            self.profile = _checked_profile(limits)
            self.floods.forget()
        self.strict_bots = self.town.strict = strict_bots
        self.strict_webhooks = strict_webhooks
        self.changes += 1

    def reset(self) -> None:
        """Begin anew: nobody, no chats, no rules. Pollers and webhooks of the old town are let go."""
        old = self.town
        self._fill()
        self.journal.clear()
        self._let_go(old)

    def adopt(self, kept: dict[str, Any]) -> None:
        """Live in a kept town from now on; see `state.snapshots`. Logs begin anew, their numbering goes on."""
        old = self.town
        self.floods = kept["floods"]
        self.town = kept["town"]
        self.change_settings(**kept["settings"])
        self.journal.clear()
        self.journal.seq = max(self.journal.seq, kept["journal"]["seq"])
        self.journal.counts = kept["journal"]["counts"]
        self.calls.records.clear()
        self.calls.seq = max(self.calls.seq, kept["calls"]["seq"])
        self.calls.counts = kept["calls"]["counts"]
        self.deliveries.records.clear()
        self.deliveries.seq = max(self.deliveries.seq, kept["deliveries"])
        self.journal.record("town.restored", text=f"{len(self.town.bots)} bots, {len(self.town.people)} people")
        self._let_go(old)

    def _let_go(self, old: Town) -> None:
        self.changes += 1
        for bot in old.bots.values():
            bot.bell.ring()
        old.payments.bell.ring()
        self.webhooks_bell.ring()
        self.polls_bell.ring()

    # Limits.

    def pace(self, bot: Bot, chat: Chat, *, paid: bool = False) -> None:
        """Count one message against the limits, or raise Refusal 429 and explain it in the journal."""
        if self.profile == "off":
            return
        now = self.clock.now()
        if paid and self.profile == "strict" and bot.stars < PAID_BALANCE_MIN:
            paid = False
        hit = self.floods.spend(bot.id, chat.id, paid=paid, now=now, profile=self.profile)
        if hit is not None:
            self.refuse_flood(hit, chat.ref)
        if paid and not self.floods.spend_free(bot.id, now=now, profile=self.profile):
            self._charge_broadcast(bot)

    def _charge_broadcast(self, bot: Bot) -> None:
        """A tenth of a Star for a message beyond what is free; booked when ten of them make one."""
        bot.paid_messages += 1
        if bot.paid_messages % PAID_MESSAGES_PER_STAR == 0:
            payments = self.town.payments
            partner = {"type": "telegram_api", "request_count": PAID_MESSAGES_PER_STAR}
            payments.move_stars(Transaction(payments.new_id(), bot, None, -1, self.clock.now(), partner))

    def pace_light(self, bot: Bot) -> None:
        """Count one light call, where the profile does, or raise Refusal 429."""
        if self.profile != "strict":
            return
        hit = self.floods.spend_light(bot.id, now=self.clock.now())
        if hit is not None:
            self.refuse_flood(hit, None)

    def pace_token(self) -> None:
        """Count the first call of a token that nobody has seen, where the profile does, or raise Refusal 429."""
        if self.profile != "strict":
            return
        now = self.clock.now()
        for window in self.new_tokens:
            if (wait_s := window.wait_s(now)) > 0:
                words = f"one address may bring {window.count} new tokens in {window.length_s:.0f} s"
                self.refuse_flood(Hit(now, 0, None, int(wait_s) + 1, "new tokens", words), None)
        for window in self.new_tokens:
            window.spend(now)

    def refuse_flood(self, hit: Hit, chat_ref: str | None) -> None:
        """Say in the journal which limit was hit, and raise Refusal 429."""
        self.journal.record(
            "flood.hit",
            bot_id=hit.bot_id,
            chat=chat_ref,
            text=f"{hit.explanation}; retry after {hit.retry_after_s} s",
            budget=hit.budget,
            retry_after=hit.retry_after_s,
        )
        raise too_many_requests(hit.retry_after_s)

    def note_bug(
        self, error: Exception, method: str, *, bot_id: int | None = None, parameters: dict[str, object] | None = None
    ) -> Refusal:
        """Write down an exception that should not have happened, and return what the caller is told."""
        what = f"{type(error).__name__} in {method}: {error}"
        self.journal.record(
            "bug.found",
            bot_id=bot_id,
            text=what,
            method=method,
            parameters=parameters,
            traceback="".join(format_exception(error)),
        )
        return Refusal(500, f"Internal Server Error: bug in the simulator, {what}")

    def overload(self, bot: Bot, load: Load) -> str | None:
        """Why the server itself has too much of this bot, or None (facts, 8.2)."""
        now = self.clock.now()
        if self.profile == "on" and now - self.started_at < CALM_S:
            return None
        return load.too_much(bot.queue.per_minute(now)) if load.requests > 100 else None

    # Waiting.

    async def rest(self, within_s: float) -> None:
        """Wait until no delivery is in flight, at most for so many real seconds."""
        end = time.monotonic() + within_s
        while self.in_flight and (left_s := end - time.monotonic()) > 0:
            await self.rest_bell.wait(left_s)


def _checked_profile(limits: Profile) -> Profile:
    if limits not in PROFILES:
        raise ValueError(f"limits are {', '.join(PROFILES)}, not {limits!r}")
    return limits
