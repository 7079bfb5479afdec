"""What sessions cost: turns of flows and conversations beside the plain echo, their memory, and their way back.

Four answers in one run:

- Turns per second of a flow and of a conversation, as ratios to the echo that keeps a number in the chat's session.
  `menu` and `replayed` are the harder cases of each: a keyboard that must be taken away (two deliveries a turn), and
  a journal that is replayed with every answer.
- Memory of 100,000 suspended conversations: a process that was started on them beside one that was started on none.
- Resume after a restart: each conversation has 50 entries in its journal, nothing is in memory, and each gets one
  answer. Counted from the moment the update was stored to the moment its turn was committed, by the rows themselves.
"""

from dataclasses import dataclass

from bench.databases import SqliteBooks, running_postgres
from bench.measure import percentile
from bench.ours import VARIANTS, run_ours, running_ours, scratch_directory
from bench.process import RunResult
from bench.report import Plan, Report, Rows, Verdict, median, spread

ORDER = ("native-sqlite", "flow-sqlite", "conversation-sqlite", "menu-sqlite", "replayed-sqlite")
ON_POSTGRES = ("native-postgres", "flow-postgres", "conversation-postgres", "menu-postgres", "replayed-postgres")
TARGETS = {"flow": 0.7, "conversation": 0.5}
SUSPENDED = 100_000
MEMORY_MIB = 10.0  # may be noise
ENTRIES = 50
RESUMED = 500
RESUME_RATE = 100.0  # answers a second: the way back of one, not a queue of many
RESUME_MS = 50.0


@dataclass(frozen=True)
class Resume:
    """How long answers took after a restart, stored to committed."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure(plan: Plan) -> Report:
    names = ORDER if plan.quick else ORDER + ON_POSTGRES
    results: dict[str, list[RunResult]] = {name: [] for name in names}
    with running_postgres() as postgres:
        for _ in range(plan.rounds):
            for name in names:
                on = postgres if VARIANTS[name].store == "postgres" else None
                results[name].append(run_ours(name, plan.seconds, postgres=on))
    return _report(results, _memory_mib(plan.scaled(SUSPENDED, 2_000)), _resume(plan.scaled(RESUMED, 200)), plan)


def _memory_mib(suspended: int) -> dict[int, float]:
    """Resident memory of a process that was just started, by how many conversations lie suspended in its database."""
    variant = VARIANTS["conversation-sqlite"]
    found: dict[int, float] = {}
    for count in (0, suspended):
        with scratch_directory() as directory:
            if count:
                with running_ours(variant, directory=directory) as ours:
                    ours.load(count=count, chats=count)
                    ours.wait_committed()
            else:
                with running_ours(variant, directory=directory):
                    pass
            with running_ours(variant, directory=directory) as ours:
                found[count] = ours.server.rss_mib()
    return found


def _resume(chats: int) -> Resume:
    """Lead conversations to `ENTRIES` answers, restart, and answer once more in each."""
    variant = VARIANTS["long-sqlite"]
    with scratch_directory() as directory:
        with running_ours(variant, directory=directory) as ours:
            ours.load(count=chats * (ENTRIES + 1), chats=chats)
            ours.wait_committed()
            first = ours.update_id_next
        with running_ours(variant, directory=directory) as ours:
            ours.update_id_next = first
            ours.load(count=chats, chats=chats, rate=RESUME_RATE)
            ours.wait_committed()
            books = ours.books
            assert isinstance(books, SqliteBooks)
            took = books.query("SELECT (done_us - received_us) / 1000.0 FROM inbox ORDER BY id DESC LIMIT ?", chats)
    times = sorted(float(row[0]) for row in took)
    return Resume(len(times), percentile(times, 50), percentile(times, 99), times[-1])


def _report(results: dict[str, list[RunResult]], memory: dict[int, float], resume: Resume, plan: Plan) -> Report:
    rates = {name: median([run.updates_per_s for run in runs]) for name, runs in results.items()}
    report = Report("sessions")
    report.tables = [
        Rows(
            "Turns per second at saturation",
            ["bot", "median", "range", "to the echo", "p99 ms", "CPU µs", "database CPU µs"],
            [
                [
                    name,
                    rates[name],
                    spread([run.updates_per_s for run in runs]),
                    rates[name] / rates[f"native-{VARIANTS[name].store}"],
                    median([run.p99_ms for run in runs]),
                    median([run.cpu_us for run in runs]),
                    median([run.database_cpu_us for run in runs]),
                ]
                for name, runs in results.items()
            ],
        ),
        Rows(
            "Resident memory after the start, nothing done",
            ["suspended conversations", "RSS MiB"],
            [[f"{count:,}", mib] for count, mib in memory.items()],
        ),
        Rows(
            f"An answer after a restart, {ENTRIES} entries in the journal, {RESUME_RATE:g}/s, stored to committed",
            ["conversations", "p50 ms", "p99 ms", "max ms"],
            [[resume.count, resume.p50_ms, resume.p99_ms, resume.max_ms]],
        ),
    ]
    for kind, times in TARGETS.items():
        for store in ("sqlite", "postgres"):
            if f"{kind}-{store}" in rates:
                ratio = rates[f"{kind}-{store}"] / rates[f"native-{store}"]
                name = f"{kind} turn / echo turn, {store}"
                report.verdicts.append(Verdict(name, f"≥ {times:.1f} ×", f"{ratio:.2f} ×", ratio >= times))
    none, many = sorted(memory)
    more_mib = memory[many] - memory[none]
    report.verdicts.append(
        Verdict(f"memory for {many:,} suspended conversations", "none", f"{more_mib:+.1f} MiB", more_mib <= MEMORY_MIB)
    )
    report.verdicts.append(
        Verdict(
            f"resume after a restart, {ENTRIES} entries, p99",
            f"≤ {RESUME_MS:g} ms",
            f"{resume.p99_ms:.1f} ms",
            resume.p99_ms <= RESUME_MS,
        )
    )
    report.conditions = [
        "no sender: a turn ends at its outbox rows; 100 connections, 1,000 chats",
        f"`none` means at most {MEMORY_MIB:.0f} MiB more",
        *(f"{name}: {'; '.join(runs[-1].conditions)}" for name, runs in results.items()),
    ]
    report.data = {"runs": results, "memory_mib": memory, "resume": resume}
    return report
