"""A person talks to a bot in a browser."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest
from browser_stage import Stage, picture
from playwright.async_api import Locator, Page, expect

from posthouse.testing.town import Person

pytestmark = pytest.mark.asyncio(loop_scope="session")
Keep = Callable[[str], Awaitable[None]]


async def say(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.keyboard.press("Enter")


def said(page: Page, text: str) -> Locator:
    """What a message says, to the letter. The whole bubble goes on with its time: "hay 1" at 19:31 has "hay 119"."""
    return page.locator("article .text", has_text=re.compile(f"^{re.escape(text)}$"))


async def test_a_stranger_gives_a_name_finds_a_bot_and_talks(page: Page, stage: Stage, keep: Keep) -> None:
    """From the empty page to the bot's first answer, with what to do on every step."""
    await page.goto(stage.address())
    await expect(page.get_by_role("heading", name="Bots that are connected")).to_be_visible()
    await keep("welcome")
    await page.get_by_label("Your name").fill("Ann")
    await page.get_by_role("button", name="Begin").click()
    await page.get_by_role("button", name="Tea House").click()
    await expect(page.get_by_text("Nothing has been said here yet.")).to_be_visible()
    await keep("start")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("log").get_by_text("Welcome, Ann! Press something.")).to_be_visible()
    await say(page, "Good morning")
    await expect(page.get_by_role("log").get_by_text("You said: Good morning")).to_be_visible()


async def test_without_a_bot_the_page_says_where_to_point_one(page: Page, stage: Stage, keep: Keep) -> None:
    """An empty town shows the address that a bot needs."""
    stage.sim.world.town.bots.clear()
    await page.goto(stage.address())
    await expect(page.get_by_text("No bot is connected yet")).to_be_visible()
    await expect(page.get_by_text(stage.sim.url).first).to_be_visible()
    await keep("no-bots")


async def test_buttons_toast_alert_count_and_delete(chat: Page, keep: Keep) -> None:
    """A callback's answer is a toast or a dialog; edits and deletions are seen at once."""
    await chat.get_by_role("button", name="Toast").click()
    await expect(chat.locator(".toast", has_text="A small word")).to_be_visible()
    await chat.get_by_role("button", name="Alert").click()
    alert = chat.get_by_role("dialog", name="Tea House")
    await expect(alert.get_by_text("Read this carefully.")).to_be_visible()
    await keep("alert")
    await chat.keyboard.press("Enter")
    await expect(alert).to_have_count(0)
    await chat.get_by_role("button", name="Delete").click()
    await expect(chat.get_by_role("log").get_by_text("Press something")).to_have_count(0)
    await say(chat, "/start")
    await chat.get_by_role("button", name="Count 0").click()
    await chat.get_by_role("button", name="Count 1").click()
    await expect(chat.locator(".text", has_text="Counted to 2")).to_be_visible()
    await expect(chat.locator(".meta", has_text="edited")).to_be_visible()


async def test_entities_are_shown_as_they_are_meant(chat: Page, keep: Keep) -> None:
    """Offsets count UTF-16 units, so that what follows an emoji family is still bold in the right place."""
    await say(chat, "/rich")
    bubble = chat.locator("article", has_text="inline()")
    await expect(bubble.locator("strong", has_text="after emoji")).to_have_text("after emoji")
    await expect(bubble.locator(".pre code")).to_have_text('print("hello")')
    await expect(bubble.locator("blockquote")).to_have_text("Quoted words")
    await expect(bubble.get_by_role("link", name="a link")).to_have_attribute("href", "https://example.org/")
    await bubble.get_by_role("button", name="Hidden text").click()
    await expect(bubble.get_by_text("a secret")).to_be_visible()
    await bubble.get_by_role("button", name="copy").click()
    assert await chat.evaluate("navigator.clipboard.readText()") == 'print("hello")'
    await keep("entities")


async def test_a_reply_keyboard_is_pressed_and_goes_away(chat: Page, keep: Keep) -> None:
    """Its keys say their text, its placeholder is in the line, and the bot can take it back."""
    await say(chat, "/keyboard")
    await expect(chat.get_by_placeholder("What to drink?")).to_be_visible()
    await keep("keyboard")
    await chat.get_by_role("button", name="Coffee", exact=True).click()
    await expect(chat.get_by_role("log").get_by_text("Coffee it is.")).to_be_visible()
    await expect(chat.get_by_role("group", name="Keyboard of the bot")).to_have_count(0)


async def test_pictures_files_and_typing_are_seen(chat: Page, stage: Stage, keep: Keep, ann: Person) -> None:
    """A photo is drawn and opens large, a file has its name and size, typing stands under the name."""
    await say(chat, "/photo")
    photo = chat.get_by_role("img", name="The sea")
    await expect(photo).to_be_visible()
    assert await photo.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    await photo.click()
    await expect(chat.get_by_role("dialog", name="Photo")).to_be_visible()
    await chat.keyboard.press("Escape")
    await say(chat, "/file")
    await expect(chat.get_by_role("link", name="report.txt")).to_be_visible()
    await stage.bot.send_chat_action(ann.id, "typing")
    await expect(chat.locator(".chat-title").get_by_text("is typing…")).to_be_visible()
    await keep("media")


async def test_a_message_is_answered_and_edited_by_keyboard_alone(chat: Page) -> None:
    """R on a message answers it, the upper arrow in an empty line edits what one said last."""
    await say(chat, "Helo")
    await expect(chat.get_by_role("log").get_by_text("You said: Helo")).to_be_visible()
    await chat.keyboard.press("ArrowUp")
    await expect(chat.get_by_text("Edit message")).to_be_visible()
    await chat.keyboard.press("Control+a")
    await chat.keyboard.type("Hello")
    await chat.keyboard.press("Enter")
    await expect(chat.get_by_role("log").get_by_text("You meant: Hello")).to_be_visible()
    await chat.locator("article", has_text="You meant: Hello").focus()
    await chat.keyboard.press("r")
    await expect(chat.get_by_text("Reply to Tea House")).to_be_visible()
    await chat.keyboard.type("Yes")
    await chat.keyboard.press("Enter")
    await expect(chat.locator("article .quoted", has_text="You meant: Hello")).to_be_visible()


async def test_everything_from_the_first_word_on_works_without_a_mouse(page: Page, stage: Stage) -> None:
    """Tab, arrows and Enter create a person, find a bot, start it and press its button."""
    await page.goto(stage.address())
    await page.get_by_label("Your name").wait_for()
    await page.keyboard.type("Ann")
    await page.keyboard.press("Enter")
    await page.get_by_label("Search chats").wait_for()
    await page.keyboard.press("Control+k")
    await page.keyboard.type("tea")
    await page.get_by_role("button", name="Tea House").wait_for()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    start = page.get_by_role("button", name="Start", exact=True)
    await start.wait_for()
    for _ in range(40):
        if await start.evaluate("element => element === document.activeElement"):
            break
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.get_by_role("log").get_by_text("Press something").wait_for()
    toast = page.get_by_role("button", name="Toast")
    for _ in range(40):
        if await toast.evaluate("element => element === document.activeElement"):
            break
        await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".toast", has_text="A small word")).to_be_visible()


async def test_a_deep_link_opens_the_other_bot_with_its_payload(chat: Page, stage: Stage, ann: Person) -> None:
    """A t.me link stays in the page: the other bot's chat opens, and the bot is started with the payload."""
    await chat.get_by_role("button", name="Other bot", exact=True).click()
    await expect(chat.get_by_role("heading", name="Other Bot")).to_be_visible()
    await expect(chat.locator("article", has_text="/start hello")).to_be_visible()


async def test_search_finds_a_message_and_goes_to_it(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """Also one that is far above what is loaded."""
    await stage.bot.send_message(ann.id, "The needle is here")
    for number in range(120):
        await stage.bot.send_message(ann.id, f"hay {number}")
    await chat.get_by_label("Search chats").fill("needle")
    await chat.locator(".results .row", has_text="needle").click()
    await expect(chat.locator("article", has_text="The needle is here")).to_be_in_viewport()
    await keep("search")
    await chat.get_by_role("button", name="Go to the end").click()
    await expect(said(chat, "hay 119")).to_be_in_viewport()


async def test_new_messages_do_not_move_what_is_being_read(chat: Page, stage: Stage, ann: Person) -> None:
    """Away from the end the place is held, older pages come in above it, and a button counts what is new."""
    for number in range(150):
        await stage.bot.send_message(ann.id, f"line {number}")
    await expect(said(chat, "line 149")).to_be_in_viewport()
    await said(chat, "line 110").scroll_into_view_if_needed()
    reading = said(chat, "line 110")
    await expect(said(chat, "line 60")).to_have_count(1)
    before = await reading.bounding_box()
    await stage.bot.send_message(ann.id, "news")
    await expect(chat.get_by_role("button", name="1 new messages")).to_be_visible()
    after = await reading.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) <= 1
    await chat.get_by_role("button", name="1 new messages").click()
    await expect(chat.locator("article", has_text="news")).to_be_in_viewport()


async def test_what_could_not_be_sent_says_why_and_can_be_tried_again(chat: Page, stage: Stage, ann: Person) -> None:
    """The reason is the simulator's; the text is not lost."""
    town = stage.sim.world.town
    shared = town.chats[f"4242:{ann.id}"]
    shared.blocked = True
    await say(chat, "Are you there?")
    await expect(chat.get_by_text("Not sent: Ann blocked the bot; unblock it first")).to_be_visible()
    shared.blocked = False
    await chat.get_by_role("button", name="Try again").click()
    await expect(chat.get_by_role("log").get_by_text("You said: Are you there?")).to_be_visible()


async def test_a_picture_is_sent_to_the_bot(chat: Page, stage: Stage) -> None:
    """The paper clip takes files; a picture goes as a photo."""
    data = picture(60, 40, 200, 80, 20)
    await chat.locator("input[type=file]").set_input_files({"name": "p.png", "mimeType": "image/png", "buffer": data})
    await expect(chat.get_by_role("log").get_by_text("I got a")).to_be_visible()


async def test_a_person_pays_with_stars(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """The sheet shows the price, gets Stars where there are too few, and the bot thanks."""
    await say(chat, "/pay")
    await chat.locator(".inline-button", has_text="Pay").click()
    sheet = chat.get_by_role("dialog", name="A cup of tea")
    await expect(sheet.get_by_text("Hot, with milk")).to_be_visible()
    top_up = sheet.get_by_role("button", name="Get 100")
    await expect(sheet.get_by_text("You have")).to_be_visible()
    if await top_up.count():
        await top_up.click()
    await keep("pay")
    await sheet.get_by_role("button", name="Pay 25").click()
    await expect(chat.get_by_text("Thank you for the stars!").last).to_be_visible()
    await expect(chat.get_by_text("You paid 25")).to_be_visible()
    await expect(sheet).to_have_count(0)
    await keep("paid")


async def test_a_person_reacts_and_takes_it_back(chat: Page, stage: Stage, keep: Keep) -> None:
    """A message's menu offers reactions; pressing one's own below the text takes it away."""
    bubble = chat.locator("article", has_text="Press something")
    await bubble.click(button="right")
    await keep("menu")
    await chat.get_by_role("menuitem", name="React with 🔥").click()
    reaction = bubble.get_by_role("button", name="🔥, 1")
    await expect(reaction).to_have_attribute("aria-pressed", "true")
    await reaction.click()
    await expect(reaction).to_have_count(0)


async def test_a_draft_grows_and_becomes_the_message(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """What a bot streams is seen while it grows; its message takes the draft's place."""
    for text in ("Once", "Once upon", "Once upon a time"):
        await stage.bot.send_message_draft(ann.id, 7, text=text)
    draft = chat.get_by_label("The bot is writing")
    await expect(draft).to_contain_text("Once upon a time")
    await keep("draft")
    await stage.bot.send_message(ann.id, "Once upon a time there was a bot.")
    await expect(chat.locator("article", has_text="there was a bot")).to_be_visible()
    await expect(draft).to_have_count(0)


async def test_an_album_is_one_message_of_several_pictures(chat: Page, keep: Keep) -> None:
    """Its pictures share a bubble, and each opens large."""
    await say(chat, "/album")
    album = chat.locator("article", has=chat.locator("img"))
    await expect(album.get_by_role("img")).to_have_count(3)
    await expect(album).to_have_count(1)
    await keep("album")


async def test_a_person_votes_and_takes_the_vote_back(chat: Page, stage: Stage, ann: Person, keep: Keep) -> None:
    """Shares are shown to who has voted; the bot's poll counts the vote."""
    await stage.bot.send_poll(ann.id, "What to drink?", ["Tea", "Coffee"], is_anonymous=False)
    poll = chat.locator(".poll")
    await poll.get_by_role("button", name="Coffee").click()
    await expect(poll.get_by_role("button", name="Coffee")).to_contain_text("100%")
    await expect(poll).to_contain_text("1 vote")
    await keep("poll")
    await poll.get_by_role("button", name="take back").click()
    await expect(poll).to_contain_text("0 votes")
