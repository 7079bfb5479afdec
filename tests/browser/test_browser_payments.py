"""A person pays in the browser: with a tip, with shipping, and from a link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiogram.types import LabeledPrice
from browser_stage import Stage
from playwright.async_api import Page, expect

from posthouse.testing.town import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")
Keep = Callable[[str], Awaitable[None]]
CAKE = {
    "title": "A cake",
    "description": "With cherries",
    "payload": "cake",
    "currency": "EUR",
    "provider_token": "381764678:TEST:1",
    "prices": [LabeledPrice(label="Cake", amount=1200)],
}


async def test_a_tip_is_added_to_the_price(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """A suggested tip is one press; the button and the receipt name the sum."""
    await stage.bot.send_invoice(ann.id, **CAKE, max_tip_amount=500, suggested_tip_amounts=[100, 300])
    await chat.locator(".inline-button", has_text="Pay").click()
    sheet = chat.get_by_role("dialog", name="A cake")
    await sheet.get_by_role("group", name="Tip").get_by_role("button", name="3").click()
    await expect(sheet.locator(".total")).to_contain_text("15.00")
    await keep("pay-tip")
    await sheet.get_by_role("button", name="Pay").click()
    await expect(chat.get_by_role("log").get_by_text("Thank you!")).to_be_visible()
    await expect(chat.locator(".service.paid")).to_contain_text("15.00")
    await expect(sheet).to_have_count(0)


async def test_shipping_asks_for_the_address_and_then_how(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """The bot's options follow the address, and the one that is chosen is in the total."""
    await stage.bot.send_invoice(ann.id, **CAKE, is_flexible=True, need_shipping_address=True)
    await chat.locator(".inline-button", has_text="Pay").click()
    sheet = chat.get_by_role("dialog", name="A cake")
    for label, text in (("Street", "1 Main Street"), ("City", "Springfield"), ("Postal", "12345"), ("Country", "US")):
        await sheet.get_by_label(label).fill(text)
    await keep("pay-address")
    await sheet.get_by_role("button", name="Pay").click()
    await expect(sheet.get_by_text("How should it be sent?")).to_be_visible()
    await keep("pay-shipping")
    await sheet.get_by_role("button", name="Owl").click()
    await expect(chat.get_by_role("log").get_by_text("Thank you!")).to_be_visible()
    await expect(chat.locator(".service.paid")).to_contain_text("21.00")


async def test_an_invoice_link_opens_the_pay_sheet(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """Followed in a chat, it is paid without a message of its own."""
    url = await stage.bot.create_invoice_link(**CAKE)
    await stage.bot.send_message(ann.id, f"Cake? {url}")
    await chat.get_by_role("link", name=url).click()
    sheet = chat.get_by_role("dialog", name="A cake")
    await expect(sheet.get_by_text("With cherries")).to_be_visible()
    await keep("invoice-link")
    await sheet.get_by_role("button", name="Pay").click()
    await expect(chat.get_by_role("log").get_by_text("Thank you!")).to_be_visible()
    await expect(sheet).to_have_count(0)
