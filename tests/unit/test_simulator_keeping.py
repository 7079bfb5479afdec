"""What a town that runs for weeks forgets."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest

from posthouse.simulator import payments as state
from posthouse.simulator.keeping import keep_newest
from posthouse.simulator.payments import Payments, Subscription


def test_the_oldest_goes() -> None:
    """What is kept again counts as new."""
    kept: dict[str, int] = {}
    assert [keep_newest(kept, key, at, 2) for at, key in enumerate("abac")] == [None, None, None, 1]
    assert kept == {"a": 2, "c": 3}


def test_a_running_subscription_is_never_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ended go, the oldest first, when there are many."""
    monkeypatch.setattr(state, "SUBSCRIPTIONS_KEPT", 2)
    payments = Payments(random.Random(1))
    nothing = cast(Any, None)
    for name, ended in (("a", False), ("b", True), ("c", True), ("d", False), ("e", False)):
        payments.subscribe(Subscription(name, nothing, nothing, nothing, 0.0, ended=ended))
    assert list(payments.subscriptions) == ["a", "d", "e"]
