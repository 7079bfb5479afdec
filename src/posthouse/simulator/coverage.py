"""How much of the Bot API has behaviour here, method by method and kind by kind."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.simulator.methods.table import GAPS, METHODS
from posthouse.simulator.schema import SCHEMA


@dataclass(frozen=True, slots=True)
class MethodCoverage:
    """One method of the schema. `gap` says what is missing where the behaviour is known to be incomplete."""

    name: str
    behaviour: bool
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every method of the Bot API version that the simulator knows."""

    version: str
    methods: tuple[MethodCoverage, ...]

    @property
    def methods_total(self) -> int:
        return len(self.methods)

    @property
    def methods_with_behaviour(self) -> int:
        return sum(method.behaviour for method in self.methods)

    @property
    def methods_with_gaps(self) -> int:
        return sum(method.gap is not None for method in self.methods)


def measure_coverage() -> Coverage:
    """What has behaviour now; a method without answers 501."""
    methods = (MethodCoverage(name, name in METHODS, GAPS.get(name)) for name in SCHEMA.methods)
    return Coverage(SCHEMA.version, tuple(methods))
