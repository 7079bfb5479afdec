"""A bot's account in Telegram Stars."""

from __future__ import annotations

from posthouse.simulator.bots import Wire
from posthouse.simulator.chats import Message, Person
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.payments import Payment, Transaction
from posthouse.simulator.refusals import bad_request

TRANSACTIONS_MAX = 100


def get_my_star_balance(call: Call) -> Wire:
    return {"amount": call.bot.stars}


def get_star_transactions(call: Call) -> Wire:
    """Oldest first."""
    offset = call.parameters.integer("offset", low=0)
    limit = call.parameters.integer("limit", default=TRANSACTIONS_MAX, low=1, high=TRANSACTIONS_MAX)
    booked = call.world.town.payments.of_bot(call.bot)
    return {"transactions": [transaction.wire() for transaction in booked[offset : offset + limit]]}


def refund_star_payment(call: Call) -> bool:
    """Give the Stars back, once. The bot is told by a service message of its own."""
    payment = _payment(call)
    if payment.refunded:
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    if call.bot.stars < payment.total:
        raise bad_request("BALANCE_TOO_LOW")
    town = call.world.town
    payment.refunded = True
    partner: Wire = {"transaction_type": "invoice_payment", "invoice_payload": payment.invoice.payload}
    town.payments.move_stars(Transaction(payment.id, call.bot, payment.person, -payment.total, call.now, partner))
    chat = town.private_chat(call.bot, payment.person)
    message = Message(0, chat, call.bot, int(call.now), service={"refunded_payment": payment.refund_wire()})
    town.post(message)
    message.cursor = town.journal.record(
        "payment.refunded",
        bot_id=call.bot.id,
        chat=chat.ref,
        person_id=payment.person.id,
        message_id=message.id,
        text=payment.invoice.currency.shown(payment.total),
        charge_id=payment.id,
    )
    town.announce(call.bot, "message", message.wire(call.bot), chat.id)
    return TRUE


def edit_user_star_subscription(call: Call) -> bool:
    """End a subscription with its period, or let its person take it up again."""
    payment = _payment(call)
    subscription = payment.subscription
    if subscription is None:
        raise bad_request("CHARGE_NOT_FOUND")
    if call.parameters.flag("is_canceled"):
        if subscription.ended:
            raise bad_request("SUBSCRIPTION_NOT_ACTIVE")
        subscription.canceled_by = "bot"
    elif subscription.canceled_by == "bot":
        subscription.canceled_by = "person"
    call.world.journal.record(
        "subscription.edited",
        bot_id=call.bot.id,
        person_id=subscription.person.id,
        text=subscription.invoice.title,
        charge_id=subscription.id,
        state=subscription.state,
    )
    return TRUE


def _payment(call: Call) -> Payment:
    """The payment in Stars that the person made to this bot, or raise Refusal."""
    person = _person(call)
    charge_id = call.parameters.text("telegram_payment_charge_id")
    if not charge_id:
        raise bad_request('parameter "telegram_payment_charge_id" is required')
    payment = call.world.town.payments.payments.get(charge_id)
    if payment is None or payment.person is not person or payment.invoice.bot is not call.bot:
        raise bad_request("CHARGE_NOT_FOUND")
    if not payment.invoice.in_stars:
        raise bad_request("CHARGE_NOT_FOUND")
    return payment


def _person(call: Call) -> Person:
    user_id = call.parameters.integer("user_id")
    if user_id <= 0:
        raise bad_request("invalid user_id specified")
    person = call.world.town.people.get(user_id)
    if person is None:
        raise bad_request("user not found")
    return person


METHODS: Methods = {
    "getMyStarBalance": get_my_star_balance,
    "getStarTransactions": get_star_transactions,
    "refundStarPayment": refund_star_payment,
    "editUserStarSubscription": edit_user_star_subscription,
}
