"""One Bot API call from name and arguments to answer.

    known? ─► fault before the effect? ─► the method ─► fault after the effect? ─► log ─► answer

Used for calls over HTTP and for calls that a webhook's answer carries.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import msgspec

from posthouse.simulator.bots import Bot
from posthouse.simulator.clock import sleep_until
from posthouse.simulator.faults import CALL_KINDS, REFUSING, FaultRule
from posthouse.simulator.methods.call import Call
from posthouse.simulator.methods.table import CANONICAL, METHODS
from posthouse.simulator.methods.webhooks import Described
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import Refusal, not_implemented
from posthouse.simulator.world import CallRecord, World

LOST = {"drop_before_effect", "effect_then_drop"}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire. `lost` means that nothing does: the connection is cut."""

    status: int
    body: bytes
    retry_after: int | None = None
    lost: bool = False


async def answer_call(world: World, bot: Bot, method: str, parameters: Parameters, *, via: str) -> Answer:
    """Perform a call for a bot and keep it in the call log."""
    name = CANONICAL.get(method.lower())
    if name is None:
        return refused(Refusal(404, "Not Found: method not found"))
    rule = _fault(world, bot, name, parameters)
    result: object = None
    refusal: Refusal | None = None
    try:
        await _break_before(world, rule)
        result = await _perform(Call(world, bot, name, parameters))
    except Refusal as raised:
        refusal = raised
    answer = _break_after(rule, _succeeded(result) if refusal is None else refused(refusal))
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


# Faults.


def _fault(world: World, bot: Bot, name: str, parameters: Parameters) -> FaultRule | None:
    if not world.faults.rules:
        return None
    chat_id = parameters.integer("chat_id") or None
    rule = world.faults.fire(CALL_KINDS, bot.id, chat_id, name)
    if rule is not None:
        world.note_fault(rule, bot_id=bot.id, chat_id=chat_id, method=name)
    return rule


async def _break_before(world: World, rule: FaultRule | None) -> None:
    if rule is None:
        return
    if rule.kind in REFUSING:
        raise REFUSING[rule.kind](rule.retry_after_s)
    if rule.kind == "drop_before_effect":
        raise Refusal(0, "connection cut before the effect")
    if rule.kind == "slow":
        await sleep_until(world.clock, world.clock.now() + rule.delay_s)


def _break_after(rule: FaultRule | None, answer: Answer) -> Answer:
    if rule is None:
        return answer
    if rule.kind in LOST:
        return Answer(0, b"", lost=True)
    if rule.kind == "effect_then_500":
        return refused(REFUSING["500"](0))
    if rule.kind == "malformed":
        return Answer(200, b'{"ok":true,"result":<html>')
    return answer


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
