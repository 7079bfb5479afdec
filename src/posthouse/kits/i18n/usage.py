"""Whether code and texts fit: which keys a package asks for, found in its source without running it.

    t("start")  turn.t("start")  t_all("button.yes")     uses that key
    t("a" if new else "b")                               uses both
    t(f"style.{name}")                                   uses every key that begins with `style.`
    STYLES = {"hall": N_("style.hall")}                  uses that key: it is kept in a table
    t(N_(STYLES[name]))                                  asks for one that a table keeps, which is marked there
    t(anything_else)                                     cannot be checked, which is a problem itself

Functions are known by these names alone, so import them as they are. Inside a folder or module called `i18n`, where the
functions are made, whatever they pass on is right.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posthouse.kits.i18n.messages import Messages, no_such_key

Kind = Literal["missing", "unknown", "unused", "unchecked", "argument"]

_ASKING = ("t", "t_all", "N_")


def N_(key: str) -> str:
    """Mark a key that is kept in a table, so that `check` sees its use; or one that is taken from there."""
    return key


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not fit.

    missing    a language has no text for a key
    unknown    code asks for a key that no language has
    unused     no code asks for a key
    unchecked  code asks for a key that cannot be read from the source, or the source itself cannot be read
    argument   code asks for a text without an argument that it needs
    """

    kind: Kind
    where: str
    """file:line, of the text or of the code"""
    what: str
    """What is wrong, and the mend."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class _Use:
    """One place where code names keys: these, or those that begin with one of these."""

    function: str
    where: str
    keys: tuple[str, ...]
    prefixes: tuple[str, ...]
    arguments: frozenset[str] | None
    """The names given to t(); None if they cannot be known."""


def check(messages: Messages, package_folder: str | Path) -> list[Problem]:
    """All that does not fit between texts and the Python files under a folder (or one file); empty when all does."""
    folder = Path(package_folder)
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    if not paths:
        raise FileNotFoundError(f"{folder} has no Python files: name the package that uses these texts")
    return check_sources(messages, {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in paths})


def assert_complete(messages: Messages, package_folder: str | Path) -> None:
    """Raise AssertionError with every problem that `check` finds: one line in a bot's tests, and the build fails."""
    problems = check(messages, package_folder)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise AssertionError("\n".join([f"texts and code do not fit, {count}:", *(f"  {each}" for each in problems)]))


def check_sources(messages: Messages, sources: Mapping[str, str | bytes]) -> list[Problem]:
    """`check` for sources that are at hand, by their paths: first the code, then the texts."""
    problems: list[Problem] = []
    uses: list[_Use] = []
    for path, source in sources.items():
        try:
            tree = ast.parse(source, path)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            why = getattr(error, "msg", error)
            problems.append(Problem("unchecked", f"{path}:{line}", f"this is no Python that can be read: {why}"))
            continue
        for found in _uses_in(tree, path):
            if isinstance(found, _Use):
                uses.append(found)
                problems += _misuses(messages, found)
            elif not _makes_functions(path):
                problems.append(found)
    return problems + _missing(messages) + _unused(messages, uses)


def _misuses(messages: Messages, use: _Use) -> Iterator[Problem]:
    for key in use.keys:
        if not messages.texts_of(key):
            yield Problem("unknown", use.where, f"{use.function}({key!r}): {no_such_key(messages, key)}")
            continue
        needed = messages.texts_of(key)[0].names
        if use.function == "t_all" and needed:
            what = f"t_all({key!r}): this text has placeholders ({', '.join(sorted(needed))}), so it is no fixed text"
            yield Problem("argument", use.where, what)
        elif use.function == "t" and use.arguments is not None and needed - use.arguments:
            lacked = ", ".join(f"{name}=…" for name in sorted(needed - use.arguments))
            yield Problem("argument", use.where, f"t({key!r}) lacks {lacked}: the text has that placeholder")
    for prefix in use.prefixes:
        if not any(key.startswith(prefix) for key in messages.keys):
            what = f'{use.function}(f"{prefix}…"): no key begins like this: add one, or mend the prefix'
            yield Problem("unknown", use.where, what)


def _missing(messages: Messages) -> list[Problem]:
    return [
        Problem("missing", text.where, f"{text} has no text in {language}: add a line {language}:{key}")
        for key in messages.keys
        for text in messages.texts_of(key)[:1]
        for language in messages.lacking(key)
    ]


def _unused(messages: Messages, uses: list[_Use]) -> list[Problem]:
    named = {key for use in uses for key in use.keys}
    prefixes = tuple({prefix for use in uses for prefix in use.prefixes})
    return [
        Problem("unused", text.where, f"no code asks for {key}: delete its lines, or mark its use with N_({key!r})")
        for key in messages.keys
        if key not in named and not key.startswith(prefixes)
        for text in messages.texts_of(key)[:1]
    ]


def _makes_functions(path: str) -> bool:
    parts = Path(path).with_suffix("").parts
    return "i18n" in parts


def _uses_in(tree: ast.Module, path: str) -> Iterator[_Use | Problem]:
    taken_from_tables: set[ast.expr] = set()
    for node in ast.walk(tree):  # a call comes before the calls in its arguments
        function = _function(node)
        if not isinstance(node, ast.Call) or function is None:
            continue
        asked = _asked(node)
        if asked is None:
            continue  # without a key it is another function of that name
        if function != "N_" and _function(asked) == "N_":
            taken_from_tables.add(asked)
            continue
        where = f"{path}:{node.lineno}"
        keys: list[str] = []
        prefixes: list[str] = []
        try:
            for key, is_whole in _keys(asked):
                (keys if is_whole else prefixes).append(key)
        except _NotLiteral:
            if node not in taken_from_tables:
                yield Problem(
                    "unchecked",
                    where,
                    f"{function}({ast.unparse(asked)}) cannot be checked: use N_ where the keys are kept and here, "
                    f't(N_(…)), or write the key out, or at least its beginning, t(f"beginning.{{…}}")',
                )
            continue
        yield _Use(function, where, tuple(keys), tuple(prefixes), _arguments(node))


class _NotLiteral(Exception):
    """A key is computed."""


def _function(node: ast.AST) -> str | None:
    """Which of our functions this calls, by its last name."""
    if not isinstance(node, ast.Call):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    return name if name in _ASKING else None


def _asked(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0]
    return next((keyword.value for keyword in call.keywords if keyword.arg == "key"), None)


def _keys(asked: ast.expr) -> Iterator[tuple[str, bool]]:
    """The keys that this expression can be, each with whether it is whole or a beginning; or raise `_NotLiteral`."""
    match asked:
        case ast.Constant(value=str(key)):
            yield key, True
        case ast.IfExp(body=body, orelse=orelse):
            yield from _keys(body)
            yield from _keys(orelse)
        case ast.JoinedStr(values=[ast.Constant(value=str(key))]):
            yield key, True
        case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), *_]):
            yield prefix, False
        case _:
            raise _NotLiteral


def _arguments(call: ast.Call) -> frozenset[str] | None:
    names = [keyword.arg for keyword in call.keywords]
    return None if None in names else frozenset(name for name in names if name is not None)
