"""Live coroutines, so that the usual answer does not replay anything: bounded, and never trusted.

A coroutine goes on only when the session is just as it left it: same data, with a nonce in it that changes with each
step. After a commit that failed, or one that another process made, they differ, and the journal is replayed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

import msgspec

from posthouse.core.sessions import SessionRecord
from posthouse.programs.conversations.engine import close
from posthouse.programs.conversations.talk import Talk, Waiting

LIVE_MAX = 1_000


class Kept(msgspec.Struct, omit_defaults=True):
    """The data of a conversation's session. `nonce` tells copies of one step apart.

    `arguments` are JSON: the same in every replay, whatever the code did to its own copy.
    """

    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    waiting: Waiting = msgspec.field(default_factory=Waiting)
    nonce: str = ""


class Live(msgspec.Struct, eq=False):
    """A suspended coroutine, its talk, and the step that it stands at: `data` is its session's, which says `kept`."""

    running: Coroutine[Any, Any, Any]
    talk: Talk
    kept: Kept
    data: bytes = b""

    def close(self) -> None:
        self.talk.detach()
        close(self.running)


class LiveCache:
    """The newest coroutines by session; `take` gives one away, `put` brings it back suspended."""

    _decode = msgspec.json.Decoder(Kept).decode

    def __init__(self, live_max: int = LIVE_MAX) -> None:
        self._live_max = live_max
        self._live: OrderedDict[str, Live] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def kept_in(self, record: SessionRecord) -> Kept:
        """What a session keeps; read only when no coroutine in memory stands at this very step."""
        live = self._live.get(record.id)
        return live.kept if live is not None and live.data == record.data else self._decode(record.data)

    def take(self, record: SessionRecord) -> Live | None:
        """The coroutine that stands where the session says, from now on the caller's; any other of it is closed."""
        live = self._live.pop(record.id, None)
        if live is not None and live.data != record.data:
            live.close()
            return None
        return live

    def drop(self, session_id: str) -> None:
        """Close the coroutine of a session that has ended."""
        live = self._live.pop(session_id, None)
        if live is not None:
            live.close()

    def put(self, session_id: str, live: Live) -> None:
        if self._live_max <= 0:
            live.close()
            return
        before = self._live.pop(session_id, None)
        if before is not None:
            before.close()
        self._live[session_id] = live
        while len(self._live) > self._live_max:
            self._live.popitem(last=False)[1].close()

    def clear(self) -> None:
        while self._live:
            self._live.popitem()[1].close()
