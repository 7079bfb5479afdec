"""Turns on the whole road: handlers of every kind of badness, retries, dead letters, and what commits together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from road_stage import (
    BOT,
    RecordingGateway,
    Road,
    beforehand,
    echo,
    incoming,
    message,
    running,
)
from sqlalchemy import Connection, text

from posthouse import App, Job, Retryable, Terminal, Turn
from posthouse.settings import ExecutorSection

CORPUS = Path(__file__).parents[2] / "corpus" / "updates.jsonl"


def create(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE IF NOT EXISTS app_row (id INTEGER)"))


def insert(connection: Connection, number: int) -> int:
    create(connection)
    connection.execute(text("INSERT INTO app_row (id) VALUES (:id)"), {"id": number})
    return int(connection.execute(text("SELECT count(*) FROM app_row")).scalar_one())


def rows(connection: Connection) -> list[int]:
    create(connection)
    return [row[0] for row in connection.execute(text("SELECT id FROM app_row ORDER BY id"))]


def bad_app() -> App:
    """A command for each way to be bad, and a count for whoever comes after it."""
    app = App("bad")

    @app.command("raise")
    async def raises(turn: Turn) -> None:
        turn.session["half"] = True
        turn.say("never")
        await turn.transact(insert, 1)
        raise ValueError("on purpose")

    @app.command("raise_text")
    async def raises_odd_text(turn: Turn) -> None:
        raise ValueError("\udcff \0 \N{PILE OF POO} " + "long " * 5000)

    @app.command("create")
    async def creates(turn: Turn) -> None:
        await turn.transact(create)
        turn.say("created")

    @app.command("hang")
    async def hangs(turn: Turn) -> None:
        await asyncio.Event().wait()

    @app.command("cancelled")
    async def awaits_something_cancelled(turn: Turn) -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    @app.command("cancel_self")
    async def raises_cancelled(turn: Turn) -> None:
        raise asyncio.CancelledError

    @app.command("exit")
    async def exits(turn: Turn) -> None:
        sys.exit(3)

    @app.command("exit_in_transaction")
    async def exits_in_transaction(turn: Turn) -> None:
        await turn.transact(lambda connection: sys.exit(3))

    @app.command("stop_iteration")
    async def leaks_stop_iteration(turn: Turn) -> None:
        await turn.transact(lambda connection: next(iter(())))

    @app.command("recurse")
    async def recurses(turn: Turn) -> None:
        async def deeper() -> None:
            await deeper()

        await deeper()

    @app.command("recurse_in_transaction")
    async def recurses_in_transaction(turn: Turn) -> None:
        def deeper(connection: Connection) -> None:
            deeper(connection)

        await turn.transact(deeper)

    @app.command("garbage_session")
    async def leaves_garbage_in_session(turn: Turn) -> None:
        turn.session["x"] = object()

    @app.command("garbage_effect")
    async def says_garbage(turn: Turn) -> None:
        turn.say("text", link=object())

    @app.command("chat_too_large")
    async def names_a_chat_that_cannot_be(turn: Turn) -> None:
        turn.say("text", chat_id=2**70)

    @app.command("surrogate")
    async def says_half_a_character(turn: Turn) -> None:
        turn.session["name"] = "\ud800"

    @app.command("sql")
    async def writes_bad_sql(turn: Turn) -> None:
        await turn.transact(lambda connection: connection.execute(text("SELECT nonsense FROM nowhere")))

    @app.command("commit")
    async def commits_by_itself(turn: Turn) -> None:
        def commit(connection: Connection) -> None:
            insert(connection, 555)
            connection.commit()

        await turn.transact(commit)

    @app.command("swallow_sql")
    async def goes_on_after_a_failed_function(turn: Turn) -> None:
        await turn.transact(insert, 666)
        turn.say("never")
        with contextlib.suppress(Exception):
            await turn.transact(lambda connection: connection.execute(text("SELECT nonsense FROM nowhere")))

    @app.command("leak")
    async def keeps_its_transaction(turn: Turn) -> None:
        await turn.transact(insert, 777)
        await asyncio.sleep(0.6)

    @app.command("unknown_job")
    async def queues_nothing_known(turn: Turn) -> None:
        turn.enqueue(print)

    @app.command("document")
    async def sends_a_file_that_is_not_there(turn: Turn) -> None:
        turn.document(Path("/nowhere/at/all.pdf"))

    @app.command("return")
    async def returns_something(turn: Turn) -> Any:
        turn.say("returned")
        return {"anything": object()}

    @app.text()
    async def counts(turn: Turn) -> None:
        turn.session["count"] = turn.session.get("count", 0) + 1
        turn.say(f"{turn.text} {turn.session['count']}")

    return app


# What becomes of each command: the reason of its dead letter.
BAD = {
    "raise": "ValueError",
    "raise_text": "ValueError",
    "hang": "HandlerTimeout",
    "cancelled": "CancelledError",
    "cancel_self": "CancelledError",
    "exit": "SystemExit",
    "exit_in_transaction": None,
    "stop_iteration": None,
    "recurse": "RecursionError",
    "recurse_in_transaction": "RecursionError",
    "garbage_session": None,
    "garbage_effect": "AuthorError",
    "chat_too_large": None,
    "surrogate": None,
    "sql": None,
    "commit": "AuthorError",
    "swallow_sql": None,
    "leak": "TransactionTimeout",
    "unknown_job": "AuthorError",
    "document": "file",
}


async def test_whatever_a_handler_does_its_entry_is_buried_with_a_reason_and_all_others_go_on(on_road: Any) -> None:
    """Twenty-odd ways to be bad, all at once and each in a chat of its own, and good people beside and behind them."""
    bot = {"attempts_max": 2, "handler_timeout_s": 1.0, "transact_budget_s": 0.3}
    async with on_road(bad_app(), bot=bot) as road:
        await road.write(1, "/create", chat=1000)
        await road.gateway.sent("created")
        number = 1
        for chat, command in enumerate(BAD, 1):
            number += 3
            await road.write(number, f"before{chat}", chat=chat)
            await road.write(number + 1, f"/{command}", chat=chat)
            await road.write(number + 2, f"after{chat}", chat=chat)
        await road.write(1000, "/return", chat=1000)
        await road.write(1001, "bystander", chat=1001)
        await road.gateway.sent("returned", "bystander 1")
        await road.gateway.sent(*(f"before{chat} 1" for chat in range(1, len(BAD) + 1)))
        await road.gateway.sent(*(f"after{chat} 2" for chat in range(1, len(BAD) + 1)))
        letters = {row.lane: row for row in await road.dead(len(BAD))}
        assert len(letters) == len(BAD)
        for chat, (command, reason) in enumerate(BAD.items(), 1):
            letter = letters[chat]
            assert (letter.kind, letter.reason) == ("entry", reason or letter.reason), command
            assert letter.error, command
            shown = await road.store.desk.show("dead", letter.id)
            assert command in (shown.payload or ""), command
            session = await road.session(chat)
            assert session == {"count": 2}, command
        assert sorted(road.gateway.texts) == sorted(
            [
                "created",
                "returned",
                "bystander 1",
                *(f"before{chat} 1" for chat in range(1, len(BAD) + 1)),
                *(f"after{chat} 2" for chat in range(1, len(BAD) + 1)),
            ]
        )
    async with beforehand(road.settings) as store:
        await store.inbox.ingest([incoming(5000, "look", chat=9)])
        (lease,) = await store.turns.claim(1, 1)
        transaction = await store.turns.open(lease, budget_s=5)
        assert await transaction.run(rows) == []  # of no failed turn is a row left
        await transaction.rollback()


async def test_a_handler_that_swallows_its_cancellation_loses_its_slot_and_its_commit(configure: Any) -> None:
    """It cannot be stopped; its lane goes on when the lease has run out, and what it commits later is fenced."""
    app = App("stubborn")
    release = asyncio.Event()
    ended = asyncio.Event()

    @app.command("stubborn")
    async def stubborn(turn: Turn) -> None:
        if turn.attempt > 1:
            turn.count("reject_event", "stubborn", "second_run")
            turn.say("second run")
            return
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        turn.count("reject_event", "stubborn", "first_run")
        turn.say("first run")
        ended.set()

    @app.text()
    async def counts(turn: Turn) -> None:
        turn.say(turn.text)

    settings = configure(app, bot={"handler_timeout_s": 0.2, "attempts_max": 5}, store={"lease_ttl_s": 1.0})
    async with running(settings) as road:
        executor: Any = road.platform.executor
        executor._settings = type(executor._settings)(lease_ttl_s=1.0, grace_s=0.3, watch_s=0.05, stop_deadline_s=1.0)
        await road.write(1, "/stubborn")
        await road.write(2, "behind")
        await road.write(3, "beside", chat=2)
        await road.gateway.sent("beside")
        await road.gateway.sent("second run", "behind")
        release.set()
        await asyncio.wait_for(ended.wait(), 10)
        await road.write(4, "end")
        await road.gateway.sent("end")
        assert road.gateway.texts.count("second run") == 1
        assert "first run" not in road.gateway.texts
        assert await road.metric('posthouse_finish_stale_total{what="turn"}') >= 1
        assert await road.metric('reject_event_total{event="stubborn",reason="second_run"}') == 1
        assert await road.metric('reject_event_total{event="stubborn",reason="first_run"}') == 0  # nothing came of it


@pytest.mark.req("S3-47")
async def test_a_retry_waits_its_turn_and_then_goes_on_in_order(on_road: Any) -> None:
    """A failed entry is tried again after a pause; nothing of its chat overtakes it, and its effects come once."""
    app = App("retry")

    @app.text()
    async def flaky(turn: Turn) -> None:
        turn.session.setdefault("ran", []).append((turn.text, turn.attempt))
        turn.say(f"{turn.text} {turn.attempt}")
        if turn.text == "flaky" and turn.attempt < 3:
            raise Retryable("later", retry_after_s=0.01)

    async with on_road(app) as road:
        await road.write(1, "one")
        await road.write(2, "flaky")
        await road.write(3, "three")
        await road.gateway.sent("three 1")
        assert road.gateway.texts == ["one 1", "flaky 3", "three 1"]
        assert (await road.session())["ran"] == [["one", 1], ["flaky", 3], ["three", 1]]


@pytest.mark.req("S3-47")
async def test_policy_skip_buries_the_entry_and_goes_on_and_a_replay_runs_it_again(on_road: Any) -> None:
    """`skip`, the default: a dead letter with payload, reason and tries; replayed it is done, once."""
    app = App("skip")
    mended = asyncio.Event()

    @app.text()
    async def handler(turn: Turn) -> None:
        if turn.text == "bad" and not mended.is_set():
            raise ValueError("not yet")
        turn.say(turn.text)

    async with on_road(app, bot={"attempts_max": 3}) as road:
        await road.write(1, "bad")
        await road.write(2, "good")
        await road.gateway.sent("good")
        (letter,) = await road.dead()
        assert (letter.reason, letter.attempts, letter.trace) == ("ValueError", 3, f"{BOT}:1")
        assert "not yet" in letter.error
        mended.set()
        assert await road.store.desk.replay([letter.id]) == [letter.id]
        assert await road.store.desk.replay([letter.id]) == []
        await road.gateway.sent("bad")
        await road.idle()
        assert road.gateway.texts == ["good", "bad"]


@pytest.mark.req("S3-47")
async def test_policy_hold_blocks_the_chat_until_an_operator_decides(on_road: Any) -> None:
    """`hold`: nothing of the chat runs, the list says why; released, the head is tried again or buried."""
    app = App("hold")
    mended = asyncio.Event()

    @app.text()
    async def handler(turn: Turn) -> None:
        if turn.text.startswith("bad") and not mended.is_set():
            raise ValueError("not yet")
        turn.say(turn.text)

    async with on_road(app, bot={"attempts_max": 2, "on_dead": "hold"}) as road:
        for chat in (1, 2):
            await road.write(chat * 10, f"bad{chat}", chat=chat)
            await road.write(chat * 10 + 1, f"behind{chat}", chat=chat)
        await road.write(99, "beside", chat=3)
        await road.gateway.sent("beside")

        async def held() -> bool:
            return len([row for row in await road.rows("lanes") if row.state == "held"]) == 2

        await road.until(held)
        row = (await road.rows("lanes"))[0]
        assert "not yet" in row.reason or "not yet" in row.error
        mended.set()
        assert await road.store.desk.release_lane(BOT, 1, skip_head=False)
        assert await road.store.desk.release_lane(BOT, 2, skip_head=True)
        await road.gateway.sent("bad1", "behind1", "behind2")
        await road.idle()
        assert "bad2" not in road.gateway.texts
        assert [letter.lane for letter in await road.dead()] == [2]


@pytest.mark.req("S3-47")
async def test_policy_drop_forgets_the_entry_and_counts_it(on_road: Any) -> None:
    """`drop`: no dead letter, a counter, and the chat goes on."""
    app = App("drop")

    @app.text()
    async def handler(turn: Turn) -> None:
        if turn.text == "bad":
            raise Terminal("never", reason="useless")
        turn.say(turn.text)

    async with on_road(app, bot={"on_dead": "drop"}) as road:
        await road.write(1, "bad")
        await road.write(2, "good")
        await road.gateway.sent("good")
        assert await road.rows("dead") == []
        assert await road.metric('posthouse_dead_letters_total{bot="road",reason="useless",what="entry"}') == 1


async def test_what_a_turn_wants_happens_together_or_not_at_all(on_road: Any) -> None:
    """Session, messages, jobs, timers and rows of one turn: all after its commit, none of a turn that raised."""
    app = App("together")

    @app.job()
    async def work(job: Job, name: str) -> str:
        job.say(f"job {name}")
        return name

    @app.event("work")
    async def worked(turn: Turn) -> None:
        _, end = turn.event
        turn.say(f"worked {end['result']} {end['data']}")

    @app.event("bell")
    async def bell(turn: Turn) -> None:
        turn.say(f"bell {turn.event[1]}")

    @app.text()
    async def everything(turn: Turn) -> None:
        count = await turn.transact(insert, turn.entry.entry_id)
        turn.session["count"] = count
        turn.say(f"count {count}")
        turn.enqueue(work, name=turn.text, notify=True, data="d")
        turn.after(timedelta(milliseconds=20), "bell", data=turn.text)
        if turn.text == "bad":
            raise Terminal("after everything")

    async with on_road(app) as road:
        await road.write(1, "bad")
        await road.write(2, "good")
        await road.gateway.sent("count 1", "job good", "worked good d", "bell good")
        await road.idle()
        assert sorted(road.gateway.texts) == ["bell good", "count 1", "job good", "worked good d"]
        assert await road.session() == {"count": 1}
        letters = await road.dead()
        assert [letter.reason for letter in letters] == ["terminal"]


async def test_a_turn_sees_what_the_turns_before_it_wrote(on_road: Any) -> None:
    """In one lease or in many, in its session and in the app's tables, whatever mix of commits there is."""
    app = App("sees")

    @app.text()
    async def mixed(turn: Turn) -> None:
        number = turn.entry.entry_id
        turn.session["numbers"] = [*turn.session.get("numbers", []), number]
        if number % 3 == 0:
            await turn.transact(insert, number)
            assert (await turn.transact(rows))[-1] == number
        if number % 7 == 0 and turn.attempt == 1:
            raise ValueError("once")
        turn.say(f"{number} {len(turn.session['numbers'])}")

    settings = None
    async with on_road(app) as road:
        settings = road.settings
    async with beforehand(settings) as store:
        await store.inbox.ingest([incoming(number, "x") for number in range(1, 61)])
    async with running(settings) as road:
        await road.gateway.sent("60 60")
        assert road.gateway.texts == [f"{number} {number}" for number in range(1, 61)]
        assert (await road.session())["numbers"] == list(range(1, 61))


async def test_a_schedule_fires_its_job_through_the_whole_platform(on_road: Any) -> None:
    """A cron job of the program is queued and run without anybody asking."""
    app = App("cron")
    ran = asyncio.Event()

    @app.cron("* * * * * *")
    @app.job()
    async def tick(job: Job) -> None:
        ran.set()

    @app.text()
    async def nothing(turn: Turn) -> None: ...

    async with on_road(app):
        await asyncio.wait_for(ran.wait(), 10)


async def test_a_flood_of_one_chat_does_not_hold_up_the_others(configure: Any) -> None:
    """Counted in turns: whoever comes behind 2,000 updates of one chat waits for a handful of them."""
    app = App("flood")
    order: list[int] = []

    @app.text()
    async def handler(turn: Turn) -> None:
        order.append(turn.lane)
        await asyncio.sleep(0)
        if turn.lane != 1:
            turn.say(f"chat {turn.lane}")

    settings = configure(app, executor=ExecutorSection(concurrency=4, depth_max=64, stop_deadline_s=2.0))
    async with running(settings):
        pass
    others = list(range(2, 22))
    async with beforehand(settings) as store:
        flood = [incoming(number, "flood") for number in range(1, 2001)]
        for start in range(0, 2000, 250):
            await store.inbox.ingest(flood[start : start + 250])
        await store.inbox.ingest([incoming(5000 + chat, "x", chat=chat) for chat in others])
    async with running(settings) as road:
        await road.gateway.sent(*(f"chat {chat}" for chat in others))
        first = [order.index(chat) for chat in others]
        floods_before = [order[:at].count(1) for at in first]
        assert max(floods_before) <= 3 * 64, floods_before
        await road.until(lambda: _done(order, 2000))
        await road.write(9000, "x", chat=30)
        await road.gateway.sent("chat 30")


async def _done(order: list[int], count: int) -> bool:
    return order.count(1) >= count


async def test_a_long_lane_is_taken_in_larger_pieces(configure: Any) -> None:
    """The depth of a claim adapts: four hundred updates of one chat take far fewer than four hundred commits."""
    app = App("deep")
    order: list[int] = []

    @app.text()
    async def handler(turn: Turn) -> None:
        order.append(turn.entry.entry_id)
        if turn.text == "last":
            turn.say("last")

    settings = configure(app)
    async with running(settings) as road:
        await road.write(1, "first")
        await road.store.inbox.ingest([incoming(number, "x") for number in range(2, 402)])
        await road.store.inbox.ingest([incoming(402, "last")])
        await road.gateway.sent("last")
        assert order == list(range(1, 403))
        commits = await road.metric("posthouse_turn_commit_batch_size_count")
        assert commits < 100


async def test_a_graceful_stop_finishes_what_runs_and_leaves_the_rest(configure: Any) -> None:
    """What is in a handler commits, what waits keeps for the next process, what hangs is released with its try back."""
    app = App("stop")
    started, go = asyncio.Event(), asyncio.Event()
    attempts: list[int] = []

    @app.command("finish")
    async def finishes(turn: Turn) -> None:
        started.set()
        await go.wait()
        turn.say("finished")

    @app.command("hang")
    async def hangs(turn: Turn) -> None:
        attempts.append(turn.attempt)
        if len(attempts) > 1:
            turn.say("released and run")
            return
        await asyncio.Event().wait()

    @app.text()
    async def other(turn: Turn) -> None:
        turn.say(turn.text)

    settings = configure(app, executor=ExecutorSection(stop_deadline_s=0.3))
    async with running(settings) as road:
        await road.write(1, "/finish")
        await road.write(2, "behind")
        await road.write(3, "/hang", chat=2)
        await asyncio.wait_for(started.wait(), 10)
        await road.until(lambda: _is(bool(attempts)))
        road.platform.stop()
        go.set()
        async with asyncio.timeout(20):
            await road.task
        assert road.gateway.texts in (["finished"], ["finished", "behind"], [])
    gateway = RecordingGateway()
    async with running(settings, gateway=gateway) as road:
        await gateway.sent("behind", "released and run")
        everything = [*road.gateway.texts]
        assert everything.count("released and run") == 1
        assert attempts == [1, 1]


async def _is(fact: bool) -> bool:
    return fact


async def test_updates_of_a_bot_that_is_not_served_here_wait_for_one_that_serves_it(configure: Any) -> None:
    """They are neither run nor lost, and they stop nobody."""
    settings = configure(echo())
    async with running(settings):
        pass
    async with beforehand(settings) as store:
        await store.inbox.ingest([incoming(1, "strange", bot_id=777), incoming(2, "own")])
    async with running(settings) as road:
        await road.gateway.sent("own 1")
        await road.write(3, "more")
        await road.gateway.sent("more 2")
        waiting = await road.rows("inbox")
        assert [(row.bot_id, row.attempts) for row in waiting] in ([(777, 0)], [(777, 1)])
        assert await road.rows("dead") == []


@pytest.fixture
def captured() -> Iterator[list[dict[str, Any]]]:
    """Every log line of the platform as a dictionary, debug included."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.mark.req("S2-66")
async def test_one_trace_id_leads_from_the_webhook_to_the_last_send(
    captured: list[dict[str, Any]], on_road: Any
) -> None:
    """Stored, run, queued as a job, come back and sent: every line carries the id of the update that caused it."""
    app = App("trace")

    @app.job()
    async def work(job: Job) -> None:
        job.say("from the job")

    @app.event("work")
    async def worked(turn: Turn) -> None:
        turn.say("from the event")

    @app.text()
    async def handler(turn: Turn) -> None:
        turn.say("from the turn")
        turn.enqueue(work, notify=True)

    async with on_road(app) as road:
        await road.write(41, "hi")
        await road.gateway.sent("from the turn", "from the job", "from the event")
        await road.idle()
    trace = f"{BOT}:41"
    events = [line["event"] for line in captured if line.get("trace") == trace]
    assert events[0] == "update.stored"
    assert "turn.committed" in events
    assert events.count("delivery.sent") >= 2
    assert events.index("update.stored") < events.index("turn.committed") < events.index("delivery.sent")


async def test_every_odd_but_real_update_is_handled_or_buried_and_blocks_nobody(on_road: Any) -> None:
    """202 updates of 26 kinds, some older than the types, some that name neither a chat nor a person."""
    app = App("corpus")
    ran: set[int] = set()

    @app.middleware
    async def typed(turn: Turn, call_next: Any) -> None:
        ran.add(turn.entry.entry_id)
        await call_next(turn)
        if turn.kind not in ("event", "empty"):
            turn._typed_update()  # a handler that wants types: refused ones must be visible
        turn.session["count"] = turn.session.get("count", 0) + 1

    async with on_road(app, bot={"attempts_max": 1}) as road:
        client = await road.client()
        lines = [json.loads(line) for line in CORPUS.read_text().splitlines()]
        sent: dict[int, bool] = {}
        refused = []
        for number, line in enumerate(lines, 1_000):
            update = {**line["update"], "update_id": number}
            reply = await road.post(update, client=client)
            if reply.status == 400:
                refused.append(line["source"])
                client = await road.client()
                continue
            assert reply.status == 200, line["source"]
            sent[number] = line["valid"]
            await road.post(message(100_000 + number, "bystander", chat=10**12 + number), client=client)
        assert refused == []
        await road.idle()
        letters = await road.rows("dead")
        assert set(sent) <= ran
        assert len(ran) == 2 * len(sent)
        assert all(letter.reason and letter.error for letter in letters)
        buried = {int(letter.trace.split(":")[1]) for letter in letters}
        assert not [number for number in buried if sent.get(number, True)], "a valid update was refused"


async def test_the_server_listens_when_the_platform_is_ready(configure: Any) -> None:
    """`ready` means that the first connection is taken, not refused."""
    async with running(configure(echo())) as road:
        assert isinstance(road, Road)
        reply = await road.get("/readyz")
        assert reply.status == 200
