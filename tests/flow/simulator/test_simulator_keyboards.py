"""Keyboards: what a bot may send, what each person then has, and what its buttons do."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.types import (
    ForceReply,
    KeyboardButton,
    KeyboardButtonRequestChat,
    KeyboardButtonRequestUsers,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    ReplyParameters,
)
from simulator_stage import TOKEN

from posthouse.simulator import Simulator
from posthouse.testing.town import Person, Town, TownError


def keys(*texts: str, **options: Any) -> ReplyKeyboardMarkup:
    return ReplyKeyboardMarkup(keyboard=[[KeyboardButton(text=text)] for text in texts], **options)


@pytest.mark.parametrize(
    ("markup", "error"),
    [
        ({"inline_keyboard": {}}, 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'),
        ({"inline_keyboard": [["x"]]}, "can't parse inline keyboard button: InlineKeyboardButton must be an Object"),
        ({"inline_keyboard": [[{"url": "a.com"}]]}, "can't parse inline keyboard button: Can't find field \"text\""),
        (
            {"inline_keyboard": [[{"text": "x", "callback_data": ""}]]},
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        ),
        (
            {"inline_keyboard": [[{"text": "x", "url": "localhost"}]]},
            "inline keyboard button URL 'localhost' is invalid: Wrong HTTP URL",
        ),
        (
            {"inline_keyboard": [[{"text": "x", "web_app": {"url": "http://a.com"}}]]},
            "inline keyboard button Web App URL 'http://a.com' is invalid: Only HTTPS links are allowed",
        ),
        ({"inline_keyboard": [[{"text": "x", "callback_data": "x"}] * 101]}, "reply markup is too long"),
        ({"keyboard": [{}]}, 'field "keyboard" must be an Array of Arrays'),
        ({"keyboard": [[5]]}, "can't parse keyboard button: KeyboardButton must be a String or an Object"),
        ({"keyboard": [[" "]]}, "keyboard button text must be non-empty"),
        (
            {"keyboard": [[{"text": "x", "request_users": {}}]]},
            "can't parse keyboard button: Can't find field \"request_id\"",
        ),
    ],
)
async def test_bad_markup_is_refused(sim: Simulator, ann: Person, markup: object, error: str) -> None:
    """In the server's words, before the chat is looked at."""
    async with aiohttp.ClientSession() as session:
        call = {"chat_id": 1, "text": "x", "reply_markup": markup}
        async with session.post(f"{sim.url}/bot{TOKEN}/sendMessage", json=call) as response:
            assert (await response.json())["description"] == f"Bad Request: {error}"


async def test_every_kind_of_button_is_kept(sim: Simulator, bot: Bot, ann: Person) -> None:
    """The action, the colour and the icon are shown to all; what a button does not know is dropped."""
    rows = [
        [{"text": "url", "url": "https://Example.com", "style": "primary", "nonsense": 1}],
        [{"text": "copy", "copy_text": {"text": "42"}}, {"text": "off", "disabled": {}}],
        [{"text": "app", "web_app": {"url": "https://a.com/app"}}],
        [{"text": "switch", "switch_inline_query": ""}],
        [{"text": "first wins", "callback_data": "x", "pay": True}],
    ]
    async with aiohttp.ClientSession() as session:
        call = {"chat_id": ann.id, "text": "x", "reply_markup": {"inline_keyboard": rows, "force_reply": True}}
        async with session.post(f"{sim.url}/bot{TOKEN}/sendMessage", json=call) as response:
            markup = (await response.json())["result"]["reply_markup"]
    assert markup["force_reply"] is True
    assert markup["inline_keyboard"][0] == [{"text": "url", "style": "primary", "url": "https://example.com/"}]
    assert markup["inline_keyboard"][1][1] == {"text": "off", "disabled": {}}
    assert markup["inline_keyboard"][4] == [{"text": "first wins", "callback_data": "x"}]
    seen = await ann.chat_with(TOKEN).shows("x")
    assert seen.buttons[1][0].copy_text == {"text": "42"}
    assert seen.buttons[3][0].switch_inline_query == ""


async def test_a_key_says_its_text_and_a_keyboard_for_one_time_hides(bot: Bot, ann: Person) -> None:
    """It stays until another one comes or it is removed."""
    chat = ann.chat_with(TOKEN)
    await bot.send_message(ann.id, "choose", reply_markup=keys("Tea", "Coffee", one_time_keyboard=True))
    assert not (await chat.read()).keyboards[ann.id].hidden
    await ann.presses_key("Tea", on=TOKEN)
    message = (await bot.get_updates())[-1].message
    assert message is not None
    assert (message.text, message.reply_to_message) == ("Tea", None)
    keyboard = (await chat.read()).keyboards[ann.id]
    assert (keyboard.hidden, [row[0]["text"] for row in keyboard.rows]) == (True, ["Tea", "Coffee"])
    with pytest.raises(TownError, match="no key 'Milk' on the keyboard"):
        await ann.presses_key("Milk", on=TOKEN)
    await bot.send_message(ann.id, "thanks", reply_markup=ReplyKeyboardRemove())
    assert (await chat.read()).keyboards == {}
    with pytest.raises(TownError, match="Ann has no keyboard"):
        await ann.presses_key("Tea", on=TOKEN)


async def test_keys_share_what_they_ask_for(bot: Bot, town: Town, ann: Person) -> None:
    """A contact, a place, users and a chat."""
    club = await town.group("Club", people=[ann], bots=[TOKEN])
    bob = await town.person("Bob", username="bob")
    users = KeyboardButtonRequestUsers(request_id=1, max_quantity=2, request_name=True)
    chat = KeyboardButtonRequestChat(request_id=2, chat_is_channel=False, request_title=True)
    row = [
        KeyboardButton(text="phone", request_contact=True),
        KeyboardButton(text="place", request_location=True),
        KeyboardButton(text="users", request_users=users),
        KeyboardButton(text="chat", request_chat=chat),
    ]
    asked = await bot.send_message(ann.id, "share", reply_markup=ReplyKeyboardMarkup(keyboard=[row]))
    await ann.presses_key("phone", on=TOKEN)
    await ann.presses_key("place", on=TOKEN)
    await ann.presses_key("users", on=TOKEN, users=[bob.id])
    await ann.presses_key("chat", on=TOKEN, chat=club)
    contact, place, shared, chosen = [u.message for u in (await bot.get_updates())[-4:]]
    assert contact is not None
    assert contact.contact is not None
    assert contact.reply_to_message is not None
    assert (contact.contact.user_id, contact.reply_to_message.message_id) == (ann.id, asked.message_id)
    assert place is not None
    assert place.location is not None
    assert shared is not None
    assert shared.users_shared is not None
    assert [(u.user_id, u.first_name, u.username) for u in shared.users_shared.users] == [(bob.id, "Bob", None)]
    assert chosen is not None
    assert chosen.chat_shared is not None
    assert (chosen.chat_shared.chat_id, chosen.chat_shared.title) == (club.id, "Club")
    with pytest.raises(TownError, match="asks for 1 to 2 users, not for 0"):
        await ann.presses_key("users", on=TOKEN)


async def test_a_selective_keyboard_is_for_those_it_means(bot: Bot, town: Town, ann: Person) -> None:
    """The mentioned, and the one who is answered."""
    bob, carl = await town.person("Bob", username="bobby"), await town.person("Carl")
    club = await town.group("Club", people=[ann, bob, carl], bots=[TOKEN], admins=[TOKEN])
    said = await ann.says("hi", to=club)
    await bot.send_message(
        club.id,
        "for @bobby too",
        reply_markup=keys("Yes", selective=True),
        reply_parameters=ReplyParameters(message_id=said.id),
    )
    assert set((await club.read()).keyboards) == {ann.id, bob.id}
    answer = await bob.presses_key("Yes", on=club)
    assert answer.reply_to is not None
    await bot.send_message(club.id, "all gone", reply_markup=ReplyKeyboardRemove())
    assert (await club.read()).keyboards == {}


async def test_a_forced_reply_is_answered(bot: Bot, ann: Person) -> None:
    """The next thing the person writes answers the message, once."""
    asked = await bot.send_message(ann.id, "your name?", reply_markup=ForceReply(input_field_placeholder="Name"))
    assert (await ann.chat_with(TOKEN).read()).to_answer == {ann.id: asked.message_id}
    await ann.says("Ann", to=TOKEN)
    await ann.says("and more", to=TOKEN)
    first, second = [u.message for u in (await bot.get_updates())[-2:]]
    assert first is not None
    assert first.reply_to_message is not None
    assert second is not None
    assert (first.reply_to_message.message_id, second.reply_to_message) == (asked.message_id, None)
