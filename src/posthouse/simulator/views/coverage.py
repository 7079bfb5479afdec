"""How much of the Bot API has behaviour."""

from __future__ import annotations

from posthouse.simulator.views.view import View


class MethodCoverage(View):
    """One method. `gap` says what is missing where the behaviour is known to be incomplete."""

    name: str
    behaviour: bool
    gap: str | None


class Coverage(View):
    """Every method of the Bot API version that the simulator knows; one without behaviour answers 501."""

    version: str
    methods_total: int
    methods_with_behaviour: int
    methods_with_gaps: int
    methods: tuple[MethodCoverage, ...]
