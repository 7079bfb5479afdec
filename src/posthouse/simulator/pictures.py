"""Pictures: how large they are, and the sizes that Telegram makes of them."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

SIDES = (90, 320, 800, 1280, 2560)
"""The longer side of each size of a photo, in pixels."""
THUMBNAIL_SIDE = 320
SIDES_SUM_MAX = 10_000
RATIO_MAX = 20
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_MIME_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp"}


class NotAPicture(Exception):
    """These bytes are no picture that can be read."""


class BadShape(Exception):
    """The picture is too large or too narrow for a photo."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Encoded bytes with the size in pixels."""

    data: bytes
    mime_type: str
    width: int
    height: int
    opaque: bool = True


def probe(data: bytes) -> Picture | None:
    """What the header says, or None if it is no PNG, JPEG, WebP, GIF or BMP. Decodes nothing."""
    try:
        with _opened(data) as image:
            kind = image.format or ""
            return Picture(data, _MIME_TYPES[kind], *image.size, opaque=image.mode in ("RGB", "L", "CMYK"))
    except NotAPicture:
        return None


def photo_sizes(data: bytes) -> list[Picture]:
    """The sizes of a photo, the smallest first, as JPEG; or raise NotAPicture or BadShape.

    A JPEG that is no larger than the largest size is kept as it came.
    """
    with _opened(data) as image:
        width, height = image.size
        if width + height > SIDES_SUM_MAX or max(width, height) > RATIO_MAX * min(width, height):
            raise BadShape
        upright = _flat(image)
        longest = max(upright.size)
        sides = [side for side in SIDES if side < longest]
        untouched = image.format == "JPEG" and longest <= SIDES[-1] and not image.getexif().get(_ORIENTATION)
        largest = Picture(data, "image/jpeg", width, height) if untouched else _scaled(upright, min(longest, SIDES[-1]))
        return [*(_scaled(upright, side) for side in sides if side != max(largest.width, largest.height)), largest]


def thumbnail(data: bytes) -> Picture | None:
    """A small JPEG of a picture, or None if it is none."""
    try:
        with _opened(data) as image:
            upright = _flat(image)
            return _scaled(upright, min(THUMBNAIL_SIDE, max(upright.size)))
    except NotAPicture:
        return None


def as_webp(data: bytes) -> bytes:
    """A picture as WebP, with its transparency; a WebP as it is. Or raise NotAPicture."""
    with _opened(data) as image:
        if image.format == "WEBP":
            return data
        try:
            buffer = io.BytesIO()
            image.convert("RGBA").save(buffer, "WEBP", quality=90)
        except (OSError, ValueError, SyntaxError):
            raise NotAPicture from None
        return buffer.getvalue()


_ORIENTATION = 0x0112


def _opened(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the caller checks the shape
            return Image.open(io.BytesIO(data), formats=_FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise NotAPicture from None


def _flat(image: Image.Image) -> Image.Image:
    """Turned upright, on white, in plain colours."""
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("RGB", "L"):
            return upright.convert("RGB")
        layered = upright.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise NotAPicture from None
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")


def _scaled(image: Image.Image, side: int) -> Picture:
    ratio = side / max(image.size)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    small = image if size == image.size else image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=87)
    return Picture(buffer.getvalue(), "image/jpeg", *size)
