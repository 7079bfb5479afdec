"""Routes: invoices, checkouts, subscriptions, Stars."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from posthouse.simulator import payments as state
from posthouse.simulator import views
from posthouse.simulator.control.finder import Finder, WithinS
from posthouse.simulator.control.site import here
from posthouse.simulator.people import payments, subscriptions


def routes_of_payments() -> APIRouter:
    routes = APIRouter(tags=["payments"])
    find = Finder()

    @routes.get("/invoices/{slug}")
    async def read_invoice(slug: str) -> views.Invoice:
        """An invoice by its slug, which ends its link."""
        return views.of_invoice(payments.find_invoice(here().town, slug))

    @routes.get("/chats/{ref}/messages/{message_id}/invoice")
    async def read_invoice_of_message(ref: str, message_id: int) -> views.Invoice:
        return views.of_invoice(payments.invoice_of(find.message(find.chat(ref), message_id)))

    @routes.post("/checkouts")
    async def check_out(new: views.NewCheckout) -> views.Checkout:
        """Fill in an invoice's form and pay: the bot is asked for shipping options if the invoice is flexible, else
        for its last word, for which it has ten seconds."""
        person = find.person(new.person)
        message = None
        if new.chat is not None and new.message is not None:
            message = find.message(find.chat(new.chat), new.message)
            invoice = payments.invoice_of(message)
        elif new.invoice is not None:
            invoice = payments.find_invoice(here().town, new.invoice)
        elif new.bot is not None:
            invoice = payments.plain_invoice(
                here().town, find.bot(new.bot), currency=new.currency, amount=new.amount, payload=new.payload
            )
        else:
            raise HTTPException(422, "say which invoice: chat and message, invoice (its link), or bot and amount")
        info = new.order_info.model_dump(exclude_none=True)
        checkout = payments.check_out(here().town, person, invoice, message=message, tip=new.tip, order_info=info)
        return views.of_checkout(checkout)

    @routes.get("/checkouts/{checkout_id}")
    async def read_checkout(checkout_id: str, within_s: WithinS = 0) -> views.Checkout:
        """A checkout, once the bot has answered or the time is over."""
        checkout = _checkout(checkout_id)
        await here().journal.wait_until(lambda: checkout.state not in state.WAITING_FOR_BOT or None, within_s)
        return views.of_checkout(checkout)

    @routes.post("/checkouts/{checkout_id}/shipping")
    async def choose_shipping(checkout_id: str, choice: views.ShippingChoice) -> views.Checkout:
        """Take one of the offered shipping options; then the bot is asked for its last word."""
        checkout = _checkout(checkout_id)
        payments.choose_shipping(here().town, checkout, choice.option)
        return views.of_checkout(checkout)

    @routes.delete("/checkouts/{checkout_id}")
    async def cancel_checkout(checkout_id: str) -> views.Checkout:
        """Close the form without paying. No update tells the bot."""
        checkout = _checkout(checkout_id)
        payments.cancel(here().town, checkout)
        return views.of_checkout(checkout)

    @routes.get("/people/{person_id}/stars")
    async def read_stars_of_person(person_id: int) -> views.Stars:
        person = find.person(person_id)
        return views.stars_of(person.stars, here().town.payments.of_person(person), for_bot=False)

    @routes.post("/people/{person_id}/stars")
    async def top_up(person_id: int, added: views.StarsAdded) -> views.Stars:
        """Give a person Stars, or with a negative amount take them away."""
        subscriptions.top_up(here().town, find.person(person_id), added.amount)
        return await read_stars_of_person(person_id)

    @routes.get("/bots/{bot_id}/stars")
    async def read_stars_of_bot(bot_id: int) -> views.Stars:
        bot = find.bot(bot_id)
        return views.stars_of(bot.stars, here().town.payments.of_bot(bot), for_bot=True)

    @routes.get("/people/{person_id}/subscriptions")
    async def list_subscriptions(person_id: int) -> list[views.Subscription]:
        person = find.person(person_id)
        return [views.of_subscription(s) for s in here().town.payments.subscriptions.values() if s.person is person]

    @routes.put("/people/{person_id}/subscriptions/{charge_id}")
    async def change_subscription(
        person_id: int, charge_id: str, change: views.SubscriptionChange
    ) -> views.Subscription:
        """A person ends a subscription with its current period, or takes it up again."""
        subscription = here().town.payments.subscriptions.get(charge_id)
        if subscription is None or subscription.person is not find.person(person_id):
            raise HTTPException(404, f"no subscription {charge_id!r}")
        subscriptions.set_canceled(here().town, subscription, change.canceled)
        return views.of_subscription(subscription)

    def _checkout(checkout_id: str) -> state.Checkout:
        checkout = here().town.payments.checkouts.get(checkout_id)
        if checkout is None:
            raise HTTPException(404, f"no checkout {checkout_id!r}")
        return checkout

    return routes
