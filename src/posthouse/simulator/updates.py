"""One bot's queue of updates: numbers, lifetimes, and the sub-queues that order webhook delivery.

    create ─► queue (by update_id) ─┬─ polling: read from an offset, forget what is below it
                                    └─ webhook: sub-queues by (namespace, subject), ONE in flight in each

Pure: no clock, no network; times are passed in. The facts behind the table are in sections 2.1 and 3.3 to
3.7. Only a window of the oldest updates is *loaded*, that is in a sub-queue: a chat that fails with many updates
behind it keeps others waiting, as on the real server.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from posthouse.simulator.clock import TICK_S

DAY_S = 86_400.0
QUEUE_UPDATES_MAX = 100_000
QUEUE_BYTES_MAX = 2**27
UPDATE_BYTES_MAX = 524_288
QUIET_S = 7 * 86_400.0
"""After so long without updates the numbering goes on from a random place."""
ANSWER_BYTES_MAX = 2**22
UPDATE_ID_MAX = 2_000_000_000
RETRY_AFTER_MAX_S = 3600.0
SETTLED_KEPT = 500
SETTLED_BODY_BYTES_MAX = 16_384
UNKNOWN_KIND = "sent_from_the_future"
"""A kind of the `unknown_kind` fault, which no library knows."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of update is kept and ordered."""

    namespace: int | None
    """The sub-queue namespace; None means that the subject alone is the key (polls)."""
    lifetime_s: float = DAY_S
    by_default: bool = True


KINDS: dict[str, Kind] = {
    "message": Kind(0),
    "edited_message": Kind(0),
    "channel_post": Kind(0),
    "edited_channel_post": Kind(0),
    "inline_query": Kind(1, lifetime_s=30),
    "chosen_inline_result": Kind(2, lifetime_s=600),
    "callback_query": Kind(3, lifetime_s=150),
    "shipping_query": Kind(4, lifetime_s=150),
    "pre_checkout_query": Kind(4, lifetime_s=150),
    "my_chat_member": Kind(5),
    "chat_member": Kind(6, by_default=False),
    "chat_join_request": Kind(6),
    "chat_boost": Kind(7),
    "removed_chat_boost": Kind(7),
    "message_reaction": Kind(8, by_default=False),
    "message_reaction_count": Kind(9, by_default=False),
    "business_connection": Kind(10),
    "business_message": Kind(11),
    "edited_business_message": Kind(11),
    "deleted_business_messages": Kind(11),
    "guest_message": Kind(12),
    "purchased_paid_media": Kind(12),
    "managed_bot": Kind(13),
    "poll": Kind(None),
    "poll_answer": Kind(None),
    # Lifetime and sub-queue of the next two are not known (the public server code is older than they are).
    "subscription": Kind(14),
    "stopped_message_generation": Kind(15),
}
DEFAULT_KINDS = frozenset(name for name, kind in KINDS.items() if kind.by_default)


@dataclass(slots=True, eq=False)
class Update:
    """One update waiting to be taken, with what its delivery has been through."""

    id: int
    kind: str
    body: bytes
    expires_at: float
    key: tuple[int | None, int] = (None, 0)
    """Its sub-queue: namespace and subject."""
    created_at: float = 0.0
    chat_id: int | None = None
    person_id: int | None = None
    loaded: bool = False
    gone: bool = False
    again: bool = False
    """A poller gets it once more after confirming it (a fault)."""
    attempts: int = 0
    failures: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """An update that is not pending any more. `how`: delivered, confirmed, expired, dropped or forgotten."""

    id: int
    kind: str
    how: str
    time: float
    created_at: float
    attempts: int
    chat_id: int | None
    body: bytes
    """Empty when it was long."""


@dataclass(slots=True, eq=False)
class SubQueue:
    """Updates that a webhook gets one at a time."""

    key: tuple[int | None, int]
    updates: deque[Update] = field(default_factory=deque)

    def trim(self) -> None:
        """Let go of heads that were confirmed, delivered or dropped."""
        while self.updates and self.updates[0].gone:
            self.updates.popleft()


def retry_wait_s(failures: int, previous_s: float, dice: random.Random) -> float:
    """How long the server waits after that many failures of one update."""
    if failures <= 1:
        return 0.0
    if failures <= 6:
        return float(2 ** (failures - 1))
    jitter_s = dice.uniform(60, 120)
    return min(64.0, jitter_s) if failures == 7 else min(2 * previous_s, jitter_s)


class UpdateQueue:
    """All undelivered updates of one bot."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.next_id = self._random_id()
        self.bytes = 0
        """Of all undelivered updates."""
        self.settled: deque[Settled] = deque(maxlen=SETTLED_KEPT)
        self.created_lately: deque[float] = deque(maxlen=QUEUE_UPDATES_MAX)
        self._created_at: float | None = None
        self._by_id: dict[int, Update] = {}
        self._expiries: list[tuple[float, int]] = []
        self._unloaded: deque[Update] = deque()
        self._loaded = 0
        self._sub_queues: dict[tuple[int | None, int], SubQueue] = {}
        self._ready: deque[SubQueue] = deque()
        self._waiting: list[tuple[float, int, SubQueue]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Update]:
        """Pending updates, oldest first."""
        return iter(self._by_id.values())

    def per_minute(self, now: float) -> int:
        """How many updates were created in the last minute."""
        while self.created_lately and self.created_lately[0] <= now - 60:
            self.created_lately.popleft()
        return len(self.created_lately)

    # Creating and forgetting.

    def create(
        self,
        kind: str,
        payload: object,
        subject: int,
        *,
        now: float,
        chat_id: int | None = None,
        person_id: int | None = None,
        shown_as: str | None = None,
    ) -> Update | None:
        """Append an update about this subject (a chat, a user), or None when the queue has no room for it."""
        content = msgspec.json.encode(payload)
        size = len(content)
        if size > UPDATE_BYTES_MAX or len(self._by_id) >= QUEUE_UPDATES_MAX or self.bytes + size > QUEUE_BYTES_MAX:
            return None
        self._renumber(now)
        body = b'{"update_id":%d,\n"%s":%s}' % (self.next_id, (shown_as or kind).encode(), content)
        how = KINDS[kind]
        update = Update(
            self.next_id, kind, body, now + how.lifetime_s, (how.namespace, subject), now, chat_id, person_id
        )
        self.next_id += 1
        self._by_id[update.id] = update
        self.bytes += len(body)
        self._created_at = now
        self.per_minute(now)
        self.created_lately.append(now)
        heapq.heappush(self._expiries, (update.expires_at, update.id))
        while self._unloaded and self._unloaded[0].gone:  # a polling bot never loads
            self._unloaded.popleft()
        self._unloaded.append(update)
        return update

    def _renumber(self, now: float) -> None:
        if self.next_id > UPDATE_ID_MAX:
            self.forget_all(now)
            self.next_id = self._random_id()
        elif self._created_at is not None and now - self._created_at >= QUIET_S and not self._by_id:
            self.next_id = self._random_id()

    def _random_id(self) -> int:
        return self.dice.randint(2_000_001, 1_000_000_000)

    def jump(self) -> None:
        """Go on from a random lower number, as after a quiet week."""
        self.next_id = self.dice.randint(1_000_001, max(1_000_002, self.next_id - 1000))
        while self.next_id in self._by_id:
            self.next_id += 1

    def _enqueue(self, update: Update) -> None:
        sub_queue = self._sub_queues.get(update.key)
        if sub_queue is None:
            sub_queue = self._sub_queues[update.key] = SubQueue(update.key)
            self._ready.append(sub_queue)
        sub_queue.trim()
        sub_queue.updates.append(update)

    def forget(self, update: Update, how: str = "forgotten", now: float = 0.0) -> None:
        if update.gone:
            return
        update.gone = True
        self._by_id.pop(update.id, None)
        self.bytes -= len(update.body)
        self._loaded -= update.loaded
        body = update.body if len(update.body) <= SETTLED_BODY_BYTES_MAX else b""
        self.settled.append(
            Settled(update.id, update.kind, how, now, update.created_at, update.attempts, update.chat_id, body)
        )

    def forget_all(self, now: float = 0.0) -> None:
        for update in list(self._by_id.values()):
            self.forget(update, "forgotten", now)

    def forget_expired(self, now: float) -> list[Update]:
        """Drop what has outlived its kind and return it."""
        dropped = []
        while self._expiries and self._expiries[0][0] <= now:
            expires_at, update_id = heapq.heappop(self._expiries)
            update = self._by_id.get(update_id)
            if update is not None and update.expires_at == expires_at:
                self.forget(update, "expired", now)
                dropped.append(update)
        return dropped

    # Polling.

    def confirm(self, offset: int, now: float = 0.0) -> int:
        """Forget what the offset confirms and return the id to read from."""
        head = next(iter(self._by_id), self.next_id)
        if offset < 0:
            kept = list(self._by_id)[offset:]
            offset = kept[0] if kept else self.next_id
        elif offset == 0 or (offset - 1 not in self._by_id and (offset > self.next_id + 10 or offset < head - 100_000)):
            return head
        for update in list(self._before(offset)):
            if update.again:
                update.again = False
            else:
                self.forget(update, "confirmed", now)
        return min(offset, next(iter(self._by_id), offset))

    def _before(self, offset: int) -> Iterable[Update]:
        """What was created before the offset; after a jump of the numbering that is not what has a lower number."""
        if offset - 1 in self._by_id:
            for update in self._by_id.values():
                yield update
                if update.id == offset - 1:
                    return
        for update in self._by_id.values():
            if update.id >= offset:
                return
            yield update

    def read(self, start: int, limit: int) -> list[Update]:
        """Updates from that id on, as many as one answer may hold."""
        found: list[Update] = []
        size = 0
        by_position = start in self._by_id  # after a jump of the numbering younger updates have lower numbers
        reached = not by_position
        for update in self._by_id.values():
            if len(found) >= limit:
                break
            reached = reached or update.id == start
            if not reached or (not by_position and update.id < start):
                continue
            size += len(update.body) + 50
            if found and size > ANSWER_BYTES_MAX:
                break
            found.append(update)
        return found

    # Pushing to a webhook.

    def next_due(self, now: float, loaded_max: int = QUEUE_UPDATES_MAX) -> tuple[SubQueue, Update] | None:
        """The head of a free sub-queue, which is in flight from now on until settled, or None."""
        if not self.has_due(now, loaded_max):
            return None
        sub_queue = self._ready.popleft()
        return sub_queue, sub_queue.updates[0]

    def has_due(self, now: float, loaded_max: int = QUEUE_UPDATES_MAX) -> bool:
        """Whether `next_due` would return something."""
        self._load(loaded_max)
        while self._waiting and self._waiting[0][0] <= now + TICK_S:
            self.release(heapq.heappop(self._waiting)[2])
        while self._ready:
            sub_queue = self._ready[0]
            sub_queue.trim()
            if sub_queue.updates:
                return True
            self._ready.popleft()
            del self._sub_queues[sub_queue.key]
        return False

    def _load(self, loaded_max: int) -> None:
        while self._unloaded and self._loaded < loaded_max:
            update = self._unloaded.popleft()
            if not update.gone:
                update.loaded = True
                self._loaded += 1
                self._enqueue(update)

    def next_retry_at(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def delivered(self, sub_queue: SubQueue, update: Update, now: float = 0.0) -> None:
        self.forget(update, "delivered", now)
        self.release(sub_queue)

    def release(self, sub_queue: SubQueue) -> None:
        """Let the sub-queue's head be taken again, or its next one if the head is gone."""
        self._ready.append(sub_queue)

    def failed(self, sub_queue: SubQueue, update: Update, *, retry_after_s: float, now: float) -> float | None:
        """Park the sub-queue until the next attempt and return its time; None if the update was dropped."""
        if retry_after_s > 0:  # replaces the schedule and does not advance it
            wait_s = min(retry_after_s, RETRY_AFTER_MAX_S)
        else:
            update.failures += 1
            update.wait_s = wait_s = retry_wait_s(update.failures, update.wait_s, self.dice)
        due_at = now + wait_s
        if update.gone or due_at >= update.expires_at:
            self.forget(update, "dropped", now)
            self.release(sub_queue)
            return None
        self.park(sub_queue, due_at)
        return due_at

    def park(self, sub_queue: SubQueue, due_at: float) -> None:
        """Hold the sub-queue's head back until then."""
        heapq.heappush(self._waiting, (due_at, sub_queue.updates[0].id, sub_queue))

    def unpark(self, sub_queue: SubQueue) -> bool:
        """Let a parked sub-queue go on now; False if it was not parked."""
        rest = [entry for entry in self._waiting if entry[2] is not sub_queue]
        if len(rest) == len(self._waiting):
            return False
        self._waiting = rest
        heapq.heapify(self._waiting)
        self.release(sub_queue)
        return True

    def recover(self) -> None:
        """After a restart nothing is in flight: every sub-queue that is not parked is free."""
        parked = {id(entry[2]) for entry in self._waiting}
        self._ready = deque(queue for queue in self._sub_queues.values() if id(queue) not in parked)
