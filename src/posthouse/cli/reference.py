"""The settings reference, made from `posthouse.settings`: its types, its defaults, and the comment on each line.

    python -m posthouse.cli.reference > docs/settings.md

Comments are read from the source, because they stand beside the fields they explain and nowhere else.
"""

from __future__ import annotations

import inspect
import io
import re
import tokenize
import typing
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec

from posthouse.settings import BotSection, ModelSection, Section, Settings

INTRODUCTION = """\
# Settings

<!-- Generated from src/posthouse/settings.py by `python -m posthouse.cli.reference`. Change that, not this. -->

`posthouse.toml` is read once, at start, from the current folder or from `--config FILE`. Relative paths count from the
folder of the file. `${NAME}` anywhere in a value stands for the environment variable `NAME`; a bot's `token` and
`secret` can be given in no other way. A key that is unknown or wrong, and a variable that is not set, stop the start
with the name of the key, the file and the mend. Durations and limits carry their unit in their name.

```toml
[http]
public_url = "https://bots.example.com"

[bots.shop]
program = "shop.bot:app"
token = "${SHOP_TOKEN}"
secret = "${SHOP_SECRET}"
```
"""
NAMED = {"bots": (BotSection, "bots.NAME"), "models": (ModelSection, "models.NAME")}  # tables of tables
META = {"path", "root"}  # where the file was found: not for the file itself
ORDER = (
    "bots",
    "store",
    "sessions",
    "http",
    "telegram",
    "ingress",
    "executor",
    "sender",
    "jobs",
    "retention",
    "blobs",
    "models",
    "log",
)


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    hints = typing.get_type_hints(Settings)
    parts += _top(hints)
    for name in (*ORDER, *(field for field in hints if field not in {*ORDER, *META, *_plain(hints)})):
        section, named = NAMED.get(name, (hints[name], name))
        parts += _table(section, f"[{named}]")
    return "\n".join(parts)


def _plain(hints: dict[str, Any]) -> list[str]:
    """The keys that stand outside any table."""
    return [name for name, hint in hints.items() if hint is str and name not in META]


def _top(hints: dict[str, Any]) -> Iterator[str]:
    yield "## At the top of the file\n"
    yield "| key | type | default | |\n|---|---|---|---|"
    comments = comments_of(Settings)
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    for name in _plain(hints):
        yield f"| `{name}` | {_type(hints[name])} | {_default(fields[name])} | {_sentence(comments.get(name, ''))} |"
    yield ""


def _table(section: type[Section], title: str) -> Iterator[str]:
    yield f"## `{title}`\n"
    yield "| key | type | default | |\n|---|---|---|---|"
    comments = comments_of(section)
    hints = typing.get_type_hints(section)
    nested: list[tuple[str, type[Section]]] = []
    for field in msgspec.structs.fields(section):
        hint = hints[field.name]
        tables = [part for part in (hint, *get_args(hint)) if isinstance(part, type) and issubclass(part, Section)]
        nested += [(field.name, table) for table in tables]
        comment = comments.get(field.name, "")
        yield f"| `{field.name}` | {_type(hint)} | {_default(field)} | {_sentence(comment)} |"
    yield ""
    told: set[type[Section]] = set()
    for name, table in nested:
        if table not in told:
            told.add(table)
            same = [other for other, its in nested if its is table]
            yield from _table(table, " and ".join(f"{title[:-1]}.{other}]" for other in same) if same else name)


def comments_of(section: type[Section]) -> dict[str, str]:
    """The comment on the line of each field."""
    comments: dict[str, str] = {}
    key = ""
    for token in tokenize.generate_tokens(io.StringIO(inspect.getsource(section)).readline):
        if token.type == tokenize.NAME and re.match(rf"    {token.string}\s*:", token.line) and token.start[1] == 4:
            key = token.string
        elif token.type == tokenize.COMMENT and key and not token.line.lstrip().startswith("#"):
            comments[key] = token.string.lstrip("# ")
    return comments


def _type(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f'`"{value}"`' for value in get_args(hint))
    if get_origin(hint) in (typing.Union, UnionType):
        return " or ".join(_type(part) for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is dict:
        return f"table of {_type(get_args(hint)[1])}s"
    if isinstance(hint, type) and issubclass(hint, Section):
        return "table, below"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}[hint]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if default is None or default in ({}, "") or isinstance(default, Section):
        return ""
    return f"`{msgspec.json.encode(default).decode()}`"


def _sentence(comment: str) -> str:
    return comment[:1].upper() + comment[1:].replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")
