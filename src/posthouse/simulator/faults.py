"""Faults on demand: rules that make the next matching call, delivery or update go wrong.

    POST /sim/v1/faults {"kind": "effect_then_drop", "method": "sendMessage", "probability": 0.1, "seed": 7}

A rule says what goes wrong (`kind`) and for whom: bot, chat, person, method, kind of update. Of what it matches it
lets the first `skip` pass, then fires with its `probability` (decided by dice of its own, so that a `seed` repeats
it), `count` times (for ever when None). The oldest rule that fires wins, one for each call or delivery. Each fault
that was injected is in the journal with its rule (`fault.fired`), in the call log or in the delivery log.

What there is, and what each kind uses of a rule, is in `KINDS`, which `GET /sim/v1/faults/kinds` shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from posthouse.simulator.journal import Journal
from posthouse.simulator.refusals import Refusal, bad_request, conflict, forbidden, too_many_requests

Stage = Literal["before", "after", "delivery", "update"]
"""A Bot API call before its effect or after it, a delivery of an update, the creation of an update."""

REFUSING: dict[str, Callable[[int], Refusal]] = {
    "429": too_many_requests,
    "500": lambda _: Refusal(500, "Internal Server Error"),
    "502": lambda _: Refusal(502, "Bad Gateway"),
    "503": lambda _: Refusal(503, "Service Unavailable"),
    "504": lambda _: Refusal(504, "Gateway Timeout"),
    "401": lambda _: Refusal(401, "Unauthorized"),
    "404": lambda _: Refusal(404, "Not Found"),
    "409": lambda _: conflict(
        "terminated by other getUpdates request; make sure that only one bot instance is running"
    ),
    "409_webhook": lambda _: conflict("terminated by setWebhook request"),
    "blocked": lambda _: forbidden("bot was blocked by the user"),
    "kicked": lambda _: forbidden("bot was kicked from the supergroup chat"),
    "deactivated": lambda _: forbidden("user is deactivated"),
    "chat_not_found": lambda _: bad_request("chat not found"),
    "not_modified": lambda _: bad_request(
        "message is not modified: specified new message content and reply markup are exactly the same as a "
        "current content and reply markup of the message"
    ),
    "message_gone": lambda _: bad_request("message to edit not found"),
    "query_too_old": lambda _: bad_request("query is too old and response timeout expired or query ID is invalid"),
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can go wrong. `uses` are the fields of a rule that it reads, besides whom it is for."""

    stage: Stage
    explanation: str
    uses: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "429": Kind(
        "before",
        "Too Many Requests. With `scope` chat or bot that chat, or the whole bot, stays closed for retry_after_s, and "
        "calls that come too early make it longer. With `growth_s` each firing asks for more.",
        ("retry_after_s", "growth_s", "scope"),
    ),
    "slow_429": Kind(
        "before", "The server hangs for delay_s (3 s by its own rule), then 429.", ("delay_s", "retry_after_s")
    ),
    "500": Kind("before", "500 Internal Server Error, and nothing happened."),
    "502": Kind("before", "502 Bad Gateway, and nothing happened."),
    "503": Kind("before", "503 Service Unavailable, and nothing happened."),
    "504": Kind("before", "504 Gateway Timeout, and nothing happened."),
    "401": Kind("before", "401 Unauthorized, as if the token had been revoked; with count null it stays so."),
    "404": Kind("before", "404 Not Found for every method: how the public server treats a token it does not know."),
    "409": Kind("before", "409 Conflict, as if somebody else polled."),
    "409_webhook": Kind("before", "409 Conflict, as if somebody had set a webhook meanwhile."),
    "blocked": Kind("before", "403, the person blocked the bot. With `lasting` they really do.", ("lasting",)),
    "kicked": Kind("before", "403, the bot was kicked from the chat."),
    "deactivated": Kind("before", "403, the person deleted their account."),
    "chat_not_found": Kind("before", "400 chat not found."),
    "chat_migrated": Kind(
        "before", "The group really becomes a supergroup; the call gets 400 with migrate_to_chat_id."
    ),
    "not_modified": Kind("before", "400 message is not modified."),
    "message_gone": Kind("before", "400 message to edit not found, as if it had been deleted meanwhile."),
    "query_too_old": Kind("before", "400 query is too old, as if the answer had come too late."),
    "drop_before_effect": Kind("before", "The connection is reset, and nothing happened."),
    "slow": Kind("before", "Everything as usual, delay_s later; also beyond 60 s.", ("delay_s",)),
    "effect_then_slow": Kind("after", "The effect happens at once, the answer comes delay_s later.", ("delay_s",)),
    "effect_then_drop": Kind("after", "The effect happens, the connection is reset: no answer."),
    "effect_then_500": Kind("after", "The effect happens, the answer is a 500."),
    "effect_then_502": Kind("after", "The effect happens, the answer is a front end's 502 in HTML."),
    "malformed": Kind("after", "The effect happens, the answer is a 200 that is not JSON."),
    "truncated": Kind("after", "The effect happens, the answer's body ends in the middle and the connection with it."),
    "duplicate": Kind("delivery", "An acknowledged update comes a second time, to a webhook or to a poller."),
    "lost_ack": Kind("delivery", "The webhook's 200 is lost (connection closed), so the update comes again."),
    "timed_out": Kind("delivery", "The webhook's 200 is lost (read timeout), so the update comes again."),
    "unreachable": Kind("delivery", "The webhook cannot be reached for this attempt: nothing is sent."),
    "late": Kind("delivery", "The update is held back from the webhook for delay_s; others overtake it.", ("delay_s",)),
    "reorder": Kind(
        "delivery",
        "The update is held back from the webhook until another update of the chat, or of the bot, has overtaken it "
        "(a tap before its message), at most for delay_s.",
        ("delay_s",),
    ),
    "update_id_jump": Kind("update", "update_id goes on from a random lower number, as after a week of silence."),
    "lost_update": Kind("update", "The update is never created, as when the queue is full."),
    "unknown_kind": Kind("update", "The update has a kind that no library knows yet."),
    "unknown_fields": Kind("update", "The update carries fields that no library knows yet, deeply nested."),
}
CALL_KINDS = frozenset(name for name, kind in KINDS.items() if kind.stage in ("before", "after"))
DELIVERY_KINDS = frozenset(name for name, kind in KINDS.items() if kind.stage == "delivery")
UPDATE_KINDS = frozenset(name for name, kind in KINDS.items() if kind.stage == "update")
POLL_KINDS = frozenset({"duplicate"})
"""Delivery faults that a poller can meet: what is answered to it is in order and at once."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule is matched with: a call, a delivery or an update about to exist."""

    kinds: frozenset[str]
    bot_id: int
    method: str | None = None
    update: str | None = None
    chat_id: int | None = None
    person_id: int | None = None


@dataclass(slots=True)
class FaultRule:
    """What goes wrong, for whom, and how often. None means any."""

    id: int
    kind: str
    bot_id: int | None = None
    chat_id: int | None = None
    person_id: int | None = None
    method: str | None = None
    """A method's name; for a delivery fault also the kind of the update."""
    update: str | None = None
    """The kind of the update, for faults of deliveries and updates."""
    count: int | None = 1
    skip: int = 0
    """How many matches pass before the first fault."""
    probability: float = 1.0
    seed: int | None = None
    retry_after_s: int = 1
    growth_s: int = 0
    """How much longer each 429 asks to wait than the one before."""
    scope: Literal["call", "chat", "bot"] = "call"
    delay_s: float = 1.0
    lasting: bool = False
    """What the refusal says becomes true in the town."""
    matched: int = 0
    fired: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if self.seed is not None:
            self.dice.seed(self.seed)

    @property
    def spent(self) -> bool:
        return self.count is not None and self.fired >= self.count

    @property
    def wait_s(self) -> int:
        """What a 429 asks for, at this firing."""
        return self.retry_after_s + self.growth_s * max(0, self.fired - 1)

    def matches(self, target: Target) -> bool:
        return (
            not self.spent
            and self.kind in target.kinds
            and self.bot_id in (None, target.bot_id)
            and self.chat_id in (None, target.chat_id)
            and self.person_id in (None, target.person_id)
            and self.update in (None, target.update)
            and (self.method is None or self.method.lower() in _names(target))
        )

    def fires(self, target: Target) -> bool:
        """Whether this match is one that goes wrong; counts it."""
        if not self.matches(target):
            return False
        self.matched += 1
        if self.matched <= self.skip or (self.probability < 1.0 and self.dice.random() >= self.probability):
            return False
        self.fired += 1
        return True


def _names(target: Target) -> tuple[str, ...]:
    return tuple(name.lower() for name in (target.method, target.update) if name)


class Faults:
    """The rules in force."""

    def __init__(self, dice: random.Random) -> None:
        self.rules: dict[int, FaultRule] = {}
        self._next_id = 1
        self._dice = dice

    def add(self, kind: str, **details: object) -> FaultRule:
        """A new rule, or raise ValueError for a kind that does not exist."""
        if kind not in KINDS:
            raise ValueError(f"no fault kind {kind!r}; there are {', '.join(sorted(KINDS))}")
        rule = FaultRule(self._next_id, kind, **details)  # type: ignore[arg-type]  # checked by the control API
        if rule.seed is None:
            rule.dice.seed(self._dice.getrandbits(32))
        self.rules[rule.id] = rule
        self._next_id += 1
        return rule

    def note(self, journal: Journal, rule: FaultRule, target: Target, *, update_id: int | None = None) -> None:
        """Tell the journal which rule struck what."""
        what = target.method or target.update
        journal.record(
            "fault.fired",
            bot_id=target.bot_id,
            chat=None if target.chat_id is None else str(target.chat_id),
            text=f"{rule.kind} on {what} (rule {rule.id})",
            rule=rule.id,
            fault=rule.kind,
            method=what,
            update_id=update_id,
        )

    def clear(self) -> None:
        self.rules.clear()

    def fire(self, target: Target) -> FaultRule | None:
        """The oldest rule that fires on it, counted, or None."""
        for rule in self.rules.values():
            if rule.fires(target):
                return rule
        return None
