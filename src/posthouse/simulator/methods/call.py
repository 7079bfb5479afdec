"""A call on its way: who calls what with which arguments, and the checks that many methods share.

The order of checks is the server's (facts, 6.7): content and parse_mode, reply parameters, markup, chat,
access, replied message, and only then the limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from posthouse.simulator import joining, rights
from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.members import Member
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, bad_request, forbidden
from posthouse.simulator.topics import GENERAL_ID
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

    def required(self, name: str) -> str:
        """The value of a parameter as text, or raise Refusal when it is absent or empty."""
        value = self.parameters.text(name)
        if not value:
            raise bad_request(f'parameter "{name}" is required')
        return value

    def chat(self) -> Chat:
        """The chat that `chat_id` names and the bot may look at, or raise Refusal."""
        chat = self.find_chat(self.parameters.text("chat_id"))
        if not chat.username:  # anybody may look at a public one
            refuse(rights.to_be_in(chat, self.standing(chat)))
        return chat

    def chat_to_write(self) -> Chat:
        """The chat, if the bot may act there now; or raise Refusal."""
        chat = self.find_chat(self.parameters.text("chat_id"))
        if chat.migrated_to is not None:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=chat.migrated_to,
            )
        if chat.is_private:
            if chat.person.deactivated:
                raise forbidden("user is deactivated")
            if chat.blocked:
                raise forbidden("bot was blocked by the user")
            if chat.closes_at is not None and self.now > chat.closes_at:
                raise forbidden("bot can't initiate conversation with a user")
        else:
            refuse(rights.to_be_in(chat, self.standing(chat)))
        return chat

    def standing(self, chat: Chat) -> Member:
        """How the bot stands in the chat now."""
        return chat.member(self.bot, self.now)

    def check_sending(self, chat: Chat, content: str, thread_id: int = 0) -> None:
        """Raise Refusal unless the bot may send this kind of content (`text`, or a kind of media) into the chat."""
        if not chat.is_private:
            refuse(rights.to_send(chat, self.standing(chat), content, thread_id))

    def thread(self, chat: Chat, replied: Message | None) -> int:
        """The topic that `message_thread_id` or the replied message names, 0 for none; or raise Refusal."""
        thread_id = self.parameters.integer("message_thread_id")
        if not thread_id:
            return replied.thread_id if replied is not None and chat.is_forum else 0
        if thread_id == GENERAL_ID or chat.topic(thread_id) is None:  # the server does not take General's id either
            raise bad_request("message thread not found")
        return thread_id

    def find_chat(self, written: str) -> Chat:
        """The chat that this id or `@username` names, whether the bot is in it or not; or raise Refusal."""
        written = written.strip()
        if not written:
            raise bad_request("chat_id is empty")
        town = self.world.town
        if written.startswith("@"):
            chat = town.chat_by_username(written)
        else:
            try:
                chat = town.chat_of(self.bot, int(written)) or self._chat_from_outside(int(written))
            except ValueError:
                chat = None
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def _chat_from_outside(self, chat_id: int) -> Chat | None:
        """A public chat, or one that the bot was in."""
        town = self.world.town
        chat = town.chats.get(str(chat_id))
        if chat is not None:
            return chat if chat.username or self.bot.id in chat.members else None
        if chat_id in town.people and joining.is_at_the_door(town, self.bot, chat_id):
            chat = town.private_chat(self.bot, town.people[chat_id])
            chat.closes_at = self.now + joining.REQUESTER_REACHABLE_S
            return chat
        if any(self.bot.id in c.bots and chat_id in c.people for c in town.chats.values() if not c.is_private):
            raise forbidden("bot can't initiate conversation with a user")
        return None

    def user(self, chat: Chat) -> Bot | Person:
        """The bot or person that `user_id` names, or raise Refusal."""
        user_id = self.parameters.integer("user_id")
        if user_id <= 0:
            raise bad_request("invalid user_id specified")
        user = self.world.town.user(user_id)
        if user is None:
            raise bad_request("PARTICIPANT_ID_INVALID" if not chat.is_private else "user not found")
        return user

    def message(self, chat: Chat, what: str) -> Message:
        """The visible message that `message_id` names, or raise `message to <what> not found`."""
        if not self.parameters.has("message_id"):
            raise bad_request("message identifier is not specified")
        message = chat.messages.get(self.parameters.integer("message_id"))
        if message is None or message.deleted:
            raise bad_request(f"message to {what} not found")
        return message


def refuse(refusal: Refusal | None) -> None:
    """Raise what stands in the way, if anything does."""
    if refusal is not None:
        raise refusal


Methods = dict[str, Callable[[Call], object]]
"""What a module offers: a function for each method, by the method's name."""
