"""The SQL texts, one statement to a file in `sql/`; the comment at the head of each file is its contract."""

from __future__ import annotations

from importlib import resources


def load() -> dict[str, str]:
    """Every statement by the name of its file, without the leading comment, which the server need not parse."""
    folder = resources.files(__package__).joinpath("sql")
    return {
        file.name.removesuffix(".sql"): _body(file.read_text(encoding="utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def _body(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("--"):
        lines.pop(0)
    return "".join(lines).strip()
