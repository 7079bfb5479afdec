"""What the simulator says of itself."""

from __future__ import annotations

import aiohttp
from simulator_stage import TOKEN

from posthouse.simulator import Simulator, measure_coverage
from posthouse.simulator.methods.table import METHODS


async def test_coverage_lists_every_method_of_the_schema(sim: Simulator) -> None:
    """Each method is there once with whether it has behaviour; the counts are those of the list."""
    async with aiohttp.ClientSession() as http, http.get(f"{sim.url}/sim/v1/coverage") as response:
        coverage = await response.json()
    assert coverage["version"] == "10.3"
    assert coverage["methods_total"] == 185
    assert coverage["methods_with_behaviour"] == len(METHODS)
    assert {m["name"] for m in coverage["methods"] if m["behaviour"]} == set(METHODS)
    assert measure_coverage().methods_total == 185


async def test_a_method_without_behaviour_says_so(sim: Simulator) -> None:
    """Every method that coverage lists as missing answers 501 with its name; none pretends."""
    async with aiohttp.ClientSession() as http:
        for method in measure_coverage().methods:
            if method.behaviour:
                continue
            async with http.post(f"{sim.url}/bot{TOKEN}/{method.name}") as response:
                assert response.status == 501
                assert method.name in (await response.json())["description"]
