"""How fast a bot may send, and what it is told when it is faster.

| budget | amount | refilled |
|---|---|---|
| bot | 30 messages | 30 a second (1,000 with `allow_paid_broadcast`) |
| private chat | a burst of 4 | 1 a second |
| group | 20 in any 60 seconds | |

Telegram publishes only the rates (facts, section 8); bursts and the growth of `retry_after` are ours
[inferred]. A refusal closes its budget until `retry_after` is over, and a call that ignores it makes the
wait a second longer. Answers to callback, inline and checkout queries and chat actions are not counted.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

IN_FLIGHT_GRACE_S = 0.5
"""Calls this soon after a refusal were under way already and do not count as ignoring it."""
PENALTY_MAX_S = 60


class Budget(Protocol):
    """Something that runs out and comes back with time."""

    def wait_s(self, now: float) -> float:
        """Seconds until one more fits; 0 when it fits now."""

    def spend(self, now: float) -> None: ...


@dataclass(slots=True)
class Bucket:
    """So many at once, refilled steadily."""

    per_s: float
    burst: float
    left: float = 0.0
    filled_at: float = -math.inf

    def wait_s(self, now: float) -> float:
        if self.filled_at == -math.inf:
            self.left = self.burst
        else:
            self.left = min(self.burst, self.left + (now - self.filled_at) * self.per_s)
        self.filled_at = now
        return 0.0 if self.left >= 1 - 1e-9 else (1 - self.left) / self.per_s

    def spend(self, now: float) -> None:
        self.left -= 1


@dataclass(slots=True)
class Window:
    """So many in any stretch of that length."""

    count: int
    length_s: float
    spent: deque[float] = field(default_factory=deque)

    def wait_s(self, now: float) -> float:
        while self.spent and self.spent[0] <= now - self.length_s:
            self.spent.popleft()
        return 0.0 if len(self.spent) < self.count else self.spent[0] + self.length_s - now

    def spend(self, now: float) -> None:
        self.spent.append(now)


@dataclass(slots=True)
class Gate:
    """A budget with the memory of its last refusal."""

    name: str
    explanation: str
    budget: Budget
    refused_at: float = -math.inf
    closed_until: float = -math.inf

    def wait_s(self, now: float) -> float:
        if now >= self.closed_until:
            return self.budget.wait_s(now)
        if now - self.refused_at > IN_FLIGHT_GRACE_S and self.closed_until - now < PENALTY_MAX_S:
            self.closed_until += 1.0
        return self.closed_until - now

    def close(self, now: float, wait_s: int) -> None:
        if now >= self.closed_until:
            self.refused_at = now
            self.closed_until = now + wait_s


@dataclass(frozen=True, slots=True)
class Hit:
    """A limit was reached: how long to wait, and why, in words for the person who reads the journal."""

    retry_after_s: int
    budget: str
    explanation: str


class Floods:
    """The budgets of every bot and chat."""

    def __init__(self) -> None:
        self._gates: dict[tuple[object, ...], Gate] = {}

    def spend(self, bot_id: int, chat_id: int, *, paid: bool, now: float) -> Hit | None:
        """Take one message from the budgets of the bot and the chat, or say which of them is empty."""
        gates = (self._bot_gate(bot_id, paid=paid), self._chat_gate(bot_id, chat_id))
        for gate in gates:
            wait_s = gate.wait_s(now)
            if wait_s > 0:
                retry_after_s = max(1, math.ceil(wait_s - 1e-6))
                gate.close(now, retry_after_s)
                return Hit(retry_after_s, gate.name, gate.explanation)
        for gate in gates:
            gate.budget.spend(now)
        return None

    def _bot_gate(self, bot_id: int, *, paid: bool) -> Gate:
        gate = self._gates.get((bot_id, paid))
        if gate is None:
            rate = 1000 if paid else 30
            words = f"bot {bot_id} may send {rate} messages a second in all"
            gate = self._gates[bot_id, paid] = Gate("bot", words, Bucket(rate, rate))
        return gate

    def _chat_gate(self, bot_id: int, chat_id: int) -> Gate:
        gate = self._gates.get((bot_id, "chat", chat_id))
        if gate is None:
            if chat_id > 0:
                words = f"a private chat ({chat_id}) takes 1 message a second with a burst of 4"
                gate = Gate("private chat", words, Bucket(1, 4))
            else:
                words = f"a group ({chat_id}) takes 20 messages in any 60 seconds"
                gate = Gate("group", words, Window(20, 60))
            self._gates[bot_id, "chat", chat_id] = gate
        return gate
