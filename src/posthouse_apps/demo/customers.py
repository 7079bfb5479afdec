"""Customers have sticker packs made from a photo, and now and then a single sticker, as far as their credits go.

    /pack ─► carousel ─► photo ─► preview, 1 credit ─► the pack, 3 credits ─► four stickers in a set
                └───────────┴─────────────┴─► ✖ Cancel

They count their credits themselves: what a screen offers and says follows from that, and at the end the bot's balance
must be theirs. A drawing that is given up after three tries, each of which was killed perhaps, gives its credits back.

One drawing at a time, and a rest after each: a machine with two cores has visitors too.
"""

from __future__ import annotations

import asyncio
import io
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL import Image, ImageDraw

from posthouse_apps.demo.ledger import Like, Owed
from posthouse_apps.demo.visits import STICKER, Visit

REST_S = 4.0  # after each drawing
PACK_SIZE, PREVIEW_PRICE, PACK_PRICE, STICKER_PRICE = 4, 1, 3, 1
DAILY = 5

STYLES = ("Original", "Comic", "Pastel", "Noir", "Pop art", "Sketch", "Neon", "Pixels")

# What the bot says, as far as it matters here: how it begins, and which buttons it has.
BUSY = Like("One moment, please")
CANCELED = Like("Canceled.")
GIVEN, HAD = Like("Here are 5 credits for today."), Like("You had today's credits already.")
TOO_FEW = Like("That takes 1 credit, and you have too few.")
PAYING = " [👀 Preview · 1 credit] [◀ Styles] [✖ Cancel]"
APPROVING = " [✅ Make the pack · 3 credits] [🔄 Other pictures · 1 credit] [✖ Cancel]"
LOCKED = " [⏳ Generating…]"
SINGLE_PHOTO = Like("Send me the photo", " [✖ Cancel]")
CHOOSING = "".join(f" [{style}]" for style in STYLES) + " [✖ Cancel]"


@dataclass(slots=True)
class Studio:
    """Where drawings are asked for: by one customer at a time."""

    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def seat(self, visit: Visit) -> AsyncIterator[None]:
        async with self._free:
            yield
            await visit.pause(REST_S, REST_S)


@dataclass(slots=True)
class Customer:
    """Somebody with credits."""

    visit: Visit
    studio: Studio
    photo: bytes = b""
    credits: int = 0
    spent: int = 0
    given_up: int = 0  # drawings that came to nothing
    packs: int = 0
    granted_on: str = ""  # the day for which there were credits
    photo_sent: bool = False

    async def arrive(self) -> None:
        self.photo = portrait(self.visit.dice)
        await self.visit.writes("/start", Like(f"Hello, {self.visit.name}!"))

    async def live(self) -> None:
        await self.visit.settled()
        if self.visit.resumed:
            await self.leave_nothing_open()
        self.visit.ledger.begin()
        if self.visit.resumed:
            (balance,) = await self.visit.says("/balance", Like("You have "))
            self.credits = number_in(balance)
        await self.visit.pause(0.0, 6.0)
        while not self.visit.leaving:
            chance = self.visit.dice.random()
            if self.granted_on != today() or (self.credits < STICKER_PRICE and chance < 0.1):
                await self.ask_for_credits()
            if self.credits >= STICKER_PRICE and (chance < 0.3 or self.credits < PREVIEW_PRICE + PACK_PRICE):
                await self.have_a_sticker()
            else:
                await self.have_a_pack()
            await self.visit.pause(3.0, 9.0)
            if self.credits < STICKER_PRICE:
                await self.visit.pause(5.0, 15.0)

    async def leave(self) -> None:
        """The balance is what is left after all that was spent: no credit was charged twice, none given back twice."""
        await self.visit.says("/balance", f"You have {credits(self.credits)}.")

    async def leave_nothing_open(self) -> None:
        """End what an earlier run has left; if it is being drawn, as soon as it is."""
        for command, first in (("/pack", carousel(0)), ("/single", SINGLE_PHOTO)):
            heard = await self.visit.says(command, either=[[first], [BUSY]])
            while heard[0].startswith(BUSY.start):
                await self.visit.pause(1.0, 1.0)
                heard = await self.visit.says(command, either=[[first], [BUSY]])
            await self.visit.presses("✖ Cancel", CANCELED)

    async def ask_for_credits(self) -> None:
        """Once a day there are some; on data of an earlier run they may have been given already."""
        ways = [[GIVEN], [HAD]] if self.visit.resumed or self.granted_on else [[GIVEN]]
        (answer,) = await self.visit.says("/credits", either=ways)
        if answer.startswith(GIVEN.start):
            self.credits += DAILY
            if self.granted_on == today():
                self.visit.ledger.complain("got credits twice in a day")
        self.granted_on = today()
        mine = int(re.findall(r"(?:Now you|You) have (\d+)", answer)[0])
        if mine != self.credits:
            self.visit.ledger.complain(f"has {self.credits} credits, but the bot says {mine}")

    # -- a pack -------------------------------------------------------------------------------------------------

    async def have_a_pack(self) -> None:
        """Walk through the styles and try one; pay while there are credits, and seldom ask when there are none."""
        style = await self.walk()
        if self.visit.leaving or self.visit.dice.random() < (0.15 if self.credits else 0.8):
            await self.visit.presses("✖ Cancel", CANCELED)
            return
        await self.try_style(style)
        await self.visit.pause(0.5, 2.0)
        if self.credits < PREVIEW_PRICE:
            await self.visit.presses("👀 Preview", answer=TOO_FEW)
            await self.visit.presses("✖ Cancel", CANCELED)
            return
        async with self.studio.seat(self.visit):
            if not (await self.see_preview(style) and await self.buy_pack(style)):
                await self.visit.presses("✖ Cancel", CANCELED)

    async def walk(self) -> str:
        """Some steps through the carousel, which has no ends; returns the style that is shown."""
        place = 0
        await self.visit.says("/pack", carousel(place))
        for _ in range(self.visit.dice.choice((0, 1, 2, 3))):
            await self.visit.pause(0.5, 2.0)
            step = self.visit.dice.choice((1, 1, -1))
            place = (place + step) % len(STYLES)
            await self.visit.presses("▶" if step > 0 else "◀", carousel(place))
        await self.visit.pause(0.5, 2.0)
        return STYLES[place]

    async def try_style(self, style: str) -> None:
        """The bot remembers the last photo; what it knows of an earlier run is of a Telegram that is gone."""
        offer = Like(f"Style: {style}\n\n", PAYING)
        if self.photo_sent:
            await self.visit.presses("✨ Try", offer)
            return
        wanted = Like(f"Style: {style}\n\nNow send me a photo", " [◀ Styles] [✖ Cancel]")
        await self.visit.presses("✨ Try", either=[[wanted], [offer]] if self.visit.resumed else [[wanted]])
        await self.visit.pause(0.5, 2.0)
        await self.visit.sends(self.photo, offer)
        self.photo_sent = True

    async def see_preview(self, style: str) -> bool:
        """Pay for a preview; False when there is none."""
        if self.visit.leaving:
            return False
        ready, sorry = Like(f"Here is your preview, style {style}.", APPROVING), Like(apology(PREVIEW_PRICE), PAYING)
        return await self.pays("👀 Preview", PREVIEW_PRICE, Like("Drawing 4 stickers.", LOCKED), [ready], sorry)

    async def buy_pack(self, style: str) -> bool:
        """Pay for the pack, most of the time: four stickers come, in a set of their own. False when there is none."""
        await self.visit.pause(0.5, 2.0)
        if self.credits < PACK_PRICE or self.visit.leaving or self.visit.dice.random() < 0.15:
            return False
        drawing = Like("Making your pack of 4 stickers", LOCKED)
        ready: list[Owed] = [*[STICKER] * PACK_SIZE, Like("Your pack is ready: 4 stickers.", " [➕ Add the pack]")]
        if not await self.pays("✅ Make the pack", PACK_PRICE, drawing, ready, Like(apology(PACK_PRICE), APPROVING)):
            return False
        self.packs += 1
        made = await self.visit.telegram("getStickerSet", name=(await self.visit.link()).rpartition("/")[2])
        if len(made["stickers"]) != PACK_SIZE:
            self.visit.ledger.complain(f"the set {made['name']} has {len(made['stickers'])} stickers")
        return True

    # -- a single sticker ---------------------------------------------------------------------------------------

    async def have_a_sticker(self) -> None:
        """Send a photo, with or without being asked, choose a style, and keep what comes."""
        if self.visit.dice.random() < 0.5:
            await self.visit.says("/single", SINGLE_PHOTO)
            await self.visit.pause(0.5, 2.0)
        await self.visit.sends(self.photo, Like("I have your photo.", CHOOSING))
        self.photo_sent = True
        async with self.studio.seat(self.visit):
            if self.visit.leaving:
                await self.visit.presses("✖ Cancel", CANCELED)
                return
            style = self.visit.dice.choice(STYLES)
            ready = Like(
                "How do you like it?", " [✅ Keep it] [🙂 Another emotion · 1 credit] [✏️ Add words] [✖ Cancel]"
            )
            drawing, sorry = Like("Drawing your sticker", LOCKED), Like(apology(STICKER_PRICE), CHOOSING)
            if await self.pays(style, STICKER_PRICE, drawing, [ready], sorry):
                await self.visit.presses("✅ Keep", STICKER, Like("Here it is."))
            else:
                await self.visit.presses("✖ Cancel", CANCELED)

    async def pays(self, button: str, price: int, drawing: Owed, ready: Sequence[Owed], sorry: Like) -> bool:
        """Press a button that costs something, and wait for the drawing; False when the credits came back instead."""
        heard = await self.visit.presses(button, drawing, either=[ready, [sorry]])
        if heard[-1].startswith(sorry.start):
            self.given_up += 1
            return False
        self.credits -= price
        self.spent += price
        return True


def carousel(place: int) -> Owed:
    """The screen of one style."""
    return Like(f"Style: {STYLES[place]}\n\n", f" [◀] [{place + 1} / {len(STYLES)}] [▶] [✨ Try this style] [✖ Cancel]")


def apology(returned: int) -> str:
    """What comes with credits that are given back."""
    back = "credit is" if returned == 1 else f"{returned} credits are"
    return f"Something went wrong while I was drawing. I am sorry. Your {back} back."


def credits(count: int) -> str:
    """So many, in words."""
    return f"{count or 'no'} credit{'' if count == 1 else 's'}"


def number_in(balance: str) -> int:
    found = re.search(r"\d+", balance)
    return int(found[0]) if found else 0


def today() -> str:
    """The day by which credits are given."""
    return datetime.now(UTC).date().isoformat()


def portrait(dice: random.Random, side: int = 240) -> bytes:
    """Somebody before a wall: a small JPEG."""
    wall, coat = (tuple(dice.randint(low, low + 80) for _ in range(3)) for low in (150, 40))
    picture = Image.new("RGB", (side, side), wall)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((side * 0.15, side * 0.7, side * 0.85, side * 1.4), fill=coat)
    draw.ellipse((side * 0.3, side * 0.15, side * 0.7, side * 0.75), fill=(224, 172, 140))
    for x in (0.42, 0.58):
        draw.ellipse((side * (x - 0.03), side * 0.38, side * (x + 0.03), side * 0.44), fill=(40, 30, 30))
    draw.arc((side * 0.4, side * 0.45, side * 0.6, side * 0.62), 20, 160, fill=(150, 60, 60), width=4)
    content = io.BytesIO()
    picture.save(content, "JPEG")
    return content.getvalue()
