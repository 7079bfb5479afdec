"""Bots."""

from __future__ import annotations

from pydantic import Field

from posthouse.simulator import bots as state
from posthouse.simulator.views.view import View


class Bot(View):
    id: int
    first_name: str
    username: str
    webhook_url: str = ""
    pending: int = 0


class NewBot(View):
    token: str
    first_name: str | None = None
    username: str | None = None
    privacy: bool | None = None
    """None keeps it; a new bot is private."""
    apps: dict[str, str] = Field(default_factory=dict)
    """Addresses of its Mini Apps by name, added to those it has; the main one has the empty name."""


def of_bot(bot: state.Bot) -> Bot:
    return Bot(
        id=bot.id,
        first_name=bot.first_name,
        username=bot.username,
        webhook_url=bot.webhook.url,
        pending=len(bot.queue),
    )
