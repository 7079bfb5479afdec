"""parse_mode MarkdownV2: nested marks, quotes at the start of lines, and every reserved character escaped.

A quote ends where a line does not begin with `>`; it is expandable when an opening `||` is the last thing in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from posthouse.simulator.formatting.links import link_entity, linked_emoji, linked_moment
from posthouse.simulator.formatting.markdown import FENCE_HEAD
from posthouse.simulator.formatting.units import Entity, Unparsable, byte_offset, utf16_length

_RESERVED = "_*[]()~`>#+-=|{}.!\n"
_PLAIN = re.compile(r"[^\\_*\[\]()~`>#+\-=|{}.!\n]+")
_PLAIN_IN_CODE = re.compile(r"[^\\`]+")
_OPENINGS = (
    ("```", "Pre"),
    ("`", "Code"),
    ("__", "Underline"),
    ("_", "Italic"),
    ("*", "Bold"),
    ("~", "Strikethrough"),
    ("||", "Spoiler"),
    ("![", "CustomEmoji"),
    ("[", "TextUrl"),
)
_CLOSINGS = {name: mark for mark, name in _OPENINGS} | {"PreCode": "```", "CustomEmoji": "]", "TextUrl": "]"}
_TYPES = {
    "Pre": "pre",
    "PreCode": "pre",
    "Code": "code",
    "Underline": "underline",
    "Italic": "italic",
    "Bold": "bold",
    "Strikethrough": "strikethrough",
    "Spoiler": "spoiler",
}
_IN_CODE = ("Code", "Pre", "PreCode")


@dataclass(slots=True)
class _Mark:
    """A mark that is open. `name` is the one that errors show."""

    name: str
    begin: int
    offset: int
    shown_from: int
    language: str = ""


def parse_markdown_v2(source: str) -> tuple[str, list[Entity]]:
    """The text without its marks, and what they said about it; or raise Unparsable."""
    return _MarkdownV2(source).read()


class _MarkdownV2:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.shown: list[str] = []
        self.length = 0
        self.open: list[_Mark] = []
        self.entities: list[Entity] = []
        self.in_quote = False
        self.at_line_start = True
        """Nothing but carriage returns and marks stand between here and the start of the line."""

    def read(self) -> tuple[str, list[Entity]]:
        while self.at < len(self.source):
            if self._read_escaped() or self._read_plain():
                continue
            if self._at_end_of_quote():
                self._end_quote()
            elif self.open and self._closes(self.open[-1]):
                self._close(self.open.pop())
            else:
                self._open()
        self._end_text()
        return "".join(self.shown), self.entities

    # Text.

    def _show(self, text: str) -> None:
        self.shown.append(text)
        self.length += utf16_length(text)

    def _read_escaped(self) -> bool:
        """A backslash before any ASCII character but DEL; elsewhere it is itself."""
        if self.source[self.at] != "\\":
            return False
        text = self.source[self.at + 1 : self.at + 2]
        if "\x01" <= text <= "~":
            self.at += 2
        else:
            text = "\\"
            self.at += 1
        self._show(text)
        if text != "\r":
            self.at_line_start = text == "\n"
        return True

    def _read_plain(self) -> bool:
        in_code = bool(self.open) and self.open[-1].name in _IN_CODE
        found = (_PLAIN_IN_CODE if in_code else _PLAIN).match(self.source, self.at)
        if found is None:
            return False
        self.at = found.end()
        self._show(found[0])
        if found[0].strip("\r"):
            self.at_line_start = False
        return True

    # Marks.

    def _open(self) -> None:
        character = self.source[self.at]
        if character == "\n":
            self.at += 1
            self._show("\n")
            self.at_line_start = True
        elif character == ">" and self.at_line_start:
            if not self.in_quote:
                self.open.append(_Mark("BlockQuote", self.at, self.length, len(self.shown)))
                self.in_quote = True
            self.at += 1
        else:
            self._open_mark(character)

    def _open_mark(self, character: str) -> None:
        begin = self.at
        for text, name in _OPENINGS:
            if self.source.startswith(text, begin):
                self.at += len(text)
                mark = _Mark(name, begin, self.length, len(self.shown))
                if name == "Pre":
                    self._read_language(mark)
                self.open.append(mark)
                return
        raise Unparsable(f"Character '{character}' is reserved and must be escaped with the preceding '\\'")

    def _read_language(self, mark: _Mark) -> None:
        head = FENCE_HEAD.match(self.source, self.at)
        assert head is not None  # it matches the empty text
        self.at = head.end()
        if head[1]:
            mark.name, mark.language = "PreCode", head[1]

    def _closes(self, mark: _Mark) -> bool:
        if mark.name == "BlockQuote":
            return False
        if mark.name == "Italic" and self.source.startswith("__", self.at):
            return False
        return self.source.startswith(_CLOSINGS[mark.name], self.at)

    def _close(self, mark: _Mark) -> None:
        self.at += len(_CLOSINGS[mark.name])
        span = {"offset": mark.offset, "length": self.length - mark.offset}
        entity: Entity | None
        if mark.name == "TextUrl":
            url = self._read_url() if self.source.startswith("(", self.at) else "".join(self.shown[mark.shown_from :])
            entity = link_entity(url, **span)
        elif mark.name == "CustomEmoji":
            entity = self._read_emoji_or_moment(span)
        else:
            entity = {"type": _TYPES[mark.name], **span, **({"language": mark.language} if mark.language else {})}
        if entity is not None and entity["length"]:
            self.entities.append(entity)

    def _read_url(self) -> str:
        begin = self.at = self.at + 1
        url: list[str] = []
        while self.source[self.at : self.at + 1] != ")":
            if self.at >= len(self.source):
                raise Unparsable(f"Can't find end of a URL at byte offset {byte_offset(self.source, begin)}")
            escapes = self.source[self.at] == "\\" and "\x01" <= self.source[self.at + 1 : self.at + 2] <= "~"
            self.at += escapes
            url.append(self.source[self.at])
            self.at += 1
        self.at += 1
        return "".join(url)

    def _read_emoji_or_moment(self, span: dict[str, int]) -> Entity:
        if not self.source.startswith("(", self.at):
            raise Unparsable("The entity must contain a tg://emoji or tg://time URL")
        url = self._read_url()
        if (emoji := linked_emoji(url)) is not None:
            return {"type": "custom_emoji", **span, "custom_emoji_id": emoji}
        try:
            moment = linked_moment(url)
        except ValueError as error:
            raise Unparsable(str(error)) from None
        if moment is None:
            raise Unparsable("Invalid tg://emoji or tg://time URL specified")
        return {"type": "date_time", **span, "unix_time": moment[0], "date_time_format": moment[1]}

    # Quotes.

    def _at_end_of_quote(self) -> bool:
        line_ends = self.in_quote and self.source[self.at] == "\n"
        return line_ends and self.source[self.at + 1 : self.at + 2] != ">"

    def _end_quote(self) -> None:
        """A line break that no `>` follows; it belongs to the quote."""
        kind = "blockquote"
        mark = self.open.pop()
        if mark.name == "Spoiler" and self.source[mark.begin + 2 : self.at] in ("", "\r"):
            kind = "expandable_blockquote"
            mark = self.open.pop()
        if mark.name != "BlockQuote":
            self._refuse_unclosed(mark)
        self.at += 1
        self._show("\n")
        self.entities.append({"type": kind, "offset": mark.offset, "length": self.length - mark.offset})
        self.in_quote, self.at_line_start = False, True

    def _end_text(self) -> None:
        kind = "blockquote"
        if self.in_quote and self.open[-1].name == "Spoiler" and self.open[-1].begin == len(self.source) - 2:
            kind = "expandable_blockquote"
            self.open.pop()
        if self.in_quote and self.open[-1].name == "BlockQuote":
            mark = self.open.pop()
            if self.length > mark.offset:
                self.entities.append({"type": kind, "offset": mark.offset, "length": self.length - mark.offset})
        if self.open:
            self._refuse_unclosed(self.open[-1])

    def _refuse_unclosed(self, mark: _Mark) -> NoReturn:
        where = byte_offset(self.source, mark.begin)
        raise Unparsable(f"Can't find end of {mark.name} entity at byte offset {where}")
