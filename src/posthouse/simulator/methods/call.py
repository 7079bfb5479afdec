"""A call on its way: who calls what with which arguments, and the checks that many methods share.

The order of checks is the server's (facts, 6.7): content and parse_mode, reply parameters, markup, chat,
access, replied message, and only then the limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, bad_request, forbidden
from posthouse.simulator.world import World

TRUE: Literal[True] = True


@dataclass(frozen=True, slots=True)
class Call:
    """One Bot API call."""

    world: World
    bot: Bot
    method: str
    parameters: Parameters

    @property
    def now(self) -> float:
        return self.world.clock.now()

    def chat(self) -> Chat:
        """The chat that `chat_id` names, or raise Refusal."""
        written = self.parameters.text("chat_id").strip()
        if not written:
            raise bad_request("chat_id is empty")
        try:
            chat = self.world.town.chat_of(self.bot, int(written))
        except ValueError:
            raise bad_request("chat not found") from None
        if chat is None:
            self._refuse_unknown_chat(int(written))
            raise bad_request("chat not found")
        return chat

    def chat_to_write(self) -> Chat:
        """The chat, if the bot may write there now; or raise Refusal."""
        chat = self.chat()
        if chat.migrated_to is not None:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        if chat.blocked:
            raise forbidden("bot was blocked by the user")
        return chat

    def _refuse_unknown_chat(self, chat_id: int) -> None:
        town = self.world.town
        group = town.chats.get(str(chat_id))
        if group is not None:
            raise forbidden(f"bot is not a member of the {group.kind} chat")
        if any(self.bot.id in c.bots and chat_id in c.people for c in town.chats.values() if not c.is_private):
            raise forbidden("bot can't initiate conversation with a user")

    def message(self, chat: Chat, what: str) -> Message:
        """The visible message that `message_id` names, or raise `message to <what> not found`."""
        if not self.parameters.has("message_id"):
            raise bad_request("message identifier is not specified")
        message = chat.messages.get(self.parameters.integer("message_id"))
        if message is None or message.deleted:
            raise bad_request(f"message to {what} not found")
        return message

    def replied(self, chat: Chat, reply: dict[str, Any] | None) -> Message | None:
        """The message that is answered, or raise Refusal."""
        if reply is None:
            return None
        message = chat.messages.get(reply["message_id"])
        if message is not None and not message.deleted:
            return message
        if reply["lenient"]:
            return None
        raise bad_request("message to be replied not found")

    def reply_parameters(self) -> dict[str, Any] | None:
        """`reply_parameters` or the older `reply_to_message_id`, parsed but not looked up."""
        lenient = self.parameters.flag("allow_sending_without_reply")
        if not self.parameters.has("reply_parameters"):
            message_id = self.parameters.integer("reply_to_message_id")
            return {"message_id": message_id, "lenient": lenient} if message_id else None
        try:
            given = self.parameters.json("reply_parameters")
        except msgspec.DecodeError:
            raise bad_request("can't parse reply parameters JSON object") from None
        if given is None:
            return None
        if not isinstance(given, dict):
            raise bad_request("object expected as reply parameters")
        return {
            "message_id": int(given.get("message_id", 0)),
            "lenient": bool(given.get("allow_sending_without_reply", lenient)),
        }


Methods = dict[str, Callable[[Call], object]]
"""What a module offers: a function for each method, by the method's name."""
