"""A simulator alone in its process: `posthouse sim` and `python -m posthouse.simulator`."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from posthouse.simulator.clock import RATE_MAX, MovableClock
from posthouse.simulator.control.finder import PREFIX
from posthouse.simulator.floods import Profile
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.server import PortTaken, Simulator
from posthouse.simulator.state.snapshots import TownUnreadable
from posthouse.simulator.state.town_file import TownInUse

if sys.platform != "win32":
    from uvloop import run
else:
    from asyncio import run

_RATE = re.compile(r"(\d+(?:\.\d+)?)x")


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve."""

    port: int = 8081
    """0 picks a free one."""
    host: str = "127.0.0.1"
    limits: Profile = "on"
    strict: bool = False
    """Only registered tokens, and only the webhooks that the public server takes."""
    state: Path | None = None
    seed: int | None = None
    clock: str = "real"
    bots: Sequence[str] = ()
    """Tokens to register at the start."""


class OptionInvalid(ValueError):
    """An option has a value that means nothing; the message says which are known."""


def serve(options: Options) -> int:
    """Serve until Ctrl-C; return the exit code: 2 for a taken port, an unusable state file, a wrong option."""
    try:
        run(_serve(options))
    except (PortTaken, TownInUse, TownUnreadable, OptionInvalid) as error:
        where = f"{options.state}: " if isinstance(error, TownUnreadable) else ""
        print(f"simulator: {where}{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def clock_of(written: str) -> MovableClock:
    """The clock that an option means: `real`, `frozen`, `60x`, or a moment to begin at; or raise OptionInvalid."""
    if written == "real":
        return MovableClock.running()
    clock = MovableClock.running()
    if written == "frozen":
        clock.set(clock.now(), 0.0)
    elif (rate := _RATE.fullmatch(written)) is not None and float(rate[1]) <= RATE_MAX:
        clock.set(clock.now(), float(rate[1]))
    else:
        clock.set(_moment(written), 1.0)
    return clock


def _moment(written: str) -> float:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise OptionInvalid(
            f"--clock {written}: it is real, frozen, a speed such as 60x, or a moment such as 2027-01-31T09:00:00Z"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


async def _serve(options: Options) -> None:
    simulator = Simulator(
        port=options.port,
        host=options.host,
        limits=options.limits,
        strict_bots=options.strict,
        strict_webhooks=options.strict,
        clock=clock_of(options.clock),
        seed=options.seed,
        state=options.state,
    )
    async with simulator:
        _register(simulator, options.bots)
        for line in _where(simulator, options):
            print(line, flush=True)
        serving = asyncio.ensure_future(simulator.run_forever())
        if sys.platform != "win32":
            for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs would not hear SIGINT
                asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            pass


def _register(simulator: Simulator, tokens: Sequence[str]) -> None:
    for token in tokens:
        try:
            simulator.world.town.register_bot(token)
        except Refusal:
            raise OptionInvalid(
                f"--bot {token}: a token is a number, a colon and some letters, like 4242:any"
            ) from None


def _where(simulator: Simulator, options: Options) -> list[str]:
    """What a person who starts it wants to know."""
    world, url = simulator.world, simulator.url
    lines = [
        f"Bot API on {url}, people on {url}{PREFIX}/docs",
        f"talk to your bots in a browser: {url}/",
        f"limits {world.profile} (why a call was refused: {url}{PREFIX}/limits), clock {options.clock}",
    ]
    for bot in world.town.bots.values():
        lines.append(f"bot @{bot.username}, token {bot.token}")
    if options.state is not None:
        lines.append(f"the town is kept in {options.state}")
    return lines
