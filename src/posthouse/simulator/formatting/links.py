"""What a link in a message may be, and the links that stand for something else: people, emoji, moments."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"[^\s/?#:@\[\]<>\"'`{}|\\^%]+")
_TG = re.compile(r"tg:(?://)?(user|emoji|time)/?\?([^#]*)", re.IGNORECASE)
_DATE_LETTERS = "wWdDtT"


def check_link(url: str) -> str:
    """The link as the server keeps it, or raise ValueError with the server's reason."""
    url = url.strip()
    own, _, rest = url.partition(":")
    if own.lower() in ("tg", "ton"):
        return _check_own_link(own.lower(), rest.removeprefix("//"))
    return _check_web_link(url)


def checked_link(url: str) -> str | None:
    """The same, or None when it is no link."""
    try:
        return check_link(url)
    except ValueError:
        return None


def _check_own_link(scheme: str, rest: str) -> str:
    host, query = _split_host(rest)
    if _SCHEME.match(rest) or "@" in host or ":" in host:
        raise ValueError(f"Wrong {scheme} URL")
    if not host or not re.fullmatch(r"[A-Za-z0-9_-]+", host):
        raise ValueError("Unallowed characters in URL host")
    return f"{scheme}://{host.lower()}{query.removeprefix('/') if query.startswith('/?') else query}"


def _check_web_link(url: str) -> str:
    scheme = "http"
    if (found := _SCHEME.match(url)) is not None:
        scheme = found[1].lower()
        url = url[found.end() :]
    if scheme not in ("http", "https"):
        raise ValueError("Unsupported URL protocol")
    authority, path = _split_host(url)
    user, at, place = authority.rpartition("@")
    host, colon, port = place.partition(":")
    if not host:
        raise ValueError("URL host is empty")
    if colon and not (port.isdecimal() and 0 < int(port) <= 65535):
        raise ValueError("Wrong port number specified in the URL")
    if "." not in host.strip(".") or not _HOST.fullmatch(host):
        raise ValueError("Wrong HTTP URL")
    path = "".join(f"%{ord(c):02X}" if c <= " " else c for c in path)
    return f"{scheme}://{user}{at}{host.lower()}{colon}{port}{path if path.startswith('/') else f'/{path}'}"


def _split_host(url: str) -> tuple[str, str]:
    end = next((index for index, c in enumerate(url) if c in "/?#"), len(url))
    return url[:end], url[end:]


def linked_person(url: str) -> int | None:
    """The id in a `tg://user?id=` link."""
    identifier = _argument(url, "user", "id")
    return int(identifier) if identifier.isdecimal() and len(identifier) < 17 and int(identifier) else None


def linked_emoji(url: str) -> str | None:
    """The id in a `tg://emoji?id=` link."""
    identifier = _argument(url, "emoji", "id")
    return identifier if is_emoji_id(identifier) else None


def is_emoji_id(text: str) -> bool:
    return re.fullmatch(r"-?[1-9]\d*", text, re.ASCII) is not None and -(2**63) <= int(text) < 2**63


def linked_moment(url: str) -> tuple[int, str] | None:
    """Unix time and format of a `tg://time?unix=` link, or raise ValueError for a wrong format."""
    unix_time = _argument(url, "time", "unix")
    if not re.fullmatch(r"[1-9]\d{0,9}", unix_time, re.ASCII):
        return None
    return int(unix_time), date_format(_argument(url, "time", "format"))


def date_format(letters: str) -> str:
    """The format of a moment in the server's order, the shorter of two precisions; or raise ValueError."""
    if letters in ("r", "R"):
        return "r"
    if any(letter not in _DATE_LETTERS for letter in letters):
        raise ValueError("Invalid date format used")
    week = "w" if "w" in letters.lower() else ""
    day = "d" if "d" in letters else "D" if "D" in letters else ""
    time = "t" if "t" in letters else "T" if "T" in letters else ""
    return week + day + time


def _argument(url: str, host: str, name: str) -> str:
    found = _TG.match(url)
    if found is None or found[1].lower() != host:
        return ""
    pairs = (pair.partition("=") for pair in found[2].split("&"))
    return next((value for key, _, value in pairs if key == name), "")


def link_entity(url: str, offset: int, length: int) -> dict[str, object] | None:
    """The entity of a linked text: a mention of a person, a link, or None when it is neither."""
    person = linked_person(url)
    if person is not None:
        return {"type": "text_mention", "offset": offset, "length": length, "user": {"id": person}}
    checked = checked_link(url)
    return None if checked is None else {"type": "text_link", "offset": offset, "length": length, "url": checked}
