"""Workers: jobs run outside the turn, one attempt at a time, and end in one commit (S1-45, C1-18).

    claim ──► run ──► judge ──► settle
      │        │        │          └ in natural batches: whatever ended during the last commit
      │        │        ├ finished   result, effects and the entry that tells the lane, in one commit
      │        │        ├ again      after a back-off with jitter, or after `Retryable.retry_after_s`
      │        │        └ dead       attempts used up, or `Terminal`: a dead letter with the traceback's tail
      │        ├ async in a task, sync in a daemon thread
      │        ├ heartbeat each third of the lease; what is lost or cancelled is stopped
      │        └ progress: one message in the chat, edited in place
      └ for the free slots of each queue

An attempt that has to end early (timeout, cancel, stop) is *halted*: an async function is cancelled, a sync
one sees `job.cancelled`. Who does not react within `halt_grace_s` is abandoned: its slot stays taken until it
returns, and nothing of it is written, because effects exist only in the settlement.

Stopping: no more claims; running jobs have until the deadline; then they are halted and settled as *again, at
once*, so that another process goes on. The try that was interrupted stands in the count. A process that dies
instead leaves its leases to the reaper.

Deliberately absent: killing threads, and per-task limits (give the task a queue of its own).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import re
import threading
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import msgspec
import structlog

from posthouse.core.effects import Effects
from posthouse.core.errors import AuthorError, ConfigurationInvalid, Retryable, StoreUnavailable, Terminal
from posthouse.core.leases import JobLease, JobSettlement
from posthouse.core.retry import RetryPolicy
from posthouse.ports.clock import Clock
from posthouse.ports.store import Jobs, Outbox
from posthouse.programs.actions import Actions
from posthouse.programs.job import Job, JobReach, job_arguments
from posthouse.programs.program import JobSpec
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.timers import first_of

log = structlog.get_logger("posthouse.workers")

Stow = Callable[[Actions], Awaitable[None]]
"""Keeps the uploads of a turn or job among the blobs and names them in its deliveries, before the commit."""

ERROR_LENGTH_MAX = 4_000
_TOKEN = re.compile(r"(?<!\d)\d{6,}:[A-Za-z0-9_-]{30,}")  # a bot's token in the text of somebody's exception


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How this process runs jobs (`[jobs]`). Times in seconds."""

    concurrency: int = 4  # jobs at once of a queue that `queues` does not name
    queues: Mapping[str, int] = field(default_factory=dict)  # `[jobs.queues]`: jobs at once; 0 = not here
    threads_max: int = 16  # sync functions at once, over all queues
    lease_ttl_s: float = 30.0  # how long a silent worker keeps its jobs
    halt_grace_s: float = 5.0  # how long a halted job may take to end
    progress_every_s: float = 2.0  # the least time between two edits of a progress message
    unknown_task_delay_s: float = 60.0  # the wait for a deploy that knows the task
    retry: RetryPolicy = field(default_factory=RetryPolicy)  # its `attempts_max` gives way to the job's own

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.threads_max < 1:
            raise ConfigurationInvalid("[jobs] concurrency and threads_max must be 1 or more")
        if self.lease_ttl_s <= 0:
            raise ConfigurationInvalid(f"[jobs] lease_ttl_s is {self.lease_ttl_s}: give seconds above 0")
        for queue, limit in self.queues.items():
            if limit < 0:
                raise ConfigurationInvalid(f"[jobs.queues] {queue} is {limit}: give 0 (not here) or more")


class Halt(StrEnum):
    """Why an attempt has to end before its function does."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"  # by an operator, or the lease was lost: the store knows which
    STOPPED = "stopped"


class _Run:
    """One claimed job while this process works on it."""

    __slots__ = ("began", "halted", "job", "lease", "progress", "task", "threaded", "work")

    def __init__(self, lease: JobLease, job: Job, progress: _Progress) -> None:
        self.lease = lease
        self.job = job
        self.progress = progress
        self.began = asyncio.Event()  # the function runs now: it has its thread
        self.threaded = False  # a thread runs it now, and threads cannot be cancelled
        self.halted: asyncio.Future[Halt] = asyncio.get_running_loop().create_future()
        self.work: asyncio.Task[JobSettlement] | None = None
        self.task: asyncio.Task[None] | None = None

    def halt(self, why: Halt) -> None:
        """Ask the attempt to end; the first reason counts."""
        if not self.halted.done():
            self.halted.set_result(why)


class Workers:
    """Claims, runs and settles jobs until it is stopped. Any number of processes may run one.

    `specs` has the declared jobs by bot id; key 0 has those of jobs that belong to no bot. `stow` keeps
    uploads, `nudge_timers` is called when a job's end committed timers."""

    def __init__(
        self,
        jobs: Jobs,
        outbox: Outbox,
        specs: Mapping[int, Mapping[str, JobSpec]],
        *,
        clock: Clock,
        metrics: Metrics,
        bots: Mapping[int, str] | None = None,
        settings: WorkerSettings | None = None,
        stow: Stow | None = None,
        nudge_timers: Callable[[], None] | None = None,
        reach: JobReach | None = None,
    ) -> None:
        self._jobs = jobs
        self._outbox = outbox
        self._specs = specs
        self._clock = clock
        self._metrics = metrics
        self._bots = bots or {}
        self._settings = settings or WorkerSettings()
        self._stow = stow
        self._nudge_timers = nudge_timers
        self._reach = reach
        self._limits = _limits(specs, self._settings)
        self._threads = asyncio.Semaphore(self._settings.threads_max)
        self._runs: set[_Run] = set()
        self._busy: Counter[str] = Counter()
        self._slot_freed = asyncio.Event()
        self._unsettled: list[tuple[JobSettlement, asyncio.Future[bool]]] = []
        self._settle_due = asyncio.Event()
        self._stopping = asyncio.Event()
        self._claims_ended = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._drained = asyncio.Event()
        self._halting = False
        self._running = False

    # -- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until `stop` has drained. Cancelled, it drops everything as a crash would."""
        self._running = True
        log.info("workers.started", queues=self._limits)
        loops = [
            asyncio.create_task(self._claim_until_stopped()),
            asyncio.create_task(self._heartbeat_forever()),
            asyncio.create_task(self._settle_forever()),
        ]
        try:
            # A loop that breaks takes the process down rather than half of it.
            await first_of(self._drained.wait(), asyncio.gather(*loops))
        finally:
            left: list[asyncio.Task[Any]] = [*loops]
            left += [task for run in self._runs for task in (run.task, run.work) if task is not None]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def stop(self, deadline_s: float) -> None:
        """Claim no more, let running jobs end until the deadline, then halt them and give them back."""
        self._stopping.set()
        if not self._running:
            return
        await first_of(self._quiet(), self._clock.sleep(deadline_s))
        self._halting = True
        for run in list(self._runs):
            run.halt(Halt.STOPPED)
        # Each halted job has its grace; one more second is for the last commit.
        await first_of(self._quiet(), self._clock.sleep(self._settings.halt_grace_s + 1.0))
        self._drained.set()

    async def _quiet(self) -> None:
        await self._claims_ended.wait()
        await self._idle.wait()

    # -- claim -----------------------------------------------------------------------------------------------

    async def _claim_until_stopped(self) -> None:
        try:
            spins = failures = 0
            while not self._stopping.is_set():
                self._slot_freed.clear()
                free = {queue: n for queue, limit in self._limits.items() if (n := limit - self._busy[queue]) > 0}
                if not free:
                    await first_of(self._slot_freed.wait(), self._stopping.wait())
                    continue
                try:
                    leases = await self._jobs.claim(free, ttl_s=self._settings.lease_ttl_s)
                    for lease in leases:
                        self._start(lease)
                    # Jobs that wait in a full or foreign queue keep `ready` true: ask less and less often.
                    spins = 0 if leases else spins + 1 if await self._wait_ready() else 0
                    failures = 0
                except StoreUnavailable as error:
                    failures += 1
                    log.warning("jobs.claim_postponed", error=str(error))
                pause_s = doubled(0.25, failures, cap_s=5.0) or doubled(0.01, max(0, spins - 3), cap_s=0.25)
                if pause_s:
                    await first_of(self._clock.sleep(pause_s), self._slot_freed.wait(), self._stopping.wait())
        finally:
            self._claims_ended.set()

    async def _wait_ready(self) -> bool:
        """Wait for a job or a free slot; True when `ready` hardly waited."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await first_of(self._jobs.ready(), self._slot_freed.wait(), self._stopping.wait())
        return loop.time() - began_s < 0.001

    def _start(self, lease: JobLease) -> None:
        progress = _Progress(self._outbox, lease, self._clock, self._settings.progress_every_s)
        job = Job(lease, bot=self._bots.get(lease.bot_id, ""), progress=progress.show, reach=self._reach)
        run = _Run(lease, job, progress)
        self._runs.add(run)
        self._busy[lease.queue] += 1
        self._idle.clear()
        if self._halting:
            run.halt(Halt.STOPPED)
        if lease.cancelled:
            run.halt(Halt.CANCELLED)
        run.task = asyncio.create_task(self._attend(run), name=f"job-{lease.id}")

    def _release(self, run: _Run) -> None:
        """Free the slot; an abandoned function keeps it until it returns."""
        self._runs.discard(run)
        if not self._runs:
            self._idle.set()
        if run.work is None or run.work.done():
            self._free(run.lease.queue)
        else:
            run.work.add_done_callback(lambda work: self._returned(run, work))

    def _returned(self, run: _Run, work: asyncio.Task[JobSettlement]) -> None:
        error = None if work.cancelled() else work.exception()
        log.warning("job.returned_late", error=error and repr(error), **_named(run.lease))
        self._free(run.lease.queue)

    def _free(self, queue: str) -> None:
        self._busy[queue] -= 1
        self._slot_freed.set()

    # -- run -------------------------------------------------------------------------------------------------

    async def _attend(self, run: _Run) -> None:
        """One attempt from claim to commit."""
        began_s = self._clock.monotonic()
        try:
            settlement = await self._attempt(run)
            seconds = self._clock.monotonic() - began_s
            await run.progress.finish()
            try:
                kept = await self._settled(settlement)
            except Exception as error:  # the store refuses what the job asked for: the job's failure
                settlement = judge(run.lease, error, self._settings.retry)
                kept = await self._settled(settlement)
            self._record(run, settlement, kept, seconds)
        except Exception:
            log.exception("job.unsettled", **_named(run.lease))  # the lease runs out and the job comes again
        finally:
            run.progress.abandon()
            self._release(run)

    async def _attempt(self, run: _Run) -> JobSettlement:
        """Run the function and judge how it ended."""
        lease, retry = run.lease, self._settings.retry
        spec = self._spec(lease)
        if lease.attempts > lease.attempts_max:
            return dead(lease, "exhausted", "the last attempt never ended: its process died or was stopped")
        if spec is None:
            return self._unknown(lease)
        if run.halted.done():
            return halted(lease, run.halted.result(), spec, retry)
        run.work = asyncio.create_task(self._perform(run, spec))
        why = await self._wait(run, run.work, spec.timeout_s)
        if why is not None:
            await self._halt(run, run.work)
        work = run.work
        if why is not None and (why is Halt.CANCELLED or not _succeeded(work)):
            return halted(lease, why, spec, retry)
        if work.cancelled():
            return judge(lease, RuntimeError("the job cancelled itself"), retry)
        error = work.exception()
        return work.result() if error is None else judge(lease, error, retry)

    async def _wait(self, run: _Run, work: asyncio.Task[JobSettlement], timeout_s: float) -> Halt | None:
        """Wait until the function ends (None), or until there is a reason to halt it."""
        await first_of(asyncio.wait([work]), run.began.wait(), asyncio.wait([run.halted]))
        if not work.done() and not run.halted.done():
            ends: list[Awaitable[object]] = [asyncio.wait([work]), asyncio.wait([run.halted])]
            if timeout_s > 0:
                ends.append(self._clock.sleep(timeout_s))
            await first_of(*ends)
        if work.done():
            return None
        return run.halted.result() if run.halted.done() else Halt.TIMEOUT

    async def _halt(self, run: _Run, work: asyncio.Task[JobSettlement]) -> None:
        """Ask the function to end and wait for a grace; then it is abandoned."""
        run.job.cancelled = True
        if not run.threaded:
            work.cancel()
        await first_of(asyncio.wait([work]), self._clock.sleep(self._settings.halt_grace_s))
        if not work.done():
            log.warning("job.abandoned", **_named(run.lease))

    async def _perform(self, run: _Run, spec: JobSpec) -> JobSettlement:
        """Call the function and turn what it returned into a settlement."""
        structlog.contextvars.bind_contextvars(trace=run.lease.trace, job=run.lease.id, task=run.lease.task)
        arguments = job_arguments(run.lease)
        try:
            if inspect.iscoroutinefunction(spec.function):
                run.began.set()
                value = await spec.function(run.job, **arguments)
            else:
                value = await self._in_thread(run, spec.function, arguments)
                if inspect.isawaitable(value):  # an async function behind a plain decorator
                    value = await value
        except SystemExit as error:  # would end the event loop
            raise RuntimeError(f"the job called sys.exit({error.code!r})") from error
        result = result_of(value)
        if not run.lease.bot_id and run.job.effects.deliveries:
            raise Terminal("a job of no bot cannot send: enqueue it from a turn", reason="no_bot")
        if run.job.uploads:
            if self._stow is None:
                raise AuthorError("this platform has no blob store, so a job cannot send files")
            await self._stow(run.job)
        return JobSettlement(run.lease, result=result, effects=run.job.effects)

    async def _in_thread(self, run: _Run, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Run a sync function in a daemon thread: one that hangs must not keep the process from ending."""
        async with self._threads:
            run.began.set()
            loop = asyncio.get_running_loop()
            future: asyncio.Future[Any] = loop.create_future()
            context = contextvars.copy_context()

            def body() -> None:
                value, error = None, None
                try:
                    value = context.run(function, run.job, **arguments)
                except BaseException as raised:
                    error = RuntimeError(f"the job raised {raised!r}") if _unfit(raised) else raised
                try:
                    loop.call_soon_threadsafe(_resolve, future, value, error)
                except RuntimeError:
                    pass  # the loop is closed: nobody waits any more

            threading.Thread(target=body, name=f"job-{run.lease.id}", daemon=True).start()
            run.threaded = True
            try:
                return await future
            finally:
                run.threaded = False

    # -- heartbeat and settle --------------------------------------------------------------------------------

    async def _heartbeat_forever(self) -> None:
        ttl_s = self._settings.lease_ttl_s
        while True:
            await self._clock.sleep(ttl_s / 3)
            runs = {run.lease.id: run for run in self._runs}
            if not runs:
                continue
            try:
                gone = await self._jobs.extend([run.lease for run in runs.values()], ttl_s=ttl_s)
            except StoreUnavailable as error:
                log.warning("jobs.heartbeat_missed", error=str(error), jobs=len(runs))
                continue
            for lease in gone:
                runs[lease.id].halt(Halt.CANCELLED)

    async def _settled(self, settlement: JobSettlement) -> bool:
        """Settle with whatever else ends now; False when the lease was lost."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._unsettled.append((settlement, future))
        self._settle_due.set()
        return await future

    async def _settle_forever(self) -> None:
        failures = 0
        while True:
            await self._settle_due.wait()
            self._settle_due.clear()
            batch, self._unsettled = self._unsettled, []
            try:
                await self._settle(batch)
                failures = 0
            except StoreUnavailable as error:
                failures += 1
                log.warning("jobs.settle_postponed", error=str(error), jobs=len(batch))
                self._unsettled = batch + self._unsettled
                self._settle_due.set()
                await self._clock.sleep(doubled(0.25, failures, cap_s=5.0))

    async def _settle(self, batch: list[tuple[JobSettlement, asyncio.Future[bool]]]) -> None:
        waiting = [(settlement, future) for settlement, future in batch if not future.done()]
        if not waiting:
            return
        try:
            kept = await self._jobs.settle([settlement for settlement, _ in waiting])
        except StoreUnavailable:
            raise
        except Exception as error:
            if len(waiting) == 1:
                waiting[0][1].set_exception(error)
                return
            for one in waiting:  # one of them is refused; the others must not suffer
                await self._settle([one])
            return
        for (_, future), held in zip(waiting, kept, strict=True):
            if not future.done():
                future.set_result(held)

    # -- judge and tell --------------------------------------------------------------------------------------

    def _spec(self, lease: JobLease) -> JobSpec | None:
        own = self._specs.get(lease.bot_id, {})
        return own.get(lease.task) or self._specs.get(0, {}).get(lease.task)

    def _unknown(self, lease: JobLease) -> JobSettlement:
        """A task nobody here declares: perhaps a newer deploy does, so the job waits before it dies."""
        known = sorted({task for specs in self._specs.values() for task in specs})
        error = (
            f"no program declares the job {lease.task!r} (known here: {', '.join(known) or 'none'}): "
            f"deploy the code with @app.job({lease.task!r}); if it comes to a dead letter, replay that"
        )
        log.error("job.unknown_task", error=error, **_named(lease))
        if lease.attempts >= lease.attempts_max:
            return dead(lease, "unknown_task", error)
        patient = replace(self._settings.retry, base_s=self._settings.unknown_task_delay_s, factor=1.0)
        return JobSettlement(lease, delay_s=patient.delay_s(lease.attempts), error=error)

    def _record(self, run: _Run, settlement: JobSettlement, kept: bool, seconds: float) -> None:
        lease = run.lease
        outcome, event, details = _outcome(settlement, kept, seconds)
        self._metrics.jobs.labels(lease.queue, lease.task, outcome).inc()
        if run.work is not None:
            self._metrics.job_seconds.labels(lease.task).observe(seconds)
        if outcome == "lost":
            self._metrics.fenced.labels("job").inc()
        elif outcome == "died":
            bot = self._bots.get(lease.bot_id, "")
            self._metrics.dead_letters.labels(bot, "job", settlement.reason).inc()
        if kept and settlement.effects.timers and self._nudge_timers is not None:
            self._nudge_timers()
        write = log.info if outcome in ("finished", "cancelled") else log.warning
        write(event, **details, **_named(lease))


def judge(lease: JobLease, error: BaseException, retry: RetryPolicy, *, chance: float | None = None) -> JobSettlement:
    """What becomes of a job whose attempt raised `error`: again later, or dead. Nothing it asked for
    happens."""
    text = tail_of(error)
    if isinstance(error, Terminal):
        return dead(lease, error.reason, text)
    if lease.attempts >= lease.attempts_max:
        return dead(lease, "exhausted", text)
    asked_s = error.retry_after_s if isinstance(error, Retryable) else None
    delay_s = retry.delay_s(lease.attempts, chance=chance) if asked_s is None else max(0.0, asked_s)
    return JobSettlement(lease, delay_s=delay_s, error=text)


def halted(lease: JobLease, why: Halt, spec: JobSpec, retry: RetryPolicy) -> JobSettlement:
    """What becomes of a job whose attempt was halted."""
    if why is Halt.TIMEOUT:
        error = TimeoutError(f"{lease.task} ran longer than its timeout_s of {spec.timeout_s:g}")
        return judge(lease, error, retry)
    if why is Halt.STOPPED:
        return JobSettlement(lease, delay_s=0.0, counted=False, error="its worker was stopped")
    return dead(lease, "cancelled", "cancelled by an operator")


def dead(lease: JobLease, reason: str, error: str) -> JobSettlement:
    return JobSettlement(lease, reason=reason, error=error)


def result_of(value: Any) -> bytes:
    """What a job returned, as JSON: plain values, msgspec structs, dataclasses, pydantic models."""
    try:
        return msgspec.json.encode(value, enc_hook=_dumped)
    except Exception as error:
        # Another attempt would do the work again only to fail here again.
        raise Terminal(f"the job's result is not JSON: {error}", reason="result_not_json") from error


def tail_of(error: BaseException) -> str:
    """The end of the traceback, without bot tokens."""
    return _TOKEN.sub("***", "".join(traceback.format_exception(error)).rstrip())[-ERROR_LENGTH_MAX:]


def _dumped(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} is no plain value")
    return dump(mode="json")


def doubled(base_s: float, times: int, *, cap_s: float) -> float:
    """`base_s`, doubled with each time after the first, up to the cap; 0 for no time at all."""
    return min(cap_s, base_s * 2.0 ** min(times - 1, 32)) if times else 0.0


def _limits(specs: Mapping[int, Mapping[str, JobSpec]], settings: WorkerSettings) -> dict[str, int]:
    """How many jobs of each queue may run here: of the queues that are declared or configured."""
    declared = {spec.queue for tasks in specs.values() for spec in tasks.values()} | {"default"}
    limits = dict.fromkeys(sorted(declared), settings.concurrency) | dict(settings.queues)
    return {queue: limit for queue, limit in limits.items() if limit > 0}


def _succeeded(work: asyncio.Task[JobSettlement]) -> bool:
    return work.done() and not work.cancelled() and work.exception() is None


def _unfit(error: BaseException) -> bool:
    """True for what an asyncio future cannot carry, or what would end the event loop."""
    return isinstance(error, StopIteration | SystemExit | KeyboardInterrupt | asyncio.CancelledError)


def _resolve(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _named(lease: JobLease) -> dict[str, Any]:
    return {
        "job": lease.id,
        "task": lease.task,
        "queue": lease.queue,
        "attempt": lease.attempts,
        "attempts_max": lease.attempts_max,
        "trace": lease.trace,
    }


def _outcome(settlement: JobSettlement, kept: bool, seconds: float) -> tuple[str, str, dict[str, Any]]:
    """(metric label, log event, details) of an attempt that ended."""
    details: dict[str, Any] = {"seconds": round(seconds, 6)}
    last_line = settlement.error.rsplit("\n", 1)[-1]
    if not kept:
        return "lost", "job.lost", details
    if settlement.reason == "cancelled":
        return "cancelled", "job.cancelled", details
    if settlement.reason is not None:
        return "died", "job.died", details | {"reason": settlement.reason, "error": last_line}
    if settlement.delay_s is not None:
        return (
            "retried",
            "job.retried",
            details | {"delay_s": round(settlement.delay_s, 3), "error": last_line},
        )
    return "finished", "job.finished", details


class _Progress:
    """The progress message of one job: said first, then edited at most once in `every_s`, the last text
    always.

    `show` may be called from the job's thread and never waits; a task of its own posts. The edits have the
    priority of replies, so that they keep their order with what the job says at its end."""

    __slots__ = (
        "_clock", "_closing", "_every_s", "_lease", "_loop", "_next_at",
        "_outbox", "_pump", "_said", "_shown", "_wanted",
    )  # fmt: skip

    def __init__(self, outbox: Outbox, lease: JobLease, clock: Clock, every_s: float) -> None:
        self._outbox = outbox
        self._lease = lease
        self._clock = clock
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._next_at = float("-inf")
        self._wanted: str | None = None
        self._shown: str | None = None
        self._said: bool | None = False if lease.attempts <= 1 else None  # None: an earlier try may have said it

    def show(self, job: Job, text: str) -> None:
        """Show `text` as soon as the pace allows; a later text replaces one that waits."""
        if not text:
            raise AuthorError("progress() needs a text: Telegram refuses an empty message")
        try:
            self._loop.call_soon_threadsafe(self._offer, job, text)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    async def finish(self) -> None:
        """Show the last text now, whatever the pace."""
        await asyncio.sleep(0)  # a `show` just before the end is still on its way here
        self._closing.set()
        if self._pump is not None:
            await self._pump

    def abandon(self) -> None:
        self._closing.set()
        if self._pump is not None:
            self._pump.cancel()

    def _offer(self, job: Job, text: str) -> None:
        self._wanted = text
        if not self._closing.is_set() and (self._pump is None or self._pump.done()):
            self._pump = self._loop.create_task(self._post_until_shown(job))

    async def _post_until_shown(self, job: Job) -> None:
        while self._wanted is not None and self._wanted != self._shown:
            wait_s = self._next_at - self._clock.monotonic()
            if wait_s > 0 and not self._closing.is_set():
                await first_of(self._clock.sleep(wait_s), self._closing.wait())
            self._shown = self._wanted
            self._next_at = self._clock.monotonic() + self._every_s
            try:
                await self._post(job, self._shown)
            except Exception as error:  # progress is a courtesy: the job goes on
                log.warning("job.progress_failed", error=repr(error), **_named(self._lease))

    async def _post(self, job: Job, text: str) -> None:
        handle = job.progress_handle
        scratch = Actions(job.bot_id, job.lane, job.chat_id, cause=job.cause, trace=job.trace)
        if self._said is None:
            self._said = await self._outbox.message_id(job.bot_id, job.chat_id or 0, handle) is not None
        if self._said:
            scratch.edit(handle, text)
        else:
            scratch.say(text, handle=handle)
        effects: Effects = scratch.effects
        await self._outbox.post(effects.deliveries)
        self._said = True
