"""The bench holds together: its modules import, its tables name what exists, and its smallest figure runs."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))


def test_every_module_imports() -> None:
    """Each module of the bench imports without doing anything."""
    names = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for folder in ("bench", "bench/figures")
        for path in (REPOSITORY / folder).glob("*.py")
    ]
    assert len(names) > 15
    for name in names:
        importlib.import_module(name)


def test_every_figure_can_be_measured() -> None:
    """Every name that `python -m bench` takes is a module with `measure`, and every module has such a name."""
    figures = importlib.import_module("bench.__main__").FIGURES
    modules = {path.stem for path in (REPOSITORY / "bench/figures").glob("*.py")} - {"__init__"}
    assert set(figures) == modules
    for name in figures:
        assert callable(importlib.import_module(f"bench.figures.{name}").measure)


def test_what_is_compared_exists() -> None:
    """The saturation table compares servers that can be started, and measures every one it compares."""
    saturation = importlib.import_module("bench.figures.saturation")
    servers = set(importlib.import_module("bench.ours").VARIANTS) | set(importlib.import_module("bench.peers").PEERS)
    assert set(saturation.ORDER) <= servers
    for ours, times, peers in saturation.TARGETS:
        assert {ours, *peers} <= set(saturation.ORDER)
        assert times > 0


def test_settings_of_the_variants_are_valid() -> None:
    """Each variant's configuration is one that `posthouse up` would take."""
    ours = importlib.import_module("bench.ours")
    settings = importlib.import_module("posthouse.settings")
    for variant in ours.VARIANTS.values():
        store_url = "sqlite:///posthouse.db" if variant.store == "sqlite" else "postgresql://nobody@/nowhere"
        raw = ours.configuration(variant, store_url, 0)
        environment = {"BENCH_TOKEN": ours.TOKEN, "BENCH_SECRET": ours.SECRET}
        settings.parse(raw, path=Path("posthouse.toml"), environment=environment)


def test_the_judge_of_the_sender_finds_broken_limits() -> None:
    """Calls within Telegram's limits pass; a bot, a chat or a group over its limit is found."""
    sending = importlib.import_module("bench.figures.sending")
    steady = [(second / 30, 1, 1000 + second) for second in range(90)]
    assert sending.refusals(steady) == 0
    assert sending.busiest_window([(at, bot) for at, bot, _ in steady], 1.0) <= 31
    burst = [(0.0, 1, chat) for chat in range(1, 41)]
    assert sending.refusals(burst) == 10
    assert sending.busiest_window([(at, bot) for at, bot, _ in burst], 1.0) == 40
    assert sending.refusals([(number / 10, 1, 7) for number in range(10)]) > 0
    assert sending.refusals([(number * 2.0, 1, -1_001_000_000_000) for number in range(25)]) == 5


def test_one_process_of_ours_can_be_measured() -> None:
    """A short load on the native bot comes back as a row, with every acknowledged update committed."""
    measured = (
        "import json; from bench.ours import run_ours; result = run_ours('native-sqlite', 0.2, 10);"
        " print(json.dumps([result.updates, result.updates_per_s]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured],
        cwd=REPOSITORY,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    updates, updates_per_s = json.loads(done.stdout)
    assert updates > 0
    assert updates_per_s > 0
