"""Money in the town: checkouts, payments, subscriptions, and who has how many Stars.

    Invoice ─► Checkout: (asking shipping ─► choosing ─►) confirming ─► paid ─► Payment ─► refunded
                                                              │
                                                              └─► declined │ expired │ canceled │ failed

State only. What people do is in `people/payments.py` and `people/subscriptions.py`, what bots do in
`methods/payments.py` and `methods/stars.py`, what time does in `billing.py`.
"""

from __future__ import annotations

import base64
import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.invoices import Invoice
from posthouse.simulator.journal import Bell
from posthouse.simulator.keeping import keep_newest

CHECKOUTS_KEPT = 20_000
INVOICES_KEPT = 20_000
PAYMENTS_KEPT = 50_000
"""Of payments, and of lines in the accounts; older ones can neither be refunded nor read. The balances stay right."""
SUBSCRIPTIONS_KEPT = 10_000
SUBSCRIPTION_PERIOD_S = 2_592_000
PRE_CHECKOUT_DEADLINE_S = 10.0
SHIPPING_DEADLINE_S = 150.0
"""No number is published; after this long the question is not delivered any more."""


class CheckoutState(StrEnum):
    """Where a checkout is."""

    ASKING_SHIPPING = "asking_shipping"
    CHOOSING_SHIPPING = "choosing_shipping"
    CONFIRMING = "confirming"
    PAID = "paid"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELED = "canceled"
    FAILED = "failed"


WAITING_FOR_BOT = frozenset({CheckoutState.ASKING_SHIPPING, CheckoutState.CONFIRMING})


@dataclass(slots=True, eq=False)
class Payment:
    """Money that moved. `id` is the bot's `telegram_payment_charge_id`."""

    id: str
    provider_id: str
    invoice: Invoice
    person: Person
    chat: Chat
    date: float
    total: int
    order_info: Wire = field(default_factory=dict)
    shipping_option_id: str = ""
    subscription: Subscription | None = None
    is_first: bool = False
    expires_at: float = 0.0
    """The end of the period that this payment pays for, of a subscription."""
    refunded: bool = False

    def wire(self) -> Wire:
        """The field `successful_payment`."""
        payment: Wire = {
            "currency": self.invoice.currency_code,
            "total_amount": self.total,
            "invoice_payload": self.invoice.payload,
        }
        if self.subscription is not None:
            payment["subscription_expiration_date"] = int(self.expires_at)
            payment["is_recurring"] = True
            if self.is_first:
                payment["is_first_recurring"] = True
        if self.shipping_option_id:
            payment["shipping_option_id"] = self.shipping_option_id
        if self.order_info:
            payment["order_info"] = self.order_info
        return {
            **payment,
            "telegram_payment_charge_id": self.id,
            "provider_payment_charge_id": self.provider_id,
        }

    def refund_wire(self) -> Wire:
        """The field `refunded_payment`."""
        return {
            "currency": self.invoice.currency_code,
            "total_amount": self.total,
            "invoice_payload": self.invoice.payload,
            "telegram_payment_charge_id": self.id,
            "provider_payment_charge_id": self.provider_id,
        }


@dataclass(slots=True, eq=False)
class Subscription:
    """Stars that are paid again every period until somebody cancels or the person has too few."""

    id: str
    """The charge id of its first payment."""
    invoice: Invoice
    person: Person
    chat: Chat
    expires_at: float
    canceled_by: str = ""
    """`person` or `bot`: it ends with the current period."""
    ended: bool = False

    @property
    def state(self) -> str:
        return "ended" if self.ended else "canceled" if self.canceled_by else "active"


@dataclass(slots=True, eq=False)
class Checkout:
    """One person on the way to paying one invoice."""

    id: str
    invoice: Invoice
    person: Person
    chat: Chat
    message: Message | None
    """The invoice's message; None for one that was opened by its link."""
    tip: int
    order_info: Wire
    state: CheckoutState
    deadline: float
    query_id: str = ""
    """The question that the bot was asked last."""
    shipping_options: list[Wire] = field(default_factory=list)
    shipping_option: Wire | None = None
    reason: str = ""
    payment: Payment | None = None

    @property
    def total(self) -> int:
        prices: list[Wire] = [] if self.shipping_option is None else self.shipping_option["prices"]
        shipping: int = sum(price["amount"] for price in prices)
        return self.invoice.total + self.tip + shipping


@dataclass(slots=True, eq=False)
class Transaction:
    """One line of a bot's account in Stars: in when `amount` is positive, out when it is negative."""

    id: str
    bot: Bot
    person: Person | None
    """None when it was with Telegram itself."""
    amount: int
    date: float
    partner: Wire
    """What the transaction was for, beside the person."""

    def wire(self) -> Wire:
        partner = self.partner if self.person is None else {"type": "user", "user": self.person.wire(), **self.partner}
        side = "source" if self.amount > 0 else "receiver"
        return {"id": self.id, "amount": abs(self.amount), "date": int(self.date), side: partner}


@dataclass(slots=True, eq=False)
class Payments:
    """All of it."""

    dice: random.Random
    invoices: dict[str, Invoice] = field(default_factory=dict)
    checkouts: dict[str, Checkout] = field(default_factory=dict)
    """The newest ones."""
    waiting: dict[str, Checkout] = field(default_factory=dict)
    """Those that the bot has to answer, by the id of the query."""
    payments: dict[str, Payment] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    transactions: deque[Transaction] = field(default_factory=lambda: deque(maxlen=PAYMENTS_KEPT))
    bell: Bell = field(default_factory=Bell)
    """Rings when there is something new for time to end. Runtime only."""

    def new_id(self, prefix: str = "", *, size_bytes: int = 18) -> str:
        """An identifier as Telegram makes them, from the town's dice."""
        return prefix + base64.urlsafe_b64encode(self.dice.randbytes(size_bytes)).decode().rstrip("=")

    def open(self, checkout: Checkout) -> None:
        keep_newest(self.checkouts, checkout.id, checkout, CHECKOUTS_KEPT)

    def keep_invoice(self, invoice: Invoice) -> None:
        """Let its link be opened."""
        keep_newest(self.invoices, invoice.slug, invoice, INVOICES_KEPT)

    def keep_payment(self, payment: Payment) -> None:
        keep_newest(self.payments, payment.id, payment, PAYMENTS_KEPT)

    def subscribe(self, subscription: Subscription) -> None:
        """Keep it until it has ended, and the newest of those that have."""
        self.subscriptions[subscription.id] = subscription
        if len(self.subscriptions) > SUBSCRIPTIONS_KEPT:
            ended = [one.id for one in self.subscriptions.values() if one.ended]
            for charge_id in ended[: len(self.subscriptions) - SUBSCRIPTIONS_KEPT]:
                del self.subscriptions[charge_id]

    def of_bot(self, bot: Bot) -> list[Transaction]:
        return [transaction for transaction in self.transactions if transaction.bot is bot]

    def of_person(self, person: Person) -> list[Transaction]:
        return [transaction for transaction in self.transactions if transaction.person is person]

    def move_stars(self, transaction: Transaction) -> None:
        """Book it: the bot's side and the person's side change together."""
        transaction.bot.stars += transaction.amount
        if transaction.person is not None:
            transaction.person.stars -= transaction.amount
        self.transactions.append(transaction)
