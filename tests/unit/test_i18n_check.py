"""The build check: every key that code asks for has a text in every language, and every text is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse.kits.i18n import N_, Messages, Problem, assert_complete, check
from posthouse.kits.i18n.usage import check_sources

TEXTS = """
en:start | "Hello, {name}"
ru:start | "Привет, {name}"
en:yes | "Yes"
ru:yes | "Да"
en:style.hall | "Hall"
ru:style.hall | "Зал"
en:style.home | "Home"
ru:style.home | "Дом"
"""
EVERY_USE = """
def handler(turn, lang, style):
    t("start", lang, name="Ann")
    turn.t(f"style.{style}")
    return turn.message.text in t_all("yes")
"""


def texts(source: str = TEXTS) -> Messages:
    return Messages.parse({"messages.txt": source})


def problems(code: str, *, source: str = TEXTS, path: str = "bot/handlers.py") -> list[Problem]:
    """What is found beyond the keys that nobody asks for."""
    return [problem for problem in check_sources(texts(source), {path: code}) if problem.kind != "unused"]


def unused(code: str) -> list[str]:
    """The lines of the keys that nobody asks for."""
    found = check_sources(texts(), {"bot/handlers.py": code})
    assert {problem.kind for problem in found} <= {"unused"}
    return [problem.where for problem in found]


@pytest.mark.req("E2-11")
def test_texts_and_code_that_fit_have_no_problem() -> None:
    """Every key is asked for, and every language has it."""
    assert check_sources(texts(), {"bot/handlers.py": EVERY_USE}) == []


@pytest.mark.req("E2-11")
def test_a_key_that_a_language_lacks_is_missing() -> None:
    """For the default language as for any other; what a parent has, a dialect need not repeat."""
    found = problems("", source='en:a | "a"\npt:a | "a"\npt-BR:a | "a"\nen:b | "b"\npt:b | "b"\npt:c | "c"\nen:d | "d"')
    assert [(problem.kind, str(problem)) for problem in found] == [
        ("missing", "messages.txt:6: pt:c has no text in en: add a line en:c"),
        ("missing", "messages.txt:7: en:d has no text in pt: add a line pt:d"),
        ("missing", "messages.txt:7: en:d has no text in pt-BR: add a line pt-BR:d"),
    ]


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ('t("strat", lang)', "t('strat')"),
        ('turn.t("strat")', "t('strat')"),
        ('t(key="strat")', "t('strat')"),
        ('self.texts.t_all("strat")', "t_all('strat')"),
        ('LABELS = [N_("strat")]', "N_('strat')"),
        ('t("yes" if new else "strat")', "t('strat')"),
        ('t(N_("strat"))', "N_('strat')"),
        ('t("str" "at")', "t('strat')"),
        ('async def h(turn):\n  await turn.send(t(f"strat"))', "t('strat')"),
    ],
)
@pytest.mark.req("E2-11")
def test_a_key_that_no_language_has_is_unknown(code: str, asked: str) -> None:
    """However it is written out, with the line of the code and the key that was meant."""
    (problem,) = problems(f"\n{code}")
    assert problem.kind == "unknown"
    line = 2 + code.count("\n")
    assert str(problem) == f"bot/handlers.py:{line}: {asked}: there is no such key: did you mean start?"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("", ["2", "4", "6", "8"]),
        ('t("start", name=1)', ["4", "6", "8"]),
        ('t("start" if new else "yes", name=1)', ["6", "8"]),
        ('t(f"style.{name}"); t_all("yes")', ["2"]),
        ('A = {1: N_("style.hall"), 2: N_("yes")}', ["2", "8"]),
        ('print("start"); x.text("yes")', ["2", "4", "6", "8"]),
    ],
)
@pytest.mark.req("E2-11")
def test_a_key_that_no_code_asks_for_is_unused(code: str, lines: list[str]) -> None:
    """A string that is not given to t, t_all or N_ is no use."""
    assert unused(code) == [f"messages.txt:{line}" for line in lines]


@pytest.mark.parametrize(
    "code",
    ["t(key)", 't("a" + name)', 't(f"{name}.title")', "t(LABELS[name])", "t_all(*keys)", "turn.t(5)", "x = N_(key)"],
)
def test_a_computed_key_cannot_be_checked(code: str) -> None:
    """That is a problem too, and the mend is a mark."""
    (problem,) = problems(code)
    assert problem.kind == "unchecked"
    assert "cannot be checked: use N_" in problem.what
    assert problem.where == "bot/handlers.py:1"


def test_a_key_from_a_table_is_marked_there_and_where_it_is_asked_for() -> None:
    """`N_` gives its argument back, so both marks cost nothing."""
    assert N_("style.hall") == "style.hall"
    table = 'STYLES = {"hall": N_("style.hall"), "home": N_("style.hom")}'
    found = problems(f"{table}\nt(N_(STYLES[name]), lang)")
    assert [str(problem) for problem in found] == [
        "bot/handlers.py:1: N_('style.hom'): there is no such key: did you mean style.home or style.hall?"
    ]


@pytest.mark.parametrize("path", ["bot/i18n/loader.py", "bot/i18n.py"])
def test_the_module_that_makes_t_may_pass_on_any_key(path: str) -> None:
    """But a key that it writes out is checked as everywhere."""
    code = "def t(key, lang):\n    return messages.t(key, lang)"
    assert problems(code, path=path) == []
    assert [problem.kind for problem in problems(code, path="bot/i18n_views.py")] == ["unchecked"]
    assert [problem.kind for problem in problems('t("strat")', path=path)] == ["unknown"]


@pytest.mark.req("E2-11")
def test_the_beginning_of_a_key_uses_every_key_that_begins_so() -> None:
    """And at least one does."""
    assert unused('t(f"style.{name}")') == ["messages.txt:2", "messages.txt:4"]
    (problem,) = problems('t(f"stile.{name}")')
    assert (problem.kind, problem.what) == (
        "unknown",
        't(f"stile.…"): no key begins like this: add one, or mend the prefix',
    )


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ('t("start", lang)', "t('start') lacks name=…"),
        ('turn.t("start", nom="Ann")', "t('start') lacks name=…"),
        ('t_all("start")', "t_all('start'): this text has placeholders (name)"),
    ],
)
def test_a_placeholder_without_an_argument_is_found(code: str, what: str) -> None:
    """Before a person meets it."""
    (problem,) = problems(code)
    assert problem.kind == "argument"
    assert what in problem.what


def test_arguments_that_cannot_be_seen_are_trusted() -> None:
    """`**values` may hold them all."""
    assert problems('t("start", lang, **values)') == []


def test_a_function_of_that_name_without_a_key_is_another_one() -> None:
    """A matrix has a `t` too."""
    assert problems("matrix.t(); t(lang=1)") == []


def test_a_source_that_is_no_python_is_a_problem() -> None:
    """Its uses would be missed silently."""
    (problem,) = problems("x = 1\nt(")
    assert problem.kind == "unchecked"
    assert problem.where == "bot/handlers.py:2"


@pytest.mark.req("E2-11")
def test_a_folder_is_searched_to_the_bottom(tmp_path: Path) -> None:
    """Every Python file counts, named from the package on; one file alone may be given too."""
    (tmp_path / "bot" / "flows").mkdir(parents=True)
    (tmp_path / "bot" / "flows" / "admin.py").write_text('t("yes", lang)\nt("nope", lang)')
    (tmp_path / "bot" / "handlers.py").write_text(EVERY_USE)
    found = check(texts(), tmp_path / "bot")
    assert [(problem.kind, problem.where) for problem in found] == [("unknown", "bot/flows/admin.py:2")]
    assert check(texts(), tmp_path / "bot" / "handlers.py") == []
    with pytest.raises(FileNotFoundError, match="has no Python files"):
        check(texts(), tmp_path / "none")


@pytest.mark.req("E2-11")
def test_a_build_fails_with_every_problem(tmp_path: Path) -> None:
    """One call in a test: it passes silently, or lists all."""
    bot = tmp_path / "bot.py"
    bot.write_text(EVERY_USE)
    assert_complete(texts(), bot)
    bot.write_text('t("strat")\nt("yes")\nt(key)')
    with pytest.raises(AssertionError) as error:
        assert_complete(texts(), str(bot))
    first, *listed = str(error.value).splitlines()
    assert first == "texts and code do not fit, 5 problems:"
    assert [line.split(": ")[0].strip() for line in listed] == [
        "bot.py:1",
        "bot.py:3",
        "messages.txt:2",
        "messages.txt:6",
        "messages.txt:8",
    ]
