r"""The texts of a bot: read from files, held by language, asked for by key.

A file is UTF-8. Each of its lines is blank, a comment that begins with `#`, or one text:

    {lang}:{key} | "{text}"

    lang    a language tag that CLDR knows: en, ru, pt-BR
    key     letters, digits and . _ - (by habit the place and the thing: `start.hello`, `button.cancel`)
    text    a JSON string, so \n \t \" \\ and \u2026 mean what they mean there; its braces are read by `patterns.parse`

A person's language is followed up to its parent and then to the default: `ru-RU`, `ru`, `en`. So `pt-BR` needs only
what differs from `pt`. A key that no language on that way has is an error of the author, never a text.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from babel import Locale, UnknownLocaleError

from posthouse.core.errors import AuthorError, ConfigurationInvalid
from posthouse.kits.i18n.patterns import Pattern, PatternInvalid, Unfit, parse

StrPath = str | os.PathLike[str]

_LINE = re.compile(r'(?P<lang>[^\s:|"]+):(?P<key>[^\s|"]+)\s*\|\s*(?P<text>".*)', re.DOTALL)
_KEY = re.compile(r"[\w.-]+", re.ASCII)
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAMES_OF_T = frozenset({"self", "key", "lang"})
_read_json = json.JSONDecoder(strict=False).raw_decode  # not strict: a tab in a text is a tab


class UnknownKey(AuthorError, KeyError):
    """There is no text of that key."""

    __str__ = Exception.__str__  # a KeyError shows its message in quotes


class ArgumentInvalid(AuthorError):
    """A text was asked for without an argument it needs, or with one it cannot show."""


class _LineInvalid(Exception):
    """What is wrong with a line, and the mend."""


@dataclass(frozen=True, slots=True)
class Text:
    """What one language says for a key, and the line where it does."""

    language: str
    key: str
    said: str | Pattern
    where: str
    """file:line"""

    @property
    def names(self) -> frozenset[str]:
        return frozenset() if isinstance(self.said, str) else self.said.names

    def __str__(self) -> str:
        return f"{self.language}:{self.key}"


class Messages:
    """All texts of a bot: `t(key, lang)` gives one, `t_all(key)` that of every language. Never changes once made."""

    def __init__(self, texts: Iterable[Text], *, default: str = "en") -> None:
        self._own: dict[str, dict[str, Text]] = {}  # by language in small letters, then by key
        self._everywhere: dict[str, list[Text]] = {}
        for text in texts:
            self._own.setdefault(_folded(text.language), {})[text.key] = text
            self._everywhere.setdefault(text.key, []).append(text)
        self._default = _folded(default)
        if self._default not in self._own:
            raise ConfigurationInvalid(
                f"there are no texts in the default language {default}: add them, or name another default"
            )
        self._found = {language: self._with_fallbacks(language) for language in self._own}

    @classmethod
    def load(cls, paths: StrPath | Iterable[StrPath], *, default: str = "en") -> Messages:
        """The texts of one or several files, or raise `ConfigurationInvalid` with all that is wrong in them."""
        names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
        return cls.parse({os.fspath(name): _content(Path(name)) for name in names}, default=default)

    @classmethod
    def parse(cls, sources: Mapping[str, str], *, default: str = "en") -> Messages:
        """The same of contents that are at hand, by the names that problems call them."""
        reader = _Reader()
        for name, source in sources.items():
            reader.read(name, source)
        reader.compare_placeholders(_folded(default))
        if reader.problems:
            raise ConfigurationInvalid("\n".join(["these texts cannot be used:", *reader.problems_in_order()]))
        return cls(reader.texts.values(), default=default)

    # -- asking -------------------------------------------------------------------------------------------------

    def t(self, key: str, lang: str | None = None, **values: object) -> str:
        """The text of `key` in a language, its parent or the default.

        Raises `UnknownKey`, or `ArgumentInvalid` when a placeholder has no argument or one that it cannot show.
        Arguments that the text does not name are ignored: another language may need them.
        """
        table = self._found.get(lang) if lang else self._found[self._default]
        if table is None:
            table = self._found[self._nearest(lang)]
        text = table.get(key)
        if text is None:
            raise self._unknown("t", key, lang)
        said = text.said
        if isinstance(said, str):
            return said
        try:
            return said.render(values)
        except Unfit as unfit:
            raise ArgumentInvalid(f"t({key!r}), {text} in {text.where}: {unfit}") from None

    def __contains__(self, key: object) -> bool:
        """Whether any language has a text for the key."""
        return key in self._everywhere

    def t_all(self, key: str) -> frozenset[str]:
        """What every language says for `key`: what a press of that reply-keyboard button may send.

        Raises `UnknownKey`, or `ArgumentInvalid` when the text has placeholders and so may be anything.
        """
        texts = self._everywhere.get(key)
        if texts is None:
            raise self._unknown("t_all", key, None)
        for text in texts:
            if not isinstance(text.said, str):
                names = ", ".join(sorted(text.names))
                raise ArgumentInvalid(f"t_all({key!r}): {text} has placeholders ({names}), so it is no fixed text")
        return frozenset(text.said for text in texts if isinstance(text.said, str))

    # -- what there is ------------------------------------------------------------------------------------------

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have texts, as the files write them; the default comes first."""
        tags = {language: next(iter(table.values())).language for language, table in self._own.items()}
        return (tags.pop(self._default), *sorted(tags.values()))

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key, in the order of the files."""
        return tuple(self._everywhere)

    def texts_of(self, key: str) -> tuple[Text, ...]:
        """What the languages say for `key`; empty when there is no such key."""
        return tuple(self._everywhere.get(key, ()))

    def lacking(self, key: str) -> tuple[str, ...]:
        """The languages in which a person would read another language's text for `key`."""
        return tuple(
            language
            for language in self.languages
            if not any(key in self._own.get(step, ()) for step in _steps(_folded(language)))
        )

    # -- leaves -------------------------------------------------------------------------------------------------

    def _with_fallbacks(self, language: str) -> dict[str, Text]:
        table = dict(self._own[self._default])
        for step in reversed(list(_steps(language))):
            table |= self._own.get(step, {})
        return table

    def _nearest(self, lang: str | None) -> str:
        """The language to use for a tag as Telegram or a person wrote it. Not remembered: tags come from outside."""
        return next((step for step in _steps(_folded(lang or "")) if step in self._own), self._default)

    def _unknown(self, function: str, key: str, lang: str | None) -> UnknownKey:
        texts = self.texts_of(key)
        if texts:
            found = ", ".join(text.language for text in texts)
            return UnknownKey(f"{function}({key!r}, {lang!r}): this key has a text in {found} only: add the default's")
        return UnknownKey(f"{function}({key!r}): {no_such_key(self, key)}")


def no_such_key(messages: Messages, key: str) -> str:
    """What to say of a key that no language has: the keys that look like it."""
    near = get_close_matches(key, messages.keys, n=3)
    mend = f"did you mean {' or '.join(near)}?" if near else "add a line for it, in every language"
    return f"there is no such key: {mend}"


def _folded(tag: str) -> str:
    return tag.replace("_", "-").lower()


def _steps(language: str) -> Iterator[str]:
    """The language and its parents, nearest first: zh-hans-cn, zh-hans, zh."""
    while language:
        yield language
        language = language.rpartition("-")[0]


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationInvalid(f"{path}: {error.strerror}: name a file of texts that can be read") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationInvalid(f"{path}:{line}: this is not UTF-8: save the file in that encoding") from None


class _Reader:
    """Collects texts and problems, so that an author mends all of them at once."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], Text] = {}
        self.problems: list[tuple[str, int, str]] = []
        self._places: dict[tuple[str, str], tuple[str, int]] = {}
        self._locales: dict[str, Locale] = {}

    def read(self, name: str, source: str) -> None:
        """Read one file. Lines end in \\n alone: other separators of lines may be in a text."""
        for number, raw in enumerate(source.split("\n"), start=1):
            line = raw.strip()
            if not line or line.startswith("#"):
                continue
            try:
                text = self._text(line, f"{name}:{number}")
            except _LineInvalid as invalid:
                self.problems.append((name, number, str(invalid)))
                continue
            place = (_folded(text.language), text.key)
            self.texts[place] = text
            self._places[place] = (name, number)

    def compare_placeholders(self, default: str) -> None:
        """Note every text whose placeholders are not those of the default language (or of the key's first text)."""
        models: dict[str, Text] = {}
        for (language, key), text in self.texts.items():
            if language == default or key not in models:
                models[key] = text
        for place, text in self.texts.items():
            model = models[text.key]
            if text.names != model.names:
                what = (
                    f"{text} has {_listed(text.names)}, but {model} ({model.where}) has {_listed(model.names)}: "
                    "use the same placeholders in every language"
                )
                self.problems.append((*self._places[place], what))

    def problems_in_order(self) -> list[str]:
        return [f"  {name}:{number}: {what}" for name, number, what in sorted(self.problems)]

    def _text(self, line: str, where: str) -> Text:
        found = _LINE.fullmatch(line)
        if found is None:
            raise _LineInvalid(
                f'this is no text: write it as en:key | "text", or begin a comment with # (`{line[:40]}`)'
            )
        language, key = found["lang"], found["key"]
        if _KEY.fullmatch(key) is None:
            raise _LineInvalid(f"the key {key!r} has more in it than letters, digits and . _ -: rename it")
        earlier = self.texts.get((_folded(language), key))
        if earlier is not None:
            raise _LineInvalid(f"{earlier} is in {earlier.where} already: delete one of the two")
        try:
            said = parse(_unquoted(found["text"]), self._locale(language))
        except PatternInvalid as invalid:
            raise _LineInvalid(f"{language}:{key}: {invalid}") from None
        text = Text(language, key, said, where)
        taken = sorted(text.names & _NAMES_OF_T)
        if taken:
            raise _LineInvalid(f"{text}: {{{taken[0]}}} is a name of t()'s own argument: rename the placeholder")
        return text

    def _locale(self, language: str) -> Locale:
        """What CLDR knows of that language; one object each, for what is remembered by it."""
        folded = language.lower()
        if folded not in self._locales:
            try:
                if _TAG.fullmatch(language) is None:
                    raise ValueError(language)
                self._locales[folded] = Locale.parse(language, sep="-")
            except (UnknownLocaleError, ValueError):
                raise _LineInvalid(f"{language} is no language that CLDR knows: write a tag like en or pt-BR") from None
        return self._locales[folded]


def _unquoted(quoted: str) -> str:
    try:
        text, end = _read_json(quoted)
    except json.JSONDecodeError as error:
        rest = quoted[error.pos : error.pos + 24]
        raise _LineInvalid(
            f'the quoted text cannot be read at `{rest}`: end it with ", and write \\" for a quote, \\\\ for \\'
        ) from None
    if end < len(quoted):
        raise _LineInvalid(f'something follows the closing quote: write \\" for a quote (`{quoted[end : end + 24]}`)')
    if _SURROGATE.search(text) is not None:
        raise _LineInvalid("an escape is half a character: write both \\u… of the pair, or the character itself")
    return str(text)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
