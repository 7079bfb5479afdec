"""A bot as the town knows it: its token, its queue of updates, its webhook, its links to files."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from posthouse.simulator.files import Links
from posthouse.simulator.journal import Bell
from posthouse.simulator.profiles import Profile
from posthouse.simulator.updates import DEFAULT_KINDS, UpdateQueue

Wire = dict[str, Any]
"""A JSON object as it goes over the wire."""


@dataclass(slots=True, eq=False)
class Webhook:
    """Where a bot wants its updates, and what went wrong there. A new record for every setWebhook."""

    url: str = ""
    secret: str = ""
    max_connections: int = 40
    ip_address: str = ""
    """Where to connect instead of asking DNS; empty if that was not said."""
    certificate: bytes = b""
    """The only one to trust, as PEM; empty for those that everybody trusts."""
    resolved: str = ""
    """The address of its host, when it was looked up."""
    last_error_at: float | None = None
    last_error: str = ""
    gone_since: float | None = None
    """Since when the receiver has answered nothing but 410."""


@dataclass(slots=True, eq=False)
class PollLine:
    """One bot's place for a poller: at most one waits at a time."""

    waiting: asyncio.Future[None] | None = None
    """Set by a rival to end the wait of the current poller."""
    conflict_at: float = float("-inf")
    offset: int | None = None
    polled_at: float = float("-inf")


@dataclass(slots=True, eq=False)
class Bot:
    """One bot, known by the number before the colon of its token."""

    id: int
    token: str
    first_name: str
    username: str
    queue: UpdateQueue
    privacy: bool = True
    """In groups it hears only what is addressed to it."""
    allowed_updates: frozenset[str] | None = None
    """None means the default kinds."""
    webhook: Webhook = field(default_factory=Webhook)
    webhook_set_at: float = 0.0
    webhook_attempts: int = 0
    """How many setWebhook calls there were: the newest ends those that still look at their URL."""
    line: PollLine = field(default_factory=PollLine)
    links: Links = field(default_factory=Links)
    """What getFile gave it to download."""
    profile: Profile = field(default_factory=Profile)
    bell: Bell = field(default_factory=Bell)
    """Rings when an update was created or the webhook changed."""
    message_id: int = 0
    stars: int = 0
    """Its balance in Telegram Stars."""
    paid_messages: int = 0
    """How many messages of paid broadcasts were not free."""
    apps: dict[str, str] = field(default_factory=dict)
    """Addresses of its Mini Apps by name; the main one has the empty name."""
    started_at: float = 0.0
    logged_out_until: float = 0.0
    closed_at_call: int | None = None
    """The seq of the call that closed it."""

    @property
    def wanted_kinds(self) -> frozenset[str]:
        return DEFAULT_KINDS if self.allowed_updates is None else self.allowed_updates

    def wire(self) -> Wire:
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}
