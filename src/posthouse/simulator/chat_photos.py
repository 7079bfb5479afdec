"""The picture of a chat, and the service message about a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posthouse.simulator.files import File

if TYPE_CHECKING:
    from posthouse.simulator.bots import Bot


@dataclass(frozen=True, slots=True)
class NewChatPhoto:
    """What a service message shows of a new chat photo; like any media it names files differently to every bot."""

    file: File

    @property
    def kind(self) -> str:
        return "new_chat_photo"

    def wire(self, to: Bot) -> dict[str, Any]:
        return {self.kind: [size.wire(to) for size in self.file.all_sizes]}


def wire_chat_photo(file: File, to: Bot) -> dict[str, Any]:
    """A chat's photo as getChat shows it: its smallest and its biggest size."""
    small, big = file.all_sizes[0], file.all_sizes[-1]
    return {
        "small_file_id": small.id_for(to),
        "small_file_unique_id": small.unique_id,
        "big_file_id": big.id_for(to),
        "big_file_unique_id": big.unique_id,
    }
