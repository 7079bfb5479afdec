"""`posthouse new NAME`: a project that runs at once, against the simulator, and has a test.

The files are those of `project/both` and of `project/native` or `project/aiogram`; `$name` and `$module` are filled in.
"""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Literal

from posthouse.core.errors import ConfigurationInvalid

SUFFIX = ".template"  # so that no tool takes the files for code of ours


def create(folder: Path, *, program: Literal["native", "aiogram"]) -> list[str]:
    """Write the project; returns what to say. Raises `ConfigurationInvalid` when the folder is in use."""
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name):
        raise ConfigurationInvalid(f"{name!r} names the bot too: use letters, digits, - and _, a letter first")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationInvalid(f"{folder} exists and is not empty: choose another name, or move it away")
    sources = files("posthouse.cli") / "project"
    values = {"name": name, "variable": re.sub(r"\W", "_", name).upper()}
    written = [*_copy(sources / "both", folder, values), *_copy(sources / program, folder, values)]
    return [
        f"Created {folder}: {', '.join(sorted(written))}",
        "",
        "See it work, without a token and without Telegram:",
        "  posthouse sim                              # in one terminal: a small Bot API server with people",
        f"  cd {folder} && cp .env.example .env",
        "  set -a; . ./.env; set +a; posthouse up     # in another",
        "Then read README.md: how to test it, and how to go on the air.",
    ]


def _copy(source: Traversable, folder: Path, values: dict[str, str]) -> list[str]:
    written = []
    for item in source.iterdir():
        if not item.name.endswith(SUFFIX):
            continue
        name = item.name.removesuffix(SUFFIX).replace("dot-", ".")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(Template(item.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
        written.append(name)
    return written
