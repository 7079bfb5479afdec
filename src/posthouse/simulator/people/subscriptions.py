"""What people do with their Stars beside paying: top up, end a subscription, take it up again."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Person
from posthouse.simulator.payments import Payment, Subscription
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.payments import settle
from posthouse.simulator.town import Town


def top_up(town: Town, person: Person, amount: int) -> None:
    """Buy Stars, or with a negative amount get rid of some."""
    if person.stars + amount < 0:
        raise Impossible(f"{person.first_name} has only {person.stars} Stars")
    person.stars += amount
    town.journal.record("stars.added", person_id=person.id, text=str(amount), balance=person.stars)


def set_canceled(town: Town, subscription: Subscription, canceled: bool) -> None:
    """End the subscription with its current period, or take it up again before that."""
    if subscription.ended:
        raise Impossible("the subscription has ended")
    if bool(subscription.canceled_by) == canceled:
        return
    if subscription.canceled_by == "bot":
        raise Impossible("the bot ended this subscription; only the bot can take it up again")
    subscription.canceled_by = "person" if canceled else ""
    tell(town, subscription, "canceled" if canceled else "active")


def renew(town: Town, subscription: Subscription) -> None:
    """Its period is over: take the Stars for the next one, or end it."""
    person, invoice = subscription.person, subscription.invoice
    if subscription.canceled_by:
        subscription.ended = True
        _note(town, subscription, "subscription.ended")
        return
    if person.stars < invoice.total or subscription.chat.blocked:
        subscription.ended = True
        tell(town, subscription, "failed")
        return
    paid_at, subscription.expires_at = subscription.expires_at, subscription.expires_at + invoice.subscription_period_s
    payment = Payment(
        town.payments.new_id("stx"),
        f"{person.id}_{len(town.payments.payments)}",
        invoice,
        person,
        subscription.chat,
        paid_at,
        invoice.total,
        subscription=subscription,
        expires_at=subscription.expires_at,
    )
    settle(town, payment)
    _note(town, subscription, "subscription.renewed")


def tell(town: Town, subscription: Subscription, state: str) -> None:
    """The `subscription` update."""
    payload: Wire = {
        "user": subscription.person.wire(),
        "invoice_payload": subscription.invoice.payload,
        "state": state,
    }
    _note(town, subscription, f"subscription.{state}")
    town.announce(subscription.invoice.bot, "subscription", payload, subscription.person.id)


def _note(town: Town, subscription: Subscription, kind: str) -> None:
    town.journal.record(
        kind,
        bot_id=subscription.invoice.bot.id,
        chat=subscription.chat.ref,
        person_id=subscription.person.id,
        text=subscription.invoice.title,
        charge_id=subscription.id,
    )
