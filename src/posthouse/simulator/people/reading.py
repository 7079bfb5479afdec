"""Reading: which messages a person has seen. Bots never learn of it."""

from __future__ import annotations

from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.town import Town


def read(town: Town, person: Person, chat: Chat, message_id: int) -> None:
    """Take everything up to this message as read; what was read stays read."""
    if person.id not in chat.people:
        raise Impossible(f"{person.first_name} is not in this chat")
    if message_id <= chat.read.get(person.id, 0):
        return
    chat.read[person.id] = message_id
    town.journal.record("person.read", chat=chat.ref, person_id=person.id, message_id=message_id)
