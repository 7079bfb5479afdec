"""How a fault rule breaks a Bot API call: before its effect, or after it.

fire ─► before: refuse, hang, cut ─► (the method) ─► after: cut, truncate, lie, hang ─► answer
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from posthouse.simulator.bots import Bot
from posthouse.simulator.clock import sleep_until
from posthouse.simulator.faults import CALL_KINDS, KINDS, REFUSING, FaultRule, Target
from posthouse.simulator.membership import leave
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.people.groups import migrate, set_blocked
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.members import delete_account
from posthouse.simulator.refusals import Refusal, too_many_requests
from posthouse.simulator.world import World

MALFORMED = b'{"ok":true,"result":<html>'
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
NOTHING_HAPPENED = Refusal(0, "connection cut before the effect")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: bytes
    retry_after: int | None = None
    lost: bool = False
    """Nothing goes back: the connection is cut."""
    truncated: bool = False
    """Half of the body goes back, and the connection is cut."""
    content_type: bytes = b"application/json"


def fire(world: World, bot: Bot, method: str, parameters: Parameters) -> FaultRule | None:
    """The rule that strikes this call, told to the journal; or None."""
    if not world.faults.rules:
        return None
    target = Target(
        CALL_KINDS,
        bot.id,
        method,
        chat_id=parameters.integer("chat_id") or None,
        person_id=parameters.integer("user_id") or None,
    )
    rule = world.faults.fire(target)
    if rule is not None:
        world.faults.note(world.journal, rule, target)
    return rule


async def break_before(world: World, bot: Bot, parameters: Parameters, rule: FaultRule) -> None:
    """What the rule does before the method: raise Refusal, wait, or nothing."""
    if KINDS[rule.kind].stage != "before":
        return
    if rule.kind in ("slow", "slow_429"):
        await sleep_until(world.clock, world.clock.now() + rule.delay_s)
    if rule.kind in ("429", "slow_429"):
        raise _refuse_429(world, bot, parameters, rule)
    if rule.kind == "drop_before_effect":
        raise NOTHING_HAPPENED
    if rule.kind == "chat_migrated":
        _migrate(world, bot, parameters)
    elif rule.kind in REFUSING:
        if rule.lasting:
            _make_true(world, bot, parameters, rule.kind)
        raise REFUSING[rule.kind](rule.wait_s)


async def break_after(world: World, rule: FaultRule, answer: Answer) -> Answer:
    """The answer that the rule makes of the real one."""
    match rule.kind:
        case "drop_before_effect" | "effect_then_drop":
            return Answer(0, b"", lost=True)
        case "effect_then_500":
            return Answer(500, b'{"ok":false,"error_code":500,"description":"Internal Server Error"}')
        case "effect_then_502":
            return Answer(502, BAD_GATEWAY, content_type=b"text/html")
        case "malformed":
            return Answer(200, MALFORMED)
        case "truncated":
            return replace(answer, truncated=True)
        case "effect_then_slow":
            await sleep_until(world.clock, world.clock.now() + rule.delay_s)
    return answer


def _refuse_429(world: World, bot: Bot, parameters: Parameters, rule: FaultRule) -> Refusal:
    chat_id = parameters.integer("chat_id") or None
    if rule.scope == "bot" or (rule.scope == "chat" and chat_id is not None):
        closed = chat_id if rule.scope == "chat" else None
        why = f"fault rule {rule.id} closed {f'chat {closed}' if closed else f'bot {bot.id}'}"
        world.floods.force(bot.id, closed, wait_s=rule.wait_s, now=world.clock.now(), why=why)
    return too_many_requests(rule.wait_s)


def _migrate(world: World, bot: Bot, parameters: Parameters) -> None:
    """Let the group become a supergroup; the method itself then says so."""
    chat = world.town.chat_of(bot, parameters.integer("chat_id"))
    if chat is None or chat.kind != "group" or chat.migrated_to is not None:
        return
    migrate(world.town, chat, next(iter(chat.people.values())))


def _make_true(world: World, bot: Bot, parameters: Parameters, kind: str) -> None:
    """Let the town be as the refusal says, where it can be."""
    chat = world.town.chat_of(bot, parameters.integer("chat_id"))
    if chat is None:
        return
    try:
        if kind == "blocked" and chat.is_private:
            set_blocked(world.town, chat, True)
        elif kind == "deactivated" and chat.is_private:
            delete_account(world.town, chat.person)
        elif kind == "kicked" and not chat.is_private:
            leave(world.town, chat, next(iter(chat.people.values())), bot, status="kicked")
    except (Impossible, StopIteration):
        return
