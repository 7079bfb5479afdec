"""Updates, and the attempts to deliver them."""

from __future__ import annotations

from typing import Any, Literal

from posthouse.simulator.views.view import View


class Delivery(View):
    """One attempt to hand one update to a bot."""

    seq: int
    time: float
    bot_id: int
    update_id: int
    kind: str
    chat_id: int | None
    via: Literal["webhook", "poll"]
    url: str
    attempt: int
    outcome: Literal["delivered", "failed", "dropped", "handed"]
    """`failed` is tried again at `retry_at`; `dropped` is not; `handed` was in the answer to a poll."""
    status: int
    """HTTP status of the receiver; 0 when there was none."""
    error: str | None
    latency_s: float
    """Real seconds."""
    answer: str
    """The beginning of the receiver's answer."""
    fault: int | None
    """The id of the rule that struck."""
    retry_at: float | None


class Update(View):
    """One update of a bot, pending or settled."""

    update_id: int
    kind: str
    bot_id: int
    state: Literal["pending", "delivered", "confirmed", "expired", "dropped", "forgotten"]
    created_at: float
    settled_at: float | None
    expires_at: float | None
    attempts: int
    chat_id: int | None
    update: Any = None
    """The update as the bot gets it; null when it was long and is settled."""


class Snapshot(View):
    """A kept town."""

    name: str
    time: float
    size_bytes: int
    bots: int
    people: int
    chats: int


class SnapshotName(View):
    name: str = "default"
