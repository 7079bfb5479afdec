"""Lanes in memory: which may run now, which rest until a moment, which are held, which are leased.

SQLite has one process, so the process is the lease and a lane needs no row. A lane exists here only while it has
something waiting, leased or held: an idle chat costs nothing.

    add ──► ready ──claim──► leased ──settle──► ready | resting (until `due`) | held | gone
              ▲                                            │
              └──────────────── due ◄──────────────────────┘

Each lane keeps a *window*: its first items, sorted by key. `more` says that further items may wait on disk behind
the window. The same book serves inbound lanes (key = entry) and outbound ones (key = priority and id).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

K = TypeVar("K", int, tuple[int, int])


class Lane(msgspec.Struct, Generic[K], eq=False, gc=False):
    """One lane with work. `token` is the current lease, 0 when not leased."""

    key: int
    window: list[tuple[K, Any]] = []
    more: bool = False
    refilling: bool = False
    late: list[tuple[K, Any, int]] = []  # what came in during a refill, to be put in its place after it
    token: int = 0
    expires: float = 0.0
    settling: bool = False
    tries: dict[K, int] | None = None  # of the items that were tried before; nearly always none
    due: float = 0.0
    held: str | None = None
    state: str = ""  # "", "ready" or "resting": where the book has it queued
    rank: int = 0
    suspects: int = 0  # items that may have run before a crash: taken one at a time, tries counted on disk

    @property
    def attempts(self) -> int:
        """How often the head was tried; 0 for a fresh one."""
        return self.tries.get(self.window[0][0], 0) if self.tries and self.window else 0

    def count(self, key: K, tries: int) -> None:
        """Note how often an item was tried."""
        if self.tries is None:
            self.tries = {}
        self.tries[key] = tries

    @property
    def empty(self) -> bool:
        return not self.window and not self.more


class LaneBook(Generic[K]):
    """All lanes of one direction. `ranks` ready queues, the lowest rank is served first."""

    def __init__(self, *, window: int, windows_max_bytes: int, ranks: int = 1) -> None:
        self.lanes: dict[int, Lane[K]] = {}
        self.bytes = 0
        self._window = window
        self._bytes_max = windows_max_bytes
        self._ready: list[deque[Lane[K]]] = [deque() for _ in range(ranks)]
        self._resting: list[tuple[float, int, Lane[K]]] = []
        self._sequence = 0
        self.held_count = 0
        self.leased: dict[int, Lane[K]] = {}

    def add(self, lane_key: int, key: K, item: Any, size: int, *, rank: int = 0) -> Lane[K]:
        """Put an item in its place; the lane is queued for a claim unless it is leased, resting or held."""
        lane = self.lanes.get(lane_key)
        if lane is None:
            lane = self.lanes[lane_key] = Lane(lane_key)
        window = lane.window
        if lane.refilling:
            lane.late.append((key, item, size))  # the refill may or may not see it
        elif not window and not lane.more:
            window.append((key, item))
            self.bytes += size
        elif window and key <= window[-1][0]:
            place = bisect_left(window, key, key=_first)
            if window[place][0] != key:  # a refill may have read the row before its writer heard of the commit
                window.insert(place, (key, item))
                self.bytes += size
        elif lane.more or len(window) >= self._window or self.bytes >= self._bytes_max:
            lane.more = True
        else:
            window.append((key, item))
            self.bytes += size
        if not lane.token and lane.held is None:
            if not lane.state:
                self.make_ready(lane, rank)
            elif rank < lane.rank:
                self.rerank(lane, rank)
        return lane

    def begin_refill(self, lane: Lane[K]) -> None:
        """The lane's next items are being read from disk, from behind its window on."""
        lane.refilling = True
        lane.more = False

    def end_refill(self, lane: Lane[K], found: Iterable[tuple[K, Any, int]], *, more: bool) -> None:
        """Put what was read behind the window, and what came in meanwhile in its place."""
        lane.refilling = False
        lane.more = lane.more or more
        for key, item, size in found:
            lane.window.append((key, item))
            self.bytes += size
        late, lane.late = lane.late, []
        for key, item, size in late:
            self.add(lane.key, key, item, size)

    def make_ready(self, lane: Lane[K], rank: int = 0) -> None:
        lane.state = "ready"
        lane.rank = rank
        self._ready[rank].append(lane)

    def rerank(self, lane: Lane[K], rank: int) -> None:
        """Move a waiting lane forward when something more urgent arrived in it."""
        lane.rank = min(rank, lane.rank)
        if lane.state == "ready":
            self._ready[lane.rank].append(lane)  # the older place is skipped when it is met: its rank differs

    def rest(self, lane: Lane[K], due: float) -> None:
        lane.state = "resting"
        lane.due = due
        self._sequence += 1
        heapq.heappush(self._resting, (due, self._sequence, lane))

    def wake_due(self, now: float) -> None:
        """Queue the resting lanes whose moment has come."""
        while self._resting and self._resting[0][0] <= now:
            due, _, lane = heapq.heappop(self._resting)
            if lane.state == "resting" and lane.due == due:
                self.make_ready(lane, lane.rank)

    def take(self, limit: int, token: int, expires: float) -> list[Lane[K]]:
        """Lease up to `limit` ready lanes, longest ready first, lowest rank first."""
        taken: list[Lane[K]] = []
        for rank, ready in enumerate(self._ready):
            while ready and len(taken) < limit:
                lane = ready.popleft()
                if lane.state != "ready" or lane.rank != rank:
                    continue  # moved forward, taken or gone since it was queued here
                lane.state = ""
                if lane.held is not None or not (lane.window or lane.more):
                    self.forget_if_idle(lane)
                    continue
                lane.token = token
                lane.expires = expires
                self.leased[lane.key] = lane
                taken.append(lane)
        return taken

    def unlease(self, lane: Lane[K], *, due: float = 0.0, now: float = 0.0, rank: int = 0) -> None:
        """End the lease: the lane is ready, resting until `due`, held, or gone."""
        lane.token = 0
        self.leased.pop(lane.key, None)
        if lane.held is not None:
            return
        if not (lane.window or lane.more):
            self.forget_if_idle(lane)
        elif due > now:
            lane.rank = rank
            self.rest(lane, due)
        else:
            self.make_ready(lane, rank)

    def remove(self, lane: Lane[K], keys: Sequence[K], size_of: Any) -> None:
        """Take finished items out of the window."""
        window = lane.window
        if len(keys) == 1 and window and window[0][0] == keys[0] and not lane.tries:
            self.bytes -= size_of(window.pop(0)[1])  # nearly always: the head alone, at its first try
            return
        gone = set(keys)
        kept = [pair for pair in window if pair[0] not in gone]
        if len(kept) != len(window):
            self.bytes -= sum(size_of(pair[1]) for pair in window if pair[0] in gone)
            lane.window = kept
        if lane.tries:
            for key in gone:
                lane.tries.pop(key, None)

    def empty_window(self, lane: Lane[K], size_of: Any, *, keep: int = 0) -> list[K]:
        """Take all but the first `keep` items out of the window; returns their keys."""
        gone = lane.window[keep:]
        self.bytes -= sum(size_of(item) for _, item in gone)
        del lane.window[keep:]
        return [key for key, _ in gone]

    def hold(self, lane: Lane[K], reason: str) -> None:
        if lane.held is None:
            self.held_count += 1
        lane.held = reason
        lane.state = ""

    def unhold(self, lane: Lane[K]) -> None:
        if lane.held is not None:
            self.held_count -= 1
            lane.held = None
        lane.tries = None
        if not lane.token and not lane.state:
            if lane.empty:
                self.forget_if_idle(lane)
            else:
                self.make_ready(lane)

    def forget_if_idle(self, lane: Lane[K]) -> None:
        if not (lane.window or lane.more or lane.token or lane.state) and lane.held is None:
            self.lanes.pop(lane.key, None)

    def next_due(self) -> float | None:
        """The moment the next resting lane wakes, or None."""
        while self._resting:
            due, _, lane = self._resting[0]
            if lane.state == "resting" and lane.due == due:
                return due
            heapq.heappop(self._resting)
        return None

    @property
    def has_ready(self) -> bool:
        return any(self._ready)

    @property
    def waiting_count(self) -> int:
        return sum(map(len, self._ready))

    @property
    def resting_count(self) -> int:
        return len(self._resting)

    def first_waiting(self) -> Lane[K] | None:
        return next((ready[0] for ready in self._ready if ready), None)

    def overdue(self, now: float) -> list[Lane[K]]:
        """Leased lanes that nobody extended in time."""
        return [lane for lane in self.leased.values() if lane.expires < now and not lane.settling]


def _first(pair: tuple[K, Any]) -> K:
    return pair[0]
