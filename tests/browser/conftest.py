"""One Chromium for all tests, and for each test a simulator, a real bot on it, and a page of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from browser_stage import ARTIFACTS, OTHER_TOKEN, TOKEN, Stage, bot_on, chromium, is_required, polling, talkative
from playwright.async_api import Browser, Page, async_playwright

from posthouse.simulator import Simulator
from posthouse.simulator.page import Page as Bundle
from posthouse.testing.town import Person, Town

WAIT_MS = 5_000


def _lacking(reason: str) -> None:
    if is_required():
        pytest.fail(reason)
    pytest.skip(reason)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        _lacking("no Chromium here (Debian: apt-get install chromium)")
    if not Bundle().built:
        _lacking("the chat page is not built (make page)")
    async with async_playwright() as playwright:
        # A container has no user namespaces for the sandbox, and everything opened here is ours.
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def stage(browser: Browser) -> AsyncIterator[Stage]:
    async with Simulator(limits="off", seed=1) as sim, Town(sim.url) as town:
        await town.bot(TOKEN, first_name="Tea House", username="tea_bot")
        await town.bot(OTHER_TOKEN, first_name="Other Bot", username="other_bot")
        bot = bot_on(sim.url)
        dispatcher = talkative()
        running = polling(dispatcher, bot)
        try:
            yield Stage(sim, town, bot, [])
        finally:
            await dispatcher.stop_polling()
            await running
            await bot.session.close()


@pytest_asyncio.fixture(loop_scope="session")
async def ann(stage: Stage) -> Person:
    return await stage.town.person("Ann", last_name="Smith")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, stage: Stage) -> AsyncIterator[Page]:
    """An empty tab of a desk; what goes wrong in it ends in the stage's troubles and fails the test."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, locale="en-GB", permissions=["clipboard-read", "clipboard-write"]
    )
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: stage.troubles.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((stage.sim.url, "data:", "blob:"))
            else stage.troubles.append(f"asked elsewhere: {request.url}")
        ),
    )
    yield page
    await context.close()
    assert stage.troubles == []


@pytest_asyncio.fixture(loop_scope="session")
async def chat(page: Page, stage: Stage, ann: Person) -> Page:
    """Ann has just pressed Start, and the bot has welcomed her."""
    await page.goto(stage.address(ann, f"4242:{ann.id}"))
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.get_by_role("log").get_by_text("Press something").wait_for()
    return page


@pytest.fixture
def keep(page: Page) -> Callable[[str], Awaitable[None]]:
    """Keep a screenshot under this name."""

    async def keep(name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        await page.screenshot(path=ARTIFACTS / f"{name}.png", animations="disabled")

    return keep
