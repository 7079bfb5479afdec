"""The log of deliveries: every attempt to hand an update to a bot, by webhook or by poll."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

DELIVERIES_KEPT = 10_000
ANSWER_BYTES_SHOWN = 500


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One attempt to deliver one update."""

    seq: int
    time: float
    """When it ended, by the town's clock."""
    bot_id: int
    update_id: int
    kind: str
    chat_id: int | None
    via: str
    """webhook or poll."""
    url: str
    attempt: int
    outcome: str
    """delivered, failed (it is tried again), dropped (its lifetime would be over), handed (to a poller)."""
    status: int
    """Of the receiver's answer; 0 when there was none."""
    error: str | None
    latency_s: float
    """Real seconds until the answer."""
    answer: str
    """The first bytes of the receiver's answer."""
    fault: int | None
    """The id of the rule that struck."""
    retry_at: float | None
    """When it is tried again, by the town's clock."""


@dataclass(slots=True)
class DeliveryLog:
    """The newest attempts, in a ring."""

    seq: int = 0
    records: deque[DeliveryRecord] = field(default_factory=lambda: deque(maxlen=DELIVERIES_KEPT))

    def keep(self, record: DeliveryRecord) -> None:
        self.seq = record.seq
        self.records.append(record)
