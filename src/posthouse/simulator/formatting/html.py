"""parse_mode HTML: tags become entities. Looser than HTML (`</>` closes anything) and stricter (no unknown tags)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from posthouse.simulator.formatting.links import date_format, is_emoji_id, link_entity
from posthouse.simulator.formatting.units import SPACES, Entity, Unparsable, byte_offset, end_of, utf16_length

_STYLES = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
}
_TAGS = frozenset(_STYLES) | {"a", "code", "pre", "blockquote", "tg-emoji", "tg-time"}
_PLAIN = re.compile(r"[^<&]+")
_NAME = re.compile(f"[^{SPACES}>]*")
_ATTRIBUTE = re.compile(f"[^{SPACES}>=]*")
_SPACE = re.compile(f"[{SPACES}]*")
_TOKEN = re.compile(r"[A-Za-z0-9.-]*")
_REFERENCE = re.compile(r"&(?:#(?:[xX]([0-9a-fA-F]+)|([0-9]+))|(lt|gt|amp|quot)(?![A-Za-z]));?")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE_BYTES_MAX = 10
_BROKEN = (
    "Text contains invalid Unicode characters after decoding HTML entities, check for unmatched surrogate code units"
)


@dataclass(slots=True)
class _Tag:
    """An element that is open."""

    name: str
    offset: int
    shown_from: int
    """Index of its first piece of text."""
    attributes: dict[str, str] = field(default_factory=dict)


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """The text without its tags, and what they said about it; or raise Unparsable."""
    return _Html(source).read()


class _Html:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.shown: list[str] = []
        self.length = 0
        self.open: list[_Tag] = []
        self.entities: list[Entity] = []

    def read(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            if (plain := _PLAIN.match(self.source, self.at)) is not None:
                self.at = plain.end()
                self._show(plain[0])
            elif self.source[self.at] == "&":
                self._show(self._reference())
            elif self.source.startswith("</", self.at):
                self._end_tag()
            else:
                self._start_tag()
        if self.open:
            raise Unparsable(f'Can\'t find end tag corresponding to start tag "{self.open[-1].name}"')
        for entity in self.entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        return "".join(self.shown), self.entities

    def _show(self, text: str) -> None:
        self.shown.append(text)
        self.length += utf16_length(text)

    def _reference(self) -> str:
        character, self.at = _dereference(self.source, self.at)
        if "\ud800" <= character <= "\udfff":
            raise Unparsable(_BROKEN)
        return character

    # Start tags.

    def _start_tag(self) -> None:
        begin = self.at
        name = self._take(_NAME, skip=1).lower()
        where = f"at byte offset {byte_offset(self.source, begin)}"
        if self._ended:
            raise Unparsable(f"Unclosed start tag {where}")
        if name not in _TAGS:
            raise Unparsable(f'Unsupported start tag "{name}" {where}')
        tag = _Tag(name, self.length, len(self.shown))
        while not self._skip_to(">"):
            self._attribute(tag, where)
        self.at += 1
        if name == "span" and tag.attributes.get("class") != "tg-spoiler":
            raise Unparsable(f'Tag "span" must have class "tg-spoiler" {where}')
        self.open.append(tag)

    def _attribute(self, tag: _Tag, where: str) -> None:
        if self._ended:
            raise Unparsable(f'Unclosed start tag "{tag.name}" {where}')
        name = self._take(_ATTRIBUTE)
        if not name:
            raise Unparsable(f'Empty attribute name in the tag "{tag.name}" {where}')
        if not self._skip_to("="):
            tag.attributes[name] = ""
            return
        self.at += 1
        self._take(_SPACE)
        if self._ended:
            raise Unparsable(f'Unclosed start tag "{tag.name}" {where}')
        quote = self.source[self.at]
        tag.attributes[name] = self._quoted(quote) if quote in "\"'" else self._name_token()
        if self._ended:
            raise Unparsable(f"Unclosed start tag {where}")

    def _quoted(self, quote: str) -> str:
        value: list[str] = []
        self.at += 1
        while not self._ended and self.source[self.at] != quote:
            character = self.source[self.at]
            if character == "&":
                character, self.at = _dereference(self.source, self.at)
            else:
                self.at += 1
            value.append("" if "\ud800" <= character <= "\udfff" else character)
        self.at += 1
        return "".join(value)

    def _name_token(self) -> str:
        begin = self.at
        value = self._take(_TOKEN).lower()
        if not self._ended and self.source[self.at] not in SPACES + ">":
            raise Unparsable(f"Unexpected end of name token at byte offset {byte_offset(self.source, begin)}")
        return value

    # End tags.

    def _end_tag(self) -> None:
        where = f"at byte offset {byte_offset(self.source, self.at)}"
        if not self.open:
            raise Unparsable(f"Unexpected end tag {where}")
        name = self._take(_NAME, skip=2).lower()
        if not self._skip_to(">"):
            raise Unparsable(f"Unclosed end tag {where}")
        self.at += 1
        tag = self.open.pop()
        if name not in ("", tag.name):
            raise Unparsable(f'Unmatched end tag {where}, expected "</{tag.name}>", found "</{name}>"')
        if self.length > tag.offset:
            self._close(tag)

    def _close(self, tag: _Tag) -> None:
        span = {"offset": tag.offset, "length": self.length - tag.offset}
        if tag.name in _STYLES:
            self.entities.append({"type": _STYLES[tag.name], **span})
        elif tag.name == "blockquote":
            kind = "expandable_blockquote" if "expandable" in tag.attributes else "blockquote"
            self.entities.append({"type": kind, **span})
        elif tag.name in ("code", "pre"):
            self._close_code(tag, span)
        elif tag.name == "a":
            url = tag.attributes.get("href") or "".join(self.shown[tag.shown_from :])
            if (link := link_entity(url, **span)) is not None:
                self.entities.append(link)
        else:
            self.entities.append(
                {"type": "custom_emoji" if tag.name == "tg-emoji" else "date_time", **span, **_of(tag)}
            )

    def _close_code(self, tag: _Tag, span: dict[str, int]) -> None:
        """`<pre>` and `<code class="language-…">` around exactly the same text are one block with a language."""
        language = tag.attributes.get("class", "") if tag.name == "code" else ""
        language = language.removeprefix("language-") if language.startswith("language-") else ""
        entity: Entity = {"type": tag.name, **span, **({"language": language} if language else {})}
        inner = self.entities[-1] if self.entities else None
        same = inner is not None and (inner["offset"], end_of(inner)) == (entity["offset"], end_of(entity))
        if (
            inner is not None
            and same
            and {inner["type"], tag.name} == {"pre", "code"}
            and "language" in (inner if tag.name == "pre" else entity)
        ):
            self.entities[-1] = {**entity, **inner, "type": "pre"}
        else:
            self.entities.append(entity)

    # Reading.

    @property
    def _ended(self) -> bool:
        return self.at >= len(self.source)

    def _take(self, pattern: re.Pattern[str], *, skip: int = 0) -> str:
        found = pattern.match(self.source, self.at + skip)
        assert found is not None  # every pattern here matches the empty text
        self.at = found.end()
        return found[0]

    def _skip_to(self, character: str) -> bool:
        """Skip white space; is this character next?"""
        self._take(_SPACE)
        return self.source.startswith(character, self.at)


def _dereference(source: str, at: int) -> tuple[str, int]:
    """The character that `&…;` stands for and where it ends; what stands for nothing is itself."""
    found = _REFERENCE.match(source, at)
    if found is None:
        return "&", at + 1
    hexadecimal, decimal, named = found.groups()
    if named:
        return _NAMED[named], found.end()
    digits_end = found.end(1) if hexadecimal else found.end(2)
    code = 0 if digits_end - at >= _REFERENCE_BYTES_MAX else int(hexadecimal, 16) if hexadecimal else int(decimal)
    return (chr(code), found.end()) if 0 < code < 0x10FFFF else ("&", at + 1)


def _of(tag: _Tag) -> Entity:
    """What a custom emoji or a moment has besides its place, or raise Unparsable."""
    if tag.name == "tg-emoji":
        if not is_emoji_id(identifier := tag.attributes.get("emoji-id", "")):
            raise Unparsable("Invalid custom emoji identifier specified")
        return {"custom_emoji_id": identifier}
    unix_time = tag.attributes.get("unix", "")
    if not re.fullmatch(r"[1-9][0-9]{0,9}", unix_time):
        raise Unparsable("Invalid date specified")
    try:
        return {"unix_time": int(unix_time), "date_time_format": date_format(tag.attributes.get("format", ""))}
    except ValueError as error:
        raise Unparsable(str(error)) from None
