"""Connections to a webhook are opened with care."""

from __future__ import annotations

from posthouse.simulator.connections import Connections


def test_ten_new_connections_in_half_a_second() -> None:
    """A healthy receiver gets ten at once, and ten more half a second later."""
    connections = Connections(40, now=0.0)
    assert [connections.take(0.0) for _ in range(11)] == [True] * 10 + [False]
    assert connections.opening_at(0.1) == 0.5
    assert [connections.take(0.5) for _ in range(11)] == [True] * 10 + [False]


def test_an_idle_connection_is_used_again() -> None:
    """What was kept alive needs no opening; what was closed does."""
    connections = Connections(1, now=0.0)
    assert connections.take(0.0)
    connections.give_back(kept=True)
    assert connections.take(0.0)
    assert (connections.open, connections.busy) == (1, 1)
    assert connections.opening_at(0.0) is None
    connections.give_back(kept=False)
    assert connections.open == 0


def test_after_ten_seconds_without_success_one_is_tried_in_two_seconds() -> None:
    """One at a time, until a delivery succeeds."""
    connections = Connections(40, now=0.0)
    assert connections.take(10.5)
    assert not connections.take(10.5)
    assert connections.opening_at(10.5) is None  # one is wanted, and one there is
    connections.give_back(kept=False)
    assert not connections.take(11.0)
    assert connections.opening_at(11.0) == 12.5
    assert connections.take(12.5)
    connections.succeeded(12.5)
    assert connections.take(12.5)


def test_never_more_than_the_webhook_allows() -> None:
    """max_connections bounds what is open."""
    connections = Connections(2, now=0.0)
    assert [connections.take(0.0) for _ in range(3)] == [True, True, False]
