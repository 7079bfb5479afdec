"""Talk: what the code of a conversation sees. Every `await talk.…` is journaled, so that it happens once.

    ask, ask_any          a question and its answer                      waits for the person
    job, sleep            work elsewhere, or time                        waits for the lane
    transact              rows of the author's, in the turn's commit     once, with the journal
    step                  anything outside the database                  once, unless the process dies inside it
    say, edit, photo, …   messages, as in a turn                         once, with the journal

A conversation that is brought back (after a restart, on another machine, because the cache was full) runs again from
its first line. What it says on the way was said already, so it is dropped; what it asks and does was answered and done
already, so it comes from the journal. Behind the last entry it is live again. So code between two awaits may run more
than once: it must be quick, and must not depend on chance or time, for which there are `talk.moment` and `step`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, NoReturn, TypeVar

import msgspec

from posthouse.core.effects import Effects
from posthouse.core.errors import AuthorError
from posthouse.core.leases import CallRecord
from posthouse.core.sessions import JournalWrite, SessionRecord
from posthouse.programs.actions import Actions, seconds_of
from posthouse.programs.conversations.engine import Journal, Record, Wait, caller, place, suspend
from posthouse.programs.conversations.errors import Cancelled, Diverged, JobFailed, TimedOut, TooManyTries
from posthouse.programs.conversations.wants import Unfit, Want, any_of, text
from posthouse.programs.flows.session import SESSION_KEY
from posthouse.programs.flows.triggers import task_name
from posthouse.programs.turn import Turn
from posthouse.telegram.callback_data import ASK, pack

R = TypeVar("R")

COMMIT = "commit"
"""The operation that ends a turn in the middle of a conversation, so that the next one can call out."""

CANCEL_WORDS = ("/cancel", "cancel", "отмена")
TIMER = "posthouse.talk"
PLACE_KEY = "at"
STEP_FLOOR = 1 << 24
"""Ordinals of recorded steps among the calls of an entry: far from those of a hosted handler's own calls."""

_ERRORS = {"cancelled": Cancelled, "timed_out": TimedOut, "given_up": TooManyTries, "failed": JobFailed}
GONE = "gone"  # no place: an option that today's code does not have
_ANY_TEXT = text()
_encode = msgspec.json.Encoder().encode


class Restart(Exception):
    """Begin the conversation anew, with these arguments. Never seen by authors."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.arguments = arguments


class Waiting(msgspec.Struct, omit_defaults=True):
    """What a conversation waits for, kept in its session: enough to know which entry is for it.

    `at` is the ordinal in its journal. `tries` counts answers that were not good enough. `asked` orders the questions
    of a chat: moment, entry, and place within that entry's turn. `options` are the values behind the buttons, in
    their order when it was asked. `until` is when its timer is due, 0 without one.
    """

    op: str = ""
    at: int = 0
    kinds: tuple[str, ...] = ()
    words: tuple[str, ...] = CANCEL_WORDS
    tries: int = 0
    prompt: str = ""
    keyboard: bool = False
    options: tuple[str, ...] = ()
    until: float = 0.0
    asked: tuple[float, int, int] = (0.0, 0, 0)


class Input(msgspec.Struct):
    """What came for a conversation: a message or the pressed button's value, a job's end, or an error to raise.

    `unfit`: a message that it does not want.
    """

    pressed: str | None = None
    unfit: bool = False
    result: Any = None
    error: str = ""
    why: str = ""


class Talk(Actions):
    """One conversation with one person. `say`, `edit`, `photo`, `document`, `enqueue`, … are those of a turn."""

    __slots__ = ("_reading", "_reply_keyboard", "_rev", "_turn", "journal", "raised", "record", "waiting")

    def __init__(self, record: SessionRecord, journal: Journal, waiting: Waiting | None = None) -> None:
        super().__init__(record.bot_id, record.lane, None, cause=0, trace="")
        self.record = record
        self.waiting = waiting or Waiting()
        self.journal = journal
        self._turn: Turn | None = None
        self._rev = record.rev
        self._reading = False
        self._reply_keyboard = False
        self.raised = ""

    # -- what a conversation may do -------------------------------------------------------------------------------

    async def ask(
        self,
        question: str,
        want: Want | None = None,
        *,
        retry: str | None = None,
        tries: int = 0,
        timeout: timedelta | float | None = None,  # noqa: ASYNC109 - the person's, kept as a timer in the store
        cancel: tuple[str, ...] = CANCEL_WORDS,
        **parameters: Any,
    ) -> Any:
        """Ask, and wait for an answer that is good enough; restarts of the process in between do not matter.

        `want` says what kind of answer (a text, when left out). One that does not fit is answered with `retry` (or
        the question again); after `tries` of them (0: any number) `TooManyTries` is raised. `timeout` raises
        `TimedOut`, a word of `cancel` raises `Cancelled`; uncaught, each of them ends the conversation with a message.
        `parameters` are those of `sendMessage`.
        """
        return await self._ask(question, want or _ANY_TEXT, retry, tries, timeout, cancel, parameters)

    async def ask_any(self, question: str, /, **wants: Any) -> tuple[str, Any]:
        """Ask for whichever of these comes first: `name, value = await talk.ask_any("…", photo=photo(), skip=…)`.

        Takes the options of `ask` besides.
        """
        kinds = {name: want for name, want in wants.items() if isinstance(want, Want)}
        options = {name: value for name, value in wants.items() if name not in kinds}
        if not kinds:
            raise AuthorError("ask_any() needs at least one want, such as photo=photo()")
        answer: tuple[str, Any] = await self._ask(
            question,
            any_of(kinds),
            options.pop("retry", None),
            options.pop("tries", 0),
            options.pop("timeout", None),
            options.pop("cancel", CANCEL_WORDS),
            options,
        )
        return answer

    async def step(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Do something outside the database once: `await talk.step("charge", charge, order_id)`; returns its result.

        `function` may be async; its result must be JSON. It is recorded as soon as it is known, before the turn's
        commit. If the process dies inside it, it runs again: give it an idempotency key of its own. What it raises
        fails the turn, which is tried again; what the conversation is to go on with, it returns. Rows that the turn
        has written are committed first.
        """
        op, where = f"step.{name}", caller()
        await self._commit_first(op, where)
        if (known := self.journal.next(op, where)) is not None:
            return known.value
        turn = self._live_turn(op)
        ordinal = STEP_FLOOR + len(turn.session_changes.journal)  # several conversations may have steps in one turn
        recorded = next((r for r in await turn.reach.recall() if r.ordinal == ordinal and r.method == op), None)
        if recorded is not None and recorded.result is not None:
            result = msgspec.json.decode(recorded.result)
            turn.journaled = True
        else:
            call = CallRecord(turn.entry.entry_id, ordinal, op)
            await turn.reach.begin_call(call)
            turn.journaled = True
            try:
                result = function(*args)
                if inspect.isawaitable(result):
                    result = await result
            except Exception as error:
                self.raised = f"{op!r} at {place(where)} raised {error!r}"
                raise
            self._check_json(op, result)
            await turn.reach.end_call(msgspec.structs.replace(call, result=_encode(result)), durable=True)
            result = msgspec.json.decode(_encode(result))  # the same value now as in a replay
        self._add(Record(op, result, at=place(where)))
        return result

    async def transact(self, function: Callable[..., R], *args: Any) -> R:
        """Run a synchronous `function(connection, *args)` in the turn's transaction; its result is kept as JSON."""
        op, where = f"transact.{getattr(function, '__name__', 'function')}", caller()
        if (known := self.journal.next(op, where)) is not None:
            result: R = known.value
            return result
        result = await self._live_turn(op).transact(function, *args)
        self._check_json(op, result)
        kept = msgspec.json.decode(_encode(result))  # the same value now as in a replay
        self._add(Record(op, kept, at=place(where)))
        return kept  # type: ignore[no-any-return]

    async def job(self, job: str | Callable[..., Any], **args: Any) -> Any:
        """Queue a job and wait for its result, as `turn.enqueue`. Raises `JobFailed` when it is given up."""
        op, where = f"job.{task_name(job)}", caller()
        if (known := self.journal.next(op, where)) is not None:
            return self._told(known)
        if not self._is_pending(op):
            self.enqueue(job, notify=True, data={SESSION_KEY: self.record.id, PLACE_KEY: self.journal.position}, **args)
        return await self._wait(op, place(where))

    async def sleep(self, delay: timedelta | float) -> None:
        """Wait that long, over restarts; what the person writes meanwhile is not for this conversation."""
        op, where = "sleep", caller()
        if (known := self.journal.next(op, where)) is not None:
            self._told(known)
            return
        if not self._is_pending(op):
            self.waiting = Waiting(op, self.journal.position, until=self._set_timer(delay))
        await self._wait(op, place(where))

    async def _commit_first(self, op: str, where: FrameType) -> None:
        """End the turn when its transaction is open: nothing outside is called, or waited for, inside of one."""
        if self.journal.is_replaying:
            if self.journal.upcoming == COMMIT:
                self.journal.next(COMMIT, where)
            return
        if not self._is_pending(COMMIT):
            if not self._live_turn(op).reach.in_transaction:
                return
            self.waiting = Waiting(COMMIT, self.journal.position, until=self._set_timer(0))
        await self._wait(COMMIT, place(where))

    @property
    def moment(self) -> datetime:
        """When the entry that is being handled arrived, in UTC; the same in every replay of this line."""
        return datetime.fromtimestamp(self._noted("moment", lambda turn: turn.moment, caller()), UTC)

    def restart(self, **arguments: Any) -> NoReturn:
        """Begin this conversation anew, with these arguments and an empty journal."""
        raise Restart(arguments)

    def t(self, key: str, **values: Any) -> str:
        """The app's text for `key` in the person's language."""
        return self._any_turn().t(key, **values)

    @property
    def person(self) -> dict[str, Any]:
        """The Telegram user who talks, as plain data, the same in every replay; empty when a job or timer came."""
        person: dict[str, Any] = self._noted("person", lambda turn: turn.person, caller())
        return person

    @property
    def language(self) -> str:
        """What the person speaks, as `ru` or `pt-br`; empty when it is not known."""
        return self._any_turn().language

    @property
    def user_id(self) -> int:
        """Whose conversation it is."""
        return self.record.owner.user_id

    @property
    def is_live(self) -> bool:
        """Whether what is done now is new: False while it is done again, to come back to where it waits."""
        return self._turn is not None and self.effects is self._turn.effects

    def say(self, text: str, **parameters: Any) -> None:
        """Send a text message, as `Turn.say`."""
        if self._reply_keyboard and "reply_markup" not in parameters:
            parameters["reply_markup"] = {"remove_keyboard": True}
        self._reply_keyboard = False
        self._speak(text, **parameters)

    def _speak(self, text: str, **parameters: Any) -> None:
        thread = self.record.owner.thread_id
        if thread and parameters.get("chat_id") is None:
            parameters.setdefault("message_thread_id", thread)
        super().say(text, **parameters)

    def _send(
        self, method: str, body: Mapping[str, Any], *, chat_id: int | str | None, handle: str | None = None
    ) -> None:
        thread = self.record.owner.thread_id
        if thread and chat_id is None:
            body = {"message_thread_id": thread} | dict(body)
        super()._send(method, body, chat_id=chat_id, handle=handle)

    # -- how it is run --------------------------------------------------------------------------------------------

    def attach(self, turn: Turn, *, rev: int) -> None:
        """Let what is done from now on happen in this turn; `rev` is the session's once it has committed."""
        self._turn = turn
        self._rev = rev
        self.chat_id = turn.chat_id
        self.lane = turn.lane
        self.cause, self.trace = turn.cause, turn.trace
        self.effects, self.uploads = turn.effects, None

    def detach(self) -> None:
        """What is done from now on (a replay, a `finally`) has no effect."""
        self.effects, self.uploads = Effects(), None

    def hear(self, turn: Turn) -> None:
        """While replaying, know whose turn it is, without acting in it."""
        self._turn = turn
        self.chat_id = turn.chat_id
        self.cause, self.trace = turn.cause, turn.trace
        self.detach()

    async def _ask(
        self,
        question: str,
        want: Want,
        retry: str | None,
        tries: int,
        timeout: timedelta | float | None,  # noqa: ASYNC109 - as above
        cancel: tuple[str, ...],
        parameters: dict[str, Any],
    ) -> Any:
        op, where = f"ask.{want.name}", caller(3)
        if (known := self.journal.next(op, where)) is not None:
            return self._read(want.finish, self._told(known))
        if not self._is_pending(op):
            handle = f"s:{self.record.id}:{self.journal.position}"
            keyboard = self._keyboard(want)
            if keyboard is not None:
                parameters = {"reply_markup": keyboard} | parameters
            until = 0.0 if timeout is None else self._set_timer(timeout)
            self.say(question, handle=handle, **parameters)
            self.waiting = Waiting(
                op,
                self.journal.position,
                want.kinds,
                cancel if cancel is CANCEL_WORDS else tuple(word.casefold() for word in cancel),
                prompt=handle,
                keyboard=bool(want.options),
                options=tuple(want.options),
                until=until,
                asked=self._asked(),
            )
        if want.keyboard is not None:
            self._reply_keyboard = True
        while True:
            told: Input = await suspend(Wait(op, self.waiting))
            if told.error:
                self._leave_question(timeout)
                return self._told(self._add(Record(op, told.why or None, told.error, place(where))))
            try:
                if told.unfit:
                    raise Unfit
                kept, value = self._read(want.accept, self._live_turn(op), self._place_now(want, told.pressed))
            except Unfit as unfit:
                self.waiting.tries += 1
                if tries and self.waiting.tries >= tries:
                    self._leave_question(timeout)
                    return self._told(self._add(Record(op, None, TooManyTries.state, place(where))))
                self._ask_again(str(unfit), retry, question, parameters)
                continue
            self._leave_question(timeout)
            self._add(Record(op, kept, at=place(where)))
            return value

    def _place_now(self, want: Want, pressed: str | None) -> str | None:
        """The place of a pressed option among those of today's code; a button has the place that it had when asked."""
        if pressed is None:
            return None
        asked, now = self.waiting.options, list(want.options)
        value = asked[int(pressed)] if pressed.isdecimal() and int(pressed) < len(asked) else None
        return str(now.index(value)) if value is not None and value in want.options else GONE

    def _ask_again(self, unfit: str, retry: str | None, question: str, parameters: dict[str, Any]) -> None:
        """Say what is wrong with an answer, or the question again; the author's own words in the question's form."""
        words = unfit or retry or question
        left_out = {"reply_markup"} | (set() if words == question else {"entities"})
        form = {} if unfit else {name: value for name, value in parameters.items() if name not in left_out}
        self._speak(words, **form)

    def _read(self, read: Callable[..., Any], *args: Any) -> Any:
        """Let a want read an answer. What it does there is not journaled, so it must not ask for what is."""
        self._reading = True
        try:
            return read(*args)
        finally:
            self._reading = False

    def _noted(self, op: str, look: Callable[[Turn], Any], where: FrameType) -> Any:
        """A fact of the entry that is handled, journaled so that it is the same in every replay of its line."""
        if self._reading:
            raise AuthorError(f"talk.{op} inside parse= or check=: take it before the question, and use it there")
        if (known := self.journal.next(op, where)) is not None:
            return known.value
        return self._add(Record(op, look(self._live_turn(op)), at=place(where))).value

    def pin(self, name: str, version: str, where: FrameType) -> str:
        """The version of a conversation that is called inside this one: it stays what it was at the first call."""
        pinned: str = self._noted(f"call.{name}", lambda turn: version, where)
        return pinned

    def _asked(self) -> tuple[float, int, int]:
        turn = self._any_turn()
        before = turn.effects.sessions.writes if turn.effects.sessions else ()
        return turn.moment, turn.entry.entry_id, len(before)

    def _keyboard(self, want: Want) -> dict[str, Any] | None:
        if want.options:
            buttons = [
                {"text": label, "callback_data": pack(ASK, str(number), self.record.id, self._rev)}
                for number, label in enumerate(want.options.values())
            ]
            rows = [buttons[start : start + want.columns] for start in range(0, len(buttons), want.columns)]
            return {"inline_keyboard": rows}
        return None if want.keyboard is None else want.keyboard("")

    def _leave_question(self, timeout: timedelta | float | None) -> None:
        """The answered question loses its buttons, and its clock."""
        if self.waiting.keyboard:
            self.edit_markup(self.waiting.prompt, chat_id=self.record.ui_chat_id)
        if timeout is not None:
            self.cancel_timer(timer_key(self.record.id))
        self.waiting = Waiting()

    async def _wait(self, op: str, at: str) -> Any:
        """Wait for the end of a job or a sleep."""
        if not self._is_pending(op):
            self.waiting = Waiting(op, self.journal.position)
        told: Input = await suspend(Wait(op, self.waiting))
        self.waiting = Waiting()
        return self._told(self._add(Record(op, told.why if told.error else told.result, told.error, at)))

    def _is_pending(self, op: str) -> bool:
        """Whether the code has come back to the question that was asked in an earlier turn."""
        return self.waiting.op == op and self.waiting.at == self.journal.position

    def _set_timer(self, delay: timedelta | float) -> float:
        """Let the conversation hear of it when the time is over; returns when that is."""
        body = {SESSION_KEY: self.record.id, PLACE_KEY: self.journal.position}
        self.after(delay, TIMER, data=body, key=timer_key(self.record.id))
        return self._any_turn().moment + seconds_of(delay)

    def _add(self, record: Record) -> Record:
        ordinal, packed = self.journal.add(record)
        self._live_turn(record.op).session_changes.journal.append(JournalWrite(self.record.id, ordinal, packed))
        return record

    def _told(self, record: Record) -> Any:
        """What the code gets for a record: its value, or the error that was raised then."""
        if record.error:
            raise _ERRORS[record.error](str(record.value) if record.value else None)
        return record.value

    def _check_json(self, op: str, value: Any) -> None:
        try:
            _encode(value)
        except (TypeError, ValueError) as error:
            raise AuthorError(f"{op!r} gave {type(value).__name__}, which is not JSON: {error}") from None

    def _any_turn(self) -> Turn:
        if self._turn is None:
            raise AuthorError("this conversation is not being handled now: `talk` is for its own code alone")
        return self._turn

    def _live_turn(self, op: str) -> Turn:
        turn = self._any_turn()
        if self.effects is not turn.effects:
            problem = f"{op!r} was asked for outside the conversation's turn: do not keep `talk` for tasks"
            self.journal.diverged = Diverged(problem)  # in a replay: the code does more than it had done
            raise AuthorError(problem)
        return turn


def timer_key(session_id: str) -> str:
    """The key of the timer that a conversation has: one at a time."""
    return f"talk:{session_id}"


Function = Callable[..., Awaitable[Any]]
"""`async def name(talk, **arguments)`."""
