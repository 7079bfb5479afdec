"""parse_mode Markdown, the legacy one: four marks, no nesting, an escape for each mark."""

from __future__ import annotations

import re

from posthouse.simulator.formatting.links import link_entity
from posthouse.simulator.formatting.units import Entity, Unparsable, byte_offset, utf16_length

_MARKS = "_*`["
_PLAIN = re.compile(r"(?:[^_*`\[\\]|\\(?![_*`\[]))+")
_STYLES = {"_": "italic", "*": "bold", "`": "code"}
FENCE_HEAD = re.compile(r"(?:([^ \t\r\n\v`]++)(?=[ \t\r\n\v]))?(?:\r\n|\n\r|\n|\r)?")
"""What follows the opening fence of a code block: a language that white space ends, and one line break."""


def parse_markdown(source: str) -> tuple[str, list[Entity]]:
    """The text without its marks, and what they said about it; or raise Unparsable."""
    shown: list[str] = []
    entities: list[Entity] = []
    at = length = 0
    while at < len(source):
        if (plain := _PLAIN.match(source, at)) is not None:
            piece, end = plain[0], plain.end()
        elif source[at] == "\\":
            piece, end = source[at + 1], at + 2
        else:
            piece, end, entity = _read_entity(source, at, length)
            entities += [entity] if entity is not None else []
        shown.append(piece)
        length += utf16_length(piece)
        at = end
    return "".join(shown), entities


def _read_entity(source: str, begin: int, offset: int) -> tuple[str, int, Entity | None]:
    """The text between the mark at `begin` and its twin, the index after that, and its entity."""
    mark = source[begin]
    fenced = source.startswith("```", begin)
    language = ""
    start = begin + (3 if fenced else 1)
    if fenced:
        head = FENCE_HEAD.match(source, start)
        assert head is not None  # it matches the empty text
        language, start = head[1] or "", head.end()
    closing = "```" if fenced else "]" if mark == "[" else mark
    end = source.find(closing, start)
    if end < 0:
        raise Unparsable(f"Can't find end of the entity starting at byte offset {byte_offset(source, begin)}")
    text, after = source[start:end], end + len(closing)
    if not text:
        return text, after, None
    url = text
    if mark == "[" and source.startswith("(", after):
        close = source.find(")", after)
        close = len(source) if close < 0 else close
        url, after = source[after + 1 : close], close + 1
    span = {"offset": offset, "length": utf16_length(text)}
    if mark == "[":
        return text, after, link_entity(url, **span)
    if fenced:
        return text, after, {"type": "pre", **span, **({"language": language} if language else {})}
    return text, after, {"type": _STYLES[mark], **span}
