"""Asking a bot from any chat: inline mode."""

from __future__ import annotations

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Person
from posthouse.simulator.town import Query, Town

INLINE_DEADLINE_S = 20.0


def ask_inline(town: Town, person: Person, bot: Bot, text: str) -> Query:
    """Type `@bot text` in some chat; the bot answers with results."""
    query = town.open_query("inline_query", bot, person, lifetime_s=INLINE_DEADLINE_S)
    query.payload = {"id": query.id, "from": person.wire(), "query": text, "offset": ""}
    town.journal.record("person.asked", bot_id=bot.id, person_id=person.id, text=text, query_id=query.id)
    town.announce(bot, "inline_query", query.payload, person.id)
    return query
