"""What bots put on messages."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Message
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.methods.contents import read_json
from posthouse.simulator.reactions import known_emoji, react
from posthouse.simulator.refusals import bad_request

REACTIONS_OF_BOTS_MAX = 1


def set_message_reaction(call: Call) -> bool:
    given = read_json(call.parameters, "reaction")
    if not isinstance(given, list | None):
        raise bad_request("expected an Array of ReactionType")
    reactions = [_reaction(reaction) for reaction in given or []]
    chat = call.chat_to_write()
    message = call.message(chat, "react")
    if message.is_service:
        raise bad_request("REACTION_INVALID")
    if len(reactions) > REACTIONS_OF_BOTS_MAX:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(reaction["type"] == "custom_emoji" and not _is_there(message, reaction) for reaction in reactions):
        raise bad_request("REACTION_INVALID")
    react(call.world.town, message, call.bot, reactions)
    return TRUE


def _reaction(given: object) -> Wire:
    if not isinstance(given, dict):
        raise bad_request("can't parse ReactionType: expected an Object")
    kind = given.get("type")
    if kind == "emoji":
        emoji = known_emoji(str(given.get("emoji", "")))
        if emoji is None:
            raise bad_request("REACTION_INVALID")
        return {"type": "emoji", "emoji": emoji}
    if kind == "custom_emoji":
        return {"type": "custom_emoji", "custom_emoji_id": str(given.get("custom_emoji_id", ""))}
    if kind == "paid":
        raise bad_request("REACTION_INVALID")
    raise bad_request("can't parse ReactionType: invalid reaction type specified")


def _is_there(message: Message, reaction: Wire) -> bool:
    return any(reaction in reactions for reactions in message.reactions.values())


METHODS: Methods = {"setMessageReaction": set_message_reaction}
