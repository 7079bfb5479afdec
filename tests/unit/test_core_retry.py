"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.retry import RetryPolicy

seconds = st.floats(0.001, 1000.0)
policies = st.builds(
    RetryPolicy, attempts_max=st.integers(1, 50), base_s=seconds, factor=st.floats(1.0, 10.0), cap_s=seconds
)
chances = st.floats(0.0, 1.0, exclude_max=True)


@given(policies, st.integers(1, 50), chances)
def test_a_delay_lies_between_half_of_its_ceiling_and_all_of_it(
    policy: RetryPolicy, attempts: int, chance: float
) -> None:
    """A delay is never shorter than half of its ceiling and never longer than the cap."""
    ceiling = min(policy.cap_s, policy.base_s * policy.factor ** (attempts - 1))
    assert ceiling / 2 <= policy.delay_s(attempts, chance=chance) <= ceiling <= policy.cap_s


@given(policies, st.integers(1, 50), chances)
def test_delays_never_shrink(policy: RetryPolicy, attempts: int, chance: float) -> None:
    """With the same luck a later try waits at least as long."""
    assert policy.delay_s(attempts, chance=chance) <= policy.delay_s(attempts + 1, chance=chance)


@given(policies, st.integers(1, 50))
def test_chance_spreads_a_herd(policy: RetryPolicy, attempts: int) -> None:
    """No luck waits half as long as all luck, so that those who failed together do not return together."""
    shortest, longest = policy.delay_s(attempts, chance=0.0), policy.delay_s(attempts, chance=1.0)
    assert longest == pytest.approx(2 * shortest)


@given(policies, st.integers(1, 50))
def test_a_drawn_delay_keeps_the_bounds(policy: RetryPolicy, attempts: int) -> None:
    """Without `chance` the delay is drawn at random within the same bounds."""
    shortest, longest = policy.delay_s(attempts, chance=0.0), policy.delay_s(attempts, chance=1.0)
    assert shortest <= policy.delay_s(attempts) <= longest


def test_delays_double_up_to_the_cap() -> None:
    """The defaults wait about 1, 2, 4, … seconds and never more than five minutes."""
    policy = RetryPolicy()
    assert [policy.delay_s(n, chance=0.0) for n in range(1, 5)] == [0.5, 1.0, 2.0, 4.0]
    assert policy.delay_s(20, chance=0.0) == 150.0


@pytest.mark.parametrize("attempts", [-3, 0, 1])
def test_a_try_that_was_not_counted_waits_like_the_first(attempts: int) -> None:
    """Fewer than one attempt waits as long as one."""
    assert RetryPolicy().delay_s(attempts, chance=0.5) == RetryPolicy().delay_s(1, chance=0.5)


def test_many_attempts_do_not_overflow() -> None:
    """However often something was tried, the delay is a number at most the cap."""
    assert RetryPolicy().delay_s(1000, chance=0.0) == 150.0


def test_a_thousand_more_attempts_do_not_overflow_either() -> None:
    """A job that may be tried without end still has a delay."""
    assert RetryPolicy(attempts_max=10_000).delay_s(5000, chance=0.0) == 150.0


@given(policies)
def test_attempts_are_exhausted_at_their_maximum(policy: RetryPolicy) -> None:
    """The last allowed try exhausts the attempts, the one before does not."""
    assert policy.exhausted(policy.attempts_max)
    assert policy.exhausted(policy.attempts_max + 1)
    assert not policy.exhausted(policy.attempts_max - 1)
