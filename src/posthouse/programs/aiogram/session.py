"""Outgoing calls of a hosted bot: journaled inside a turn, paced everywhere.

    bot(method) → the author's session middlewares → make_request = SessionJournal → the session's own

The journal shadows `make_request` on the session *object*: it sees the final method behind every middleware,
and the session stays what it was (its class, its settings, an overridden `__call__`). `detach` removes it.

    inside a turn   budget → record begun (durable; refused when the lease is lost) → call → record ended
    a replay        the recorded result or refusal, no call
    not recorded    reads (`get…`) and the perishable (`sendChatAction`, drafts). Doing these twice harms
                    nobody; a durable write for each would cost more than it saves; and a typing indicator
                    ticks by the clock, so it would make every replay diverge. They spend no budget either.
    not made        `setWebhook` and `deleteWebhook`: how updates arrive is the platform's business

Files among the arguments are not recorded.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NoReturn

import aiogram.exceptions
import aiohttp
import msgspec
from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramEntityTooLarge,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import Response, TelegramMethod
from pydantic import BaseModel

from posthouse.core.effects import WhenUncertain
from posthouse.core.errors import PosthouseError
from posthouse.core.leases import CallRecord
from posthouse.programs.aiogram.errors import CallUncertain
from posthouse.programs.aiogram.hosted import HostedTurn, Latecomers, current, log
from posthouse.programs.aiogram.replay import Ask, Ending, Recorded, Step
from posthouse.telegram.methods import is_idempotent, is_paced, outbound_lane

Limiter = Callable[[int, int | None], Awaitable[None]]
"""`limiter(bot_id, chat)` returns when one call may leave; chat None spends the bot's budget alone."""

Paused = Callable[[int, int | None, float], Awaitable[None]]
"""`paused(bot_id, chat, delay_s)` is told Telegram's `retry_after`."""

PERISHABLE = frozenset({"sendChatAction", "sendMessageDraft", "sendRichMessageDraft"})
PLATFORM_METHODS = frozenset({"setWebhook", "deleteWebhook"})

_encode = msgspec.json.encode


class CallDropped(TelegramNetworkError):
    """An earlier run began this call, and the bot is set not to repeat what may have happened (`drop`)."""

    label = "Posthouse says"


class HostedCalls:
    """What the sessions of one host share: the limits, and whose turns they record."""

    def __init__(self, limiter: Limiter | None, paused: Paused | None, latecomers: Latecomers) -> None:
        self.limiter = limiter
        self.paused = paused
        self.latecomers = latecomers
        self._journals: list[SessionJournal] = []

    def attach(self, session: BaseSession) -> None:
        """Record the calls of this session; a session that several bots share is attached once."""
        if all(journal.session is not session for journal in self._journals):
            self._journals.append(SessionJournal(session, self))

    def detach(self) -> None:
        """Give all sessions back as they were."""
        while self._journals:
            self._journals.pop().detach()

    async def close(self) -> None:
        """Close the connections of all sessions; they open again when they are used."""
        for journal in self._journals:
            await journal.session.close()


class SessionJournal:
    """Stands where `make_request` of one session stood."""

    def __init__(self, session: BaseSession, calls: HostedCalls) -> None:
        self.session = session
        self._calls = calls
        self._make_request = session.make_request
        self._shadowed = session.__dict__.get("make_request")
        self._shadow = self.make_request
        session.__dict__["make_request"] = self._shadow

    def detach(self) -> None:
        if self.session.__dict__.get("make_request") is not self._shadow:
            return
        del self.session.__dict__["make_request"]
        if self._shadowed is not None:
            self.session.__dict__["make_request"] = self._shadowed

    # `timeout` is aiogram's signature here and below: the session's own limit on one request.
    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None = None,  # noqa: ASYNC109
    ) -> Any:
        name = method.__api_method__
        hosted = current.get()
        if hosted is not None and hosted.host is not self._calls:
            return await self._make_request(bot, method, timeout=timeout)  # another host's turn: it records
        if name in PLATFORM_METHODS:
            log.warning("call.ignored", method=name, bot_id=bot.id, why="Posthouse keeps the webhook")
            return True
        if name.startswith("get") or name in PERISHABLE:
            return await self._make_request(bot, method, timeout=timeout)
        if hosted is not None and not hosted.ended:
            try:
                return await self._journaled(hosted, bot, method, timeout)
            except PosthouseError as outcome:
                hosted.verdict = outcome
                raise
        if hosted is not None:
            self._calls.latecomers.came(hosted, f"called {name}")
        log.debug("call.outside_turn", method=name, bot_id=bot.id)
        await self._admitted(bot, method)
        return await self._make_request(bot, method, timeout=timeout)

    async def _journaled(
        self,
        hosted: HostedTurn,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None,  # noqa: ASYNC109
    ) -> Any:
        if hosted.verdict is not None:
            raise hosted.verdict  # the turn is lost already: nothing more leaves
        ask = Ask(method.__api_method__, target_of(method), _checksum(method), hosted.aftermath)
        step = hosted.replay.step(ask)  # before any await: ordinals follow the order in which calls begin
        recorded = step.recorded
        if not step.begun:
            pass
        elif recorded is None or (recorded.ending is Ending.UNKNOWN and not step.survived):
            stand_in = _uncertain(hosted, method, ask)
            if stand_in is not None:
                return stand_in
        elif recorded.ok:
            response = Response[method.__returning__]  # type: ignore[name-defined]
            return response.model_validate_json(step.raw, context={"bot": bot}).result
        elif recorded.ending is Ending.REFUSED or step.survived:
            raise_again(recorded, method)
        return await self._call(hosted, bot, method, timeout, ask, step)

    async def _call(
        self,
        hosted: HostedTurn,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None,  # noqa: ASYNC109
        ask: Ask,
        step: Step,
    ) -> Any:
        """Make the call between its two records."""
        turn, entry_id = hosted.turn, hosted.turn.entry.entry_id
        await self._admitted(bot, method)  # before the record: a call that waits has surely not happened
        turn.journaled = True
        await turn.reach.begin_call(CallRecord(entry_id, step.ordinal, ask.method))
        try:
            result = await self._patient_call(hosted, bot, method, timeout)
        except (TelegramAPIError, ClientDecodeError) as error:
            record = _record_of(error, ask, begun=hosted.replay.begun(aftermath=ask.aftermath))
            await turn.reach.end_call(CallRecord(entry_id, step.ordinal, ask.method, _encode(record)))
            raise
        record = Recorded(True, target=ask.target, says=ask.says, result=msgspec.Raw(plain_json(result)))
        await turn.reach.end_call(CallRecord(entry_id, step.ordinal, ask.method, _encode(record)))
        return result

    async def _patient_call(
        self,
        hosted: HostedTurn,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None,  # noqa: ASYNC109
    ) -> Any:
        """The call itself; a 429 is waited for while the handler has the time."""
        while True:
            try:
                return await self._make_request(bot, method, timeout=timeout)
            except TelegramRetryAfter as refusal:
                waitable = await self._pause(bot, method, refusal.retry_after)
                if not waitable or refusal.retry_after >= hosted.remaining_s():
                    raise
            await self._admitted(bot, method)

    async def _pause(self, bot: Bot, method: TelegramMethod[Any], delay_s: float) -> bool:
        """Tell the limits about a 429; False when they cannot wait for it.

        Without a chat nothing is paused: such a limit belongs to one method (a bot may change its name a few
        times a day), not to the bot.
        """
        chat = _chat_of(method)
        if chat is None or self._calls.paused is None or self._calls.limiter is None:
            return False
        await self._calls.paused(bot.id, chat, delay_s)
        return True

    async def _admitted(self, bot: Bot, method: TelegramMethod[Any]) -> None:
        if self._calls.limiter is not None:
            chat = _chat_of(method) if is_paced(method.__api_method__) else None
            await self._calls.limiter(bot.id, chat)


# -- what a call is about --------------------------------------------------------------------------------


def _chat_of(method: TelegramMethod[Any]) -> int | None:
    chat_id = getattr(method, "chat_id", None)
    return None if chat_id is None else outbound_lane(chat_id, 0)


@lru_cache(maxsize=512)
def _target_fields(method: type[TelegramMethod[Any]]) -> tuple[str, ...]:
    return tuple(name for name in method.model_fields if name.endswith(("_id", "_ids")))


def target_of(method: TelegramMethod[Any]) -> str:
    """The ids among the parameters: the same when a handler runs again, unlike texts and files."""
    fields = _target_fields(type(method))
    return " ".join(f"{name}={value}" for name in fields if (value := getattr(method, name)) is not None)


def _checksum(method: TelegramMethod[Any]) -> int:
    """A checksum of the parameters, files by their type alone. Equal ones are taken for the same call."""
    return zlib.crc32(
        method.model_dump_json(exclude_unset=True, warnings=False, fallback=lambda value: type(value).__name__).encode()
    )


def _uncertain(hosted: HostedTurn, method: TelegramMethod[Any], ask: Ask) -> Any:
    """What stands for a call that may have happened: None to make it again."""
    policy = WhenUncertain.RESEND if is_idempotent(ask.method) else WhenUncertain(hosted.uncertain_calls)
    trace = hosted.turn.trace
    log.warning("call.uncertain", trace=trace, method=ask.method, target=ask.target, policy=policy.value)
    told = (
        f"{ask.method} ({ask.target}) of entry {trace} was begun by an earlier run and may have "
        f"arrived; uncertain_calls = {policy.value!r}"
    )
    if policy is WhenUncertain.PARK:
        raise CallUncertain(f"{told} leaves it to the operator")
    if policy is WhenUncertain.DROP:
        if method.__returning__ is bool:
            return True
        raise CallDropped(method=method, message=f"{told} does not repeat it")
    return None


# -- results and errors as records -----------------------------------------------------------------------


def plain_json(result: Any) -> bytes:
    """A result as Telegram would have written it."""
    if isinstance(result, BaseModel):
        return result.model_dump_json(exclude_unset=True, by_alias=True, warnings=False).encode()
    if isinstance(result, (list, tuple)):
        return b"[" + b",".join(map(plain_json, result)) + b"]"
    return _encode(result)


def ending_of(error: Exception) -> Ending:
    """What an error says about the call."""
    if isinstance(error, TelegramRetryAfter) or isinstance(error.__cause__, aiohttp.ClientConnectorError):
        return Ending.UNSENT
    if isinstance(error, TelegramEntityTooLarge):  # a network error to aiogram, an answer to us
        return Ending.REFUSED
    if isinstance(error, (TelegramNetworkError, TelegramServerError, ClientDecodeError)):
        return Ending.UNKNOWN
    return Ending.REFUSED


def _record_of(error: TelegramAPIError | ClientDecodeError, ask: Ask, *, begun: int) -> Recorded:
    return Recorded(
        False,
        ending=ending_of(error),
        target=ask.target,
        says=ask.says,
        begun=begun,
        error=_aiogram_name(error),
        message=error.message,
        retry_after=getattr(error, "retry_after", None),
        migrate_to_chat_id=getattr(error, "migrate_to_chat_id", None),
    )


def _aiogram_name(error: Exception) -> str:
    """The nearest class that aiogram has: a session of the author's may raise its own."""
    names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == aiogram.exceptions.__name__)
    return next(names, TelegramAPIError.__name__)


def raise_again(recorded: Recorded, method: TelegramMethod[Any]) -> NoReturn:
    """Raise the recorded error as it was: without its constructor, which would word the message again."""
    kind = getattr(aiogram.exceptions, recorded.error, TelegramAPIError)
    error = kind.__new__(kind)
    error.message = recorded.message
    if isinstance(error, ClientDecodeError):
        error.original, error.data = ValueError("recorded by an earlier run"), None
    else:
        error.method = method
    for name in ("retry_after", "migrate_to_chat_id"):
        if (value := getattr(recorded, name)) is not None:
            setattr(error, name, value)
    raise error
