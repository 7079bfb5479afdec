"""One Bot API call from name and arguments to answer.

    known? ─► fault before the effect? ─► the method ─► fault after the effect? ─► log ─► answer

Used for calls over HTTP and for calls that a webhook's answer carries.
"""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec

from posthouse.simulator import breaking
from posthouse.simulator.bots import Bot
from posthouse.simulator.breaking import Answer
from posthouse.simulator.clock import sleep_until
from posthouse.simulator.faults import FaultRule
from posthouse.simulator.floods import Hit, Load
from posthouse.simulator.methods.call import Call
from posthouse.simulator.methods.table import CANONICAL, METHODS
from posthouse.simulator.methods.webhooks import Described
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, not_implemented
from posthouse.simulator.world import CallRecord, World

LIGHT = frozenset(
    {"answerCallbackQuery", "answerInlineQuery", "answerShippingQuery", "answerPreCheckoutQuery", "sendChatAction"}
)
"""Calls that only the strict profile counts."""
HANG_S = 3.0
OVERLOAD_RETRY_AFTER_S = 60
_encode = msgspec.json.Encoder().encode


async def answer_call(world: World, bot: Bot, method: str, parameters: Parameters, *, via: str) -> Answer:
    """Perform a call for a bot and keep it in the call log."""
    name = CANONICAL.get(method.lower())
    if name is None:
        return refused(Refusal(404, "Not Found: method not found"))
    rule = breaking.fire(world, bot, name, parameters)
    result: object = None
    refusal: Refusal | None = None
    try:
        if rule is not None:
            await breaking.break_before(world, bot, parameters, rule)
        if world.floods.forced:
            _refuse_closed(world, bot, parameters)
        if world.profile == "off":
            result = await _perform(Call(world, bot, name, parameters))
        else:
            result = await _perform_within_limits(Call(world, bot, name, parameters))
    except Refusal as raised:
        refusal = raised
    answer = _succeeded(result) if refusal is None else refused(refusal)
    if rule is not None:
        answer = await breaking.break_after(world, rule, answer)
    _log(world, bot, name, parameters, via, result, refusal, answer, rule)
    return answer


def refused(refusal: Refusal) -> Answer:
    return Answer(refusal.code, _encode(refusal.wire()), refusal.retry_after)


def _succeeded(result: object) -> Answer:
    if isinstance(result, Described):
        return Answer(200, _encode({"ok": True, "result": result.result, "description": result.description}))
    return Answer(200, _encode({"ok": True, "result": result}))


async def _perform(call: Call) -> object:
    perform = METHODS.get(call.method)
    if perform is None:
        raise not_implemented(f"has no behaviour for {call.method} yet")
    try:
        result = perform(call)
        return await result if isinstance(result, Awaitable) else result
    except Refusal:
        raise
    except Exception as error:  # nobody's mistake but ours; the call is answered 500 and the journal tells
        raise call.world.note_bug(error, call.method, bot_id=call.bot.id, parameters=call.parameters.seen()) from error


async def _perform_within_limits(call: Call) -> object:
    """As the server does in its own interest: too many calls of one bot at a time hang, and are then refused."""
    world, bot, uploads = call.world, call.bot, call.parameters.files
    load = world.loads.get(bot.id)
    if load is None:
        load = world.loads[bot.id] = Load()
    size = sum(len(upload.data) for upload in uploads.values()) if uploads else 0
    load.requests += 1
    load.uploads += bool(uploads)
    load.upload_bytes += size
    try:
        if (why := world.overload(bot, load)) is not None:
            world.journal.record("server.hung", bot_id=bot.id, text=why)
            await sleep_until(world.clock, call.now + HANG_S)
            world.refuse_flood(Hit(call.now, bot.id, None, OVERLOAD_RETRY_AFTER_S, "server", why), None)
        if call.method in LIGHT:
            world.pace_light(bot)
        return await _perform(call)
    finally:
        load.requests -= 1
        load.uploads -= bool(uploads)
        load.upload_bytes -= size


def _refuse_closed(world: World, bot: Bot, parameters: Parameters) -> None:
    """Raise Refusal 429 while a fault rule keeps this chat or bot closed."""
    chat_id = parameters.integer("chat_id") or None
    hit = world.floods.forced_hit(bot.id, chat_id, now=world.clock.now())
    if hit is not None:
        world.refuse_flood(hit, None if chat_id is None else str(chat_id))


# The log.


def _log(
    world: World,
    bot: Bot,
    name: str,
    parameters: Parameters,
    via: str,
    result: object,
    refusal: Refusal | None,
    answer: Answer,
    rule: FaultRule | None,
) -> None:
    if isinstance(result, Described):
        result = result.result
    world.calls.keep(
        CallRecord(
            seq=world.calls.seq + 1,
            time=world.clock.now(),
            bot_id=bot.id,
            method=name,
            via=via,
            chat_id=parameters.integer("chat_id") or None,
            parameters=parameters.seen(),
            ok=refusal is None,
            status=answer.status,
            result=result,
            description=None if refusal is None else refusal.description,
            fault=None if rule is None else rule.id,
        )
    )
    world.journal.bell.ring()
