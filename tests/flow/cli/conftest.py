"""A project whose commands are run as processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_stage import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A native bot, its webhook registered by itself, and no Telegram behind it."""
    return Project(tmp_path)
