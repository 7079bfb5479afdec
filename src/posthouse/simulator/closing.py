"""Ending polls on time: sleeps until the next poll with a date is due, closes it, and looks for the next."""

from __future__ import annotations

from posthouse.simulator.clock import rung_or_due
from posthouse.simulator.people.polls import close
from posthouse.simulator.polls import Poll
from posthouse.simulator.world import World


class PollClosing:
    """Runs beside the server."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            ring = self.world.polls_bell.next_ring()
            await rung_or_due(self.world.clock, ring, self._close_due())

    def _close_due(self) -> float | None:
        """Close what is over, and return when the next is, None if nothing is coming."""
        town, coming = self.world.town, None
        for poll in [poll for poll in town.closing.values() if poll.is_over(town.now())]:
            del town.closing[poll.id]
            if not poll.is_closed:
                close(town, poll)
        if town.closing:
            coming = min(_date(poll) for poll in town.closing.values())
        return coming


def _date(poll: Poll) -> float:
    return float(poll.close_date)
