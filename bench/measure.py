"""What every measurement shares: the machine it ran on, what a process used, and the printed table.

Units are in the names: `_s`, `_ms`, `_us`, `_mib`. Processor and memory figures come from `/proc`, so this
module works on Linux only, like the numbers it stands beside.
"""

import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

FSYNC_WRITES = 200
FSYNC_BYTES = 4096


@dataclass(frozen=True)
class FsyncLatency:
    """Latency of one 4 KiB write plus fsync in a directory, over 200 writes appended to one file."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class MachineConditions:
    """The machine and the moment a measurement was taken on. Numbers without these are not comparable."""

    date: str
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    load_average_1_min: float
    fsync: FsyncLatency

    def lines(self) -> list[str]:
        """Tell the conditions in sentences short enough for a table's caption."""
        return [
            f"{self.date}, {self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.kernel}",
            f"Python {self.python}, load average before the run {self.load_average_1_min:.2f}",
            f"4 KiB write + fsync: p50 {self.fsync.p50_ms:.2f} ms, p99 {self.fsync.p99_ms:.2f} ms",
        ]


def machine_conditions(data_directory: Path | None = None) -> MachineConditions:
    """Read the machine's conditions, and time fsync where the data would lie, or in the temp directory."""
    pages_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MachineConditions(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=pages_bytes / 2**30,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_version()} ({platform.python_compiler()})",
        load_average_1_min=os.getloadavg()[0],
        fsync=fsync_latency(data_directory or Path(tempfile.gettempdir())),
    )


def fsync_latency(directory: Path) -> FsyncLatency:
    """Time 200 writes of 4 KiB, each followed by fsync, in a file that is removed afterwards."""
    block = os.urandom(FSYNC_BYTES)
    latencies_ms = []
    with tempfile.NamedTemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(FSYNC_WRITES):
            started = time.perf_counter()
            file.write(block)
            os.fsync(file.fileno())
            latencies_ms.append((time.perf_counter() - started) * 1000)
    return FsyncLatency(p50_ms=statistics.median(latencies_ms), p99_ms=percentile(latencies_ms, 99))


class Bystanders:
    """How many cores everything else on the machine kept busy meanwhile: 0 on a machine of our own.

    Our own share is this process with all its ended descendants, so ask when they have ended.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy_s = _busy_s()
        self._own_s = _own_s()

    def cores(self) -> float:
        elapsed_s = time.monotonic() - self._began
        others_s = (_busy_s() - self._busy_s) - (_own_s() - self._own_s)
        return max(0.0, others_s / elapsed_s) if elapsed_s > 0 else 0.0


def _busy_s() -> float:
    """Processor seconds of the machine that were not idle, with what the host took away."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed; 0.0 when there are none."""
    if not values:
        return 0.0
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(0, int(rank) - 1)]


def rss_mib(pid: int) -> float:
    """Resident memory of one process now, without its children."""
    resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """Processor seconds one process has used so far in all its threads, user and system, to 10 ms."""
    # The command, the second field, may contain spaces; what follows its closing bracket may not.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str = "") -> None:
    """Print rows under a title; the first column is text, the others are right-aligned figures."""
    table = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if os.isatty(1) else 140).print(table)


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"
