"""Faults on demand: rules that make the next matching call or delivery go wrong.

A *call* fault acts on a Bot API call, either before its effect or after it; a *delivery* fault acts on a
webhook delivery. A rule fires `count` times (for ever when None), oldest rule first, one rule per call.

| kind | acts | what the bot sees |
|---|---|---|
| `429` | before the effect | Too Many Requests with `retry_after_s` |
| `500`, `502`, `504` | before | that status |
| `401`, `409` | before | token revoked; terminated by another getUpdates |
| `blocked`, `kicked`, `deactivated`, `chat_not_found`, `not_modified` | before | that refusal |
| `drop_before_effect` | before | the connection is cut |
| `slow` | before | everything as usual, `delay_s` later |
| `effect_then_drop` | after | the effect happens, the connection is cut |
| `effect_then_500` | after | the effect happens, the answer is a 500 |
| `malformed` | after | the effect happens, the answer is not JSON |
| `duplicate` | delivery | a delivered update comes a second time |
| `lost_ack` | delivery | the receiver's 200 is lost, so the update comes again |
| `late` | delivery | the update is held back for `delay_s`; others overtake it |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from posthouse.simulator.refusals import Refusal, bad_request, conflict, forbidden, too_many_requests

REFUSING: dict[str, Callable[[int], Refusal]] = {
    "429": too_many_requests,
    "500": lambda _: Refusal(500, "Internal Server Error"),
    "502": lambda _: Refusal(502, "Bad Gateway"),
    "504": lambda _: Refusal(504, "Gateway Timeout"),
    "401": lambda _: Refusal(401, "Unauthorized"),
    "409": lambda _: conflict(
        "terminated by other getUpdates request; make sure that only one bot instance is running"
    ),
    "blocked": lambda _: forbidden("bot was blocked by the user"),
    "kicked": lambda _: forbidden("bot was kicked from the supergroup chat"),
    "deactivated": lambda _: forbidden("user is deactivated"),
    "chat_not_found": lambda _: bad_request("chat not found"),
    "not_modified": lambda _: bad_request(
        "message is not modified: specified new message content and reply markup are exactly the same as a "
        "current content and reply markup of the message"
    ),
}
CALL_KINDS = frozenset({*REFUSING, "drop_before_effect", "slow", "effect_then_drop", "effect_then_500", "malformed"})
DELIVERY_KINDS = frozenset({"duplicate", "lost_ack", "late"})
KINDS = CALL_KINDS | DELIVERY_KINDS


@dataclass(slots=True)
class FaultRule:
    """What goes wrong, for whom, and how often. None means any."""

    id: int
    kind: str
    bot_id: int | None = None
    chat_id: int | None = None
    method: str | None = None
    """A method's name; for a delivery fault the kind of the update."""
    count: int | None = 1
    retry_after_s: int = 1
    delay_s: float = 1.0
    fired: int = 0

    @property
    def spent(self) -> bool:
        return self.count is not None and self.fired >= self.count

    def matches(self, kinds: frozenset[str], bot_id: int, chat_id: int | None, method: str) -> bool:
        return (
            not self.spent
            and self.kind in kinds
            and self.bot_id in (None, bot_id)
            and self.chat_id in (None, chat_id)
            and (self.method is None or self.method.lower() == method.lower())
        )


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: dict[int, FaultRule] = {}
        self._next_id = 1

    def add(self, kind: str, **details: object) -> FaultRule:
        if kind not in KINDS:
            raise ValueError(f"no fault kind {kind!r}; there are {', '.join(sorted(KINDS))}")
        rule = FaultRule(self._next_id, kind, **details)  # type: ignore[arg-type]  # checked by the control API
        self.rules[rule.id] = rule
        self._next_id += 1
        return rule

    def clear(self) -> None:
        self.rules.clear()

    def fire(self, kinds: frozenset[str], bot_id: int, chat_id: int | None, method: str) -> FaultRule | None:
        """The oldest matching rule, counted as fired, or None."""
        for rule in self.rules.values():
            if rule.matches(kinds, bot_id, chat_id, method):
                rule.fired += 1
                return rule
        return None
