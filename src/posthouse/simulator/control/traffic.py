"""What bots and the server said to each other about one chat, for the inspector beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import takewhile

from posthouse.simulator import views
from posthouse.simulator.chats import Chat
from posthouse.simulator.control.deliveries import updates_of_bot
from posthouse.simulator.world import CallRecord, World

NOISE = frozenset({"getUpdates"})
"""Calls that a bot repeats for ever and that say nothing of one chat."""
QUERY_PARAMETERS = ("callback_query_id", "inline_query_id", "pre_checkout_query_id", "shipping_query_id")


def calls_of(world: World, ref: str, after: int) -> list[CallRecord]:
    """Calls after a number that name this chat, answer a query from it, or concern its bot alone; oldest first."""
    chat_id = ref.rpartition(":")[2]
    young = list(takewhile(lambda call: call.seq > after, reversed(world.calls.records)))
    chat = world.town.chats.get(ref)
    bots = _bots_of(world, ref)
    return [c for c in reversed(young) if c.bot_id in bots and _concerns(world, c, chat, chat_id)]


def _bots_of(world: World, ref: str) -> set[int]:
    """The bots of a chat, also of a private one that nobody has opened."""
    chat = world.town.chats.get(ref)
    bot_id = ref.rpartition(":")[0]
    return set(chat.bots) if chat is not None else {int(bot_id)} if bot_id.isdecimal() else set()


def _concerns(world: World, call: CallRecord, chat: Chat | None, chat_id: str) -> bool:
    if call.chat_id is not None:
        return str(call.chat_id) == chat_id
    for name in QUERY_PARAMETERS:
        if name in call.parameters:
            query = world.town.queries.get(str(call.parameters[name]))
            return query is None or query.chat is None or query.chat is chat
    return call.method not in NOISE


def updates_of(world: World, ref: str, limit: int) -> views.ChatUpdates:
    """The newest updates about this chat, and every attempt to deliver them that is still remembered."""
    chat_id = ref.rpartition(":")[2]
    bots = [world.town.bots[bot_id] for bot_id in _bots_of(world, ref) if bot_id in world.town.bots]
    found = [update for bot in bots for update in updates_of_bot(bot) if str(update.chat_id) == chat_id]
    newest = sorted(found, key=lambda update: update.created_at)[-limit:]
    wanted = {(update.bot_id, update.update_id) for update in newest}
    attempts = [one for one in world.deliveries.records if (one.bot_id, one.update_id) in wanted]
    return views.ChatUpdates(
        updates=newest, deliveries=[views.Delivery.model_validate(attempt) for attempt in attempts]
    )


async def stream_calls(world: World, ref: str, after: int, gather_s: float) -> AsyncIterator[str]:
    """Calls as they end, gathered for a moment each time."""
    log = world.calls
    yield "retry: 1000\n\n"
    while world.calls is log:
        ring = world.journal.bell.next_ring()
        newest = log.seq
        for call in calls_of(world, ref, after):
            yield f"id: {call.seq}\ndata: {views.Call.model_validate(call).model_dump_json()}\n\n"
        after = newest
        if after >= log.seq:
            await ring
            await asyncio.sleep(gather_s)
