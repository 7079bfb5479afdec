"""The state of recently active chats, kept in memory: one process owns the file, so the copy cannot be stale.

Bounded by the number of chats; what is not here is read from disk in one query per claim.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from posthouse.adapters.sqlite import rows
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.core.effects import StateWrite

PIECES_MAX = 8  # a chat with more pieces of state is read by name

Pieces = dict[str, bytes]


class StateCache:
    """`lane key → its pieces of state` for whole chats; chats with too many pieces are never kept.

    What is given out changes with the next commit: whoever keeps it takes a copy.
    """

    def __init__(self, core: SqliteCore, chats_max: int) -> None:
        self._core = core
        self._chats_max = chats_max
        self._chats: OrderedDict[int, Pieces] = OrderedDict()
        self._changed: dict[int, int] = {}  # chats being read, and how often they were written meanwhile

    def get(self, lane: int) -> Pieces | None:
        pieces = self._chats.get(lane)
        if pieces is not None:
            self._chats.move_to_end(lane)
        return pieces

    async def load(self, lanes: Sequence[int]) -> dict[int, tuple[Pieces, bool]]:
        """Read whole chats from disk: `lane → (pieces, complete)`."""
        before = {lane: self._changed.setdefault(lane, 0) for lane in lanes}

        def query(connection: object) -> dict[int, Pieces]:
            found: dict[int, Pieces] = {}
            for chunk in rows.chunks(list(lanes)):
                for lane, name, data in rows.with_ids(
                    connection,  # type: ignore[arg-type]
                    "SELECT lane, name, data FROM chat_state WHERE lane IN ({ids})",
                    chunk,
                ):
                    pieces = found.setdefault(lane, {})
                    if len(pieces) <= PIECES_MAX:
                        pieces[name] = data
            return found

        found = await self._core.read(query)
        loaded: dict[int, tuple[Pieces, bool]] = {}
        for lane in lanes:
            pieces = found.get(lane, {})
            complete = len(pieces) <= PIECES_MAX
            loaded[lane] = (pieces, complete)
            if self._changed.pop(lane, 0) == before[lane] and complete:
                self._keep(lane, pieces)
        return loaded

    def written(self, writes: Iterable[tuple[int, StateWrite]]) -> None:
        """Follow a commit."""
        chats, changed = self._chats, self._changed
        for lane, write in writes:
            if lane in changed:
                changed[lane] += 1
            pieces = chats.get(lane)
            if pieces is None:
                continue
            if write.data is None:
                pieces.pop(write.name, None)
            else:
                pieces[write.name] = write.data
            if len(pieces) > PIECES_MAX:
                del chats[lane]

    def _keep(self, lane: int, pieces: Pieces) -> None:
        self._chats[lane] = pieces
        if len(self._chats) > self._chats_max:
            self._chats.popitem(last=False)
