"""Tokens: a text cut into words, quantities with their unit, and what joins or separates them.

    "squat 3x8 60kg (easy)"
       │ the readers, asked in order at each position; the first that answers says what begins there and where it ends
       ▼
    word · quantity 3 · x · quantity 8 · quantity 60 kg · note "easy"

Where no reader knows better a character is a symbol, so there always is an answer and nothing raises. Blanks, colons,
lone brackets and the marks of a numbered list are idle: they separate, and leave no token.

Deliberately absent: what the quantities mean together. That is `parsing`, with the table of what is read as what.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Role = Literal["number", "sets", "reps", "weight", "seconds"]
Kind = Literal["quantity", "x", "of", "at", "dash", "junk", "soft", "word", "symbol", "and", "break", "note", "idle"]

RUN: frozenset[Kind] = frozenset({"quantity", "x", "of", "at", "dash", "junk"})
"""The kinds of token that a run of numbers is made of."""

REPS_PLAUSIBLE = 30
"""Above it a number without a unit is a weight: nobody writes sets of 31, and few bars weigh less than 31 kg."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text. The value of a bare number is in thousandths, of a weight in grams."""

    kind: Kind
    start: int
    end: int
    role: Role = "number"
    value: int = 0
    note: str = ""

    @property
    def is_bare(self) -> bool:
        return self.kind == "quantity" and self.role == "number"

    @property
    def is_count(self) -> bool:
        """May count sets or reps without a word saying so."""
        return self.value % 1000 == 0 and self.value <= REPS_PLAUSIBLE * 1000


BLANK = r"[^\S\n]*"  # a line's end always separates, so no pattern reaches across it
GAP = r"[^\S\n]+"
LETTER = r"[^\W\d_]"
END = rf"(?:(?!{LETTER})|(?=[xх]{BLANK}[0-9]))"  # the end of a word; "60kgx5" and "3setsx8" end one too
BODYWEIGHT = (
    rf"(?:(?:with|at|со?){GAP})?"
    rf"(?:body[ -]?weight|bw|без{GAP}веса|(?:собственн|сво)(?:ый|ым|им|й){GAP}вес(?:ом)?|вес(?:ом)?{GAP}тела){END}"
)
KILOGRAMS = r"(?:kgs?|kilo(?:gram)?s?|кг|кило(?:грамм(?:а|ов|ы)?)?)"
POUNDS = r"(?:lbs?|pounds?|фунт(?:а|ов|ы)?)"
# A lone "с" means seconds only where nothing follows that it could be "with": "60 с", but "3х8 с 60 кг".
SECONDS = rf"(?:seconds?|secs?|s|секунд[аыу]?|сек|с(?={BLANK}(?:$|[\n,;.!(xх×])))"
MINUTES = r"(?:minutes?|mins?|минут[аыу]?|мин)"
SETS = (
    rf"(?:(?:work(?:ing)?|hard|рабочи[хй]){GAP})?"
    r"(?:sets?|rounds?|подход(?:а|ов|ы)?|подх|сет(?:а|ов|ы)?|раунд(?:а|ов|ы)?)"
)
REPS = r"(?:reps?|repetitions?|times|раза?|повтор(?:а|ов|ы|ени[йяе])?|повт)"


def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(source, re.IGNORECASE)


NOTE = _pattern(rf"\(([^()\n]*)\)|(rpe{BLANK}[0-9]+(?:[.,][0-9])?)")
LIST_MARK = _pattern(rf"[0-9]{{1,2}}[.)]{BLANK}(?={LETTER})")
JUNK = _pattern(r"[0-9]+(?:[./:–—-][0-9]+){2,}|[0-9]+(?:[.,][0-9]+)?[/–—-][0-9]+(?:[.,][0-9]+)?|[%°$€₽£#^~]")
CLOCK = _pattern(r"([0-9]{1,3}):([0-5][0-9])(?![0-9])")
NUMBER = _pattern(r"([0-9]+)(?:\.([0-9]+)|,([0-9]{1,2})(?![0-9]))?")
LIST_GOES_ON = _pattern(r",[0-9]")
UNITS = {
    "kg": _pattern(rf"{BLANK}{KILOGRAMS}{END}\.?"),
    "lb": _pattern(rf"{BLANK}{POUNDS}{END}\.?"),
    "min": _pattern(rf"{BLANK}{MINUTES}{END}\.?(?:{BLANK}(?:and|и)?{BLANK}([0-9]{{1,2}}){BLANK}{SECONDS}{END}\.?)?"),
    "s": _pattern(rf"{BLANK}{SECONDS}{END}\.?"),
    "sets": _pattern(rf"{BLANK}{SETS}{END}\.?"),
    "reps": _pattern(rf"{BLANK}{REPS}{END}\.?"),
}
WITHOUT_WEIGHT = _pattern(BODYWEIGHT)
NUMBERS_OR_END = _pattern(rf"{BLANK}(?:$|[0-9,;.!?\n(+@×*]|[xх]{BLANK}[0-9])")
ADDED = _pattern(rf"{BLANK}\+{BLANK}(?=[0-9])")
TIMES_SIGNS = ("×", "*", "✕", "✖")
TIMES = _pattern(rf"[xх×*✕✖](?:(?!{LETTER})|(?={BLANK}{BODYWEIGHT}))")
LINK = _pattern(rf"(?:(by|на|for)|(of|по)|(at|with|со?|c|весом|вес)|(@|w/))(?={BLANK}(?:\+{BLANK})?[0-9])")
BREAK = _pattern(rf"[,;\n]+|[.!?…]+(?=\s|$)|(?:(?:and|а|и)\s+)?(?:then|потом|затем)(?!{LETTER})")
AND = _pattern(rf"(?:and|и|а)(?!{LETTER})|[&+]")
DASH = _pattern(r"[-–—]+")
IDLE = _pattern(r"[:=|•·]+|[^\S\n]+")
PUNCTUATION = _pattern(r"[().!?…]")
SYMBOL = _pattern(r"[^\w\s(),;.!?:=|•·&+@×*✕✖–—-]+|[\s\S]")
WORD = _pattern(rf"{LETTER}(?:{LETTER}|['’-](?={LETTER}))*")


def tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        before = tokens[-1] if tokens else None
        token = next(token for reader in _READERS if (token := reader(text, position, before)))
        position = token.end
        if token.kind != "idle":
            tokens.append(token)
    return tokens


def tidy(text: str) -> str:
    return " ".join(text.split())


def _note(text: str, at: int, before: Token | None) -> Token | None:
    found = NOTE.match(text, at)
    return found and Token("note", at, found.end(), note=tidy(found[1] if found[1] is not None else found[2]))


def _list_mark(text: str, at: int, before: Token | None) -> Token | None:
    """`1.` or `2)` at the start of a line numbers the line; it is not a set of one rep."""
    starts_line = not text[:at].rpartition("\n")[2].strip()
    found = LIST_MARK.match(text, at) if starts_line else None
    return found and Token("idle", at, found.end())


def _bodyweight(text: str, at: int, before: Token | None) -> Token | None:
    """Bodyweight with what is added to it. In "bodyweight squats" it is part of the name."""
    found = WITHOUT_WEIGHT.match(text, at)
    if not found:
        return None
    beside_numbers = before is not None and before.kind in RUN
    if not beside_numbers and not NUMBERS_OR_END.match(text, found.end()):
        return None
    plus = ADDED.match(text, found.end())
    extra = _quantity(text, plus.end(), None) if plus else None
    if extra and extra.kind == "quantity" and extra.role in ("number", "weight"):
        return Token("quantity", at, extra.end, "weight", extra.value)
    return Token("quantity", at, found.end(), "weight", 0)


def _added_weight(text: str, at: int, before: Token | None) -> Token | None:
    """`+20 kg` beside reps is a weight. A plus before anything else joins like "and"."""
    plus = ADDED.match(text, at)
    extra = _quantity(text, plus.end(), None) if plus else None
    if extra and extra.kind == "quantity" and extra.role == "weight":
        return Token("quantity", at, extra.end, "weight", extra.value)
    return None


def _junk(text: str, at: int, before: Token | None) -> Token | None:
    """What looks like numbers and is not read: ranges, dates, percentages."""
    found = JUNK.match(text, at)
    if not found or (not found[0][0].isdigit() and not (before and before.kind in RUN and before.end == at)):
        return None
    return Token("junk", at, found.end())


def _clock(text: str, at: int, before: Token | None) -> Token | None:
    found = CLOCK.match(text, at)
    return found and Token("quantity", at, found.end(), "seconds", int(found[1]) * 60 + int(found[2]))


def _quantity(text: str, at: int, before: Token | None) -> Token | None:
    """A number with its unit. What no unit can have, such as half a rep, is junk."""
    found = NUMBER.match(text, at)
    if not found:
        return None
    listed = found[3] is not None and _comma_separates(text, found, before)
    end = found.end(1) if listed else found.end()
    fraction = "" if listed else found[2] or found[3] or ""
    if len(fraction) > 3:
        return Token("junk", at, end)
    # What is beyond a billion is out of range in any unit; the bound keeps it an integer that JSON can carry.
    thousandths = min(int(found[1]), 10**9) * 1000 + int(fraction.ljust(3, "0"))
    unit, after = next(((unit, m) for unit, pattern in UNITS.items() if (m := pattern.match(text, end))), ("", None))
    if after:
        end = after.end()
    match unit:
        case "kg":
            return Token("quantity", at, end, "weight", thousandths)
        case "lb":
            return Token("quantity", at, end, "weight", (thousandths * 45_359_237 + 50_000_000) // 100_000_000)
        case "":
            return Token("quantity", at, end, "number", thousandths)
    if unit == "min":
        thousandths = thousandths * 60 + int((after and after[1]) or 0) * 1000
    if thousandths % 1000:
        return Token("junk", at, end)
    role: Role = "sets" if unit == "sets" else "reps" if unit == "reps" else "seconds"
    return Token("quantity", at, end, role, thousandths // 1000)


def _comma_separates(text: str, number: re.Match[str], before: Token | None) -> bool:
    """Whether a comma with digits on both sides separates rather than marks decimals: `5x100,5x110` and `8,8,7`."""
    between_times = before is not None and before.kind == "x" and TIMES.match(text, number.end()) is not None
    after_comma = (
        before is not None
        and before.kind == "break"
        and before.end == number.start()
        and text[max(before.start - 1, 0)].isdigit()
        and text[before.start : before.end] == ","
    )
    return between_times or after_comma or LIST_GOES_ON.match(text, number.end()) is not None


def _times(text: str, at: int, before: Token | None) -> Token | None:
    found = TIMES.match(text, at)
    beside_numbers = before is not None and before.kind in RUN
    if not found or not (beside_numbers or re.match(rf"{BLANK}[0-9]", text[found.end() :])):
        return None
    return Token("x", at, found.end())


def _link(text: str, at: int, before: Token | None) -> Token | None:
    """A small word before a number. The same words are part of a name elsewhere: "row with rope"."""
    found = LINK.match(text, at)
    if not found:
        return None
    joins = before is not None and before.kind == "quantity"
    kind: Kind = "x" if joins and found[1] else "of" if joins and found[2] else "at"
    return Token(kind, at, found.end())


def _plain(kind: Kind, pattern: re.Pattern[str]) -> _Reader:
    def read(text: str, at: int, before: Token | None) -> Token | None:
        found = pattern.match(text, at)
        return found and Token(kind, at, found.end())

    return read


_Reader = Callable[[str, int, Token | None], Token | None]

_READERS: tuple[_Reader, ...] = (
    _plain("idle", IDLE),
    _note,
    _list_mark,
    _bodyweight,  # before links: "с собственным весом" begins with one
    _added_weight,
    _junk,  # before quantities: "8-10" begins with one
    _clock,
    _quantity,
    _times,
    _link,
    _plain("break", BREAK),  # before "and": "and then"
    _plain("and", AND),
    _plain("dash", DASH),
    _plain("word", WORD),
    _plain("idle", PUNCTUATION),
    _plain("symbol", SYMBOL),
)
"""Asked in this order at each position; the first that answers wins."""
