"""What links and buttons open: groups, Mini Apps, a query in the line; and in whose name a channel speaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    ReplyKeyboardMarkup,
    SwitchInlineQueryChosenChat,
    WebAppInfo,
)
from browser_stage import TOKEN, Stage
from playwright.async_api import Page, expect

from posthouse.testing.town import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")
Keep = Callable[[str], Awaitable[None]]


async def test_an_invite_link_joins_and_opens_the_group(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """The group's chat opens with its title; the person is a member, and others are named."""
    bea = await stage.town.person("Bea")
    group = await stage.town.group("Tea lovers", people=[bea], bots=[TOKEN], admins=[TOKEN], kind="supergroup")
    link = await stage.bot.create_chat_invite_link(int(group.ref))
    await stage.bot.send_message(ann.id, f"Come in: {link.invite_link}")
    await chat.get_by_role("link", name=link.invite_link).click()
    await expect(chat.get_by_role("heading", name="Tea lovers")).to_be_visible()
    await expect(chat.get_by_role("log").get_by_text("Ann joined")).to_be_visible()
    await bea.says("Welcome!", to=group)
    await expect(chat.locator(".sender", has_text="Bea")).to_be_visible()
    await keep("group")


async def test_a_channel_speaks_in_its_own_name(page: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """A post carries the channel's name, whoever of its administrators wrote it."""
    channel = await stage.town.group("Tea news", people=[ann], bots=[TOKEN], admins=[TOKEN], kind="channel")
    await stage.bot.send_message(int(channel.ref), "Green tea is back")
    await page.goto(stage.address(ann, channel.ref))
    await expect(page.locator("article", has_text="Green tea").locator(".sender")).to_have_text("Tea news")
    await keep("channel")


async def test_a_mini_app_of_the_keyboard_sends_data(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """The page shows what the app would be loaded with, and sends what it would send."""
    app = WebAppInfo(url="https://example.org/menu")
    rows = [[KeyboardButton(text="Menu", web_app=app)]]
    await stage.bot.send_message(ann.id, "The menu", reply_markup=ReplyKeyboardMarkup(keyboard=rows))
    await chat.get_by_role("button", name="Menu", exact=True).click()
    dialog = chat.get_by_role("dialog", name="Mini App")
    await dialog.get_by_label("Data for the bot").fill("two cups")
    await keep("mini-app")
    await dialog.get_by_role("button", name="Send data").click()
    await expect(dialog).to_have_count(0)
    await expect(chat.get_by_role("log").get_by_text("I got a")).to_be_visible()


async def test_buttons_open_apps_and_write_inline_queries(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """A Mini App's launch data are shown; a query for inline mode is put into the line of the chat one chooses."""
    app = InlineKeyboardButton(text="App", web_app=WebAppInfo(url="https://example.org/app"))
    here = InlineKeyboardButton(text="Here", switch_inline_query_current_chat="green")
    there = InlineKeyboardButton(
        text="There", switch_inline_query_chosen_chat=SwitchInlineQueryChosenChat(query="black", allow_user_chats=True)
    )
    markup = InlineKeyboardMarkup(inline_keyboard=[[app, here, there]])
    await stage.bot.send_message(ann.id, "Open", reply_markup=markup)
    await chat.get_by_role("button", name="App", exact=True).click()
    dialog = chat.get_by_role("dialog", name="Mini App")
    await expect(dialog.get_by_label("Address")).to_contain_text("https://example.org/app#tgWebAppData=")
    await expect(dialog.get_by_label("Launch data")).to_contain_text("query_id=")
    await keep("mini-app-launch")
    await dialog.get_by_role("button", name="Close").click()
    await chat.get_by_role("button", name="Here", exact=True).click()
    await expect(chat.get_by_label("Message", exact=True)).to_have_value("@tea_bot green")
    await chat.get_by_role("button", name="There", exact=True).click()
    choice = chat.get_by_role("dialog", name="Where to ask?").get_by_role("button", name="Tea House")
    await choice.wait_for()
    await keep("choose-chat")
    await choice.click()
    await expect(chat.get_by_label("Message", exact=True)).to_have_value("@tea_bot black")


async def test_a_link_that_leads_nowhere_says_so(chat: Page, stage: Stage, ann: Person) -> None:
    """The reason is the simulator's."""
    await stage.bot.send_message(ann.id, "Ask @nobody_here")
    await chat.get_by_role("button", name="@nobody_here", exact=True).click()
    await expect(chat.locator(".toast.bad", has_text="nobody is @nobody_here")).to_be_visible()


async def test_a_public_name_asks_before_one_joins(chat: Page, stage: Stage, ann: Person) -> None:
    """A public group that one is not in opens once one has agreed to join it."""
    bea = await stage.town.person("Bea")
    group = await stage.town.group("Open house", people=[bea], bots=[TOKEN], kind="supergroup")
    await group.changes(by=bea, username="open_house")
    await stage.bot.send_message(ann.id, "Ask in @open_house")
    await chat.get_by_role("button", name="@open_house", exact=True).click()
    await chat.get_by_role("dialog", name="Open house").get_by_role("button", name="Join").click()
    await expect(chat.get_by_role("heading", name="Open house")).to_be_visible()
    await expect(chat.get_by_role("log").get_by_text("Ann joined")).to_be_visible()
