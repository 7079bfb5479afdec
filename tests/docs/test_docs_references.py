"""What a page points at exists: files, headings, tests, symbols, metrics."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from docs_pages import ROOT, Page, pages
from prometheus_client import generate_latest

from posthouse import App, Job, Turn
from posthouse.ports.store import Gauges
from posthouse.runtime.metrics import Metrics

EVERY_PAGE = pytest.mark.parametrize("page", [pytest.param(page, id=page.path) for page in pages()])
FOLDERS = ("src/", "tests/", "docs/", "bench/", ".ci/")
OBJECTS = {"turn": Turn, "app": App, "job": Job}
SOURCE = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))


@EVERY_PAGE
def test_relative_links_resolve(page: Page) -> None:
    """A link leads to a file, and to a heading of it when it names one."""
    assert [link for link in page.links() if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Page, link: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return True  # the web is not ours to test
    target = _target(page, link)
    _, _, anchor = link.partition("#")
    return target.exists() and (not anchor or anchor in Page(str(target.relative_to(ROOT))).anchors())


def _target(page: Page, link: str) -> Path:
    name = link.partition("#")[0]
    return ((ROOT / page.path).parent / name).resolve() if name else ROOT / page.path


def test_every_page_can_be_reached() -> None:
    """From the README, by links alone."""
    known = {page.path: page for page in pages()}
    reached, to_read = {"README.md"}, ["README.md"]
    while to_read:
        page = known[to_read.pop()]
        for link in page.links():
            if re.match(r"[a-z]+:", link) or not _target(page, link).is_relative_to(ROOT):
                continue
            path = str(_target(page, link).relative_to(ROOT))
            if path in known and path not in reached:
                reached.add(path)
                to_read.append(path)
    assert sorted(set(known) - reached) == []


def test_every_folder_of_tests_is_explained() -> None:
    """Whoever asks where a test goes finds each folder that has some."""
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    explained = set(re.findall(r"`tests/(\w+)`", (ROOT / "tests" / "README.md").read_text()))
    assert sorted(folders - explained) == []


@EVERY_PAGE
def test_cited_files_and_tests_exist(page: Page) -> None:
    """A path in `code` is there; `path::name` is a test, class or function in it."""
    missing = []
    for code in page.codes():
        if not code.startswith(FOLDERS) or re.search(r"[<>{} …]", code):
            continue
        path, _, name = code.partition("::")
        found = list(ROOT.glob(path.rstrip("/"))) if path.rstrip("/") else []
        if not found or any(not re.search(rf"\b(def|class) {part}\b", found[0].read_text()) for part in _parts(name)):
            missing.append(code)
    assert missing == []


def _parts(name: str) -> list[str]:
    return [part for part in name.split("::") if part]


@EVERY_PAGE
def test_cited_symbols_exist(page: Page) -> None:
    """A dotted name of ours in `code` can be imported; `turn.…`, `app.…` and `job.…` exist on those objects."""
    missing = []
    for code in page.codes():
        name = re.match(r"(posthouse(?:_apps)?|turn|app|job)((?:\.[A-Za-z_]\w*)+)(?=$|\(|\[|\s)", code)
        if name is None or re.search(r"\.(toml|db|sock|lock)$", name[0]):
            continue
        if name[1] in OBJECTS:
            known = hasattr(OBJECTS[name[1]], name[2].split(".")[1]) or f'"{name[0]}"' in SOURCE
        else:
            known = _exists(name[0])
        if not known:
            missing.append(code)
    assert missing == []


def _exists(dotted: str) -> bool:
    module, *names = dotted.split(".")
    found = importlib.import_module(module)
    for name in names:
        module = f"{module}.{name}"
        if hasattr(found, name):
            found = getattr(found, name)
            continue
        if name in getattr(found, "__dataclass_fields__", {}) or name in getattr(found, "__annotations__", {}):
            return True
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            return False
    return True


@EVERY_PAGE
def test_cited_metrics_are_on_the_page(page: Page) -> None:
    """A metric that is named is one that `/metrics` shows."""
    metrics = Metrics()
    metrics.show_gauges(Gauges)
    shown = generate_latest(metrics.registry).decode()
    named = {code for code in page.codes() if re.fullmatch(r"posthouse_[a-z_]+", code) and code != "posthouse_apps"}
    assert {name for name in named if f"# TYPE {name.removesuffix('_total')}" not in shown} - _tables() == set()


def _tables() -> set[str]:
    """Names that look like a metric's and are a table's or a field's."""
    return set(re.findall(r"""["'](posthouse_[a-z_]+)["']""", SOURCE))
