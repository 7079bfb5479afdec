"""Credits: whatever happens, a balance is the sum of its moves and never below nought."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, func, select

from posthouse_apps.stickers import credits
from posthouse_apps.stickers.credits import Trial

DAY = 86_400.0
PEOPLE = (1, 2, 3)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Tables in memory."""
    yield from connections()


def connections() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    credits.metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


people = st.sampled_from(PEOPLE)
keys = st.sampled_from(["a", "b", "c", "d"])
moments = st.integers(0, 3).map(lambda day: day * DAY)
acts = st.one_of(
    st.tuples(st.just("take"), people, st.integers(1, 6), keys, moments),
    st.tuples(st.just("give_back"), keys, moments),
    st.tuples(st.just("grant_daily"), people, moments),
    st.tuples(st.just("grant_trial"), people, moments),
)


@pytest.mark.req("C0-14", "C0-18")
@settings(max_examples=50, deadline=None)  # each example makes a database; a shared machine has no deadlines
@given(st.lists(acts, max_size=40))
def test_any_sequence_conserves_credits(sequence: list[tuple[object, ...]]) -> None:
    """Each balance is the sum of its moves, none is below nought, and no key has moved twice."""
    for connection in connections():
        for name, *arguments in sequence:
            getattr(credits, str(name))(connection, *arguments)
            for person in PEOPLE:
                mine = select(func.coalesce(func.sum(credits.moves.c.amount), 0)).where(
                    credits.moves.c.user_id == person
                )
                has = credits.balance(connection, person)
                assert has == connection.execute(mine).scalar_one()
                assert has >= 0
        every = connection.execute(select(credits.moves.c.key)).scalars().all()
        assert len(every) == len(set(every))


@pytest.mark.req("C0-18")
def test_what_is_not_there_cannot_be_taken(connection: Connection) -> None:
    """Nor from somebody who is not known; and nothing is written down of it."""
    assert not credits.take(connection, 1, 1, "a", 0.0)
    credits.grant_daily(connection, 1, 0.0)
    assert not credits.take(connection, 1, credits.DAILY + 1, "a", 0.0)
    assert credits.take(connection, 1, credits.DAILY, "a", 0.0)
    assert not credits.take(connection, 1, 1, "b", 0.0)
    assert credits.balance(connection, 1) == 0


def test_one_key_takes_once(connection: Connection) -> None:
    """A turn that runs again pays nothing more."""
    credits.grant_daily(connection, 1, 0.0)
    assert credits.take(connection, 1, 2, "a", 0.0)
    assert credits.take(connection, 1, 2, "a", 0.0)
    assert credits.balance(connection, 1) == credits.DAILY - 2


@pytest.mark.req("C0-14")
def test_what_was_taken_comes_back_once(connection: Connection) -> None:
    """And only what was taken: a key that took nothing gives nothing."""
    credits.grant_daily(connection, 1, 0.0)
    credits.take(connection, 1, 3, "a", 0.0)
    assert credits.give_back(connection, "a", 0.0) == 3
    assert credits.give_back(connection, "a", 0.0) == 0
    assert credits.give_back(connection, "never", 0.0) == 0
    assert credits.give_back(connection, f"daily:1:{0}", 0.0) == 0
    assert credits.balance(connection, 1) == credits.DAILY


def test_the_days_credits_come_once_a_day(connection: Connection) -> None:
    """The day is that of UTC."""
    assert credits.grant_daily(connection, 1, DAY - 1) == credits.DAILY
    assert credits.grant_daily(connection, 1, DAY - 0.5) == 0
    assert credits.grant_daily(connection, 1, DAY) == credits.DAILY


@pytest.mark.req("C0-16")
def test_twenty_trials_a_day_are_given_away(connection: Connection) -> None:
    """One for each person in a lifetime; the twenty-first comes again tomorrow."""
    today = [credits.grant_trial(connection, person, 0.0) for person in range(credits.TRIALS_PER_DAY + 1)]
    assert today == [Trial.GIVEN] * credits.TRIALS_PER_DAY + [Trial.NONE_LEFT]
    assert credits.grant_trial(connection, 0, DAY) is Trial.HAD
    assert credits.grant_trial(connection, credits.TRIALS_PER_DAY, DAY) is Trial.GIVEN
    assert credits.balance(connection, 0) == 1
