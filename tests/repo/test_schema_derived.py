"""The simulator's schema of the Bot API is what its script derives from the pinned aiogram."""

from __future__ import annotations

import importlib.util
import os
import urllib.error
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "derive_schema.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derive_schema", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_is_what_the_script_derives(script: ModuleType) -> None:
    """Nobody edited `bot_api.json`, and it is that of the aiogram in `uv.lock`."""
    try:
        archive = script.fetch()
    except urllib.error.URLError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"aiogram's source distribution is not in .cache and cannot be fetched: {error}")
    assert script.TARGET.read_text(encoding="utf-8") == script.derive(archive)


def test_an_expression_is_read_from_prose(script: ModuleType) -> None:
    """The few ways in which Telegram's page writes a type."""
    assert script.expression("Array of Array of PhotoSize") == "[[PhotoSize]]"
    assert script.expression("Integer or String") == "Integer | String"
    assert script.expression("Array of InputMediaAudio, InputMediaPhoto and InputMediaVideo") == (
        "[InputMediaAudio | InputMediaPhoto | InputMediaVideo]"
    )
