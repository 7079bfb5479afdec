"""Work outside the turn: leased, retried, finished in one commit; timers and schedules fire once."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from posthouse.core.effects import Effects, JobRequest
from posthouse.core.entries import Completion, entry_id_of_job
from posthouse.core.leases import JobLease, JobSettlement, Lease
from posthouse.ports.store import Cron, Filter, Store
from posthouse.testing.contracts.examples import (
    BOT,
    LANE,
    QUEUE,
    claim_job,
    claim_one,
    done,
    ids,
    job,
    say,
    send_all,
    state,
    timer,
    turn,
    unlimited,
    update,
    want,
    woken,
)
from posthouse.testing.contracts.maker import StoreMaker, reopened


def finished(lease: JobLease, result: bytes = b"null", effects: Effects | None = None) -> JobSettlement:
    return JobSettlement(lease=lease, result=result, effects=effects or Effects())


async def enqueue_one(store: Store, request: JobRequest) -> int:
    [job_id] = await store.jobs.enqueue([request])
    assert job_id is not None
    return job_id


async def claim_and_finish(store: Store) -> Lease:
    lease = await claim_one(store)
    await store.turns.settle([done(lease)])
    return lease


async def tasks(store: Store, limit: int = 16) -> list[str]:
    """The tasks of the jobs that can be claimed now, in the order of the claim."""
    return [lease.task for lease in await store.jobs.claim({QUEUE: limit}, ttl_s=60)]


class ClaimJobsContract:
    @pytest.mark.req("S1-45", "C1-25")
    async def test_a_job_comes_as_it_was_asked_for(self, store: Store, store_maker: StoreMaker) -> None:
        """Every field of a job reaches its worker, through a crash too; the arguments are the same JSON."""
        args = {"prompt": "мир \x00", "n": 2**53 + 1}
        request = JobRequest(
            queue=QUEUE,
            task="draw",
            args=json.dumps(args).encode(),
            attempts_max=3,
            bot_id=BOT,
            lane=LANE,
            notify=True,
            data=b'{"card":7}',
            trace="7:77",
        )
        job_id = await enqueue_one(store, request)
        successor = await reopened(store_maker, store)
        lease = await claim_job(successor)
        assert (lease.id, lease.queue, lease.task, json.loads(lease.args)) == (job_id, QUEUE, "draw", args)
        assert (lease.attempts, lease.attempts_max, lease.cancelled) == (1, 3, False)
        assert (lease.bot_id, lease.lane, lease.notify, lease.trace) == (BOT, LANE, True, "7:77")
        assert json.loads(lease.data) == {"card": 7}

    async def test_a_leased_job_is_not_claimed(self, store: Store) -> None:
        """A job is claimed by one worker."""
        await store.jobs.enqueue([job(f"t{i}") for i in range(20)])
        claims = await asyncio.gather(*(store.jobs.claim({QUEUE: 4}, ttl_s=60) for _ in range(5)))
        found = [lease.task for claim in claims for lease in claim]
        found += await tasks(store, 20)
        assert sorted(found) == sorted(f"t{i}" for i in range(20))

    async def test_the_urgent_go_first(self, store: Store) -> None:
        """Jobs are claimed by priority, the smallest number first, and within one in the order they came."""
        await store.jobs.enqueue([job(f"{p}{n}", priority=p) for n in "ab" for p in (2, 0, 3, 1)])
        assert [t for _ in range(8) for t in await tasks(store, 1)] == [
            "0a",
            "0b",
            "1a",
            "1b",
            "2a",
            "2b",
            "3a",
            "3b",
        ]

    async def test_queues_have_limits_of_their_own(self, store: Store) -> None:
        """A claim takes up to the given number from each queue, and nothing from queues it does not name."""
        await store.jobs.enqueue([job("r", queue=q) for q in ("one", "two", "three") for _ in range(3)])
        leases = await store.jobs.claim({"one": 1, "two": 2}, ttl_s=60)
        assert sorted(lease.queue for lease in leases) == ["one", "two", "two"]
        assert await store.jobs.claim({"one": 0}, ttl_s=60) == []
        assert await store.jobs.claim({}, ttl_s=60) == []

    async def test_a_job_that_is_due_later_waits(self, store: Store, store_maker: StoreMaker) -> None:
        """A delayed job is claimed when its time has come, whichever road it came in."""
        await store.jobs.enqueue([job("later", delay_s=50)])
        await want(store, job("from a turn", delay_s=50))
        assert await tasks(store) == []
        await store_maker.elapse(40)
        assert await tasks(store) == []
        await store_maker.elapse(11)
        assert sorted(await tasks(store)) == ["from a turn", "later"]

    @pytest.mark.req("S1-6", "C1-25")
    async def test_a_unique_key_admits_one_live_job(self, store: Store) -> None:
        """While a job of a key is live a second is not queued; when it has ended the key is free."""
        assert await enqueue_one(store, job("first", unique_key="k"))
        assert await store.jobs.enqueue([job("second", unique_key="k")]) == [None]
        lease = await claim_job(store)
        assert await store.jobs.enqueue([job("third", unique_key="k")]) == [None]
        await store.jobs.settle([finished(lease)])
        assert await enqueue_one(store, job("fourth", unique_key="k"))
        assert await tasks(store) == ["fourth"]

    async def test_a_unique_key_is_one_of_its_queue(self, store: Store) -> None:
        """The same key in another queue is another key, and jobs without a key never collide."""
        found = await store.jobs.enqueue(
            [job(unique_key="k"), job(unique_key="k", queue="other"), job(unique_key="k"), job(), job()]
        )
        assert [x is not None for x in found] == [True, True, False, True, True]

    async def test_a_turn_may_ask_for_a_job_that_is_live(self, store: Store) -> None:
        """A turn whose job is live already settles, with its other effects."""
        unlimited(store)
        await store.jobs.enqueue([job("first", unique_key="k")])
        await want(store, job("second", unique_key="k"), job("third", unique_key="k"), say("hello"))
        assert await tasks(store) == ["first"]
        assert await send_all(store) == ["hello"]

    async def test_a_dead_job_frees_its_key(self, store: Store) -> None:
        """A job that died or was cancelled no longer occupies its key."""
        await store.jobs.enqueue([job("first", unique_key="k")])
        await store.jobs.settle([JobSettlement(lease=await claim_job(store), reason="exhausted")])
        job_id = await enqueue_one(store, job("second", unique_key="k"))
        assert await store.desk.cancel_job(job_id) is True
        assert await enqueue_one(store, job("third", unique_key="k"))
        assert await tasks(store) == ["third"]

    async def test_a_waiting_worker_is_woken(self, store: Store) -> None:
        """`ready` returns once a job has been queued."""
        waiting = asyncio.ensure_future(store.jobs.ready())
        await asyncio.sleep(0)
        await store.jobs.enqueue([job()])
        await asyncio.wait_for(waiting, 30)
        assert await tasks(store) == ["draw"]

    async def test_a_waiting_worker_is_woken_when_a_job_falls_due(self, store: Store, store_maker: StoreMaker) -> None:
        """Whoever waits in `ready` gets a delayed job once it is due."""
        await store.jobs.enqueue([job(delay_s=50)])
        waiting = asyncio.ensure_future(woken(store.jobs.ready, lambda: store.jobs.claim({QUEUE: 8}, ttl_s=60)))
        await asyncio.sleep(0)
        await store_maker.elapse(51)
        assert [lease.task for lease in await waiting] == ["draw"]


class WorkContract:
    async def test_a_retried_job_waits_and_counts(self, store: Store, store_maker: StoreMaker) -> None:
        """A job that failed for now comes back after its delay with one more attempt."""
        await store.jobs.enqueue([job()])
        for attempts in (1, 2, 3):
            lease = await claim_job(store)
            assert lease.attempts == attempts
            assert await store.jobs.settle([JobSettlement(lease=lease, delay_s=50, error="busy")]) == [True]
            assert await tasks(store) == []
            await store_maker.elapse(51)
        assert (await claim_job(store)).attempts == 4

    async def test_a_job_that_is_given_back_is_not_counted(self, store: Store) -> None:
        """A job that its worker gives back uncounted (a graceful stop) can be claimed at once as the same try."""
        await store.jobs.enqueue([job()])
        for _ in range(3):
            lease = await claim_job(store)
            assert lease.attempts == 1
            end = JobSettlement(lease=lease, delay_s=0, counted=False)
            assert await store.jobs.settle([end]) == [True]

    async def test_a_heartbeat_keeps_the_job(self, store: Store, store_maker: StoreMaker) -> None:
        """A job that is extended in time is kept by its worker."""
        await store.jobs.enqueue([job()])
        lease = await claim_job(store, ttl_s=60)
        for _ in range(4):
            await store_maker.elapse(40)
            assert await store.jobs.extend([lease], ttl_s=60) == []
            assert (await store.upkeep.reap()).jobs == 0
            assert await tasks(store) == []
        assert await store.jobs.settle([finished(lease)]) == [True]

    @pytest.mark.req("S1-45", "S1-49")
    async def test_an_overdue_job_goes_to_the_next(self, store: Store, store_maker: StoreMaker) -> None:
        """A job whose worker went silent is claimed by the next, counted, and the silent one is fenced."""
        await store.jobs.enqueue([job()])
        silent = await claim_job(store, ttl_s=60)
        await store_maker.elapse(61)
        await store.upkeep.reap()
        lease = await claim_job(store, ttl_s=60)
        assert (lease.id, lease.attempts) == (silent.id, 2)
        assert [x.token for x in await store.jobs.extend([silent, lease], ttl_s=60)] == [silent.token]
        assert await store.jobs.settle([finished(silent)]) == [False]
        assert await store.jobs.settle([finished(lease)]) == [True]

    @pytest.mark.req("E1-9", "S1-49")
    async def test_a_crashed_workers_job_goes_to_the_next(self, store: Store, store_maker: StoreMaker) -> None:
        """A job whose process died runs again, counted, without waiting for its lease to end."""
        await store.jobs.enqueue([job()])
        lost = await claim_job(store, ttl_s=100_000)
        successor = await reopened(store_maker, store)
        lease = await claim_job(successor)
        assert (lease.id, lease.attempts) == (lost.id, 2)
        assert await successor.jobs.settle([finished(lost)]) == [False]
        assert await successor.jobs.settle([finished(lease)]) == [True]
        assert await tasks(successor) == []

    @pytest.mark.req("C1-18", "E1-9")
    async def test_a_job_finishes_in_one_commit(self, store: Store, store_maker: StoreMaker) -> None:
        """A job's end, its effects and the entry that tells the lane are written together."""
        job_id = await enqueue_one(
            store, job(bot_id=BOT, lane=LANE, notify=True, data=b'{"card":7}', trace="7:77", queue=QUEUE)
        )
        lease = await claim_job(store)
        effects = Effects(
            deliveries=[say("ready")],
            jobs=[job("next")],
            states=[state("a", b"1")],
            timers=[timer(delay_s=5)],
        )
        assert await store.jobs.settle([finished(lease, b'{"url":"x"}', effects)]) == [True]
        successor = await reopened(store_maker, store)
        unlimited(successor)
        assert await send_all(successor) == ["ready"]
        assert await tasks(successor) == ["next"]
        told = await claim_one(successor)
        assert (told.bot_id, told.lane, told.states) == (BOT, LANE, {"a": b"1"})
        [entry] = told.entries
        assert (entry.entry_id, entry.is_update) == (entry_id_of_job(job_id), False)
        completion = msgspec.json.decode(entry.payload, type=Completion)
        assert (completion.job_id, completion.task, completion.error) == (job_id, "draw", None)
        assert json.loads(bytes(completion.result)) == {"url": "x"}
        assert json.loads(bytes(completion.data)) == {"card": 7}
        await store_maker.elapse(6)
        assert (await successor.jobs.fire_timers(8))[0] == 1

    async def test_what_a_job_remembers_the_next_turn_knows(self, store: Store) -> None:
        """Also when the chat was read a moment before."""
        unlimited(store)
        await turn(store, update(1), effects=Effects(states=[state("a", b"1"), state("b", b"1")]))
        await store.inbox.ingest([update(2)])
        assert (await claim_and_finish(store)).states == {"a": b"1", "b": b"1"}
        await enqueue_one(store, job())
        writes = Effects(states=[state("a", b"2"), state("b", None)])
        assert await store.jobs.settle([finished(await claim_job(store), effects=writes)]) == [True]
        await store.inbox.ingest([update(3)])
        assert (await claim_one(store)).states == {"a": b"2"}

    async def test_a_fenced_worker_writes_nothing(self, store: Store, store_maker: StoreMaker) -> None:
        """A worker that lost its job writes neither effects nor the entry that tells the lane."""
        unlimited(store)
        await store.jobs.enqueue([job(bot_id=BOT, lane=LANE, notify=True), job("other")])
        first, other = sorted(await store.jobs.claim({QUEUE: 8}, ttl_s=60), key=lambda lease: lease.id)
        assert await store.jobs.settle([finished(first)]) == [True]
        late = finished(first, b"2", Effects(deliveries=[say("twice")], states=[state("a", b"1")]))
        assert await store.jobs.settle([late, finished(other)]) == [False, True]
        assert await send_all(store) == []
        assert await store.turns.read_states(BOT, LANE, ["a"]) == {}
        assert len((await claim_one(store)).entries) == 1

    async def test_a_silent_job_tells_nobody(self, store: Store) -> None:
        """Without `notify` a job's end makes no entry."""
        await store.jobs.enqueue([job(bot_id=BOT, lane=LANE)])
        await store.jobs.settle([finished(await claim_job(store))])
        assert await store.turns.claim(8, 8) == []

    async def test_a_finished_job_runs_before_waiting_updates(self, store: Store) -> None:
        """A finished job's entry is the lane's next, before waiting updates; a turn is not disturbed."""
        await store.inbox.ingest([update(1)])
        running = await claim_one(store)
        await store.inbox.ingest([update(2)])
        job_id = await enqueue_one(store, job(bot_id=BOT, lane=LANE, notify=True))
        await store.jobs.settle([finished(await claim_job(store))])
        assert await store.turns.claim(8, 8) == []
        assert await store.turns.settle([done(running)]) == [True]
        lease = await claim_one(store)
        assert ids(lease) == [entry_id_of_job(job_id), 2]
        assert await store.turns.settle([done(lease)]) == [True]
        assert await store.turns.claim(8, 8) == []

    @pytest.mark.req("C1-18", "S3-47")
    async def test_a_dead_job_becomes_a_dead_letter_and_tells_its_lane(self, store: Store) -> None:
        """A job that is given up is kept with its reason; its effects are written and its lane is told."""
        job_id = await enqueue_one(store, job(bot_id=BOT, lane=LANE, notify=True, data=b"7"))
        lease = await claim_job(store)
        unlimited(store)
        sorry = Effects(deliveries=[say("sorry")])
        end = JobSettlement(lease=lease, effects=sorry, reason="exhausted", error="TimeoutError: model")
        assert await store.jobs.settle([end]) == [True]
        [row] = await store.desk.list("dead", Filter())
        assert (row.kind, row.what, row.queue) == ("job", "draw", QUEUE)
        assert (row.reason, row.error, row.attempts) == ("exhausted", "TimeoutError: model", 1)
        [entry] = (await claim_one(store)).entries
        completion = msgspec.json.decode(entry.payload, type=Completion)
        assert (completion.job_id, bytes(completion.data), bool(completion.error)) == (job_id, b"7", True)
        assert await send_all(store) == ["sorry"]
        assert await tasks(store) == []

    async def test_a_retried_job_tells_nobody_yet(self, store: Store) -> None:
        """A job that will run again makes no entry, and its settlement's effects are written."""
        unlimited(store)
        await store.jobs.enqueue([job(bot_id=BOT, lane=LANE, notify=True)])
        progress = Effects(deliveries=[say("still drawing")])
        await store.jobs.settle([JobSettlement(lease=await claim_job(store), effects=progress, delay_s=50)])
        assert await store.turns.claim(8, 8) == []
        assert await send_all(store) == ["still drawing"]

    async def test_many_jobs_settle_at_once(self, store: Store) -> None:
        """Many jobs of one lane settle in one call, and the lane hears of each, in the order of the jobs."""
        found = await store.jobs.enqueue([job(bot_id=BOT, lane=LANE, notify=True) for _ in range(20)])
        leases = await store.jobs.claim({QUEUE: 32}, ttl_s=60)
        assert await store.jobs.settle([finished(lease) for lease in leases]) == [True] * 20
        assert ids(await claim_one(store, depth=32)) == [entry_id_of_job(x) for x in found if x is not None]


class CancelContract:
    async def test_a_waiting_job_is_cancelled(self, store: Store) -> None:
        """A waiting job that is cancelled never runs; a second cancel finds nothing."""
        job_id = await enqueue_one(store, job())
        assert await store.desk.cancel_job(job_id) is True
        assert await tasks(store) == []
        assert await store.desk.cancel_job(job_id) is False
        assert await store.desk.cancel_job(10**9) is False

    async def test_a_running_job_hears_of_its_cancellation(self, store: Store, store_maker: StoreMaker) -> None:
        """The worker of a cancelled job is told at its next heartbeat, and the job does not run again."""
        await store.jobs.enqueue([job("doomed"), job("other")])
        leases = sorted(await store.jobs.claim({QUEUE: 8}, ttl_s=60), key=lambda lease: lease.task)
        assert await store.desk.cancel_job(leases[0].id) is True
        assert [lease.id for lease in await store.jobs.extend(leases, ttl_s=60)] == [leases[0].id]
        await store.jobs.settle([finished(leases[1])])
        await store_maker.elapse(61)
        await store.upkeep.reap()
        assert await tasks(store) == []

    async def test_the_end_of_a_cancelled_job_is_told(self, store: Store) -> None:
        """Its lane hears that it was cancelled: waiting, or in a try that was to be repeated; its key is free again."""
        waiting = await enqueue_one(store, job(notify=True, lane=1, bot_id=BOT))
        assert await store.desk.cancel_job(waiting) is True
        running = await enqueue_one(store, job(notify=True, lane=2, bot_id=BOT, unique_key="k"))
        (lease,) = await store.jobs.claim({QUEUE: 8}, ttl_s=60)
        assert await store.desk.cancel_job(running) is True
        assert await store.jobs.settle([JobSettlement(lease, delay_s=5.0, error="again")]) == [True]
        lanes = await store.turns.claim(8, 1)
        told = {lease.lane: msgspec.json.decode(lease.entries[0].payload) for lease in lanes}
        assert {lane: (end["job_id"], end["error"]) for lane, end in told.items()} == {
            1: (waiting, "cancelled"),
            2: (running, "cancelled"),
        }
        assert await store.jobs.enqueue([job(unique_key="k")]) != [None]

    async def test_a_finished_job_cannot_be_cancelled(self, store: Store) -> None:
        """There is nothing to cancel once a job has ended."""
        job_id = await enqueue_one(store, job())
        await store.jobs.settle([finished(await claim_job(store))])
        assert await store.desk.cancel_job(job_id) is False

    async def test_a_paused_queue_is_not_claimed(self, store: Store, store_maker: StoreMaker) -> None:
        """A paused queue gives out nothing, also after a restart, until it is let go; other queues go on."""
        await store.jobs.enqueue([job("r"), job("o", queue="other")])
        await store.desk.pause_queue(QUEUE, True)
        await store.desk.pause_queue(QUEUE, True)
        leases = await store.jobs.claim({QUEUE: 8, "other": 8}, ttl_s=60)
        assert [lease.task for lease in leases] == ["o"]
        successor = await reopened(store_maker, store)
        assert await tasks(successor) == []
        await successor.desk.pause_queue(QUEUE, False)
        assert await tasks(successor) == ["r"]

    async def test_a_paused_queue_lets_running_jobs_finish(self, store: Store) -> None:
        """Pausing a queue does not touch the jobs that run."""
        await store.jobs.enqueue([job()])
        lease = await claim_job(store)
        await store.desk.pause_queue(QUEUE, True)
        assert await store.jobs.extend([lease], ttl_s=60) == []
        assert await store.jobs.settle([finished(lease)]) == [True]


class TimerContract:
    async def test_a_timer_fires_once(self, store: Store, store_maker: StoreMaker) -> None:
        """A due timer becomes one entry of its lane, however often it is asked for and through a crash."""
        await want(store, timer(b'{"event":"timer","name":"remind","data":"\xd0\xbc"}'))
        count, next_s = await store.jobs.fire_timers(8)
        assert count == 0
        assert next_s is not None
        assert 40 < next_s <= 50
        await store_maker.elapse(51)
        successor = await reopened(store_maker, store)
        assert await successor.jobs.fire_timers(8) == (1, None)
        assert await successor.jobs.fire_timers(8) == (0, None)
        lease = await claim_one(successor)
        [entry] = lease.entries
        assert (lease.bot_id, lease.lane, entry.is_update) == (BOT, LANE, False)
        assert entry.payload == b'{"event":"timer","name":"remind","data":"\xd0\xbc"}'
        assert await successor.turns.settle([done(lease)]) == [True]
        successor = await reopened(store_maker, successor)
        assert await successor.jobs.fire_timers(8) == (0, None)
        assert await successor.turns.claim(8, 8) == []

    async def test_a_claim_at_the_same_time_fires_once(self, store: Store, store_maker: StoreMaker) -> None:
        """Several who fire timers at the same time fire each once."""
        await want(store, *(timer(lane=lane, delay_s=1) for lane in range(1, 21)))
        await store_maker.elapse(2)
        counts = await asyncio.gather(*(store.jobs.fire_timers(16) for _ in range(4)))
        total = sum(count for count, _ in counts)
        while (more := await store.jobs.fire_timers(16))[0]:
            total += more[0]
        leases = await store.turns.claim(64, 8)
        assert (total, sorted((x.lane, len(x.entries)) for x in leases)) == (
            20,
            [(i, 1) for i in range(1, 21)],
        )

    async def test_fire_takes_no_more_than_asked(self, store: Store, store_maker: StoreMaker) -> None:
        """`limit` bounds one call, which then says that more is due now."""
        await want(store, *(timer(lane=lane, delay_s=1) for lane in (1, 2, 3)), timer(delay_s=1000))
        await store_maker.elapse(2)
        count, next_s = await store.jobs.fire_timers(2)
        assert (count, next_s is not None and next_s <= 0) == (2, True)
        count, next_s = await store.jobs.fire_timers(2)
        assert (count, next_s is not None and next_s > 900) == (1, True)

    async def test_a_timer_replaces_the_one_of_its_key(self, store: Store, store_maker: StoreMaker) -> None:
        """A keyed timer replaces the older one of its lane; other lanes, bots and keyless ones stay."""
        await want(store, timer(b'"old"', key="k"), timer(b'"none"'), timer(b'"none"'))
        await want(store, timer(b'"lane"', key="k", lane=LANE + 1), timer(b'"bot"', key="k", bot_id=BOT + 1))
        await want(store, timer(b'"new"', key="k", delay_s=90))
        await store_maker.elapse(51)
        assert (await store.jobs.fire_timers(16))[0] == 4
        await store_maker.elapse(40)
        assert (await store.jobs.fire_timers(16))[0] == 1
        leases = await store.turns.claim(16, 16)
        fired = sorted(entry.payload for lease in leases for entry in lease.entries)
        assert fired == [b'"bot"', b'"lane"', b'"new"', b'"none"', b'"none"']

    async def test_a_timer_replaces_one_of_the_same_turn(self, store: Store, store_maker: StoreMaker) -> None:
        """Of two timers with one key in one turn the last one counts."""
        await want(
            store,
            timer(b'"1"', key="k"),
            timer(b'"2"', key="k"),
            timer(b'"3"', key="x"),
            timer(None, key="x"),
        )
        await store_maker.elapse(51)
        assert await store.jobs.fire_timers(16) == (1, None)
        assert [entry.payload for entry in (await claim_one(store)).entries] == [b'"2"']

    async def test_a_timer_is_cancelled_by_its_key(self, store: Store, store_maker: StoreMaker) -> None:
        """A timer without payload cancels the one of its key; cancelling nothing is harmless."""
        await want(store, timer(key="k"))
        await want(store, timer(None, key="k"), timer(None, key="other"))
        await store_maker.elapse(51)
        assert await store.jobs.fire_timers(16) == (0, None)
        assert await store.turns.claim(8, 8) == []

    async def test_a_timer_of_a_fired_key_is_a_new_one(self, store: Store, store_maker: StoreMaker) -> None:
        """After a keyed timer fired, its key can be used again, and cancelling it does not unfire it."""
        await want(store, timer(b'"1"', key="k"))
        await store_maker.elapse(51)
        await store.jobs.fire_timers(8)
        lease = await claim_one(store)
        await store.turns.settle([done(lease, effects=Effects(timers=[timer(b'"2"', key="k")]))])
        await store_maker.elapse(51)
        assert await store.jobs.fire_timers(8) == (1, None)
        assert [entry.payload for entry in (await claim_one(store)).entries] == [b'"2"']


def firing(name: str, fire_at: float, task: str = "sweep") -> Cron:
    return Cron(name=name, fire_at=fire_at, request=job(task))


class CronContract:
    @pytest.mark.req("S1-49")
    async def test_a_firing_queues_its_job_once(self, store: Store, store_maker: StoreMaker) -> None:
        """A firing is done once over all processes and crashes; the next firing is another."""
        assert await store.jobs.fire_cron([firing("sweep", 1_750_000_000.0)]) == [True]
        assert await store.jobs.fire_cron([firing("sweep", 1_750_000_000.0)]) == [False]
        successor = await reopened(store_maker, store)
        again = [
            firing("sweep", 1_750_000_000.0),
            firing("sweep", 1_750_000_060.0),
            firing("other", 1_750_000_000.0),
        ]
        assert await successor.jobs.fire_cron(again) == [False, True, True]
        assert await tasks(successor) == ["sweep"] * 3

    async def test_schedulers_at_once_fire_once(self, store: Store) -> None:
        """Several schedulers that see the same firing queue one job."""
        at_once = (store.jobs.fire_cron([firing("sweep", 1_750_000_000.0)]) for _ in range(6))
        answers = await asyncio.gather(*at_once)
        assert sorted(answers) == [[False]] * 5 + [[True]]
        assert await tasks(store) == ["sweep"]

    async def test_twice_in_one_call_fires_once(self, store: Store) -> None:
        """The same firing twice in one call queues one job."""
        twice = [firing("sweep", 1_750_000_000.0), firing("sweep", 1_750_000_000.0)]
        assert await store.jobs.fire_cron(twice) == [True, False]
        assert await tasks(store) == ["sweep"]

    async def test_the_newest_firing_is_remembered(self, store: Store, store_maker: StoreMaker) -> None:
        """`last_fired` has the newest firing of each schedule that ever fired, with its fraction."""
        assert await store.jobs.last_fired(["sweep", "never"]) == {}
        await store.jobs.fire_cron([firing("sweep", 1_750_000_060.5), firing("sweep", 1_750_000_000.0)])
        await store.jobs.fire_cron([firing("other", 1_750_000_001.0)])
        successor = await reopened(store_maker, store)
        assert await successor.jobs.last_fired(["sweep", "never"]) == {"sweep": 1_750_000_060.5}
        assert await successor.jobs.last_fired([]) == {}

    async def test_a_firing_of_a_live_unique_job_counts_as_fired(self, store: Store) -> None:
        """A firing whose unique job is still live is spent: the sweep that runs is the one."""
        request = job("sweep", unique_key="sweep")
        for fire_at in (1_750_000_000.0, 1_750_000_060.0):
            await store.jobs.fire_cron([Cron(name="sweep", fire_at=fire_at, request=request)])
        assert await tasks(store) == ["sweep"]
        assert await store.jobs.last_fired(["sweep"]) == {"sweep": 1_750_000_060.0}


class JobsContract(ClaimJobsContract, WorkContract, CancelContract, TimerContract, CronContract):
    """All that is promised of jobs, timers and schedules."""
