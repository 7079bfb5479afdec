"""Paying for media with Stars."""

from __future__ import annotations

from posthouse.simulator.chats import Message, Person
from posthouse.simulator.paid_media import PaidMedia
from posthouse.simulator.payments import Transaction
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing
from posthouse.simulator.town import Town


def buy(town: Town, person: Person, message: Message) -> None:
    """Pay for the media of a message; its bot hears of it."""
    check_writing(person, message.chat)
    media = message.media
    if not isinstance(media, PaidMedia):
        raise Impossible(f"message {message.id} has no paid media")
    if person.id in media.buyers:
        raise Impossible(f"{person.first_name} has paid for it already")
    if person.stars < media.stars:
        raise Impossible(f"{person.first_name} has {person.stars} Stars and this costs {media.stars}")
    media.buyers.add(person.id)
    partner = {
        "transaction_type": "paid_media_payment",
        "paid_media": media.shown(media.bot),
        "paid_media_payload": media.payload,
    }
    town.payments.move_stars(
        Transaction(town.payments.new_id("stx"), media.bot, person, media.stars, town.now(), partner)
    )
    message.cursor = town.journal.record(
        "person.bought",
        bot_id=media.bot.id,
        chat=message.chat.ref,
        person_id=person.id,
        message_id=message.id,
        text=f"{media.stars} Stars",
    )
    purchase = {"from": person.wire(), "paid_media_payload": media.payload}
    town.announce(media.bot, "purchased_paid_media", purchase, person.id)
