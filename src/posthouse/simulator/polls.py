"""Polls: what is asked, who chose what, and when it ends.

A poll belongs to the bot or person that sent it and is shared by every message that carries it. A vote is a list
of option numbers by person; an empty vote is none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from posthouse.simulator.files import File
from posthouse.simulator.media import Media

if TYPE_CHECKING:
    from posthouse.simulator.bots import Bot

OPTIONS_MAX = 12
QUESTION_CHARACTERS_MAX = 300
OPTION_CHARACTERS_MAX = 100
OPEN_S_MIN, OPEN_S_MAX = 5, 2_628_000


@dataclass(slots=True, eq=False)
class PollOption:
    """One answer. `id` stays when options are added or removed around it."""

    id: str
    text: str
    entities: list[dict[str, Any]] = field(default_factory=list)
    media: Media | None = None


@dataclass(slots=True, eq=False)
class Poll:
    """One poll and its votes."""

    id: str
    question: str
    options: list[PollOption]
    bot: Bot | None = None
    """The bot that sent it, which hears of every vote; None for a person's poll."""
    question_entities: list[dict[str, Any]] = field(default_factory=list)
    is_quiz: bool = False
    is_anonymous: bool = True
    allows_multiple_answers: bool = False
    allows_revoting: bool = True
    hides_results: bool = False
    """People see the counts only once it is closed."""
    members_only: bool = False
    country_codes: list[str] = field(default_factory=list)
    correct: list[int] = field(default_factory=list)
    """Numbers of the right options of a quiz."""
    explanation: str = ""
    explanation_entities: list[dict[str, Any]] = field(default_factory=list)
    explanation_media: Media | None = None
    description: str = ""
    description_entities: list[dict[str, Any]] = field(default_factory=list)
    media: Media | None = None
    open_s: int = 0
    """How long it is open, in seconds from its sending; 0 for no such limit."""
    close_date: int = 0
    """When it closes by itself, in Unix seconds; 0 for never."""
    is_closed: bool = False
    votes: dict[int, list[int]] = field(default_factory=dict)
    """Numbers of the chosen options, by the id of the person."""

    def again(self, poll_id: str, bot: Bot) -> Poll:
        """The same question asked anew by a bot, as a copy of a message does: nobody has voted."""
        return replace(self, id=poll_id, bot=bot, votes={}, is_closed=False, open_s=0, close_date=0)

    def counts(self) -> list[int]:
        chosen = [number for vote in self.votes.values() for number in vote]
        return [chosen.count(number) for number in range(len(self.options))]

    def is_over(self, now: float) -> bool:
        return self.is_closed or (self.close_date > 0 and now >= self.close_date)

    def wire(self, to: Bot, *, inside: bool = False) -> dict[str, Any]:
        """The poll as this bot is shown it; `inside` a message it has its description too."""
        shown: dict[str, Any] = {
            "id": self.id,
            "question": self.question,
            "options": [_option(option, count, to) for option, count in zip(self.options, self.counts(), strict=True)],
            "total_voter_count": len(self.votes),
            "is_closed": self.is_closed,
            "is_anonymous": self.is_anonymous,
            "type": "quiz" if self.is_quiz else "regular",
            "allows_multiple_answers": self.allows_multiple_answers,
            "allows_revoting": self.allows_revoting,
            "members_only": self.members_only,
        }
        optional: dict[str, Any] = {
            "question_entities": self.question_entities,
            "country_codes": self.country_codes,
            "open_period": self.open_s,
            "close_date": self.close_date,
        }
        if self.is_quiz and (self.is_closed or self.bot in (to, None)):
            optional["correct_option_ids"] = self.correct
            optional["explanation"] = self.explanation
            optional["explanation_entities"] = self.explanation_entities
            optional["explanation_media"] = self.explanation_media and self.explanation_media.wire(to)
        if inside:
            optional["description"] = self.description
            optional["description_entities"] = self.description_entities
            optional["media"] = self.media and self.media.wire(to)
        shown.update({name: value for name, value in optional.items() if value})
        return shown


def _option(option: PollOption, count: int, to: Bot) -> dict[str, Any]:
    shown: dict[str, Any] = {"persistent_id": option.id, "text": option.text, "voter_count": count}
    if option.entities:
        shown["text_entities"] = option.entities
    if option.media is not None:
        shown["media"] = option.media.wire(to)
    return shown


@dataclass(frozen=True, slots=True)
class PollMedia:
    """A message's poll."""

    poll: Poll

    @property
    def kind(self) -> str:
        return "poll"

    @property
    def file(self) -> File | None:
        return None

    def wire(self, to: Bot) -> dict[str, Any]:
        return {"poll": self.poll.wire(to, inside=True)}
