"""The pictures of the bundled bots' flows are drawn from the tables that run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from posthouse import App, Flow, On, Refuse
from posthouse.cli.diagrams import FOLDER, MARK, WHOSE, render, write
from posthouse.core.sessions import Reason, Strategy

ROOT = Path(__file__).parents[2]

app = App("kiosk")
app.add(
    Flow(
        "order",
        start=("choosing", "confirming"),
        states={"choosing": None, "confirming": None, "ordered": None},
        final=("ordered",),
        rows=[
            On("choosing", "order.pick", to="confirming"),
            On("confirming", "order.confirm", to="ordered"),
            Refuse("ordered", "order.confirm", Reason.ALREADY_DONE),
        ],
        ttl=timedelta(hours=1),
    )
)
app.add(
    Flow(
        "light",
        start="off",
        states={"off": None, "on": None},
        rows=[On("off", "light.on", to="on"), On("on", "light.off", to="off")],
        strategy="chat",
        ttl=None,
    )
)
KIOSK = {"kiosk": f"{__name__}:app"}

PAGE = f"""\
# Flows of kiosk

<!-- Generated from {__name__}:app {MARK}

## order

A session begins in `choosing` or `confirming` and ends in `ordered`. Each person has their own in each chat; \
it expires when nothing has happened to it for 1 hour.

```mermaid
stateDiagram-v2
    [*] --> choosing
    [*] --> confirming
    choosing --> confirming : order.pick
    confirming --> ordered : order.confirm
    ordered --> [*]
    note right of ordered
        order.confirm is refused, already_done
    end note
```

## light

A session begins in `off` and does not end by itself. Everybody in a chat shares one; it does not expire.

```mermaid
stateDiagram-v2
    [*] --> off
    off --> on : light.on
    on --> off : light.off
```
"""


def pages_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*")}


def test_the_pages_are_generated() -> None:
    """docs/flows is what `python -m posthouse.cli.diagrams` writes: nothing differs, is missing or left over."""
    assert pages_of(ROOT / FOLDER) == render()


def test_a_page_has_a_heading_a_sentence_and_a_picture_for_each_flow() -> None:
    """In the order in which the application has them."""
    assert render(KIOSK)["kiosk.md"] == PAGE
    assert "| [kiosk](kiosk.md) | order, light |" in render(KIOSK)["README.md"]


def test_without_applications_there_is_a_list_that_says_so() -> None:
    """So that a link to it is never dead."""
    assert [*render({})] == ["README.md"]
    assert "No bundled bot has flows yet." in render({})["README.md"]


def test_a_page_that_is_not_wanted_any_more_goes(tmp_path: Path) -> None:
    """What was generated is removed; what somebody wrote stays, and writing again changes nothing."""
    write(tmp_path, KIOSK)
    (tmp_path / "by-hand.md").write_text("# Mine\n")
    assert {*pages_of(tmp_path)} == {"README.md", "kiosk.md", "by-hand.md"}
    write(tmp_path, {})
    assert pages_of(tmp_path) == render({}) | {"by-hand.md": "# Mine\n"}


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_has_words(strategy: Strategy) -> None:
    """Whose a session is can be said of each."""
    assert WHOSE[strategy]
