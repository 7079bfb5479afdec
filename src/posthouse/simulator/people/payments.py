"""Checkouts and payments."""

from __future__ import annotations

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Message, Person
from posthouse.simulator.people.writing import check_writing, deliver
from posthouse.simulator.town import Query, Town

PRE_CHECKOUT_DEADLINE_S = 10.0


def check_out(town: Town, person: Person, bot: Bot, *, currency: str, amount: int, payload: str) -> Query:
    """Confirm a payment; the bot has ten seconds to agree, then the money moves."""
    chat = town.private_chat(bot, person)
    check_writing(person, chat)
    query = town.open_query("pre_checkout_query", bot, person, lifetime_s=PRE_CHECKOUT_DEADLINE_S, chat=chat)
    query.payload = {
        "id": query.id,
        "from": person.wire(),
        "currency": currency,
        "total_amount": amount,
        "invoice_payload": payload,
    }
    town.journal.record(
        "checkout.opened", bot_id=bot.id, chat=chat.ref, person_id=person.id, text=payload, query_id=query.id
    )
    town.announce(bot, "pre_checkout_query", query.payload, person.id)
    return query


def pay(town: Town, query: Query) -> Message:
    """The checkout that the bot agreed to goes through: a service message tells it so."""
    assert query.chat is not None
    payment = {name: query.payload[name] for name in ("currency", "total_amount", "invoice_payload")}
    payment["telegram_payment_charge_id"] = f"sim_{query.id}"
    payment["provider_payment_charge_id"] = ""
    message = Message(0, query.chat, query.person, int(town.now()), service={"successful_payment": payment})
    deliver(town, message)
    return message
