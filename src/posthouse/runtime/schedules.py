"""Schedules: cron expressions that queue a job, once per firing over all processes.

    due_firings   pure: which firings between the last one and now are to be run
    Schedules     the loop: asks it each second; `Jobs.fire_cron` elects one process for each firing

Any number of processes may run the loop; the store lets each (name, moment) happen once. A schedule never
seen before starts from now: nothing that lies before its first deploy is run. Daylight saving follows
Debian's cron (cronsim): a fixed time in the hour that is skipped runs when the hour has been skipped, one in
the hour that comes twice runs the first time; what runs each hour or each few minutes goes by elapsed time.

Deliberately absent: a leader. Electing per firing needs no lease and cannot stop with one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from cronsim import CronSim

from posthouse.core.effects import JobRequest
from posthouse.core.errors import ConfigurationInvalid, StoreUnavailable
from posthouse.ports.clock import Clock
from posthouse.ports.store import Cron, Jobs
from posthouse.programs.program import BotIdentity, CronSpec, JobSpec, Program
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.timers import first_of

log = structlog.get_logger("posthouse.schedules")

CATCH_UP_MAX = 1_000  # `all` runs at most this many missed firings, the newest ones
ON_TIME_S = 60.0  # `none` still runs a firing that is no later than this


def next_after(spec: CronSpec, moment: float) -> float | None:
    """The first firing later than `moment` (epoch seconds), or None when there is none in fifty years."""
    # cronsim forgets which of two equal wall-clock times it started from and may begin an hour early.
    for fires in CronSim(spec.expression, datetime.fromtimestamp(moment, ZoneInfo(spec.timezone))):
        if (found := fires.timestamp()) > moment:
            return found
    return None


def due_firings(spec: CronSpec, last_fired: float, now: float, catch_up: str) -> list[float]:
    """The firings in (last_fired, now] that are to be run, oldest first.

    `latest` gives the newest; `all` gives each, of more than 1,000 the newest 1,000; `none` gives the newest
    if it is not more than a minute late."""
    first = next_after(spec, last_fired)
    if first is None or first > now:
        return []
    if catch_up == "all":
        return _newest_of_all(spec, last_fired, now)
    newest = _newest(spec, first, now)
    return [] if catch_up == "none" and now - newest > ON_TIME_S else [newest]


def _newest(spec: CronSpec, first: float, now: float) -> float:
    """The newest firing up to `now`, given one: by halving, for there may be millions since `first`."""
    newest, after = first, now
    while after - newest > 1:
        middle = (newest + after) // 2
        found = next_after(spec, middle)
        if found is not None and found <= now:
            newest = found
        else:
            after = middle
    found = next_after(spec, newest)  # the last second: `after` itself may fire
    return newest if found is None or found > now else found


def _newest_of_all(spec: CronSpec, last_fired: float, now: float) -> list[float]:
    """The newest firings, at most 1,000, walked in a window that grows backwards until it holds enough."""
    window_s = float(CATCH_UP_MAX)
    while True:
        start = max(last_fired, now - window_s)
        found = list(_between(spec, start, now))
        if len(found) >= CATCH_UP_MAX or start == last_fired:
            return found[-CATCH_UP_MAX:]
        window_s *= 4


def _between(spec: CronSpec, start: float, end: float) -> Iterator[float]:
    found = next_after(spec, start)
    while found is not None and found <= end:
        yield found
        found = next_after(spec, found)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One cron line at work: its spec, the job it queues, and the bot in whose name the job runs (0 =
    none)."""

    spec: CronSpec
    job: JobSpec
    bot_id: int = 0

    def firing(self, fire_at: float) -> Cron:
        trace = f"cron:{self.spec.name}@{fire_at:.0f}"
        request = JobRequest(
            self.job.queue, self.job.task, attempts_max=self.job.attempts_max, bot_id=self.bot_id, trace=trace
        )
        return Cron(self.spec.name, fire_at, request)


def schedules_of(program: Program, bots: Sequence[BotIdentity]) -> list[Schedule]:
    """The schedules of a program: each fires once, and its job speaks as the first of the bots."""
    bot_id = bots[0].bot_id if bots else 0
    found = []
    for spec in program.crons.values():
        job = program.jobs.get(spec.task)
        if job is None:
            raise ConfigurationInvalid(
                f"schedule {spec.name} queues the job {spec.task!r}, which its program does not declare"
            )
        found.append(Schedule(spec, job, bot_id))
    return found


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """How schedules are watched. Times in seconds."""

    tick_s: float = 1.0  # how late a firing may be noticed


class Schedules:
    """Queues the jobs of due schedules until it is stopped."""

    def __init__(
        self,
        jobs: Jobs,
        schedules: Iterable[Schedule],
        *,
        clock: Clock,
        metrics: Metrics,
        settings: ScheduleSettings | None = None,
    ) -> None:
        self._jobs = jobs
        self._schedules = _by_name(schedules)
        self._clock = clock
        self._metrics = metrics
        self._settings = settings or ScheduleSettings()
        self._fired: dict[str, float] | None = None
        self._next: dict[str, float] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Watch the schedules until `stop`. What the store cannot do now is tried again."""
        started_at = self._clock.now()
        while self._schedules and not self._stopping.is_set():
            try:
                await self._tick(started_at)
            except StoreUnavailable as error:
                log.warning("schedules.postponed", error=str(error))
            except Exception:
                log.exception("schedules.failed")
            await first_of(self._clock.sleep(self._settings.tick_s), self._stopping.wait())

    async def stop(self, deadline_s: float = 0.0) -> None:
        """Fire no more. A commit on its way is finished by `run`."""
        self._stopping.set()

    async def _tick(self, started_at: float) -> None:
        if self._fired is None:
            known = await self._jobs.last_fired(list(self._schedules))
            self._fired = dict.fromkeys(self._schedules, started_at) | known
        now = self._clock.now()
        due = self._due(self._fired, now)
        if not due:
            return
        for firing, won in zip(due, await self._jobs.fire_cron(due), strict=True):
            self._fired[firing.name] = firing.fire_at
            self._next.pop(firing.name, None)
            if won:
                self._metrics.cron_fired.labels(firing.name).inc()
                log.info("schedule.fired", name=firing.name, fire_at=firing.fire_at, trace=firing.request.trace)

    def _due(self, fired: Mapping[str, float], now: float) -> list[Cron]:
        due: list[Cron] = []
        for name, schedule in self._schedules.items():
            if name not in self._next:  # the usual tick compares two numbers and never parses an expression
                self._next[name] = next_after(schedule.spec, fired[name]) or float("inf")
            if self._next[name] > now:
                continue
            moments = due_firings(schedule.spec, fired[name], now, schedule.spec.catch_up)
            due += [schedule.firing(moment) for moment in moments]
            if not moments:  # `none`: missed and not wanted any more
                log.info("schedule.skipped", name=name, missed_at=self._next[name])
                self._next[name] = next_after(schedule.spec, now) or float("inf")
        return due


def _by_name(schedules: Iterable[Schedule]) -> dict[str, Schedule]:
    found: dict[str, Schedule] = {}
    for schedule in schedules:
        name = schedule.spec.name
        if name in found:
            raise ConfigurationInvalid(f'two schedules are called {name!r}: give one @app.cron(…, name="…")')
        found[name] = schedule
    return found
