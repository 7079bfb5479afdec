"""Every fenced block of every page runs: what a page shows is what happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from docs_pages import Block, Page, pages
from docs_story import Story, check_command, commands, parsed
from structlog.testing import capture_logs

RUN = {"python", "toml", "sh", "chat"}
SHOWN = {"text", "mermaid"}

BLOCKS = [block for page in pages() for block in page.blocks()]
STORIES = [page for page in pages() if any(block.language in RUN for block in page.blocks())]


def of(*languages: str) -> list[object]:
    return [pytest.param(block, id=block.where) for block in BLOCKS if block.language in languages]


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """What the page's configuration finds in its environment, beside made-up tokens."""
    page: Page = request.getfixturevalue("page")
    if "${DATABASE_URL}" in page.text:
        return {"DATABASE_URL": request.getfixturevalue("database")}
    return {}


def test_every_block_says_what_it_is() -> None:
    """A block without a language, or in one that nothing runs, would be a claim that cannot fail."""
    assert [block.where for block in BLOCKS if block.language not in RUN | SHOWN] == []


@pytest.mark.parametrize("block", of("toml"))
def test_configurations_are_valid(block: Block) -> None:
    """A configuration that is shown is one that a process would start with."""
    parsed(block)


@pytest.mark.parametrize("block", of("sh"))
def test_commands_exist(block: Block) -> None:
    """Each command that is shown exists, with each of its options."""
    for words in commands(block):
        check_command(words)


@pytest.mark.parametrize("page", [pytest.param(page, id=page.path) for page in STORIES])
async def test_a_page_does_what_it_says(page: Page, environment: Mapping[str, str], tmp_path: Path) -> None:
    """The blocks of a page, done in order: files written, code executed, conversations held, commands run."""
    with capture_logs():
        async with Story(tmp_path, environment) as story:
            for block in page.blocks():
                try:
                    await story.tell(block)
                except BaseException as error:
                    error.add_note(f"in the block at {block.where}")
                    raise
            await story.end()
