"""How fast a bot may send, and what it is told when it is faster.

| budget | `on` | `strict` |
|---|---|---|
| bot | 30 messages at once, refilled at 30 a second | 10 at once, 30 a second |
| bot, with `allow_paid_broadcast` | 1,000 at once, 1,000 a second | the same |
| private chat | 4 at once, 1 a second | 1 at once, 1 a second |
| group or channel | 20 in any 60 seconds | 20 in any 60 seconds, 1 at once, 1 a second |
| light calls: answers to queries, chat actions | not counted | 30 at once, 30 a second |
| ignoring `retry_after` | a second more each time | twice the wait each time |

Telegram publishes only the rates (facts, section 8); bursts, the growth of `retry_after` and everything `strict`
are ours [inferred]. Edits are counted like messages. A refusal closes its budget until `retry_after` is over. A
fault rule can close a budget by force, whatever the profile.

The server's own limits (facts, 8.2) are in `Load`: too many requests of one bot at a time hang for 3 seconds and
end in 429 with 60 seconds. Deliberately absent: 310 unsent messages in one chat, since nothing waits here, and the
spacing of equal uploads.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol

Profile = Literal["on", "strict", "off"]
PROFILES: tuple[Profile, ...] = ("on", "strict", "off")
IN_FLIGHT_GRACE_S = 0.5
"""Calls this soon after a refusal were under way already and do not count as ignoring it."""
PENALTY_MAX_S = 60
STRICT_PENALTY_MAX_S = 3600
HITS_KEPT = 200
PAID_PER_S = 1000
FREE_PER_S = 30


class Budget(Protocol):
    """Something that runs out and comes back with time."""

    def wait_s(self, now: float) -> float:
        """Seconds until one more fits; 0 when it fits now."""

    def spend(self, now: float) -> None: ...

    def room(self, now: float) -> float:
        """How many more fit now."""


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

    def room(self, now: float) -> float:
        self.wait_s(now)
        return self.left


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

    def room(self, now: float) -> float:
        self.wait_s(now)
        return self.count - len(self.spent)


@dataclass(slots=True)
class Gate:
    """A budget with the memory of its last refusal."""

    name: str
    explanation: str
    budget: Budget
    refused_at: float = -math.inf
    closed_until: float = -math.inf
    wait_last_s: float = 0.0
    doubling: bool = False

    def wait_s(self, now: float) -> float:
        if now >= self.closed_until:
            return self.budget.wait_s(now)
        if now - self.refused_at > IN_FLIGHT_GRACE_S:
            self._grow(now)
        return self.closed_until - now

    def _grow(self, now: float) -> None:
        if self.doubling:
            self.wait_last_s = min(2 * self.wait_last_s, STRICT_PENALTY_MAX_S)
            self.refused_at, self.closed_until = now, now + self.wait_last_s
        elif self.closed_until - now < PENALTY_MAX_S:
            self.closed_until += 1.0

    def close(self, now: float, wait_s: float) -> None:
        if now >= self.closed_until:
            self.refused_at = now
            self.closed_until = now + wait_s
            self.wait_last_s = wait_s


@dataclass(frozen=True, slots=True)
class Hit:
    """A limit was reached: how long to wait, and why, in words for the person who reads the journal."""

    time: float
    bot_id: int
    chat_id: int | None
    retry_after_s: int
    budget: str
    explanation: str


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How one budget stands."""

    budget: str
    bot_id: int
    chat_id: int | None
    room: float | None
    """How many more messages fit now; None when only force closes it."""
    closed_for_s: float
    """How long it stays closed after a refusal; 0 when it is open."""
    explanation: str


GateKey = tuple[str, int, int]
"""Budget, bot, chat (0 for the bot as a whole)."""


class Floods:
    """The budgets of every bot and chat."""

    def __init__(self) -> None:
        self.gates: dict[GateKey, Gate] = {}
        self.hits: deque[Hit] = deque(maxlen=HITS_KEPT)
        self.forced: dict[GateKey, Gate] = {}
        """Closed by a fault rule; the chat 0 stands for all of the bot's."""

    def spend(self, bot_id: int, chat_id: int, *, paid: bool, now: float, profile: Profile = "on") -> Hit | None:
        """Take one message from the budgets of the bot and the chat, or say which of them is empty."""
        gates = (self._bot_gate(bot_id, paid, profile), *self._chat_gates(bot_id, chat_id, profile))
        return self._spend(gates, bot_id, chat_id, now)

    def spend_light(self, bot_id: int, *, now: float) -> Hit | None:
        """Take one light call from the strict profile's budget for them."""
        gate = self.gates.get(("light", bot_id, 0))
        if gate is None:
            words = f"bot {bot_id} may make 30 light calls a second (answers to queries, chat actions)"
            gate = self.gates["light", bot_id, 0] = Gate("light", words, Bucket(30, 30), doubling=True)
        return self._spend((gate,), bot_id, None, now)

    def spend_free(self, bot_id: int, *, now: float, profile: Profile) -> bool:
        """Take a paid message from what is free of charge; False when it costs."""
        budget = self._bot_gate(bot_id, False, profile).budget
        if budget.wait_s(now) > 0:
            return False
        budget.spend(now)
        return True

    def _spend(self, gates: tuple[Gate, ...], bot_id: int, chat_id: int | None, now: float) -> Hit | None:
        for gate in gates:
            wait_s = gate.wait_s(now)
            if wait_s > 0:
                return self._hit(gate, bot_id, chat_id, wait_s, now)
        for gate in gates:
            gate.budget.spend(now)
        return None

    def _hit(self, gate: Gate, bot_id: int, chat_id: int | None, wait_s: float, now: float) -> Hit:
        retry_after_s = max(1, math.ceil(wait_s - 1e-6))
        gate.close(now, retry_after_s)
        hit = Hit(now, bot_id, chat_id, retry_after_s, gate.name, gate.explanation)
        self.hits.append(hit)
        return hit

    # Closed by force.

    def force(self, bot_id: int, chat_id: int | None, *, wait_s: int, now: float, why: str) -> None:
        """Close a chat, or the whole bot, for that long."""
        gate = Gate("forced", why, Bucket(math.inf, math.inf))
        gate.close(now, wait_s)
        self.forced["forced", bot_id, chat_id or 0] = gate

    def forced_hit(self, bot_id: int, chat_id: int | None, *, now: float) -> Hit | None:
        """What a closed bot or chat says to a call; calls that come too early make it longer."""
        for key in (("forced", bot_id, 0), ("forced", bot_id, chat_id or 0)):
            gate = self.forced.get(key)
            if gate is None:
                continue
            if now < gate.closed_until:
                return self._hit(gate, bot_id, chat_id, gate.wait_s(now), now)
            del self.forced[key]
        return None

    # Looking.

    def states(self, now: float) -> list[BudgetState]:
        """Every budget that was ever used, and those that are closed by force."""
        return [
            BudgetState(
                gate.name,
                bot_id,
                chat_id or None,
                None if math.isinf(room := gate.budget.room(now)) else room,
                max(0.0, gate.closed_until - now),
                gate.explanation,
            )
            for (_, bot_id, chat_id), gate in (*self.gates.items(), *self.forced.items())
        ]

    def forget(self) -> None:
        """All budgets are full again."""
        self.gates.clear()
        self.forced.clear()

    def _bot_gate(self, bot_id: int, paid: bool, profile: Profile) -> Gate:
        key = ("paid" if paid else "bot", bot_id, 0)
        gate = self.gates.get(key)
        if gate is None:
            rate = PAID_PER_S if paid else FREE_PER_S
            burst = 10 if profile == "strict" and not paid else rate
            words = f"bot {bot_id} may send {rate} messages a second in all"
            gate = self.gates[key] = Gate("bot", words, Bucket(rate, burst), doubling=profile == "strict")
        return gate

    def _chat_gates(self, bot_id: int, chat_id: int, profile: Profile) -> tuple[Gate, ...]:
        if chat_id > 0:
            return (self._private_gate(bot_id, chat_id, profile),)
        gate = self.gates.get(("group", bot_id, chat_id))
        if gate is None:
            words = f"a group ({chat_id}) takes 20 messages in any 60 seconds"
            gate = Gate("group", words, Window(20, 60), doubling=profile == "strict")
            self.gates["group", bot_id, chat_id] = gate
        return (gate,) if profile != "strict" else (gate, self._private_gate(bot_id, chat_id, profile))

    def _private_gate(self, bot_id: int, chat_id: int, profile: Profile) -> Gate:
        gate = self.gates.get(("chat", bot_id, chat_id))
        if gate is None:
            burst = 1 if profile == "strict" else 4
            kind = "private chat" if chat_id > 0 else "group"
            words = f"a {kind} ({chat_id}) takes 1 message a second with a burst of {burst}"
            gate = self.gates["chat", bot_id, chat_id] = Gate(kind, words, Bucket(1, burst), doubling=burst == 1)
        return gate


@dataclass(slots=True)
class Load:
    """What one bot keeps the server busy with at the moment (facts, 8.2)."""

    requests: int = 0
    uploads: int = 0
    upload_bytes: int = 0

    def too_much(self, per_minute: int) -> str | None:
        """Why another request is too much for a bot with so many updates a minute, or None."""
        if self.requests > 1000 + per_minute:
            return f"{self.requests} requests at a time; the server takes 1,000 and one for each update a minute"
        if self.uploads > 100 + per_minute / 5:
            return f"{self.uploads} uploads at a time; the server takes 100 and one for every five updates a minute"
        if self.upload_bytes > 4 << 30:
            return "more than 4 GiB of uploads at a time"
        return None
