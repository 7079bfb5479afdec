"""Whom a text mentions."""

from __future__ import annotations

from posthouse.simulator.formatting import Entity
from posthouse.simulator.town import Town


def name_people(town: Town, entities: list[Entity]) -> list[Entity]:
    """Mentions with the whole user; a mention of somebody unknown is plain text."""
    if not any(entity["type"] == "text_mention" for entity in entities):
        return entities
    named = []
    for entity in entities:
        if entity["type"] != "text_mention":
            named.append(entity)
        elif (user := town.user(entity["user"]["id"])) is not None:
            named.append({**entity, "user": user.wire()})
    return named
