"""Faults and limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from posthouse.simulator.faults import KINDS
from posthouse.simulator.views.view import View


class NewFault(View):
    """A rule: what goes wrong, for whom, how often. What is left out means any."""

    kind: Annotated[str, Field(json_schema_extra={"enum": list(KINDS)}, description="See /sim/v1/faults/kinds.")]
    bot_id: int | None = None
    chat_id: int | None = None
    person_id: Annotated[
        int | None, Field(description="Of a delivery or update: whose doing it is; of a call: `user_id`.")
    ] = None
    method: Annotated[str | None, Field(description="Of a call; for a delivery also the kind of the update.")] = None
    update: Annotated[
        str | None, Field(description="The kind of the update, for faults of deliveries and updates.")
    ] = None
    count: Annotated[int | None, Field(ge=1, description="How many faults; null is for ever.")] = 1
    skip: Annotated[int, Field(ge=0, description="How many matches pass before the first fault.")] = 0
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int | None, Field(description="Makes the dice of `probability` repeatable.")] = None
    retry_after_s: Annotated[int, Field(ge=1)] = 1
    growth_s: Annotated[int, Field(ge=0, description="How much longer each 429 asks to wait than the one before.")] = 0
    scope: Annotated[Literal["call", "chat", "bot"], Field(description="What a 429 closes until its wait is over.")] = (
        "call"
    )
    delay_s: Annotated[float, Field(ge=0)] = 1.0
    lasting: Annotated[bool, Field(description="What a refusal says (blocked, kicked, deactivated) becomes true.")] = (
        False
    )


class Fault(NewFault):
    id: int
    matched: int
    fired: int


class FaultKind(View):
    """Something that can go wrong."""

    kind: str
    stage: Literal["before", "after", "delivery", "update"]
    """A call before its effect or after it, a delivery of an update, the creation of an update."""
    explanation: str
    uses: list[str]
    """The fields of a rule that it reads, besides whom it is for and how often."""


class Settings(View):
    limits: Literal["on", "strict", "off"]
    strict_bots: bool
    """A token must belong to a bot that was registered."""
    strict_webhooks: bool = False
    """setWebhook takes only https, four ports, and public addresses."""


class Budget(View):
    """How one limit stands."""

    budget: str
    bot_id: int
    chat_id: int | None
    room: float | None
    """How many more messages fit now."""
    closed_for_s: float
    explanation: str


class Hit(View):
    """A call that was refused for going too fast."""

    time: float
    bot_id: int
    chat_id: int | None
    retry_after_s: int
    budget: str
    explanation: str


class Limits(View):
    """The limits in force: every budget that was used, and the last refusals, newest first."""

    profile: Literal["on", "strict", "off"]
    budgets: list[Budget]
    hits: list[Hit]
