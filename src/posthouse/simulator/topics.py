"""The topics of a forum: threads with a name, an icon and a door that can be closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GENERAL_ID = 1
NAME_CHARACTERS_MAX = 128
ICON_COLORS = (0x6FB9F0, 0xFFD67E, 0xCB86DB, 0x8EEE98, 0xFF93B2, 0xFB6F5F)


@dataclass(slots=True, eq=False)
class Topic:
    """One topic. Its id is that of the service message that opened it; the General topic has 1."""

    id: int
    name: str
    icon_color: int = ICON_COLORS[0]
    icon_custom_emoji_id: str = ""
    creator_id: int = 0
    closed: bool = False
    hidden: bool = False
    """Only the General topic can be."""

    def wire(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"message_thread_id": self.id, **self.badge()}
        return shown

    def badge(self) -> dict[str, Any]:
        """Name and icon."""
        badge: dict[str, Any] = {"name": self.name, "icon_color": self.icon_color}
        if self.icon_custom_emoji_id:
            badge["icon_custom_emoji_id"] = self.icon_custom_emoji_id
        return badge
