"""The caption of a sticker: a person's words in white letters with a dark rim, as large as they fit.

Pillow's own font has no Cyrillic letters. The first of `FONT_NAMES` that the system has is used; where there is none,
Cyrillic is written in Latin letters. A character that the font lacks, such as most emoji, is left out.

Pure but for reading the font's file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from posthouse_apps.stickers.canvas import EDGE, STICKER
from posthouse_apps.stickers.styles import INK, WHITE

CAPTION_MAX = 160  # characters
CAPTION_WIDTH = STICKER - 56
CAPTION_LINES = 4
CAPTION_SIZES = (72, 64, 56, 50, 44, 38, 33, 29, 25)

FONT_NAMES = (
    "DejaVuSans-Bold.ttf",
    "NotoSans-Bold.ttf",
    "LiberationSans-Bold.ttf",
    "Arial Bold.ttf",
    "arialbd.ttf",
)
"""Looked for in the system's font folders, in this order."""

LATIN: dict[str, str] = dict(
    zip("абвгдеёзийклмнопрстуфыэьъіўґє", [*"abvgdeeziyklmnoprstufye", "", "", *"iuge"], strict=True)
) | {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya", "ї": "yi"}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def drawn_caption(caption: str) -> Image.Image | None:
    """The caption in white letters with a dark rim, on nothing and cropped; or None if no letter is left of it."""
    text = legible(caption, caption_font(CAPTION_SIZES[0]))
    if not text:
        return None
    lines, font, size = _set(text)
    rim = max(3, size // 11)
    step = round(size * 1.12)
    layer = Image.new("RGBA", (STICKER - 2 * EDGE + 16, step * len(lines) + size))
    draw = ImageDraw.Draw(layer)
    for stroke, fill in ((rim, INK), (0, WHITE)):  # all rims first: none covers the letters of the line above
        for row, line in enumerate(lines):
            draw.text(
                (layer.width / 2, step * row + size),
                line,
                font=font,
                fill=fill,
                anchor="ms",
                stroke_width=stroke,
                stroke_fill=INK,
            )
    box = layer.getbbox()
    return layer.crop(box) if box else None


def _set(text: str) -> tuple[list[str], Font, int]:
    """The text in lines, in the largest letters in which it fits; in the smallest, it ends in an ellipsis."""
    for size in CAPTION_SIZES:
        font = caption_font(size)
        lines = wrap(text, font, CAPTION_WIDTH)
        rows_max = 1 if size > 56 else 2 if size > 44 else 3 if size > 38 else CAPTION_LINES
        if len(lines) <= rows_max and not (size > CAPTION_SIZES[-1] and _breaks_word(text, lines)):
            return lines, font, size
    last = lines[CAPTION_LINES - 1]
    while last and font.getlength(last + "…") > CAPTION_WIDTH:
        last = last[:-1]
    return [*lines[: CAPTION_LINES - 1], last.rstrip() + "…"], font, size


def _breaks_word(text: str, lines: Sequence[str]) -> bool:
    return " ".join(lines) != text


def wrap(text: str, font: Font, width: float) -> list[str]:
    """The text in lines no wider than so many pixels, broken between words, and within one that is too wide alone."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        line = ""
        for letter in word:
            if line and font.getlength(line + letter) > width:
                lines.append(line)
                line = ""
            line += letter
    return [*lines, line] if line else lines


def legible(caption: str, font: Font) -> str:
    """The caption on one line with only what the font can draw; Cyrillic in Latin letters if it has none of its own."""
    text = " ".join(unicodedata.normalize("NFC", caption[:CAPTION_MAX]).split())
    if not _draws("Ж", font):
        latin = "".join(_in_latin(letter) for letter in text)
        text = latin.upper() if text.isupper() else latin
    drawable = {letter for letter in set(text) if letter == " " or (letter.isprintable() and _draws(letter, font))}
    return " ".join("".join(letter for letter in text if letter in drawable).split())


def _in_latin(letter: str) -> str:
    latin = LATIN.get(letter.lower())
    if latin is None:
        return letter
    return latin if letter.islower() else latin.capitalize()


def _draws(letter: str, font: Font) -> bool:
    """Whether the font has the letter: what it lacks looks like what no font has."""
    shown, missing = font.getmask(letter), font.getmask("\U0010fffe")
    return (shown.size, bytes(shown)) != (missing.size, bytes(missing))


@lru_cache(maxsize=32)
def caption_font(size: int) -> Font:
    """The font that captions are set in; Pillow's own where the system has none of `FONT_NAMES`."""
    path = _font_path()
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=1)
def _font_path() -> str | None:
    for name in FONT_NAMES:
        try:
            return str(ImageFont.truetype(name, 12).path)
        except OSError:
            continue
    return None
