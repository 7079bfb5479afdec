"""What hosting costs those who do not host."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["posthouse.programs", "posthouse.programs.app", "posthouse.programs.turn"])
def test_native_programs_do_not_import_aiogram(module: str) -> None:
    """aiogram, a second of import and 90 MB, is met only with a hosted Dispatcher."""
    code = f"import sys, {module}; sys.exit('aiogram' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
