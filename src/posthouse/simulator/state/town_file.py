"""A town in a file: read at the start, written a moment after each change and at the end.

A save flattens the world in the loop (milliseconds: nothing may change under it), packs and writes in a thread,
and replaces the file in one step, so that a crash leaves the old town or the new one and never half of either.
What happened in the last second before a crash is lost (a little more of a very large town); a clean end loses
nothing. Ten thousand messages stop the loop for 50 ms.

One program at a time: a lock on `<file>.lock` is held from the load to the end, and the system lets it go when the
program dies. Where there is no `fcntl` (Windows), nobody is kept out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import BinaryIO

from posthouse.simulator.state.graph import Flat, Unsavable
from posthouse.simulator.state.snapshots import TownUnreadable, flatten, pack, restore
from posthouse.simulator.world import World

if sys.platform != "win32":
    import fcntl

SAVE_AFTER_S = 1.0
STOPPED_SHARE_MAX = 0.05
"""Of the time, at most: a large town is saved less often."""


class TownInUse(Exception):
    """Another simulator keeps its town in this file; the message names it and the mend."""


class TownFile:
    """Keeps one world in one file."""

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        self.world = world
        self._saved: tuple[object, ...] = ()
        self._stopped_s = 0.0
        """How long the last save stopped everything else."""
        self._lock: BinaryIO | None = None

    def load(self) -> bool:
        """Put the file's town into the world, or return False when there is no file yet.

        Raises TownUnreadable, or TownInUse when another simulator has the file.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._take()
            return self._load()
        except OSError as error:
            self.release()
            raise TownUnreadable(f"no town can be kept there ({error.strerror or error}); name another file") from None
        except BaseException:
            self.release()
            raise

    def _load(self) -> bool:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return False
        restore(self.world, data, clock=True)
        self._saved = self._mark()
        return True

    def _take(self) -> None:
        """Keep other simulators out, or raise TownInUse."""
        if sys.platform == "win32":
            return
        lock = self.path.with_name(self.path.name + ".lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise TownInUse(
                f"another simulator keeps its town in {self.path}; stop that one, or name another file with --state"
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Let others have the file."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def run(self) -> None:
        """Save a moment after each change, until cancelled."""
        while True:
            ring = self.world.journal.bell.next_ring()
            if self._mark() == self._saved:
                await ring
            await asyncio.sleep(max(SAVE_AFTER_S, self._stopped_s / STOPPED_SHARE_MAX))
            await self.save()

    async def save(self) -> None:
        """Write the world now, if it changed."""
        mark = self._mark()
        if mark == self._saved:
            return
        try:
            began = time.monotonic()
            flat = flatten(self.world)
            self._stopped_s = time.monotonic() - began
            await asyncio.to_thread(self._write, flat)
        except (Unsavable, OSError) as error:
            self.world.journal.record("town.unsaved", text=f"{self.path}: {error}")
            mark = self._mark()  # or this event would be the change that is saved next, for ever
        self._saved = mark

    def _mark(self) -> tuple[object, ...]:
        world = self.world
        return (id(world.town), world.journal.seq, world.calls.seq, world.deliveries.seq, world.changes)

    def _write(self, flat: Flat) -> None:
        """On disk before it takes the place of the old file."""
        beside = self.path.with_name(self.path.name + ".new")
        with beside.open("wb") as file:
            file.write(pack(flat))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self.path)
        if hasattr(os, "O_DIRECTORY"):
            folder = os.open(self.path.parent, os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
