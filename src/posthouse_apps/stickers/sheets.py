"""Pictures that show stickers: a contact sheet of several, and an example of each style on a drawn person.

They are PNGs without transparency: soft checks show where a sticker has it. Pure.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFilter

from posthouse_apps.stickers.cutout import FIGURE, Subject, rounded
from posthouse_apps.stickers.rendering import Look, compose
from posthouse_apps.stickers.styles import Style


def contact_sheet(stickers: Sequence[bytes], *, columns: int = 4, side: int = 256) -> bytes:
    """A PNG of all stickers in rows, each in a square of so many pixels, on soft checks."""
    if not stickers or columns < 1:
        raise ValueError(f"a contact sheet needs stickers and columns, got {len(stickers)} and {columns}")
    columns = min(columns, len(stickers))
    rows = -(-len(stickers) // columns)
    gap = side // 16
    sheet = _checks((columns * (side + gap) + gap, rows * (side + gap) + gap))
    for index, sticker in enumerate(stickers):
        row, column = divmod(index, columns)
        with Image.open(io.BytesIO(sticker)) as opened:
            tile = opened.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(tile, (gap + column * (side + gap), gap + row * (side + gap)), tile)
    return _png(sheet)


@lru_cache(maxsize=len(Style))
def style_example(style: Style, side: int = 320) -> bytes:
    """A PNG that shows the style on a drawn person, for a person who has sent no photo yet."""
    person = drawn_person().resize((FIGURE, FIGURE), Image.Resampling.LANCZOS)
    subject = Subject(person, rounded(person.size), cut=False)
    sticker = compose(subject, Look(style)).resize((side, side), Image.Resampling.LANCZOS)
    page = _checks((side, side))
    page.paste(sticker, (0, 0), sticker)
    return _png(page)


def _checks(size: tuple[int, int], check: int = 16) -> Image.Image:
    """Soft checks, which show that what lies on them is transparent."""
    page = Image.new("RGB", size, (236, 239, 246))
    draw = ImageDraw.Draw(page)
    for y in range(0, size[1], check):
        for x in range(y // check % 2 * check, size[0], check * 2):
            draw.rectangle((x, y, x + check - 1, y + check - 1), fill=(224, 229, 240))
    return page


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@lru_cache(maxsize=1)
def drawn_person() -> Image.Image:
    """A drawn person before an evening sky, for examples."""
    scale = 2
    side = 480 * scale
    picture = Image.new("RGB", (1, 3))
    for row, colour in enumerate(((122, 196, 255), (255, 214, 170), (255, 150, 130))):
        picture.putpixel((0, row), colour)
    picture = picture.resize((side, side), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)

    def oval(x: float, y: float, wide: float, high: float, colour: tuple[int, int, int]) -> None:
        draw.ellipse([(n * scale) for n in (x - wide, y - high, x + wide, y + high)], fill=colour)

    oval(386, 96, 44, 44, (255, 244, 200))
    oval(90, 470, 190, 110, (104, 140, 120))
    oval(420, 480, 210, 130, (84, 118, 108))
    oval(240, 520, 176, 150, (44, 110, 170))  # jacket
    oval(240, 232, 128, 142, (74, 44, 36))  # hair
    oval(240, 330, 118, 110, (74, 44, 36))
    draw.rounded_rectangle([n * scale for n in (204, 310, 276, 420)], 30 * scale, fill=(214, 154, 122))
    oval(240, 396, 52, 34, (214, 154, 122))
    oval(240, 250, 96, 116, (240, 186, 152))
    draw.pieslice([n * scale for n in (138, 108, 342, 330)], 186, 354, fill=(74, 44, 36))
    oval(206, 196, 76, 40, (74, 44, 36))
    for x in (200, 280):
        oval(x, 254, 15, 11, (255, 255, 255))
        oval(x, 254, 9, 10, (60, 40, 34))
        oval(x - 3, 250, 3, 3, (255, 255, 255))
        draw.arc([n * scale for n in (x - 24, 222, x + 24, 254)], 215, 325, fill=(74, 44, 36), width=5 * scale)
        oval(x + (x - 240) * 0.45, 292, 20, 13, (246, 160, 136))
    draw.arc([n * scale for n in (228, 262, 252, 292)], 20, 150, fill=(196, 128, 100), width=4 * scale)
    draw.chord([n * scale for n in (204, 282, 276, 336)], 15, 165, fill=(176, 60, 66))
    return picture.filter(ImageFilter.GaussianBlur(1.5)).resize((480, 480), Image.Resampling.LANCZOS)
