"""What a message carries besides text: a file, or a fact such as a place, a contact or a dice.

Every kind of media has a `kind`, the name of its field in Telegram's Message, and a `wire(to)`. What is frozen
here may be shared by copies and forwards; a poll, which changes, is in `polls.py`.
"""

from __future__ import annotations

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
