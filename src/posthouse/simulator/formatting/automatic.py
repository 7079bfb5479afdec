"""Entities that Telegram finds by itself: mentions, hashtags, cashtags, commands, links, addresses, phone numbers.

A link without a scheme counts when its domain ends in one that exists (`domains.txt`: the top-level domains of the
IANA root zone). How phone numbers are found is not public; here they begin with a plus and have 7 to 15 digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources

from posthouse.simulator.formatting.units import Entity, end_of, utf16_length

Span = tuple[int, int]
_LETTER = r"\w\u00b7\u200c\u0d80-\u0dff"
_AT_CHAT = r"(?:@[A-Za-z0-9_]{3,32}(?![A-Za-z0-9_]))?"
_HINT = re.compile(r"[@#$/]|\.[^\s.]|\+\d")
_MENTION = re.compile(r"(?<!\w)@([A-Za-z0-9_]{2,32})(?!\w)")
_SHORT_NAMES = ("gif", "vid", "pic")
_COMMAND = re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32}(?![\w/<>])|(?![\w/<>@]))")
_HASHTAG = re.compile(rf"(?<![{_LETTER}])#([{_LETTER}]++)(?!#){_AT_CHAT}")
_CASHTAG = re.compile(rf"(?<![{_LETTER}$])\$(?:1INCH|[A-Z]{{1,8}})(?![{_LETTER}$]){_AT_CHAT}")
_PHONE = re.compile(r"(?<![\w+])\+\d(?:[ ()-]{0,2}\d){6,14}(?!\w)", re.ASCII)
_OWN_LINK = re.compile(r"(?:tg|ton)://[A-Za-z0-9_-]{1,253}(?:[/?#][^\s<>\"«»]*)?", re.IGNORECASE)
_DOMAIN = r"A-Za-z0-9_~\u00c0-\u1fff\u2070-\u2fff\u3001-\U0010ffff-"
_LINK = re.compile(
    rf"(?:(?P<scheme>[A-Za-z0-9+-]{{1,20}})://)?"
    rf"(?:(?P<user>[^\s/\[\]{{}}()'`<>\"@«»]{{1,100}})@)?"
    rf"(?P<domain>[{_DOMAIN}]{{1,253}}+(?:\.[{_DOMAIN}]{{1,253}}+)+)"
    rf"(?P<port>:\d{{1,5}}(?!\d))?"
    rf"(?P<path>[/?#][^\s<>\"«»]*)?"
)
_EMAIL = re.compile(
    r"(?:mailto:)?((?:[a-z0-9_-]{0,26}[.+]){0,10}[a-z0-9_-]{1,35}"
    r"@(?:[a-z0-9](?:[a-z0-9_-]{0,28}[a-z0-9])?\.){1,6}[a-z]{2,8})",
    re.IGNORECASE,
)
_LINK_SCHEMES = ("http", "https", "ftp")
_NOT_LAST = ".:;,('?!`"
_CLOSES = {")": "(", "]": "[", "}": "{"}
HASHTAG_CHARACTERS_MAX = 256


def automatic(text: str, taken: list[Entity] | None = None) -> list[Entity]:
    """The entities found in this text, outside those that are taken."""
    if _HINT.search(text) is None:
        return []
    spans = sorted(((*span, kind) for kind, find in _FINDERS.items() for span in find(text)), key=_longer_first)
    found: list[Entity] = []
    for begin, end, kind in spans:
        offset = utf16_length(text[:begin])
        if not found or offset >= end_of(found[-1]):
            found.append({"type": kind, "offset": offset, "length": utf16_length(text[begin:end])})
    return _outside(found, taken) if taken else found


def _longer_first(span: tuple[int, int, str]) -> tuple[int, int]:
    return span[0], -span[1]


def _outside(found: list[Entity], taken: list[Entity]) -> list[Entity]:
    return [f for f in found if not any(f["offset"] < end_of(t) and t["offset"] < end_of(f) for t in taken)]


def _mentions(text: str) -> Iterator[Span]:
    for match in _MENTION.finditer(text):
        if len(match[1]) >= 4 or match[1].lower() in _SHORT_NAMES:
            yield match.span()


def _commands(text: str) -> Iterator[Span]:
    return (match.span() for match in _COMMAND.finditer(text))


def _hashtags(text: str) -> Iterator[Span]:
    for match in _HASHTAG.finditer(text):
        if any(character.isalpha() for character in match[1]):
            cut = max(0, len(match[1]) - HASHTAG_CHARACTERS_MAX)
            yield match.start(), match.end(1) - cut if cut else match.end()


def _cashtags(text: str) -> Iterator[Span]:
    return (match.span() for match in _CASHTAG.finditer(text))


def _phones(text: str) -> Iterator[Span]:
    return (match.span() for match in _PHONE.finditer(text))


# Links.


def _links(text: str) -> Iterator[Span]:
    if "://" in text:
        for match in _OWN_LINK.finditer(text):
            yield match.start(), match.start() + len(match[0].rstrip(_NOT_LAST))
    for match in _candidates(text):
        if _EMAIL.fullmatch(match[0]) is None and (end := _end_of_link(text, match)) is not None:
            yield match.start(), end


def _emails(text: str) -> Iterator[Span]:
    for match in _candidates(text):
        if (address := _EMAIL.fullmatch(match[0])) is not None:
            yield match.start() + address.start(1), match.end()


def _candidates(text: str) -> Iterator[re.Match[str]]:
    return _LINK.finditer(text) if "." in text else iter(())


def _end_of_link(text: str, match: re.Match[str]) -> int | None:
    """Where this link really ends, or None when it is none."""
    scheme = (match["scheme"] or "").lower()
    before = text[match.start() - 1 : match.start()]
    if scheme:
        if not scheme.endswith(_LINK_SCHEMES) or scheme in ("shttp", "sftp", "tftp"):
            return None
    elif before and (before.isalnum() or before in "_/#@"):
        return None
    if not _is_domain(match["domain"], known=not scheme):
        return None
    path = match["path"] or ""
    end = match.end() - len(path) + _path_length(path)
    return end if path or match["port"] else match.start() + len(match[0].rstrip("."))


def _path_length(path: str) -> int:
    """Without what follows a bracket that was never opened, and without punctuation that ends the sentence."""
    opened = dict.fromkeys("([{", 0)
    for index, character in enumerate(path):
        if character in opened:
            opened[character] += 1
        elif character in _CLOSES:
            opened[_CLOSES[character]] -= 1
            if opened[_CLOSES[character]] < 0:
                path = path[:index]
                break
    trimmed = path.rstrip(_NOT_LAST)
    return len(trimmed)


def _is_domain(domain: str, *, known: bool) -> bool:
    parts = domain.split(".")
    if any(not 1 <= len(part) < 64 or part.endswith("-") for part in parts):
        return False
    if all(part.isdecimal() for part in parts):
        return len(parts) == 4 and all(len(p) <= 3 and int(p) < 256 and str(int(p)) == p for p in parts)
    if "_" in parts[-2]:
        return False
    last = parts[-1]
    if last.startswith("xn--"):
        return len(last) > 5 and last[4:].isalnum()
    if len(last) < 2 or "_" in last or "-" in last:
        return False
    return not known or _is_known(last)


def _is_known(last: str) -> bool:
    """`Com` and `COM` are domains, `cOM` is a slip of the finger."""
    lowered = last.lower()
    if lowered != last and lowered[0] == last[0]:
        return False
    return lowered in _known_domains()


@cache
def _known_domains() -> frozenset[str]:
    return frozenset(resources.files(__package__).joinpath("domains.txt").read_text("utf-8").split())


_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "mention": _mentions,
    "bot_command": _commands,
    "hashtag": _hashtags,
    "cashtag": _cashtags,
    "url": _links,
    "email": _emails,
    "phone_number": _phones,
}
FOUND_TYPES = frozenset(_FINDERS)
