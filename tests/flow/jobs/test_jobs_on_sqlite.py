"""Jobs, timers and schedules on a real database: what survives, what runs again, what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from posthouse.adapters.sqlite import SqliteSettings, SqliteStore
from posthouse.adapters.sqlite.schema import migrate
from posthouse.core.effects import Effects, JobRequest, TimerRequest
from posthouse.core.entries import Completion, Incoming, entry_id_of_job
from posthouse.core.errors import Terminal
from posthouse.core.leases import DeliverySettlement, JobLease, JobSettlement, Settlement
from posthouse.core.retry import RetryPolicy
from posthouse.ports.store import Filter
from posthouse.programs.app import App
from posthouse.programs.job import Job
from posthouse.programs.program import BotIdentity
from posthouse.runtime.caretaker import Caretaker
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.schedules import Schedules, schedules_of
from posthouse.runtime.timers import Timers
from posthouse.runtime.workers import Workers, WorkerSettings
from posthouse.testing.clock import ManualClock

BOT, CHAT = 7_000_000_001, 4001
TTL_S = 30.0
PATIENCE_S = 30


class SignallingJobs:
    """The store's jobs, with a signal after each settlement."""

    def __init__(self, jobs: Any) -> None:
        self._jobs = jobs
        self.ended: asyncio.Queue[tuple[JobSettlement, bool]] = asyncio.Queue()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jobs, name)

    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        kept: list[bool] = await self._jobs.settle(settlements)
        for end in zip(settlements, kept, strict=True):
            self.ended.put_nowait(end)
        return kept


@dataclass
class Station:
    """One database, one clock, and the services started on it."""

    store: SqliteStore
    clock: ManualClock
    app: App = field(default_factory=lambda: App("coach"))
    metrics: Metrics = field(default_factory=Metrics)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs = SignallingJobs(self.store.jobs)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    def work(self, **settings: Any) -> tuple[Workers, asyncio.Task[None]]:
        workers = Workers(
            self.jobs,  # type: ignore[arg-type]
            self.store.outbox,
            {BOT: self.app.jobs, 0: self.app.jobs},
            bots={BOT: "coach"},
            clock=self.clock,
            metrics=self.metrics,
            settings=WorkerSettings(**({"lease_ttl_s": TTL_S, "retry": RetryPolicy(base_s=10)} | settings)),
        )
        return workers, self.spawn(workers.run())

    async def enqueue(self, task: str, **fields: Any) -> int | None:
        spec = self.app.jobs.get(task)
        request = {
            "queue": spec.queue if spec else "default",
            "task": task,
            "bot_id": BOT,
            "lane": CHAT,
        } | fields
        [job_id] = await self.store.jobs.enqueue([JobRequest(**request)])
        return job_id

    async def end(self) -> tuple[JobSettlement, bool]:
        return await asyncio.wait_for(self.jobs.ended.get(), PATIENCE_S)

    async def until(self, check: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await check():  # noqa: ASYNC110 (the store has no event for every state a test waits for)
                await asyncio.sleep(0)

    async def sent(self) -> list[tuple[str, str]]:
        """Send what may be sent now; (method, text) in the order they left."""
        found = []
        while leases := await self.store.outbox.claim(16):
            found += [(lease.method, json.loads(lease.payload)["text"]) for lease in leases]
            ends = [DeliverySettlement(lease, sent=True, message_id=500 + lease.id) for lease in leases]
            await self.store.outbox.settle(ends)
        return found

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.store.close()


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    path = str(tmp_path / "posthouse.db")
    migrate(path)
    clock = ManualClock()
    store = SqliteStore(SqliteSettings(path=path), clock)
    await store.open()
    made = Station(store, clock)
    yield made
    await made.stop()


async def within(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), PATIENCE_S)


@pytest.mark.req("C1-18", "S1-45", "E1-9")
async def test_a_jobs_end_and_everything_it_asked_for_commit_together(station: Station) -> None:
    """Result, message, next job, timer, state and the entry that tells the lane are one commit."""

    @station.app.job()
    async def render(job: Job, *, size: int) -> dict[str, int]:
        job.say("ready", handle="card")
        job.enqueue(follow)
        job.after(60, "remind", data=1)
        job.write_state("card", b"7")
        return {"size": size}

    @station.app.job(queue="elsewhere")
    async def follow(job: Job) -> None: ...

    await station.store.inbox.ingest([Incoming(BOT, CHAT, 10, b'{"update_id":10}')])
    job_id = await station.enqueue("render", args=b'{"size":3}', notify=True, data=b'"x"', trace="7:77")
    assert job_id is not None
    station.work(queues={"elsewhere": 0})
    _, kept = await station.end()
    assert kept
    assert await station.sent() == [("sendMessage", "ready")]
    assert await station.store.turns.read_states(BOT, CHAT, ["card"]) == {"card": b"7"}
    [following] = await station.store.jobs.claim({"elsewhere": 1}, ttl_s=1)
    assert (following.task, following.trace) == ("follow", "7:77")
    [lease] = await station.store.turns.claim(8, 8)
    assert [entry.entry_id for entry in lease.entries] == [entry_id_of_job(job_id), 10]
    told = msgspec.json.decode(lease.entries[0].payload, type=Completion)
    assert (told.task, bytes(told.result), bytes(told.data), told.error) == (
        "render",
        b'{"size":3}',
        b'"x"',
        None,
    )
    station.clock.advance(61)
    assert (await station.store.jobs.fire_timers(8))[0] == 1


@pytest.mark.req("S1-5", "S1-46")
async def test_a_turn_queues_a_job_with_its_commit(station: Station) -> None:
    """A job that a turn asked for runs after the turn's commit, and never without it."""
    ran = asyncio.Event()

    @station.app.job()
    async def think(job: Job) -> None:
        ran.set()

    station.work()
    await station.store.inbox.ingest([Incoming(BOT, CHAT, 10, b'{"update_id":10}')])
    [lease] = await station.store.turns.claim(1, 1)
    assert not ran.is_set()
    effects = Effects(jobs=[JobRequest("default", "think", bot_id=BOT, lane=CHAT)])
    await station.store.turns.settle([Settlement(lease, [10], effects)])
    await station.end()
    assert ran.is_set()


@pytest.mark.req("S1-49", "E1-9")
async def test_a_job_of_a_killed_worker_is_taken_over(station: Station) -> None:
    """When a worker dies while a job runs, another runs it after the lease's end, counted; the dead one is
    fenced."""
    attempts: list[int] = []
    running = asyncio.Event()

    @station.app.job()
    async def long(job: Job) -> str:
        attempts.append(job.attempt)
        job.say(f"attempt {job.attempt}")
        if job.attempt == 1:
            running.set()
            await asyncio.Event().wait()
        return "done"

    job_id = await station.enqueue("long")
    assert job_id is not None
    _, killed = station.work()
    await within(running)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    zombie = JobLease(job_id, 1, "default", "long", b"{}", 1, 5, BOT, CHAT, False, b"null", "")

    station.work()
    caretaker = Caretaker(station.store.upkeep, clock=station.clock, metrics=station.metrics)
    station.clock.advance(TTL_S - 1)
    await caretaker.reap()
    assert attempts == [1]
    station.clock.advance(2)
    await caretaker.reap()
    end, kept = await station.end()
    assert (kept, end.result, attempts) == (True, b'"done"', [1, 2])
    assert await station.store.jobs.settle([JobSettlement(zombie)]) == [False]
    assert await station.sent() == [("sendMessage", "attempt 2")]
    assert station.metrics.registry.get_sample_value("posthouse_leases_reaped_total", {"what": "jobs"}) == 1


async def test_the_heartbeat_keeps_a_long_job(station: Station) -> None:
    """A job that outlives its lease many times over is run once: its worker's heartbeat keeps it (G1-12)."""
    running, go_on, runs = asyncio.Event(), asyncio.Event(), []

    @station.app.job()
    async def long(job: Job) -> None:
        runs.append(job.attempt)
        running.set()
        await go_on.wait()

    beats = asyncio.Semaphore(0)
    extend = station.store.jobs.extend

    async def extend_and_tell(*args: Any, **options: Any) -> Any:
        answer = await extend(*args, **options)
        beats.release()
        return answer

    station.jobs.extend = extend_and_tell  # type: ignore[attr-defined]
    await station.enqueue("long")
    station.work()
    await within(running)
    for _ in range(12):
        station.clock.advance(TTL_S / 3)
        await asyncio.wait_for(beats.acquire(), PATIENCE_S)
        assert (await station.store.upkeep.reap()).jobs == 0
    go_on.set()
    assert (await station.end())[1] is True
    assert runs == [1]


async def test_a_failed_job_runs_again_and_then_dies_for_all_to_see(station: Station) -> None:
    """After its back-off a job runs again; used up, it lies among the dead letters, tells its lane, and can
    be replayed."""
    attempts: list[int] = []

    @station.app.job(attempts_max=2)
    async def flaky(job: Job) -> None:
        attempts.append(job.attempt)
        job.say("never seen")
        raise ValueError("no model")

    await station.enqueue("flaky", notify=True, attempts_max=2)
    station.work()
    assert (await station.end())[0].delay_s is not None
    station.clock.advance(11)
    assert (await station.end())[0].reason == "exhausted"
    [row] = await station.store.desk.list("dead", Filter())
    assert (row.kind, row.what, row.reason, row.attempts) == ("job", "flaky", "exhausted", 2)
    assert row.error.endswith("ValueError: no model")
    [lease] = await station.store.turns.claim(8, 8)
    told = msgspec.json.decode(lease.entries[0].payload, type=Completion)
    assert "no model" in (told.error or "")
    assert await station.sent() == []
    assert await station.store.desk.replay([row.id]) == [row.id]
    await station.end()
    assert attempts == [1, 2, 1]


async def test_terminal_dies_at_once(station: Station) -> None:
    """A job that says it is hopeless is buried with its own reason."""

    @station.app.job()
    async def hopeless(job: Job) -> None:
        raise Terminal("no such voice", reason="bad_request")

    await station.enqueue("hopeless")
    station.work()
    await station.end()
    [row] = await station.store.desk.list("dead", Filter())
    assert (row.reason, row.attempts) == ("bad_request", 1)


@pytest.mark.req("S1-6", "C1-25")
async def test_a_unique_key_runs_once_at_a_time(station: Station) -> None:
    """While a job of a key runs another is not queued; afterwards the key is free."""
    running, go_on, runs = asyncio.Event(), asyncio.Event(), []

    @station.app.job()
    async def once(job: Job) -> None:
        runs.append(job.id)
        running.set()
        await go_on.wait()

    first = await station.enqueue("once", unique_key="k")
    station.work()
    await within(running)
    assert await station.enqueue("once", unique_key="k") is None
    go_on.set()
    await station.end()
    second = await station.enqueue("once", unique_key="k")
    await station.end()
    assert runs == [first, second]


async def test_an_operator_cancels_a_running_job(station: Station) -> None:
    """At the next heartbeat a cancelled job is stopped where it waits; nothing of it is written, and it never
    returns."""
    running, stopped = asyncio.Event(), asyncio.Event()

    @station.app.job()
    async def long(job: Job) -> None:
        job.say("never seen")
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    job_id = await station.enqueue("long")
    assert job_id is not None
    station.work()
    await within(running)
    assert await station.store.desk.cancel_job(job_id)
    station.clock.advance(TTL_S / 3)
    await within(stopped)
    end, _ = await station.end()
    assert end.reason == "cancelled"
    station.clock.advance(1000)
    await station.store.upkeep.reap()
    assert await station.store.jobs.claim({"default": 4}, ttl_s=1) == []
    assert await station.sent() == []


async def test_a_paused_queue_waits_and_then_goes_on(station: Station) -> None:
    """A paused queue starts nothing; let go, it starts by itself."""
    ran = asyncio.Event()

    @station.app.job(queue="gpu")
    async def draw(job: Job) -> None:
        ran.set()

    @station.app.job()
    async def other(job: Job) -> None: ...

    await station.store.desk.pause_queue("gpu", True)
    await station.enqueue("draw")
    await station.enqueue("other")
    station.work()
    assert (await station.end())[0].lease.task == "other"
    assert not ran.is_set()
    await station.store.desk.pause_queue("gpu", False)
    await station.end()
    assert ran.is_set()


async def test_the_urgent_run_first(station: Station) -> None:
    """With one slot jobs run by priority, and in order within one."""
    order: list[int] = []

    @station.app.job()
    async def note(job: Job, *, n: int) -> None:
        order.append(n)

    for n, priority in enumerate((2, 1, 0, 1, 3)):
        await station.enqueue("note", priority=priority, args=json.dumps({"n": n}).encode())
    station.work(concurrency=1)
    for _ in range(5):
        await station.end()
    assert order == [2, 1, 3, 0, 4]


async def test_a_delayed_job_starts_when_it_is_due(station: Station) -> None:
    """A job for later starts by itself at its time, not before."""
    ran = asyncio.Event()

    @station.app.job()
    async def later(job: Job) -> None:
        ran.set()

    await station.enqueue("later", delay_s=50)
    station.work()

    async def asleep() -> bool:
        return station.clock.sleepers >= 2  # the heartbeat, and `ready` until the job is due

    await station.until(asleep)
    station.clock.advance(49)
    await station.until(asleep)
    assert not ran.is_set()
    station.clock.advance(2)
    await within(ran)


@pytest.mark.req("C1-13")
async def test_progress_reaches_the_chat_while_the_job_runs(station: Station) -> None:
    """The first text is sent at once, later ones edit that message, and the job's own end comes after
    them."""
    shown, go_on = asyncio.Event(), asyncio.Event()

    @station.app.job()
    async def steps(job: Job) -> None:
        await job.progress("1 of 3")
        shown.set()
        await go_on.wait()
        await job.progress("2 of 3")
        await job.progress("3 of 3")
        job.edit(job.progress_handle, "done")

    job_id = await station.enqueue("steps")
    station.work()
    await within(shown)
    texts: list[tuple[str, str]] = []

    async def arrived() -> bool:
        texts.extend(await station.sent())
        return bool(texts)

    await station.until(arrived)
    assert texts == [("sendMessage", "1 of 3")]
    assert await station.store.outbox.message_id(BOT, CHAT, f"job-{job_id}") is not None
    go_on.set()
    await station.end()
    for _ in range(3):
        station.clock.advance(10)
        texts += await station.sent()
    assert texts[1:] == [("editMessageText", "3 of 3"), ("editMessageText", "done")]


@pytest.mark.req("S1-48")
async def test_a_stopped_workers_job_goes_on_elsewhere_at_once(station: Station) -> None:
    """A graceful stop gives an unfinished job back without waiting for its lease, and the try is not counted."""
    running = asyncio.Event()

    @station.app.job()
    async def long(job: Job) -> int:
        if not running.is_set():
            running.set()
            await asyncio.Event().wait()
        return job.attempt

    await station.enqueue("long")
    workers, task = station.work()
    await within(running)
    stopping = station.spawn(workers.stop(5))

    async def waiting() -> bool:
        return station.clock.sleepers >= 2

    await station.until(waiting)
    station.clock.advance(5)
    assert (await station.end())[0].delay_s == 0.0
    await asyncio.wait_for(stopping, PATIENCE_S)
    await asyncio.wait_for(task, PATIENCE_S)
    station.work()
    assert (await station.end())[0].result == b"1"


@pytest.mark.req("S1-50", "E1-13")
async def test_five_chats_are_answered_by_the_workers(station: Station) -> None:
    """Five slow jobs of five chats run at once; each chat gets its own answer."""
    together = asyncio.Barrier(5)

    @station.app.job(queue="model")
    async def ask(job: Job) -> None:
        await together.wait()
        job.say(f"answer for {job.lane}")

    for lane in range(1, 6):
        await station.enqueue("ask", lane=lane)
    station.work(queues={"model": 5})
    for _ in range(5):
        await station.end()
    assert sorted(text for _, text in await station.sent()) == [f"answer for {lane}" for lane in range(1, 6)]


# -- timers and schedules ------------------------------------------------------------------------------------


async def test_a_due_timer_comes_into_its_lane(station: Station) -> None:
    """A timer that a turn committed becomes an entry of its lane at its time, once."""
    timers = Timers(station.store.jobs, clock=station.clock, metrics=station.metrics)
    station.spawn(timers.run())
    await station.store.inbox.ingest([Incoming(BOT, CHAT, 10, b'{"update_id":10}')])
    [lease] = await station.store.turns.claim(1, 1)
    wanted = TimerRequest(BOT, CHAT, 0.2, b'{"event":"timer","name":"remind"}')
    await station.store.turns.settle([Settlement(lease, [10], Effects(timers=[wanted]))])
    timers.nudge()
    assert await station.store.turns.claim(1, 1) == []

    async def asleep() -> bool:
        return station.clock.sleepers >= 1

    async def fired() -> bool:
        station.clock.advance(0.3)
        await station.until(asleep)
        return bool(leases.extend(await station.store.turns.claim(1, 1)) or leases)

    leases: list[Any] = []
    await station.until(fired)
    assert leases[0].entries[0].payload == wanted.payload
    assert station.metrics.registry.get_sample_value("posthouse_timers_fired_total") == 1


@pytest.mark.req("S1-49")
async def test_a_schedule_runs_its_job_once_over_all_processes(station: Station) -> None:
    """Two processes watch one schedule; each firing runs one job, in the bot's name."""
    fired: list[tuple[int, str]] = []

    @station.app.cron("* * * * *")
    @station.app.job()
    async def sweep(job: Job) -> None:
        fired.append((job.bot_id, job.trace))

    found = schedules_of(station.app, [BotIdentity("coach", BOT, "t")])
    for _ in range(2):
        station.spawn(Schedules(station.store.jobs, found, clock=station.clock, metrics=station.metrics).run())
    station.work()

    async def asleep() -> bool:
        return station.clock.sleepers >= 3

    await station.until(asleep)
    minute = 60 - station.clock.now() % 60
    for seconds in (minute, 60):
        station.clock.advance(seconds)
        await station.end()
        await station.until(asleep)
    assert [bot for bot, _ in fired] == [BOT, BOT]
    assert len(set(fired)) == 2
    assert station.jobs.ended.empty()
