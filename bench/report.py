"""What a figure comes to: tables for a person, data for a file, and a verdict for each thing it must reach."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.measure import MachineConditions, print_table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Plan:
    """How long to measure. Rounds are interleaved: each goes once through everything that is compared."""

    rounds: int = 3
    seconds: float = 5.0
    quick: bool = False
    """True: less of everything that is not a rate, to see that it works. Such figures are not for quoting."""

    def scaled(self, full: int, quick: int) -> int:
        return quick if self.quick else full


QUICK = Plan(rounds=1, seconds=1.0, quick=True)


@dataclass(frozen=True)
class Verdict:
    """One thing that must be reached, and whether it was."""

    figure: str
    must: str
    measured: str
    reached: bool


@dataclass(frozen=True)
class Rows:
    """A printed table."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass
class Report:
    """All that one figure has to say."""

    name: str
    tables: list[Rows] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def show(self, machine: MachineConditions) -> None:
        for table in self.tables:
            print_table(table.title, table.columns, table.rows)
        print("\n".join([*machine.lines(), *self.conditions]), end="\n\n", flush=True)

    def save(self, machine: MachineConditions, plan: Plan, directory: Path = RESULTS) -> Path:
        """Write everything as `<name>.json`, over the last run's."""
        directory.mkdir(exist_ok=True)
        path = directory / f"{self.name}.json"
        told = {
            "figure": self.name,
            "machine": dataclasses.asdict(machine),
            "plan": dataclasses.asdict(plan),
            "conditions": self.conditions,
            "tables": [dataclasses.asdict(table) for table in self.tables],
            "verdicts": [dataclasses.asdict(verdict) for verdict in self.verdicts],
            "data": self.data,
        }
        path.write_text(json.dumps(told, indent=2, default=str) + "\n")
        return path


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """The range of the rounds, like `812 to 1,020`."""
    return f"{number(min(values))} to {number(max(values))}"


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def show_verdicts(verdicts: Sequence[Verdict]) -> None:
    """The table a run ends with."""
    rows = [
        [verdict.figure, verdict.must, verdict.measured, "yes" if verdict.reached else "NO"] for verdict in verdicts
    ]
    print_table("What must be reached", ["figure", "must reach", "measured", "reached?"], rows)
