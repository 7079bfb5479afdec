"""The canvas of a sticker: its size, the border that is kept free, and the white edge and shadow of what lies on it.

Pure.
"""

from __future__ import annotations

from PIL import Image, ImageChops, ImageFilter

from posthouse_apps.stickers.styles import INK, WHITE

STICKER = 512  # pixels on both sides, as Telegram asks
EDGE = 22  # pixels of the canvas kept free for outline and shadow


def inside(left: int, top: int, drawn: Image.Image) -> tuple[int, int]:
    """The nearest place that keeps a shape and its edge on the canvas."""
    return (
        max(EDGE - 4, min(left, STICKER - EDGE + 4 - drawn.width)),
        max(EDGE - 4, min(top, STICKER - EDGE + 4 - drawn.height)),
    )


def edged(layer: Image.Image, width: int) -> Image.Image:
    """The layer on a white edge of so many pixels that follows its outline, rounded where it is sharp."""
    # A blurred straight edge has fallen to a tenth at 1.28 of the blur's radius: cut off there, it has moved outwards.
    grown = layer.getchannel("A").filter(ImageFilter.GaussianBlur(width / 1.28))
    edge = Image.new("RGBA", layer.size, (*WHITE, 255))
    edge.putalpha(grown.point(lambda light: max(0, min(255, (light - 18) * 16))))
    edge.alpha_composite(layer)
    return edge


def shadowed(layer: Image.Image) -> Image.Image:
    """The layer over its own soft shadow, which falls a little downwards."""
    shade = ImageChops.offset(layer.getchannel("A").filter(ImageFilter.GaussianBlur(5)), 0, 4)
    shadow = Image.new("RGBA", layer.size, (*INK, 255))
    shadow.putalpha(shade.point(lambda light: light * 90 // 255))
    shadow.alpha_composite(layer)
    return shadow
