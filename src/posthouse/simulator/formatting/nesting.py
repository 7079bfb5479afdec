"""From raw entities to those that are shown: the text cleaned, the entities nested, both trimmed.

The server keeps entities in one normal form. *Continuous* ones (links, mentions, code) do not overlap each other;
*quotes* may hold them but not cross them; *styles* (bold, …) are cut where another entity begins or ends, so that any
two entities are either apart or one inside the other. Nothing is inside code.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from posthouse.simulator.formatting.automatic import automatic
from posthouse.simulator.formatting.units import Entity, end_of, utf16_length, utf16_units
from posthouse.simulator.refusals import bad_request

STYLES = ("bold", "italic", "underline", "strikethrough", "spoiler")
QUOTES = ("blockquote", "expandable_blockquote")
_CODE = ("code", "pre")
_HIDING = ("text_link", "text_mention", "code", "pre")
"""They say more than their text does, so they are kept even when that is white space."""
_PRIORITY = {
    **dict.fromkeys(QUOTES, 0),
    "pre": 10,
    "code": 20,
    "text_link": 49,
    "text_mention": 49,
    "bold": 90,
    "italic": 91,
    "underline": 92,
    "strikethrough": 93,
    "spoiler": 94,
    "custom_emoji": 99,
}
_UNCLEAN = re.compile("[\x00-\x09\x0b-\x1f\u2028-\u202e\u0333\u033f\u030a]")
_DROPPED = re.compile("[\r\u2028-\u202e\u0333\u033f\u030a]")
_CONTROL = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f]")
_WHITE = (10, 32)
ENTITIES_MAX = 100
"""Given ones that a message keeps; custom emoji do not count."""


def compose(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """The text as it is shown with all its entities, given and found; or raise Refusal."""
    if not text.isascii():
        _check_encoding(text)
    if entities:
        entities = _within_limit(nest(entities))
        _check_bounds(text, entities)
    if _UNCLEAN.search(text) is not None:
        text, entities = _clean(text, entities)
    text, entities = _trim(text, entities)
    found = automatic(text, [entity for entity in entities if entity["type"] not in (*STYLES, *QUOTES)])
    if not found or not entities:
        return text, found or entities
    quotes = [entity for entity in entities if entity["type"] in QUOTES]
    return text, nest([*entities, *(entity for entity in found if not _crosses(entity, quotes))])


# Nesting.


def nest(entities: Iterable[Entity]) -> list[Entity]:
    """The normal form of these entities, in their order."""
    ordered = _sorted(entities)
    quotes = _apart(entity for entity in ordered if entity["type"] in QUOTES)
    continuous = _apart(entity for entity in ordered if entity["type"] not in (*STYLES, *QUOTES))
    continuous = [entity for entity in continuous if not _crosses(entity, quotes)]
    styles = _cut([entity for entity in ordered if entity["type"] in STYLES], [*continuous, *quotes])
    return _sorted([*continuous, *quotes, *styles])


def _within_limit(entities: list[Entity]) -> list[Entity]:
    if len(entities) <= ENTITIES_MAX:
        return entities
    counted = [entity for entity in entities if entity["type"] != "custom_emoji"]
    styles_last = sorted(counted, key=lambda entity: entity["type"] in STYLES)
    return _sorted([*(e for e in entities if e["type"] == "custom_emoji"), *styles_last[:ENTITIES_MAX]])


def _sorted(entities: Iterable[Entity]) -> list[Entity]:
    """By beginning, the longer first, and by type where both are the same."""
    return sorted(entities, key=lambda e: (e["offset"], -e["length"], _PRIORITY.get(e["type"], 50)))


def _apart(ordered: Iterable[Entity]) -> list[Entity]:
    """Those that do not overlap one before them."""
    kept: list[Entity] = []
    for entity in ordered:
        if not kept or entity["offset"] >= end_of(kept[-1]):
            kept.append(entity)
    return kept


def _crosses(entity: Entity, quotes: list[Entity]) -> bool:
    """Is it partly inside a quote, or around one? Quotes come sorted and apart."""
    following = bisect_right(quotes, entity["offset"], key=_offset)
    if following and entity["offset"] < end_of(quotes[following - 1]):
        return end_of(entity) > end_of(quotes[following - 1])
    return following < len(quotes) and quotes[following]["offset"] < end_of(entity)


def _holds(entities: list[Entity], offset: int) -> bool:
    """Is the offset in one of these, which come sorted and apart?"""
    following = bisect_right(entities, offset, key=_offset)
    return following > 0 and offset < end_of(entities[following - 1])


def _offset(entity: Entity) -> int:
    return int(entity["offset"])


def _cut(styles: list[Entity], others: list[Entity]) -> list[Entity]:
    """Merge the stretches of each style, then cut them at the ends of the others and where a style begins."""
    if not styles:
        return []
    stretches = [(kind, *stretch) for kind in STYLES for stretch in _merged(e for e in styles if e["type"] == kind)]
    cuts = {begin for _, begin, _ in stretches}
    cuts.update(entity["offset"] for entity in others)
    cuts.update(end_of(entity) for entity in others)
    code = [entity for entity in others if entity["type"] in _CODE]
    ordered = sorted(cuts)
    pieces: list[Entity] = []
    for kind, begin, end in stretches:
        inside = ordered[bisect_left(ordered, begin + 1) : bisect_left(ordered, end)]
        for start, stop in zip([begin, *inside], [*inside, end], strict=True):
            if not _holds(code, start):
                pieces.append({"type": kind, "offset": start, "length": stop - start})
    return pieces


def _merged(entities: Iterable[Entity]) -> list[tuple[int, int]]:
    """Begin and end of the stretches that these entities cover; they come sorted by beginning."""
    stretches: list[tuple[int, int]] = []
    for entity in entities:
        begin, end = entity["offset"], end_of(entity)
        if stretches and begin <= stretches[-1][1]:
            stretches[-1] = stretches[-1][0], max(end, stretches[-1][1])
        else:
            stretches.append((begin, end))
    return stretches


# Checking and cleaning.


def _check_encoding(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request("strings must be encoded in UTF-8") from None


def _check_bounds(text: str, entities: list[Entity]) -> None:
    """Raise Refusal when an entity begins or ends outside the text or inside a character."""
    begins = {entity["offset"] for entity in entities}
    ends = {end_of(entity): entity["offset"] for entity in entities}
    for half, at in _halves(text):
        if half in ends:
            raise bad_request(
                f"entity beginning at UTF-16 offset {ends[half]} ends in a middle of a UTF-16 symbol "
                f"at byte offset {at}"
            )
        if half in begins:
            raise bad_request(f"entity begins in a middle of a UTF-16 symbol at byte offset {at}")
    length = utf16_length(text)
    for begin in sorted(begins):
        if begin > length:
            raise bad_request(f"entity begins after the end of the text at UTF-16 offset {begin}")
    for end in sorted(ends):
        if end > length:
            raise bad_request(
                f"entity beginning at UTF-16 offset {ends[end]} ends after the end of the text at UTF-16 offset {end}"
            )


def _halves(text: str) -> Iterator[tuple[int, int]]:
    """The offsets between the two halves of a surrogate pair, with the byte at which its character ends."""
    if text.isascii():
        return
    offset = at = 0
    for character in text:
        at += len(character.encode())
        offset += 1
        if character > "\uffff":
            yield offset, at
            offset += 1


def _clean(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Control characters become spaces; carriage returns and a few marks vanish, and entities close the gap."""
    dropped = [utf16_length(text[: found.start()]) for found in _DROPPED.finditer(text)]
    text = _CONTROL.sub(" ", _DROPPED.sub("", text))
    if not dropped or not entities:
        return text, entities
    moved = []
    for entity in entities:
        begin = entity["offset"] - bisect_left(dropped, entity["offset"])
        end = end_of(entity) - bisect_left(dropped, end_of(entity))
        moved.append({**entity, "offset": begin, "length": end - begin})
    return text, moved


# Trimming.


def _trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Spaces and line breaks go from both ends, unless an entity with hidden content holds the first ones."""
    if not entities:
        return text.strip(" \n"), entities
    entities = nest(_without_white(utf16_units(text), entities))
    shown = text.rstrip(" \n")
    if not shown:
        return "", []
    end = utf16_length(shown)
    entities = [
        {**entity, "length": end - entity["offset"]} if end_of(entity) > end else entity
        for entity in entities
        if entity["offset"] < end
    ]
    lead = len(shown) - len(shown.lstrip(" \n"))
    lead = min([lead, *(entity["offset"] for entity in entities)])
    if lead:
        entities = [{**entity, "offset": entity["offset"] - lead} for entity in entities]
    return shown[lead:], _sorted(entities)


def _without_white(units: Sequence[int], entities: list[Entity]) -> list[Entity]:
    """Entities without the white space they begin with, and without those that are nothing else."""
    held = {entity["offset"] for entity in entities if entity["type"] in _HIDING}
    kept = []
    for entity in entities:
        begin, end = entity["offset"], end_of(entity)
        if entity["type"] not in _HIDING:
            while begin < end and units[begin] in _WHITE and not (begin in held and _around(entity, begin, entities)):
                begin += 1
            if all(unit in _WHITE for unit in units[begin:end]):
                continue
        if end > begin:
            kept.append({**entity, "offset": begin, "length": end - begin})
    return kept


def _around(entity: Entity, begin: int, entities: list[Entity]) -> bool:
    """Does it hold something hidden that begins there, and is not held by it?"""
    return any(
        other["type"] in _HIDING and other["offset"] == begin and end_of(other) < end_of(entity) for other in entities
    )
