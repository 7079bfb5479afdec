"""What the hosting refuses, by who has to act (the tree goes on from `core.errors`).

AuthorError
├── StateNotJson          a value put into the FSM cannot be kept
└── Terminal
    ├── ReplayDiverged    the handler, run again, asked for another call than the one recorded
    ├── CallUncertain     an earlier run began a call, nobody knows how it ended, and such are parked
    └── UpdateUnreadable  the update does not fit aiogram's types; another try would read the same
"""

from __future__ import annotations

from posthouse.core.errors import AuthorError, PlatformError, Retryable, Terminal, TransactionTimeout


class StateNotJson(AuthorError):
    """A value put into the FSM cannot be written as JSON."""


class ReplayDiverged(Terminal):
    """The handler asked for another call than the one recorded by an earlier run."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="diverged")


class CallUncertain(Terminal):
    """An earlier run began this call, and its outcome is not known."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="uncertain")


class UpdateUnreadable(Terminal):
    """The update does not fit aiogram's types."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="unreadable")


# Outcomes, not accidents: an author's `@dp.errors` handler must not turn these into success.
OUTCOMES = (Retryable, Terminal, TransactionTimeout, PlatformError)
