"""What a conversation may be told instead of an answer, and what ends it.

AuthorError
└── ConversationEnded    raised inside the conversation; uncaught, it ends with a message
    ├── Cancelled        the person wrote a cancel word, or code asked for it
    ├── TimedOut         nobody answered in time
    ├── TooManyTries     no answer was good enough
    └── JobFailed        a job that it waited for was given up or cancelled
AuthorError
└── Diverged             the code does not do what its journal says that it did
"""

from __future__ import annotations

from posthouse.core.errors import AuthorError


class ConversationEnded(AuthorError):
    """The conversation is over unless it catches this."""

    state = "ended"


class Cancelled(ConversationEnded):
    """The person does not want to go on."""

    state = "cancelled"


class TimedOut(ConversationEnded):
    """Nobody answered in time."""

    state = "timed_out"


class TooManyTries(ConversationEnded):
    """No answer was good enough, and no try is left."""

    state = "given_up"


class JobFailed(ConversationEnded):
    """A job that the conversation waited for was given up or cancelled."""

    state = "failed"


class Diverged(AuthorError):
    """The code does something else than its journal says that it did: it was changed without a new version."""
