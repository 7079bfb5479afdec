"""What the tutorials promise about themselves."""

from __future__ import annotations

from collections import defaultdict

import pytest
from docs_pages import ROOT, Page

LINES_MAX = 40  # of Python, all that a reader has to copy: blank lines too
TUTORIALS = [
    Page(str(path.relative_to(ROOT)))
    for path in sorted((ROOT / "docs" / "tutorial").glob("*.md"))
    if path.name != "README.md"
]


@pytest.mark.parametrize("page", [pytest.param(page, id=page.path) for page in TUTORIALS])
def test_a_tutorials_bot_is_short(page: Page) -> None:
    """All Python files of a tutorial together have at most forty lines."""
    files: dict[str, list[str]] = defaultdict(list)
    for block in page.blocks():
        if block.language != "python":
            continue
        if "file" in block.options:
            files[block.options["file"]] = block.text.splitlines()
        else:
            files[block.options["add"]] += ["", "", *block.text.splitlines()]
    count = sum(len(lines) for lines in files.values())
    assert 0 < count <= LINES_MAX, f"{count} lines"


def test_the_index_names_every_tutorial() -> None:
    """In the order in which they are to be read, each once."""
    index = Page("docs/tutorial/README.md")
    named = [link for link in index.links() if link.endswith(".md") and "/" not in link]
    assert sorted(named) == sorted(page.path.rpartition("/")[2] for page in TUTORIALS)
