"""Invoices, checkouts, subscriptions, Stars."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from posthouse.simulator import payments as state
from posthouse.simulator.invoices import Invoice as InvoiceState
from posthouse.simulator.views.view import View


class Price(View):
    label: str
    amount: int


class ShippingAddress(View):
    """`country_code` has two letters."""

    country_code: str
    state: str = ""
    city: str
    street_line1: str
    street_line2: str = ""
    post_code: str


class OrderInfo(View):
    """What the form of an invoice may ask for."""

    name: str | None = None
    phone_number: str | None = None
    email: str | None = None
    shipping_address: ShippingAddress | None = None


class Invoice(View):
    """What a person sees of an invoice; amounts are in the currency's smallest unit."""

    slug: str
    link: str
    bot: int
    title: str
    description: str
    currency: str
    prices: list[Price]
    total_amount: int
    shown: str
    """The total as a button shows it."""
    tip_max: int
    tips: list[int]
    needs: list[str]
    """Names of fields of `order_info` that must be filled in."""
    is_flexible: bool
    subscription_period_s: int
    photo_url: str
    paid: bool


class NewCheckout(View):
    """Which invoice: the message that shows it, its link, or (for a test of the checkout alone) bot, currency, amount
    and payload."""

    person: int
    chat: str | None = None
    message: int | None = None
    invoice: str | None = None
    bot: int | None = None
    currency: str = "XTR"
    amount: int = 0
    payload: str = ""
    tip: int = 0
    order_info: OrderInfo = Field(default_factory=OrderInfo)


class ShippingChoice(View):
    option: str


class ShippingOption(View):
    id: str
    title: str
    prices: list[Price]


class Checkout(View):
    """A checkout as it stands now. `state` is one of posthouse.simulator.payments.CheckoutState."""

    id: str
    state: str
    invoice: Invoice
    chat: str
    message: int | None = None
    query: str
    """The id of what the bot was asked last."""
    tip: int
    total_amount: int
    shipping_options: list[ShippingOption]
    reason: str
    charge_id: str | None = None

    @property
    def paid(self) -> bool:
        return self.state == state.CheckoutState.PAID


class Subscription(View):
    id: str
    """The charge id of its first payment."""
    bot: int
    person: int
    title: str
    total_amount: int
    state: str
    canceled_by: str
    expires_at: float


class SubscriptionChange(View):
    canceled: bool


class StarsAdded(View):
    amount: int
    """Negative takes away."""


class Transaction(View):
    """One line of an account: in when `amount` is positive, out when negative."""

    id: str
    bot: int
    person: int | None
    """None when it was with Telegram itself."""
    amount: int
    date: float
    partner: dict[str, Any]


class Stars(View):
    balance: int
    transactions: list[Transaction]


def of_invoice(invoice: InvoiceState) -> Invoice:
    return Invoice(
        slug=invoice.slug,
        link=invoice.link,
        bot=invoice.bot.id,
        title=invoice.title,
        description=invoice.description,
        currency=invoice.currency_code,
        prices=[Price.model_validate(price) for price in invoice.prices],
        total_amount=invoice.total,
        shown=invoice.currency.shown(invoice.total),
        tip_max=invoice.tip_max,
        tips=invoice.tips,
        needs=invoice.needs,
        is_flexible=invoice.is_flexible,
        subscription_period_s=invoice.subscription_period_s,
        photo_url=invoice.photo_url,
        paid=invoice.paid,
    )


def of_checkout(checkout: state.Checkout) -> Checkout:
    return Checkout(
        id=checkout.id,
        state=checkout.state,
        invoice=of_invoice(checkout.invoice),
        chat=checkout.chat.ref,
        message=None if checkout.message is None else checkout.message.id,
        query=checkout.query_id,
        tip=checkout.tip,
        total_amount=checkout.total,
        shipping_options=[ShippingOption.model_validate(option) for option in checkout.shipping_options],
        reason=checkout.reason,
        charge_id=None if checkout.payment is None else checkout.payment.id,
    )


def of_subscription(subscription: state.Subscription) -> Subscription:
    return Subscription(
        id=subscription.id,
        bot=subscription.invoice.bot.id,
        person=subscription.person.id,
        title=subscription.invoice.title,
        total_amount=subscription.invoice.total,
        state=subscription.state,
        canceled_by=subscription.canceled_by,
        expires_at=subscription.expires_at,
    )


def stars_of(balance: int, transactions: list[state.Transaction], *, for_bot: bool) -> Stars:
    """An account from the bot's or the person's side."""
    sign = 1 if for_bot else -1
    return Stars(
        balance=balance,
        transactions=[
            Transaction(
                id=one.id,
                bot=one.bot.id,
                person=None if one.person is None else one.person.id,
                amount=sign * one.amount,
                date=one.date,
                partner=one.partner,
            )
            for one in transactions
        ],
    )
