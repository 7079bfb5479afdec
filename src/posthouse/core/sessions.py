"""Sessions: state and data of one flow or conversation for one person.

A *session* is one row. It changes by a compare-and-set on its state **and** its revision (`rev`, B-2), and only with
the commit of a turn of its lane; so a press, a finished job and a timer never race each other, and a button that
carries an old revision never acts. What happened to a session is its *history*; what a conversation has answered and
done so far is its *journal*. Both are written with the same commit.

    SessionWrite   id, state and rev that must still be there ──► the whole new row
    SessionEvent   one line of history: a transition, or a reject with its reason
    JournalWrite   one entry of a conversation's journal, never changed afterwards

A session that ends (`is_active` False) loses its journal with the same commit; its row and history stay for a while.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from posthouse.core.errors import AuthorError

SESSION_ID_LENGTH = 10
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_POOL_BYTES = 4096


class Reason(StrEnum):
    """Why an event was rejected: one closed list for every flow and every log line (B-1).

    A flow may attach a detail of its own (`wrong_step`, `already_generating`), which never replaces the reason.
    """

    NOT_FOUND = "not_found"
    WRONG_OWNER = "wrong_owner"
    WRONG_FLOW = "wrong_flow"
    WRONG_STATE = "wrong_state"
    STALE_REV = "stale_rev"
    ALREADY_DONE = "already_done"
    IN_PROGRESS = "in_progress"
    EXPIRED = "expired"
    LEGACY_FORMAT = "legacy_format"
    DB_ERROR = "db_error"


class Strategy(StrEnum):
    """Whose a session is: which parts of (bot, chat, user, thread) are its key (B-22)."""

    USER_IN_CHAT = "user_in_chat"
    """Each person has their own in each chat."""
    CHAT = "chat"
    """Everybody in a chat shares one."""
    GLOBAL_USER = "global_user"
    """A person has one for all chats."""
    USER_IN_TOPIC = "user_in_topic"
    """Each person has their own in each topic of a chat."""
    CHAT_TOPIC = "chat_topic"
    """Everybody in a topic shares one."""


def strategy_named(name: Strategy | str) -> Strategy:
    """The strategy of this name. Raises `AuthorError` with the names that there are."""
    try:
        return Strategy(name)
    except ValueError:
        raise AuthorError(f"strategy={name!r}: choose one of {', '.join(Strategy)}") from None


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Who a session belongs to; 0 where that part is not in the key of its strategy."""

    user_id: int = 0
    chat_id: int = 0
    thread_id: int = 0


def owner_of(strategy: Strategy, *, user_id: int, chat_id: int, thread_id: int) -> Owner:
    """The key of a session under `strategy`, for an event of this person in this chat and topic."""
    match strategy:
        case Strategy.USER_IN_CHAT:
            return Owner(user_id, chat_id)
        case Strategy.CHAT:
            return Owner(0, chat_id)
        case Strategy.GLOBAL_USER:
            return Owner(user_id)
        case Strategy.USER_IN_TOPIC:
            return Owner(user_id, chat_id, thread_id)
        case Strategy.CHAT_TOPIC:
            return Owner(0, chat_id, thread_id)


class SessionRecord(msgspec.Struct, gc=False):
    """One row of `sessions`. Moments in epoch seconds; `expires_at` None lives until it ends.

    `lane` is the lane whose turns load it. The active UI message (S0-8) is `ui_message_id` in `ui_chat_id` once a
    press has told its id, and until then the `ui_handle` under which it was sent. `version` is a conversation's;
    `language` is what the person spoke last, for what a job or timer makes the session say.
    """

    id: str
    bot_id: int
    lane: int
    env: str
    flow_kind: str
    owner: Owner
    state: str
    rev: int = 1
    is_active: bool = True
    data: bytes = b"{}"
    ui_chat_id: int | None = None
    ui_message_id: int | None = None
    ui_handle: str | None = None
    version: str = ""
    language: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    expires_at: float | None = None

    def is_live(self, now: float) -> bool:
        """Whether it can still act: neither ended nor idle for longer than its flow allows."""
        return self.is_active and (self.expires_at is None or self.expires_at > now)


class SessionWrite(msgspec.Struct, gc=False):
    """The new row of a session, if it still has `from_state` and `from_rev`; `from_rev` 0 makes it."""

    record: SessionRecord
    from_state: str = ""
    from_rev: int = 0


class SessionEvent(msgspec.Struct, gc=False):
    """One line of a session's history. `to_state` None is a reject, and then `reason` says why.

    `format` is how a press named its session: `rev`, `id` or `bare` (legacy); empty for what was no press.
    `at` in epoch seconds. A press whose session is not known has an empty `session_id`.
    """

    session_id: str
    bot_id: int
    flow_kind: str
    event: str
    from_state: str
    to_state: str | None
    rev: int
    reason: str = ""
    detail: str = ""
    format: str = ""
    trace: str = ""
    at: float = 0.0


class JournalWrite(msgspec.Struct, gc=False):
    """The `ordinal`-th entry of a conversation's journal, a JSON value."""

    session_id: str
    ordinal: int
    record: bytes


class SessionChanges(msgspec.Struct, gc=False):
    """What one turn wants to happen to sessions, together with the rest of its effects."""

    writes: list[SessionWrite] = []
    events: list[SessionEvent] = []
    journal: list[JournalWrite] = []

    def __bool__(self) -> bool:
        return bool(self.writes or self.events or self.journal)

    def __iadd__(self, other: SessionChanges) -> SessionChanges:
        self.writes += other.writes
        self.events += other.events
        self.journal += other.journal
        return self


def new_session_id() -> str:
    """An id that fits a button and cannot be guessed: 59 bits in 10 characters (B-3)."""
    number = int.from_bytes(_entropy.take(8)) >> 4
    characters = []
    for _ in range(SESSION_ID_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[place])
    return "".join(characters)


class _Entropy:
    """The system's random bytes, some thousand at a time: asking for eight is a call into the kernel all the same."""

    def __init__(self) -> None:
        self._bytes = b""

    def take(self, count: int) -> bytes:
        if len(self._bytes) < count:
            self._bytes = secrets.token_bytes(_POOL_BYTES)
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken


_entropy = _Entropy()


class SessionMoved(Exception):
    """A session is no longer where a turn of the batch saw it: nothing of the batch is written (S0-26).

    Between a store and itself: which turn it was is looked for then, and that turn alone loses.
    """


class FoldedChanges:
    """What the turns of one commit change, each session once.

    `moves` are from where the first of them saw a session to where the last leaves it, `made` the new ones; `events`
    and `journal` are in their order. Raises `SessionMoved` when one turn of the batch expects a session elsewhere
    than another leaves it.
    """

    __slots__ = ("events", "journal", "made", "moves")

    def __init__(self, all_changes: Iterable[SessionChanges]) -> None:
        writes: list[SessionWrite] = []
        self.events: list[SessionEvent] = []
        self.journal: list[JournalWrite] = []
        for changes in all_changes:
            writes += changes.writes
            self.events += changes.events
            self.journal += changes.journal
        if len({write.record.id for write in writes}) != len(writes):
            writes = _folded(writes)
        self.moves = [write for write in writes if write.from_rev]
        self.made = [write.record for write in writes if not write.from_rev]

    @property
    def ended(self) -> list[SessionRecord]:
        """The sessions that are over when this is written."""
        over = [write.record for write in self.moves if not write.record.is_active]
        return over + [record for record in self.made if not record.is_active]


def _folded(writes: Iterable[SessionWrite]) -> list[SessionWrite]:
    """The same, with those of one session made one."""
    final: dict[str, SessionWrite] = {}
    for write in writes:
        id = write.record.id
        earlier = final.get(id)
        if earlier is None:
            final[id] = write
        elif write.from_rev == earlier.record.rev and write.from_state == earlier.record.state:
            final[id] = SessionWrite(write.record, earlier.from_state, earlier.from_rev)
        else:
            raise SessionMoved
    return list(final.values())


def moved(writes: Iterable[SessionWrite], known: Mapping[str, tuple[str, int]]) -> str | None:
    """The first session that is not where a write expects it, or None: the compare of the compare-and-set.

    `known` has (state, rev) of the sessions that are stored. Later writes of the same session follow the earlier ones.
    """
    now = dict(known)
    for write in writes:
        record = write.record
        expected = (write.from_state, write.from_rev) if write.from_rev else None
        if now.get(record.id) != expected:
            return record.id
        now[record.id] = (record.state, record.rev)
    return None
