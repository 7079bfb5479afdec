"""Routes: the clock."""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.clock import MovableClock
from posthouse.simulator.control.site import here, site
from posthouse.simulator.world import World

REST_IN_ALL_S = 30.0
"""How long one move waits for receivers altogether, in real seconds."""

TURNS_TO_BEGIN = 8
"""Turns of the loop from a sleeper's end to the delivery that it waited for."""


def routes_of_the_clock() -> APIRouter:
    routes = APIRouter(tags=["clock"])

    @routes.get("/clock")
    async def read_clock() -> views.Clock:
        return _view(here())

    @routes.post("/clock")
    async def move_clock(move: views.Move) -> views.Clock:
        """Move time on by seconds or to a moment, stop it, let it run faster, or catch up with real time.

        What falls due on the way happens at its own moment: retries, lifetimes, long polls. Time never goes back.
        """
        clock = here().clock
        if not isinstance(clock, MovableClock):
            raise HTTPException(409, "this simulator was started on a clock that cannot be moved")
        async with site().moving:
            target = _target(clock, move)
            if move.rate is not None or move.real:
                clock.set(clock.now(), 1.0 if move.real else move.rate or 0.0)
            if target is not None:
                await _walk(here(), clock, target, move.rest_s)
            here().changes += 1
            here().journal.record("clock.moved", text=f"{clock.now():.3f}, {clock.rate:g} times real speed")
        return _view(here())

    return routes


def _target(clock: MovableClock, move: views.Move) -> float | None:
    """Where to, or raise 409 for the past."""
    if move.seconds is not None:
        return clock.now() + move.seconds
    target = time.time() if move.real else move.to
    if target is not None and target < clock.now() - 0.001:
        ahead_s = clock.now() - target
        raise HTTPException(
            409,
            f"time does not go back: the clock is {ahead_s:.3f} s ahead of that; for an earlier time start another "
            "simulator",
        )
    return target


async def _walk(world: World, clock: MovableClock, target: float, rest_s: float) -> None:
    end = time.monotonic() + REST_IN_ALL_S

    async def rest() -> None:
        for _ in range(TURNS_TO_BEGIN):
            await asyncio.sleep(0)  # a pusher that woke has to begin before one can wait for its deliveries
        await world.rest(min(rest_s, end - time.monotonic()))

    await clock.advance(max(0.0, target - clock.now()), rest=rest)


def _view(world: World) -> views.Clock:
    clock = world.clock
    movable = isinstance(clock, MovableClock)
    now = clock.now()
    return views.Clock(
        now=now,
        rate=clock.rate if isinstance(clock, MovableClock) else 1.0,
        ahead_s=now - time.time(),
        movable=movable,
    )
