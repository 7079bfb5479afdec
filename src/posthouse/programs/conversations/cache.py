"""Live coroutines, so that the usual answer does not replay anything: bounded, and never trusted.

A coroutine goes on only when the session is just as it left it: same `nonce`, which changes with each step that was
committed. After a commit that failed, or one that another process made, the nonce differs, and the journal is replayed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

import msgspec

from posthouse.programs.conversations.engine import close
from posthouse.programs.conversations.talk import Talk

LIVE_MAX = 1_000


class Live(msgspec.Struct, eq=False):
    """A suspended coroutine, its talk, and the step that it stands at."""

    running: Coroutine[Any, Any, Any]
    talk: Talk
    nonce: str

    def close(self) -> None:
        self.talk.detach()
        close(self.running)


class LiveCache:
    """The newest coroutines by session; `take` gives one away, `put` brings it back suspended."""

    def __init__(self, live_max: int = LIVE_MAX) -> None:
        self._live_max = live_max
        self._live: OrderedDict[str, Live] = OrderedDict()

    def __len__(self) -> int:
        return len(self._live)

    def take(self, session_id: str, nonce: str) -> Live | None:
        live = self._live.pop(session_id, None)
        if live is not None and live.nonce != nonce:
            live.close()
            return None
        return live

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
