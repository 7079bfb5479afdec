"""A turn as a handler sees it: the entry, the chat's session, and the effects it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from posthouse.core.effects import Effects
from posthouse.core.entries import Entry, trace_of
from posthouse.core.errors import AuthorError
from posthouse.core.leases import CallRecord
from posthouse.core.sessions import Owner, SessionChanges, SessionRecord
from posthouse.programs.actions import Actions

if TYPE_CHECKING:
    from aiogram.types import CallbackQuery, Message, Update

R = TypeVar("R")

SESSION = ""  # the name of the native program's piece of state

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


Mark = tuple[tuple[int, ...], bytes | None]
"""A point within a turn: how much it had asked for, and the chat's session as it was."""


class Catalogue(Protocol):
    """Texts by key and language, such as `kits.i18n.Messages`."""

    def t(self, key: str, lang: str | None, **values: Any) -> str: ...

    def __contains__(self, key: object) -> bool: ...


Texts = Mapping[str, Mapping[str, str]] | Catalogue
"""An app's texts: a catalogue, or a plain table `language → key → text`."""


class Reach(Protocol):
    """What a turn can reach beyond its own records; the runtime gives it."""

    async def transact(self, function: Callable[..., R], *args: Any) -> R: ...

    async def read_states(self, lane: int, names: Iterable[str]) -> dict[str, bytes]: ...

    async def session(self, session_id: str) -> SessionRecord | None:
        """One session of the bot, as the turns before this one left it, active or not; None when there is none."""
        ...

    async def sessions(self, lane: int, user_ids: Sequence[int]) -> list[SessionRecord]:
        """The active sessions of a lane that these people own, as the turns before this one left them."""
        ...

    async def journal(self, session_id: str) -> list[bytes]:
        """The journal of a conversation, by ordinal, with what the turns before this one added."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether the turn has used `transact`, so that its transaction is open."""
        ...

    async def forget_transaction(self, error: BaseException) -> bool:
        """Undo the turn's transaction if `error` is the database's and came out of it, so that the turn can go on."""
        ...

    async def recall(self) -> list[CallRecord]:
        """The calls recorded by an earlier run of this entry, by ordinal."""
        ...

    async def begin_call(self, record: CallRecord) -> None:
        """Record durably that a call is about to be made."""
        ...

    async def end_call(self, record: CallRecord, *, durable: bool = False) -> None:
        """Record its result, no later than the turn's commit; `durable`: before this returns."""
        ...


class Turn(Actions):
    """One run of one entry. Handlers read it, ask it for effects, and return; the runtime commits.

    `attempt` is 1 for the first run. Raising `Retryable` or `Terminal` decides the outcome; any other exception is
    retried by the bot's policy. Nothing that was asked for happens when the handler raises.
    """

    __slots__ = (
        "_event",
        "_met",
        "_person",
        "_reach",
        "_session",
        "_session_raw",
        "_thread_id",
        "_typed",
        "_update",
        "attempt",
        "bot",
        "entry",
        "env",
        "journaled",
        "owners",
        "sessions",
        "sessions_complete",
        "spoken",
        "states",
        "texts",
    )

    def __init__(
        self,
        entry: Entry,
        *,
        reach: Reach,
        states: dict[str, bytes],
        attempt: int = 1,
        bot: str = "",
        env: str = "prod",
        sessions: dict[str, SessionRecord] | None = None,
        sessions_complete: bool = True,
        texts: Texts | None = None,
    ) -> None:
        # Not by way of Actions.__init__: one is made for every update, and a call more is a call more.
        self.bot_id = bot_id = entry.bot_id
        self.lane = lane = entry.lane
        self.chat_id = lane if lane > -(2**51) else None
        self.cause = cause = entry.entry_id
        self.trace = trace_of(bot_id, cause)
        self.effects = Effects()
        self.uploads = None
        self.entry = entry
        self.attempt = attempt
        self.bot = bot
        self.env = env
        self.states = states
        self.sessions = sessions
        self.sessions_complete = sessions_complete
        self.texts = texts
        self.spoken = ""
        self.owners: dict[str, Owner] | None = None  # who acts, by strategy; reckoned once
        self.journaled = False
        self._reach = reach
        self._update: dict[str, Any] | None = None
        self._typed: Update | None = None
        self._event: tuple[str, Any] | None = None
        self._person: dict[str, Any] | None = None
        self._met: Any = False  # the message of the update, once it was looked for
        self._thread_id: int | None = None
        self._session: dict[str, Any] | None = None
        self._session_raw: bytes | None = None

    # -- what arrived -------------------------------------------------------------------------------------------

    @property
    def update(self) -> dict[str, Any]:
        """The raw JSON object: Telegram's update, or the event of a timer or job."""
        if self._update is None:
            self._update = _decode(self.entry.payload)
        return self._update

    @property
    def kind(self) -> str:
        """`"message"`, `"callback_query"`, … or `"event"` for timers and finished jobs."""
        if self.entry.entry_id < 0:
            return "event"
        for key in self.update:
            if key != "update_id":
                return key
        return "empty"

    @property
    def raw_message(self) -> dict[str, Any] | None:
        """The message of the update as plain data: sent, edited, posted, or the one whose button was pressed."""
        if self._met is False:
            self._met = self._find_message()
        found: dict[str, Any] | None = self._met
        return found

    def _find_message(self) -> dict[str, Any] | None:
        update = self.update
        for kind in ("message", "edited_message", "channel_post", "edited_channel_post", "business_message"):
            if kind in update:
                return update[kind]  # type: ignore[no-any-return]
        press = update.get("callback_query")
        return press.get("message") if press else None

    @property
    def thread_id(self) -> int:
        """The topic of the message, or 0; an event has none."""
        if self._thread_id is None:
            message = self.raw_message if self.entry.entry_id >= 0 else None
            in_topic = message is not None and message.get("is_topic_message")
            self._thread_id = (message.get("message_thread_id") or 0) if in_topic and message else 0
        return self._thread_id

    @property
    def text(self) -> str:
        """The text or caption of the message, or an empty string."""
        message = self.raw_message or {}
        return message.get("text") or message.get("caption") or ""

    @property
    def person(self) -> dict[str, Any]:
        """The Telegram user who caused the update, as plain data; empty when nobody did."""
        if self._person is None:
            self._person = self._find_person() if self.entry.is_update else {}  # an event's data is the author's
        return self._person

    def _find_person(self) -> dict[str, Any]:
        update = self.update
        part = update.get("message") or update.get("callback_query")
        if part is None:
            part = next((value for value in update.values() if isinstance(value, dict)), {})
        found: dict[str, Any] = part.get("from") or part.get("user") or {}
        return found

    @property
    def message(self) -> Message:
        """The message as aiogram's type, parsed on first use. Raises `AuthorError` when the update has none."""
        typed = self._typed_update()
        found = typed.message or typed.edited_message or typed.channel_post or typed.edited_channel_post
        if found is None and typed.callback_query is not None:
            found = typed.callback_query.message  # type: ignore[assignment]
        if found is None:
            raise AuthorError(f"turn.message: an update of kind {self.kind} has no message")
        return found

    @property
    def callback(self) -> CallbackQuery:
        """The pressed button as aiogram's type, parsed on first use."""
        found = self._typed_update().callback_query
        if found is None:
            raise AuthorError(f"turn.callback: an update of kind {self.kind} is not a button press")
        return found

    def _typed_update(self) -> Update:
        if self._typed is None:
            from aiogram.types import Update  # a second of import: only for handlers that want types

            self._typed = Update.model_validate(self.update)
        return self._typed

    @property
    def event(self) -> tuple[str, Any]:
        """(name, data) of a due timer; (task, `Completion` fields as a dict) of a finished job."""
        if self._event is None:
            body = self.update
            name = body["name"] if body.get("event") == "timer" else body["task"]
            self._event = (name, body.get("data") if body.get("event") == "timer" else body)
        return self._event

    @property
    def moment(self) -> float:
        """When the entry was stored, in epoch seconds: the same in every run of it."""
        return self.entry.received_at

    @property
    def language(self) -> str:
        """The language of the person's Telegram, as `ru` or `pt-br`; empty when it is not known.

        A job or a timer has no person: then it is what the person of its session spoke last (`spoken`).
        """
        return str(self.person.get("language_code") or self.spoken).lower()

    # -- what the chat remembers --------------------------------------------------------------------------------

    @property
    def session(self) -> dict[str, Any]:
        """The chat's session: a JSON object that is committed with the turn when it changed."""
        if self._session is None:
            self._session_raw = self.states.get(SESSION)
            self._session = {} if self._session_raw is None else _decode(self._session_raw)
        return self._session

    @session.setter
    def session(self, value: dict[str, Any]) -> None:
        _ = self.session
        self._session = value

    def pack_session(self) -> None:
        """Turn a changed session into an effect; called once, when the handler has returned."""
        if self._session is None:
            return
        packed = _encode(self._session) if self._session else None
        if packed != self._session_raw:
            self.write_state(SESSION, packed)

    def mark(self) -> Mark:
        """What has been asked for so far, to come back to with `forget_since`."""
        effects, changes = self.effects, self.effects.sessions
        lengths = (
            len(effects.deliveries),
            len(effects.jobs),
            len(effects.timers),
            len(effects.states),
            len(self.uploads or ()),
            len(effects.counted),
            *((len(changes.writes), len(changes.events), len(changes.journal)) if changes else (0, 0, 0)),
        )
        return lengths, None if self._session is None else _encode(self._session)

    def forget_since(self, mark: Mark) -> None:
        """Forget what was asked for since the mark, in the chat's session too; rows of `transact` stay."""
        (deliveries, jobs, timers, states, uploads, counted, writes, events, journal), session = mark
        effects, changes = self.effects, self.effects.sessions
        del effects.deliveries[deliveries:], effects.jobs[jobs:], effects.timers[timers:], effects.states[states:]
        del effects.counted[counted:]
        if self.uploads:
            del self.uploads[uploads:]
        if changes:
            del changes.writes[writes:], changes.events[events:], changes.journal[journal:]
        self._session = None if session is None else _decode(session)

    # -- what it may ask for, beyond Actions --------------------------------------------------------------------

    def answer(self, text: str | None = None, *, show_alert: bool = False, ok: bool = True, **parameters: Any) -> None:
        """Answer the query of this update: a button press, or a pre-checkout or shipping query (`ok`, `text` = error).

        Raises `AuthorError` when the update is not a query.
        """
        update = self.update
        if "callback_query" in update:
            body: dict[str, Any] = {"callback_query_id": update["callback_query"]["id"]}
            if text is not None:
                body["text"] = text
            if show_alert:
                body["show_alert"] = True
            self._deliver("answerCallbackQuery", body | parameters)
            return
        for kind, method, field in (
            ("pre_checkout_query", "answerPreCheckoutQuery", "pre_checkout_query_id"),
            ("shipping_query", "answerShippingQuery", "shipping_query_id"),
        ):
            if kind in update:
                body = {field: update[kind]["id"], "ok": ok}
                if text is not None and not ok:
                    body["error_message"] = text
                self._deliver(method, body | parameters)
                return
        if "inline_query" in update:
            self._deliver("answerInlineQuery", {"inline_query_id": update["inline_query"]["id"]} | parameters)
            return
        raise AuthorError(f"answer(): an update of kind {self.kind} is not a query")

    async def transact(self, function: Callable[..., R], *args: Any) -> R:
        """Run a synchronous `function(connection, *args)` in the turn's own database transaction.

        `connection` is a SQLAlchemy Core `Connection`, the same on SQLite and PostgreSQL. The result is available at
        once; the commit is the turn's, so a handler that raises afterwards undoes it. Raises `TransactionTimeout`
        when the transaction stays open past its budget (default 1 s). Source: architecture §6.
        """
        return await self._reach.transact(function, *args)

    def t(self, key: str, **values: Any) -> str:
        """The app's text for `key` in the person's language.

        With a plain table: else in its first language, else the key itself. With `kits.i18n.Messages`: as it says.
        """
        texts = self.texts or {}
        if not isinstance(texts, Mapping):
            return texts.t(key, self.language, **values)
        language = self.language.split("-")[0]
        for table in (texts.get(language), *texts.values()):
            if table and key in table:
                return table[key].format(**values) if values else table[key]
        return key

    def own_text(self, key: str) -> str | None:
        """The app's own text for `key`, or None when it has none: for words that we would say otherwise."""
        texts = self.texts
        if texts is None:
            return None
        known = key in texts if not isinstance(texts, Mapping) else any(key in table for table in texts.values())
        return self.t(key) if known else None

    # -- for the programs that keep sessions ----------------------------------------------------------------------

    @property
    def session_changes(self) -> SessionChanges:
        """What this turn does to sessions; committed with it."""
        if self.effects.sessions is None:
            self.effects.sessions = SessionChanges()
        return self.effects.sessions

    def count(self, counter: str, *labels: str) -> None:
        """Add one to a counter of the metrics page when this turn has committed: a turn that runs again counts once."""
        self.effects.counted.append((counter, labels))

    # -- for hosts of other frameworks --------------------------------------------------------------------------

    @property
    def reach(self) -> Reach:
        """The turn's way to the store, for programs that host another framework."""
        return self._reach
