"""Hosting of an unchanged aiogram 3 Dispatcher: start at `program`. Importing this imports aiogram."""

from posthouse.programs.aiogram.errors import CallUncertain, ReplayDiverged, StateNotJson, UpdateUnreadable
from posthouse.programs.aiogram.isolation import LaneIsolation
from posthouse.programs.aiogram.program import AiogramProgram, HostedBot
from posthouse.programs.aiogram.session import CallDropped, Limiter, Paused
from posthouse.programs.aiogram.storage import StateKeeper, TurnStorage

__all__ = [
    "AiogramProgram",
    "CallDropped",
    "CallUncertain",
    "HostedBot",
    "LaneIsolation",
    "Limiter",
    "Paused",
    "ReplayDiverged",
    "StateKeeper",
    "StateNotJson",
    "TurnStorage",
    "UpdateUnreadable",
]
