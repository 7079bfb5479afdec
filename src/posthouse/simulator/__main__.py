"""`python -m posthouse.simulator`: a simulator alone on a port."""

from __future__ import annotations

import argparse
import asyncio
import sys

from posthouse.simulator.server import PortTaken, Simulator

if sys.platform != "win32":
    from uvloop import run
else:
    from asyncio import run


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted; 2 means that the port is taken."""
    options = _parser().parse_args(arguments)
    try:
        run(_serve(options))
    except PortTaken as taken:
        print(f"simulator: {taken}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


async def _serve(options: argparse.Namespace) -> None:
    simulator = Simulator(
        port=options.port,
        host=options.host,
        limits=options.limits,
        strict_bots=options.strict_bots,
        seed=options.seed,
    )
    async with simulator:
        print(f"Bot API on {simulator.url}, people on {simulator.url}/sim/v1/docs", flush=True)
        try:
            await simulator.run_forever()
        except asyncio.CancelledError:
            pass


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m posthouse.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="0 picks a free one (default: 8081)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--limits", choices=["on", "off"], default="on", help="Telegram's send limits (default: on)")
    parser.add_argument("--strict-bots", action="store_true", help="refuse tokens that were not registered")
    parser.add_argument("--seed", type=int, help="repeatable update numbers and retry jitter")
    return parser


if __name__ == "__main__":
    sys.exit(main())
