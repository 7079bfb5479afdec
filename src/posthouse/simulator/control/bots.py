"""Routes: bots."""

from __future__ import annotations

from fastapi import APIRouter

from posthouse.simulator import views
from posthouse.simulator.control.site import here


def routes_of_bots() -> APIRouter:
    routes = APIRouter(tags=["bots"])

    @routes.post("/bots")
    async def register_bot(new: views.NewBot) -> views.Bot:
        """Register a bot, or rename it."""
        bot = here().town.register_bot(
            new.token, first_name=new.first_name, username=new.username, privacy=new.privacy, apps=new.apps
        )
        return views.of_bot(bot)

    @routes.get("/bots")
    async def list_bots() -> list[views.Bot]:
        return [views.of_bot(bot) for bot in here().town.bots.values()]

    return routes
