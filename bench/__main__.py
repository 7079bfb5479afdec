"""Measures the figures and says which are reached.

    python -m bench                       all of them, three rounds of five seconds: about 20 minutes
    python -m bench saturation latency    some of them
    python -m bench --quick               everything small, to see that it runs; not for quoting

Prints a table or more for each figure, with the conditions, writes `bench/results/<figure>.json`, and ends with what
must be reached and what was.
"""

import argparse
import importlib
import sys
import time
import traceback

from bench.environments import ROOT
from bench.measure import Bystanders, machine_conditions
from bench.report import QUICK, Plan, Report, Verdict, show_verdicts

FIGURES = ("saturation", "latency", "recovery", "flood", "sending", "growth", "sessions", "start", "simulator")


def main() -> None:
    """Measure the named figures, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("figures", nargs="*", choices=[[], *FIGURES], default=[], metavar="figure")
    parser.add_argument("--quick", action="store_true", help="one short round of everything: does it run?")
    parser.add_argument("--seconds", type=float, help="how long one measurement takes")
    parser.add_argument("--rounds", type=int)
    arguments = parser.parse_args()
    usual = QUICK if arguments.quick else Plan()
    plan = Plan(arguments.rounds or usual.rounds, arguments.seconds or usual.seconds, usual.quick)
    ROOT.mkdir(exist_ok=True)
    verdicts: list[Verdict] = []
    failed: list[str] = []
    for name in arguments.figures or FIGURES:
        report = measure(name, plan)
        if report is None:
            failed.append(name)
        else:
            verdicts += report.verdicts
    show_verdicts(verdicts)
    if failed:
        sys.exit(f"bench: not measured: {', '.join(failed)}")


def measure(name: str, plan: Plan) -> Report | None:
    """One figure, shown and saved; None when it could not be measured, which is told and does not end the run."""
    started = time.monotonic()
    bystanders = Bystanders()
    machine = machine_conditions(ROOT)
    try:
        report: Report = importlib.import_module(f"bench.figures.{name}").measure(plan)
    except Exception:
        traceback.print_exc()
        return None
    report.conditions.append(
        f"{plan.rounds} rounds of {plan.seconds:g} s; measured in {time.monotonic() - started:.0f} s,"
        f" during which others kept {bystanders.cores():.1f} cores busy"
    )
    report.show(machine)
    report.save(machine, plan)
    return report


if __name__ == "__main__":
    main()
