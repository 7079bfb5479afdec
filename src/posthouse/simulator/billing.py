"""What time does to money: checkouts that nobody answered end, subscriptions renew.

One task sleeps until the next of these moments on the simulator's clock. It is woken when a new one comes.
"""

from __future__ import annotations

from posthouse.simulator.clock import TICK_S, rung_or_due
from posthouse.simulator.payments import CheckoutState
from posthouse.simulator.people import payments, subscriptions
from posthouse.simulator.town import Town
from posthouse.simulator.world import World


class Billing:
    """Ends and renews what is due, for as long as it runs."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def run(self) -> None:
        while True:
            ring = self.world.town.payments.bell.next_ring()
            await rung_or_due(self.world.clock, ring, bill(self.world.town, self.world.clock.now()))


def bill(town: Town, now: float) -> float | None:
    """Do what is due by now; return when the next thing will be."""
    for checkout in list(town.payments.waiting.values()):
        if checkout.deadline <= now + TICK_S:
            payments.end(town, checkout, CheckoutState.EXPIRED, "the bot did not answer in time")
    running = [subscription for subscription in town.payments.subscriptions.values() if not subscription.ended]
    for subscription in running:
        while not subscription.ended and subscription.expires_at <= now + TICK_S:
            subscriptions.renew(town, subscription)
    return min(
        (
            *(checkout.deadline for checkout in town.payments.waiting.values()),
            *(subscription.expires_at for subscription in running if not subscription.ended),
        ),
        default=None,
    )
