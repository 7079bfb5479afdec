"""The loops that wait for time: schedules, timers, the caretaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from posthouse.core.errors import ConfigurationInvalid, StoreUnavailable
from posthouse.ports.store import Cron, Gauges, Reaped
from posthouse.programs.app import App
from posthouse.programs.job import Job
from posthouse.programs.program import BotIdentity, CronSpec, JobSpec
from posthouse.runtime.caretaker import Caretaker, CaretakerSettings
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.schedules import Schedule, Schedules, schedules_of
from posthouse.runtime.timers import Timers, TimerSettings, first_of
from posthouse.testing.clock import ManualClock

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@pytest.fixture
async def spawn() -> AsyncIterator[Spawn]:
    tasks: list[asyncio.Task[None]] = []

    def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def rest() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


# -- schedules -----------------------------------------------------------------------------------------------


@dataclass
class CronStore:
    """What `Schedules` sees of the store."""

    fired: dict[tuple[str, float], Cron] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    async def fire_cron(self, firings: Sequence[Cron]) -> list[bool]:
        if self.away:
            raise StoreUnavailable
        self.asked += 1
        new = [(f.name, f.fire_at) not in self.fired for f in firings]
        self.fired |= {(f.name, f.fire_at): f for f in firings}
        return new

    async def last_fired(self, names: Sequence[str]) -> dict[str, float]:
        if self.away:
            raise StoreUnavailable
        return {
            name: max(at for n, at in self.fired if n == name)
            for name in names
            if any(n == name for n, _ in self.fired)
        }


MINUTELY = Schedule(CronSpec("sweep", "* * * * *", "clean"), JobSpec("clean", print, "upkeep", 2), 42)
START = 1_750_000_020.0  # a full minute


def schedules(store: CronStore, clock: ManualClock, *found: Schedule, metrics: Metrics | None = None) -> Schedules:
    return Schedules(store, found or [MINUTELY], clock=clock, metrics=metrics or Metrics())  # type: ignore[arg-type]


async def pass_time(clock: ManualClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.advance(1)
        await rest()


@pytest.mark.req("S1-49")
async def test_a_schedule_queues_its_job_in_the_bots_name(spawn: Spawn) -> None:
    """A firing carries the job's queue, attempts and bot, and a trace that names it."""
    store, clock, metrics = CronStore(), ManualClock(START), Metrics()
    spawn(schedules(store, clock, metrics=metrics).run())
    await pass_time(clock, 61)
    [firing] = store.fired.values()
    assert (firing.name, firing.fire_at) == ("sweep", START + 60)
    request = firing.request
    assert (request.queue, request.task, request.attempts_max, request.bot_id) == ("upkeep", "clean", 2, 42)
    assert request.trace == "cron:sweep@1750000080"
    assert metrics.registry.get_sample_value("posthouse_cron_fired_total", {"name": "sweep"}) == 1


async def test_a_schedule_never_seen_starts_from_now(spawn: Spawn) -> None:
    """Before its first deploy a schedule missed nothing, whatever its policy."""
    store, clock = CronStore(), ManualClock(START + 30)
    always = Schedule(CronSpec("sweep", "* * * * *", "clean", "UTC", "all"), MINUTELY.job)
    spawn(schedules(store, clock, always).run())
    await rest()
    assert store.fired == {}


@pytest.mark.parametrize(("catch_up", "minutes"), [("latest", [5]), ("all", [2, 3, 4, 5]), ("none", [5])])
async def test_a_restart_catches_up_as_declared(spawn: Spawn, catch_up: str, minutes: list[int]) -> None:
    """After a downtime the newest firing in the store says what was missed; one of just now is always run."""
    schedule = Schedule(CronSpec("sweep", "* * * * *", "clean", "UTC", catch_up), MINUTELY.job)
    store = CronStore({("sweep", START + 60): schedule.firing(START + 60)})
    spawn(schedules(store, ManualClock(START + 5 * 60 + 1), schedule).run())
    await rest()
    assert sorted(store.fired)[1:] == [("sweep", START + 60 * minute) for minute in minutes]


async def test_what_was_missed_and_is_not_wanted_is_skipped_once(spawn: Spawn) -> None:
    """With `none` a missed firing is told and forgotten, and the next one runs."""
    schedule = Schedule(CronSpec("sweep", "0 * * * *", "clean", "UTC", "none"), MINUTELY.job)
    hour = START - START % 3600
    store, clock = CronStore({("sweep", hour - 7200): schedule.firing(hour - 7200)}), ManualClock(hour + 3500)
    with capture_logs() as lines:
        spawn(schedules(store, clock, schedule).run())
        await pass_time(clock, 101)
    assert [at for _, at in sorted(store.fired)[1:]] == [hour + 3600]
    assert [line["event"] for line in lines] == ["schedule.skipped", "schedule.fired"]


async def test_two_processes_fire_once(spawn: Spawn) -> None:
    """Each firing is queued once and counted once, however many processes watch."""
    store, clock, metrics = CronStore(), ManualClock(START), Metrics()
    for _ in range(2):
        spawn(schedules(store, clock, metrics=metrics).run())
    await pass_time(clock, 125)
    assert len(store.fired) == 2
    assert store.asked == 4
    assert metrics.registry.get_sample_value("posthouse_cron_fired_total", {"name": "sweep"}) == 2


async def test_between_firings_the_store_is_left_alone(spawn: Spawn) -> None:
    """A tick without a due firing asks the store nothing."""
    store, clock = CronStore(), ManualClock(START)
    spawn(schedules(store, clock).run())
    await pass_time(clock, 59)
    assert store.asked == 0


async def test_a_store_that_is_away_delays_a_firing(spawn: Spawn) -> None:
    """What could not be queued is queued when the store is back."""
    store, clock = CronStore(away=True), ManualClock(START)
    spawn(schedules(store, clock).run())
    await pass_time(clock, 65)
    store.away = False
    await pass_time(clock, 1)
    assert [at for _, at in store.fired] == [START + 60]


async def test_schedules_stop(spawn: Spawn) -> None:
    """After `stop` the loop ends at once."""
    service = schedules(CronStore(), ManualClock(START))
    task = spawn(service.run())
    await rest()
    await service.stop(0)
    await asyncio.wait_for(task, 20)


def test_a_programs_schedules_speak_for_its_first_bot() -> None:
    """A schedule fires once, however many bots the program serves."""
    app = App("workouts")

    @app.cron("0 9 * * *", timezone="Europe/Berlin")
    @app.job()
    async def remind(job: Job) -> None: ...

    one, two = BotIdentity("coach", 1, "t"), BotIdentity("pro", 2, "t")
    for bots in ([one], [one, two]):
        assert [(s.spec.name, s.job.task, s.bot_id) for s in schedules_of(app, bots)] == [
            ("workouts.remind", "remind", 1)
        ]


def test_impossible_schedules_are_refused() -> None:
    """Two schedules of one name, or one of a job nobody declares, fail at start."""
    with pytest.raises(ConfigurationInvalid, match="'sweep'"):
        schedules(CronStore(), ManualClock(), MINUTELY, MINUTELY)
    app = App("x")
    app.crons["x.y"] = CronSpec("x.y", "* * * * *", "y")
    with pytest.raises(ConfigurationInvalid, match="'y'"):
        schedules_of(app, [BotIdentity("b", 1, "t")])


# -- timers --------------------------------------------------------------------------------------------------


@dataclass
class TimerStore:
    answers: list[tuple[int, float | None] | Exception]
    limits: list[int] = field(default_factory=list)

    async def fire_timers(self, limit: int) -> tuple[int, float | None]:
        self.limits.append(limit)
        answer = self.answers.pop(0) if self.answers else (0, None)
        if isinstance(answer, Exception):
            raise answer
        return answer


def timers(store: TimerStore, clock: ManualClock, metrics: Metrics | None = None) -> Timers:
    return Timers(store, clock=clock, metrics=metrics or Metrics(), settings=TimerSettings(1.0, 10))  # type: ignore[arg-type]


async def test_timers_sleep_until_the_next_is_due(spawn: Spawn) -> None:
    """The loop looks again when the next timer is due, and after a second at the latest."""
    store, clock = TimerStore([(0, 0.4), (1, 900.0)]), ManualClock()
    metrics = Metrics()
    spawn(timers(store, clock, metrics).run())
    await rest()
    assert len(store.limits) == 1
    clock.advance(0.4)
    await rest()
    assert len(store.limits) == 2
    clock.advance(0.9)
    await rest()
    assert len(store.limits) == 2
    clock.advance(0.1)
    await rest()
    assert len(store.limits) == 3
    assert metrics.registry.get_sample_value("posthouse_timers_fired_total") == 1


async def test_a_full_batch_is_followed_at_once(spawn: Spawn) -> None:
    """While as many timers move as may, the loop does not sleep."""
    store = TimerStore([(10, 0.0), (10, 0.0), (3, None)])
    spawn(timers(store, ManualClock()).run())
    await rest()
    assert store.limits == [10, 10, 10]


async def test_a_nudge_looks_at_once(spawn: Spawn) -> None:
    """A timer committed meanwhile may be due before the one waited for."""
    store = TimerStore([(0, 0.9)])
    service = timers(store, ManualClock())
    spawn(service.run())
    await rest()
    service.nudge()
    await rest()
    assert len(store.limits) == 2


async def test_a_due_timer_that_does_not_move_makes_no_busy_loop(spawn: Spawn) -> None:
    """When nothing moves although something is due the loop still rests."""
    store = TimerStore([(0, 0.0)] * 1000)
    spawn(timers(store, ManualClock()).run())
    await rest()
    assert len(store.limits) == 1


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("bug")])
async def test_timers_outlive_errors(spawn: Spawn, error: Exception) -> None:
    """An error is logged and the loop goes on."""
    store, clock = TimerStore([error]), ManualClock()
    with capture_logs() as lines:
        service = timers(store, clock)
        task = spawn(service.run())
        await rest()
        clock.advance(1)
        await rest()
    assert len(store.limits) == 2
    assert lines[0]["event"] in ("timers.postponed", "timers.failed")
    await service.stop()
    await asyncio.wait_for(task, 20)


async def test_first_of_raises_and_cancels() -> None:
    """The first to end decides; the others are cancelled; an error is raised."""
    never = asyncio.Event()

    async def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await first_of(never.wait(), fail())
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


# -- caretaker -----------------------------------------------------------------------------------------------


@dataclass
class UpkeepStore:
    reaped: Reaped = field(default_factory=Reaped)
    reaps: int = 0
    slices: list[int] = field(default_factory=list)
    kept: list[tuple[float, float]] = field(default_factory=list)
    waiting: int = 0
    error: Exception | None = None

    async def reap(self) -> Reaped:
        self.reaps += 1
        if self.error:
            raise self.error
        return self.reaped

    async def prune(self, *, seen_s: float, dead_letters_s: float, sessions_s: float) -> int:
        self.kept.append((seen_s, dead_letters_s))
        return self.slices.pop(0) if self.slices else 0

    async def gauges(self) -> Gauges:
        self.waiting += 1
        return Gauges(lanes_waiting=self.waiting)


@dataclass
class BlobShelf:
    pruned: list[float] = field(default_factory=list)

    async def prune(self, *, older_than_s: float) -> int:
        self.pruned.append(older_than_s)
        return 2


def caretaker(store: UpkeepStore, clock: ManualClock, **options: Any) -> Caretaker:
    plain = {"metrics": Metrics(), "chance": lambda: 0.5}
    return Caretaker(store, clock=clock, **(plain | options))  # type: ignore[arg-type]


@pytest.mark.req("S1-49", "S1-54")
async def test_the_caretaker_reaps_each_second_and_counts(spawn: Spawn) -> None:
    """Each second what the dead hold is freed, counted and logged; an empty reap is silent."""
    store, clock, metrics = UpkeepStore(Reaped(lanes=2, jobs=1)), ManualClock(), Metrics()
    with capture_logs() as lines:
        spawn(caretaker(store, clock, metrics=metrics).run())
        await rest()
        store.reaped = Reaped()
        clock.advance(1)
        await rest()
    assert store.reaps == 2
    assert metrics.registry.get_sample_value("posthouse_leases_reaped_total", {"what": "lanes"}) == 2
    assert [line for line in lines if line["event"] == "leases.reaped"] == [
        {"event": "leases.reaped", "log_level": "warning", "lanes": 2, "jobs": 1}
    ]


@pytest.mark.req("B-13")
async def test_old_rows_go_in_slices_until_none_is_left(spawn: Spawn) -> None:
    """Pruning goes on while slices are found, with a rest in between, and then takes old blobs."""
    store, clock, shelf = UpkeepStore(slices=[1000, 1000, 7]), ManualClock(), BlobShelf()
    spawn(caretaker(store, clock, blobs=shelf).run())
    for _ in range(4):
        await rest()
        clock.advance(0.02)
    await rest()
    assert store.kept == [(72 * 3600, 30 * 86400)] * 4
    assert shelf.pruned == [30 * 86400]


async def test_the_gauges_are_read_for_the_metrics_page(spawn: Spawn) -> None:
    """The page shows the newest reading without asking the store."""
    store, clock, metrics = UpkeepStore(), ManualClock(), Metrics()
    service = caretaker(store, clock, metrics=metrics)
    metrics.show_gauges(service.latest)
    assert metrics.registry.get_sample_value("posthouse_lanes_waiting") == 0
    spawn(service.run())
    await rest()
    assert metrics.registry.get_sample_value("posthouse_lanes_waiting") == 1
    clock.advance(5)
    await rest()
    assert metrics.registry.get_sample_value("posthouse_lanes_waiting") == 2


@pytest.mark.parametrize("error", [StoreUnavailable(), RuntimeError("bug")])
async def test_no_error_ends_the_caretaker(spawn: Spawn, error: Exception) -> None:
    """After an error the next round comes, and the other rounds are not disturbed."""
    store, clock = UpkeepStore(error=error), ManualClock()
    service = caretaker(store, clock)
    task = spawn(service.run())
    for _ in range(3):
        await rest()
        clock.advance(1)
    await rest()
    assert store.reaps == 4
    assert service.latest().lanes_waiting == 1
    await service.stop()
    await asyncio.wait_for(task, 20)


async def test_the_rounds_are_jittered(spawn: Spawn) -> None:
    """With the dice at their ends the second between two reaps is 0.8 to 1.2 s."""
    for roll, early, late in ((0.0, 0.79, 0.81), (1.0, 1.19, 1.21)):
        store, clock = UpkeepStore(), ManualClock()
        spawn(caretaker(store, clock, chance=lambda roll=roll: roll).run())
        await rest()
        clock.advance(early)
        await rest()
        assert store.reaps == 1
        clock.advance(late - early)
        await rest()
        assert store.reaps == 2


@pytest.mark.req("B-13")
def test_update_ids_are_remembered_at_least_two_days() -> None:
    """A shorter memory than 48 h is refused with the reason."""
    with pytest.raises(ConfigurationInvalid, match="48 h"):
        CaretakerSettings(seen_s=24 * 3600)
    with pytest.raises(ConfigurationInvalid, match="reap_every_s"):
        CaretakerSettings(reap_every_s=0)
    assert CaretakerSettings(seen_s=48 * 3600).seen_s == 48 * 3600
