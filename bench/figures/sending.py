"""The road out: within every limit, and as fast as one process goes.

The outbox is filled by SQL before the process starts; the process has only the sender, with the HTTP client that users
have, and a stub of the Bot API in a process of its own notes when each call arrives.

*Within limits.* 100 bots with Telegram's limits, each with more to send than it may: 40 private chats with 15
messages each, and five groups with ten. The arrivals are replayed through three rules that were written without
looking at the sender: Telegram's budgets as the simulator models them (nothing may be refused), no second of any bot
with more than 30, its burst, and what a tenth of a second on the way can push together, and no group with more than 20
in a minute. Once with a stub that answers at once, once with one that takes 50 ms as Telegram does.

*As fast as it goes.* One bot without limits and 1,000 chats, against the same two stubs.
"""

import dataclasses
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.databases import SqliteBooks, preloading
from bench.load import CHAT_FIRST
from bench.ours import BOT_ID, VARIANTS, Ours, running_ours, scratch_directory
from bench.preload import add_bots, add_deliveries
from bench.process import Server, ServerFailed, free_port, running
from bench.report import Plan, Report, Rows, Verdict, median, spread
from bench.telegram_stub import Arrivals

BOTS = 100
PER_S = 30
BURST = 5  # of [bots.NAME.limits] bot_burst
JITTER_S = 0.1  # calls are spaced when they are claimed, and counted when they arrive
LIMITED_S = 10.0
UNLIMITED_PER_S = 2_000
ENOUGH = 0.95  # of the allowed rate, so that the limits were really reached
GROUP_FIRST = -1_001_000_000_000
SLOW_MS = 50
PATIENCE_S = 60.0


def measure(plan: Plan) -> Report:
    report = Report("sending")
    _measure_limits(plan, report)
    _measure_speed(plan, report)
    report.conditions = [
        f"role sender alone, {SqliteBooks.conditions}; aiohttp client over HTTP to a stub in its own process",
        "limits: every arrival at the stub is replayed; `refused`: by the budgets of posthouse.simulator",
    ]
    return report


# -- within limits --------------------------------------------------------------------------------------------------


def _measure_limits(plan: Plan, report: Report) -> None:
    bots = plan.scaled(BOTS, 10)
    seconds = LIMITED_S if not plan.quick else 3.0
    runs = {delay_ms: _run_limited(bots, seconds, delay_ms) for delay_ms in (0, SLOW_MS)}
    report.tables.append(
        Rows(
            f"{bots} bots with more to send than they may, {seconds:.0f} s",
            [
                "the stub answers after",
                "sends/s",
                "slowest bot/s",
                "refused",
                "most in 1 s of a bot",
                "most in 60 s of a group",
                "cores used",
            ],
            [[f"{delay_ms} ms", *dataclasses.astuple(run)] for delay_ms, run in runs.items()],
        )
    )
    for delay_ms, run in runs.items():
        within = run.refused == 0 and run.busiest <= PER_S + BURST + PER_S * JITTER_S and run.busiest_group <= 20
        report.verdicts.append(
            Verdict(
                f"{bots} bots × {PER_S}/s from one process, answers after {delay_ms} ms",
                "no limit broken",
                f"{run.sends_per_s:,.0f}/s, slowest bot {run.slowest:.1f}/s, {run.refused} refused,"
                f" at most {run.busiest} in 1 s",
                within and run.slowest >= PER_S * ENOUGH,
            )
        )
    report.data["limits"] = runs


@dataclass(frozen=True)
class _Limited:
    sends_per_s: float
    slowest: float
    refused: int
    busiest: int
    busiest_group: int
    cores: float


def _run_limited(bots: int, seconds: float, delay_ms: int) -> _Limited:
    bot_ids = [BOT_ID + number for number in range(bots)]
    # So few chats that each of the three limits is pressed: the bot's, a private chat's, a group's.
    chats = [(number, CHAT_FIRST + chat, 15) for chat in range(40) for number in range(1, bots + 1)]
    chats += [(number, GROUP_FIRST - group, 10) for group in range(5) for number in range(1, bots + 1)]
    with _sending(bot_ids, chats, {"limits": "telegram"}, delay_ms=delay_ms) as (ours, stub, file):
        began = time.monotonic()
        cpu_before_s = ours.server.cpu_s()
        time.sleep(seconds + 0.5)
        cores = (ours.server.cpu_s() - cpu_before_s) / (time.monotonic() - began)
        stub.handled()
        arrivals = Arrivals.load(file)
    calls = zip(arrivals.at_s, arrivals.bots, arrivals.chats, strict=True)
    kept = [call for call in calls if call[0] < arrivals.at_s[0] + seconds]
    counts = Counter(bot for _, bot, _ in kept)
    return _Limited(
        len(kept) / seconds,
        min(counts[bot_id] for bot_id in bot_ids) / seconds,
        refusals(kept),
        busiest_window([(at, bot) for at, bot, _ in kept], 1.0),
        busiest_window([(at, (bot, chat)) for at, bot, chat in kept if chat < 0], 60.0),
        cores,
    )


def refusals(arrivals: list[tuple[float, int, int]]) -> int:
    """How many of these calls (seconds, bot, chat) Telegram would have refused."""
    from posthouse.simulator.floods import Bucket, Window

    bots: dict[int, Bucket] = defaultdict(lambda: Bucket(30.0, 30.0))
    chats: dict[tuple[int, int], Bucket] = defaultdict(lambda: Bucket(1.0, 4.0))
    groups: dict[tuple[int, int], Window] = defaultdict(lambda: Window(20, 60.0))
    refused = 0
    for at, bot, chat in arrivals:
        budgets = [bots[bot], chats[bot, chat] if chat > 0 else groups[bot, chat]]
        if any(budget.wait_s(at) > 0 for budget in budgets):
            refused += 1
        else:
            for budget in budgets:
                budget.spend(at)
    return refused


def busiest_window(arrivals: list[tuple[float, Any]], length_s: float) -> int:
    """The most arrivals of one key within any stretch of that length."""
    recent: dict[Any, deque[float]] = defaultdict(deque)
    most = 0
    for at, key in arrivals:
        window = recent[key]
        window.append(at)
        while window[0] <= at - length_s:
            window.popleft()
        most = max(most, len(window))
    return most


# -- as fast as it goes ---------------------------------------------------------------------------------------------


def _measure_speed(plan: Plan, report: Report) -> None:
    each = plan.scaled(20, 3)
    chats = [(1, CHAT_FIRST + chat, each) for chat in range(1000)]
    rows: list[list[object]] = []
    for delay_ms in (0, SLOW_MS):
        rates, cpu = [], []
        for _ in range(plan.rounds):
            rate, cpu_us = _send_all(chats, delay_ms)
            rates.append(rate)
            cpu.append(cpu_us)
        rows.append([f"{delay_ms} ms", median(rates), spread(rates), median(cpu)])
        report.data[f"speed {delay_ms} ms"] = rates
        if delay_ms == 0:
            report.verdicts.append(
                Verdict(
                    "sends/s of one process against the stub",
                    f"≥ {UNLIMITED_PER_S:,}",
                    f"{median(rates):,.0f}",
                    median(rates) >= UNLIMITED_PER_S,
                )
            )
    report.tables.append(
        Rows(
            f"One bot without limits, 1,000 chats, {len(chats) * each:,} messages: sends per second",
            ["the stub answers after", "median", "range", "CPU µs"],
            rows,
        )
    )


def _send_all(chats: list[tuple[int, int, int]], delay_ms: int) -> tuple[float, float]:
    """(sends per second from the first arrival to the last, processor time per send)."""
    total = sum(many for _, _, many in chats)
    with _sending([BOT_ID], chats, {"limits": "none"}, delay_ms=delay_ms) as (ours, stub, file):
        cpu_before_s = ours.server.cpu_s()
        deadline = time.monotonic() + PATIENCE_S
        while ours.books.outbox_rows():
            if time.monotonic() > deadline:
                raise ServerFailed(f"{ours.books.outbox_rows()} of {total} messages were not sent")
            time.sleep(0.05)
        cpu_us = (ours.server.cpu_s() - cpu_before_s) * 1e6 / total
        stub.handled()
        arrivals = Arrivals.load(file)
    if len(arrivals.at_s) != total:
        raise ServerFailed(f"{len(arrivals.at_s)} calls arrived for {total} messages")
    return total / (arrivals.at_s[-1] - arrivals.at_s[0]), cpu_us


@contextmanager
def _sending(
    bot_ids: list[int], chats: list[tuple[int, int, int]], bot: Mapping[str, Any], *, delay_ms: int = 0
) -> Iterator[tuple[Ours, Server, Path]]:
    """A sender that begins with these deliveries in its outbox, and the stub that they go to."""
    variant = VARIANTS["native-sqlite"]
    with scratch_directory() as directory:
        with preloading(directory / "posthouse.db") as connection:
            add_bots(connection, bot_ids)
            add_deliveries(connection, chats)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        file = directory / "arrivals"
        command = [sys.executable, "-m", "bench.telegram_stub", "--delay-ms", str(delay_ms)]
        with running(command, url, environment={"PORT": str(port), "ARRIVALS": str(file)}) as stub:
            stub.wait_line("READY")
            section = {"program": variant.program, "mode": "polling", **bot}
            tokens = {f"BENCH_TOKEN_{bot_id}": f"{bot_id}:bench" for bot_id in bot_ids}
            settings = {
                "telegram": {"api_url": url},
                "bots": {f"bot{bot_id}": section | {"token": f"${{BENCH_TOKEN_{bot_id}}}"} for bot_id in bot_ids},
            }
            with running_ours(
                variant,
                directory=directory,
                settings=settings,
                replace=("bots",),
                roles=("sender",),
                environment=tokens,
            ) as ours:
                yield ours, stub, file
