"""Pressing the buttons under a bot's message."""

from __future__ import annotations

from zlib import crc32

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.keyboards import Button
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.town import Query, Town

CALLBACK_DEADLINE_S = 150.0


def press(town: Town, person: Person, message: Message, button: Button) -> Query:
    """Press an inline button. The bot gets a callback query, also when the message is gone by then."""
    if "callback_data" not in button:
        raise Impossible(f"the button {button['text']!r} does not call the bot: {sorted(button)}")
    bot = message.via_bot or message.sender
    if not isinstance(bot, Bot):
        raise Impossible("only a bot's message has inline buttons")
    if message.chat.blocked:
        raise Impossible(f"{person.first_name} blocked the bot")
    query = town.open_query("callback_query", bot, person, lifetime_s=CALLBACK_DEADLINE_S, chat=message.chat)
    query.payload = {
        "id": query.id,
        "from": person.wire(),
        **_place(message, bot),
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


def _place(message: Message, bot: Bot) -> Wire:
    """Where the button is: of a message that came of its inline result a bot knows no more than its name for it."""
    if message.inline_id:
        return {"inline_message_id": message.inline_id}
    return {"message": message.wire(bot)}


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
