"""Effects are data, and each turn has its own."""

from __future__ import annotations

import pytest

from posthouse.core.effects import Effects, JobRequest, Outgoing, Priority, StateWrite, TimerRequest

ONE_OF_EACH = {
    "deliveries": Outgoing(bot_id=1, chat=1, method="sendMessage", payload=b"{}"),
    "jobs": JobRequest(queue="q", task="t"),
    "timers": TimerRequest(bot_id=1, lane=1, delay_s=1.0, payload=b"{}"),
    "states": StateWrite(bot_id=1, lane=1, name="a", data=None),
}


def test_two_turns_do_not_share_effects() -> None:
    """What one turn asks for is not asked for by the next."""
    first, second = Effects(), Effects()
    first.deliveries.append(ONE_OF_EACH["deliveries"])  # type: ignore[arg-type]
    assert second.deliveries == []


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_effects_are_true_when_anything_is_asked_for(kind: str) -> None:
    """Effects are true as soon as they hold one of anything, and false again when cleared."""
    effects = Effects()
    assert not effects
    getattr(effects, kind).append(ONE_OF_EACH[kind])
    assert effects
    effects.clear()
    assert not effects


def test_clearing_leaves_the_old_lists_alone() -> None:
    """Whoever holds on to a list of a failed turn still has what was in it."""
    effects = Effects(deliveries=[ONE_OF_EACH["deliveries"]])  # type: ignore[list-item]
    held = effects.deliveries
    effects.clear()
    assert len(held) == 1


def test_answers_are_the_most_urgent() -> None:
    """Priorities are ordered: answers, replies, notifications, broadcasts."""
    assert sorted(Priority) == [Priority.ANSWER, Priority.REPLY, Priority.NOTIFICATION, Priority.BROADCAST]
