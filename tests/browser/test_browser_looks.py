"""Phones, the dark, people who do not see the page, and a town with a thousand chats."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from browser_stage import Stage, is_required
from playwright.async_api import Page, expect

from posthouse.simulator.chats import Message
from posthouse.testing.town import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")
Keep = Callable[[str], Awaitable[None]]
AXE = Path(__file__).parents[2] / "web" / "chat" / "node_modules" / "axe-core" / "axe.min.js"
LONG_TASK_MS = 200
WATCH_LONG_TASKS = """() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((entry) => entry.duration)))
        .observe({ type: "longtask" });
}"""


async def test_a_phone_shows_one_screen_at_a_time(chat: Page, keep: Keep) -> None:
    """List, chat and inspector are screens with a way back, and nothing is wider than the phone."""
    await chat.set_viewport_size({"width": 360, "height": 740})
    for text in ("/rich", "/keyboard"):
        await chat.get_by_label("Message", exact=True).fill(text)
        await chat.keyboard.press("Enter")
    await expect(chat.get_by_role("log").get_by_text("Tea or coffee?")).to_be_visible()
    await expect(chat.get_by_role("navigation", name="Chats")).to_be_hidden()
    await keep("phone-chat")
    assert await chat.evaluate("document.documentElement.scrollWidth") == 360
    await chat.get_by_role("button", name="Inspector").click()
    await expect(chat.get_by_role("complementary", name="Inspector")).to_be_visible()
    await keep("phone-inspector")
    await chat.get_by_role("button", name="Back to the chat").click()
    await chat.get_by_role("button", name="Back to the chats").click()
    await expect(chat.get_by_role("navigation", name="Chats")).to_be_visible()
    await keep("phone-list")
    assert await chat.evaluate("document.documentElement.scrollWidth") == 360


async def test_dark_follows_the_system_and_can_be_chosen(chat: Page, keep: Keep) -> None:
    """The background is dark when the system says so, and light when the person says so."""
    luminance = "() => getComputedStyle(document.querySelector('.sidebar')).backgroundColor"
    light = await chat.evaluate(luminance)
    await chat.emulate_media(color_scheme="dark")
    dark = await chat.evaluate(luminance)
    assert dark != light
    await keep("dark")
    await chat.get_by_role("button", name="You are Ann").click()
    await chat.get_by_role("menuitem", name="Theme: auto").click()
    assert await chat.evaluate(luminance) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(chat: Page, scheme: Any) -> None:
    """Chat, media, keyboards, inspector and dialog, in both schemes."""
    if not AXE.exists() and not is_required():
        pytest.skip("axe-core is not installed (make page)")
    await chat.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for text in ("/rich", "/photo", "/file", "/keyboard"):
        await chat.get_by_label("Message", exact=True).fill(text)
        await chat.keyboard.press("Enter")
    await expect(chat.get_by_role("log").get_by_text("Tea or coffee?")).to_be_visible()
    await chat.evaluate(AXE.read_text())
    assert await serious(chat) == []
    await chat.get_by_role("tab", name="Faults").click()
    await chat.get_by_role("button", name="429, wait a second").click()
    assert await serious(chat) == []
    await chat.get_by_role("button", name="Alert").click()
    await chat.get_by_role("dialog").wait_for()
    assert await serious(chat) == []


async def serious(page: Page) -> list[str]:
    """What axe calls serious or critical, with the first place of each."""
    await page.wait_for_timeout(50)  # a frame or two: axe reads colours from what is painted
    found = await page.evaluate("axe.run()")
    return [
        f"{one['id']}: {one['help']} ({len(one['nodes'])}, {one['nodes'][0]['html'][:200]})"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


async def test_a_thousand_chats_and_ten_thousand_messages_stay_responsive(
    page: Page, stage: Stage, ann: Person, keep: Keep
) -> None:
    """No task blocks the page for 200 ms while a person scrolls both lists, opens a chat, and types."""
    fill(stage, ann.id, chats=1_000, messages=5_000)
    await page.goto(stage.address(ann))
    await page.locator(".row").first.wait_for()
    await page.evaluate(WATCH_LONG_TASKS)
    rows = page.locator(".rows")
    for _ in range(15):
        await rows.evaluate("list => list.scrollBy(0, 2400)")
        await page.wait_for_timeout(16)
    await rows.evaluate("list => list.scrollTo(0, 0)")
    await page.locator(".row", has_text="Bot 0").first.click()
    await page.locator("article").last.wait_for()
    for _ in range(25):
        await page.locator(".messages").evaluate("list => list.scrollBy(0, -1500)")
        await page.wait_for_timeout(16)
    await page.get_by_label("Message", exact=True).press_sequentially("typing in a long chat", delay=5)
    assert await page.locator(".row").count() < 60
    assert await page.locator("article").count() <= 220
    tasks = await page.evaluate("window.longTasks")
    assert max(tasks, default=0) < LONG_TASK_MS, tasks
    await keep("thousand-chats")


def fill(stage: Stage, person_id: int, *, chats: int, messages: int) -> None:
    """Five messages in each chat, and the rest of ten thousand in the first, which is the newest."""
    town = stage.sim.world.town
    person = town.people[person_id]
    now = int(town.now()) - 100_000
    for number in reversed(range(chats)):
        bot = town.register_bot(f"{700_000 + number}:secret", first_name=f"Bot {number}", username=f"bot_{number}")
        chat = town.private_chat(bot, person)
        for at in range(messages if number == 0 else 5):
            sender = person if at % 3 == 0 else bot
            text = f"Message {at} of chat {number}: " + "words " * (at % 23)
            town.post(Message(0, chat, sender, now + (chats - number) * 10 + at, text))
