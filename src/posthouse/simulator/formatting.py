"""Text as people see it, and the entities that describe its parts.

`parse_mode` HTML is parsed with the errors of the real server; plain text gets the automatic entities (url,
mention, hashtag, bot_command, email). Deliberately absent until somebody needs them: MarkdownV2 and
Markdown (refused with an honest 501 rather than shown raw), cashtags, phone and card numbers, custom emoji.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from posthouse.simulator.refusals import bad_request, not_implemented

Entity = dict[str, Any]
TEXT_CHARACTERS_MAX = 4096
TEXT_BYTES_MAX = 32_768
CAPTION_CHARACTERS_MAX = 1024

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
}
_TOKEN = re.compile(r"<(/?)([^\s<>/]*)([^<>]*)(>?)|([^<]+)")
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+)))?""")
_AUTOMATIC = re.compile(
    r"(?P<url>https?://[^\s<>]*[^\s<>.,!?:;'\")])"
    r"|(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?<![\w/])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)(?![\w/])"
    r"|(?<!\w)(?P<mention>@[A-Za-z0-9_]{4,32})(?!\w)"
    r"|(?<![\w&])(?P<hashtag>#\w*[^\W\d]\w*)"
)


def utf16_length(text: str) -> int:
    """Telegram counts offsets in UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def render(text: str, parse_mode: str, explicit: object) -> tuple[str, list[Entity]]:
    """The text a person sees and its entities, or raise Refusal."""
    mode = parse_mode.strip().lower()
    entities: list[Entity] = []
    if mode == "html":
        text, entities = _parse_html(text)
    elif mode in ("markdown", "markdownv2"):
        raise not_implemented(f"does not parse parse_mode {parse_mode} yet; HTML and entities work")
    elif mode not in ("", "none"):
        raise bad_request("unsupported parse_mode")
    elif isinstance(explicit, list):
        entities = [dict(entity) for entity in explicit if isinstance(entity, dict)]
    text, entities = _trim(text, entities)
    return text, sorted(entities + automatic(text, entities), key=lambda entity: entity["offset"])


def automatic(text: str, explicit: list[Entity] | None = None) -> list[Entity]:
    """Entities that Telegram finds by itself, outside the explicit ones."""
    if not any(mark in text for mark in "/@#"):
        return []
    found = []
    for match in _AUTOMATIC.finditer(text):
        offset, length = utf16_length(text[: match.start()]), utf16_length(match[0])
        overlaps = any(e["offset"] < offset + length and offset < e["offset"] + e["length"] for e in explicit or [])
        if not overlaps and match.lastgroup:
            found.append({"type": match.lastgroup, "offset": offset, "length": length})
    return found


def _trim(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    trimmed = text.rstrip()
    lead = utf16_length(trimmed) - utf16_length(trimmed.lstrip())
    trimmed = trimmed.lstrip()
    if trimmed == text or not entities:
        return trimmed, entities
    end = utf16_length(trimmed)
    kept = []
    for entity in entities:
        start = max(0, entity["offset"] - lead)
        stop = min(end, entity["offset"] + entity["length"] - lead)
        if stop > start:
            kept.append({**entity, "offset": start, "length": stop - start})
    return trimmed, kept


def _parse_html(source: str) -> tuple[str, list[Entity]]:
    """Walk over tags and text with a stack of open entities; positions in errors are bytes."""
    shown: list[str] = []
    length = 0
    entities: list[Entity] = []
    open_tags: list[tuple[str, Entity]] = []
    for at, closing, tag, rest, literal in _html_tokens(source):
        if literal:
            plain = html.unescape(literal)
            shown.append(plain)
            length += utf16_length(plain)
        elif not closing:
            open_tags.append((tag, _entity_of(tag, rest, length, at)))
        else:
            if not open_tags:
                raise _unparsable(f"Unexpected end tag at byte offset {at}")
            expected, entity = open_tags.pop()
            if tag not in ("", expected):
                raise _unparsable(f'Unmatched end tag at byte offset {at}, expected "</{expected}>", found "</{tag}>"')
            entity["length"] = length - entity["offset"]
            if entity["length"]:
                entities.append(entity)
    if open_tags:
        raise _unparsable(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"')
    return "".join(shown), entities


def _html_tokens(source: str) -> Iterator[tuple[int, bool, str, str, str]]:
    """(byte offset, is an end tag, tag name, attributes, literal text) of each token."""
    for match in _TOKEN.finditer(source):
        slash, tag, rest, end, literal = match.groups()
        at = len(source[: match.start()].encode())
        if not literal and not end:
            raise _unparsable(f"Unclosed {'end' if slash else 'start'} tag at byte offset {at}")
        yield at, bool(slash), (tag or "").lower(), rest or "", literal or ""


def _entity_of(tag: str, rest: str, offset: int, at: int) -> Entity:
    if tag not in _TAGS:
        raise _unparsable(f'Unsupported start tag "{tag}" at byte offset {at}')
    attributes = {name.lower(): a or b or c or "" for name, a, b, c in _ATTRIBUTE.findall(rest)}
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise _unparsable(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
    entity: Entity = {"type": _TAGS[tag], "offset": offset, "length": 0}
    if tag == "a":
        entity["url"] = html.unescape(attributes.get("href", ""))
    if tag == "blockquote" and "expandable" in attributes:
        entity["type"] = "expandable_blockquote"
    return entity


def _unparsable(text: str) -> Exception:
    return bad_request(f"can't parse entities: {text}")
