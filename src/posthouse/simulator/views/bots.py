"""Bots."""

from __future__ import annotations

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


def of_bot(bot: state.Bot) -> Bot:
    return Bot(
        id=bot.id,
        first_name=bot.first_name,
        username=bot.username,
        webhook_url=bot.webhook.url,
        pending=len(bot.queue),
    )
