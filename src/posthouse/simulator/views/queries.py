"""What bots are asked."""

from __future__ import annotations

from typing import Any

from posthouse.simulator.views.view import View


class InlineAsking(View):
    person: int
    bot: int
    text: str


class Query(View):
    """Something a bot was asked, with its answer once there is one."""

    id: str
    kind: str
    answer: dict[str, Any] | None = None
