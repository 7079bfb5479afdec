"""Leaving a server: logOut for the cloud's, close for one's own.

The simulator plays both: after logOut a token is refused for ten minutes, after close the bot comes back with its
next call.
"""

from __future__ import annotations

from posthouse.simulator.bots import Webhook
from posthouse.simulator.methods.call import TRUE, Call, Methods
from posthouse.simulator.refusals import bad_request, too_many_requests

LOGGED_OUT_FOR_S = 600.0
CLOSE_AFTER_S = 600.0


def log_out(call: Call) -> bool:
    """The bot forgets its webhook and its updates, and nothing of this token works for ten minutes."""
    bot = call.bot
    bot.logged_out_until = call.now + LOGGED_OUT_FOR_S
    bot.webhook = Webhook()
    bot.queue.forget_all()
    bot.bell.ring()
    call.world.webhooks_bell.ring()
    call.world.journal.record("bot.logged_out", bot_id=bot.id)
    return TRUE


def close(call: Call) -> bool:
    """Refused in the first ten minutes after the bot came, and when it has not come back since the last time."""
    bot = call.bot
    if bot.closed_at_call is not None:
        since = [r for r in call.world.calls.records if r.seq > bot.closed_at_call and r.bot_id == bot.id]
        if not since:
            raise bad_request("the bot has already been closed")
        bot.started_at = since[0].time
    left_s = bot.started_at + CLOSE_AFTER_S - call.now
    if left_s > 0:
        raise too_many_requests(int(left_s) + 1)
    bot.closed_at_call = call.world.calls.seq + 1  # this very call is logged as the next one
    call.world.journal.record("bot.closed", bot_id=bot.id)
    return TRUE


METHODS: Methods = {"logOut": log_out, "close": close}
