"""`posthouse demo`, which is `python -m posthouse_apps.demo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from posthouse_apps.demo.stage import Options, run


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing is missing at the end."""
    parser = argparse.ArgumentParser(
        prog="posthouse demo", description="The bundled bots, a simulated Telegram, and people."
    )
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--sim-port", type=int, default=8081)
    parser.add_argument("--data", type=Path, default=Path("posthouse-data"))
    parser.add_argument("--crash", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--quiet", action="store_true")
    return run(Options(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    sys.exit(main())
