"""Texts: what a file may hold, what is said about a wrong one, and what a person reads in each language."""

from __future__ import annotations

import datetime
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.core.errors import AuthorError, ConfigurationInvalid
from posthouse.kits.i18n import ArgumentInvalid, Messages, UnknownKey

SETS = """
en:sets | "{n, plural, =0{no sets} one{# set} other{# sets}}"
ru:sets | "{n, plural, =0{нет подходов} one{# подход} few{# подхода} many{# подходов} other{# подхода}}"
"""


def messages(source: str, *, default: str = "en") -> Messages:
    return Messages.parse({"messages.txt": source}, default=default)


def said(text: str, lang: str = "en", /, **values: object) -> str:
    """What a person reads who is sent this text of the file."""
    line = f"{lang}:key | {json.dumps(text, ensure_ascii=False)}"
    return messages(line, default=lang).t("key", lang, **values)


def refused(source: str, *, default: str = "en") -> list[str]:
    """The problems that are reported, each `file:line: what`."""
    with pytest.raises(ConfigurationInvalid) as error:
        messages(source, default=default)
    return [line.strip() for line in str(error.value).splitlines()[1:]]


# -- files ------------------------------------------------------------------------------------------------------


@pytest.mark.req("S2-40", "S2-75")
def test_a_line_of_the_file_is_a_text_of_one_language() -> None:
    """`{lang}:{key} | "{text}"`, with blank lines and comments between, and `t(key, lang)` says it."""
    texts = messages('# shown by /start\n\nen:start | "Hello"\r\n  ru:start|"Привет"  \n')
    assert texts.t("start", "en") == "Hello"
    assert texts.t("start", "ru") == "Привет"
    assert texts.languages == ("en", "ru")
    assert texts.keys == ("start",)


def test_a_bot_loads_one_file_or_several(tmp_path: Path) -> None:
    """They are read as one, a byte-order mark is no part of the text, and a key is in one of them only."""
    one, two = tmp_path / "messages.txt", tmp_path / "more.txt"
    one.write_text('en:start | "Hello"', encoding="utf-8-sig")
    two.write_text('en:stop | "Bye — до свидания"', encoding="utf-8")
    assert Messages.load(one).t("start") == "Hello"
    assert Messages.load([str(one), two]).t("stop") == "Bye — до свидания"
    with pytest.raises(ConfigurationInvalid, match=r"messages\.txt:1: en:start is in .*messages\.txt:1 already"):
        Messages.load([one, tmp_path / "." / ".." / tmp_path.name / "messages.txt"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Whether it is not there or not UTF-8, and then with the line."""
    with pytest.raises(ConfigurationInvalid, match=r"none\.txt: No such file"):
        Messages.load(tmp_path / "none.txt")
    path = tmp_path / "old.txt"
    path.write_bytes('en:a | "a"\nru:a | "а"'.encode("cp1251"))
    with pytest.raises(ConfigurationInvalid, match=r"old\.txt:2: this is not UTF-8"):
        Messages.load(path)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"a\nb\tc"', "a\nb\tc"),
        (r'"say \"hi\" \\ \/"', 'say "hi" \\ /'),
        (r'"\u2026 \ud83c\udf89 🎉"', "… 🎉 🎉"),
        ('"a tab\there, a | and a # too"', "a tab\there, a | and a # too"),
        ('"\u2028 ends no line"', "\u2028 ends no line"),
        ('""', ""),
    ],
)
@pytest.mark.req("S2-40")
def test_escapes_are_those_of_json(written: str, read: str) -> None:
    """What stands between the quotes is a JSON string, in which tabs are welcome."""
    assert messages(f"en:key | {written}").t("key") == read


def as_pattern(text: str) -> str:
    """The text that shows exactly this one: apostrophes doubled, braces quoted."""
    return re.sub(
        r"'|[{}][{}']*", lambda found: "''" if found[0] == "'" else "'" + found[0].replace("'", "''") + "'", text
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("{'{''}'")
@example("it's '{braces}' and \\ \" \r\n \x85 \x00 # |")
@pytest.mark.req("S2-40")
def test_any_text_that_is_written_is_read_back(text: str) -> None:
    """Escaped as the format says, every text comes through the file unchanged."""
    assert said(as_pattern(text)) == text


@given(st.text("{}'#=, \n01abnplurasectoh", max_size=40))
@example("{n, plural, one{" * 12)
def test_any_text_is_read_or_refused(text: str) -> None:
    """There is no text that the parser chokes on."""
    line = f"en:key | {json.dumps(text)}"
    try:
        assert messages(line).texts_of("key")[0].where == "messages.txt:1"
    except ConfigurationInvalid as error:
        assert "messages.txt:1: en:key: at `" in str(error)  # noqa: PT017  either outcome is right


# -- what is refused --------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, str, str]] = {
    # what is wrong: (the third line of a file, what the message says, a word of the mend)
    "no text at all": ("hello", "this is no text", 'en:key | "text"'),
    "no bar": ('en:key "text"', "this is no text", 'en:key | "text"'),
    "no quotes": ("en:key | text", "this is no text", 'en:key | "text"'),
    "a key with a space": ('en:my key | "text"', "this is no text", 'en:key | "text"'),
    "a key with a letter that is not ASCII": ('en:ключ | "text"', "'ключ'", "rename"),
    "an open quote": ('en:key | "text', "cannot be read", 'end it with "'),
    "an escape that is none": (r'en:key | "\q"', r"`\q", r"write \" for a quote"),
    "a quote inside": ('en:key | "say "hi""', 'follows the closing quote: write \\" for a quote', "hi"),
    "half a character": (r'en:key | "\ud83d"', "half a character", "pair"),
    "an unknown language": ('xx:key | "text"', "xx is no language", "pt-BR"),
    "a language with an underscore": ('pt_BR:key | "text"', "pt_BR is no language", "pt-BR"),
    "the same key again": ('en:first | "again"', "en:first is in messages.txt:1 already", "delete"),
    "the same key by another spelling": ('EN:first | "again"', "en:first is in messages.txt:1 already", "delete"),
    "an open brace": ('en:key | "{n"', "`{n`", "comes a } or a comma"),
    "a closing brace": ('en:key | "n}"', "`}`: } closes nothing", "'}'"),
    "an empty placeholder": ('en:key | "{}"', "`{}`", "write {name}, or '{'"),
    "a placeholder that is no name": ('en:key | "{user.name}"', "after {user", "comma"),
    "a format of Python": ('en:key | "{n:.2f}"', "after {n", "comma"),
    "an open quote of braces": ('en:key | "\'{n"', "not closed", "another apostrophe"),
    "an unknown kind": ('en:key | "{n, ordinal, one{a} other{b}}"', "ordinal is no kind", "use number"),
    "a kind without a name": ('en:key | "{n, }"', "after {n, comes", "plural"),
    "a number with a style": ('en:key | "{n, number, percent}"', "not closed", "add a }"),
    "an unknown style": ('en:key | "{day, date, huge}"', "huge is no style", "long"),
    "a time with a zone": ('en:key | "{at, time, full}"', "full is no style", "short"),
    "no style": ('en:key | "{at, time, }"', "a style is missing", "short"),
    "a plural without forms": ('en:key | "{n, plural}"', "after plural comes a comma", "one{…}"),
    "an open plural": ('en:key | "{n, plural, one{a} other{b}"', "not closed", "other{…}"),
    "an open form": ('en:key | "{n, plural, one{a} other{b"', "the form other is not closed", "add a }"),
    "a form without braces": ('en:key | "{n, plural, one a}"', "after the form's name one", "braces"),
    "a form twice": ('en:key | "{n, plural, one{a} one{a} other{b}}"', "one is there twice", "delete"),
    "a plural without other": ('en:key | "{n, plural, one{a}}"', "no other{…}", "add"),
    "a select without other": ('en:key | "{who, select, her{a}}"', "no other{…}", "add"),
    "a plural form of another language": (
        'en:key | "{n, plural, one{a} few{b} other{c}}"',
        "English has no plural form few",
        "it has one, other",
    ),
    "a plural form too few": (
        'ru:key | "{n, plural, one{a} many{b} other{c}}"',
        "Russian needs the form few{…}",
        "2, 3, 4",
    ),
    "forms in forms without end": (f'en:key | "{"{n, select, other{" * 9}"', "deeper than 8", "several texts"),
    "a name that t() has": ('en:key | "{lang}"', "t()'s own argument", "rename"),
    "other placeholders": (
        'ru:named | "{nom}"',
        "ru:named has nom, but en:named (messages.txt:2) has name",
        "the same",
    ),
    "no placeholders": ('ru:named | "x"', "ru:named has none, but en:named (messages.txt:2) has name", "the same"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.req("S2-40")
def test_a_wrong_line_is_refused(what: str) -> None:
    """The message names the file, the line, what is wrong and what to write."""
    line, wrong, mend = REFUSED[what]
    problems = refused(f'en:first | "1"\nen:named | "{{name}}"\n{line}')
    assert len(problems) == 1
    assert problems[0].startswith("messages.txt:3: ")
    assert wrong in problems[0]
    assert mend in problems[0]


@pytest.mark.req("S2-40")
def test_all_problems_are_reported_together() -> None:
    """In the order of the file, whatever found them."""
    problems = refused('en:a | "{x}"\nru:a | "{y}"\nen:b | "{"\nhello\nen:a | "again"')
    assert [problem.split(":")[1] for problem in problems] == ["2", "3", "4", "5"]


def test_the_default_language_has_texts() -> None:
    """Without it nobody could be answered whose language is unknown."""
    with pytest.raises(ConfigurationInvalid, match="no texts in the default language en"):
        messages('ru:a | "а"')
    assert messages('ru:a | "а"', default="ru").t("a", "fr") == "а"


def test_a_plural_may_give_an_exact_number_for_a_category() -> None:
    """English has `one` only for 1, so `=1` is enough."""
    assert said("{n, plural, =1{one set} other{# sets}}", n=1) == "one set"


# -- placeholders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "english", "russian"),
    [
        (0, "no sets", "нет подходов"),
        (1, "1 set", "1 подход"),
        (2, "2 sets", "2 подхода"),
        (5, "5 sets", "5 подходов"),
        (11, "11 sets", "11 подходов"),
        (21, "21 sets", "21 подход"),
        (111, "111 sets", "111 подходов"),
        (1.5, "1.5 sets", "1,5 подхода"),
        (1234, "1,234 sets", "1\xa0234 подхода"),
        (-1, "-1 set", "-1 подход"),
        (1.0, "1 set", "1 подход"),
        (Decimal("1.00"), "1 set", "1 подход"),
        (1.0001, "1 set", "1 подход"),  # as it is shown
        (Decimal("0.0"), "no sets", "нет подходов"),
    ],
)
@pytest.mark.req("S2-75")
def test_a_plural_agrees_with_its_number(number: float | Decimal, english: str, russian: str) -> None:
    """By the rules of the language, for the number as it is shown; an exact number comes first."""
    texts = messages(SETS)
    assert texts.t("sets", "en", n=number) == english
    assert texts.t("sets", "ru", n=number) == russian


@given(st.integers(-(10**6), 10**6) | st.decimals(-1000, 1000, places=4))
def test_every_number_has_a_russian_form(number: int | Decimal) -> None:
    """What is shown is the number and one of the forms, never nothing."""
    shown = messages(SETS).t("sets", "ru", n=number)
    assert re.fullmatch(r"нет подходов|-?[\d\xa0]+(,\d+)? подход(а|ов)?", shown)


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("Hello, {name}!", {"name": "Ann {x} '"}, "Hello, Ann {x} '!"),
        ("{ name }{name}", {"name": 1234}, "12341234"),
        ("{n, number} km", {"n": 1234567.5}, "1,234,567.5 km"),
        ("{who, select, client{You} admin{The boss} other{Someone}} came", {"who": "admin"}, "The boss came"),
        ("{who, select, client{You} other{Someone}} came", {"who": "x"}, "Someone came"),
        ("{paid, select, true{paid} other{open}}", {"paid": True}, "paid"),
        (
            "{who, select, her{{n, plural, one{her # set} other{her # sets}}} other{#}}",
            {"who": "her", "n": 2},
            "her 2 sets",
        ),
        ("{n, plural, one{#} other{{who, select, other{{who}: #}}}}", {"n": 2, "who": "Ann"}, "Ann: 2"),
        ("{a, plural, one{x} other{{b, plural, one{#} other{#}}/#}}", {"a": 3, "b": 1}, "1/3"),
        ("{n,plural,\n one {# a}\n other\t{# b}\n}", {"n": 1}, "1 a"),
        ("{n, plural, one{ # } other{}}", {"n": 1}, " 1 "),
        ("{n, plural, one{'#' '{'#'}'} other{}}", {"n": 1}, "# {1}"),
        ("{n, plural, =1.5{one and a half} one{} other{}}", {"n": 1.5}, "one and a half"),
        ("#{n}", {"n": 3}, "#3"),
        ("{day, date}", {"day": datetime.date(2026, 1, 2)}, "Jan 2, 2026"),
        ("{day, date, long}", {"day": datetime.datetime(2026, 1, 2, 23)}, "January 2, 2026"),
        ("{at, time, short}", {"at": datetime.time(15, 4)}, "3:04\u202fPM"),
    ],
)
@pytest.mark.req("S2-75")
def test_placeholders_show_their_arguments(text: str, values: dict[str, object], shown: str) -> None:
    """Plain, as a number, a date or a time, by plural, by select, and one in another."""
    assert said(text, **values) == shown


def test_numbers_and_dates_are_written_as_the_language_writes_them() -> None:
    """The conventions are CLDR's."""
    assert said("{n, number}", "ru", n=1234567.5) == "1\xa0234\xa0567,5"
    assert said("{n, number}", "de", n=Decimal("1234.5")) == "1.234,5"
    assert said("{day, date, long}", "ru", day=datetime.date(2026, 1, 2)) == "2 января 2026\u202fг."


def test_a_moment_is_shown_in_its_own_time_zone() -> None:
    """Which zone a person lives in is for the bot to say."""
    moment = datetime.datetime(2026, 1, 2, 0, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=3)))
    assert said("{at, date, short} {at, time, short}", "ru", at=moment) == "02.01.2026 00:30"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'{'n'}'", "{n}"),
        ("'{n}'", "{n}"),
        ("it's", "it's"),
        ("it''s", "it's"),
        ("'{it''s}'", "{it's}"),
        ("'quoted'", "'quoted'"),
        ("'#'", "'#'"),
    ],
)
def test_braces_and_apostrophes_can_be_written(text: str, shown: str) -> None:
    """An apostrophe quotes only what begins with a brace."""
    assert said(text) == shown


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "is missing"),
        ({"m": 1}, "is missing"),
        ({"n": "3"}, "is '3': give a number"),
        ({"n": None}, "is None: give a number"),
        ({"n": True}, "is True: give a number"),
        ({"n": float("nan")}, "is nan: give a finite number"),
        ({"n": float("-inf")}, "is -inf: give a finite number"),
        ({"n": 10**40}, "give a finite number of at most 28 digits"),
    ],
)
def test_an_argument_that_cannot_be_shown_is_named(values: dict[str, object], why: str) -> None:
    """With the key and the language."""
    with pytest.raises(ArgumentInvalid) as error:
        messages(SETS).t("sets", "ru", **values)
    assert isinstance(error.value, AuthorError)
    assert str(error.value).startswith("t('sets'), ru:sets in messages.txt:3: argument 'n' ")
    assert why in str(error.value)


@pytest.mark.parametrize("text", ["{at, date}", "{at, time}"])
def test_a_text_is_no_date_and_no_time(text: str) -> None:
    """Parsing one would be guessing."""
    with pytest.raises(ArgumentInvalid, match="argument 'at' is '2026-01-02': give a "):
        said(text, at="2026-01-02")


def test_arguments_that_a_text_does_not_name_are_ignored() -> None:
    """Callers may give what only some texts show."""
    assert said("Hello", name="Ann") == "Hello"
    assert said("{name}", name="Ann", n=1) == "Ann"


# -- languages and keys -----------------------------------------------------------------------------------------

FAMILY = """
en:a | "a en"
en:b | "b en"
en:c | "c en"
pt:a | "a pt"
pt:b | "b pt"
pt-BR:a | "a br"
fr:d | "d fr"
"""


@pytest.mark.parametrize(
    ("lang", "shown"),
    [
        ("pt-BR", ["a br", "b pt", "c en"]),
        ("pt-br", ["a br", "b pt", "c en"]),
        ("pt_BR", ["a br", "b pt", "c en"]),
        ("pt-BR-x-shop", ["a br", "b pt", "c en"]),
        ("pt-PT", ["a pt", "b pt", "c en"]),
        ("pt", ["a pt", "b pt", "c en"]),
        ("fr", ["a en", "b en", "c en"]),
        ("en-GB", ["a en", "b en", "c en"]),
        ("de", ["a en", "b en", "c en"]),
        ("?-", ["a en", "b en", "c en"]),
        ("", ["a en", "b en", "c en"]),
        (None, ["a en", "b en", "c en"]),
    ],
)
@pytest.mark.req("S2-75")
def test_a_language_falls_back_to_its_parent_and_the_default(lang: str | None, shown: list[str]) -> None:
    """Text by text, whatever case and separator the tag is written with."""
    texts = messages(FAMILY)
    assert [texts.t(key, lang) for key in "abc"] == shown


def test_a_text_that_was_fallen_back_to_keeps_its_own_rules() -> None:
    """An English text shown to a Russian counts in English."""
    assert messages('en:n | "{n, number}"\nru:a | "а"\nen:a | "a"').t("n", "ru", n=1234.5) == "1,234.5"


@pytest.mark.req("S2-40", "E2-11")
def test_an_unknown_key_is_an_error_that_names_the_nearest() -> None:
    """The key itself is never shown to a person."""
    texts = messages('en:start.hello | "Hello"\nen:stop | "Bye"')
    with pytest.raises(UnknownKey) as error:
        texts.t("start.helo", "en")
    assert str(error.value) == "t('start.helo'): there is no such key: did you mean start.hello?"
    assert isinstance(error.value, KeyError)
    assert isinstance(error.value, AuthorError)
    with pytest.raises(UnknownKey, match=r"t_all\('zzz'\): there is no such key: add a line for it"):
        texts.t_all("zzz")


def test_a_key_of_another_language_only_is_unknown() -> None:
    """It is said where the text is, so that the default's is added."""
    with pytest.raises(UnknownKey, match="has a text in fr only"):
        messages(FAMILY).t("d", "ru")
    assert messages(FAMILY).t("d", "fr-CA") == "d fr"


@pytest.mark.req("S2-40")
def test_all_languages_texts_of_a_key_are_at_hand() -> None:
    """So a press of a reply-keyboard button is known whatever language the keyboard was sent in."""
    texts = messages('en:yes | "Yes"\nru:yes | "Да"\nuk:yes | "Так"\nde:yes | "Yes"')
    assert texts.t_all("yes") == {"Yes", "Да", "Так"}


def test_a_text_with_placeholders_is_no_button() -> None:
    """What it says depends on arguments, so it cannot be matched."""
    with pytest.raises(ArgumentInvalid, match=r"t_all\('sets'\): en:sets has placeholders \(n\)"):
        messages(SETS).t_all("sets")


def test_languages_are_listed_as_written_and_the_default_first() -> None:
    """A settings menu shows them."""
    assert messages(FAMILY, default="pt").languages == ("pt", "en", "fr", "pt-BR")
