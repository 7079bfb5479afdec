"""The names of everything in Redis.

    <prefix>session:{lane}          hash    what one chat remembers (see below); lane is the chat's id
    <prefix>processing_lock:{user}  string  the token of who holds it (`RedisLock`)
    <shared>session_home:{id}       string  where an active session is: field and hash
    <shared>session_journal:{id}    hash    a conversation's journal: ordinal → record
    <shared>session_history:{id}    list    the last lines of a session's history
    <shared>session_ended:{id}      string  a session that has ended
    <shared>session_presses:{hour}  hash    presses of that hour: [flow, event, format] → how many

The fields of a chat's hash:

    p:{name}         a piece of state
    s:{user}:{id}    an active session: "{rev} {length of state} {state}\n", then the record
    ~lease           the token of the lease that may write
    ~next            a change that waits for the database's commit: its id, and the commands that carry it out
    ~last            the id of the last change that was carried out
    ~slid            when what belongs to its sessions elsewhere was last kept for another period

`<prefix>` is the bot's own. A session's id says nothing about its bot, so what is found by that id alone stands under
`<shared>`, the prefix up to `{bot_id}`.
"""

from __future__ import annotations

import re

from posthouse.core.sessions import SessionRecord

BOT_ID = "{bot_id}"
NEXT, LAST = b"~next", b"~last"
PIECE, SESSION = b"p:", b"s:"


class Keys:
    """Names under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.shared = prefix.partition(BOT_ID)[0]

    def session(self, bot_id: int, lane: int) -> str:
        return f"{self._prefix.replace(BOT_ID, str(bot_id))}session:{lane}"

    def home(self, session_id: str) -> str:
        return f"{self.shared}session_home:{session_id}"

    def journal(self, session_id: str) -> str:
        return f"{self.shared}session_journal:{session_id}"

    def history(self, session_id: str) -> str:
        return f"{self.shared}session_history:{session_id}"

    def ended(self, session_id: str) -> str:
        return f"{self.shared}session_ended:{session_id}"

    def presses(self, hour: int) -> str:
        return f"{self.shared}session_presses:{hour}"

    def sessions_like(self, bot_id: int | None = None) -> str:
        """The pattern of a bot's hashes, or of every bot's."""
        parts = [_literal(part) for part in self._prefix.split(BOT_ID)]
        return ("*" if bot_id is None else str(bot_id)).join(parts) + "session:*"

    def ended_like(self) -> str:
        """The pattern of all sessions that have ended."""
        return f"{_literal(self.shared)}session_ended:*"


def piece(name: str) -> str:
    """The field of a piece of state."""
    return f"p:{name}"


def field_of(record: SessionRecord) -> str:
    """The field of an active session. The person stands first, so that a busy group is searched by names alone."""
    return f"s:{record.owner.user_id}:{record.id}"


def _literal(text: str) -> str:
    """`text` as a pattern that fits only itself."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", text)
