"""Inline mode, from the person's side."""

from __future__ import annotations

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.testing.actor import Actor, Place, Question
from posthouse.testing.chats import Chat
from posthouse.testing.control import BotName


class Asker(Actor):
    """What a person does with bots that answer anywhere."""

    async def asks_inline(self, text: str, *, bot: BotName, chat: Chat | None = None, offset: str = "") -> Question:
        """Type `@bot text` in a chat; its answer holds the results."""
        place = None if chat is None else chat.ref
        asking = views.InlineAsking(
            person=self.id, bot=await self.town.bot_id(bot), text=text, chat=place, offset=offset
        )
        return await self._asked("/inline_queries", asking)

    async def chooses(self, question: Question, result: str | None = None, *, to: Place = None) -> Message:
        """Send a result of an inline query, named by its id or else the first, into a chat.

        Without `to` that is the chat in which the query was typed. Waits for the bot's answer.
        """
        await question.answer()
        choice = views.InlineChoice(result=result, chat=None if to is None else await self._ref(to))
        answer = await self.town.request("POST", f"/inline_queries/{question.id}/choice", choice)
        return Message.model_validate(answer)

    async def shares(self, prepared: str, *, to: Place = None) -> Message:
        """Send a message that a bot prepared for this person's Mini App."""
        sharing = views.Sharing(chat=await self._ref(to))
        return Message.model_validate(await self.town.request("POST", f"/prepared_messages/{prepared}", sharing))
