"""Putting reactions on messages, and stopping a bot that writes too long."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.moments import Draft, drafts_now
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.reactions import known_emoji, react
from posthouse.simulator.town import Town

REACTIONS_MAX = 3
"""Of somebody with Telegram Premium; others have one."""


def put_reactions(town: Town, person: Person, message: Message, emoji: list[str]) -> None:
    """Let these be the person's reactions to a message; none takes them away."""
    if person.id not in message.chat.people:
        raise Impossible(f"{person.first_name} does not see message {message.id}")
    if message.is_service:
        raise Impossible("what a chat says about itself has no reactions")
    if len(emoji) > REACTIONS_MAX:
        raise Impossible(f"a person puts at most {REACTIONS_MAX} reactions on a message")
    reactions: list[Wire] = []
    for written in emoji:
        if (known := known_emoji(written)) is None:
            raise Impossible(f"{written} is no reaction")
        reactions.append({"type": "emoji", "emoji": known})
    react(town, message, person, reactions)


def stop_draft(town: Town, person: Person, chat: Chat, draft_id: int | None) -> Draft:
    """Press Stop under the draft that a bot is writing."""
    stoppable = [draft for draft in drafts_now(chat, town.now()) if draft.can_stop and not draft.is_stopped]
    draft = next((draft for draft in stoppable if draft_id in (None, draft.id)), None)
    if draft is None or person.id not in chat.people:
        raise Impossible("no draft in this chat has a Stop button now")
    draft.is_stopped = True
    town.journal.record("draft.stopped", bot_id=draft.bot_id, chat=chat.ref, person_id=person.id, draft_id=draft.id)
    stopped: Wire = {"chat": chat.wire(), "draft_id": draft.id}
    if draft.thread_id:
        stopped["message_thread_id"] = draft.thread_id
    town.announce(chat.bots[draft.bot_id], "stopped_message_generation", stopped, chat.id)
    return draft
