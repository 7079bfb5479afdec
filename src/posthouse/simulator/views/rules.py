"""Faults and limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from posthouse.simulator.views.view import View


class NewFault(View):
    kind: str
    bot_id: int | None = None
    chat_id: int | None = None
    method: str | None = None
    count: int | None = Field(1, ge=1)
    retry_after_s: int = Field(1, ge=1)
    delay_s: float = Field(1.0, ge=0)


class Fault(NewFault):
    id: int
    fired: int


class Settings(View):
    limits: Literal["on", "off"]
    strict_bots: bool
