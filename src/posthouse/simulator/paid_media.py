"""Photos and videos that are shown for Stars."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from posthouse.simulator.files import File
from posthouse.simulator.media import FileMedia

if TYPE_CHECKING:
    from posthouse.simulator.bots import Bot

ITEMS_MAX = 10
STARS_MAX = 25_000
PAYLOAD_BYTES_MAX = 128


@dataclass(slots=True, eq=False)
class PaidMedia:
    """Media of a message that people see once they have paid. The bot that sent it always sees it."""

    bot: Bot
    stars: int
    items: list[FileMedia]
    payload: str = ""
    caption_above: bool = False
    buyers: set[int] = field(default_factory=set)
    """Ids of the people who paid."""

    @property
    def kind(self) -> str:
        return "paid_media"

    @property
    def file(self) -> File | None:
        return None

    def wire(self, to: Bot) -> dict[str, Any]:
        fields: dict[str, Any] = {"paid_media": {"star_count": self.stars, "paid_media": self.shown(to)}}
        if self.caption_above:
            fields["show_caption_above_media"] = True
        return fields

    def shown(self, to: Bot) -> list[dict[str, Any]]:
        """The items, as previews for a foreign bot."""
        if to is self.bot:
            return [{"type": item.kind, **item.wire(to)} for item in self.items]
        return [{"type": "preview", **_outline(item.file.facts)} for item in self.items]


def _outline(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("width", "height", "duration") if facts.get(name)}
