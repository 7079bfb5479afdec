"""People's money: paying invoices, Stars, subscriptions."""

from __future__ import annotations

from typing import Any

from posthouse.simulator import views
from posthouse.simulator.views import Message
from posthouse.testing.actor import Actor, Question
from posthouse.testing.chats import Chat
from posthouse.testing.control import WITHIN_S, BotName, Control


class NotPaid(AssertionError):
    """A person could not pay; the message holds the reason and the transcript."""


class Payer(Actor):
    """What a person does with money."""

    async def pays(
        self,
        invoice: Message | str | None = None,
        *,
        tip: int = 0,
        order_info: views.OrderInfo | None = None,
        shipping: str | None = None,
        within_s: float = WITHIN_S,
    ) -> views.Checkout:
        """Pay an invoice, shown in a message or behind a link; or raise NotPaid.

        Without one the newest invoice in the chat where the person is, once there is one.
        `shipping` is the id of the option to take when the bot offers some; without it the first one.
        """
        if invoice is None:
            invoice = await self.chat.shows(media="invoice", within_s=within_s)
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
