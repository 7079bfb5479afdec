"""Which firings of a schedule are due: policies, time zones, and the two odd nights of the year."""

from __future__ import annotations

import importlib.metadata
import time
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.programs.program import CronSpec
from posthouse.runtime.schedules import CATCH_UP_MAX, due_firings, next_after

BERLIN = "Europe/Berlin"  # 2026: forward on 29 March (2:00 → 3:00), back on 25 October (3:00 → 2:00)


def spec(expression: str, timezone: str = "UTC") -> CronSpec:
    return CronSpec("it", expression, "task", timezone)


def at(text: str, timezone: str = "UTC", *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone), fold=fold).timestamp()


def utc(moments: list[float]) -> list[str]:
    return [datetime.fromtimestamp(moment, UTC).strftime("%m-%d %H:%M:%S") for moment in moments]


def every(expression: str, timezone: str, begin: str, end: str) -> list[str]:
    """All firings between two UTC moments, one after the other as a live process sees them."""
    return utc(due_firings(spec(expression, timezone), at(begin), at(end), "all"))


def test_nothing_is_due_before_the_next_firing() -> None:
    """Between two firings nothing is due, whatever the policy; the last one is not due again."""
    for policy in ("latest", "all", "none"):
        assert due_firings(spec("0 * * * *"), at("2026-05-01T10:00"), at("2026-05-01T10:59:59"), policy) == []


def test_a_firing_is_due_at_its_moment() -> None:
    """At its own second a firing is due."""
    for policy in ("latest", "all", "none"):
        found = due_firings(spec("0 * * * *"), at("2026-05-01T10:00"), at("2026-05-01T11:00"), policy)
        assert utc(found) == ["05-01 11:00:00"]


@pytest.mark.req("S1-49")
def test_catch_up_decides_about_missed_firings() -> None:
    """After hours of absence `latest` gives the newest, `all` each, `none` nothing that is over a minute
    late."""
    last, now = at("2026-05-01T10:00"), at("2026-05-01T13:30")
    assert utc(due_firings(spec("0 * * * *"), last, now, "latest")) == ["05-01 13:00:00"]
    assert utc(due_firings(spec("0 * * * *"), last, now, "all")) == [
        "05-01 11:00:00",
        "05-01 12:00:00",
        "05-01 13:00:00",
    ]
    assert due_firings(spec("0 * * * *"), last, now, "none") == []
    assert utc(due_firings(spec("0 * * * *"), last, at("2026-05-01T13:00:59"), "none")) == ["05-01 13:00:00"]


def test_all_is_bounded_to_the_newest_thousand() -> None:
    """Of more than a thousand missed firings the newest thousand run, in order."""
    found = due_firings(spec("* * * * *"), at("2026-01-01T00:00"), at("2026-05-01T00:00:30"), "all")
    assert len(found) == CATCH_UP_MAX
    assert found == sorted(found)
    assert utc(found[-1:]) == ["05-01 00:00:00"]
    assert found[-1] - found[0] == (CATCH_UP_MAX - 1) * 60


def test_a_year_of_seconds_is_caught_up_quickly() -> None:
    """The newest of thirty million missed firings is found by halving, in a moment."""
    began = time.perf_counter()
    found = due_firings(spec("* * * * * *"), at("2025-01-01T00:00"), at("2026-01-01T00:00:00"), "latest")
    assert utc(found) == ["01-01 00:00:00"]
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("missed", range(1, 8))
def test_the_newest_of_a_few_seconds_is_the_last(missed: int) -> None:
    """Each second, and a few of them missed: the newest is the one of now."""
    now = at("2026-05-01T10:00")
    assert due_firings(spec("* * * * * *"), now - missed, now, "latest") == [now]


def test_a_schedule_that_never_fires_is_never_due() -> None:
    """An expression without a future (30 February by its weekday) is quiet, not an error."""
    assert due_firings(spec("0 0 29 2 MON#1"), at("2026-01-01T00:00"), at("2026-02-01T00:00"), "all") == []


@given(
    expression=st.sampled_from(
        ["*/5 * * * *", "30 2 * * *", "0 2,3 * * *", "15 */2 * * *", "* * * * *", "45 1 * * MON", "0 0 1 * *"]
    ),
    timezone=st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    start=st.integers(int(at("2026-01-01T00:00")), int(at("2026-12-01T00:00"))),
    span_s=st.integers(0, 100_000),
)
def test_latest_is_the_last_of_all(expression: str, timezone: str, start: int, span_s: int) -> None:
    """Whenever one looks, `latest` is the last of `all`, and both lie between the last firing and now."""
    of = spec(expression, timezone)
    everything = due_firings(of, start, start + span_s, "all")
    assert due_firings(of, start, start + span_s, "latest") == everything[-1:]
    assert all(start < moment <= start + span_s for moment in everything)
    assert everything == sorted(set(everything))


@given(start=st.integers(int(at("2026-10-24T20:00")), int(at("2026-10-25T06:00"))))
def test_next_after_never_goes_back(start: int) -> None:
    """In the doubled hour, too, the next firing lies ahead, and looking later never finds an earlier one."""
    for expression in ("30 2 * * *", "*/20 * * * *", "10,50 1-3 * * *"):
        found, later = (next_after(spec(expression, BERLIN), start + more) for more in (0, 60))
        assert found is not None
        assert later is not None
        assert start < found <= later


# -- the two nights: these lines pin what cronsim (Debian's rules) does, so that an upgrade that differs is se


def test_a_fixed_time_follows_the_wall_clock() -> None:
    """9:00 in Berlin is 8:00 UTC in winter and 7:00 UTC in summer."""
    assert every("0 9 * * *", BERLIN, "2026-03-28T00:00", "2026-03-30T00:00") == [
        "03-28 08:00:00",
        "03-29 07:00:00",
    ]
    assert every("0 9 * * *", BERLIN, "2026-10-24T00:00", "2026-10-26T00:00") == [
        "10-24 07:00:00",
        "10-25 08:00:00",
    ]


def test_a_time_that_is_skipped_runs_when_the_gap_ends() -> None:
    """2:30 does not exist on 29 March: the job runs at 3:00 summer time, once, and 2:30 again the next
    day."""
    assert every("30 2 * * *", BERLIN, "2026-03-28T12:00", "2026-03-30T12:00") == [
        "03-29 01:00:00",
        "03-30 00:30:00",
    ]


def test_a_time_that_comes_twice_runs_the_first_time() -> None:
    """2:30 comes twice on 25 October: the job runs in summer time, and not again an hour later."""
    assert every("30 2 * * *", BERLIN, "2026-10-24T12:00", "2026-10-26T12:00") == [
        "10-25 00:30:00",
        "10-26 01:30:00",
    ]


def test_a_process_that_starts_in_the_second_hour_does_not_run_the_first_again() -> None:
    """Started at 2:10 winter time, a schedule for 2:30 waits for tomorrow: today's has been an hour ago."""
    begin = at("2026-10-25T02:10", BERLIN, fold=1)
    assert utc([next_after(spec("30 2 * * *", BERLIN), begin) or 0]) == ["10-26 01:30:00"]


def test_what_runs_every_few_minutes_goes_by_elapsed_time() -> None:
    """Every half hour stays every half hour in both nights."""
    for begin, end in (("2026-03-28T23:59", "2026-03-29T03:00"), ("2026-10-24T22:59", "2026-10-25T02:00")):
        found = due_firings(spec("*/30 * * * *", BERLIN), at(begin), at(end), "all")
        assert {later - sooner for sooner, later in pairwise(found)} == {1800.0}


def test_what_runs_hourly_runs_each_real_hour() -> None:
    """At minute 15 of every hour: nothing is left out and nothing doubled."""
    assert every("15 * * * *", BERLIN, "2026-10-24T23:00", "2026-10-25T03:00") == [
        "10-24 23:15:00",
        "10-25 00:15:00",
        "10-25 01:15:00",
        "10-25 02:15:00",
    ]


def test_half_an_hour_of_daylight_saving_is_followed() -> None:
    """Lord Howe moves by thirty minutes; a fixed time there runs once a day, always."""
    found = due_firings(
        spec("15 2 * * *", "Australia/Lord_Howe"), at("2026-03-01T00:00"), at("2026-11-01T00:00"), "all"
    )
    days = [datetime.fromtimestamp(moment, ZoneInfo("Australia/Lord_Howe")).date() for moment in found]
    assert len(days) == len(set(days)) == 245


def test_the_schedule_library_is_the_one_these_lines_were_written_for() -> None:
    """cronsim is 2.7 or newer; its daylight saving rules are pinned above."""
    assert tuple(map(int, importlib.metadata.version("cronsim").split("."))) >= (2, 7)
