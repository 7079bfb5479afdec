"""One bot's queue of updates: numbers, lifetimes, and the sub-queues that order webhook delivery.

    create ─► queue (by update_id) ─┬─ polling: read from an offset, forget what is below it
                                    └─ webhook: sub-queues by (namespace, subject), ONE in flight in each

Pure: no clock, no network; times are passed in. The facts behind the table are in sections 2.1 and 3.3 to
3.5. Deliberately absent: the 128 MiB bound of a queue, and the random restart of numbering after a quiet
week.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from posthouse.simulator.clock import TICK_S

DAY_S = 86_400.0
QUEUE_UPDATES_MAX = 100_000
UPDATE_BYTES_MAX = 524_288
ANSWER_BYTES_MAX = 2**22
UPDATE_ID_MAX = 2_000_000_000
RETRY_AFTER_MAX_S = 3600.0


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
    gone: bool = False
    failures: int = 0
    wait_s: float = 0.0


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
        self.next_id = dice.randint(2_000_001, 1_000_000_000)
        self._by_id: dict[int, Update] = {}
        self._expiries: list[tuple[float, int]] = []
        self._sub_queues: dict[tuple[int | None, int], SubQueue] = {}
        self._ready: deque[SubQueue] = deque()
        self._waiting: list[tuple[float, int, SubQueue]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    # Creating and forgetting.

    def create(self, kind: str, payload: object, subject: int, *, now: float) -> Update | None:
        """Append an update about this subject (a chat, a user), or None when the queue has no room for it."""
        content = msgspec.json.encode(payload)
        if len(self._by_id) >= QUEUE_UPDATES_MAX or len(content) > UPDATE_BYTES_MAX:
            return None
        if self.next_id > UPDATE_ID_MAX:
            self.forget_all()
            self.next_id = self.dice.randint(2_000_001, 1_000_000_000)
        body = b'{"update_id":%d,\n"%s":%s}' % (self.next_id, kind.encode(), content)
        update = Update(self.next_id, kind, body, now + KINDS[kind].lifetime_s)
        self.next_id += 1
        self._by_id[update.id] = update
        heapq.heappush(self._expiries, (update.expires_at, update.id))
        self._enqueue(update, (KINDS[kind].namespace, subject))
        return update

    def _enqueue(self, update: Update, key: tuple[int | None, int]) -> None:
        sub_queue = self._sub_queues.get(key)
        if sub_queue is None:
            sub_queue = self._sub_queues[key] = SubQueue(key)
            self._ready.append(sub_queue)
        sub_queue.trim()  # a polling bot never asks for `next_due`, which trims otherwise
        sub_queue.updates.append(update)

    def forget(self, update: Update) -> None:
        update.gone = True
        self._by_id.pop(update.id, None)

    def forget_all(self) -> None:
        for update in list(self._by_id.values()):
            self.forget(update)

    def forget_expired(self, now: float) -> list[Update]:
        """Drop what has outlived its kind and return it."""
        dropped = []
        while self._expiries and self._expiries[0][0] <= now:
            update = self._by_id.get(heapq.heappop(self._expiries)[1])
            if update is not None:
                self.forget(update)
                dropped.append(update)
        return dropped

    # Polling.

    def confirm(self, offset: int) -> int:
        """Forget what the offset confirms and return the id to read from."""
        head = next(iter(self._by_id), self.next_id)
        if offset < 0:
            kept = list(self._by_id)[offset:]
            offset = kept[0] if kept else self.next_id
        elif offset == 0 or offset > self.next_id + 10 or offset < head - 100_000:
            return head
        for update_id in list(self._ids_below(offset)):
            self.forget(self._by_id[update_id])
        return offset

    def _ids_below(self, limit: int) -> Iterable[int]:
        for update_id in self._by_id:
            if update_id >= limit:
                return
            yield update_id

    def read(self, start: int, limit: int) -> list[Update]:
        """Updates from that id on, as many as one answer may hold."""
        found: list[Update] = []
        size = 0
        for update in self._by_id.values():
            if len(found) >= limit:
                break
            if update.id < start:
                continue
            size += len(update.body) + 50
            if found and size > ANSWER_BYTES_MAX:
                break
            found.append(update)
        return found

    # Pushing to a webhook.

    def next_due(self, now: float) -> tuple[SubQueue, Update] | None:
        """The head of a free sub-queue, which is in flight from now on until settled, or None."""
        while self._waiting and self._waiting[0][0] <= now + TICK_S:
            self.release(heapq.heappop(self._waiting)[2])
        while self._ready:
            sub_queue = self._ready.popleft()
            sub_queue.trim()
            if sub_queue.updates:
                return sub_queue, sub_queue.updates[0]
            del self._sub_queues[sub_queue.key]
        return None

    def next_retry_at(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def delivered(self, sub_queue: SubQueue, update: Update) -> None:
        self.forget(update)
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
            self.delivered(sub_queue, update)
            return None
        self.park(sub_queue, due_at)
        return due_at

    def park(self, sub_queue: SubQueue, due_at: float) -> None:
        """Hold the sub-queue's head back until then."""
        heapq.heappush(self._waiting, (due_at, sub_queue.updates[0].id, sub_queue))
