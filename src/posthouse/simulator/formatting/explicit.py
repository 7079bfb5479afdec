"""`entities` that a bot gives by itself: read one by one, refused in the server's words.

What the server finds alone (mentions, urls, commands, …) may be given and is ignored.
"""

from __future__ import annotations

import re

from posthouse.simulator.formatting.automatic import FOUND_TYPES
from posthouse.simulator.formatting.links import check_link, is_emoji_id, linked_person
from posthouse.simulator.formatting.units import Entity
from posthouse.simulator.refusals import bad_request

_PLAIN = frozenset(
    {
        "bold",
        "italic",
        "underline",
        "strikethrough",
        "spoiler",
        "blockquote",
        "expandable_blockquote",
        "code",
    }
)
_OFFSET_MAX = 1_000_000
_DATE_LETTER = {"w": "week", "d": "day", "D": "day", "t": "time", "T": "time"}


def read_entities(given: object) -> list[Entity]:
    """The entities in that list, or raise Refusal; what is no list counts as none."""
    if not isinstance(given, list):
        return []
    read = [_read(entity) for entity in given]
    return [entity for entity in read if entity is not None and entity["length"] > 0]


def _read(given: object) -> Entity | None:
    if not isinstance(given, dict):
        raise _unparsable("MessageEntity must be an Object")
    kind = str(_field(given, "type"))
    span = {"offset": _integer(given, "offset"), "length": _integer(given, "length")}
    entity: Entity | None = {"type": kind, **span}
    if kind in _PLAIN:
        pass
    elif kind == "pre":
        language = given.get("language")
        entity = {"type": kind, **span, **({"language": str(language)} if language else {})}
    elif kind == "text_link":
        entity = _read_link(str(_field(given, "url")), span)
    elif kind == "text_mention":
        entity = {"type": kind, **span, "user": {"id": _mentioned(given)}}
    elif kind == "custom_emoji":
        entity = {"type": kind, **span, "custom_emoji_id": _emoji(str(_field(given, "custom_emoji_id")))}
    elif kind == "date_time":
        entity = {"type": kind, **span, **_read_moment(given)}
    elif kind in FOUND_TYPES or kind == "bank_card_number":
        entity = None
    else:
        raise _unparsable("Unsupported type specified" if kind else "Type is not specified")
    for name, value in span.items():
        if not 0 <= value <= _OFFSET_MAX:
            raise bad_request(f"receive an entity with incorrect {name} {value}")
    return entity


def _read_link(url: str, span: dict[str, int]) -> Entity:
    person = linked_person(url)
    if person is not None:
        return {"type": "text_mention", **span, "user": {"id": person}}
    try:
        return {"type": "text_link", **span, "url": check_link(url)}
    except ValueError as error:
        raise bad_request(f"entity URL '{url}' is invalid: {error}") from None


def _mentioned(given: Entity) -> int:
    user = _field(given, "user")
    if not isinstance(user, dict):
        raise _unparsable('Field "user" must be of type Object')
    return _integer(user, "id")


def _emoji(identifier: str) -> str:
    if not is_emoji_id(identifier):
        raise bad_request("invalid custom emoji identifier specified")
    return identifier


def _read_moment(given: Entity) -> Entity:
    unix_time = _integer(given, "unix_time")
    letters = str(given.get("date_time_format", ""))
    if letters != "r" and any(letter not in _DATE_LETTER for letter in letters):
        raise _unparsable("Invalid date-time format specified")
    if unix_time <= 0:
        raise bad_request("invalid date specified")
    chosen = {_DATE_LETTER[letter]: letter for letter in letters if letters != "r"}
    ordered = "".join(chosen.get(part, "") for part in ("week", "day", "time"))
    return {"unix_time": unix_time, "date_time_format": "r" if letters == "r" else ordered}


def _field(given: Entity, name: str) -> object:
    value: object = given.get(name)
    if value is None:
        raise _unparsable(f'Can\'t find field "{name}"')
    return value


def _integer(given: Entity, name: str) -> int:
    value = _field(given, name)
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _unparsable(f'Field "{name}" must be of type Number')
    return value


def _unparsable(reason: str) -> Exception:
    return bad_request(f"can't parse MessageEntity: {reason}")
