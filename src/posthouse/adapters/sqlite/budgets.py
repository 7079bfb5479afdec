"""Telegram's budgets in memory: one number each (GCRA, the "theoretical arrival time").

One process sends, so the numbers live here; after a restart the first seconds have their burst again, no more.
"""

from __future__ import annotations

from posthouse.core.effects import Priority
from posthouse.ports.store import BotLimits


class Budget:
    """`rate` calls a second with a burst; rate 0 is no limit. `paused_until` is Telegram's 429."""

    __slots__ = ("burst", "cost", "paused_until", "tat")

    def __init__(self, per_s: float, burst: int) -> None:
        self.rate(per_s, burst)
        self.tat = 0.0
        self.paused_until = 0.0

    def rate(self, per_s: float, burst: int) -> None:
        self.cost = 1.0 / per_s if per_s > 0 else 0.0
        self.burst = max(1, burst)

    def wait_s(self, now: float) -> float:
        """Seconds until one more call is allowed; 0 when it is allowed now."""
        debt_s = self.tat - (self.burst - 1) * self.cost - now if self.cost else 0.0
        return max(self.paused_until - now, debt_s, 0.0)

    def spend(self, now: float) -> None:
        self.tat = max(self.tat, now) + self.cost

    def allowed(self, now: float, at_most: int) -> int:
        """How many calls are allowed now, up to `at_most`."""
        if self.paused_until > now:
            return 0
        if not self.cost:
            return at_most
        room = (now + self.burst * self.cost - max(self.tat, now)) / self.cost
        return max(0, min(at_most, int(room + 1e-9)))


class Budgets:
    """The budgets of all bots and of the chats that were written to lately."""

    def __init__(self) -> None:
        self._limits: dict[int, BotLimits] = {}
        self._bots: dict[int, Budget] = {}
        self._paid: dict[int, Budget] = {}  # of the bots that pay for broadcasts: a budget beside the other
        self._chats: dict[int, Budget] = {}
        self._pruned_at = 0.0

    def set_limits(self, bot_id: int, limits: BotLimits) -> None:
        self._limits[bot_id] = limits
        # The same objects with other rates: lanes may wait for them.
        self.bot(bot_id).rate(limits.bot_per_s, limits.bot_burst)
        if limits.broadcast_per_s > 0:
            # A tenth of a second's worth: claims come some ten times a second.
            paid = self._paid.setdefault(bot_id, Budget(0, 1))
            paid.rate(limits.broadcast_per_s, int(limits.broadcast_per_s / 10))
        elif bot_id in self._paid:
            self._paid.pop(bot_id).rate(0, 1)

    def of(self, bot_id: int, priority: int) -> Budget:
        """The budget that a delivery of this priority spends."""
        paid = self._paid.get(bot_id) if priority == Priority.BROADCAST else None
        return paid or self.bot(bot_id)

    def pause_bot(self, bot_id: int, until: float) -> None:
        """Close everything of a bot: Telegram's 429 does not say which budget it means."""
        for budget in (self.bot(bot_id), self._paid.get(bot_id)):
            if budget is not None:
                budget.paused_until = max(budget.paused_until, until)

    def bot(self, bot_id: int) -> Budget:
        budget = self._bots.get(bot_id)
        if budget is None:
            limits = self._limits.setdefault(bot_id, BotLimits())
            budget = self._bots[bot_id] = Budget(limits.bot_per_s, limits.bot_burst)
        return budget

    def chat(self, lane: int, bot_id: int, chat: int) -> Budget:
        budget = self._chats.get(lane)
        if budget is None:
            limits = self._limits.setdefault(bot_id, BotLimits())
            if chat < 0:
                budget = Budget(limits.group_per_min / 60.0, limits.group_burst)
            else:
                budget = Budget(limits.chat_per_s, limits.chat_burst)
            self._chats[lane] = budget
        return budget

    def prune(self, now: float) -> None:
        """Forget chats whose budget is full again: once a second at most."""
        if now - self._pruned_at < 1.0 or len(self._chats) < 64:
            return
        self._pruned_at = now
        idle = [lane for lane, budget in self._chats.items() if max(budget.tat, budget.paused_until) < now]
        for lane in idle:
            del self._chats[lane]
