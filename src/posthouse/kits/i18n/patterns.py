"""Texts with placeholders: a subset of ICU MessageFormat, parsed into a tree once and rendered from it.

    {name}                                        the argument, as str() shows it
    {n, number}                                   a number, as the language writes it
    {day, date} · {day, date, long}               short, medium (when nothing is said), long or full
    {at, time} · {at, time, short}                short or medium; a moment's own time zone is kept
    {n, plural, =0{no sets} one{# set} other{# sets}}
                                                  this very number first, then its CLDR category; # is the number
    {role, select, client{You} other{They}}       by str(); True and False are `true` and `false`
    '{' '}' ''                                    braces and an apostrophe as they are. A lone apostrophe is itself

What stands in a form of plural or select is a text again. A plural must have every category that its language uses for
whole numbers up to 200, because a Russian text without `few` is wrong for two. `#` reaches into a select inside a
plural, unlike ICU's. Not in the subset: `offset:`, `selectordinal`, `choice`, number and date skeletons.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import NoReturn, Protocol

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

NESTED_MAX = 8
"""How deep forms may lie in forms. Nobody can translate more, and the parser recurses."""

_FRACTION = Decimal("0.001")  # what a number shows of its fraction; its category must be that of what is shown
_WHOLE_NUMBERS = range(201)
_DATE_STYLES = ("short", "medium", "long", "full")
_TIME_STYLES = ("short", "medium")  # the others name the zone, which a naive time does not have

_PLAIN = re.compile(r"[^{}'#]+")
_WORD = re.compile(r"[^\W\d]\w*")
_SELECTOR = re.compile(r"=-?\d+(?:\.\d+)?|[^\s{}=,]+")


class PatternInvalid(Exception):
    """A text does not follow the grammar; the message says where and what to write instead."""


class Unfit(Exception):
    """A text cannot be rendered with this argument."""

    def __init__(self, argument: str, why: str) -> None:
        super().__init__(f"argument {argument!r} {why}")
        self.argument = argument


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the parts of a text are rendered from."""

    values: Mapping[str, object]
    locale: Locale
    number: str = ""
    """The number of the plural around, as shown."""

    def value(self, name: str) -> object:
        try:
            return self.values[name]
        except KeyError:
            raise Unfit(name, "is missing") from None


class _Part(Protocol):
    def render(self, scene: _Scene) -> str: ...


@dataclass(frozen=True, slots=True)
class _Text:
    """A sequence of literal text and placeholders."""

    parts: tuple[str | _Part, ...]

    def render(self, scene: _Scene) -> str:
        return "".join([part if isinstance(part, str) else part.render(scene) for part in self.parts])


@dataclass(frozen=True, slots=True)
class _Argument:
    name: str

    def render(self, scene: _Scene) -> str:
        return str(scene.value(self.name))


@dataclass(frozen=True, slots=True)
class _Number:
    name: str

    def render(self, scene: _Scene) -> str:
        return _shown(scene, self.name)[1]


@dataclass(frozen=True, slots=True)
class _Date:
    name: str
    style: str

    def render(self, scene: _Scene) -> str:
        value = scene.value(self.name)
        if not isinstance(value, datetime.date):  # a datetime is one too
            raise Unfit(self.name, f"is {value!r}: give a date or a datetime")
        return format_date(value, format=self.style, locale=scene.locale)


@dataclass(frozen=True, slots=True)
class _Time:
    name: str
    style: str

    def render(self, scene: _Scene) -> str:
        value = scene.value(self.name)
        if not isinstance(value, datetime.datetime | datetime.time):
            raise Unfit(self.name, f"is {value!r}: give a datetime or a time")
        zone = value.tzinfo if isinstance(value, datetime.datetime) else None  # without it Babel shows UTC
        return format_time(value, format=self.style, tzinfo=zone, locale=scene.locale)


@dataclass(frozen=True, slots=True)
class _Count:
    """The # of a plural."""

    def render(self, scene: _Scene) -> str:
        return scene.number


@dataclass(frozen=True, slots=True)
class _Plural:
    name: str
    exact: dict[Decimal, _Text]
    forms: dict[str, _Text]

    def render(self, scene: _Scene) -> str:
        number, shown = _shown(scene, self.name)
        form = self.exact.get(Decimal(number))
        if form is None:
            form = self.forms.get(scene.locale.plural_form(number)) or self.forms["other"]
        return form.render(_Scene(scene.values, scene.locale, shown))


@dataclass(frozen=True, slots=True)
class _Select:
    name: str
    forms: dict[str, _Text]

    def render(self, scene: _Scene) -> str:
        value = scene.value(self.name)
        said = str(value).lower() if isinstance(value, bool) else str(value)
        return (self.forms.get(said) or self.forms["other"]).render(scene)


def _shown(scene: _Scene, name: str) -> tuple[int | Decimal, str]:
    """The number as far as it is shown, and how the language writes it."""
    value = scene.value(name)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unfit(name, f"is {value!r}: give a number")
    try:
        exact = Decimal(str(value))  # str(), because 0.1 means 0.1 and not the nearest double
        if not exact.is_finite():
            raise ValueError(value)
        rounded = exact if exact == exact.to_integral_value() else exact.quantize(_FRACTION)
        whole = rounded == rounded.to_integral_value()
        number = int(rounded) if whole else rounded.normalize()
        return number, format_decimal(number, locale=scene.locale)
    except (InvalidOperation, ValueError, OverflowError):
        raise Unfit(name, f"is {value!r}: give a finite number of at most 28 digits") from None


@cache
def _needed(locale: Locale) -> dict[str, list[int]]:
    """The categories of whole numbers in this language, each with the numbers it is for."""
    numbers: dict[str, list[int]] = {}
    for number in _WHOLE_NUMBERS:
        numbers.setdefault(locale.plural_form(number), []).append(number)
    return numbers


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with placeholders, ready to be rendered in its language."""

    text: _Text
    locale: Locale
    names: frozenset[str]

    def render(self, values: Mapping[str, object]) -> str:
        """The text for these arguments, or raise `Unfit`. Arguments that the text does not name are ignored."""
        return self.text.render(_Scene(values, self.locale))


def parse(source: str, locale: Locale) -> str | Pattern:
    """What `source` says in that language: just a string if it has no placeholders. Or raise `PatternInvalid`."""
    parser = _Parser(source, locale)
    text = parser.whole()
    if not parser.names:
        return text.render(_Scene({}, locale))
    return Pattern(text, locale, frozenset(parser.names))


class _Parser:
    """Reads one text from left to right; `at` is where it is."""

    def __init__(self, source: str, locale: Locale) -> None:
        self.source = source
        self.locale = locale
        self.at = 0
        self.names: set[str] = set()

    def whole(self) -> _Text:
        text = self._text(depth=0, counted=False)
        if self.at < len(self.source):
            self._refuse(self.at, "} closes nothing: write '}' for a brace")
        return text

    def _text(self, *, depth: int, counted: bool) -> _Text:
        """Up to the } that closes this text, or the end. `counted`: in a plural, where # is the number."""
        if depth > NESTED_MAX:
            self._refuse(self.at, f"forms lie deeper than {NESTED_MAX} in one another: make it several texts")
        parts: list[str | _Part] = []
        literal = ""
        for piece in self._pieces(depth, counted):
            if isinstance(piece, str):
                literal += piece
                continue
            parts += [literal, piece] if literal else [piece]
            literal = ""
        if literal:
            parts.append(literal)
        return _Text(tuple(parts))

    def _pieces(self, depth: int, counted: bool) -> Iterator[str | _Part]:
        while self.at < len(self.source):
            plain = _PLAIN.match(self.source, self.at)
            if plain is not None:
                self.at = plain.end()
                yield plain[0]
                continue
            mark = self.source[self.at]
            if mark == "}":
                return
            if mark == "{":
                yield self._placeholder(depth, counted)
            elif mark == "'":
                yield self._quoted(counted)
            else:
                self.at += 1
                yield _Count() if counted else "#"

    def _quoted(self, counted: bool) -> str:
        """An apostrophe, or what it quotes: it is a quote only before a brace (in a plural also before #)."""
        begin = self.at
        following = self.source[begin + 1 : begin + 2]
        if following == "'":
            self.at += 2
            return "'"
        if following not in (("{", "}", "#") if counted else ("{", "}")):
            self.at += 1
            return "'"
        said = ""
        self.at += 1
        while True:
            end = self.source.find("'", self.at)
            if end < 0:
                self._refuse(begin, "this quote is not closed: write another apostrophe behind the brace")
            said += self.source[self.at : end]
            self.at = end + 1
            if not self.source.startswith("'", self.at):
                return said
            said += "'"
            self.at += 1

    def _placeholder(self, depth: int, counted: bool) -> _Part:
        begin = self.at
        self.at += 1
        name = self._word(begin, "{ begins no placeholder: write {name}, or '{' for a brace")
        self.names.add(name)
        if self._took("}"):
            return _Argument(name)
        if not self._took(","):
            self._refuse(begin, f"after {{{name} comes a }} or a comma")
        kind = self._word(begin, f"after {{{name}, comes number, date, time, plural or select")
        if kind == "number":
            self._close(begin)
            return _Number(name)
        if kind == "date":
            return _Date(name, self._style(begin, _DATE_STYLES))
        if kind == "time":
            return _Time(name, self._style(begin, _TIME_STYLES))
        if kind not in ("plural", "select"):
            self._refuse(begin, f"{kind} is no kind of placeholder: use number, date, time, plural or select")
        if not self._took(","):
            self._refuse(begin, f"after {kind} comes a comma, then forms: one{{…}} other{{…}}")
        forms = self._forms(begin, depth, counted=counted or kind == "plural")
        if "other" not in forms:
            self._refuse(begin, f"this {kind} has no other{{…}}: add it, for what no form fits")
        return self._plural(begin, name, forms) if kind == "plural" else _Select(name, forms)

    def _plural(self, begin: int, name: str, forms: dict[str, _Text]) -> _Plural:
        exact = {Decimal(said[1:]): form for said, form in forms.items() if said.startswith("=")}
        named = {said: form for said, form in forms.items() if not said.startswith("=")}
        language = self.locale.english_name
        categories = {"other", *self.locale.plural_form.tags}
        for said in named:
            if said not in categories:
                self._refuse(begin, f"{language} has no plural form {said}: it has {', '.join(sorted(categories))}")
        for category, numbers in _needed(self.locale).items():
            wanting = [str(number) for number in numbers if number not in exact]
            if wanting and category not in named:
                self._refuse(begin, f"{language} needs the form {category}{{…}} too, for {', '.join(wanting[:3])}")
        return _Plural(name, exact, named)

    def _forms(self, begin: int, depth: int, *, counted: bool) -> dict[str, _Text]:
        forms: dict[str, _Text] = {}
        while not self._took("}"):
            selector = _SELECTOR.match(self.source, self.at)
            if selector is None:
                self._refuse(begin, "this placeholder is not closed or has no forms like other{…}")
            self.at = selector.end()
            if not self._took("{"):
                self._refuse(selector.start(), f"after the form's name {selector[0]} comes its text in braces")
            if selector[0] in forms:
                self._refuse(selector.start(), f"the form {selector[0]} is there twice: delete one")
            forms[selector[0]] = self._text(depth=depth + 1, counted=counted)
            if self.source[self.at : self.at + 1] != "}":
                self._refuse(selector.start(), f"the form {selector[0]} is not closed: add a }}")
            self.at += 1
        return forms

    def _style(self, begin: int, styles: tuple[str, ...]) -> str:
        style = "medium"
        if self._took(","):
            style = self._word(begin, f"a style is missing: use {', '.join(styles)}")
            if style not in styles:
                self._refuse(begin, f"{style} is no style here: use {', '.join(styles)}")
        self._close(begin)
        return style

    # -- leaves -------------------------------------------------------------------------------------------------

    def _close(self, begin: int) -> None:
        if not self._took("}"):
            self._refuse(begin, "this placeholder is not closed: add a }")

    def _took(self, mark: str) -> bool:
        """Whether this comes next, after spaces; then it is passed by."""
        self._skip_space()
        if not self.source.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def _word(self, begin: int, otherwise: str) -> str:
        self._skip_space()
        word = _WORD.match(self.source, self.at)
        if word is None:
            self._refuse(begin, otherwise)
        self.at = word.end()
        return word[0]

    def _skip_space(self) -> None:
        while self.source[self.at : self.at + 1].isspace():
            self.at += 1

    def _refuse(self, at: int, why: str) -> NoReturn:
        rest = self.source[at : at + 24].replace("\n", "\\n")
        raise PatternInvalid(f"at `{rest}{'…' if len(self.source) > at + 24 else ''}`: {why}")
