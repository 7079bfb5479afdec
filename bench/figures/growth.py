"""A turn at 1,000,000 known chats beside a turn at 1,000, and the memory of the process.

Two processes run side by side, each on a file of its own: one knows a thousand chats, the other a million, each with
its session and the memory of an update it has seen. They are loaded in turns, never both at once. In the first
comparison the same number of chats writes to both; in the second, 50,000 spread over the whole million write to the
large one, so that hardly any session is found in memory. That is not what the figure asks for; it is shown because an
average over the comfortable case would hide it.
"""

from dataclasses import dataclass, field
from pathlib import Path

from bench.databases import SqliteBooks, preloading
from bench.load import CHAT_FIRST, UPDATE_ID_FIRST
from bench.ours import BOT_ID, VARIANTS, Ours, running_ours, scratch_directory
from bench.preload import add_bots, add_known_chats
from bench.report import Plan, Report, Rows, Verdict, median, spread

FEW = 1_000
MANY = 1_000_000
SPREAD_OVER = 50_000
RATIO = 1.2
MEMORY_MIB = 10.0  # a million idle chats may cost no more than noise: 10 bytes each


@dataclass
class Case:
    """One process and what it was measured at."""

    ours: Ours
    chats: int
    stride: int = 1
    turns_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        cpu_before_s = self.ours.server.cpu_s()
        result = self.ours.load(seconds=seconds, chats=self.chats, chat_stride=self.stride)
        drained_s = self.ours.wait_committed()
        self.turns_us.append((result.seconds + drained_s) * 1e6 / result.updates)
        self.cpu_us.append((self.ours.server.cpu_s() - cpu_before_s) * 1e6 / result.updates)


def measure(plan: Plan) -> Report:
    many = plan.scaled(MANY, 50_000)
    spread_over = plan.scaled(SPREAD_OVER, 10_000)
    variant = VARIANTS["native-sqlite"]
    with scratch_directory() as directory:
        homes = {count: _known(directory / str(count), count) for count in (FEW, many)}
        with (
            running_ours(variant, directory=homes[FEW]) as small,
            running_ours(variant, directory=homes[many]) as large,
        ):
            fresh_mib = {FEW: small.server.rss_mib(), many: large.server.rss_mib()}
            cases = {
                f"{FEW:,} known, the same {FEW:,} write": Case(small, FEW),
                f"{many:,} known, {FEW:,} of them write": Case(large, FEW),
                f"{many:,} known, {spread_over:,} all over write": Case(large, spread_over, many // spread_over),
            }
            for case in cases.values():
                case.run(1.0)
                case.turns_us.clear()
                case.cpu_us.clear()
            used_mib = {}
            for number in range(plan.rounds):
                for name, case in cases.items():
                    case.run(plan.seconds)
                    if number == plan.rounds - 1:
                        used_mib[name] = case.ours.server.rss_mib()
    return _report(cases, fresh_mib, used_mib, many)


def _known(home: Path, chats: int) -> Path:
    home.mkdir()
    with preloading(home / "posthouse.db") as connection:
        add_bots(connection, [BOT_ID])
        # Their updates lie before those of the load, as a history does.
        add_known_chats(connection, chats, chat_first=CHAT_FIRST, update_id_first=UPDATE_ID_FIRST - 2 * MANY)
    return home


def _report(cases: dict[str, Case], fresh_mib: dict[int, float], used_mib: dict[str, float], many: int) -> Report:
    report = Report("growth")
    turns = [median(case.turns_us) for case in cases.values()]
    report.tables = [
        Rows(
            "Time per turn at saturation (native-sqlite)",
            ["chats", "µs per turn", "range", "CPU µs", "ratio", "RSS MiB after"],
            [
                [name, turn, spread(case.turns_us), median(case.cpu_us), turn / turns[0], used_mib[name]]
                for (name, case), turn in zip(cases.items(), turns, strict=True)
            ],
        ),
        Rows(
            "Resident memory after the start, nothing done",
            ["known chats", "RSS MiB"],
            [[f"{count:,}", mib] for count, mib in fresh_mib.items()],
        ),
    ]
    ratio = turns[1] / turns[0]
    more_mib = fresh_mib[many] - fresh_mib[FEW]
    report.verdicts = [
        Verdict(f"time per turn, {many:,} / {FEW:,} known chats", f"≤ {RATIO} ×", f"{ratio:.2f} ×", ratio <= RATIO),
        Verdict(
            f"memory for {many:,} idle chats", "none", f"{more_mib:+.1f} MiB beside {FEW:,}", more_mib <= MEMORY_MIB
        ),
    ]
    report.conditions = [
        f"native App, {SqliteBooks.conditions}, no sender, 100 connections; known = a session row and an update seen",
        f"`none` means at most {MEMORY_MIB:.0f} MiB more",
    ]
    report.data = {
        "cases": {name: {"turns_us": case.turns_us, "cpu_us": case.cpu_us} for name, case in cases.items()},
        "fresh_mib": fresh_mib,
        "used_mib": used_mib,
    }
    return report
