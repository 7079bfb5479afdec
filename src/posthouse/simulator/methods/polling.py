"""getUpdates: long polls, offsets, and the conflicts between two pollers.

    webhook set? ─► 409        confirm what the offset confirms ─► something there? ─► answer
                                                                └─ wait: an update, the time-out, a rival

A newer request that starts to wait ends the older one with 409; so does setWebhook. With limits on, the
server's protection against spinning applies (facts, section 4).
"""

from __future__ import annotations

import asyncio

import msgspec

from posthouse.simulator.bots import PollLine
from posthouse.simulator.clock import sleep_until
from posthouse.simulator.deliveries import DeliveryRecord
from posthouse.simulator.faults import POLL_KINDS, Target
from posthouse.simulator.methods.call import Call, Methods
from posthouse.simulator.methods.webhooks import read_allowed_updates
from posthouse.simulator.refusals import Refusal, conflict
from posthouse.simulator.updates import Update

TIMEOUT_MAX_S = 50
SPIN_S = 3.0
SHORT_SPIN_S = 0.5
CONFLICT_PAUSE_S = 3.0

WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_SET = "terminated by setWebhook request"


async def get_updates(call: Call) -> msgspec.Raw:
    bot = call.bot
    line = bot.line
    if bot.webhook.url:
        await _conflict(call, line, WEBHOOK_ACTIVE)
    read_allowed_updates(bot, call.parameters)
    offset = call.parameters.integer("offset")
    limit = call.parameters.integer("limit", default=100, low=1, high=100)
    timeout_s = call.parameters.integer("timeout", low=0, high=TIMEOUT_MAX_S)
    if call.world.limits:
        limit, timeout_s = _slow_down(call, line, offset, limit, timeout_s)
    bot.queue.forget_expired(call.now)
    start = bot.queue.confirm(offset, call.now)
    found = bot.queue.read(start, limit)
    if not found and timeout_s > 0:
        found = await _wait(call, line, start, limit, timeout_s)
    for update in found:
        _hand(call, update)
    return msgspec.Raw(b"[" + b",".join(update.body for update in found) + b"]")


def _slow_down(call: Call, line: PollLine, offset: int, limit: int, timeout_s: int) -> tuple[int, int]:
    """The same offset again and again: wait longer, then answer one update at a time."""
    since_s = call.now - line.polled_at
    same = offset == line.offset
    line.offset, line.polled_at = offset, call.now
    if same and since_s < SPIN_S:
        timeout_s = max(timeout_s, int(SPIN_S))
    if same and since_s < SHORT_SPIN_S:
        limit = 1
    return limit, timeout_s


async def _wait(call: Call, line: PollLine, start: int, limit: int, timeout_s: int) -> list[Update]:
    if line.waiting is not None and not line.waiting.done():
        line.waiting.set_result(None)
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    line.waiting = ended
    time_out = asyncio.ensure_future(sleep_until(call.world.clock, call.now + timeout_s))
    call.world.journal.record("poll.opened", bot_id=call.bot.id)
    try:
        while True:
            ring = call.bot.bell.next_ring()
            await asyncio.wait({ring, ended, time_out}, return_when=asyncio.FIRST_COMPLETED)
            if call.world.town.bots.get(call.bot.id) is not call.bot:
                raise Refusal(500, "Internal Server Error: restart")  # the town was reset
            if ended.done():
                await _conflict(call, line, OTHER_POLLER)
            if call.bot.webhook.url:
                await _conflict(call, line, WEBHOOK_SET)
            found = call.bot.queue.read(start, limit)
            if found or time_out.done():
                return found
    finally:
        time_out.cancel()
        if line.waiting is ended:
            line.waiting = None


def _hand(call: Call, update: Update) -> None:
    """Log that the poller got an update; a duplicate fault brings it back although it is confirmed."""
    world = call.world
    update.attempts += 1
    rule = None
    if world.faults.rules:
        target = Target(POLL_KINDS, call.bot.id, update=update.kind, chat_id=update.chat_id, person_id=update.person_id)
        rule = world.faults.fire(target)
        if rule is not None:
            update.again = True
            world.faults.note(world.journal, rule, target, update_id=update.id)
    world.deliveries.keep(
        DeliveryRecord(
            seq=world.deliveries.seq + 1,
            time=call.now,
            bot_id=call.bot.id,
            update_id=update.id,
            kind=update.kind,
            chat_id=update.chat_id,
            via="poll",
            url="",
            attempt=update.attempts,
            outcome="handed",
            status=200,
            error=None,
            latency_s=0.0,
            answer="",
            fault=None if rule is None else rule.id,
            retry_at=None,
        )
    )


async def _conflict(call: Call, line: PollLine, text: str) -> None:
    """Refuse with 409, at once if it is the first within three seconds, else three seconds later."""
    hasty = call.now - line.conflict_at < CONFLICT_PAUSE_S
    line.conflict_at = call.now
    call.world.journal.record("poll.refused", bot_id=call.bot.id, text=text)
    if hasty:
        await sleep_until(call.world.clock, call.now + CONFLICT_PAUSE_S)
    raise conflict(text)


METHODS: Methods = {
    "getUpdates": get_updates,
}
