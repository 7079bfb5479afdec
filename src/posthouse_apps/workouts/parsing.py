"""Reads a training log written in words: text in, a draft out, nothing else touched.

    "squat 5x100, then bench 3x8 60kg (easy)"
       │ tokens: words, quantities with their unit, what joins them (module `tokens`)
       │ clauses: between commas, semicolons, line ends, "then", "потом", …
       │ entries: the words of an exercise and the runs of numbers that belong to it
       ▼ groups: one run of numbers fills the slots sets, reps, weight and seconds
    Draft(lines=[squat: 5 reps at 100 kg · bench: 3 × 8 reps at 60 kg, note "easy"], unclear=[], problems=[])

What a pair of numbers means, the first rule that fits:

| written | read as |
|---|---|
| a unit on either side: `5x100kg`, `100kg x 5`, `3x60s`, `8 reps x 3 sets` | what the units say |
| a weight beside it: `3x8 60kg`, `60kg 3x8`, `3x8 @ 60`, `3x8, 60kg`, `3x8 bw` | sets × reps, at that weight |
| first number above 30 or with decimals: `100x5`, `62,5x5` | kilograms × reps |
| second number above 30 or with decimals: `5x100`, `10x22.5` | reps × kilograms |
| first number up to 5, or joined by "of" or "по": `3x10`, `5x5`, `8 по 10` | sets × reps, no weight |
| otherwise: `8x20`, `12x15` | reps × kilograms |

Three numbers are sets × reps × weight (`3x8x60`), or weight × reps × sets when the first is a weight or above 30
(`100x5x3`). One number alone is reps up to 30; above it could be a weight as well, and stays unclear unless it has a
word (`50 reps`). Alone it repeats the weight of the set before it: `60kg 8, 8, 7`.

A clause without exercise words continues the last exercise. A clause that begins with numbers and ends in words is
named by them (`10 pull-ups`). Between commas numbers are read all or not at all: `3x8-10` is unclear, not three reps.

Deliberately absent: numbers in words ("three by eight"), ranges, percentages, distances.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

import msgspec

from posthouse_apps.workouts.tokens import REPS_PLAUSIBLE, RUN, TIMES_SIGNS, Kind, Role, Token, tidy, tokens

TEXT_MAX = 1000  # characters
SETS_MAX = 50  # in one draft
REPS_MAX = 999
WEIGHT_MAX_G = 1_000_000
SECONDS_MAX = 14_400

SETS_PLAUSIBLE = 5
"""Up to it the first of two small numbers counts sets."""


class WorkSet(msgspec.Struct, frozen=True):
    """One set: reps or seconds, never both. Weight 0 is bodyweight that was said; None is a weight that was not."""

    reps: int | None = None
    weight_g: int | None = None
    seconds: int | None = None


class Line(msgspec.Struct):
    """What was done of one exercise, named in the person's own words."""

    exercise_text: str
    sets: list[WorkSet]
    note: str = ""


class OutOfRange(msgspec.Struct, frozen=True):
    """A number that was understood and cannot be true. Its sets are not in the draft.

    `value`, `minimum` and `maximum` are counts, grams, seconds or, for `text`, characters. `text` is the piece it is
    about, and empty for a text that is too long.
    """

    what: Literal["text", "sets", "reps", "weight", "seconds"]
    value: int
    minimum: int
    maximum: int
    text: str


class Draft(msgspec.Struct):
    """What a text says, and the pieces of it that say nothing to us, in the order of the text."""

    lines: list[Line] = []
    unclear: list[str] = []
    problems: list[OutOfRange] = []


def parse(text: str) -> Draft:
    """The sets that a text tells of. Never raises; a piece that is not understood is in `unclear` or `problems`."""
    if len(text) > TEXT_MAX:
        return Draft(problems=[OutOfRange("text", len(text), 1, TEXT_MAX, "")])
    reading = _Reading(unicodedata.normalize("NFC", text))
    for entry in _entries(reading):
        _read_entry(entry, reading)
    reading.unclear.sort(key=lambda piece: piece[0])
    return Draft(reading.lines, [piece for _, piece in reading.unclear], reading.problems)


def to_text(lines: Sequence[Line]) -> str:
    """The lines in the plainest notation, one exercise per line. `parse` reads it back to the same lines."""
    return "\n".join(
        f"{line.exercise_text}: {', '.join(_sets_text(line.sets))}{f' ({line.note})' if line.note else ''}"
        for line in lines
    )


def kilograms(weight_g: int) -> str:
    """Grams as kilograms with a point and without idle zeros: 62500 is `62.5`."""
    whole, rest = divmod(weight_g, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def _sets_text(sets: Sequence[WorkSet]) -> Iterator[str]:
    for one, repeated in groupby(sets):
        count = sum(1 for _ in repeated)
        times = "" if count == 1 else f"{count}x" if count <= REPS_PLAUSIBLE else f"{count} sets of "
        yield times + _set_text(one)


def _set_text(one: WorkSet) -> str:
    weight = "" if one.weight_g is None else "bw" if one.weight_g == 0 else f"{kilograms(one.weight_g)}kg"
    if one.seconds is not None:
        return f"{one.seconds}s {weight}".rstrip()
    return f"{one.reps}x{weight}" if one.weight_g else f"{one.reps} reps {weight}".rstrip()


# --- Clauses and entries ---


@dataclass(slots=True)
class _Segment:
    """Neighbouring words, or neighbouring numbers, of one clause."""

    is_run: bool
    tokens: list[Token] = field(default_factory=list)
    notes: list[Token] = field(default_factory=list)

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end


@dataclass(slots=True)
class _Entry:
    """An exercise as it was named, and what is said of it; each chunk is the numbers of one clause."""

    name: _Segment
    chunks: list[_Segment] = field(default_factory=list)
    notes: list[Token] = field(default_factory=list)


@dataclass(slots=True)
class _Reading:
    """What has been made of a text so far."""

    text: str
    lines: list[Line] = field(default_factory=list)
    unclear: list[tuple[int, str]] = field(default_factory=list)
    problems: list[OutOfRange] = field(default_factory=list)
    sets: int = 0

    def piece(self, start: int, end: int) -> str:
        return tidy(self.text[start:end])

    def give_up(self, start: int, end: int) -> None:
        self.unclear.append((start, self.piece(start, end)))

    def give_up_notes(self, notes: Iterable[Token]) -> None:
        self.unclear += [(note.start, note.note) for note in notes if note.note]


def _entries(reading: _Reading) -> list[_Entry]:
    entries: list[_Entry] = []
    for clause in _clauses(tokens(reading.text)):
        segments = _segments(clause, reading, entries)
        if segments and segments[0].is_run and not segments[-1].is_run:
            pairs = zip(segments[::2], segments[1::2], strict=True)
            entries += [_Entry(name, [run], run.notes + name.notes) for run, name in pairs]
            continue
        for index, segment in enumerate(segments):
            if segment.is_run and entries:
                entries[-1].chunks.append(segment)
            elif segment.is_run or index == len(segments) - 1 > 0:
                reading.give_up(segment.start, segment.end)  # no exercise yet, or words after sets: "felt heavy"
            else:
                entries.append(_Entry(segment))
            _keep_notes(segment.notes, reading, entries)
    return entries


def _clauses(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Splits at separators. "And" separates unless it follows a word, as in "clean and jerk"."""
    clause: list[Token] = []
    for token in tokens:
        if token.kind == "break" or (token.kind == "and" and (not clause or clause[-1].kind not in ("word", "and"))):
            yield clause
            clause = []
        else:
            clause.append(token)
    yield clause


def _segments(clause: Sequence[Token], reading: _Reading, entries: Sequence[_Entry]) -> list[_Segment]:
    """Runs of numbers and names, by turns. A note stays with what it follows, at the clause's start with what comes."""
    segments: list[_Segment] = []
    early: list[Token] = []
    for token in clause:
        in_run = bool(segments) and segments[-1].is_run
        if token.kind == "note":
            (segments[-1].notes if segments else early).append(token)
        elif token.kind == "symbol" and (not segments or in_run):
            reading.give_up(token.start, token.end)  # it names nothing
        elif token.kind == "dash" and not in_run:
            continue
        elif segments and in_run == (token.kind in RUN):
            segments[-1].tokens.append(token)
        else:
            segments.append(_Segment(token.kind in RUN, [token]))
    for segment in segments:
        if segment.tokens[-1].kind == "dash":
            segment.tokens.pop()
    if segments:
        segments[0].notes[:0] = early
    else:
        _keep_notes(early, reading, entries)
    return segments


def _keep_notes(notes: list[Token], reading: _Reading, entries: Sequence[_Entry]) -> None:
    if entries:
        entries[-1].notes += notes
    else:
        reading.give_up_notes(notes)


def _name(segment: _Segment, text: str) -> str:
    """The words as written, without the dashes, colons, notes and lone times signs between them."""
    name = ""
    end = segment.start
    words = [token for token in segment.tokens if text[token.start : token.end] not in TIMES_SIGNS]
    for token in words or segment.tokens:
        name += (" " if token.start > end else "") + text[token.start : token.end]
        end = token.end
    return name


# --- Groups ---

_Slots = dict[Role, int]

PAIRS: dict[tuple[Role, Role], tuple[Role, Role]] = {
    ("number", "weight"): ("reps", "weight"),
    ("weight", "number"): ("weight", "reps"),
    ("number", "seconds"): ("sets", "seconds"),
    ("seconds", "number"): ("seconds", "sets"),
    ("number", "sets"): ("reps", "sets"),
    ("sets", "number"): ("sets", "reps"),
    ("reps", "number"): ("reps", "weight"),
}
"""What a number without a unit is beside one that has it. `_pair` has the cases that depend on more."""

TRIPLES: tuple[tuple[Role, Role, Role], ...] = (
    ("sets", "reps", "weight"),
    ("weight", "reps", "sets"),
    ("sets", "seconds", "weight"),
    ("weight", "sets", "reps"),
)
"""What three quantities are, the first order that fits. A weight or a number above 30 never comes as sets."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """Quantities joined by "x" and the like, such as the three of `3x8x60`."""

    quantities: list[Token]
    end: int
    opening: Kind | None  # "at" or "x" before the first
    by_of: bool  # joined by "of" or "по"


@dataclass(frozen=True, slots=True)
class _Group:
    """What one notation says: so many sets alike."""

    sets: int
    one: WorkSet
    first: int  # indexes of its tokens
    end: int
    is_lone: bool  # ends in a number that stands alone


def _read_entry(entry: _Entry, reading: _Reading) -> None:
    """Adds the entry's line. What cannot be read goes to `unclear` by chunks, whole."""
    name = _name(entry.name, reading.text)
    tokens: list[Token] = []
    for chunk in entry.chunks:
        tokens += [*chunk.tokens, Token("soft", chunk.end, chunk.end)]
    groups, failed = _groups(tokens)
    if not groups:
        start = min(segment.start for segment in (entry.name, *entry.chunks))
        end = max(segment.end for segment in (entry.name, *entry.chunks))
        reading.give_up(start, end)
        reading.give_up_notes(note for note in entry.notes if not start <= note.start < end)
        return
    for first, end in failed:
        reading.give_up(tokens[first].start, tokens[end - 1].end)
    sets: list[WorkSet] = []
    for group in groups:
        piece = tidy(f"{name} {reading.text[tokens[group.first].start : tokens[group.end - 1].end]}")
        one = _with_weight_before(group, sets)
        problem = _problem(group, one, reading.sets, piece)
        if problem:
            reading.problems.append(problem)
            continue
        reading.sets += group.sets
        sets += [one] * group.sets
    if sets:
        reading.lines.append(Line(name, sets, "; ".join(note.note for note in entry.notes if note.note)))
    else:
        reading.give_up_notes(entry.notes)


def _with_weight_before(group: _Group, sets: Sequence[WorkSet]) -> WorkSet:
    if group.is_lone and group.one.weight_g is None and sets and group.one.reps is not None:
        return WorkSet(group.one.reps, sets[-1].weight_g)
    return group.one


def _problem(group: _Group, one: WorkSet, sets_before: int, piece: str) -> OutOfRange | None:
    if not 1 <= group.sets <= SETS_MAX:
        return OutOfRange("sets", group.sets, 1, SETS_MAX, piece)
    if one.reps is not None and not 1 <= one.reps <= REPS_MAX:
        return OutOfRange("reps", one.reps, 1, REPS_MAX, piece)
    if one.seconds is not None and not 1 <= one.seconds <= SECONDS_MAX:
        return OutOfRange("seconds", one.seconds, 1, SECONDS_MAX, piece)
    if one.weight_g is not None and one.weight_g > WEIGHT_MAX_G:
        return OutOfRange("weight", one.weight_g, 0, WEIGHT_MAX_G, piece)
    if sets_before + group.sets > SETS_MAX:
        return OutOfRange("sets", sets_before + group.sets, 1, SETS_MAX, piece)
    return None


def _groups(tokens: Sequence[Token]) -> tuple[list[_Group], list[tuple[int, int]]]:
    """The groups in order, and the spans of tokens that are none. One bad token takes its whole chunk along."""
    groups: list[_Group] = []
    failed: list[tuple[int, int]] = []
    at = 0
    while at < len(tokens):
        if tokens[at].kind in ("soft", "dash"):
            at += 1
            continue
        chunk_start = next((i + 1 for i in range(at - 1, -1, -1) if tokens[i].kind == "soft"), 0)
        opens_chunk = at == chunk_start or (bool(groups) and groups[-1].is_lone and groups[-1].end == at)
        group = _group(tokens, at, may_be_lone=opens_chunk)
        if group:
            groups.append(group)
            at = group.end
            continue
        first = at
        while groups and groups[-1].end > chunk_start:
            first = groups.pop().first
        first = min(first, chunk_start)
        at = _soft_after(tokens, at)
        failed.append((first, at))
    return groups, failed


def _soft_after(tokens: Sequence[Token], at: int) -> int:
    return next(i for i in range(at, len(tokens)) if tokens[i].kind == "soft")  # the last token always is


def _group(tokens: Sequence[Token], first: int, *, may_be_lone: bool) -> _Group | None:
    """Takes chains while they fill slots that are still empty. A group is whole with reps or seconds, not both."""
    slots: _Slots = {}
    at, end, is_lone = first, first, False
    while at < len(tokens):
        if tokens[at].kind == "soft":
            if _is_whole(slots) and ("weight" in slots or not _only_a_weight(tokens, at + 1)):
                break
            at += 1
            continue
        chain = _chain(tokens, at)
        roles = chain and _roles(chain, slots, tokens, may_be_lone=may_be_lone)
        if not chain or not roles or any(role in slots for role in roles) or len({*roles}) < len(roles):
            break
        if "seconds" in (*slots, *roles) and "reps" in (*slots, *roles):
            break
        for role, quantity in zip(roles, chain.quantities, strict=True):
            slots[role] = quantity.value // 1000 if quantity.is_bare and role != "weight" else quantity.value
        is_lone = roles == ("reps",) and chain.quantities[0].is_bare
        at = end = chain.end
        if tokens[at].kind == "dash":
            if is_lone:
                return None  # a range: "8 - 10 reps"
            at += 1
    if not _is_whole(slots):
        return None
    one = WorkSet(slots.get("reps"), slots.get("weight"), slots.get("seconds"))
    return _Group(slots.get("sets", 1), one, first, end, is_lone)


def _is_whole(slots: _Slots) -> bool:
    return "reps" in slots or "seconds" in slots


def _only_a_weight(tokens: Sequence[Token], at: int) -> bool:
    """Whether the chunk that starts here is a weight and nothing else: `3x8, 60kg`."""
    if at >= len(tokens):
        return False
    chain = _chain(tokens, at)
    return chain is not None and tokens[chain.end].kind == "soft" and _is_weight(chain)


def _is_weight(chain: _Chain) -> bool:
    first = chain.quantities[0]
    return len(chain.quantities) == 1 and (first.role == "weight" or (first.is_bare and chain.opening == "at"))


def _chain(tokens: Sequence[Token], at: int) -> _Chain | None:
    opening = tokens[at].kind if tokens[at].kind in ("at", "x") else None
    if opening:
        at += 1
    if tokens[at].kind != "quantity":
        return None
    quantities = [tokens[at]]
    by_of = False
    at += 1
    while tokens[at].kind in ("x", "of"):
        if tokens[at + 1].kind != "quantity":
            return None
        by_of = by_of or tokens[at].kind == "of"
        quantities.append(tokens[at + 1])
        at += 2
    return _Chain(quantities, at, opening, by_of)


def _roles(chain: _Chain, slots: _Slots, tokens: Sequence[Token], *, may_be_lone: bool) -> tuple[Role, ...] | None:
    """Which slot each quantity of a chain fills, or None where no rule fits."""
    match chain.quantities:
        case [one]:
            role = _single(one, chain.opening, slots, may_be_lone=may_be_lone)
            return (role,) if role else None
        case [a, b]:
            weight_is_known = "weight" in slots or _weight_follows(chain, tokens)
            pair = _pair(a, b, chain, weight_is_known=weight_is_known)
            return pair if _fits(chain, pair) else None
        case [a, _, _]:
            heavy_first = a.is_bare and not a.is_count
            return next((t for t in TRIPLES[1 if heavy_first else 0 :] if _fits(chain, t)), None)
        case _:
            return None


def _fits(chain: _Chain, roles: tuple[Role, ...]) -> bool:
    return all(
        role == quantity.role
        or (quantity.is_bare and (role == "weight" or quantity.value % 1000 == 0))
        # "3 раза по 8" counts sets with the word for reps
        or (role == "sets" and quantity.role == "reps" and chain.by_of)
        for role, quantity in zip(roles, chain.quantities, strict=True)
    )


def _single(one: Token, opening: Kind | None, slots: _Slots, *, may_be_lone: bool) -> Role | None:
    if not one.is_bare:
        return one.role
    if opening == "at" or {"sets", "reps"} <= slots.keys():
        return "weight"
    expected = bool(slots) or opening == "x"
    is_reps = one.value % 1000 == 0 if expected else one.is_count and may_be_lone
    return "reps" if is_reps else None


def _pair(a: Token, b: Token, chain: _Chain, *, weight_is_known: bool) -> tuple[Role, Role]:
    """The table of the module's docstring, in its order."""
    if a.is_bare and chain.opening == "at":
        return "weight", "reps"
    if a.role == "reps" and chain.by_of and (b.role == "reps" or (b.is_bare and b.is_count)):
        return "sets", "reps"
    if a.is_bare and b.role == "reps":
        return ("sets", "reps") if a.is_count else ("weight", "reps")
    if not (a.is_bare and b.is_bare):
        return PAIRS.get((a.role, b.role), (a.role, b.role))
    if weight_is_known:
        return "sets", "reps"
    if not a.is_count:
        return "weight", "reps"
    if not b.is_count:
        return "reps", "weight"
    if chain.by_of or a.value <= SETS_PLAUSIBLE * 1000:
        return "sets", "reps"
    return "reps", "weight"


def _weight_follows(chain: _Chain, tokens: Sequence[Token]) -> bool:
    at = chain.end
    if tokens[at].kind == "soft":
        return _only_a_weight(tokens, at + 1)
    if tokens[at].kind == "dash":
        at += 1
    after = _chain(tokens, at)
    if not after or len(after.quantities) > 1:
        return False
    if after.quantities[0].role == "weight":
        return True
    # Without a unit only after small numbers: `3x8 60` and `3x8 @ 60`, but `5x100 @ 8` tells of effort.
    return after.opening != "x" and all(one.is_count for one in chain.quantities if one.is_bare)
