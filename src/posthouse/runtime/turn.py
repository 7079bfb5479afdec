"""One turn: load → perform → settle → commit. The road of one update, from a claimed lane to the commit.

    lease ──► for each entry, oldest first
                load      the entry, the chat's state as the turns before it left it
                perform   the program; what it wants comes back as data in `turn.effects`
                settle    decide the outcome: Done, Retry (back-off) or Dead (skip, hold, drop)
              commit      everything at once, fenced by the lease

Who keeps the promise if the process dies on the next line? Before the commit nothing has happened: the entry is still
in the inbox and runs again. After it everything has: the entry is done, and its messages, jobs and state are written.
No network call is made here, and none while a transaction is open. A turn that used `turn.transact` commits alone, in
its own transaction; all others share one (`runtime.batches`).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Sequence
from contextvars import copy_context
from logging import DEBUG
from math import inf
from types import coroutine
from typing import Any, TypeVar

import msgspec
import structlog

from posthouse.core.effects import Effects
from posthouse.core.entries import Entry, trace_of
from posthouse.core.errors import Retryable, StoreUnavailable, Terminal
from posthouse.core.leases import Burial, CallRecord, Lease, Settlement
from posthouse.core.outcomes import DONE, Dead, Done, OnDead, Retry
from posthouse.core.sessions import SessionChanges, SessionRecord, SessionWrite
from posthouse.ports.clock import Clock
from posthouse.ports.store import Journal, Sessions, Turns, TurnTransaction
from posthouse.programs.actions import Actions
from posthouse.programs.turn import Turn
from posthouse.runtime.batches import Batches
from posthouse.runtime.bots import RunningBot, TurnPolicy
from posthouse.runtime.metrics import Metrics

R = TypeVar("R")

log = structlog.get_logger("posthouse.turn")

# Turns of one lease share a commit unless their handlers really waited: then nobody's reply waits for the next handler.
COMMIT_AFTER_S = 0.02
ERROR_MAX = 4000


class HandlerTimeout(Exception):
    """The handler ran longer than its bot's `handler_timeout_s`."""


class HandlerCrash(Exception):
    """Every try of the entry began, and none came to an end: it takes the process along."""


class LeaseWork(msgspec.Struct, eq=False):
    """The work on one lease: what has been done of it and is not committed yet.

    `task` runs its handlers, and only while they run: a task is not the lease's alone (`runtime.executor`).
    """

    lease: Lease
    bot: RunningBot
    started_at: float
    left: int
    uncommitted: list[int] = []
    effects: Effects | None = None
    journaled: bool = False
    deadline: float = inf
    timed_out: bool = False
    lost: bool = False
    task: asyncio.Task[None] | None = None

    def add(self, turn: Turn) -> None:
        """Take a finished turn along to the next commit; the turns after it see its state."""
        self.uncommitted.append(turn.entry.entry_id)
        self.journaled = self.journaled or turn.journaled
        if turn.effects.states or turn.effects.sessions is not None:
            self.remember(turn)
        if self.effects is None:
            self.effects = turn.effects  # nearly always the only turn of its commit
            return
        done, wanted = self.effects, turn.effects
        if wanted.deliveries:
            done.deliveries += wanted.deliveries
        if wanted.jobs:
            done.jobs += wanted.jobs
        if wanted.timers:
            done.timers += wanted.timers
        if wanted.states:
            done.states += wanted.states
        if wanted.counted:
            done.counted += wanted.counted
        if wanted.sessions:
            if done.sessions is None:
                done.sessions = SessionChanges()
            done.sessions += wanted.sessions

    def remember(self, turn: Turn) -> None:
        if not self.left:
            return  # no turn follows that could look
        states = self.lease.states = dict(self.lease.states)
        for write in turn.effects.states:
            if write.lane == self.lease.lane:
                if write.data is None:
                    states.pop(write.name, None)
                else:
                    states[write.name] = write.data
        if turn.effects.sessions is not None:
            sessions = self.lease.sessions = dict(self.lease.sessions)
            for move in turn.effects.sessions.writes:
                if move.record.lane == self.lease.lane:
                    if move.record.is_active:
                        sessions[move.record.id] = move.record
                    else:
                        sessions.pop(move.record.id, None)

    def shorten(self, settlement: Settlement) -> None:
        """What a station has committed is no part of the lease any more: a retry is of the entry behind it."""
        ended = {*settlement.done, *(burial.entry_id for burial in settlement.buried)}
        self.lease.entries = [entry for entry in self.lease.entries if entry.entry_id not in ended]

    def settlement(self, **more: Any) -> Settlement:
        """What is to be committed now; the work starts anew behind it."""
        effects = Effects() if self.effects is None else self.effects
        settlement = Settlement(self.lease, self.uncommitted, effects, journaled=self.journaled, **more)
        self.uncommitted, self.effects, self.journaled = [], None, False
        return settlement


class TurnRunner:
    """Runs leases. One per process; it holds no state of a turn."""

    def __init__(
        self,
        bots: dict[int, RunningBot],
        turns: Turns,
        journal: Journal,
        sessions: Sessions,
        *,
        stow: Callable[[Actions], Awaitable[None]],
        clock: Clock,
        metrics: Metrics,
        nudge_timers: Callable[[], None] = lambda: None,
        commits_parallel: int = 1,
    ) -> None:
        self.bots = bots
        self.turns = turns
        self.journal = journal
        self.sessions = sessions
        self._stow = stow
        self._clock = clock
        self._metrics = metrics
        self._nudge_timers = nudge_timers
        self._tells = log.is_enabled_for(DEBUG)  # asked once, not for every turn
        self._commits = Batches(self._settle_batch, parallel=commits_parallel)

    def begin(self, lease: Lease) -> LeaseWork:
        return LeaseWork(lease, self.bots[lease.bot_id], self._clock.monotonic(), len(lease.entries))

    def suspects(self, lease: Lease) -> bool:
        """Whether all tries of the head have begun and none has ended: it may be what kills the process."""
        bot = self.bots.get(lease.bot_id)
        return bot is not None and bot.policy.retry.attempts_max < lease.attempts <= _tries_max(bot.policy)

    # -- the story ----------------------------------------------------------------------------------------------

    async def run(self, work: LeaseWork) -> Settlement | None:
        """Run every entry of the lease. Returns what ends it and is still to be committed; None when it has ended."""
        for entry in work.lease.entries:
            turn, reach = self._load(work, entry)
            failure = await self._perform(work, turn)
            outcome = DONE if failure is None else self._decide(work, turn, failure)
            work.left -= 1
            if isinstance(outcome, Done):
                if reach.transaction is not None:
                    await self._commit_alone(work, turn, reach)
                    if not work.left:
                        return None  # the lease ended with that commit
                else:
                    work.add(turn)
                    if work.left and self._clock.monotonic() - work.started_at > COMMIT_AFTER_S:
                        await self.commit(work, work.settlement(keep=True))
            else:
                await reach.undo()
                if await self._give_up_or_retry(work, turn, outcome):
                    return None
            if work.lost:
                return None
        return work.settlement()

    def _load(self, work: LeaseWork, entry: Entry) -> tuple[Turn, TurnReach]:
        lease = work.lease
        reach = TurnReach(self, work, entry)
        bot = work.bot.identity
        turn = Turn(
            entry,
            reach=reach,
            states=lease.states,
            attempt=lease.attempts if entry is lease.entries[0] else 1,
            bot=bot.name,
            env=bot.env,
            sessions=lease.sessions,
            sessions_complete=lease.sessions_complete,
        )
        return turn, reach

    async def _perform(self, work: LeaseWork, turn: Turn) -> BaseException | None:
        """Run the program. Whatever a handler raises ends here: the one place that catches the author's exceptions."""
        policy = work.bot.policy
        if turn.attempt > _tries_max(policy):
            return _worn_out(turn)
        started = self._clock.monotonic()
        work.deadline = started + policy.handler_timeout_s
        failure: BaseException | None = None
        try:
            await _in_its_own_context(work.bot.program.perform(turn))
            if turn.uploads:
                await self._stow(turn)
        except asyncio.CancelledError as error:
            if work.timed_out:
                failure = HandlerTimeout(f"the handler ran longer than {policy.handler_timeout_s:g} s")
            elif _is_cancelled():
                raise
            else:
                failure = error  # nobody cancelled us: something that the handler awaited was
        except (Exception, SystemExit) as error:
            failure = error
        if work.timed_out:
            _uncancel()
            work.timed_out = False
        work.deadline = inf  # only a handler is cut off, never a commit
        ran = self._metrics.turn_seconds.labels(turn.bot, "done" if failure is None else "failed")
        ran.observe(self._clock.monotonic() - started)
        return failure

    def _decide(self, work: LeaseWork, turn: Turn, failure: BaseException) -> Retry | Dead:
        """The outcome of a turn that failed, and its log line."""
        outcome = outcome_of(failure, turn.attempt, work.bot.policy)
        log.warning(
            "turn.died" if isinstance(outcome, Dead) else "turn.failed",
            trace=turn.trace,
            bot=work.bot.name,
            lane=turn.lane,
            attempt=turn.attempt,
            error=repr(failure),
            traceback=outcome.error,  # as text: a logger that is left to itself would print local variables too
            **({"retry_in_s": round(outcome.delay_s, 3)} if isinstance(outcome, Retry) else {}),
        )
        return outcome

    async def _give_up_or_retry(self, work: LeaseWork, turn: Turn, outcome: Retry | Dead) -> bool:
        """Commit what came before, postpone, bury or drop this turn's entry; True when the lease has ended."""
        if isinstance(outcome, Retry):
            await self.commit(work, work.settlement(delay_s=outcome.delay_s))
            return True
        bot = work.bot
        self._metrics.dead_letters.labels(bot.name, "entry", outcome.reason).inc()
        if outcome.policy is OnDead.HOLD:
            await self.commit(work, work.settlement(hold=f"{outcome.reason}: {outcome.error.splitlines()[-1][:200]}"))
            return True
        settlement = work.settlement(keep=work.left > 0)
        if outcome.policy is OnDead.SKIP:
            settlement.buried = [Burial(turn.entry.entry_id, outcome.error, outcome.reason, turn.attempt)]
        else:
            settlement.done = [*settlement.done, turn.entry.entry_id]
        settlement.journaled = True
        await self.commit(work, settlement)
        return work.left == 0

    # -- commits ------------------------------------------------------------------------------------------------

    def commit_last(self, work: LeaseWork, last: Settlement, then: Callable[[BaseException | None], None]) -> None:
        """Queue what ends the lease; `then` is called when it is committed, or with an error: try `commit` then."""

        def committed(held: bool | None, error: BaseException | None) -> None:
            if held is False:
                self._fenced(work)
            then(error)

        self._commits.put(last, committed)

    async def commit(self, work: LeaseWork, settlement: Settlement) -> None:
        """Commit together with whoever else is ready; keep trying while the store is away and the lease may hold."""
        delay_s = 0.05
        while True:
            try:
                held = await self._commits.submit(settlement)
                break
            except StoreUnavailable as error:
                if delay_s > 5:
                    log.error("turn.uncommitted", bot=work.bot.name, lane=work.lease.lane, error=str(error))
                    raise
                await self._clock.sleep(delay_s)
                delay_s *= 2
            except Exception as error:
                await self._unwritable(work, settlement, error)
                return
        if not held:
            self._fenced(work)
        elif settlement.keep:
            work.shorten(settlement)
        work.started_at = self._clock.monotonic()

    async def _unwritable(self, work: LeaseWork, settlement: Settlement, error: Exception) -> None:
        """The store refused these effects themselves: the turn has failed, and it alone (a surrogate in a name, say).

        When several turns share the settlement nobody knows whose it is: they run again, each in a commit of its own.
        """
        work.lost = True  # the lease ends here
        entries = {entry.entry_id: entry for entry in work.lease.entries}
        log.error("turn.unwritable", bot=work.bot.name, lane=work.lease.lane, error=repr(error))
        outcome = outcome_of(error, work.lease.attempts, work.bot.policy)
        alone = len(settlement.done) == 1 and settlement.done[0] in entries
        ending = Settlement(work.lease, [], Effects(), journaled=settlement.journaled)
        if isinstance(outcome, Dead) and alone:
            self._metrics.dead_letters.labels(work.bot.name, "entry", outcome.reason).inc()
            ending.buried = [Burial(settlement.done[0], outcome.error, outcome.reason, work.lease.attempts)]
        else:
            ending.delay_s = work.bot.policy.retry.delay_s(work.lease.attempts)
        await self._commits.submit(ending)

    async def _commit_alone(self, work: LeaseWork, turn: Turn, reach: TurnReach) -> None:
        """Commit a turn in the transaction that its handler used; it is rolled back when it took too long."""
        assert reach.transaction is not None
        try:
            if reach.failure is not None:
                raise reach.failure  # the handler went on after a failed function: half of its work must not stay
            work.journaled = turn.journaled
            work.effects = turn.effects
            work.uncommitted = [turn.entry.entry_id]
            settlement = work.settlement(keep=work.left > 0)
            if await reach.transaction.commit(settlement):
                work.shorten(settlement)
                self._metrics.count(settlement.effects.counted)
                if self._tells:
                    _tell(settlement)
            else:
                self._fenced(work)
        except Exception as failure:
            await reach.undo()
            work.left += 1
            outcome = self._decide(work, turn, failure)
            work.left -= 1
            work.lost = await self._give_up_or_retry(work, turn, outcome)
            return
        work.remember(turn)
        if turn.effects.timers:
            self._nudge_timers()

    async def _settle_batch(self, settlements: Any) -> list[bool]:
        metrics = self._metrics
        started = self._clock.monotonic()
        verdicts = await self.turns.settle(settlements)
        metrics.commit_seconds.observe(self._clock.monotonic() - started)
        metrics.commit_batch.observe(len(settlements))
        counted: list[tuple[str, tuple[str, ...]]] = []
        for settlement, held in zip(settlements, verdicts, strict=True):
            if held:
                counted += settlement.effects.counted
                if self._tells:
                    _tell(settlement)
        if counted:
            metrics.count(counted)
        if any(settlement.effects.timers for settlement in settlements):
            self._nudge_timers()
        return verdicts

    def _fenced(self, work: LeaseWork) -> None:
        """Somebody else owns the lane: what this work did is dropped, and theirs counts."""
        work.lost = True
        self._metrics.fenced.labels("turn").inc()
        log.warning("turn.fenced", bot=work.bot.name, lane=work.lease.lane)

    async def before_transaction(self, work: LeaseWork) -> None:
        """A turn's own transaction carries that turn alone, so what came before it is committed first."""
        if work.uncommitted:
            await self.commit(work, work.settlement(keep=True))


def _tell(settlement: Settlement) -> None:
    """The line of the road between `update.stored` and `delivery.sent`."""
    for entry_id in settlement.done:
        log.debug(
            "turn.committed",
            trace=trace_of(settlement.lease.bot_id, entry_id),
            lane=settlement.lease.lane,
            deliveries=len(settlement.effects.deliveries),
            jobs=len(settlement.effects.jobs),
        )


def _tries_max(policy: TurnPolicy) -> int:
    """How often an entry may begin: once more than allowed, alone, unless its author allowed no second run at all."""
    allowed = policy.retry.attempts_max
    return allowed + 1 if allowed > 1 else allowed


def _worn_out(turn: Turn) -> HandlerCrash:
    """A try is counted before it runs, so one too many means that the process died in the others; it is not run."""
    return HandlerCrash(
        f"{turn.attempt - 1} tries began and none ended: the process died, or lost its lease, each time"
    )


def outcome_of(failure: BaseException, attempts: int, policy: TurnPolicy) -> Retry | Dead:
    """What a failed turn comes to: the author's words count first, then the number of tries."""
    error = "".join(traceback.format_exception(failure))[-ERROR_MAX:]
    if isinstance(failure, Terminal):
        return Dead(error, failure.reason, policy.on_dead)
    if policy.retry.exhausted(attempts):
        return Dead(error, type(failure).__name__, policy.on_dead)
    if isinstance(failure, Retryable) and failure.retry_after_s is not None:
        return Retry(max(failure.retry_after_s, 0.001), error)
    return Retry(max(policy.retry.delay_s(attempts), 0.001), error)


@coroutine
def _in_its_own_context(handling: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """Await a handler so that what it sets in its context variables ends with it: its task has other turns to run."""
    run = copy_context().run
    step: Callable[[Any], Any] = handling.send
    value: Any = None
    while True:
        try:
            waited_for = run(step, value)
        except StopIteration:
            return
        try:
            step, value = handling.send, (yield waited_for)
        except BaseException as error:  # the handler is cancelled, or what it waited for went wrong
            step, value = handling.throw, error


class TurnReach(msgspec.Struct, eq=False):
    """What one turn can reach: its transaction, its chat's state, its recorded calls."""

    _runner: TurnRunner
    _work: LeaseWork
    _entry: Entry
    transaction: TurnTransaction | None = None
    failure: Exception | None = None

    async def transact(self, function: Callable[..., R], *args: Any) -> R:
        if self.transaction is None:
            await self._runner.before_transaction(self._work)
            budget_s = self._work.bot.policy.transact_budget_s
            self.transaction = await self._runner.turns.open(self._work.lease, budget_s=budget_s)
        try:
            return await self.transaction.run(function, *args)
        except Exception as error:
            self.failure = error
            raise

    @property
    def in_transaction(self) -> bool:
        return self.transaction is not None

    async def forget_transaction(self, error: BaseException) -> bool:
        if self.transaction is None or self.failure is not error or not _is_database_error(error):
            return False
        await self.transaction.rollback()
        self.transaction = self.failure = None
        return True

    async def undo(self) -> None:
        if self.transaction is not None:
            await self.transaction.rollback()

    async def read_states(self, lane: int, names: Iterable[str]) -> dict[str, bytes]:
        """What the store has, under what the turns of this lease changed and did not commit yet."""
        work, wanted = self._work, list(names)
        lease = work.lease
        if lane == lease.lane and lease.states_complete:
            return {name: lease.states[name] for name in wanted if name in lease.states}
        found = dict(await self._runner.turns.read_states(lease.bot_id, lane, wanted))
        for write in work.effects.states if work.effects is not None else ():
            if write.bot_id == lease.bot_id and write.lane == lane and write.name in wanted:
                if write.data is None:
                    found.pop(write.name, None)
                else:
                    found[write.name] = write.data
        return found

    async def session(self, session_id: str) -> SessionRecord | None:
        for move in reversed(self._moves()):
            if move.record.id == session_id:
                return move.record
        known = self._work.lease.sessions.get(session_id)
        if known is not None:
            return known
        found = await self._runner.sessions.get(session_id)
        return found if found is not None and found.bot_id == self._work.lease.bot_id else None

    async def sessions(self, lane: int, user_ids: Sequence[int]) -> list[SessionRecord]:
        lease = self._work.lease
        if lane == lease.lane and lease.sessions_complete:
            return [record for record in lease.sessions.values() if record.owner.user_id in user_ids]
        found = {record.id: record for record in await self._runner.sessions.owned(lease.bot_id, lane, user_ids)}
        for move in self._moves():
            if move.record.lane == lane and move.record.owner.user_id in user_ids:
                found[move.record.id] = move.record
        return [record for record in found.values() if record.is_active]

    async def journal(self, session_id: str) -> list[bytes]:
        records = dict(enumerate(await self._runner.sessions.journal(session_id)))
        changes = self._work.effects.sessions if self._work.effects is not None else None
        for entry in changes.journal if changes else ():
            if entry.session_id == session_id:
                records[entry.ordinal] = entry.record
        return [record for _, record in sorted(records.items())]

    def _moves(self) -> list[SessionWrite]:
        """What the turns of this lease did to sessions and have not committed yet."""
        changes = self._work.effects.sessions if self._work.effects is not None else None
        return changes.writes if changes else []

    async def recall(self) -> list[CallRecord]:
        if not self._work.lease.resumed:
            return []
        return await self._runner.journal.recall(self._work.lease, self._entry.entry_id)

    async def begin_call(self, record: CallRecord) -> None:
        await self._runner.journal.begin(self._work.lease, record)

    async def end_call(self, record: CallRecord, *, durable: bool = False) -> None:
        await self._runner.journal.end(self._work.lease, record, durable=durable)


def _is_database_error(error: BaseException) -> bool:
    """Whether the database said no, as opposed to the author's code."""
    return any(
        kind.__module__.partition(".")[0] in ("sqlalchemy", "sqlite3", "asyncpg") for kind in type(error).__mro__
    )


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _uncancel() -> None:
    """The cancellation was ours and has served its purpose; without this an outer timeout would see it too."""
    task = asyncio.current_task()
    if task is not None:
        while task.cancelling():
            task.uncancel()
