"""Time to the 200 at half of the saturated rate, alone and while 50 other lanes run handlers that sleep.

Each round measures a fresh process twice at the same fixed rate: first alone, then beside 50 chats whose handlers
sleep for two to five seconds each, one after the other, for as long as the load lasts.
"""

import random

from bench.ours import SECRET, VARIANTS, Ours, running_ours
from bench.post import post_texts
from bench.report import Plan, Report, Rows, Verdict, median, spread

SLEEPERS = 50
SLEEPER_CHAT_FIRST = 900_000_000
P99_MS = 10.0
RATIO = 1.3


def measure(plan: Plan) -> Report:
    variant = VARIANTS["native-sqlite"]
    with running_ours(variant) as ours:
        ours.load(seconds=1.0)
        saturated = median([ours.load(seconds=min(plan.seconds, 3.0)).updates_per_s for _ in range(plan.scaled(3, 1))])
    rate = saturated / 2
    alone: list[tuple[float, float, float]] = []
    beside: list[tuple[float, float, float]] = []
    for _ in range(plan.rounds):
        with running_ours(variant) as ours:
            ours.load(seconds=1.0)
            alone.append(_latencies(ours, rate, plan.seconds))
            _put_to_sleep(ours, plan.seconds)
            beside.append(_latencies(ours, rate, plan.seconds))
    p99_alone, p99_beside = (median([p99 for _, p99, _ in runs]) for runs in (alone, beside))
    ratio = p99_beside / p99_alone
    report = Report("latency")
    report.tables = [
        Rows(
            f"Time to the 200 at {rate:,.0f} updates/s, half of the {saturated:,.0f} at saturation (native-sqlite)",
            ["beside it", "p50 ms", "p99 ms", "p99 range", "max ms"],
            [
                [
                    name,
                    median([p50 for p50, _, _ in runs]),
                    median([p99 for _, p99, _ in runs]),
                    spread([p99 for _, p99, _ in runs]),
                    max(most for _, _, most in runs),
                ]
                for name, runs in (("nothing", alone), (f"{SLEEPERS} handlers that sleep 2 to 5 s", beside))
            ],
        )
    ]
    report.verdicts = [
        Verdict("time to 200 at half rate, p99", f"≤ {P99_MS:.0f} ms", f"{p99_alone:.2f} ms", p99_alone <= P99_MS),
        Verdict("the same beside sleeping handlers", f"≤ {RATIO} ×", f"{ratio:.2f} ×", ratio <= RATIO),
    ]
    report.conditions = [
        "native App, SQLite synchronous=FULL, no sender; 100 connections, 1,000 chats, latency from the moment due",
        "median over the rounds of each round's p99",
    ]
    report.data = {"saturated": saturated, "rate": rate, "alone": alone, "beside": beside}
    return report


def _latencies(ours: Ours, rate: float, seconds: float) -> tuple[float, float, float]:
    result = ours.load(seconds=seconds, rate=rate)
    return result.p50_ms, result.p99_ms, result.max_ms


def _put_to_sleep(ours: Ours, seconds: float) -> None:
    """Enough sleep for each of the chats to last through the load: their lanes work it off one by one."""
    chance = random.Random(1)
    naps = 2 + int(seconds / 2)
    texts = [
        (SLEEPER_CHAT_FIRST + sleeper, f"sleep {chance.uniform(2, 5):.1f}")
        for _ in range(naps)
        for sleeper in range(SLEEPERS)
    ]
    ours.update_id_next = post_texts(ours.server.url, SECRET, texts, update_id_first=ours.update_id_next)
