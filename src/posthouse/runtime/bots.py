"""One bot as the runtime knows it: who it is, which program serves it, and under which rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from posthouse.core.outcomes import OnDead
from posthouse.core.retry import RetryPolicy
from posthouse.ports.store import BotLimits
from posthouse.programs.program import BotIdentity, Program
from posthouse.telegram.peek import LaneBy


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """How turns of one bot run and fail. Times in seconds."""

    handler_timeout_s: float = 30.0
    """A handler that runs longer is cancelled, and its entry retried."""
    transact_budget_s: float = 1.0
    """How long `turn.transact` may keep its transaction open."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    on_dead: OnDead = OnDead.SKIP
    """What becomes of a lane whose head has used up its attempts: skip, hold or drop (S3-47)."""


@dataclass(frozen=True, slots=True)
class RunningBot:
    """A bot in service."""

    identity: BotIdentity
    program: Program
    secret: str = field(repr=False, default="")
    mode: Literal["webhook", "polling"] = "webhook"
    path: str = ""
    lane_by: LaneBy = "chat"
    policy: TurnPolicy = field(default_factory=TurnPolicy)
    limits: BotLimits = field(default_factory=BotLimits)
    max_connections: int = 40
    public_url: str = ""

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def bot_id(self) -> int:
        return self.identity.bot_id
