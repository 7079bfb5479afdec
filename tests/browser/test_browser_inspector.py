"""Beside the chat: what was called, what was delivered, and what shall go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from browser_stage import Stage
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")
Keep = Callable[[str], Awaitable[None]]


async def test_calls_are_shown_as_json_as_they_happen(chat: Page, keep: Keep) -> None:
    """Each call of the bot about this chat, with what it asked and what it got."""
    inspector = chat.get_by_role("complementary", name="Inspector")
    call = inspector.locator(".entry", has_text="sendMessage").first
    await call.locator(".entry-open").click()
    await expect(call.get_by_label("Parameters")).to_contain_text('"text": "Welcome, <b>Ann</b>! Press something."')
    await expect(call.get_by_label("Result")).to_contain_text('"message_id"')
    await keep("inspector")


async def test_updates_are_shown_with_their_attempts(chat: Page) -> None:
    """What the bot was told, as JSON, and how it was handed over."""
    update = chat.locator(".entry.incoming").first
    await expect(update.locator(".chip", has_text="confirmed")).to_be_visible()
    await update.locator(".entry-open").click()
    await expect(update.locator(".attempts")).to_contain_text("poll handed")
    await expect(update.locator("pre")).to_contain_text('"text": "/start"')


async def test_a_fault_is_added_with_two_clicks_and_strikes(chat: Page, stage: Stage, keep: Keep) -> None:
    """Faults, then what shall go wrong: the next call fails, the log says by which rule."""
    await chat.get_by_role("tab", name="Faults").click()
    await chat.get_by_role("button", name="500, nothing happened").click()
    await expect(chat.locator(".rules code", has_text="500")).to_be_visible()
    await keep("faults")
    await chat.get_by_role("tab", name="Traffic").click()
    await chat.get_by_label("Message", exact=True).fill("Hello")
    await chat.keyboard.press("Enter")
    failed = chat.locator(".entry.bad", has_text="fault 1")
    await expect(failed).to_be_visible()
    assert next(iter(stage.sim.world.faults.rules.values())).fired == 1
    await keep("fault-fired")


async def test_limits_are_switched_off_and_on(chat: Page, stage: Stage) -> None:
    """The profile of limits is a choice in the inspector."""
    await chat.get_by_role("tab", name="Limits").click()
    for profile in ("on", "off"):
        async with chat.expect_response(lambda response: response.request.method == "PUT") as answered:
            await chat.get_by_role("radio", name=profile).check()
        assert (await (await answered.value).json())["limits"] == profile
        assert stage.sim.world.limits == (profile == "on")
