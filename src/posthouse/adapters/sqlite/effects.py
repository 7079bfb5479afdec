"""Writing effects: the rows that a turn or job caused, in the transaction that ends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import msgspec

from posthouse.adapters.sqlite import rows, sessions
from posthouse.adapters.sqlite.core import SqliteCore
from posthouse.core.effects import Effects, JobRequest, Outgoing, StateWrite, TimerRequest
from posthouse.core.sessions import SessionChanges, SessionWrite


class Written(msgspec.Struct):
    """What the commit added, for the lanes in memory: new outbox rows, and whether jobs and timers came."""

    deliveries: list[tuple[int, int, Outgoing]]  # (id, lane key, delivery)
    created_us: int = 0
    states: list[tuple[int, StateWrite]] = []
    sessions: list[tuple[int, SessionWrite]] = []
    refused: set[int] = set()  # the turns, by place, whose sessions had moved: nothing of them is written
    jobs: bool = False
    timers: bool = False


def write_effects(core: SqliteCore, connection: sqlite3.Connection, all_effects: Iterable[Effects]) -> Written:
    """Write everything that these turns asked for, in their order."""
    now_us = core.now_us()
    written = Written([], now_us)
    deliveries: list[Outgoing] = []
    changes: list[SessionChanges] = []
    for effects in all_effects:
        if effects.deliveries:
            deliveries += effects.deliveries
        if effects.states:
            written.states += [(core.lane_key(write.bot_id, write.lane), write) for write in effects.states]
        if effects.sessions is not None:
            changes.append(effects.sessions)
        if effects.jobs:
            written.jobs = True
            for job in effects.jobs:
                write_job(connection, job, now_us)
        if effects.timers:
            written.timers = True
            for timer in effects.timers:
                write_timer(connection, timer, now_us)
    if written.states:
        write_states(connection, written.states)
    if changes:
        sessions.write(connection, changes, core)
        written.sessions = [
            (core.lane_key(move.record.bot_id, move.record.lane), move) for change in changes for move in change.writes
        ]
    if deliveries:
        written.deliveries = write_deliveries(core, connection, deliveries, now_us)
    return written


def write_states(connection: sqlite3.Connection, writes: list[tuple[int, StateWrite]]) -> None:
    """Last write wins within the batch: SQLite takes the rows of one statement in order."""
    kept = [(lane, write.name, write.data) for lane, write in writes if write.data is not None]
    if len(kept) == len(writes):
        _upsert_states(connection, kept)
        return
    final = {(lane, write.name): write.data for lane, write in writes}
    kept = [(lane, name, data) for (lane, name), data in final.items() if data is not None]
    if kept:
        _upsert_states(connection, kept)
    for (lane, name), data in final.items():
        if data is None:
            connection.execute("DELETE FROM chat_state WHERE lane = ? AND name = ?", (lane, name))


def _upsert_states(connection: sqlite3.Connection, kept: list[tuple[int, str, bytes]]) -> None:
    rows.insert(
        connection,
        "INSERT INTO chat_state (lane, name, data)",
        kept,
        "ON CONFLICT (lane, name) DO UPDATE SET data = excluded.data, version = version + 1",
    )


def write_deliveries(
    core: SqliteCore, connection: sqlite3.Connection, deliveries: list[Outgoing], now_us: int
) -> list[tuple[int, int, Outgoing]]:
    """Insert outbox rows; ids are given here, in order, so that they need not be read back."""
    lane_key = core.lane_key
    numbered = [
        (id_, lane_key(delivery.bot_id, delivery.chat), delivery)
        for id_, delivery in zip(core.new_delivery_ids(connection, len(deliveries)), deliveries, strict=True)
    ]
    rows.insert(
        connection,
        "INSERT INTO outbox (id, lane, priority, method, payload, when_uncertain, handle, cause, trace, created_us)",
        [
            (
                id_,
                lane,
                int(delivery.priority),
                delivery.method,
                delivery.payload,
                str(delivery.when_uncertain),
                delivery.handle,
                delivery.cause,
                delivery.trace,
                now_us,
            )
            for id_, lane, delivery in numbered
        ],
    )
    return numbered


def write_job(connection: sqlite3.Connection, job: JobRequest, now_us: int) -> int | None:
    """Queue one job; None when a live job has its unique key."""
    row: Any = connection.execute(
        "INSERT INTO job (queue, task, args, priority, due_us, attempts_max, unique_key, bot_id, lane_key, notify,"
        " data, trace, created_us) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING RETURNING id",
        (
            job.queue,
            job.task,
            job.args,
            job.priority,
            now_us + int(job.delay_s * 1_000_000),
            job.attempts_max,
            job.unique_key,
            job.bot_id,
            job.lane,
            int(job.notify),
            job.data,
            job.trace,
            now_us,
        ),
    ).fetchone()
    return row[0] if row else None


def write_timer(connection: sqlite3.Connection, timer: TimerRequest, now_us: int) -> None:
    if timer.key is not None:
        connection.execute(
            "DELETE FROM timer WHERE bot_id = ? AND lane_key = ? AND key = ?",
            (timer.bot_id, timer.lane, timer.key),
        )
    if timer.payload is not None:
        connection.execute(
            "INSERT INTO timer (bot_id, lane_key, key, due_us, payload, trace) VALUES (?,?,?,?,?,?)",
            (
                timer.bot_id,
                timer.lane,
                timer.key,
                now_us + int(timer.delay_s * 1_000_000),
                timer.payload,
                timer.trace,
            ),
        )
