"""`python -m posthouse.simulator`: a simulator alone on a port. `posthouse sim` has more options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from posthouse.simulator.floods import PROFILES
from posthouse.simulator.serving import Options, serve


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted; return the exit code."""
    given = _parser().parse_args(arguments)
    return serve(Options(port=given.port, host=given.host, limits=given.limits, state=given.state, seed=given.seed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m posthouse.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="0 picks a free one (default: 8081)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--limits", choices=PROFILES, default="on", help="Telegram's send limits (default: on)")
    parser.add_argument("--state", type=Path, help="file that keeps the town")
    parser.add_argument("--seed", type=int, help="repeatable update numbers and retry jitter")
    return parser


if __name__ == "__main__":
    sys.exit(main())
