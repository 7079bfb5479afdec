"""`posthouse new`: what it makes runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_stage import Serving

from posthouse.simulator import Simulator
from posthouse.testing.town import Town

FILES = [
    ".env.example",
    ".gitignore",
    "README.md",
    "bot.py",
    "conftest.py",
    "posthouse.toml",
    "pyproject.toml",
    "test_bot.py",
]


def posthouse(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "posthouse.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("flags", [[], ["--aiogram"]], ids=["native", "aiogram"])
async def test_its_own_test_passes(tmp_path: Path, flags: list[str]) -> None:
    """The project's test is green with warnings as errors, as it was written."""
    made = await asyncio.to_thread(posthouse, "new", "my-shop", *flags, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    project = tmp_path / "my-shop"
    assert sorted(path.name for path in project.iterdir()) == FILES
    assert "$" not in (project / "bot.py").read_text()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"),
        cwd=project,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(120):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


async def test_it_runs_against_the_simulator_right_away(tmp_path: Path) -> None:
    """With the environment of .env.example and a simulator, a person gets an answer."""
    made = await asyncio.to_thread(posthouse, "new", "shop", cwd=tmp_path)
    assert made.returncode == 0
    project = tmp_path / "shop"
    lines = (project / ".env.example").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    async with Simulator() as simulator, Town(simulator.url) as town:
        config = (project / "posthouse.toml").read_text()
        (project / "posthouse.toml").write_text(config.replace("http://127.0.0.1:8081", simulator.url))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "posthouse.cli.main", "up", "--port", "0"),
            cwd=project,
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        serving = Serving(process)
        await serving.wait_out("ready in")
        token = environment["SHOP_TOKEN"]
        ann = await town.person("Ann")
        await ann.says("tea", to=token)
        await ann.chat_with(token).shows("1: tea")
        assert await serving.stop() == 0


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    """An existing project is not touched; a name that cannot name a bot is refused."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "bot.py").write_text("mine")
    ended = posthouse("new", "shop", cwd=tmp_path)
    assert ended.returncode == 2
    assert "is not empty" in ended.stderr
    assert (tmp_path / "shop" / "bot.py").read_text() == "mine"
    assert posthouse("new", "5 shops", cwd=tmp_path).returncode == 2
