"""The ledger: what each chat is owed, what came, and whether that is the same.

    person says "squat 5x100"  ─► owed to the stream "sets":  Set 7: squat 5x100
    bot says "Set 7: squat …"  ─► came to the stream "sets":  Set 7: squat 5x100

A *stream* is what must come in one order: the sets of a chat, its reminders, its surveys. An answer that comes twice in
a row counts as *repeated*: Telegram has no idempotency key, so a message is sent again when a crash came between the
send and its answer. That is the promise's limit, and it is counted. Everything else that differs is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# What belongs to which stream, by bot. The group is what is compared.
STREAMS: dict[str, dict[str, re.Pattern[str]]] = {
    "workouts": {
        "greetings": re.compile(r"(Hello \w+!)"),
        "sets": re.compile(r"(Set \d+: .+)\. Total"),
        "undone": re.compile(r"\((set \d+) taken back\)"),
        "promises": re.compile(r"I will remind you to (.+) in 4 seconds"),
        "reminders": re.compile(r"Reminder: (.+)!"),
        "summaries": re.compile(r"(Summary): "),
    },
    "survey": {
        "greetings": re.compile(r"(Welcome!)"),
        "dialogue": re.compile(r"(What is your name\?|Nice to meet you, .+|Survey \d+: .+)"),
    },
}


@dataclass(slots=True)
class Stream:
    """Answers that must come once each and in this order."""

    owed: list[str] = field(default_factory=list)
    came: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # as shown, to tell a repetition from a second answer
    repeated: int = 0

    def take(self, answer: str, text: str) -> None:
        if self.texts and self.texts[-1] == text:
            self.repeated += 1
            return
        self.came.append(answer)
        self.texts.append(text)

    @property
    def settled(self) -> bool:
        return len(self.came) >= len(self.owed)

    def faults(self) -> Iterator[str]:
        """What is wrong, in words; nothing when every answer came once and in order."""
        missing = _less(self.owed, self.came)
        unasked = _less(self.came, self.owed)
        for answer in missing:
            yield f"missing: {answer}"
        for answer in unasked:
            yield f"not asked for: {answer}"
        if not missing and not unasked and self.owed != self.came:
            yield f"out of order: {', '.join(self.came)}"


@dataclass(slots=True)
class ChatLedger:
    """One private chat."""

    bot: str
    person: str
    streams: dict[str, Stream] = field(default_factory=dict)
    shown: list[str] = field(default_factory=list)
    written: int = 0
    pressed: int = 0
    answered: int = 0

    def __post_init__(self) -> None:
        self.streams = {name: Stream() for name in STREAMS[self.bot]}

    def owe(self, stream: str, answer: str) -> None:
        self.streams[stream].owed.append(answer)

    def take(self, text: str) -> None:
        """A bot's message came, new or edited."""
        self.shown.append(text)
        for name, pattern in STREAMS[self.bot].items():
            if found := pattern.match(text):
                self.streams[name].take(found[1], text)
                return

    @property
    def settled(self) -> bool:
        return self.answered >= self.pressed and all(stream.settled for stream in self.streams.values())

    def faults(self) -> Iterator[str]:
        for name, stream in self.streams.items():
            for fault in stream.faults():
                yield f"{self.bot} and {self.person}, {name}: {fault}"
        if self.answered < self.pressed:
            yield f"{self.bot} and {self.person}: {self.pressed - self.answered} button presses were not answered"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the whole ledger says."""

    written: int
    pressed: int
    owed: int
    came: int
    repeated: int
    faults: list[str]


def verdict(chats: Iterable[ChatLedger], kills: int) -> Verdict:
    """Compare what was owed with what came. Each kill may cause one repetition in each chat, and no more."""
    chats = list(chats)
    streams = [stream for chat in chats for stream in chat.streams.values()]
    repeated = sum(stream.repeated for stream in streams)
    faults = [fault for chat in chats for fault in chat.faults()]
    if repeated > kills * len(chats):
        faults.append(f"{repeated} messages came twice, more than {kills} kills can explain")
    return Verdict(
        written=sum(chat.written for chat in chats),
        pressed=sum(chat.pressed for chat in chats),
        owed=sum(len(stream.owed) for stream in streams) + sum(chat.pressed for chat in chats),
        came=sum(len(stream.came) for stream in streams) + sum(chat.answered for chat in chats),
        repeated=repeated,
        faults=faults,
    )


def _less(these: list[str], those: list[str]) -> list[str]:
    """These without those, each as often as it is there."""
    rest = list(those)
    left = []
    for item in these:
        if item in rest:
            rest.remove(item)
        else:
            left.append(item)
    return left
