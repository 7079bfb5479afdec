"""What a message carries besides text: a file, or a fact such as a place, a contact or a dice.

Every kind of media has a `kind`, the name of its field in Telegram's Message, and a `wire(to)`. What is frozen
here may be shared by copies and forwards; a poll, which changes, is in `polls.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from posthouse.simulator.files import File

if TYPE_CHECKING:
    from posthouse.simulator.bots import Bot


class Media(Protocol):
    """Any media of a message."""

    @property
    def kind(self) -> str: ...

    @property
    def file(self) -> File | None:
        """The file that a person would save."""
        ...

    def wire(self, to: Bot) -> dict[str, Any]:
        """The fields of Message that this bot is shown."""
        ...


@dataclass(frozen=True, slots=True)
class FileMedia:
    """A message's file and how it is to be shown."""

    file: File
    spoiler: bool = False
    caption_above: bool = False
    cover: File | None = None
    start_timestamp: int = 0

    @property
    def kind(self) -> str:
        return self.file.kind

    def wire(self, to: Bot) -> dict[str, Any]:
        shown: Any
        if self.kind == "photo":
            shown = [size.wire(to) for size in self.file.all_sizes]
        else:
            shown = self.file.wire(to)
            if self.cover is not None:
                shown["cover"] = [size.wire(to) for size in self.cover.all_sizes]
            if self.start_timestamp:
                shown["start_timestamp"] = self.start_timestamp
        fields: dict[str, Any] = {self.kind: shown}
        if self.kind == "animation":  # clients from before there were animations look for a document
            fields["document"] = {
                name: value for name, value in shown.items() if name not in ("width", "height", "duration")
            }
        if self.spoiler:
            fields["has_media_spoiler"] = True
        if self.caption_above:
            fields["show_caption_above_media"] = True
        return fields


@dataclass(frozen=True, slots=True)
class Fact:
    """A field of Message that reads the same for every bot, for example `Fact("dice", {"emoji": …})`."""

    kind: str
    value: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)
    """Other fields of Message that come with it."""

    @property
    def file(self) -> File | None:
        return None

    def wire(self, to: Bot) -> dict[str, Any]:
        return {self.kind: self.value, **self.beside}


DICE = {"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}
"""The largest value of each emoji; the smallest is 1."""


def location(latitude: float, longitude: float, **live: float | None) -> Fact:
    """A point on the map; `live` are the further fields of Location, of which empty ones are left out."""
    return Fact("location", _point(latitude, longitude, **live))


def venue(latitude: float, longitude: float, title: str, address: str, **ids: str) -> Fact:
    """A place with a name; `ids` are those of Foursquare and Google."""
    point = _point(latitude, longitude)
    named = {name: value for name, value in ids.items() if value}
    return Fact("venue", {"location": point, "title": title, "address": address, **named}, beside={"location": point})


def contact(phone_number: str, first_name: str, *, last_name: str = "", vcard: str = "", user_id: int = 0) -> Fact:
    optional = {"last_name": last_name, "vcard": vcard, "user_id": user_id}
    stated = {name: value for name, value in optional.items() if value}
    return Fact("contact", {"phone_number": phone_number, "first_name": first_name, **stated})


def dice(emoji: str, chance: random.Random) -> Fact | None:
    """A throw, or None if there is no such dice."""
    emoji = emoji.replace("\ufe0f", "") or "🎲"
    return Fact("dice", {"emoji": emoji, "value": chance.randint(1, DICE[emoji])}) if emoji in DICE else None


def _point(latitude: float, longitude: float, **more: float | None) -> dict[str, Any]:
    return {"latitude": latitude, "longitude": longitude, **{name: value for name, value in more.items() if value}}
