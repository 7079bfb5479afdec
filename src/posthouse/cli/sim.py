"""`posthouse sim`: the simulator alone, and scenarios for one that runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from posthouse.simulator.control.scenarios import stand_ins_of
from posthouse.simulator.scenarios.records import ScenarioInvalid, load_scenario
from posthouse.simulator.scenarios.replay import ReplayFailed, replay


def replay_file(file: Path, url: str, bots: list[str], within_s: float) -> int:
    """Play a scenario on a running simulator; 1 when a step went another way, 2 when the file is none."""
    try:
        scenario = load_scenario(file)
        done = asyncio.run(replay(url, scenario, bots=stand_ins_of(bots, scenario), within_s=within_s))
    except ScenarioInvalid as error:
        print(f"posthouse: {error}", file=sys.stderr)
        return 2
    except ReplayFailed as error:
        print(f"posthouse: {error}", file=sys.stderr)
        return 1
    print(f"{done.steps} steps and {done.answers} answers as recorded, in {done.took_s:.1f} s")
    return 0
