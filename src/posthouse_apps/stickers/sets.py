"""A sticker set in Telegram that is made one sticker at a time, and found again by whoever begins once more."""

from __future__ import annotations

from typing import Any

from posthouse import File, Job
from posthouse.core.errors import Refused

NAME_LENGTH_MAX = 64


class StickerSet:
    """A set under a name that nobody else chooses. `size` is how many stickers it has."""

    def __init__(self, job: Job, name: str, title: str, owner: int, size: int) -> None:
        self._job = job
        self._title = title
        self._owner = owner
        self.name = name
        self.size = size

    @classmethod
    async def find(cls, job: Job, *, name: str, title: str, owner: int) -> StickerSet:
        """The set as it is now, with no sticker while it does not exist."""
        me = await job.telegram("getMe")
        ending = f"_by_{me['username']}"  # Telegram asks for it
        full = name[: NAME_LENGTH_MAX - len(ending)] + ending
        return cls(job, full, title, owner, len(await _stickers(job, full)))

    async def add(self, sticker: bytes, emoji: str) -> None:
        """Put a sticker at the end; the first one makes the set."""
        item = {"sticker": File(sticker, f"{self.size + 1}.webp"), "format": "static", "emoji_list": [emoji]}
        if self.size:
            await self._job.telegram("addStickerToSet", user_id=self._owner, name=self.name, sticker=item)
        else:
            await self._job.telegram(
                "createNewStickerSet", user_id=self._owner, name=self.name, title=self._title, stickers=[item]
            )
        self.size += 1

    async def file_ids(self) -> list[str]:
        """What its stickers are sent by."""
        return [sticker["file_id"] for sticker in await _stickers(self._job, self.name)]


async def _stickers(job: Job, name: str) -> list[dict[str, Any]]:
    try:
        found = await job.telegram("getStickerSet", name=name)
    except Refused as refused:
        if "STICKERSET_INVALID" in refused.description:  # there is none of that name
            return []
        raise
    stickers: list[dict[str, Any]] = found["stickers"]
    return stickers


def set_name(session_id: str, take: int) -> str:
    """The beginning of a set's name for one take of one session: a letter first, then letters and digits."""
    return f"p{session_id.replace('-', '')[:24]}t{take}"


def set_link(name: str) -> str:
    return f"https://t.me/addstickers/{name}"
