"""What bots are asked."""

from __future__ import annotations

from typing import Any

from posthouse.simulator.views.view import View


class InlineAsking(View):
    person: int
    bot: int
    text: str
    chat: str | None = None
    """Where it is typed."""
    offset: str = ""


class InlineChoice(View):
    """Without `result` the first one; without `chat` the chat where it was asked."""

    result: str | None = None
    chat: str | None = None
    reply_to: int | None = None


class Sharing(View):
    chat: str


class Query(View):
    """Something a bot was asked, with its answer once there is one."""

    id: str
    kind: str
    answer: dict[str, Any] | None = None
