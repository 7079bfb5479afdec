"""A whole world as bytes, and back.

The bytes begin with a line that says the format, for whoever meets them in a file.
"""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import Any

import msgspec

from posthouse.simulator.clock import MovableClock
from posthouse.simulator.state.graph import Flat, Flattener, Unreadable, rebuild
from posthouse.simulator.world import World

FORMAT = 1
HEADING = b"posthouse town, format "


class TownUnreadable(Exception):
    """These bytes are no town, or one of another version; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A world at one moment, kept under a name."""

    name: str
    time: float
    """By the town's clock, in seconds since 1970."""
    data: bytes
    bots: int
    people: int
    chats: int


def flatten(world: World) -> Flat:
    """The world as plain values. Quick, and does not wait: nothing changes meanwhile.

    Without the collector, which would look through all that was made again and again: two thirds of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return Flattener({"journal": world.journal}).flatten(_root(world))
    finally:
        if collecting:
            gc.enable()


def _root(world: World) -> dict[str, Any]:
    return {
        "town": world.town,
        "faults": world.faults,
        "floods": world.floods,
        "settings": world.settings(),
        "journal": {"seq": world.journal.seq, "counts": world.journal.counts},
        "calls": {"seq": world.calls.seq, "counts": world.calls.counts},
        "deliveries": world.deliveries.seq,
        "clock": _clock(world),
    }


def pack(flat: Flat) -> bytes:
    """Plain values as bytes; safe in a thread, since nothing else has them."""
    return HEADING + b"%d\n" % FORMAT + msgspec.msgpack.encode([flat.classes, flat.objects, flat.root])


def take(world: World, name: str) -> Snapshot:
    """The world now, under a name."""
    town = world.town
    return Snapshot(name, world.clock.now(), pack(flatten(world)), len(town.bots), len(town.people), len(town.chats))


def restore(world: World, data: bytes, *, clock: bool = False) -> None:
    """Put the kept world in place of this one, or raise TownUnreadable and change nothing.

    Pollers and webhook deliveries of the old town are let go. Numbering of events, calls and deliveries goes on.
    Time is only set with `clock`, as a restart does: it never goes back under somebody who waits.
    """
    kept = _unpack(data, {"journal": world.journal})
    try:
        for bot in kept["town"].bots.values():
            bot.queue.recover()
        world.adopt(kept)
    except (LookupError, AttributeError, TypeError) as error:
        raise TownUnreadable(f"the kept town is not whole ({error!r}); begin with a new file") from None
    if clock:
        _set_clock(world, kept["clock"])


def _unpack(data: bytes, known: dict[str, object]) -> dict[str, Any]:
    heading, _, body = data.partition(b"\n")
    if not heading.startswith(HEADING):
        raise TownUnreadable("this is not a kept town; name another file, or move this one away")
    if heading != HEADING + b"%d" % FORMAT:
        theirs = heading.removeprefix(HEADING).decode("ascii", "replace")
        raise TownUnreadable(
            f"the town was kept in format {theirs}, and this program reads format {FORMAT}; open it with the "
            "version that wrote it, or move the file away to begin anew"
        )
    try:
        kept: dict[str, Any] = rebuild(Flat(*msgspec.msgpack.decode(body)), known)
    except (Unreadable, msgspec.DecodeError, TypeError) as error:
        raise TownUnreadable(
            f"the kept town cannot be read: {error}; open it with the version that wrote it, or move the file away "
            "to begin anew"
        ) from None
    return kept


def _clock(world: World) -> dict[str, float]:
    clock = world.clock
    rate = clock.rate if isinstance(clock, MovableClock) else 1.0
    return {"now": clock.now(), "rate": rate, "ahead_s": clock.now() - time.time()}


def _set_clock(world: World, kept: dict[str, float]) -> None:
    """As far from real time as it was; a clock that stood still stands where it stood."""
    if isinstance(world.clock, MovableClock):
        start = kept["now"] if kept["rate"] == 0 else time.time() + kept["ahead_s"]
        world.clock.set(start, kept["rate"])
