"""The errors of Posthouse, by who has to act.

    PosthouseError
    ├── AuthorError            the bot's author
    │   ├── Retryable          try the entry again (optionally after `retry_after_s`)
    │   ├── Terminal           never try again; the entry becomes a dead letter with `reason`
    │   └── TransactionTimeout a `turn.transact` stayed open past its budget
    ├── TelegramError          Telegram
    │   ├── Refused            Telegram answered no: `code`, `description`, `retry_after_s`, `migrate_to_chat_id`
    │   └── Unreachable        no answer; `sent` says whether the request may have arrived
    └── PlatformError          the operator, or us
        ├── LeaseLost          somebody else owns the lane now; what was done is dropped
        ├── StoreUnavailable   the database cannot be written now; nothing was accepted
        ├── StoreLocked        another process owns this SQLite file
        ├── SchemaMismatch     the database is older or newer than this program
        ├── NotFound           no such row
        └── ConfigurationInvalid   names the key, the file and the mend

Nothing derives from `BaseException`. The docstring of a class is its default message.
"""

from __future__ import annotations


class PosthouseError(Exception):
    """Something in Posthouse went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).splitlines()[0])


class AuthorError(PosthouseError):
    """The bot's code asked for this outcome or broke a rule."""


class Retryable(AuthorError):
    """The handler asks for another try later."""

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Terminal(AuthorError):
    """The handler gives this entry up; it becomes a dead letter."""

    def __init__(self, message: str | None = None, *, reason: str = "terminal") -> None:
        super().__init__(message)
        self.reason = reason


class TransactionTimeout(AuthorError):
    """The turn kept its database transaction open past its budget, so it was rolled back."""


class TelegramError(PosthouseError):
    """A call to the Bot API did not succeed."""


class Refused(TelegramError):
    """Telegram answered, and the answer is no."""

    def __init__(
        self,
        method: str,
        code: int,
        description: str,
        *,
        retry_after_s: float | None = None,
        migrate_to_chat_id: int | None = None,
    ) -> None:
        super().__init__(f"Telegram refused {method}: {code} {description}")
        self.method = method
        self.code = code
        self.description = description
        self.retry_after_s = retry_after_s
        self.migrate_to_chat_id = migrate_to_chat_id


class Unreachable(TelegramError):
    """No answer from Telegram; `sent` is False only when the request surely never left."""

    def __init__(self, method: str, message: str, *, sent: bool) -> None:
        super().__init__(f"No answer from Telegram to {method}: {message}")
        self.method = method
        self.sent = sent


class PlatformError(PosthouseError):
    """The platform cannot do this now."""


class LeaseLost(PlatformError):
    """Somebody else owns the lane now; this work was dropped."""


class StoreUnavailable(PlatformError):
    """The store cannot be written now; nothing was accepted."""


class StoreLocked(PlatformError):
    """Another process already runs on this database file."""


class SchemaMismatch(PlatformError):
    """The database schema does not fit this version; run `posthouse migrate`."""


class NotFound(PlatformError):
    """There is no such row."""


class ConfigurationInvalid(PlatformError):
    """The configuration has a wrong or missing value."""
