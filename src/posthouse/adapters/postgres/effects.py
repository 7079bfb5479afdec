"""Effects as columns: the arrays that the statements take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from posthouse.adapters.postgres.database import Row, text, texts
from posthouse.core.effects import Effects, JobRequest, Outgoing, Priority, StateWrite, TimerRequest


def delivery_columns(deliveries: Sequence[Outgoing]) -> tuple[list[Any], ...]:
    """bot, chat, priority, method, payload, when_uncertain, handle, cause, trace: as `post.sql` takes them."""
    return (
        [d.bot_id for d in deliveries],
        [d.chat for d in deliveries],
        [min(max(int(d.priority), Priority.ANSWER), Priority.BROADCAST) for d in deliveries],
        [text(d.method) for d in deliveries],
        [d.payload for d in deliveries],
        [text(d.when_uncertain) for d in deliveries],
        [texts(d.handle) for d in deliveries],
        [d.cause for d in deliveries],
        [text(d.trace) for d in deliveries],
    )


def state_columns(writes: Sequence[StateWrite]) -> tuple[list[Any], ...]:
    """bot, lane, name, data: as `states.sql` takes them."""
    return (
        [w.bot_id for w in writes],
        [w.lane for w in writes],
        [text(w.name) for w in writes],
        [w.data for w in writes],
    )


def job_columns(requests: Sequence[JobRequest]) -> tuple[list[Any], ...]:
    """queue, task, args, … trace: as `enqueue.sql` takes them."""
    return (
        [text(r.queue) for r in requests],
        [text(r.task) for r in requests],
        [r.args for r in requests],
        [min(max(r.priority, -32_768), 32_767) for r in requests],
        [r.delay_s for r in requests],
        [r.attempts_max for r in requests],
        [texts(r.unique_key) for r in requests],
        [r.bot_id for r in requests],
        [r.lane for r in requests],
        [r.notify for r in requests],
        [r.data for r in requests],
        [text(r.trace) for r in requests],
    )


def timer_columns(requests: Sequence[TimerRequest]) -> tuple[list[Any], ...]:
    """bot, lane, key, delay, payload, trace: as `timers.sql` takes them."""
    return (
        [r.bot_id for r in requests],
        [r.lane for r in requests],
        [texts(r.key) for r in requests],
        [r.delay_s for r in requests],
        [r.payload for r in requests],
        [text(r.trace) for r in requests],
    )


async def lock_timers(connection: Any, sql: dict[str, str], effects: Iterable[Effects]) -> None:
    """Lock the keyed timers that `effects` replace; call this before any lane is locked in the transaction."""
    keyed = [t for e in effects for t in e.timers if t.key is not None]
    if keyed:
        bots, lanes, keys, *_ = timer_columns(keyed)
        await connection.fetch(sql["timers_lock"], bots, lanes, keys)


async def write_jobs_and_timers(connection: Any, sql: dict[str, str], effects: Sequence[Effects]) -> None:
    """Queue the jobs and set the timers of `effects` in the connection's transaction."""
    jobs = [j for e in effects for j in e.jobs]
    if jobs:
        await connection.fetch(sql["enqueue"], *job_columns(jobs))
    timers = [t for e in effects for t in e.timers]
    if timers:
        await connection.fetch(sql["timers"], *timer_columns(timers))


async def write_effects(connection: Any, sql: dict[str, str], effects: Sequence[Effects]) -> None:
    """Write everything that `effects` ask for in the connection's transaction, in the order of our locks."""
    states = [s for e in effects for s in e.states]
    if states:
        await connection.fetch(sql["states"], *state_columns(states))
    deliveries = [d for e in effects for d in e.deliveries]
    if deliveries:
        await connection.fetch(sql["post"], *delivery_columns(deliveries))
    await write_jobs_and_timers(connection, sql, effects)


def written(rows: Iterable[Row], count: int) -> list[bool]:
    """Which of `count` places came back as a row (`at` counts from 1)."""
    answer = [False] * count
    for row in rows:
        answer[row[0] - 1] = True
    return answer
