"""The pages that people read, taken apart: fenced blocks, links, headings, and what stands in `code`.

    ```python file=bot.py      the block is written to that file; `add=bot.py` goes on with it
    ```toml file=posthouse.toml
    ```chat                    a conversation, played in the simulator
    ```sh                      commands; `text` and `mermaid` blocks are only looked at

What each kind of block means is in `docs_story.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block. `options` are the words after the language: `file=bot.py`."""

    page: str
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file, by its path in the repository."""

    path: str

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The page without its fenced blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self) -> Iterator[Block]:
        text = self.text
        for found in _FENCE.finditer(text):
            language, *words = found["info"].split() or [""]
            indent = len(found["indent"])
            body = "".join(line[indent:] if line.strip() else line for line in found["body"].splitlines(keepends=True))
            line = text.count("\n", 0, found.start()) + 1
            yield Block(self.path, line, language, dict(word.split("=", 1) for word in words if "=" in word), body)

    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def codes(self) -> list[str]:
        """What stands between single backticks."""
        return _CODE.findall(self.prose)

    def anchors(self) -> set[str]:
        """The names under which the headings can be linked, as GitHub makes them."""
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(self.prose)}


def pages() -> list[Page]:
    """All pages for people: those at the root, those of docs/, and the one about the tests."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "README.md"]
    return [Page(str(path.relative_to(ROOT))) for path in sorted(found)]
