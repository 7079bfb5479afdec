"""aiogram's own tests of FSM storages, isolations and scenes, against ours.

The tests are in aiogram's source distribution, not in its wheel. It is fetched once into `.cache/`, at the
address and with the hash that `uv.lock` pins, so they always are those of the installed version. Only its
`tests/` is unpacked (its `aiogram/` would hide the installed one). They import each other as `tests.…`, hence
the second pytest, whose import path has that folder first.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import os
import subprocess
import sys
import tarfile
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
EXPECTED = 12 + 3 + 1 + 14  # storages, isolations, issue 1317, scene history


def pinned_sdist() -> tuple[str, str, str]:
    """Version, address and SHA-256 of aiogram's source distribution in `uv.lock`."""
    lock = tomllib.loads((CHECKOUT / "uv.lock").read_text())
    (package,) = [package for package in lock["package"] if package["name"] == "aiogram"]
    return package["version"], package["sdist"]["url"], package["sdist"]["hash"].removeprefix("sha256:")


@pytest.fixture(scope="module")
def vendored() -> Path:
    """The folder that holds aiogram's `tests` package."""
    version, url, sha256 = pinned_sdist()
    folder = CHECKOUT / ".cache" / f"aiogram-{version}-{sha256[:12]}"
    if not (folder / "tests").is_dir():
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                archive = response.read()
        except urllib.error.URLError as error:
            pytest.skip(f"aiogram's tests are not in .cache and cannot be fetched from {url}: {error}")
        assert hashlib.sha256(archive).hexdigest() == sha256, f"{url} is not what uv.lock pins"
        _unpack(archive, folder)
    return folder


def _unpack(archive: bytes, folder: Path) -> None:
    """Unpack `tests/` beside its place, then move it there: half of it never looks like all of it."""
    part = folder.with_name(f"{folder.name}.{os.getpid()}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        wanted = [member for member in tar.getmembers() if member.name.split("/")[1:2] == ["tests"]]
        for member in wanted:
            member.name = member.name.split("/", 1)[1]
        tar.extractall(part, members=wanted, filter="data")
    try:
        part.rename(folder)
    except OSError:  # another run was faster
        assert (folder / "tests").is_dir()


def test_the_pinned_version_is_installed() -> None:
    """The tests that run are those of the aiogram that is hosted."""
    assert pinned_sdist()[0] == importlib.metadata.version("aiogram")


def test_aiogram_s_own_tests_pass_on_our_storage(vendored: Path) -> None:
    """TestStorages, TestIsolations, TestHistoryManager and the test of issue 1317 pass with our parts."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        str(HERE / "inside" / "pytest.ini"),
    ]
    paths = [str(vendored), str(HERE / "inside"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_COLOR": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    ran = subprocess.run(
        [*command, str(HERE / "inside")],
        env=environment,
        cwd=HERE / "inside",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{EXPECTED} passed" in ran.stdout, ran.stdout
