"""Checkouts: a person opens an invoice, chooses, confirms, and pays."""

from __future__ import annotations

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.currencies import CURRENCIES
from posthouse.simulator.invoices import Invoice
from posthouse.simulator.payments import (
    PRE_CHECKOUT_DEADLINE_S,
    SHIPPING_DEADLINE_S,
    WAITING_FOR_BOT,
    Checkout,
    CheckoutState,
    Payment,
    Subscription,
    Transaction,
)
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing, deliver
from posthouse.simulator.town import Query, Town

_ADDRESS = ("country_code", "state", "city", "street_line1", "street_line2", "post_code")


def find_invoice(town: Town, name: str) -> Invoice:
    """The invoice of this link or slug, or raise Impossible."""
    slug = name.rpartition("$")[2].rpartition("/invoice/")[2]
    invoice = town.payments.invoices.get(slug)
    if invoice is None:
        raise Impossible(f"no invoice {name!r}")
    return invoice


def invoice_of(message: Message) -> Invoice:
    """The invoice that a message shows, if its person may still pay it; or raise Impossible."""
    if not isinstance(message.media, Invoice):
        raise Impossible(f"message {message.id} is not an invoice")
    return message.media


def plain_invoice(town: Town, bot: Bot, *, currency: str, amount: int, payload: str) -> Invoice:
    """An invoice that no bot made, for a test that is about the checkout alone."""
    if currency not in CURRENCIES:
        raise Impossible(f"{currency!r} is not a currency that Telegram takes")
    if amount <= 0:
        raise Impossible("an invoice is about more than nothing")
    prices = [{"label": payload, "amount": amount}]
    invoice = Invoice(town.payments.new_id(), bot, payload[:32], payload, payload, currency, prices)
    town.payments.keep_invoice(invoice)
    return invoice


def check_out(
    town: Town,
    person: Person,
    invoice: Invoice,
    *,
    message: Message | None = None,
    tip: int = 0,
    order_info: Wire | None = None,
) -> Checkout:
    """Fill in the form and go on: to the shipping options if there are any, else to the bot's last word."""
    chat = town.private_chat(invoice.bot, person) if message is None else message.chat
    if message is None and chat.blocked:
        raise Impossible(f"{person.first_name} blocked the bot; unblock it first")
    if message is not None:
        check_writing(person, chat)
        _check_unpaid(message)
    info = _checked_info(invoice, order_info or {})
    _check_tip(invoice, tip)
    checkout = Checkout(
        town.payments.new_id(size_bytes=9),
        invoice,
        person,
        chat,
        message,
        tip,
        info,
        CheckoutState.CONFIRMING,
        deadline=0.0,
    )
    _check_balance(checkout)
    town.payments.open(checkout)
    if invoice.is_flexible and "shipping_address" in invoice.needs:
        _ask_shipping(town, checkout)
    else:
        _confirm(town, checkout)
    return checkout


def choose_shipping(town: Town, checkout: Checkout, option_id: str) -> None:
    """Take one of the bot's shipping options and go on to its last word."""
    if checkout.state is not CheckoutState.CHOOSING_SHIPPING:
        raise Impossible(f"the checkout is {checkout.state}, there is nothing to choose")
    option = next((option for option in checkout.shipping_options if option["id"] == option_id), None)
    if option is None:
        offered = [option["id"] for option in checkout.shipping_options]
        raise Impossible(f"no shipping option {option_id!r}; the bot offers {offered}")
    checkout.shipping_option = option
    _confirm(town, checkout)


def cancel(town: Town, checkout: Checkout) -> None:
    """Close the form. A bot is not told of it."""
    if checkout.state not in WAITING_FOR_BOT and checkout.state is not CheckoutState.CHOOSING_SHIPPING:
        raise Impossible(f"the checkout is {checkout.state} already")
    end(town, checkout, CheckoutState.CANCELED, f"{checkout.person.first_name} closed the form")


def end(town: Town, checkout: Checkout, state: CheckoutState, reason: str) -> None:
    """The checkout is over and no money moved."""
    town.payments.waiting.pop(checkout.query_id, None)
    checkout.state, checkout.reason = state, reason
    _note(town, checkout, f"checkout.{state}", reason)


def offer_shipping(town: Town, query: Query, options: list[Wire]) -> None:
    """The bot named its shipping options; nothing happens when the person has closed the form."""
    checkout = town.payments.waiting.pop(query.id, None)
    if checkout is None:
        return
    checkout.shipping_options, checkout.state = options, CheckoutState.CHOOSING_SHIPPING
    _note(town, checkout, "shipping.offered", ", ".join(option["title"] for option in options))


def decline(town: Town, query: Query, reason: str) -> None:
    """The bot refuses; the person is shown why."""
    checkout = town.payments.waiting.pop(query.id, None)
    if checkout is not None:
        end(town, checkout, CheckoutState.DECLINED, reason)


def pay(town: Town, query: Query) -> None:
    """The bot agreed: the money moves, and a service message tells the bot so."""
    checkout = town.payments.waiting.pop(query.id, None)
    if checkout is None:
        return
    invoice, person = checkout.invoice, checkout.person
    if invoice.in_stars and person.stars < checkout.total:
        end(town, checkout, CheckoutState.FAILED, "BALANCE_TOO_LOW")
        return
    payment = _payment_of(town, checkout)
    if invoice.subscription_period_s:
        _subscribe(town, payment)
    checkout.payment, checkout.state = payment, CheckoutState.PAID
    if checkout.message is not None and checkout.chat.is_private:
        invoice.paid = True
    settle(town, payment)


def settle(town: Town, payment: Payment) -> None:
    """Book the payment and tell the bot in the chat."""
    invoice = payment.invoice
    town.payments.keep_payment(payment)
    if invoice.in_stars:
        partner: Wire = {"transaction_type": "invoice_payment", "invoice_payload": invoice.payload}
        if invoice.subscription_period_s:
            partner["subscription_period"] = invoice.subscription_period_s
        town.payments.move_stars(
            Transaction(payment.id, invoice.bot, payment.person, payment.total, payment.date, partner)
        )
    service = {"successful_payment": payment.wire()}
    deliver(town, Message(0, payment.chat, payment.person, int(payment.date), service=service))
    town.journal.record(
        "payment.made",
        bot_id=invoice.bot.id,
        chat=payment.chat.ref,
        person_id=payment.person.id,
        text=f"{invoice.title}: {invoice.currency.shown(payment.total)}",
        charge_id=payment.id,
    )


def _checked_info(invoice: Invoice, given: Wire) -> Wire:
    """What the invoice needs of what the person filled in, or raise Impossible."""
    if invoice.in_stars:
        return {}
    missing = [name for name in invoice.needs if not given.get(name)]
    if missing:
        raise Impossible(f"the form is not complete: {', '.join(missing)}")
    info = {name: given[name] for name in invoice.needs}
    if "shipping_address" in info:
        address = info["shipping_address"]
        info["shipping_address"] = {part: str(address.get(part) or "") for part in _ADDRESS}
    return info


def _check_tip(invoice: Invoice, tip: int) -> None:
    if not 0 <= tip <= invoice.tip_max:
        raise Impossible(f"a tip of {tip} is not possible here; at most {invoice.tip_max}")


def _check_balance(checkout: Checkout) -> None:
    person = checkout.person
    if checkout.invoice.in_stars and person.stars < checkout.total:
        raise Impossible(
            f"{person.first_name} has {person.stars} Stars and this costs {checkout.total}; "
            f"top up with POST /people/{person.id}/stars"
        )


def _check_unpaid(message: Message) -> None:
    """In a private chat an invoice is paid once; then its button shows the receipt."""
    if message.chat.is_private and isinstance(message.media, Invoice) and message.media.paid:
        raise Impossible(f"the invoice in message {message.id} is paid; its button shows the receipt")


def _ask_shipping(town: Town, checkout: Checkout) -> None:
    query = _ask(town, checkout, "shipping_query", SHIPPING_DEADLINE_S)
    checkout.state = CheckoutState.ASKING_SHIPPING
    query.payload = {
        "id": query.id,
        "from": checkout.person.wire(),
        "invoice_payload": checkout.invoice.payload,
        "shipping_address": checkout.order_info["shipping_address"],
    }
    _note(town, checkout, "shipping.asked", checkout.invoice.payload)
    town.announce(query.bot, "shipping_query", query.payload, checkout.person.id)


def _confirm(town: Town, checkout: Checkout) -> None:
    person, invoice = checkout.person, checkout.invoice
    query = _ask(town, checkout, "pre_checkout_query", PRE_CHECKOUT_DEADLINE_S)
    checkout.state = CheckoutState.CONFIRMING
    query.payload = {
        "id": query.id,
        "from": person.wire(),
        "currency": invoice.currency_code,
        "total_amount": checkout.total,
        "invoice_payload": invoice.payload,
    }
    if checkout.shipping_option is not None:
        query.payload["shipping_option_id"] = checkout.shipping_option["id"]
    if checkout.order_info:
        query.payload["order_info"] = checkout.order_info
    _note(town, checkout, "checkout.opened", invoice.payload)
    town.announce(query.bot, "pre_checkout_query", query.payload, person.id)


def _ask(town: Town, checkout: Checkout, kind: str, lifetime_s: float) -> Query:
    query = town.open_query(kind, checkout.invoice.bot, checkout.person, lifetime_s=lifetime_s, chat=checkout.chat)
    checkout.query_id, checkout.deadline = query.id, query.deadline
    town.payments.waiting[query.id] = checkout
    town.payments.bell.ring()
    return query


def _payment_of(town: Town, checkout: Checkout) -> Payment:
    invoice = checkout.invoice
    return Payment(
        town.payments.new_id("stx" if invoice.in_stars else "sim_"),
        f"{checkout.person.id}_{len(town.payments.payments)}" if invoice.in_stars else town.payments.new_id("ch_"),
        invoice,
        checkout.person,
        checkout.chat,
        town.now(),
        checkout.total,
        checkout.order_info,
        "" if checkout.shipping_option is None else checkout.shipping_option["id"],
    )


def _subscribe(town: Town, payment: Payment) -> None:
    payment.is_first = True
    payment.expires_at = payment.date + payment.invoice.subscription_period_s
    payment.subscription = Subscription(
        payment.id, payment.invoice, payment.person, _home(town, payment), payment.expires_at
    )
    town.payments.subscribe(payment.subscription)
    town.payments.bell.ring()


def _home(town: Town, payment: Payment) -> Chat:
    """Renewals are told in the private chat, wherever the first payment was made."""
    return town.private_chat(payment.invoice.bot, payment.person)


def _note(town: Town, checkout: Checkout, kind: str, text: str) -> None:
    town.journal.record(
        kind,
        bot_id=checkout.invoice.bot.id,
        chat=checkout.chat.ref,
        person_id=checkout.person.id,
        text=text,
        checkout=checkout.id,
        query_id=checkout.query_id,
    )
