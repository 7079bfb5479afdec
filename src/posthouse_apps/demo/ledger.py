"""The ledger: what each chat is owed, what came, and whether that is the same.

    person says "squat 5x100"  ─► owed:  Here is what I understood: • Squat: 5 × 100 kg … [✅ Save] [✏️ Edit] [🗑 Cancel]
    bot shows a message        ─► came:  the same, or it is a fault

A *stream* is what must come in one order. A chat has two: everything that the bot shows there, new or edited, with its
buttons; and the answers to pressed buttons, which Telegram takes beside. What is owed is a text, or what it is
like where not all of it can be foretold, or one of several ways to go on.

What comes twice in a row counts as *repeated*: Telegram has no idempotency key, so a message is sent again when a kill
came between the send and its answer. That is the promise's limit, and it is counted: one in each chat for each kill.
Everything else that differs is a fault.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Like:
    """A text that begins so and ends so."""

    start: str
    end: str = ""

    def __str__(self) -> str:
        return f"{self.start} … {self.end}"


Owed = str | Like

FAULTS_MAX = 20
"""Of a stream. Once something is wrong, what follows often is, and nobody reads all of it."""

PROGRESS = re.compile(r"Sticker \d+ of \d+…")
"""How far a job is: shown when there is time for it, and owed to nobody."""


@dataclass(slots=True)
class Stream:
    """What must come once each and in this order. Only what is still owed is kept, so that it may run for hours."""

    # Each place has the ways that are still possible, and each way what is left of it.
    owed: deque[list[Sequence[Owed]]] = field(default_factory=deque)
    latest: str | None = None
    came: int = 0
    repeated: int = 0
    wrong: list[str] = field(default_factory=list)

    def owe(self, *texts: Owed) -> None:
        """These, one after the other."""
        self.owed.extend([(text,)] for text in texts)

    def owe_either(self, *ways: Sequence[Owed]) -> None:
        """One of these ways, from its beginning to its end. They differ in what comes first."""
        self.owed.append(list(ways))

    def take(self, text: str, *, strict: bool = True) -> bool:
        """Something came; whether it was owed now. Not `strict`: what was not owed is not held against anybody."""
        if self._step(0, text):
            return True
        if text == self.latest:
            self.repeated += 1
        elif strict:
            self._take_wrong(text)
        return False

    @property
    def settled(self) -> bool:
        return not self.owed

    @property
    def missing(self) -> int:
        return sum(min(len(way) for way in ways) for ways in self.owed)

    def faults(self) -> Iterator[str]:
        """What is wrong, in words; nothing when everything came once and in order."""
        yield from self.wrong
        for ways in self.owed:
            yield "missing: " + " or: ".join(_words(way[0]) for way in ways)

    def _step(self, place: int, text: str) -> bool:
        if place >= len(self.owed):
            return False
        left = [way[1:] for way in self.owed[place] if _fits(way[0], text)]
        if not left:
            return False
        self.owed[place] = left
        if not all(left):
            del self.owed[place]
        self.came += 1
        self.latest = text
        return True

    def _take_wrong(self, text: str) -> None:
        first = self.owed[0][0][0] if self.owed else ""
        if any(self._step(place, text) for place in range(1, len(self.owed))):
            fault = f"out of order: {_words(text)} came before {_words(first)}"
        else:
            fault = f"not asked for: {_words(text)}"
            self.latest = text
        if len(self.wrong) < FAULTS_MAX:
            self.wrong.append(fault)


@dataclass(slots=True)
class ChatLedger:
    """One private chat. While it is not `strict`, what an earlier run of the demo has left may still come."""

    bot: str
    person: str
    strict: bool = True
    shown: Stream = field(default_factory=Stream)
    answers: Stream = field(default_factory=Stream)
    written: int = 0
    pressed: int = 0
    pressed_again: int = 0
    complaints: list[str] = field(default_factory=list)

    def take(self, text: str) -> bool:
        """The bot shows this; whether it was owed now."""
        return PROGRESS.fullmatch(text) is None and self.shown.take(text, strict=self.strict)

    def take_answer(self, text: str) -> None:
        """The bot has answered a button."""
        self.answers.take(text, strict=self.strict)

    def begin(self) -> None:
        """From now on everything counts: what an earlier run has left is out of the way."""
        self.strict = True
        self.shown.repeated = 0

    def complain(self, text: str) -> None:
        """The person found something wrong that no single message shows."""
        self.complaints.append(text)

    @property
    def settled(self) -> bool:
        return self.shown.settled and self.answers.settled

    def faults(self, kills: int) -> Iterator[str]:
        found = [*self.complaints, *self.shown.faults(), *(f"on a button, {text}" for text in self.answers.faults())]
        if self.shown.repeated > kills:
            found.append(f"{self.shown.repeated} messages came twice, more than {kills} kills can explain")
        yield from (f"{self.bot} and {self.person}: {fault}" for fault in found)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the whole ledger says."""

    written: int
    pressed: int
    owed: int
    came: int
    repeated: int
    pressed_again: int
    faults: list[str]


def verdict(chats: Iterable[ChatLedger], kills: int) -> Verdict:
    """Compare what was owed with what came. Each kill may cause one repetition in each chat, and no more."""
    chats = list(chats)
    streams = [stream for chat in chats for stream in (chat.shown, chat.answers)]
    came = sum(stream.came for stream in streams)
    return Verdict(
        written=sum(chat.written for chat in chats),
        pressed=sum(chat.pressed for chat in chats),
        owed=came + sum(stream.missing for stream in streams),
        came=came,
        pressed_again=sum(chat.pressed_again for chat in chats),
        repeated=sum(chat.shown.repeated for chat in chats),
        faults=[fault for chat in chats for fault in chat.faults(kills)],
    )


def _fits(owed: Owed, text: str) -> bool:
    return owed == text if isinstance(owed, str) else text.startswith(owed.start) and text.endswith(owed.end)


def _words(owed: Owed) -> str:
    return " ".join(str(owed).split())[:200] or "nothing"
