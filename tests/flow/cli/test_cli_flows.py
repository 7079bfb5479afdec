"""`posthouse flows`: the flows that the configured bots have, and their pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_stage import BOT, Project

CONFIG = """\
[models.writer]
provider = "anthropic"
model = "a-model"
api_key = "${MODEL_KEY_THAT_IS_NOT_SET}"

[bots.shop]
program = "shop:app"
token = "${SHOP_TOKEN}"
mode = "polling"

[bots.door]
program = "door:app"
token = "${DOOR_TOKEN}"
mode = "polling"

[bots.echo]
program = "bot:app"
token = "${ECHO_TOKEN}"
mode = "polling"
"""

SHOP = """\
from datetime import timedelta

from posthouse import App, Flow, On

app = App("shop")
order = app.add(
    Flow(
        "order",
        start="choosing",
        states={"choosing": None, "ordered": None},
        final=("ordered",),
        rows=[On("choosing", "order.pick", to="ordered")],
        formats=("rev", "bare"),
        ttl=timedelta(minutes=90),
    )
)
"""

DOOR = """\
from posthouse import App, Flow, On

app = App("door")
for name in ("front", "back"):
    app.add(
        Flow(
            name,
            start="shut",
            states={"shut": None, "open": None},
            rows=[On("shut", f"{name}.open", to="open"), On("open", f"{name}.shut", to="shut")],
            strategy="chat",
            ttl=None,
        )
    )
"""

PICTURE = """\
stateDiagram-v2
    [*] --> choosing
    choosing --> ordered : order.pick
    ordered --> [*]
"""


@pytest.fixture
def bots(tmp_path: Path) -> Project:
    """A bot with a flow, one with two, one with none; no token and no key is in the environment."""
    project = Project(tmp_path)
    (tmp_path / "posthouse.toml").write_text(CONFIG)
    for name, text in (("shop", SHOP), ("door", DOOR), ("bot", BOT)):
        (tmp_path / f"{name}.py").write_text(text)
    return project


async def test_flows_are_listed(bots: Project) -> None:
    """With what they are made of and how their sessions live; no database is needed."""
    listed = (await bots.command("flows", secrets=False)).out.splitlines()
    assert [line.split() for line in listed[1:]] == [
        ["shop", "order", "2", "1", "user_in_chat", "90", "minutes", "rev,", "bare"],
        ["door", "front", "2", "2", "chat", "for", "ever", "rev"],
        ["door", "back", "2", "2", "chat", "for", "ever", "rev"],
    ]
    [order, *_] = (await bots.command("flows", "list", "--json", secrets=False)).json
    assert order == {
        "bot": "shop",
        "flow": "order",
        "states": ["choosing", "ordered"],
        "start": ["choosing"],
        "final": ["ordered"],
        "events": ["order.pick"],
        "strategy": "user_in_chat",
        "ttl_s": 5400.0,
        "formats": ["rev", "bare"],
    }
    assert not bots.database.exists()


async def test_a_flow_is_drawn(bots: Project) -> None:
    """Mermaid and nothing else on stdout; where the bot has one flow alone its name can be left out."""
    assert (await bots.command("flows", "diagram", "shop", secrets=False)).out == PICTURE
    assert "back.open" in (await bots.command("flows", "diagram", "door", "back")).out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["shpo"], 2, "it has: shop, door, echo"),
        (["shop", "survey"], 1, "it has order"),
        (["door"], 2, "name one: front, back"),
        (["echo"], 1, "has no flows"),
    ],
)
async def test_what_is_not_there_to_draw_is_named(bots: Project, arguments: list[str], code: int, told: str) -> None:
    """The message has what there is instead."""
    ended = await bots.command("flows", "diagram", *arguments)
    assert ended.code == code
    assert told in " ".join(ended.err.split())
    assert ended.out == ""


async def test_no_flows_are_said_so(project: Project) -> None:
    """A bot without flows is none to list."""
    assert (await project.command("flows")).out == "No bot has flows.\n"
    assert (await project.command("flows", "--json")).json == []
