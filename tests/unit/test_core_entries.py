"""One signed 64-bit integer is identity, de-duplication key and order of an entry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.entries import (
    EVENT_FLOOR,
    LANE_KEY_BOUND,
    UPDATE_ID_MAX,
    Entry,
    entry_id_of_job,
    entry_id_of_timer,
    trace_of,
)

# More events than this would reach the updates: a million a second for twelve days.
row_ids = st.integers(1, UPDATE_ID_MAX - 1)
update_ids = st.integers(0, UPDATE_ID_MAX)


@given(row_ids, row_ids, update_ids)
def test_events_run_before_updates(job_id: int, timer_id: int, update_id: int) -> None:
    """Every event's id is below every update's."""
    assert max(entry_id_of_job(job_id), entry_id_of_timer(timer_id)) < update_id


@given(row_ids, row_ids)
def test_events_keep_the_order_of_their_rows(first: int, second: int) -> None:
    """Of two jobs, or two timers, the older row has the smaller entry id, and different rows differ."""
    assert (entry_id_of_job(first) < entry_id_of_job(second)) == (first < second)
    assert (entry_id_of_timer(first) < entry_id_of_timer(second)) == (first < second)


@given(row_ids, row_ids)
def test_a_job_and_a_timer_never_meet(job_id: int, timer_id: int) -> None:
    """A job and a timer have different entry ids, also with the same row id."""
    assert entry_id_of_job(job_id) != entry_id_of_timer(timer_id)


@given(row_ids)
def test_an_entry_id_fits_every_store(row_id: int) -> None:
    """Entry ids fit 42 bits and a sign, so that a store may pack a bot's number above them."""
    for entry_id in (entry_id_of_job(row_id), entry_id_of_timer(row_id)):
        assert EVENT_FLOOR <= entry_id < 0


@given(st.one_of(update_ids, row_ids.map(entry_id_of_job), row_ids.map(entry_id_of_timer)))
def test_an_entry_knows_whether_it_is_an_update(entry_id: int) -> None:
    """`is_update` is true of updates, from id 0 on, and of nothing else."""
    entry = Entry(bot_id=1, lane=1, entry_id=entry_id, payload=b"{}", received_at=0.0)
    assert entry.is_update == (entry_id in range(UPDATE_ID_MAX + 1))


def test_telegrams_ids_fit_a_lane_key() -> None:
    """The largest chat and user ids that Telegram gives out are within the bound of a lane key."""
    assert all(abs(chat) < LANE_KEY_BOUND for chat in (-1_997_852_516_352, -4_000_000_000_000, 2**40, 2**52 - 1))


@given(st.integers(1, 2**52), st.integers(EVENT_FLOOR, UPDATE_ID_MAX))
def test_a_trace_names_its_entry(bot_id: int, entry_id: int) -> None:
    """Bot and entry can be read back from a trace, so different entries have different traces."""
    assert tuple(map(int, trace_of(bot_id, entry_id).split(":"))) == (bot_id, entry_id)
