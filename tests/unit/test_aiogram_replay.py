"""Which record belongs to which call: every order that a sound handler may take, and the ones it may not."""

from __future__ import annotations

import msgspec
import pytest

from posthouse.core.leases import CallRecord
from posthouse.programs.aiogram.replay import AFTERMATH, Ask, Ending, Recorded, Replay, Step


def record(ordinal: int, method: str = "sendMessage", target: str = "", says: int = 0, **fields: object) -> CallRecord:
    recorded = Recorded(True, target=target, says=says, **fields)  # type: ignore[arg-type]
    return CallRecord(1, ordinal, method, msgspec.json.encode(recorded))


def unknown(ordinal: int, method: str = "sendMessage") -> CallRecord:
    return CallRecord(1, ordinal, method)


def refused(ordinal: int, *, begun: int) -> CallRecord:
    recorded = Recorded(False, ending=Ending.UNSENT, begun=begun, error="TelegramRetryAfter")
    return CallRecord(1, ordinal, "sendMessage", msgspec.json.encode(recorded))


def taken(replay: Replay, *asks: Ask) -> list[tuple[int, bool]]:
    """(ordinal, found a record) of each call in turn."""
    return [(step.ordinal, step.begun) for step in map(replay.step, asks)]


def test_calls_of_a_first_run_are_numbered_from_zero() -> None:
    """Without records every call is new, and both sides of an exception count apart."""
    replay = Replay([], "42:1")
    asks = [Ask("a"), Ask("b", aftermath=True), Ask("c"), Ask("d", aftermath=True)]
    assert taken(replay, *asks) == [(0, False), (AFTERMATH, False), (1, False), (AFTERMATH + 1, False)]
    assert (replay.begun(aftermath=False), replay.begun(aftermath=True)) == (2, AFTERMATH + 2)


def test_a_record_is_given_out_once() -> None:
    """The same call made again is a new call behind the recorded ones."""
    replay = Replay([record(0, target="7", says=1)], "42:1")
    ask = Ask("sendMessage", "7", 1)
    assert taken(replay, ask, ask) == [(0, True), (1, False)]


def test_another_text_at_the_same_place_is_the_same_call() -> None:
    """Texts may hold the time of day, so the ordinal decides where target and method agree."""
    replay = Replay([record(0, target="7", says=1), record(1, target="7", says=2)], "42:1")
    assert taken(replay, Ask("sendMessage", "7", 8), Ask("sendMessage", "7", 9)) == [(0, True), (1, True)]


def test_what_says_the_same_comes_before_what_stands_there() -> None:
    """Two messages to one chat that changed places keep their own results."""
    replay = Replay([record(0, target="7", says=1), record(1, target="7", says=2)], "42:1")
    assert taken(replay, Ask("sendMessage", "7", 2), Ask("sendMessage", "7", 1)) == [(1, True), (0, True)]


def test_a_call_finds_its_target_among_those_side_by_side() -> None:
    """Messages to several chats that changed places and texts find their chats."""
    replay = Replay([record(n, target=str(n), says=n) for n in range(3)], "42:1")
    asks = [Ask("sendMessage", target, 9) for target in ("2", "0", "1")]
    assert taken(replay, *asks) == [(2, True), (0, True), (1, True)]


def test_a_begun_call_is_found_when_places_changed() -> None:
    """A record without a result has no target; it is taken for what is left over."""
    replay = Replay([record(0, target="1", says=1), unknown(1)], "42:1")
    assert taken(replay, Ask("sendMessage", "2", 2), Ask("sendMessage", "1", 1)) == [(1, True), (0, True)]


def test_a_new_call_never_takes_a_used_ordinal() -> None:
    """New calls among calls that changed places are numbered behind all records."""
    replay = Replay([record(0, target="1", says=1), record(1, target="2", says=2)], "42:1")
    asks = [
        Ask("sendMessage", "2", 2),
        Ask("sendPhoto", "3"),
        Ask("sendMessage", "1", 1),
        Ask("sendPhoto", "4"),
    ]
    assert taken(replay, *asks) == [(1, True), (2, False), (0, True), (3, False)]


@pytest.mark.parametrize(
    "ask", [Ask("sendDice", "7"), Ask("sendMessage", "8")], ids=["another method", "another target"]
)
def test_another_call_at_a_recorded_place_diverges(ask: Ask) -> None:
    """What no record explains is named with both calls."""
    replay = Replay([record(0, target="7")], "42:1")
    with pytest.raises(Exception, match=r"Call 0 of entry 42:1 was sendMessage \(7\)") as caught:
        replay.step(ask)
    assert f"asks for {ask.method} ({ask.target})" in str(caught.value)
    assert caught.value.reason == "diverged"  # type: ignore[attr-defined]


class TestAcrossAnException:
    def test_the_good_run_goes_on_behind_the_failed_one(self) -> None:
        """Calls made because of an exception do not stand where the next good call belongs."""
        replay = Replay([record(0, says=1), record(AFTERMATH, says=2)], "42:1")
        assert taken(replay, Ask("sendMessage", says=1), Ask("sendMessage", says=3)) == [
            (0, True),
            (1, False),
        ]

    def test_the_same_exception_again_replays_its_calls(self) -> None:
        """A second failure does not apologise twice."""
        replay = Replay([record(AFTERMATH, says=1)], "42:1")
        assert taken(replay, Ask("sendMessage", says=2, aftermath=True)) == [(AFTERMATH, True)]

    @pytest.mark.parametrize(("method", "found"), [("answerCallbackQuery", True), ("sendMessage", False)])
    def test_only_what_cannot_be_seen_twice_crosses_by_target(self, method: str, found: bool) -> None:
        """An answer crosses with another text; a message does not."""
        for ordinal, aftermath in ((AFTERMATH, False), (0, True)):
            replay = Replay([record(ordinal, method, "900", says=1)], "42:1")
            assert replay.step(Ask(method, "900", 2, aftermath)).begun is found

    def test_a_failed_answer_does_not_cross(self) -> None:
        """Only results cross, not errors and not unknown outcomes."""
        failed = CallRecord(1, AFTERMATH, "answerCallbackQuery", msgspec.json.encode(Recorded(False, target="900")))
        for left in (failed, unknown(AFTERMATH, "answerCallbackQuery")):
            assert Replay([left], "42:1").step(Ask("answerCallbackQuery", "900", 2)) == Step(0)


class TestSurvivedErrors:
    @pytest.mark.parametrize(
        ("begun", "later", "survived"),
        [
            (1, [], False),
            (1, [record(1)], True),
            (3, [record(1), record(2)], False),  # gathered: they had begun before the error
            (3, [record(1), record(2), record(3)], True),
            (1, [record(AFTERMATH)], False),  # an answer in `finally` is no going on
        ],
    )
    def test_a_later_call_proves_that_the_handler_went_on(
        self, begun: int, later: list[CallRecord], survived: bool
    ) -> None:
        """An error is survived when a call began after it, on the same side of an exception."""
        replay = Replay([refused(0, begun=begun), *later], "42:1")
        assert replay.step(Ask("sendMessage")).survived is survived

    def test_new_calls_of_this_run_prove_nothing(self) -> None:
        """Only records of earlier runs count."""
        replay = Replay([record(0, target="1", says=1), refused(1, begun=2)], "42:1")
        replay.step(Ask("sendMessage", "1", 1))
        replay.step(Ask("sendPhoto", "2", aftermath=True))
        assert replay.step(Ask("sendMessage")).survived is False
