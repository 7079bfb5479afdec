"""Routes: updates, and the attempts to deliver them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query

from posthouse.simulator import views
from posthouse.simulator.bots import Bot
from posthouse.simulator.control.finder import LISTED_MAX, After, Finder, WithinS
from posthouse.simulator.control.site import here
from posthouse.simulator.deliveries import DeliveryRecord


def routes_of_deliveries() -> APIRouter:
    routes = APIRouter(tags=["deliveries"])
    find = Finder()

    @routes.get("/deliveries")
    async def list_deliveries(
        bot: int | None = None,
        update_id: int | None = None,
        outcome: Literal["delivered", "failed", "dropped", "handed"] | None = None,
        after: After = 0,
        count: Annotated[int, Query(ge=1)] = 1,
        within_s: WithinS = 0,
        limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = 1000,
    ) -> list[views.Delivery]:
        """Attempts to deliver updates, oldest first; with `within_s`, wait until there are `count` of them."""

        def select() -> list[DeliveryRecord]:
            return [
                record
                for record in here().deliveries.records
                if record.seq > after
                and bot in (None, record.bot_id)
                and update_id in (None, record.update_id)
                and outcome in (None, record.outcome)
            ]

        await here().journal.wait_until(lambda: True if len(select()) >= count else None, within_s)
        return [views.Delivery.model_validate(record) for record in select()[-limit:]]

    @routes.get("/updates")
    async def list_updates(bot: int, limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = 200) -> list[views.Update]:
        """The newest updates of a bot, pending and settled, by their time of creation, with their JSON."""
        found = find.bot(bot)
        return sorted(updates_of_bot(found), key=lambda update: update.created_at)[-limit:]

    return routes


def updates_of_bot(bot: Bot) -> Iterator[views.Update]:
    """What is remembered of a bot's updates: settled ones, then pending ones."""
    for settled in bot.queue.settled:
        yield views.Update.model_validate(
            {
                "update_id": settled.id,
                "kind": settled.kind,
                "bot_id": bot.id,
                "state": settled.how,
                "created_at": settled.created_at,
                "settled_at": settled.time,
                "expires_at": None,
                "attempts": settled.attempts,
                "chat_id": settled.chat_id,
                "update": msgspec.json.decode(settled.body) if settled.body else None,
            }
        )
    for update in bot.queue:
        yield views.Update(
            update_id=update.id,
            kind=update.kind,
            bot_id=bot.id,
            state="pending",
            created_at=update.created_at,
            settled_at=None,
            expires_at=update.expires_at,
            attempts=update.attempts,
            chat_id=update.chat_id,
            update=msgspec.json.decode(update.body),
        )
