"""Links, Mini Apps, logins, and leaving the server."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramRetryAfter
from aiogram.methods import Close
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    InputTextMessageContent,
    KeyboardButton,
    LabeledPrice,
    LoginUrl,
    MenuButtonWebApp,
    Message,
    ReplyKeyboardMarkup,
    Update,
    WebAppInfo,
)
from aiogram.utils.web_app import safe_parse_webapp_init_data
from simulator_stage import TOKEN

from posthouse.simulator import MovableClock
from posthouse.testing.town import Person, Town, TownError

APP = WebAppInfo(url="https://app.example/shop?a=1")


def keyboard(button: InlineKeyboardButton) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[button]])


async def update(bot: Bot) -> Update:
    (found,) = await bot.get_updates(limit=1, timeout=5)
    await bot.get_updates(offset=found.update_id + 1)
    return found


async def heard(bot: Bot) -> Message:
    message = (await update(bot)).message
    assert message is not None
    return message


async def test_a_deep_link_starts_the_bot(bot: Bot, town: Town, ann: Person) -> None:
    """With its parameter; without one the chat is opened and nothing is said."""
    await town.bot(TOKEN, username="tea_bot")
    opened = await ann.follows("https://t.me/tea_bot?start=from-Bonn_1")
    assert (opened.kind, opened.chat) == ("chat", ann.chat_with(TOKEN).ref)
    assert (await heard(bot)).text == "/start from-Bonn_1"
    opened = await ann.follows("tg://resolve?domain=tea_bot")
    assert (opened.kind, opened.message) == ("chat", None)
    assert await bot.get_updates() == []
    with pytest.raises(TownError, match="START_PARAM_INVALID"):
        await ann.follows("t.me/tea_bot?start=a%20b")
    with pytest.raises(TownError, match="nobody is @coffee_bot"):
        await ann.follows("t.me/coffee_bot")


async def test_a_bot_is_brought_into_a_group(bot: Bot, town: Town, ann: Person) -> None:
    """`startgroup` asks which group, adds the bot, and says the command there."""
    await town.bot(TOKEN, username="tea_bot")
    await town.bot("77:other")
    group = await town.group("Tea", people=[ann], bots=["77:other"])
    assert (await ann.follows("t.me/tea_bot?startgroup=x")).kind == "choose_chat"
    opened = await ann.follows("t.me/tea_bot?startgroup=x&admin=pin_messages+invite_users", group=group)
    assert opened.chat == group.ref
    kinds = [(found.event_type) for found in await bot.get_updates()]
    assert "my_chat_member" in kinds
    member = await bot.get_chat_member(group.id, bot.id)
    assert member.status == "administrator"
    assert (await group.messages())[-1].text == "/start@tea_bot x"


async def test_links_lead_to_chats_invoices_and_out(bot: Bot, town: Town, ann: Person) -> None:
    """An invoice, a page, and an invitation."""
    link = await bot.create_invoice_link("Tea", "A cup", "tea", "XTR", [LabeledPrice(label="Tea", amount=5)])
    opened = await ann.follows(link)
    assert opened.invoice is not None
    assert (opened.kind, opened.invoice.title) == ("invoice", "Tea")
    assert (await ann.follows("https://example.org/x")).url == "https://example.org/x"
    bob = await town.person("Bob")
    group = await town.group("Tea", people=[bob], bots=[TOKEN], kind="supergroup", admins=[TOKEN])
    invitation = await bot.create_chat_invite_link(group.id)
    assert (await ann.follows(invitation.invite_link)).chat == group.ref
    assert (await bot.get_chat_member(group.id, ann.id)).status == "member"


async def test_init_data_is_signed_for_the_bot(bot: Bot, town: Town, ann: Person) -> None:
    """An inline button's app gets a query_id; aiogram accepts the hash; the answer is said by the person."""
    await bot.send_message(ann.id, "Shop", reply_markup=keyboard(InlineKeyboardButton(text="Open", web_app=APP)))
    opened = await ann.opens("Open", on=TOKEN)
    assert opened.web_app is not None
    data = safe_parse_webapp_init_data(TOKEN, opened.web_app.init_data)
    assert data.user is not None
    assert (data.user.id, data.query_id) == (ann.id, opened.web_app.query_id)
    fragment = dict(parse_qsl(urlsplit(opened.web_app.url).fragment))
    assert fragment["tgWebAppData"] == opened.web_app.init_data
    content = InputTextMessageContent(message_text="Two teas")
    result = InlineQueryResultArticle(id="1", title="Order", input_message_content=content)
    sent = await bot.answer_web_app_query(opened.web_app.query_id, result)
    assert sent.inline_message_id is None
    said = (await ann.chat_with(TOKEN).messages())[-1]
    assert (said.sender_id, said.text) == (ann.id, "Two teas")
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_web_app_query(opened.web_app.query_id, result)


async def test_apps_behind_links_and_the_menu(bot: Bot, town: Town, ann: Person) -> None:
    """The main app gets its start parameter; the menu button's app a query."""
    await town.bot(TOKEN, username="tea_bot", apps={"": "https://app.example/", "cards": "https://app.example/cards"})
    assert (await bot.get_me()).has_main_web_app is True
    opened = await ann.follows("t.me/tea_bot?startapp=tea-7")
    assert opened.web_app is not None
    data = safe_parse_webapp_init_data(TOKEN, opened.web_app.init_data)
    assert (data.start_param, data.chat_type) == ("tea-7", "sender")
    assert parse_qs(urlsplit(opened.web_app.url).query)["tgWebAppStartParam"] == ["tea-7"]
    named = await ann.follows("t.me/tea_bot/cards")
    assert named.web_app is not None
    assert named.web_app.url.startswith("https://app.example/cards#")
    with pytest.raises(TownError, match="no Mini App 'dice'"):
        await ann.follows("t.me/tea_bot/dice")
    await bot.set_chat_menu_button(menu_button=MenuButtonWebApp(text="Shop", web_app=APP))
    menu = await ann.opens_menu_of(TOKEN)
    assert safe_parse_webapp_init_data(TOKEN, menu.init_data).query_id == menu.query_id


async def test_a_keyboard_app_sends_data_once(bot: Bot, ann: Person) -> None:
    """It is told nothing, and the bot gets a web_app_data message."""
    button = KeyboardButton(text="Choose", web_app=APP)
    await bot.send_message(ann.id, "Tea?", reply_markup=ReplyKeyboardMarkup(keyboard=[[button]]))
    app = await ann.opens_app("Choose", of=TOKEN)
    assert (app.init_data, app.can_send_data) == ("", True)
    await ann.sends_data(app, '{"tea":"green"}')
    message = await heard(bot)
    assert message.web_app_data is not None
    assert (message.web_app_data.data, message.web_app_data.button_text) == ('{"tea":"green"}', "Choose")
    with pytest.raises(TownError, match="was closed"):
        await ann.sends_data(app, "again")


async def test_the_button_over_results_starts_the_bot(bot: Bot, ann: Person) -> None:
    """In its private chat, with the parameter."""
    asking = await ann.asks_inline("", bot=TOKEN)
    query = (await update(bot)).inline_query
    assert query is not None
    button = InlineQueryResultsButton(text="Log in", start_parameter="login")
    await bot.answer_inline_query(query.id, [], button=button)
    await ann.opens_button_over(asking)
    assert (await heard(bot)).text == "/start login"


async def test_a_login_button_signs_who_came(bot: Bot, ann: Person) -> None:
    """With the secret of the login widget, and only with the person's consent."""
    login = LoginUrl(url="https://shop.example/login?x=1")
    await bot.send_message(ann.id, "Hi", reply_markup=keyboard(InlineKeyboardButton(text="Log in", login_url=login)))
    fields = dict(parse_qsl(urlsplit((await ann.opens("Log in", on=TOKEN)).url).query))
    assert (fields.pop("x"), fields["id"], fields["first_name"]) == ("1", str(ann.id), "Ann")
    given = fields.pop("hash")
    lines = "\n".join(f"{name}={value}" for name, value in sorted(fields.items()))
    secret = hashlib.sha256(TOKEN.encode()).digest()
    assert hmac.new(secret, lines.encode(), "sha256").hexdigest() == given
    assert (await ann.opens("Log in", on=TOKEN, agreed=False)).url == login.url


async def test_buttons_that_open_something_say_what(bot: Bot, ann: Person) -> None:
    """Inline mode, a text to copy, a link to a bot."""
    shown = InlineKeyboardMarkup(
        inline_keyboard=[
            [InlineKeyboardButton(text="Here", switch_inline_query_current_chat="tea")],
            [InlineKeyboardButton(text="There", switch_inline_query="tea")],
            [InlineKeyboardButton(text="Ask", callback_data="ask")],
        ]
    )
    await bot.send_message(ann.id, "Hi", reply_markup=shown)
    here = await ann.opens("Here", on=TOKEN)
    assert (here.kind, here.text.endswith(" tea")) == ("chat", True)
    assert (await ann.opens("There", on=TOKEN)).kind == "choose_chat"
    with pytest.raises(TownError, match="opens nothing"):
        await ann.opens("Ask", on=TOKEN)


async def test_logging_out_lasts_ten_minutes(bot: Bot, town: Town, ann: Person, clock: MovableClock) -> None:
    """Nothing of the token works, and what was pending is forgotten."""
    await ann.says("hello", to=TOKEN)
    await bot.log_out()
    with pytest.raises(TelegramBadRequest, match="Logged out"):
        await bot.get_me()
    await clock.advance(601)
    assert await bot.get_updates() == []


async def test_closing_is_for_bots_that_have_run(bot: Bot, ann: Person, clock: MovableClock) -> None:
    """Not in the first ten minutes, and once until the bot calls again."""
    with pytest.raises(TelegramRetryAfter):
        await bot(Close())
    await clock.advance(700)
    assert await bot(Close()) is True
    with pytest.raises(TelegramBadRequest, match="the bot has already been closed"):
        await bot(Close())
    await bot.get_me()
    with pytest.raises(TelegramRetryAfter):
        await bot(Close())
