"""The clock."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from posthouse.simulator.views.view import View


class Clock(View):
    """The town's time."""

    now: float
    """Seconds since 1970."""
    rate: float
    """How many times as fast as real time it runs; 0 means that it stands still."""
    ahead_s: float
    """How far it is ahead of real time; below 0, behind."""
    movable: bool


class Move(View):
    """What to do with the clock: first the rate, then the move. Time only goes forward."""

    rate: Annotated[float | None, Field(ge=0, le=1_000_000, description="0 freezes, 1 is real speed.")] = None
    seconds: Annotated[float | None, Field(ge=0, le=10 * 366 * 86_400, description="Move on by so many.")] = None
    to: Annotated[float | None, Field(description="Move on to this moment, in seconds since 1970.")] = None
    real: Annotated[bool, Field(description="Catch up with real time and run with it.")] = False
    rest_s: Annotated[
        float,
        Field(
            ge=0,
            le=60,
            description="At each moment on the way at which something is due, wait at most so many real seconds "
            "until the deliveries under way have ended.",
        ),
    ] = 1.0
