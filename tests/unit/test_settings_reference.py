"""The settings reference is what the settings are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from posthouse import settings
from posthouse.cli.reference import comments_of, render
from posthouse.settings import Section, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
SECTIONS = [
    value
    for value in vars(settings).values()
    if isinstance(value, type) and issubclass(value, Section) and value not in (Section, Settings)
]


def test_the_page_is_generated() -> None:
    """docs/settings.md is what `python -m posthouse.cli.reference` prints."""
    assert PAGE.read_text(encoding="utf-8") == render()


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_setting_is_explained(section: type[Section]) -> None:
    """Each field has a comment beside it and a line in the reference."""
    fields = [field.name for field in msgspec.structs.fields(section)]
    assert sorted(comments_of(section)) == sorted(fields)
    assert all(f"| `{field}` |" in render() for field in fields)
