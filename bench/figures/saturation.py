"""Updates per second at saturation: ours, the peers', and the floor under every Python server on uvicorn.

Each round goes once through all servers, so that a noisy minute falls on all of them. Ratios are of the medians of
one run. Where a peer has two good set-ups, the better one is compared.
"""

from collections.abc import Callable

from bench.databases import running_postgres
from bench.floors import Floor, measure_floor
from bench.ours import VARIANTS, run_ours
from bench.peers import PEERS, run_peer
from bench.process import RunResult
from bench.report import Plan, Report, Rows, Verdict, median, spread

# Beside one another what is compared with one another.
ORDER = (
    "grammy-memory",
    "native-sqlite",
    "grammy-redis",
    "grammy-redis-pipelined",
    "native-postgres",
    "native-sqlite-sending",
    "aiogram-redis",
    "aiogram-sqlite",
    "aiogram-redis-frozen",
    "aiogram-sqlite-method",
    "aiogram-redis-default",
    "ptb-memory",
)
QUICK_ORDER = ("grammy-memory", "native-sqlite", "grammy-redis", "aiogram-redis", "aiogram-sqlite")

FLOORS = {"httptools": "httptools, empty", "uvicorn": "uvicorn, empty"}

# (ours, how many times, any of these peers: the fastest counts)
TARGETS = (
    ("native-sqlite", 1.0, ("grammy-memory",)),
    ("native-sqlite", 2.5, ("grammy-redis", "grammy-redis-pipelined")),
    ("native-sqlite", 8.0, ("aiogram-redis",)),
    ("native-postgres", 1.5, ("grammy-redis", "grammy-redis-pipelined")),
    ("aiogram-sqlite", 1.0, ("aiogram-redis",)),
)
ASIDE = (
    ("native-sqlite", ("aiogram-redis-frozen",)),
    ("aiogram-sqlite", ("aiogram-redis-frozen",)),
    ("native-sqlite", ("ptb-memory",)),
    ("native-sqlite-sending", ("grammy-memory",)),
)


def measure(plan: Plan) -> Report:
    names = QUICK_ORDER if plan.quick else ORDER
    results: dict[str, list[RunResult]] = {name: [] for name in names}
    floors: dict[str, list[Floor]] = {name: [] for name in FLOORS}
    with running_postgres() as postgres:
        for _ in range(plan.rounds):
            for name in FLOORS:
                floors[name].append(measure_floor(name, plan.seconds))
            for name in names:
                if name in PEERS:
                    results[name].append(run_peer(name, plan.seconds))
                else:
                    on = postgres if VARIANTS[name].store == "postgres" else None
                    results[name].append(run_ours(name, plan.seconds, postgres=on))
    return _report(results, floors)


def _report(results: dict[str, list[RunResult]], floors: dict[str, list[Floor]]) -> Report:
    rates = {name: median([run.updates_per_s for run in runs]) for name, runs in results.items()}
    empty = {name: median([one.requests_per_s for one in runs]) for name, runs in floors.items()}
    report = Report("saturation")
    report.tables.append(
        Rows(
            "Saturation: a text echo counting in its session, updates per second",
            ["server", "median", "range", "p50 ms", "p99 ms", "CPU µs", "database CPU µs", "RSS MiB"],
            [
                *([f"({FLOORS[name]})", empty[name], *_middle_of_floors(runs)] for name, runs in floors.items()),
                *([name, rates[name], *_middle(runs)] for name, runs in sorted(results.items(), key=_by(rates))),
            ],
        )
    )
    report.tables.append(
        Rows(
            "Ratios of the medians",
            ["ours", "to", "ratio", "must reach", "ceiling: httptools", "ceiling: uvicorn"],
            _ratios(rates, empty),
        )
    )
    for ours, times, peers in TARGETS:
        if ours in rates and (best := _best(rates, peers)):
            ratio = rates[ours] / rates[best]
            report.verdicts.append(Verdict(f"{ours} / {best}", f"≥ {times:.1f} ×", f"{ratio:.2f} ×", ratio >= times))
    report.conditions = [
        "ceiling: an empty server's rate over the peer's. httptools parses HTTP and answers, uvicorn is the whole"
        " server around an application that does nothing. What must be reached above a ceiling is out of reach there",
        *(f"{name}: {'; '.join(runs[-1].conditions)}" for name, runs in results.items()),
    ]
    report.data = {"runs": results, "floors": floors}
    return report


def _ratios(rates: dict[str, float], empty: dict[str, float]) -> list[list[object]]:
    rows: list[list[object]] = []
    wanted: list[tuple[str, float | None, tuple[str, ...]]] = [*TARGETS]
    wanted += [(ours, None, peers) for ours, peers in ASIDE]
    for ours, times, peers in wanted:
        best = _best(rates, peers)
        if ours in rates and best is not None:
            must = f"≥ {times:.1f}" if times else ""
            ceilings = [empty[name] / rates[best] for name in FLOORS]
            rows.append([ours, best, rates[ours] / rates[best], must, *ceilings])
    return rows


def _best(rates: dict[str, float], peers: tuple[str, ...]) -> str | None:
    return max((peer for peer in peers if peer in rates), key=lambda peer: rates[peer], default=None)


def _by(rates: dict[str, float]) -> Callable[[tuple[str, object]], float]:
    return lambda item: -rates[item[0]]


def _middle(runs: list[RunResult]) -> list[object]:
    return [
        spread([run.updates_per_s for run in runs]),
        *(
            median([getattr(run, field) for run in runs])
            for field in ("p50_ms", "p99_ms", "cpu_us", "database_cpu_us", "rss_mib")
        ),
    ]


def _middle_of_floors(floors: list[Floor]) -> list[object]:
    return [
        spread([one.requests_per_s for one in floors]),
        *(median([getattr(one, field) for one in floors]) for field in ("p50_ms", "p99_ms", "server_cpu_us")),
        "",
        "",
    ]
