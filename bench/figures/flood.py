"""One chat with 100,000 waiting entries beside the others.

Each round measures two fresh processes at the same fixed rate, half of saturation: one with an empty inbox, one whose
file already holds 100,000 entries of a single chat. That chat's handler takes 20 ms, so that its entries go on waiting
for as long as the load lasts. Two latencies of the other chats: to the 200, and from stored to the committed turn.
"""

import time

from bench.databases import SqliteBooks, preloading
from bench.load import UPDATE_ID_FIRST
from bench.measure import percentile
from bench.ours import BOT_ID, VARIANTS, Ours, running_ours, scratch_directory
from bench.preload import add_bots, add_waiting
from bench.process import DRAIN_TIMEOUT_S, ServerFailed
from bench.report import Plan, Report, Rows, Verdict, median, spread

WAITING = 100_000
FLOODER = 800_000_000
NAP_MS = 20
RATIO = 1.5


def measure(plan: Plan) -> Report:
    variant = VARIANTS["native-sqlite"]
    waiting = plan.scaled(WAITING, 5_000)
    with running_ours(variant) as ours:
        ours.load(seconds=1.0)
        saturated = ours.load(seconds=min(plan.seconds, 3.0)).updates_per_s
    rate = saturated / 2
    without: list[dict[str, float]] = []
    beside: list[dict[str, float]] = []
    for _ in range(plan.rounds):
        for preloaded, runs in ((0, without), (waiting, beside)):
            with scratch_directory() as directory:
                with preloading(directory / "posthouse.db") as connection:
                    add_bots(connection, [BOT_ID])
                    add_waiting(
                        connection,
                        preloaded,
                        chats=1,
                        chat_first=FLOODER,
                        update_id_first=UPDATE_ID_FIRST + 500_000_000,
                        text=f"nap {NAP_MS}",
                    )
                with running_ours(variant, directory=directory) as ours:
                    ours.load(seconds=1.0)
                    runs.append(_latencies(ours, rate, plan.seconds))
    report = Report("flood")
    report.tables = [
        Rows(
            f"The other chats at {rate:,.0f} updates/s, half of saturation (native-sqlite)",
            ["latency", "without: p99 ms", "range", f"beside {waiting:,}: p99 ms", "range", "ratio"],
            [
                [name, *_row(key, without, beside)]
                for name, key in (("to the 200", "ack"), ("stored to committed", "turn"))
            ],
        )
    ]
    for name, key in (("to the 200", "ack"), ("of the turn", "turn")):
        ratio = _median(key, beside) / _median(key, without)
        measured = f"{ratio:.2f} × ({_median(key, without):.2f} to {_median(key, beside):.2f} ms)"
        report.verdicts.append(
            Verdict(f"others' p99 {name} beside {waiting:,} entries", f"≤ {RATIO} ×", measured, ratio <= RATIO)
        )
    report.conditions = [
        f"native App, {SqliteBooks.conditions}, no sender; the waiting chat's handler takes {NAP_MS} ms an entry",
        "1,000 other chats, 100 connections, latency from the moment due; median over the rounds of each round's p99",
    ]
    report.data = {"rate": rate, "without": without, "beside": beside}
    return report


def _latencies(ours: Ours, rate: float, seconds: float) -> dict[str, float]:
    first = ours.update_id_next
    result = ours.load(seconds=seconds, rate=rate)
    assert isinstance(ours.books, SqliteBooks)
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while len(turns := ours.books.turn_latencies_ms(first, ours.update_id_next)) < result.updates:
        if time.monotonic() > deadline:
            raise ServerFailed(f"{len(turns)} of {result.updates} updates were worked off")
        time.sleep(0.2)
    return {"ack": result.p99_ms, "turn": percentile(turns, 99), "turn p50": percentile(turns, 50)}


def _median(key: str, runs: list[dict[str, float]]) -> float:
    return median([run[key] for run in runs])


def _row(key: str, without: list[dict[str, float]], beside: list[dict[str, float]]) -> list[object]:
    row: list[object] = []
    for runs in (without, beside):
        row += [_median(key, runs), spread([run[key] for run in runs])]
    return [*row, _median(key, beside) / _median(key, without)]
