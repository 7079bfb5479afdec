"""Conversations: coroutines that wait for answers, jobs and time across restarts (S4).

wants          what a question wants: text, number, date, choice, photo, …
talk           what the code of a conversation sees
engine         the replay, which knows nothing of Telegram
conversation   how one begins, goes on and ends
router         which conversation an entry is for
"""

from posthouse.programs.conversations.errors import Cancelled, ConversationEnded, JobFailed, TimedOut, TooManyTries
from posthouse.programs.conversations.talk import Talk
from posthouse.programs.conversations.wants import (
    Contact,
    Document,
    Location,
    Photo,
    Want,
    choice,
    contact,
    date,
    document,
    location,
    number,
    photo,
    text,
)

__all__ = [
    "Cancelled",
    "Contact",
    "ConversationEnded",
    "Document",
    "JobFailed",
    "Location",
    "Photo",
    "Talk",
    "TimedOut",
    "TooManyTries",
    "Want",
    "choice",
    "contact",
    "date",
    "document",
    "location",
    "number",
    "photo",
    "text",
]
