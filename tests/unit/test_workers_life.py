"""Workers against a scripted `Jobs`: what becomes of one attempt, whatever the function does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from posthouse.core.effects import Effects, Outgoing
from posthouse.core.errors import ConfigurationInvalid, Retryable, StoreUnavailable, Terminal
from posthouse.core.leases import JobLease, JobSettlement
from posthouse.core.retry import RetryPolicy
from posthouse.programs.actions import Actions
from posthouse.programs.app import App
from posthouse.programs.job import Job
from posthouse.programs.program import JobSpec
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.workers import Workers, WorkerSettings, judge, result_of, tail_of
from posthouse.testing.clock import ManualClock

BOT, CHAT = 7_000_000_001, 4001
TTL_S = 30.0


class ScriptedJobs:
    """A `Jobs` that gives out what a test offers and keeps what the workers settle."""

    def __init__(self) -> None:
        self.waiting: list[JobLease] = []
        self.gone: set[int] = set()
        self.extended: list[list[int]] = []
        self.ends: asyncio.Queue[JobSettlement] = asyncio.Queue()
        self.batches: list[int] = []
        self.refuse: Callable[[Sequence[JobSettlement]], None] = lambda batch: None
        self.claims: list[dict[str, int]] = []
        self.fenced: set[int] = set()
        self._wake = asyncio.Event()

    def offer(self, *leases: JobLease) -> None:
        self.waiting += leases
        self._wake.set()

    async def ready(self) -> None:
        await self._wake.wait()

    async def claim(self, queues: dict[str, int], *, ttl_s: float) -> list[JobLease]:
        self._wake.clear()
        self.claims.append(dict(queues))
        taken = []
        for lease in list(self.waiting):
            if queues.get(lease.queue, 0) > sum(t.queue == lease.queue for t in taken):
                taken.append(lease)
                self.waiting.remove(lease)
        return taken

    async def extend(self, leases: Sequence[JobLease], *, ttl_s: float) -> list[JobLease]:
        self.extended.append([lease.id for lease in leases])
        return [lease for lease in leases if lease.id in self.gone]

    async def settle(self, settlements: Sequence[JobSettlement]) -> list[bool]:
        self.refuse(settlements)
        self.batches.append(len(settlements))
        for settlement in settlements:
            self.ends.put_nowait(settlement)
        return [settlement.lease.id not in self.fenced for settlement in settlements]


class ScriptedOutbox:
    """An `Outbox` that keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[Outgoing] = []
        self.sent: int | None = None
        self.broken = False

    async def post(self, deliveries: Sequence[Outgoing]) -> None:
        if self.broken:
            raise StoreUnavailable
        self.posted += deliveries

    async def message_id(self, bot_id: int, chat: int, handle: str) -> int | None:
        return self.sent

    @property
    def texts(self) -> list[tuple[str, str]]:
        return [(delivery.method, json.loads(delivery.payload)["text"]) for delivery in self.posted]


@dataclass
class Bench:
    """Workers on a bench: `start` makes them, `end` waits for the next settlement."""

    app: App
    jobs: ScriptedJobs
    outbox: ScriptedOutbox
    clock: ManualClock
    metrics: Metrics
    running: list[tuple[Workers, asyncio.Task[None]]]
    ids: int = 0

    def start(self, **options: Any) -> Workers:
        fields = {"lease_ttl_s": TTL_S, "halt_grace_s": 5.0} | options.pop("settings", {})
        workers = Workers(
            self.jobs,  # type: ignore[arg-type]
            self.outbox,  # type: ignore[arg-type]
            {BOT: self.app.jobs},
            bots={BOT: "coach"},
            clock=self.clock,
            metrics=self.metrics,
            settings=WorkerSettings(**fields),
            **options,
        )
        self.running.append((workers, asyncio.create_task(workers.run())))
        return workers

    def lease(self, task: str, **fields: Any) -> JobLease:
        self.ids += 1
        spec = self.app.jobs.get(task)
        plain: dict[str, Any] = {
            "id": self.ids, "token": 1, "queue": spec.queue if spec else "default", "task": task,
            "args": b"{}", "attempts": 1, "attempts_max": 3, "bot_id": BOT, "lane": CHAT,
            "notify": False, "data": b"null", "trace": f"{BOT}:77",
        }  # fmt: skip
        return JobLease(**(plain | fields))

    async def end(self) -> JobSettlement:
        return await asyncio.wait_for(self.jobs.ends.get(), 20)

    async def run(self, task: str, **fields: Any) -> JobSettlement:
        self.jobs.offer(self.lease(task, **fields))
        return await self.end()

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench(App("coach"), ScriptedJobs(), ScriptedOutbox(), ManualClock(), Metrics(), [])
    yield made
    for _, task in made.running:
        task.cancel()
    await asyncio.gather(*(task for _, task in made.running), return_exceptions=True)


async def rest() -> None:
    """Let every task that can go on go on."""
    for _ in range(40):
        await asyncio.sleep(0)


class Gate:
    """Holds a job until the test opens it; works from threads too."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.thread_open = threading.Event()

    async def pass_(self) -> None:
        self.entered.set()
        await self.open.wait()

    def pass_in_thread(self) -> None:
        self.loop.call_soon_threadsafe(self.entered.set)
        assert self.thread_open.wait(20)


# -- how an attempt ends -------------------------------------------------------------------------------------


@pytest.mark.req("S1-45", "C1-18")
async def test_a_result_and_its_effects_are_settled_together(bench: Bench) -> None:
    """What an async job returned and what it asked for are one settlement."""

    @bench.app.job()
    async def render(job: Job, *, size: int) -> dict[str, int]:
        job.say("done")
        return {"size": size, "attempt": job.attempt}

    bench.start()
    end = await bench.run("render", args=b'{"size":3}', attempts=2)
    assert json.loads(end.result) == {"size": 3, "attempt": 2}
    assert (end.delay_s, end.reason) == (None, None)
    [delivery] = end.effects.deliveries
    assert (delivery.bot_id, delivery.chat, delivery.trace) == (BOT, CHAT, f"{BOT}:77")
    assert delivery.cause == -end.lease.id
    await rest()
    assert bench.count("posthouse_jobs_total", queue="default", task="render", outcome="finished") == 1
    assert bench.count("posthouse_job_seconds_count", task="render") == 1


async def test_a_sync_job_runs_in_a_thread(bench: Bench) -> None:
    """A plain function runs beside the event loop and its result is settled."""
    loop_thread = threading.get_ident()

    @bench.app.job()
    def crunch(job: Job) -> bool:
        job.say("crunched")
        return threading.get_ident() != loop_thread

    bench.start()
    end = await bench.run("crunch")
    assert end.result == b"true"
    assert len(end.effects.deliveries) == 1


async def test_an_async_job_behind_a_plain_wrapper_is_awaited(bench: Bench) -> None:
    """A function that turns out to return a coroutine has it awaited."""

    async def inner(job: Job) -> int:
        return 7

    bench.app.jobs["odd"] = JobSpec("odd", lambda job: inner(job))
    bench.start()
    assert (await bench.run("odd")).result == b"7"


@pytest.mark.req("S1-45")
async def test_an_exception_is_retried_with_back_off(bench: Bench) -> None:
    """A job that raised runs again later, with nothing of what it asked for."""

    @bench.app.job()
    async def flaky(job: Job) -> None:
        job.say("half")
        raise ValueError("busy")

    bench.start(settings={"retry": RetryPolicy(base_s=8.0)})
    with capture_logs() as lines:
        end = await bench.run("flaky", attempts=2)
        await rest()
    assert end.delay_s is not None
    assert 8 <= end.delay_s <= 16
    assert end.effects == Effects()
    assert end.error.endswith("ValueError: busy")
    [line] = [line for line in lines if line["event"] == "job.retried"]
    assert (line["trace"], line["error"], line["attempt"]) == (f"{BOT}:77", "ValueError: busy", 2)


async def test_a_job_says_when_to_try_again(bench: Bench) -> None:
    """`Retryable.retry_after_s` replaces the back-off."""

    @bench.app.job()
    async def patient(job: Job) -> None:
        raise Retryable("rate limited", retry_after_s=42)

    bench.start()
    assert (await bench.run("patient")).delay_s == 42


@pytest.mark.req("S1-45", "S2-34")
async def test_the_last_attempt_dies(bench: Bench) -> None:
    """A job whose attempts are used up becomes a dead letter with the traceback's tail."""

    @bench.app.job()
    def broken(job: Job) -> None:
        raise KeyError("missing")

    bench.start()
    with capture_logs() as lines:
        end = await bench.run("broken", attempts=3)
        await rest()
    assert (end.reason, end.delay_s) == ("exhausted", None)
    assert "Traceback" in end.error
    assert end.error.endswith("KeyError: 'missing'")
    assert [line["reason"] for line in lines if line["event"] == "job.died"] == ["exhausted"]
    assert bench.count("posthouse_dead_letters_total", bot="coach", what="job", reason="exhausted") == 1


async def test_terminal_dies_at_once_with_its_reason(bench: Bench) -> None:
    """`Terminal` buries the job on its first attempt."""

    @bench.app.job()
    async def hopeless(job: Job) -> None:
        raise Terminal("no such voice", reason="bad_request")

    bench.start()
    end = await bench.run("hopeless")
    assert (end.reason, end.error.rsplit("\n", 1)[-1]) == (
        "bad_request",
        "posthouse.core.errors.Terminal: no such voice",
    )


async def test_an_unknown_task_waits_for_a_deploy_and_then_dies(bench: Bench) -> None:
    """A task nobody declares is retried with patience, and dies as `unknown_task`."""
    bench.start(settings={"unknown_task_delay_s": 60.0})
    with capture_logs() as lines:
        end = await bench.run("from_tomorrow")
    assert end.delay_s is not None
    assert 30 <= end.delay_s <= 60
    assert any("@app.job('from_tomorrow')" in str(line.get("error")) for line in lines)
    end = await bench.run("from_tomorrow", attempts=3)
    assert end.reason == "unknown_task"


async def test_a_result_that_is_not_json_dies_without_another_run(bench: Bench) -> None:
    """Running a job again would not make its result writable."""

    @bench.app.job()
    async def odd(job: Job) -> object:
        return object()

    bench.start()
    assert (await bench.run("odd")).reason == "result_not_json"


async def test_an_attempt_that_killed_its_process_is_not_run_for_ever(bench: Bench) -> None:
    """A job that comes back with more attempts than it may have dies without running."""
    runs = []

    @bench.app.job()
    async def poison(job: Job) -> None:
        runs.append(job.attempt)

    bench.start()
    assert (await bench.run("poison", attempts=4)).reason == "exhausted"
    assert runs == []


@pytest.mark.parametrize("error", [SystemExit(3), StopIteration("x"), asyncio.CancelledError(), KeyboardInterrupt()])
async def test_no_exception_of_a_thread_reaches_the_loop(bench: Bench, error: BaseException) -> None:
    """A sync job that raises what would end an event loop is retried like any other."""

    @bench.app.job()
    def rude(job: Job) -> None:
        raise error

    bench.start()
    assert (await bench.run("rude")).delay_s is not None
    assert (await bench.run("rude")).delay_s is not None


async def test_sys_exit_in_an_async_job_is_retried(bench: Bench) -> None:
    """`sys.exit` in a job ends the attempt and not the platform."""

    @bench.app.job()
    async def rude(job: Job) -> None:
        raise SystemExit(1)

    bench.start()
    assert "sys.exit" in (await bench.run("rude")).error


async def test_an_async_job_that_cancels_itself_is_retried(bench: Bench) -> None:
    """A stray cancellation inside a job is a failure of the job."""

    @bench.app.job()
    async def odd(job: Job) -> None:
        raise asyncio.CancelledError

    bench.start()
    assert (await bench.run("odd")).delay_s is not None


async def test_a_job_of_no_bot_cannot_send(bench: Bench) -> None:
    """A message that no bot would ever send dies visibly instead of waiting for ever."""

    @bench.app.job()
    async def lost(job: Job) -> None:
        job.say("hello", chat_id=5)

    workers = bench.start()
    workers._specs = {0: bench.app.jobs}
    assert (await bench.run("lost", bot_id=0, lane=0)).reason == "no_bot"


async def test_uploads_are_stowed_before_the_settlement(bench: Bench) -> None:
    """`stow` sees the job before its end is settled, and its failure is the job's."""
    seen: list[Actions] = []

    async def stow(actions: Actions) -> None:
        assert bench.jobs.ends.empty()
        seen.append(actions)
        if len(seen) == 2:
            raise OSError("disk full")

    @bench.app.job()
    async def report(job: Job) -> None:
        job.document(b"%PDF", filename="a.pdf")

    bench.start(stow=stow)
    assert len((await bench.run("report")).effects.deliveries) == 1
    failed = await bench.run("report")
    assert failed.error.endswith("OSError: disk full")
    assert failed.effects == Effects()


# -- heartbeat, timeout, cancel ------------------------------------------------------------------------------


@pytest.mark.req("S1-49")
async def test_the_heartbeat_comes_each_third_of_the_lease(bench: Bench) -> None:
    """A running job's lease is extended each ttl/3, and an idle worker extends nothing."""
    gate = Gate()

    @bench.app.job()
    async def long(job: Job) -> None:
        await gate.pass_()

    bench.start()
    bench.jobs.offer(bench.lease("long"))
    await gate.entered.wait()
    for _ in range(3):
        bench.clock.advance(TTL_S / 3)
        await rest()
    assert bench.jobs.extended == [[1], [1], [1]]
    gate.open.set()
    await bench.end()
    await rest()
    bench.clock.advance(TTL_S / 3)
    await rest()
    assert len(bench.jobs.extended) == 3


async def test_a_cancelled_async_job_is_cancelled(bench: Bench) -> None:
    """A job whose heartbeat is refused is cancelled where it waits and settled as cancelled."""
    gate, cleaned = Gate(), []

    @bench.app.job()
    async def long(job: Job) -> None:
        try:
            await gate.pass_()
        finally:
            cleaned.append(job.cancelled)

    bench.start()
    bench.jobs.gone.add(1)
    bench.jobs.offer(bench.lease("long"))
    await gate.entered.wait()
    with capture_logs() as lines:
        bench.clock.advance(TTL_S / 3)
        end = await bench.end()
        await rest()
    assert (end.reason, end.effects) == ("cancelled", Effects())
    assert cleaned == [True]
    assert "job.cancelled" in [line["event"] for line in lines]


async def test_a_cancelled_sync_job_sees_it(bench: Bench) -> None:
    """A sync job finds `job.cancelled` set and its result is not kept."""
    gate, seen = Gate(), []

    @bench.app.job()
    def long(job: Job) -> str:
        gate.pass_in_thread()
        seen.append(job.cancelled)
        return "late"

    bench.start()
    bench.jobs.gone.add(1)
    bench.jobs.offer(bench.lease("long"))
    await gate.entered.wait()
    bench.clock.advance(TTL_S / 3)
    await rest()
    gate.thread_open.set()
    assert (await bench.end()).reason == "cancelled"
    assert seen == [True]


async def test_a_lost_lease_counts_as_fenced(bench: Bench) -> None:
    """What the store refuses because the lease was lost is counted and told as lost."""

    @bench.app.job()
    async def slow(job: Job) -> None:
        pass

    bench.start()
    bench.jobs.fenced.add(1)
    with capture_logs() as lines:
        await bench.run("slow")
        await rest()
    assert "job.lost" in [line["event"] for line in lines]
    assert bench.count("posthouse_finish_stale_total", what="job") == 1


async def test_a_timeout_ends_the_attempt(bench: Bench) -> None:
    """An attempt that runs longer than `timeout_s` is cancelled and retried."""
    gate = Gate()

    @bench.app.job(timeout_s=7)
    async def slow(job: Job) -> None:
        await gate.pass_()

    bench.start()
    bench.jobs.offer(bench.lease("slow"))
    await gate.entered.wait()
    await rest()
    bench.clock.advance(7)
    end = await bench.end()
    assert end.delay_s is not None
    assert "ran longer than its timeout_s of 7" in end.error


async def test_a_sync_job_that_overruns_is_abandoned_and_keeps_its_slot(bench: Bench) -> None:
    """A thread cannot be killed: the attempt is settled after the grace, and the slot stays taken
    meanwhile."""
    gate = Gate()

    @bench.app.job(timeout_s=7)
    def stuck(job: Job) -> None:
        gate.pass_in_thread()

    bench.start(settings={"concurrency": 1})
    bench.jobs.offer(bench.lease("stuck"), bench.lease("stuck"))
    await gate.entered.wait()
    await rest()
    bench.clock.advance(7)
    await rest()
    bench.clock.advance(5)
    assert "timeout_s" in (await bench.end()).error
    await rest()
    assert len(bench.jobs.waiting) == 1
    gate.thread_open.set()
    assert (await bench.end()).result == b"null"


async def test_work_that_ends_within_the_grace_of_a_timeout_is_kept(bench: Bench) -> None:
    """A sync job that reacts to its timeout by returning has its result kept: doing it again would be
    worse."""
    gate = Gate()

    @bench.app.job(timeout_s=7)
    def almost(job: Job) -> str:
        gate.pass_in_thread()
        return "partial" if job.cancelled else "whole"

    bench.start()
    bench.jobs.offer(bench.lease("almost"))
    await gate.entered.wait()
    await rest()
    bench.clock.advance(7)
    await rest()
    gate.thread_open.set()
    assert (await bench.end()).result == b'"partial"'


# -- concurrency and stopping --------------------------------------------------------------------------------


@pytest.mark.req("C1-12")
async def test_each_queue_has_its_own_slots(bench: Bench) -> None:
    """A full queue does not hold up another, and a freed slot is filled at once."""
    gate, running = Gate(), []

    @bench.app.job(queue="slow")
    async def slow(job: Job) -> None:
        running.append(job.id)
        await gate.pass_()

    @bench.app.job(queue="fast")
    async def fast(job: Job) -> str:
        return "fast"

    bench.start(settings={"queues": {"slow": 2}})
    bench.jobs.offer(*(bench.lease("slow") for _ in range(5)), bench.lease("fast"))
    assert (await bench.end()).result == b'"fast"'
    await rest()
    assert running == [1, 2]
    assert bench.jobs.claims[0] == {"default": 4, "fast": 4, "slow": 2}
    gate.open.set()
    for _ in range(5):
        await bench.end()
    assert running == [1, 2, 3, 4, 5]


async def test_a_queue_of_no_slots_is_left_to_other_processes(bench: Bench) -> None:
    """`[jobs.queues] name = 0` claims nothing from the queue."""

    @bench.app.job(queue="gpu")
    async def draw(job: Job) -> None: ...

    bench.start(settings={"queues": {"gpu": 0, "extra": 1}})
    await rest()
    assert bench.jobs.claims == [{"default": 4, "extra": 1}]


async def test_ends_that_come_together_settle_together(bench: Bench) -> None:
    """What ended during one commit is settled by the next one, in a batch."""
    gate = Gate()

    @bench.app.job()
    async def short(job: Job) -> None:
        await gate.pass_()

    bench.start(settings={"concurrency": 8})
    bench.jobs.offer(*(bench.lease("short") for _ in range(8)))
    await gate.entered.wait()
    await rest()
    gate.open.set()
    for _ in range(8):
        await bench.end()
    assert len(bench.jobs.batches) < 8
    assert sum(bench.jobs.batches) == 8


async def test_threads_are_bounded(bench: Bench) -> None:
    """No more sync jobs run at once than there may be threads; a timeout counts from the start of the
    function."""
    gate, at_once, most = Gate(), [0], []

    @bench.app.job(timeout_s=1)
    def work(job: Job) -> None:
        at_once[0] += 1
        most.append(at_once[0])
        gate.pass_in_thread()
        at_once[0] -= 1

    bench.start(settings={"threads_max": 1})
    bench.jobs.offer(*(bench.lease("work") for _ in range(3)))
    await gate.entered.wait()
    await rest()
    gate.thread_open.set()
    assert [(await bench.end()).result for _ in range(3)] == [b"null"] * 3
    assert most == [1, 1, 1]


async def test_stop_lets_running_jobs_finish(bench: Bench) -> None:
    """After `stop` nothing is claimed, and what ends before the deadline is settled as ever."""
    gate = Gate()

    @bench.app.job()
    async def long(job: Job) -> str:
        await gate.pass_()
        return "whole"

    workers = bench.start()
    bench.jobs.offer(bench.lease("long"))
    await gate.entered.wait()
    stopping = asyncio.create_task(workers.stop(30))
    await rest()
    bench.jobs.offer(bench.lease("long"))
    await rest()
    gate.open.set()
    assert (await bench.end()).result == b'"whole"'
    await asyncio.wait_for(stopping, 20)
    await asyncio.wait_for(bench.running[0][1], 20)
    assert len(bench.jobs.waiting) == 1


@pytest.mark.req("S1-48")
async def test_stop_gives_back_what_is_not_done_by_the_deadline(bench: Bench) -> None:
    """At the deadline a running job is halted and settled to run again at once, elsewhere."""
    gate = Gate()

    @bench.app.job()
    async def long(job: Job) -> None:
        await gate.pass_()

    workers = bench.start()
    bench.jobs.offer(bench.lease("long", attempts=3))
    await gate.entered.wait()
    stopping = asyncio.create_task(workers.stop(30))
    await rest()
    bench.clock.advance(30)
    end = await bench.end()
    assert (end.delay_s, end.reason) == (0.0, None)
    await asyncio.wait_for(stopping, 20)
    await asyncio.wait_for(bench.running[0][1], 20)


async def test_stop_before_run_returns(bench: Bench) -> None:
    """Stopping workers that never ran ends at once."""
    workers = bench.start()
    bench.running.pop()[1].cancel()
    await workers.stop(1000)


# -- when the store is away ----------------------------------------------------------------------------------


async def test_a_settlement_waits_for_the_store(bench: Bench) -> None:
    """What a job did is settled when the store is back, and its lease is kept meanwhile."""
    away = [True]

    def refuse(batch: Sequence[JobSettlement]) -> None:
        if away[0]:
            raise StoreUnavailable

    @bench.app.job()
    async def short(job: Job) -> None: ...

    bench.jobs.refuse = refuse
    bench.start()
    bench.jobs.offer(bench.lease("short"))
    await rest()
    bench.clock.advance(TTL_S / 3)
    await rest()
    assert bench.jobs.ends.empty()
    assert bench.jobs.extended == [[1]]
    away[0] = False
    bench.clock.advance(5)
    assert (await bench.end()).reason is None


async def test_a_settlement_the_store_refuses_fails_its_job_only(bench: Bench) -> None:
    """An effect that cannot be written fails the job that asked for it; the others of the batch are
    settled."""
    gate = Gate()

    def refuse(batch: Sequence[JobSettlement]) -> None:
        if any(end.lease.task == "bad" and end.effects for end in batch):
            raise ValueError("integer too large")

    @bench.app.job()
    async def good(job: Job) -> None:
        await gate.pass_()

    @bench.app.job()
    async def bad(job: Job) -> None:
        job.say("x")
        await gate.pass_()

    bench.jobs.refuse = refuse
    bench.start()
    bench.jobs.offer(bench.lease("bad"), bench.lease("good"))
    await rest()
    gate.open.set()
    ends = {end.lease.task: end for end in (await bench.end(), await bench.end())}
    assert ends["good"].delay_s is None
    assert ends["bad"].delay_s is not None
    assert "integer too large" in ends["bad"].error


async def test_committed_timers_wake_the_timer_service(bench: Bench) -> None:
    """A job whose end committed a timer nudges."""
    nudges = []

    @bench.app.job()
    async def later(job: Job) -> None:
        job.after(5, "remind")

    @bench.app.job()
    async def plain(job: Job) -> None: ...

    bench.start(nudge_timers=lambda: nudges.append(1))
    await bench.run("plain")
    await bench.run("later")
    await rest()
    assert nudges == [1]


# -- progress ------------------------------------------------------------------------------------------------


@pytest.mark.req("C4-2", "C1-13")
async def test_progress_is_said_once_and_edited_at_a_pace(bench: Bench) -> None:
    """The first text is said, the next is edited in 2 s later, one that comes too soon gives way to a later
    one."""
    gate = Gate()

    @bench.app.job()
    async def steps(job: Job) -> None:
        await job.progress("1")
        await job.progress("2")
        await job.progress("3")
        await gate.pass_()
        await job.progress("4")
        await job.progress("5")

    bench.start()
    bench.jobs.offer(bench.lease("steps"))
    await gate.entered.wait()
    await rest()
    assert bench.outbox.texts == [("sendMessage", "1")]
    bench.clock.advance(2)
    await rest()
    assert bench.outbox.texts == [("sendMessage", "1"), ("editMessageText", "3")]
    gate.open.set()
    await bench.end()
    assert bench.outbox.texts[2:] == [("editMessageText", "5")]
    first, second, _ = bench.outbox.posted
    assert first.handle == "job-1"
    assert json.loads(second.payload)["posthouse_handle"] == "job-1"
    assert {delivery.priority for delivery in bench.outbox.posted} == {1}


async def test_a_sync_job_shows_progress_too(bench: Bench) -> None:
    """From a thread `job.progress` is a plain call, and its last text is shown before the job's end."""

    @bench.app.job()
    def steps(job: Job) -> None:
        job.progress("1")
        job.progress("2")

    bench.start()
    await bench.run("steps")
    assert bench.outbox.texts[-1][1] == "2"


async def test_a_second_attempt_edits_the_message_of_the_first(bench: Bench) -> None:
    """A retry goes on in the message that the earlier try had sent, when it was sent."""

    @bench.app.job()
    async def steps(job: Job) -> None:
        await job.progress("again")

    bench.start()
    await bench.run("steps", attempts=2)
    bench.outbox.sent = 99
    await bench.run("steps", attempts=2)
    assert [method for method, _ in bench.outbox.texts] == ["sendMessage", "editMessageText"]


async def test_progress_that_cannot_be_posted_does_not_fail_the_job(bench: Bench) -> None:
    """Progress is a courtesy: without it the job still finishes."""

    @bench.app.job()
    async def steps(job: Job) -> str:
        await job.progress("1")
        return "whole"

    bench.outbox.broken = True
    bench.start()
    assert (await bench.run("steps")).result == b'"whole"'


async def test_a_failed_job_shows_its_last_progress(bench: Bench) -> None:
    """The last text is shown also when the attempt fails."""

    @bench.app.job()
    async def steps(job: Job) -> None:
        await job.progress("1")
        await job.progress("2 of 6, and then trouble")
        raise ValueError

    bench.start()
    await bench.run("steps")
    assert bench.outbox.texts[-1] == ("editMessageText", "2 of 6, and then trouble")


async def test_a_job_without_a_chat_has_nobody_to_show_progress_to(bench: Bench) -> None:
    """`progress` of a job that belongs to no lane does nothing, and so does an empty chat."""

    @bench.app.job()
    async def quiet(job: Job) -> bool:
        await job.progress("1")
        return job.chat_id is None

    bench.start()
    assert (await bench.run("quiet", lane=0)).result == b"true"
    assert bench.outbox.posted == []


# -- the pure parts ------------------------------------------------------------------------------------------


def test_the_verdict_is_a_function_of_lease_and_error() -> None:
    """Half of the delay is fixed and half random; an asked delay below zero is none."""
    lease = JobLease(1, 1, "q", "t", b"{}", 3, 5, 0, 0, False, b"null", "")
    policy = RetryPolicy(base_s=1, factor=2, cap_s=300)
    assert judge(lease, ValueError(), policy, chance=0.0).delay_s == 2.0
    assert judge(lease, ValueError(), policy, chance=1.0).delay_s == 4.0
    assert judge(lease, Retryable(retry_after_s=-5), policy).delay_s == 0.0


def test_results_are_json_of_what_people_return() -> None:
    """Plain values, dataclasses and pydantic models are written as JSON."""
    from aiogram.types import Chat

    @dataclass
    class Point:
        x: int

    assert result_of(None) == b"null"
    assert result_of({"p": Point(1)}) == b'{"p":{"x":1}}'
    assert json.loads(result_of(Chat(id=1, type="private")))["id"] == 1


def test_a_token_in_a_traceback_is_hidden() -> None:
    """Whoever raises an URL with a bot's token does not write it into a dead letter."""
    url = "https://api.telegram.org/bot123456789:AAE-abcdefghijklmnopqrstuvwxyz01234567/x"  # gitleaks:allow
    text = tail_of(ValueError(url))
    assert "AAE" not in text
    assert "bot***" in text
    assert len(tail_of(ValueError("x" * 100_000))) == 4_000


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"queues": {"gpu": -1}}, "gpu is -1"),
        ({"concurrency": 0}, "concurrency"),
        ({"lease_ttl_s": 0}, "lease_ttl_s"),
    ],
)
def test_wrong_settings_name_themselves(fields: dict[str, Any], says: str) -> None:
    """A setting out of range fails when it is read."""
    with pytest.raises(ConfigurationInvalid, match=says):
        WorkerSettings(**fields)
