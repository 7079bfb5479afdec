"""A Bot API server with people in it, for tests and demos: real HTTP, no token, no network.

    bot ──Bot API──► calls ──► methods ──► town ◄── people ◄──control API── test or demo
     ▲                (faults, floods)      │
     └───────────── polls, webhooks ◄── updates

It is an independent oracle: it imports nothing else of posthouse and shares with it only the facts about
Telegram.
"""

from posthouse.simulator.clock import Clock, MovableClock, RealClock
from posthouse.simulator.coverage import Coverage, MethodCoverage, measure_coverage
from posthouse.simulator.server import PortTaken, Simulator
from posthouse.simulator.state.snapshots import TownUnreadable
from posthouse.simulator.state.town_file import TownInUse

__all__ = [
    "Clock",
    "Coverage",
    "MethodCoverage",
    "MovableClock",
    "PortTaken",
    "RealClock",
    "Simulator",
    "TownInUse",
    "TownUnreadable",
    "measure_coverage",
]
