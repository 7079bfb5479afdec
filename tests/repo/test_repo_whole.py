"""The repository as a whole: what no single module can promise."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import posthouse

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "posthouse"
TESTS = ROOT / "tests"
REQUIREMENTS = set((Path(__file__).with_name("requirement_ids.txt")).read_text().split())
# Written without their slashes, so that this file does not name what it forbids.
MACHINE_PATHS = tuple(f"/{folder}/" for folder in ("work", "tmp/" + "scratch", "home/user", "Users"))
TEXTS = frozenset({".py", ".toml", ".md", ".txt", ".sql", ".jsonl", ".yml", ".yaml", ".json", ".lock", ".js", ".css"})


def modules(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def is_module(name: str) -> bool:
    return (SOURCE / f"{name}.py").exists() or (SOURCE / name).is_dir()


def tracked() -> list[Path]:
    """Every text file that belongs to the repository: what git tracks or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout (a source archive, say), so nothing says which files belong to it")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in files if path.is_file() and (path.suffix in TEXTS or not path.suffix)]


def test_every_layer_contract_holds() -> None:
    """Imports point down, adapters are strangers, the simulator contradicts: the contracts of pyproject.toml."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_nobody_inside_imports_the_package_root() -> None:
    """A module that imports `posthouse` itself would tie everything into one cycle (style §3)."""
    guilty = []
    for path, tree in modules(SOURCE):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and any(name.name == "posthouse" for name in node.names):
                guilty.append(f"{path.relative_to(ROOT)}:{node.lineno}")
            if (
                isinstance(node, ast.ImportFrom)
                and node.module == "posthouse"
                and not all(is_module(name.name) for name in node.names)  # `from posthouse import settings` is a module
            ):
                guilty.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert guilty == []


def test_the_public_names_are_exactly_these() -> None:
    """`__all__` is sorted, complete, and everything public that the root shows."""
    assert posthouse.__all__ == sorted(posthouse.__all__)
    shown = {
        name
        for name, value in vars(posthouse).items()
        if not name.startswith("_") and not hasattr(value, "__path__") and type(value).__name__ != "module"
    }
    assert shown == set(posthouse.__all__)


def test_a_program_names_each_schema_that_its_migrations_make() -> None:
    """A store compares one row with a constant; the constant is the newest revision of its scripts."""
    from posthouse.adapters import migrations, postgres, sqlite
    from posthouse.adapters.postgres.upkeep import SCHEMA as POSTGRES
    from posthouse.adapters.sqlite.schema import SCHEMA as SQLITE

    assert migrations.head(Path(sqlite.__file__).with_name("migrations")) == SQLITE
    assert migrations.head(Path(postgres.__file__).with_name("migrations")) == POSTGRES


def test_every_test_file_has_a_name_of_its_own() -> None:
    """There are no packages in `tests`, so two files of one name would be one module."""
    names = Counter(path.name for path in TESTS.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []
    assert list(TESTS.rglob("__init__.py")) == []


def test_no_file_names_a_place_of_one_machine() -> None:
    """A path of somebody's machine in the repository is a trap for everybody else."""
    guilty = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        guilty += [f"{path.relative_to(ROOT)}: {place}" for place in MACHINE_PATHS if place in text]
    assert guilty == []


def marked() -> Iterator[tuple[str, str]]:
    """(where, id) of every requirement that a test says it proves."""
    for path, tree in modules(TESTS):
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "req"
                and isinstance(node.func.value, ast.Attribute)
                and node.func.value.attr == "mark"
            ):
                for argument in node.args:
                    assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: write the id out"
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", str(argument.value)


def test_every_requirement_that_a_test_names_exists() -> None:
    """The ids are those of the requirements, listed beside this file."""
    assert [(where, name) for where, name in marked() if name not in REQUIREMENTS] == []
    assert len(REQUIREMENTS) > 400


def test_the_contracts_shipped_to_users_name_requirements_that_exist() -> None:
    """The same for the contract suites in `posthouse.testing`."""
    unknown = []
    for path, tree in modules(SOURCE / "testing"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "req":
                unknown += [
                    f"{path.name}:{node.lineno} {argument.value}"
                    for argument in node.args
                    if isinstance(argument, ast.Constant) and argument.value not in REQUIREMENTS
                ]
    assert unknown == []


def test_nothing_that_is_built_is_kept_in_git() -> None:
    """Bundles and screenshots are made, and what git ignores it does not track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout.split() == []
