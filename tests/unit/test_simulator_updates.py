"""The queue of updates: numbers, capacity, the window that is loaded, and what a poller confirms."""

from __future__ import annotations

import random

import pytest

from posthouse.simulator import updates
from posthouse.simulator.updates import QUIET_S, UPDATE_BYTES_MAX, UPDATE_ID_MAX, UpdateQueue


@pytest.fixture
def queue() -> UpdateQueue:
    return UpdateQueue(random.Random(1))


def filled(queue: UpdateQueue, count: int, *, subject: int | None = None, now: float = 0.0) -> list[int]:
    made = [queue.create("message", {"n": n}, n if subject is None else subject, now=now) for n in range(count)]
    return [update.id for update in made if update]


def test_numbers_begin_at_random_and_go_up_by_one(queue: UpdateQueue) -> None:
    """The first is between two million and a thousand million."""
    first, second = filled(queue, 2)
    assert 2_000_000 < first <= 1_000_000_000
    assert second == first + 1


def test_after_a_quiet_week_the_numbering_begins_elsewhere(queue: UpdateQueue) -> None:
    """Six days are not enough; a week is, once nothing is pending."""
    (first,) = filled(queue, 1)
    queue.forget_expired(QUIET_S - 1)
    assert filled(queue, 1, now=QUIET_S - 1) == [first + 1]
    queue.forget_expired(3 * QUIET_S)
    assert abs(filled(queue, 1, now=3 * QUIET_S)[0] - first) > 10


def test_at_the_greatest_number_the_queue_is_emptied(queue: UpdateQueue) -> None:
    """Numbers fit 31 bits: after two thousand million comes a random one, and what was pending is lost."""
    queue.next_id = UPDATE_ID_MAX
    assert filled(queue, 2)[0] == UPDATE_ID_MAX
    assert len(queue) == 1
    assert queue.next_id <= 1_000_000_001


def test_a_queue_has_room_for_so_many_and_so_large(queue: UpdateQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large, too many, too many bytes in all: the update is silently not created, and uses no number."""
    assert queue.create("message", {"x": "y" * UPDATE_BYTES_MAX}, 1, now=0) is None
    monkeypatch.setattr(updates, "QUEUE_UPDATES_MAX", 3)
    ids = filled(queue, 5)
    assert len(ids) == 3
    queue.confirm(ids[-1] + 1)
    assert (len(queue), queue.bytes) == (0, 0)
    monkeypatch.setattr(updates, "QUEUE_BYTES_MAX", 80)
    assert len(filled(queue, 5)) == 2


def test_only_a_window_is_loaded(queue: UpdateQueue) -> None:
    """A chat with many updates that fail keeps the chats behind its window waiting."""
    filled(queue, 4, subject=1)
    filled(queue, 1, subject=2)
    sub_queue, update = queue.next_due(0, 4) or pytest.fail("nothing is due")
    assert queue.next_due(0, 4) is None
    queue.delivered(sub_queue, update)
    assert {queue.next_due(0, 4)[1].key[1] for _ in range(2)} == {1, 2}  # type: ignore[index]


def test_a_duplicate_is_confirmed_twice(queue: UpdateQueue) -> None:
    """Marked `again`, an update comes once more and then is gone."""
    first, second = filled(queue, 2)
    next(iter(queue)).again = True
    assert [update.id for update in queue.read(queue.confirm(second + 1), 100)] == [first]
    assert queue.read(queue.confirm(second + 1), 100) == []


def test_offsets_after_a_jump_of_the_numbering(queue: UpdateQueue) -> None:
    """Lower numbers are younger then: the offset confirms what was created before it."""
    old = filled(queue, 2)
    queue.jump()
    new = filled(queue, 2)
    assert new[0] < old[0]
    assert [update.id for update in queue.read(queue.confirm(0), 100)] == old + new
    assert [update.id for update in queue.read(queue.confirm(old[1] + 1), 100)] == new
    assert [update.id for update in queue.read(queue.confirm(new[0] + 1), 100)] == new[1:]


def test_nothing_is_in_flight_after_a_restart(queue: UpdateQueue) -> None:
    """What was being delivered is free again; what was parked stays parked."""
    filled(queue, 3)
    flying = queue.next_due(0) or pytest.fail("nothing is due")
    parked = queue.next_due(0) or pytest.fail("nothing is due")
    queue.park(parked[0], 10)
    queue.recover()
    due = [queue.next_due(0) for _ in range(3)]
    assert flying in due
    assert parked not in due
    assert queue.next_due(10) == parked
