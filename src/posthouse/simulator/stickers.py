"""Sticker sets: what is in them, and the file of a sticker with the facts that its place in a set gives it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from posthouse.simulator.files import File, Shelf

if TYPE_CHECKING:
    from posthouse.simulator.bots import Bot

STICKERS_MAX = {"regular": 120, "mask": 120, "custom_emoji": 200}
CREATED_MAX = 50


@dataclass(slots=True, eq=False)
class Sticker:
    """A sticker in a set. Its file shows the facts beside it, so a change makes a new record of the file."""

    file: File
    set: StickerSet
    emojis: list[str]
    keywords: list[str] = field(default_factory=list)
    mask_position: dict[str, Any] | None = None
    custom_emoji_id: str = ""


@dataclass(slots=True, eq=False)
class StickerSet:
    """A set that a bot made for a person."""

    name: str
    title: str
    kind: str
    bot: Bot
    owner_id: int
    needs_repainting: bool = False
    stickers: list[Sticker] = field(default_factory=list)
    thumbnail: File | None = None

    def wire(self, to: Bot) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "sticker_type": self.kind,
            "stickers": [sticker.file.wire(to) for sticker in self.stickers],
        }
        if self.thumbnail is not None:
            shown["thumbnail"] = self.thumbnail.wire(to)
        return shown


class StickerBook:
    """All sets by name, and all their stickers by the unique id of the file."""

    def __init__(self) -> None:
        self.sets: dict[str, StickerSet] = {}
        """By lower-case name."""
        self.stickers: dict[str, Sticker] = {}

    def find(self, name: str) -> StickerSet | None:
        return self.sets.get(name.lower())

    def keep(self, shelf: Shelf, sticker: Sticker) -> None:
        """Show the sticker's facts on its file and remember it."""
        old = sticker.file
        facts: dict[str, Any] = {
            "type": sticker.set.kind,
            **{name: old.facts[name] for name in ("width", "height", "is_animated", "is_video")},
            "emoji": sticker.emojis[0],
            "set_name": sticker.set.name,
        }
        if sticker.mask_position:
            facts["mask_position"] = sticker.mask_position
        if sticker.custom_emoji_id:
            facts["custom_emoji_id"] = sticker.custom_emoji_id
        if sticker.set.needs_repainting:
            facts["needs_repainting"] = True
        sticker.file = replace(old, facts=facts)
        shelf.replace(sticker.file)
        self.stickers[sticker.file.unique_id] = sticker

    def drop(self, sticker: Sticker) -> None:
        sticker.set.stickers.remove(sticker)
        del self.stickers[sticker.file.unique_id]

    def drop_set(self, stickers: StickerSet) -> None:
        for sticker in list(stickers.stickers):
            self.drop(sticker)
        del self.sets[stickers.name.lower()]
