"""Inline mode: what bots answered, what of it is kept for the next person, and the messages that came of it.

State only; results are read in `methods/inline_results.py`, chosen in `people/inline.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from posthouse.simulator.bots import Bot, Wire
from posthouse.simulator.chats import Message, Person
from posthouse.simulator.formatting import Entity
from posthouse.simulator.keeping import keep_newest
from posthouse.simulator.keyboards import Button
from posthouse.simulator.media import Media

PREPARED_FOR_S = 86_400
ANSWERS_KEPT = 5_000
"""Of answers, and of cached ones: results are large."""
MESSAGES_KEPT = 20_000


@dataclass(slots=True, eq=False)
class InlineResult:
    """One result, ready to become a message. `shown` is the result as the bot described it."""

    id: str
    kind: str
    shown: Wire
    text: str = ""
    entities: list[Entity] = field(default_factory=list)
    media: Media | None = None
    file_kind: str = ""
    """The kind of file that is fetched when the result is chosen; empty when there is nothing to fetch."""
    file_url: str = ""
    inline: list[list[Button]] | None = None


@dataclass(slots=True, eq=False)
class InlineAnswer:
    """What a bot answered to one query."""

    results: dict[str, InlineResult]
    next_offset: str
    button: Wire | None
    cached_until: float

    def wire(self) -> Wire:
        """The answer as the control API shows it."""
        return {
            "results": [result.shown for result in self.results.values()],
            "next_offset": self.next_offset,
            "button": self.button,
        }


@dataclass(slots=True, eq=False)
class PreparedMessage:
    """A message that a Mini App may let its person send."""

    id: str
    bot: Bot
    person: Person
    result: InlineResult
    expires_at: float
    kinds: frozenset[str]
    """Kinds of chats it may be sent to: user, bot, group, channel."""


CacheKey = tuple[int, str, str, int]
"""Bot, text, offset, and the person for a personal answer (0 for everybody)."""


@dataclass(slots=True, eq=False)
class InlineMode:
    """All of it."""

    answers: dict[str, InlineAnswer] = field(default_factory=dict)
    """The newest ones, by the query's id."""
    cache: dict[CacheKey, InlineAnswer] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    """The newest messages with buttons, by `inline_message_id`."""
    prepared: dict[str, PreparedMessage] = field(default_factory=dict)

    def keep(self, query_id: str, answer: InlineAnswer) -> None:
        keep_newest(self.answers, query_id, answer, ANSWERS_KEPT)

    def keep_for_next(self, key: CacheKey, answer: InlineAnswer) -> None:
        """Let the next one who types the same be shown this, for a while."""
        keep_newest(self.cache, key, answer, ANSWERS_KEPT)

    def keep_message(self, message: Message) -> None:
        keep_newest(self.messages, message.inline_id, message, MESSAGES_KEPT)

    def prepare(self, prepared: PreparedMessage) -> None:
        keep_newest(self.prepared, prepared.id, prepared, ANSWERS_KEPT)

    def cached(self, bot: Bot, person: Person, text: str, offset: str, now: float) -> InlineAnswer | None:
        """An answer that this person is shown without asking the bot."""
        for owner in (person.id, 0):
            answer = self.cache.get((bot.id, text, offset, owner))
            if answer is not None and now < answer.cached_until:
                return answer
        return None
