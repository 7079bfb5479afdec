"""Everything that one simulator holds, wired in one place."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from traceback import format_exception

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat
from posthouse.simulator.clock import Clock
from posthouse.simulator.faults import FaultRule, Faults
from posthouse.simulator.floods import Floods
from posthouse.simulator.journal import Bell, Journal
from posthouse.simulator.refusals import Refusal, too_many_requests
from posthouse.simulator.town import Town

CALLS_KEPT = 10_000


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

    def __init__(self, clock: Clock, *, limits: bool, strict_bots: bool, seed: int | None) -> None:
        self.clock = clock
        self.limits = limits
        self.strict_bots = strict_bots
        self.seed = seed
        self.journal = Journal(clock)
        self.webhooks_bell = Bell()
        """Rings when some bot's webhook changed."""
        self.polls_bell = Bell()
        """Rings when there is another poll that ends on a date."""
        self._fill()

    def _fill(self) -> None:
        self.faults = Faults()
        self.floods = Floods()
        self.calls = CallLog()
        self.town = Town(self.journal, random.Random(self.seed), strict=self.strict_bots)

    def reset(self) -> None:
        """Begin anew: nobody, no chats, no rules. Pollers and webhooks of the old town are let go."""
        old = self.town
        self._fill()
        self.journal.clear()
        for bot in old.bots.values():
            bot.bell.ring()
        old.payments.bell.ring()
        self.webhooks_bell.ring()
        self.polls_bell.ring()

    def pace(self, bot: Bot, chat: Chat, *, paid: bool = False) -> None:
        """Count one message against the limits, or raise Refusal 429 and explain it in the journal."""
        if not self.limits:
            return
        hit = self.floods.spend(bot.id, chat.id, paid=paid, now=self.clock.now())
        if hit is None:
            return
        self.journal.record(
            "flood.hit",
            bot_id=bot.id,
            chat=chat.ref,
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

    def note_fault(self, rule: FaultRule, *, bot_id: int, chat_id: int | None, method: str) -> None:
        self.journal.record(
            "fault.fired",
            bot_id=bot_id,
            chat=None if chat_id is None else str(chat_id),
            text=f"{rule.kind} on {method} (rule {rule.id})",
            rule=rule.id,
            fault=rule.kind,
            method=method,
        )
