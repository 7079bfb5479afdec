"""People as tests play them, and what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.simulator.views.view import View
from posthouse.testing.chats import Chat
from posthouse.testing.control import WITHIN_S, BotName, Control, NotSeen, number_of


class NotPaid(AssertionError):
    """A person could not pay; the message holds the reason and the transcript."""


class Person:
    """Somebody who chats with bots."""

    def __init__(self, town: Control, record: views.Person) -> None:
        self.town = town
        self.id = record.id
        self.first_name = record.first_name
        self.username = record.username

    def chat_with(self, bot: BotName) -> Chat:
        """The private chat with a bot."""
        return Chat(self.town, f"{number_of(bot)}:{self.id}")

    async def says(
        self,
        text: str,
        *,
        to: BotName | Chat,
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
        answer = await self.town.request("POST", f"/chats/{await self._ref(to)}/messages", saying)
        return Message.model_validate(answer)

    async def starts(self, bot: BotName, payload: str = "") -> Message:
        """Follow a deep link, or press Start."""
        return await self.says(f"/start {payload}".strip(), to=bot)

    async def edits(self, message: Message, text: str) -> Message:
        """Change the text of an own message."""
        rewording = views.Rewording(person=self.id, text=text)
        answer = await self.town.request("PATCH", f"/chats/{message.chat}/messages/{message.id}", rewording)
        return Message.model_validate(answer)

    async def presses(
        self, text: str | None = None, *, on: Message | BotName | Chat, data: str | None = None
    ) -> Question:
        """Press an inline button, named by its text or its callback data, on that message.

        `on` a bot or chat means the newest visible message there that has the button.
        """
        ref = on.chat if isinstance(on, Message) else await self._ref(on)
        press = views.Press(
            person=self.id,
            text=text,
            callback_data=data,
            message=on.id if isinstance(on, Message) else None,
        )
        return await self._asked(f"/chats/{ref}/presses", press)

    async def reacts(self, message: Message, *emoji: str) -> Message:
        """Let these be the own reactions to a message; none takes them away."""
        reacting = views.Reacting(person=self.id, emoji=list(emoji))
        path = f"/chats/{message.chat}/messages/{message.id}/reactions"
        return Message.model_validate(await self.town.request("PUT", path, reacting))

    async def deletes(self, message: Message) -> None:
        """Delete an own message, or any message of a private chat."""
        path = f"/chats/{message.chat}/messages/{message.id}"
        await self.town.request("DELETE", path, query={"person": self.id})

    async def forwards(self, message: Message, *, to: BotName | Chat) -> Message:
        """Forward a message to a bot or into a group."""
        forwarding = views.Forwarding(person=self.id, from_chat=message.chat, message=message.id)
        answer = await self.town.request("POST", f"/chats/{await self._ref(to)}/forwards", forwarding)
        return Message.model_validate(answer)

    async def presses_key(
        self, text: str, *, on: BotName | Chat, users: Sequence[int] = (), chat: Chat | None = None
    ) -> Message:
        """Press a button of the reply keyboard, and share what it asks for."""
        key = views.Key(person=self.id, text=text, users=list(users), chat=chat.ref if chat else None)
        return Message.model_validate(await self.town.request("POST", f"/chats/{await self._ref(on)}/keys", key))

    async def stops(self, bot: BotName) -> views.Draft:
        """Stop the message that a bot is writing."""
        path = f"/chats/{await self._ref(bot)}/stops"
        return views.Draft.model_validate(await self.town.request("POST", path, views.Stopping(person=self.id)))

    async def joins(self, link: str) -> bool:
        """Follow an invite link, or enter the public chat `@username`; True when somebody must agree first."""
        answer = await self.town.request("POST", "/joins", views.Joining(person=self.id, link=link))
        return views.Joined.model_validate(answer).requested

    async def leaves(self, chat: Chat) -> None:
        """Leave a group or channel."""
        await self.town.request("DELETE", f"/chats/{chat.ref}/members/{self.id}", query={"person": self.id})

    async def deletes_account(self) -> None:
        """Be gone from Telegram."""
        await self.town.request("DELETE", f"/people/{self.id}")

    async def blocks(self, bot: BotName) -> None:
        await self._set_blocked(bot, True)

    async def unblocks(self, bot: BotName) -> None:
        await self._set_blocked(bot, False)

    async def asks_inline(self, text: str, *, bot: BotName, chat: Chat | None = None, offset: str = "") -> Question:
        """Type `@bot text` in a chat; its answer holds the results."""
        place = None if chat is None else chat.ref
        asking = views.InlineAsking(
            person=self.id, bot=await self.town.bot_id(bot), text=text, chat=place, offset=offset
        )
        return await self._asked("/inline_queries", asking)

    async def chooses(
        self, question: Question, result: str | None = None, *, to: BotName | Chat | None = None
    ) -> Message:
        """Send a result of an inline query, named by its id or else the first, into a chat.

        Without `to` that is the chat in which the query was typed. Waits for the bot's answer.
        """
        await question.answer()
        choice = views.InlineChoice(result=result, chat=None if to is None else await self._ref(to))
        answer = await self.town.request("POST", f"/inline_queries/{question.id}/choice", choice)
        return Message.model_validate(answer)

    async def shares(self, prepared: str, *, to: BotName | Chat) -> Message:
        """Send a message that a bot prepared for this person's Mini App."""
        sharing = views.Sharing(chat=await self._ref(to))
        return Message.model_validate(await self.town.request("POST", f"/prepared_messages/{prepared}", sharing))

    # Money.

    async def pays(
        self,
        invoice: Message | str,
        *,
        tip: int = 0,
        order_info: views.OrderInfo | None = None,
        shipping: str | None = None,
        within_s: float = WITHIN_S,
    ) -> views.Checkout:
        """Pay an invoice, shown in a message or behind a link; or raise NotPaid.

        `shipping` is the id of the option to take when the bot offers some; without it the first one.
        """
        checkout = await self.confirms(invoice, tip=tip, order_info=order_info)
        seen = await checkout.settled(within_s=within_s)
        if seen.state == "choosing_shipping":
            await checkout.ships_with(shipping or seen.shipping_options[0].id)
            seen = await checkout.settled(within_s=within_s)
        if not seen.paid:
            transcript = await Chat(self.town, seen.chat).transcript()
            raise NotPaid(f"the checkout is {seen.state} after {within_s} s: {seen.reason}\n{transcript}")
        return seen

    async def confirms(
        self, invoice: Message | str, *, tip: int = 0, order_info: views.OrderInfo | None = None
    ) -> Checkout:
        """Fill in an invoice's form and press Pay, without waiting for the bot."""
        shown = isinstance(invoice, Message)
        new = views.NewCheckout(
            person=self.id,
            chat=invoice.chat if isinstance(invoice, Message) else None,
            message=invoice.id if isinstance(invoice, Message) else None,
            invoice=None if shown else str(invoice),
            tip=tip,
            order_info=order_info or views.OrderInfo(),
        )
        return Checkout(self.town, await self.town.request("POST", "/checkouts", new))

    async def checks_out(self, payload: str, *, bot: BotName, amount: int, currency: str = "XTR") -> Question:
        """Confirm a payment that no invoice asked for; once the bot agrees, it gets a successful_payment."""
        new = views.NewCheckout(
            person=self.id,
            bot=await self.town.bot_id(bot),
            currency=currency,
            amount=amount,
            payload=payload,
        )
        checkout = Checkout(self.town, await self.town.request("POST", "/checkouts", new))
        return Question(self.town, checkout.query_id)

    async def stars(self) -> int:
        """The balance in Telegram Stars."""
        return views.Stars.model_validate(await self.town.request("GET", f"/people/{self.id}/stars")).balance

    async def gets_stars(self, amount: int) -> None:
        """Top up; a negative amount takes Stars away."""
        await self.town.request("POST", f"/people/{self.id}/stars", views.StarsAdded(amount=amount))

    async def subscriptions(self) -> list[views.Subscription]:
        found = await self.town.request("GET", f"/people/{self.id}/subscriptions")
        return [views.Subscription.model_validate(one) for one in found]

    async def cancels(self, subscription: views.Subscription) -> None:
        """End a subscription with its current period."""
        await self._change(subscription, canceled=True)

    async def resumes(self, subscription: views.Subscription) -> None:
        """Take a canceled subscription up again."""
        await self._change(subscription, canceled=False)

    async def _change(self, subscription: views.Subscription, *, canceled: bool) -> None:
        path = f"/people/{self.id}/subscriptions/{subscription.id}"
        await self.town.request("PUT", path, views.SubscriptionChange(canceled=canceled))

    async def _asked(self, path: str, body: View) -> Question:
        answer = await self.town.request("POST", path, body)
        return Question(self.town, views.Query.model_validate(answer).id)

    async def _set_blocked(self, bot: BotName, blocked: bool) -> None:
        ref = await self._ref(bot)
        await self.town.request("PUT", f"/chats/{ref}/blocked", views.Blocking(blocked=blocked))

    async def _ref(self, place: BotName | Chat) -> str:
        return place.ref if isinstance(place, Chat) else f"{await self.town.bot_id(place)}:{self.id}"


class Question:
    """Something a bot was asked: a pressed button, an inline query, a checkout."""

    def __init__(self, town: Control, query_id: str) -> None:
        self.town = town
        self.id = query_id

    async def answer(self, *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """What the bot answered, or raise NotSeen."""
        found = await self.town.request("GET", f"/queries/{self.id}", query={"within_s": within_s})
        query = views.Query.model_validate(found)
        if query.answer is None:
            raise NotSeen(f"the {query.kind} was not answered within {within_s} s")
        return query.answer


class Checkout:
    """A person on the way to paying."""

    def __init__(self, town: Control, record: Any) -> None:
        seen = views.Checkout.model_validate(record)
        self.town = town
        self.id = seen.id
        self.query_id = seen.query

    async def settled(self, *, within_s: float = WITHIN_S) -> views.Checkout:
        """The checkout, once the bot has answered or the time is over."""
        found = await self.town.request("GET", f"/checkouts/{self.id}", query={"within_s": within_s})
        return views.Checkout.model_validate(found)

    async def ships_with(self, option: str) -> None:
        """Take one of the offered shipping options."""
        await self.town.request("POST", f"/checkouts/{self.id}/shipping", views.ShippingChoice(option=option))

    async def is_closed(self) -> None:
        """The person closes the form without paying."""
        await self.town.request("DELETE", f"/checkouts/{self.id}")
