"""People as tests play them.

What a person can do is in a module for each domain; here is what they do all day: writing and pressing.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.testing.actor import Place, Question
from posthouse.testing.chats import Chat
from posthouse.testing.control import BotName
from posthouse.testing.inline import Asker
from posthouse.testing.membership import Neighbour
from posthouse.testing.opening import Opener
from posthouse.testing.paying import Checkout, NotPaid, Payer
from posthouse.testing.sending import Sender

__all__ = ["Checkout", "NotPaid", "Person", "Question"]


class Person(Asker, Opener, Payer, Sender, Neighbour):
    """Somebody who chats with bots."""

    async def says(
        self,
        text: str,
        *,
        to: Place = None,
        reply_to: Message | None = None,
        quote: str = "",
        parse_mode: str = "",
        thread: int = 0,
        as_chat: Chat | None = None,
    ) -> Message:
        """Write to a bot or into a group: into a topic, or in the name of an own channel if one is given.

        The first message to a bot starts it. `quote` is a part of the message replied to; with a `parse_mode` the
        text is formatted.
        """
        saying = views.Saying(
            person=self.id,
            text=text,
            parse_mode=parse_mode,
            reply_to=reply_to.id if reply_to else None,
            quote=quote,
            thread=thread,
            as_chat=as_chat.ref if as_chat else None,
        )
        return await self._sent(f"/chats/{await self._ref(to)}/messages", saying)

    async def starts(self, bot: BotName | None = None, payload: str = "") -> Message:
        """Follow a deep link, or press Start."""
        return await self.says(f"/start {payload}".strip(), to=bot)

    async def edits(self, message: Message, text: str) -> Message:
        """Change the text of an own message."""
        rewording = views.Rewording(person=self.id, text=text)
        answer = await self.town.request("PATCH", f"/chats/{message.chat}/messages/{message.id}", rewording)
        return Message.model_validate(answer)

    async def deletes(self, message: Message) -> None:
        """Delete an own message, or any message of a private chat."""
        path = f"/chats/{message.chat}/messages/{message.id}"
        await self.town.request("DELETE", path, query={"person": self.id})

    async def reacts(self, message: Message, *emoji: str) -> Message:
        """Let these be the own reactions to a message; none takes them away."""
        reacting = views.Reacting(person=self.id, emoji=list(emoji))
        path = f"/chats/{message.chat}/messages/{message.id}/reactions"
        return Message.model_validate(await self.town.request("PUT", path, reacting))

    async def forwards(self, message: Message, *, to: Place = None) -> Message:
        """Forward a message to a bot or into a group."""
        forwarding = views.Forwarding(person=self.id, from_chat=message.chat, message=message.id)
        return await self._sent(f"/chats/{await self._ref(to)}/forwards", forwarding)

    async def presses(
        self, text: str | None = None, *, on: Message | Place = None, data: str | None = None
    ) -> Question:
        """Press an inline button, named by its text or its callback data, on that message.

        `on` a bot or chat means the newest visible message there that has the button.
        """
        ref, message = await self._spot(on)
        press = views.Press(person=self.id, text=text, callback_data=data, message=message)
        return await self._asked(f"/chats/{ref}/presses", press)

    async def presses_key(
        self, text: str, *, on: Place = None, users: Sequence[int] = (), chat: Chat | None = None
    ) -> Message:
        """Press a button of the reply keyboard, and share what it asks for."""
        key = views.Key(person=self.id, text=text, users=list(users), chat=chat.ref if chat else None)
        return await self._sent(f"/chats/{await self._ref(on)}/keys", key)

    async def stops(self, bot: BotName | None = None) -> views.Draft:
        """Stop the message that a bot is writing."""
        path = f"/chats/{await self._ref(bot)}/stops"
        return views.Draft.model_validate(await self.town.request("POST", path, views.Stopping(person=self.id)))

    async def blocks(self, bot: BotName | None = None) -> None:
        await self._set_blocked(bot, True)

    async def unblocks(self, bot: BotName | None = None) -> None:
        await self._set_blocked(bot, False)

    async def _set_blocked(self, bot: BotName | None, blocked: bool) -> None:
        ref = await self._ref(bot)
        await self.town.request("PUT", f"/chats/{ref}/blocked", views.Blocking(blocked=blocked))
