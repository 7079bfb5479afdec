"""Inline mode: results of every type, choosing one, and the messages that come of it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import (
    BufferedInputFile,
    InlineQuery,
    InlineQueryResultArticle,
    InlineQueryResultCachedDocument,
    InlineQueryResultContact,
    InlineQueryResultLocation,
    InlineQueryResultsButton,
    InlineQueryResultVenue,
    InputInvoiceMessageContent,
    InputTextMessageContent,
    LabeledPrice,
    Update,
)
from simulator_stage import TOKEN, buttons

from posthouse.simulator import MovableClock
from posthouse.testing.town import Person, Town, TownError


def article(id: str = "1", text: str = "Meow", **more: Any) -> InlineQueryResultArticle:
    content = InputTextMessageContent(message_text=text)
    return InlineQueryResultArticle(id=id, title="Cat", input_message_content=content, **more)


async def updates(bot: Bot, count: int = 1) -> list[Update]:
    """The next updates; older ones are confirmed."""
    found: list[Update] = []
    while len(found) < count:
        new = await bot.get_updates(limit=count - len(found), timeout=5)
        await bot.get_updates(offset=new[-1].update_id + 1)
        found += new
    return found


async def asked(bot: Bot) -> InlineQuery:
    (update,) = await updates(bot)
    assert update.inline_query is not None
    return update.inline_query


async def test_a_chosen_result_is_said_by_the_person(bot: Bot, town: Town, ann: Person) -> None:
    """In the group where it was typed, via the bot, which hears of it twice."""
    group = await town.group("Cats", people=[ann], bots=[TOKEN])
    await bot.delete_webhook(drop_pending_updates=True)
    asking = await ann.asks_inline("cats", bot=TOKEN, chat=group)
    query = await asked(bot)
    assert (query.query, query.offset, query.chat_type) == ("cats", "", "group")
    await bot.answer_inline_query(query.id, [article(), article("2", "Purr <3")], next_offset="2")
    assert (await asking.answer())["next_offset"] == "2"
    said = await ann.chooses(asking, "2")
    assert (said.sender_name, said.text) == ("Ann", "Purr <3")
    heard, chosen = await updates(bot, 2)
    assert heard.message is not None
    assert heard.message.via_bot is not None
    assert (heard.message.via_bot.id, heard.message.chat.id) == (bot.id, group.id)
    result = chosen.chosen_inline_result
    assert result is not None
    assert (result.result_id, result.query, result.inline_message_id) == ("2", "cats", None)
    with pytest.raises(TownError, match=r"the bot offers \['1', '2'\]"):
        await ann.chooses(asking, "3")


async def test_buttons_of_inline_messages_name_them(bot: Bot, town: Town, ann: Person) -> None:
    """A result with buttons has an inline_message_id, in the feedback and in what its buttons ask."""
    asking = await ann.asks_inline("cats", bot=TOKEN)
    query = await asked(bot)
    await bot.answer_inline_query(query.id, [article(reply_markup=buttons([("Pet", "pet")]))])
    said = await ann.chooses(asking, to=TOKEN)
    _, chosen = await updates(bot, 2)
    assert chosen.chosen_inline_result is not None
    inline_id = chosen.chosen_inline_result.inline_message_id
    assert inline_id
    press = await ann.presses("Pet", on=said)
    (pressed,) = await updates(bot)
    assert pressed.callback_query is not None
    assert (pressed.callback_query.inline_message_id, pressed.callback_query.message) == (inline_id, None)
    await bot.answer_callback_query(press.id, "Purr")
    assert (await press.answer())["text"] == "Purr"


async def test_inline_messages_are_edited_by_their_name(bot: Bot, town: Town, ann: Person) -> None:
    """Text and buttons change in the chat; the answer is True, and another bot's name for it is none."""
    asking = await ann.asks_inline("cats", bot=TOKEN)
    query = await asked(bot)
    await bot.answer_inline_query(query.id, [article(reply_markup=buttons([("Pet", "pet")]))])
    await ann.chooses(asking, to=TOKEN)
    _, chosen = await updates(bot, 2)
    assert chosen.chosen_inline_result is not None
    inline_id = chosen.chosen_inline_result.inline_message_id
    purring = {"inline_message_id": inline_id, "reply_markup": buttons([("More", "more")])}
    assert await bot.edit_message_text("Purr", **purring) is True
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await bot.edit_message_text("Purr", **purring)
    message = (await ann.chat_with(TOKEN).messages())[-1]
    assert (message.text, message.button_texts, message.sender_id) == ("Purr", ["More"], ann.id)
    with pytest.raises(TelegramBadRequest, match="MESSAGE_ID_INVALID"):
        await bot.edit_message_text("Purr", inline_message_id="of-nobody")
    assert await bot.edit_message_reply_markup(inline_message_id=inline_id) is True
    assert (await ann.chat_with(TOKEN).messages())[-1].button_texts == []


async def test_a_fresh_answer_is_shown_again(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """Within cache_time the bot is not asked; a personal answer is fresh for one person only."""
    bob = await town.person("Bob")
    first = await ann.asks_inline("cats", bot=TOKEN)
    await bot.answer_inline_query((await asked(bot)).id, [article()], cache_time=60)
    assert await (await bob.asks_inline("cats", bot=TOKEN)).answer() == await first.answer()
    await clock.advance(61)
    again = await bob.asks_inline("cats", bot=TOKEN)
    await bot.answer_inline_query((await asked(bot)).id, [article("mine")], cache_time=60, is_personal=True)
    await again.answer()
    await ann.asks_inline("cats", bot=TOKEN)
    assert (await asked(bot)).from_user.id == ann.id


async def test_results_become_what_they_say(bot: Bot, town: Town, ann: Person) -> None:
    """Files by id, places, cards, invoices; each with its own content or another."""
    sent = await bot.send_document(ann.id, BufferedInputFile(b"lorem", "a.txt"))
    assert sent.document is not None
    invoice = InputInvoiceMessageContent(
        title="Tea", description="Cup", payload="tea", currency="XTR", prices=[LabeledPrice(label="Tea", amount=5)]
    )
    results = [
        InlineQueryResultCachedDocument(id="file", title="Text", document_file_id=sent.document.file_id, caption="Hm"),
        InlineQueryResultLocation(id="place", latitude=50.7, longitude=7.1, title="Bonn"),
        InlineQueryResultVenue(id="venue", latitude=50.7, longitude=7.1, title="Markt", address="Markt 1"),
        InlineQueryResultContact(id="card", phone_number="+491", first_name="Bo"),
        InlineQueryResultArticle(id="tea", title="Tea", input_message_content=invoice),
    ]
    asking = await ann.asks_inline("", bot=TOKEN)
    await bot.answer_inline_query((await asked(bot)).id, results)
    for result in results:
        await ann.chooses(asking, result.id, to=TOKEN)
    messages = [update.message for update in await updates(bot, 10) if update.message]
    assert messages[0].document is not None
    assert (messages[0].document.file_name, messages[0].caption) == ("a.txt", "Hm")
    assert messages[1].location is not None
    assert messages[2].venue is not None
    assert messages[3].contact is not None
    assert messages[4].invoice is not None
    tea = (await ann.chat_with(TOKEN).messages())[-1]
    assert tea.button_texts == ["Pay ⭐️5"]
    assert (await ann.confirms(tea)).query_id


async def test_a_button_above_the_results(bot: Bot, ann: Person) -> None:
    """It is part of the answer; the parameter it starts the bot with is checked."""
    asking = await ann.asks_inline("", bot=TOKEN)
    query = await asked(bot)
    wrong = InlineQueryResultsButton(text="Log in", start_parameter="log in")
    with pytest.raises(TelegramBadRequest, match="START_PARAM_INVALID"):
        await bot.answer_inline_query(query.id, [], button=wrong)
    button = InlineQueryResultsButton(text="Log in", start_parameter="login")
    await bot.answer_inline_query(query.id, [], button=button)
    assert (await asking.answer())["button"] == {"text": "Log in", "start_parameter": "login"}


async def test_an_answer_after_twenty_seconds_is_too_late(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """And the second answer to a query is too."""
    await ann.asks_inline("cats", bot=TOKEN)
    query = await asked(bot)
    await clock.advance(21)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_inline_query(query.id, [])


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("x", "can't parse inline query result: Inline query result must be an object"),
        ({"id": "1"}, "can't parse inline query result: Can't find field \"type\""),
        ({"type": "song", "id": "1"}, 'type "song" is unsupported for the inline query result'),
        ({"type": "article", "id": "1", "title": "A"}, 'Can\'t find field "message_text"'),
        ({"type": "article", "id": "1", "title": "A", "input_message_content": {}}, "content is not specified"),
        ({"type": "article", "id": "1", "input_message_content": {"message_text": "a"}}, 'Can\'t find field "title"'),
        ({"type": "photo", "id": "1", "photo_url": "http://x/a.jpg"}, 'Can\'t find field "thumbnail_url"'),
        ({"type": "photo", "id": "1"}, 'Can\'t find field "photo_file_id"'),
        ({"type": "sticker", "id": "1", "sticker_file_id": "AgAD"}, "wrong"),
        ({"type": "venue", "id": "1", "latitude": 1, "longitude": 1, "title": "A"}, 'Can\'t find field "address"'),
        ({"type": "contact", "id": "x" * 65, "phone_number": "1", "first_name": "A"}, "RESULT_ID_INVALID"),
    ],
)
async def test_a_wrong_result_is_refused(town: Town, bot: Bot, ann: Person, result: Any, text: str) -> None:
    """With the server's words."""
    await ann.asks_inline("cats", bot=TOKEN)
    query = await asked(bot)
    call = {"inline_query_id": query.id, "results": [result]}
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{town.url}/bot{TOKEN}/answerInlineQuery", json=call) as response:
            answer = await response.json()
    assert (response.status, text in answer["description"]) == (400, True), answer


async def test_a_prepared_message_is_shared(bot: Bot, town: Town, ann: Person) -> None:
    """By its person, into chats of the kinds that the bot allowed."""
    group = await town.group("Cats", people=[ann], bots=[TOKEN])
    prepared = await bot.save_prepared_inline_message(ann.id, article(), allow_group_chats=True)
    said = await ann.shares(prepared.id, to=group)
    assert (said.text, said.sender_id) == ("Meow", ann.id)
    with pytest.raises(TownError, match="not to a bot chat"):
        await ann.shares(prepared.id, to=TOKEN)
    waiting = asyncio.create_task(group.read())
    assert [message.text for message in (await waiting).messages if message.text] == ["Meow"]
