"""What people do: say, edit, press, block, ask, pay, and turn a group into a supergroup.

Each act changes the town, is written to the journal, and becomes an update for the bots that may hear it.
An act that Telegram's own apps would not offer raises `Impossible` with the reason.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from posthouse.simulator.formatting import automatic
from posthouse.simulator.keyboards import Button
from posthouse.simulator.town import Bot, Chat, Message, Person, Query, Town, Wire

PRE_CHECKOUT_DEADLINE_S = 10.0
CALLBACK_DEADLINE_S = 150.0
INLINE_DEADLINE_S = 20.0


class Impossible(Exception):
    """This person cannot do that now; the message says why."""


def say(town: Town, person: Person, chat: Chat, text: str, *, reply_to: Message | None = None) -> Message:
    """Write a message. In a private chat this also starts the bot."""
    _check_writing(person, chat)
    if not text.strip():
        raise Impossible("an empty message cannot be sent")
    message = Message(0, chat, person, int(town.now()), text.strip(), automatic(text.strip()), reply_to=reply_to)
    _deliver(town, message)
    return message


def edit(town: Town, person: Person, message: Message, text: str) -> None:
    """Change the text of one's own message; an edit without a change is not an event."""
    if message.sender is not person or message.deleted:
        raise Impossible(f"message {message.id} is not {person.first_name}'s to edit")
    if text.strip() == message.text:
        return
    message.text, message.entities = text.strip(), automatic(text.strip())
    message.edit_date = int(town.now())
    message.cursor = _journal(town, "person.edited", message)
    for bot in _hearers(message):
        town.announce(bot, "edited_message", message.wire(), message.chat.id)


def press(town: Town, person: Person, message: Message, button: Button) -> Query:
    """Press an inline button. The bot gets a callback query, also when the message is gone by then."""
    if "callback_data" not in button:
        raise Impossible(f"the button {button['text']!r} does not call the bot: {sorted(button)}")
    if not isinstance(message.sender, Bot):
        raise Impossible("only a bot's message has inline buttons")
    if message.chat.blocked:
        raise Impossible(f"{person.first_name} blocked the bot")
    query = town.open_query("callback_query", message.sender, person, lifetime_s=CALLBACK_DEADLINE_S, chat=message.chat)
    query.payload = {
        "id": query.id,
        "from": person.wire(),
        "message": message.wire(),
        "chat_instance": str(crc32(message.chat.ref.encode())),
        "data": button["callback_data"],
    }
    town.journal.record(
        "person.pressed",
        bot_id=query.bot.id,
        chat=message.chat.ref,
        person_id=person.id,
        message_id=message.id,
        text=button["text"],
        callback_data=button["callback_data"],
        query_id=query.id,
    )
    town.announce(query.bot, "callback_query", query.payload, person.id)
    return query


def find_button(chat: Chat, *, text: str | None, data: str | None, message_id: int | None) -> tuple[Message, Button]:
    """The button on the given message, or on the newest visible message that has it; or raise Impossible."""
    seen: list[str] = []
    for message in chat.newest_first():
        if message_id is not None and message.id != message_id:
            continue
        for row in message.inline or []:
            for button in row:
                if (text is None or button["text"] == text) and (data is None or button.get("callback_data") == data):
                    return message, button
                seen.append(button["text"])
    wanted = text if text is not None else data
    raise Impossible(f"no button {wanted!r} in sight; visible buttons: {seen or 'none'}")


def set_blocked(town: Town, chat: Chat, blocked: bool) -> None:
    """Block or unblock the bot of a private chat."""
    if chat.blocked == blocked:
        return
    chat.blocked = blocked
    town.journal.record(
        "person.blocked" if blocked else "person.unblocked",
        bot_id=chat.bot.id,
        chat=chat.ref,
        person_id=chat.person.id,
    )
    before, after = ("member", "kicked") if blocked else ("kicked", "member")
    _announce_membership(town, chat, chat.bot, chat.person, before, after)


def open_group(town: Town, kind: str, title: str, people: list[Person], bots: list[Bot], admins: set[int]) -> Chat:
    """Create a group; every bot in it learns that it was added by the first person."""
    if not people:
        raise Impossible("a group needs at least one person")
    chat = town.add_group(kind, title, people, bots, admins)
    town.journal.record("group.opened", chat=chat.ref, person_id=people[0].id, text=title)
    for bot in bots:
        _announce_membership(town, chat, bot, people[0], "left", "member")
    return chat


def migrate(town: Town, chat: Chat, person: Person) -> Chat:
    """Turn a group into a supergroup: a new chat id, and a service message on both sides."""
    if chat.kind != "group" or chat.migrated_to is not None:
        raise Impossible("only a group that has not migrated can become a supergroup")
    new = town.add_group("supergroup", chat.title, list(chat.people.values()), list(chat.bots.values()), chat.admins)
    chat.migrated_to = new.id
    town.journal.record("group.migrated", chat=chat.ref, person_id=person.id, to_chat=new.ref)
    _deliver(town, Message(0, chat, person, int(town.now()), service={"migrate_to_chat_id": new.id}))
    _deliver(town, Message(0, new, person, int(town.now()), service={"migrate_from_chat_id": chat.id}))
    return new


def ask_inline(town: Town, person: Person, bot: Bot, text: str) -> Query:
    """Type `@bot text` in some chat; the bot answers with results."""
    query = town.open_query("inline_query", bot, person, lifetime_s=INLINE_DEADLINE_S)
    query.payload = {"id": query.id, "from": person.wire(), "query": text, "offset": ""}
    town.journal.record("person.asked", bot_id=bot.id, person_id=person.id, text=text, query_id=query.id)
    town.announce(bot, "inline_query", query.payload, person.id)
    return query


def check_out(town: Town, person: Person, bot: Bot, *, currency: str, amount: int, payload: str) -> Query:
    """Confirm a payment; the bot has ten seconds to agree, then the money moves."""
    chat = town.private_chat(bot, person)
    _check_writing(person, chat)
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
    _deliver(town, message)
    return message


# Shared steps.


def _check_writing(person: Person, chat: Chat) -> None:
    if person.id not in chat.people:
        raise Impossible(f"{person.first_name} is not in this chat")
    if chat.blocked:
        raise Impossible(f"{person.first_name} blocked the bot; unblock it first")
    if chat.migrated_to is not None:
        raise Impossible(f"the group became the supergroup {chat.migrated_to}; write there")


def _deliver(town: Town, message: Message) -> None:
    town.post(message)
    message.cursor = _journal(town, "person.said", message)
    for bot in _hearers(message):
        town.announce(bot, "message", message.wire(), message.chat.id)


def _journal(town: Town, kind: str, message: Message) -> int:
    details: dict[str, Any] = {"service": message.service} if message.service else {}
    return town.journal.record(
        kind,
        bot_id=message.chat.bot.id if message.chat.is_private else None,
        chat=message.chat.ref,
        person_id=message.sender.id,
        message_id=message.id,
        text=message.text or None,
        **details,
    )


def _hearers(message: Message) -> list[Bot]:
    return [bot for bot in message.chat.bots.values() if _hears(bot, message)]


def _hears(bot: Bot, message: Message) -> bool:
    """Privacy mode: in a group a bot hears what is addressed to it, and all service messages."""
    chat = message.chat
    if chat.is_private or not bot.privacy or bot.id in chat.admins or message.service:
        return True
    if message.reply_to is not None and message.reply_to.sender is bot:
        return True
    if not message.text.startswith("/"):
        return False
    _, at, name = message.text.split(maxsplit=1)[0].partition("@")
    return name.lower() == bot.username.lower() if at else chat.last_bot_id in (None, bot.id)


def _announce_membership(town: Town, chat: Chat, bot: Bot, person: Person, before: str, after: str) -> None:
    payload: Wire = {
        "chat": chat.wire(),
        "from": person.wire(),
        "date": int(town.now()),
        "old_chat_member": _member(bot, before),
        "new_chat_member": _member(bot, after),
    }
    town.announce(bot, "my_chat_member", payload, chat.id)


def _member(bot: Bot, status: str) -> Wire:
    member: Wire = {"user": bot.wire(), "status": status}
    if status == "kicked":
        member["until_date"] = 0
    return member
