"""The subject of a photo: what a sticker is made of, cut out of it.

When the upper border of the photo is of nearly one colour, or the photo has transparency of its own, the subject is
what stands before it; otherwise it is the interesting part of the photo in a rounded shape. Faces are not recognised:
skin, colour and detail near the middle are.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageChops, ImageDraw, ImageFilter

FLOOD = 128  # pixels on the longer side of the flooded copy
LIKE = 26  # the largest difference in a channel at which a point is still wall
PLAIN_MIN = 0.9  # of the border must be wall
UPPER = 0.55  # of the sides counts as border: below stand shoulders and tables
WANDER_MAX = 11  # a disc's border is 4.5 times the root of its area, a standing person's about 8

FIGURE = 448  # pixels a figure is drawn in

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a sticker is made of: a picture and, in the same size, how much of each point is kept.

    `cut` says that the mask follows the subject's own outline; otherwise it is a rounded shape.
    """

    picture: Image.Image
    mask: Image.Image
    cut: bool


def cut_subject(photo: Image.Image) -> Subject:
    """The part of an opened photo that a sticker is made of."""
    picture = photo.convert("RGB")
    outline = _own_outline(photo) or _outline_before_plain(picture)
    if outline is None or _is_ground(_kept_box(outline), picture.width):
        picture = picture.crop(_interesting(picture))
        picture = picture.resize((FIGURE, FIGURE), Image.Resampling.LANCZOS)
        return Subject(picture, rounded(picture.size), cut=False)
    box = _kept_box(outline)
    scale = FIGURE / max(box[2] - box[0], box[3] - box[1])
    size = max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale))
    mask = outline.crop(box).resize(size, Image.Resampling.BICUBIC)
    picture = picture.crop(box).resize(size, Image.Resampling.LANCZOS)
    mask = ImageChops.darker(mask, rounded(size, exponent=9))  # no sharp corners where the photo's border cut it off
    return Subject(_without_wall(picture, mask), mask, cut=True)


def _without_wall(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The subject's own colours spread over what is cut away, so that no filter draws the wall into its rim."""
    own = picture.convert("RGBA")
    own.putalpha(mask.point(lambda kept: 255 if kept > 200 else 0))
    spread = Image.new("RGB", (1, 1))
    for cells in (1, 12, 40):
        coarse = own.resize((cells, cells), Image.Resampling.BOX).convert("RGBA")
        spread = spread.resize((cells, cells), Image.Resampling.BICUBIC)
        spread.paste(coarse.convert("RGB"), mask=coarse.getchannel("A").point(lambda kept: 255 if kept else 0))
    return Image.composite(picture, spread.resize(picture.size, Image.Resampling.BICUBIC), own.getchannel("A"))


def _kept_box(outline: Image.Image) -> Box:
    """The smallest rectangle around what a mask keeps."""
    return outline.point(lambda kept: 255 if kept > 127 else 0).getbbox() or (0, 0, *outline.size)


def _is_ground(box: Box, width: int) -> bool:
    """Whether what was cut out is a low strip from side to side: hills under a sky, a table before a wall."""
    return box[2] - box[0] > width * 0.96 and box[3] - box[1] < width * 0.55


def _own_outline(photo: Image.Image) -> Image.Image | None:
    """The transparency that the photo came with, if it shapes anything."""
    if photo.mode != "RGBA":
        return None
    alpha = photo.getchannel("A")
    kept = _share(alpha)
    return alpha if 0.04 < kept < 0.97 else None


def _outline_before_plain(picture: Image.Image) -> Image.Image | None:
    """What stands before a wall of nearly one colour, or nothing if there is no such wall or it can not be told apart.

    The wall's colour is taken at both upper corners and halfway down, so that light falling on it does no harm. A small
    copy is flooded from its border; in the large one everything like the wall goes, but only where the flood came.
    """
    scale = FLOOD / max(picture.size)
    size = max(8, round(picture.width * scale)), max(8, round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.BOX)
    wall = _wall(small)
    unlike = _unlike(small, wall.resize(size)).tobytes()
    if _plainness(unlike, size) < PLAIN_MIN:
        return None
    flooded = _flooded(unlike, size)
    kept = _largest(flooded, size)
    if kept is None:
        return None
    reach = ImageChops.invert(Image.frombytes("L", size, kept)).filter(ImageFilter.MaxFilter(3))
    reach = reach.resize(picture.size, Image.Resampling.BILINEAR)
    soft = picture.filter(ImageFilter.GaussianBlur(1))
    like = _unlike(soft, wall.resize(picture.size)).point(lambda far: max(0, min(255, (LIKE + 4 - far) * 255 // 12)))
    islands = ImageChops.invert(Image.frombytes("L", size, kept).filter(ImageFilter.MaxFilter(3)))
    gone = ImageChops.lighter(ImageChops.darker(like, reach), islands.resize(picture.size, Image.Resampling.BILINEAR))
    # Blurred and made steep again below the middle: smooth, and a breath smaller, so that no rim of wall is left.
    return gone.filter(ImageFilter.GaussianBlur(2.2)).point(lambda share: max(0, min(255, (110 - share) * 4)))


def _wall(small: Image.Image) -> Image.Image:
    """What the photo would be without its subject, as a small picture that is stretched over it."""
    width, height = small.size
    patch = max(2, min(small.size) // 12)
    row = round(height * UPPER) - patch
    corners = [(0, 0), (width - patch, 0), (0, row), (width - patch, row)]
    colours = [_median(small.crop((x, y, x + patch, y + patch))) for x, y in corners]
    two = Image.new("RGB", (2, 2))
    for index, colour in enumerate(colours):
        two.putpixel((index % 2, index // 2), colour)
    upper = two.resize((width, round(height * UPPER)), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    wall = Image.new("RGB", small.size)
    lowest = upper.crop((0, upper.height - 1, width, upper.height)).resize(small.size)
    wall.paste(lowest)
    wall.paste(upper)
    return wall


def _median(patch: Image.Image) -> tuple[int, int, int]:
    red, green, blue = (sorted(band.tobytes())[patch.width * patch.height // 2] for band in patch.split())
    return red, green, blue


def _unlike(picture: Image.Image, wall: Image.Image) -> Image.Image:
    """How far each point is from the wall: the largest difference of its channels."""
    red, green, blue = ImageChops.difference(picture, wall).split()
    return ImageChops.lighter(ImageChops.lighter(red, green), blue)


def _plainness(unlike: bytes, size: tuple[int, int]) -> float:
    """The share of the upper border that is wall."""
    width, height = size
    border = list(unlike[:width])
    for y in range(1, round(height * UPPER)):
        border += (unlike[y * width], unlike[(y + 1) * width - 1])
    return sum(far <= LIKE for far in border) / len(border)


def _flooded(unlike: bytes, size: tuple[int, int]) -> bytearray:
    """White wherever wall can be reached from the border over wall."""
    width, height = size
    wet = bytearray(width * height)
    rim = [*range(width), *range((height - 1) * width, height * width)]
    rim += [y * width + x for y in range(height) for x in (0, width - 1)]
    front = [at for at in rim if unlike[at] <= LIKE]
    for at in front:
        wet[at] = 255
    while front:
        at = front.pop()
        for near in _beside(at, width, height):
            if not wet[near] and unlike[near] <= LIKE:
                wet[near] = 255
                front.append(near)
    return wet


def _largest(flooded: bytearray, size: tuple[int, int]) -> bytes | None:
    """White where the largest dry pieces are, or nothing if they are no good subject.

    Good is neither a crumb nor everything, and has a border that does not wander: a white shirt before a white wall is
    flooded in creeks, and a rounded shape looks better than a shirt with holes.
    """
    width, height = size
    piece_of = [0] * (width * height)
    areas = [0]
    for start in range(width * height):
        if flooded[start] or piece_of[start]:
            continue
        areas.append(0)
        piece_of[start] = len(areas) - 1
        front = [start]
        while front:
            at = front.pop()
            areas[-1] += 1
            for near in _beside(at, width, height):
                if not flooded[near] and not piece_of[near]:
                    piece_of[near] = len(areas) - 1
                    front.append(near)
    keep = [area >= max(areas) * 0.15 and area > 0 for area in areas]
    kept = bytes(255 if keep[piece] else 0 for piece in piece_of)
    area = kept.count(255)
    if not 0.06 <= area / (width * height) <= 0.85:
        return None
    rim = sum(one != two for one, two in pairwise(kept)) + sum(
        one != two for one, two in zip(kept, kept[width:], strict=False)
    )
    return kept if rim <= WANDER_MAX * math.sqrt(area) else None


def _beside(at: int, width: int, height: int) -> Iterable[int]:
    x = at % width
    if x:
        yield at - 1
    if x < width - 1:
        yield at + 1
    if at >= width:
        yield at - width
    if at < width * (height - 1):
        yield at + width


def _interesting(picture: Image.Image) -> Box:
    """The square that holds most of what draws the eye: skin, colour and detail, the more the nearer to the middle."""
    scale = 56 / max(picture.size)
    small = picture.resize(
        (max(4, round(picture.width * scale)), max(4, round(picture.height * scale))), Image.Resampling.BOX
    )
    width, height = small.size
    detail = small.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1.5)).tobytes()
    colour = small.convert("HSV").getchannel("S").tobytes()
    _, blue, red = (band.tobytes() for band in small.convert("YCbCr").split())
    total = sum_x = sum_y = sum_xx = sum_yy = 0.0
    for y in range(1, height - 1):  # without the border, where an edge filter shows the frame
        for x in range(1, width - 1):
            at = y * width + x
            u, v = x / width - 0.5, y / height - 0.5
            skin = 110 if 135 <= red[at] <= 173 and 80 <= blue[at] <= 126 else 0
            weight = (detail[at] + 0.25 * colour[at] + skin + 2) * math.exp(-(u * u + v * v) * 5)
            total += weight
            sum_x, sum_y = sum_x + weight * x, sum_y + weight * y
            sum_xx, sum_yy = sum_xx + weight * x * x, sum_yy + weight * y * y
    middle_x, middle_y = sum_x / total, sum_y / total
    spread = math.sqrt(max(0.0, (sum_xx + sum_yy) / total - middle_x**2 - middle_y**2))
    short = min(picture.size)
    # An even square spreads by 0.41 of its side; half as much again is air around what was found.
    side = round(max(0.66 * short, min(short, spread / 0.41 * 1.5 / scale)))
    left = round(min(max(0, middle_x / scale - side / 2), picture.width - side))
    top = round(min(max(0, middle_y / scale - side / 2), picture.height - side))
    return left, top, left + side, top + side


def _share(mask: Image.Image) -> float:
    """How much of a mask is white."""
    return sum(count * value for value, count in enumerate(mask.histogram())) / (255 * mask.width * mask.height)


@lru_cache(maxsize=16)
def rounded(size: tuple[int, int], exponent: float = 4.2) -> Image.Image:
    """A superellipse that fills the size: between an oval and a rectangle, without a visible corner."""
    width, height = size[0] * 2, size[1] * 2
    outline = []
    for step in range(240):
        cos, sin = math.cos(math.pi * step / 120), math.sin(math.pi * step / 120)
        outline.append(
            (
                width / 2 * (1 + math.copysign(abs(cos) ** (2 / exponent), cos)),
                height / 2 * (1 + math.copysign(abs(sin) ** (2 / exponent), sin)),
            )
        )
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask.resize(size, Image.Resampling.BOX)
