"""The state and sessions of recently active chats, in memory: one process owns the file, so no copy is stale.

Bounded by the number of chats; what is not here is read from disk in one query per claim.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec

from posthouse.adapters.sqlite import rows, sessions
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.adapters.sqlite.sessions import Sessions
from posthouse.core.effects import StateWrite
from posthouse.core.sessions import SessionWrite

PIECES_MAX = 8  # a chat with more pieces of state is read by name
SESSIONS_MAX = 16  # a chat with more active sessions (a busy group) is asked for those of one person

Pieces = dict[str, bytes]


class Chat(msgspec.Struct, gc=False):
    """What is remembered of one chat. It changes with the next commit: whoever keeps a part takes a copy."""

    pieces: Pieces
    sessions: Sessions
    complete: bool = True
    sessions_complete: bool = True


class StateCache:
    """`lane key → Chat` for whole chats; chats with too many pieces or sessions are never kept."""

    def __init__(self, core: SqliteCore, chats_max: int) -> None:
        self._core = core
        self._chats_max = chats_max
        self._chats: OrderedDict[int, Chat] = OrderedDict()
        self._changed: dict[int, int] = {}  # chats being read, and how often they were written meanwhile

    def get(self, lane: int) -> Chat | None:
        chat = self._chats.get(lane)
        if chat is not None:
            self._chats.move_to_end(lane)
        return chat

    async def load(self, lanes: Sequence[int]) -> dict[int, Chat]:
        """Read whole chats from disk."""
        core = self._core
        before = {lane: self._changed.setdefault(lane, 0) for lane in lanes}

        def query(connection: sqlite3.Connection) -> dict[int, Chat]:
            found = {lane: Chat({}, {}) for lane in lanes}
            for chunk in rows.chunks(list(lanes)):
                for lane, name, data in rows.with_ids(
                    connection, "SELECT lane, name, data FROM chat_state WHERE lane IN ({ids})", chunk
                ):
                    pieces = found[lane].pieces
                    if len(pieces) <= PIECES_MAX:
                        pieces[name] = data
                for lane, active in sessions.of_lanes(connection, chunk, core).items():
                    found[lane].sessions = active
            return found

        found = await core.read(query)
        for lane, chat in found.items():
            chat.complete = len(chat.pieces) <= PIECES_MAX
            chat.sessions_complete = len(chat.sessions) <= SESSIONS_MAX
            if not chat.sessions_complete:
                chat.sessions = {}
            if self._changed.pop(lane, 0) == before[lane] and chat.complete and chat.sessions_complete:
                self._keep(lane, chat)
        return found

    def written(self, writes: Iterable[tuple[int, StateWrite]], moves: Iterable[tuple[int, SessionWrite]] = ()) -> None:
        """Follow a commit."""
        for lane, write in writes:
            chat = self._touched(lane)
            if chat is None:
                continue
            if write.data is None:
                chat.pieces.pop(write.name, None)
            else:
                chat.pieces[write.name] = write.data
            if len(chat.pieces) > PIECES_MAX:
                del self._chats[lane]
        for lane, move in moves:
            chat = self._touched(lane)
            if chat is None:
                continue
            if move.record.is_active:
                chat.sessions[move.record.id] = move.record
            else:
                chat.sessions.pop(move.record.id, None)
            if len(chat.sessions) > SESSIONS_MAX:
                del self._chats[lane]

    def forget(self, lane: int) -> None:
        """Read the chat from disk when it is next asked for."""
        self._touched(lane)
        self._chats.pop(lane, None)

    def _touched(self, lane: int) -> Chat | None:
        if lane in self._changed:
            self._changed[lane] += 1
        return self._chats.get(lane)

    def _keep(self, lane: int, chat: Chat) -> None:
        self._chats[lane] = chat
        if len(self._chats) > self._chats_max:
            self._chats.popitem(last=False)
