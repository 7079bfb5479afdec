"""`posthouse sessions`: who is where, how they got there, and which buttons still are legacy ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_stage import TOKEN, Project, Serving

from posthouse.cli.sessions import Presses, life_of, presses_of
from posthouse.core.sessions import Owner, SessionRecord
from posthouse.ports.store import FormatShare
from posthouse.simulator import Simulator
from posthouse.testing.town import Person, Town

BOT = 1001
ANN, BOB = 42, 43
SQLITE = "sqlite:///data/posthouse.db"

CONFIG = """\
env = "staging"

[store]
url = "{store}"

[http]
port = 0

[telegram]
api_url = "{api_url}"

[log]
format = "json"

[bots.shop]
program = "bot:app"
token = "${{ECHO_TOKEN}}"
mode = "polling"
limits = "none"
"""

SHOP = """\
from datetime import timedelta

from posthouse import App, Button, Flow, On, Refuse, Screen, Turn
from posthouse.programs.flows import Reason

app = App("shop")


def choose(turn, session):
    return Screen("What?", [[Button("Tea", "order.pick", "tea")]])


def confirm(turn, session):
    return Screen(session.data["what"] + "?", [[Button("Yes", "order.confirm"), Button("Back", "order.back")]])


def thanks(turn, session):
    return Screen("Ordered", [[Button("Once more", "order.confirm")]])


async def pick(turn, session):
    session.data["what"] = session.value


order = app.add(
    Flow(
        "order",
        start="choosing",
        states={"choosing": choose, "confirming": confirm, "ordered": thanks},
        final=("ordered",),
        rows=[
            On("choosing", "order.pick", to="confirming", handler=pick),
            On("confirming", "order.back", to="choosing"),
            On("confirming", "order.confirm", to="ordered"),
            Refuse("ordered", "order.confirm", Reason.ALREADY_DONE, "is_ordered"),
        ],
        formats=("rev", "id", "bare"),
    )
)
survey = app.add(
    Flow(
        "survey",
        start="asked",
        states={"asked": None, "answered": None},
        final=("answered",),
        rows=[On("asked", "survey.answer", to="answered")],
        ttl=timedelta(microseconds=1),
    )
)


@app.command("start")
async def start(turn: Turn) -> None:
    await order.begin(turn)


@app.command("survey")
async def begin_survey(turn: Turn) -> None:
    await survey.begin(turn)
    turn.say("How was it?", reply_markup=keyboard({"Good": "survey.answer"}))


@app.command("old")
async def old(turn: Turn) -> None:
    session = await order.current(turn)
    buttons = {"Bare tea": "order.pick=tea", "Back by id": f"order.back:{session.id}"}
    buttons["Stale tea"] = f"order.pick=tea:{session.id}:{session.rev}"
    turn.say("From before", reply_markup=keyboard(buttons))


def keyboard(buttons):
    return {"inline_keyboard": [[{"text": text, "callback_data": data}] for text, data in buttons.items()]}
"""


class Shop:
    """A shop in which people have pressed buttons, and its commands."""

    def __init__(self, project: Project, serving: Serving) -> None:
        self.serving = serving
        self.command = project.command

    async def json(self, *arguments: str) -> Any:
        """What a command says with --json, in a shell that has no tokens."""
        ended = await self.command("sessions", *arguments, "--json", secrets=False)
        assert ended.code == 0, ended.err
        return ended.json


@asynccontextmanager
async def shop(folder: Path, store: str = SQLITE) -> AsyncIterator[Shop]:
    """Ann has ordered tea, by buttons of all kinds; Bob has only begun."""
    async with Simulator(limits="off") as simulator, Town(simulator.url) as town:
        project = Project(folder)
        (folder / "posthouse.toml").write_text(CONFIG.format(store=store, api_url=simulator.url))
        (folder / "bot.py").write_text(SHOP)
        if not store.startswith("sqlite"):
            assert (await project.command("migrate")).code == 0
        async with project.up() as serving:
            ann = await town.person("Ann", id=ANN)
            await says(ann, "/start", shows=["Tea"])
            await says(ann, "/old", shows=["Stale tea"])  # a pressed message is drawn anew, so each is good for one
            assert await presses(ann, "Tea", leads_to=["Yes", "Back"]) == ""
            assert "outdated" in await presses(ann, "Stale tea")
            await says(ann, "/old", shows=["Back by id"])
            await presses(ann, "Back by id", leads_to=["Tea"])
            await says(ann, "/old", shows=["Bare tea"])
            await presses(ann, "Bare tea", leads_to=["Yes", "Back"])
            await presses(ann, "Yes", leads_to=["Once more"])
            assert "finished" in await presses(ann, "Once more")
            await says(ann, "/survey", shows=["Good"])
            assert "outdated" in await presses(ann, "Good")  # a flow that takes no legacy buttons
            await says(await town.person("Bob", id=BOB), "/start", shows=["Tea"])
            yield Shop(project, serving)


async def says(person: Person, text: str, *, shows: Sequence[str]) -> None:
    """Say something and wait for these buttons."""
    said = await person.says(text, to=TOKEN)
    await person.chat_with(TOKEN).shows(buttons=shows, after=said)


async def presses(person: Person, text: str, *, leads_to: Sequence[str] = ()) -> str:
    """Press the newest button of this text and wait for the buttons that come; the words of the answer."""
    answer = await (await person.presses(text, on=TOKEN)).answer()
    await person.chat_with(TOKEN).shows(buttons=leads_to)
    return str(answer["text"])


@pytest.fixture(params=["running", "stopped", "postgres"])
def where(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """The store's URL, and whether its process runs: with a socket, with the file free, on PostgreSQL."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url"), True
    return SQLITE, request.param == "running"


@pytest.fixture
async def each_shop(where: tuple[str, bool], tmp_path: Path) -> AsyncIterator[Shop]:
    url, running = where
    async with shop(tmp_path, url) as found:
        if not running:
            assert await found.serving.stop() == 0
        yield found


@pytest.fixture
async def a_shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path) as found:
        yield found


@pytest.mark.req("S0-47", "S0-48")
async def test_sessions_are_seen_with_history_and_formats(each_shop: Shop) -> None:
    """List, narrow, show with data and history, and the share of legacy presses: one JSON document each."""
    [live] = await each_shop.json()
    assert (live["user_id"], live["state"], live["rev"], live["life"]) == (BOB, "choosing", 1, "live")
    assert "data" not in live
    everybody = await each_shop.json("--all", "--bot", str(BOT), "--env", "staging")
    assert [(row["user_id"], row["flow_kind"], row["life"]) for row in everybody] == [
        (BOB, "order", "live"),
        (ANN, "survey", "expired"),
        (ANN, "order", "ended"),
    ]

    shown = await each_shop.json("show", everybody[2]["id"])
    assert shown.items() >= everybody[2].items()
    assert shown["data"] == {"what": "tea"}
    assert (shown["ui_chat_id"], type(shown["ui_message_id"])) == (ANN, int)
    moves = [(e["event"], e["from_state"], e["to_state"], e["rev"], e["format"]) for e in shown["history"]]
    assert moves == [
        ("begin", "", "choosing", 1, ""),
        ("order.pick", "choosing", "confirming", 2, "rev"),
        ("order.pick", "confirming", None, 2, "rev"),
        ("order.back", "confirming", "choosing", 3, "id"),
        ("order.pick", "choosing", "confirming", 4, "bare"),
        ("order.confirm", "confirming", "ordered", 5, "rev"),
        ("order.confirm", "ordered", None, 5, "rev"),
    ]
    assert [(e["reason"], e["detail"]) for e in shown["history"] if e["reason"]] == [
        ("stale_rev", ""),
        ("already_done", "is_ordered"),
    ]
    assert all(e["trace"].startswith(f"{BOT}:") for e in shown["history"])

    legacy = await each_shop.json("legacy")
    assert {(e["flow_kind"], e["event"]): (e["rev"], e["id"], e["bare"]) for e in legacy["events"]} == {
        ("order", "order.back"): (0, 1, 0),
        ("order", "order.confirm"): (2, 0, 0),
        ("order", "order.pick"): (2, 0, 1),
        ("survey", "survey.answer"): (0, 0, 1),
    }
    assert [e["legacy_percent"] for e in legacy["events"]] == [0.0, 0.0, 33.3, 100.0]
    assert legacy["total"] == {"rev": 4, "id": 1, "bare": 2, "presses": 7, "legacy_percent": 28.6}


async def test_a_list_is_narrowed(a_shop: Shop) -> None:
    """By flow, person, state, environment and number; and a history by its number of lines."""
    [survey] = await a_shop.json("list", "--all", "--flow", "survey", "--user", str(ANN))
    assert survey["flow_kind"] == "survey"
    [ordered] = await a_shop.json("--all", "--state", "ordered")
    assert ordered["flow_kind"] == "order"
    assert [row["user_id"] for row in await a_shop.json("list", "--all", "--limit", "1")] == [BOB]
    assert await a_shop.json("list", "--env", "production") == []
    last = (await a_shop.json("show", ordered["id"], "--limit", "2"))["history"]
    assert [event["to_state"] for event in last] == ["ordered", None]


@pytest.mark.req("S0-48")
async def test_a_person_reads_tables(a_shop: Shop) -> None:
    """The same for eyes: aligned columns, empty ones left out, data and history below each other."""
    listed = (await a_shop.command("sessions", "--bot", "shop", "--all", secrets=False)).out.splitlines()
    assert " ".join(listed[0].split()) == "ID FLOW STATE REV LIFE BOT ENV USER CHAT CHANGED EXPIRES"
    assert listed[3].split()[1:5] == ["order", "ordered", "5", "ended"]
    assert "LIFE" not in (await a_shop.command("sessions")).out  # when all of them live
    more = (await a_shop.command("sessions", "--all", "--limit", "2")).out
    assert more.splitlines()[-1] == "There may be more: raise --limit, or narrow the list."

    shown = (await a_shop.command("sessions", "show", listed[3].split()[0])).out
    assert "      flow  order\n" in shown
    assert '      data  \n{\n  "what": "tea"\n}\n' in shown
    assert f" in chat {ANN}\n" in shown
    assert "choosing → confirming" in shown
    assert "stays confirming: stale_rev" in shown
    assert "stays ordered: already_done (is_ordered)" in shown
    begun = (await a_shop.command("sessions", "show", listed[1].split()[0])).out
    assert f"in chat {BOB}, no button pressed yet" in begun

    legacy = (await a_shop.command("sessions", "legacy", "--hours", "1")).out.splitlines()
    assert legacy[0].split() == ["FLOW", "EVENT", "REV", "ID", "BARE", "PRESSES", "LEGACY"]
    assert legacy[-1].split() == ["total", "4", "1", "2", "7", "28.6", "%"]


@pytest.mark.req("S0-47")
async def test_the_log_marks_the_format_that_arrived(a_shop: Shop) -> None:
    """A legacy press has a line of its own, and every reject says which format its button had."""
    legacy = await a_shop.serving.wait_log("callback.legacy")
    assert (legacy["flow_kind"], legacy["event_type"]) == ("order", "order.pick")
    stale = await a_shop.serving.wait_log("event.rejected")
    assert (stale["reason_code"], stale["callback_format"], stale["legacy_callback"]) == ("stale_rev", "rev", False)
    lines = [line for line in a_shop.serving.err if '"event":"event.rejected"' in line]
    assert ['"callback_format":"bare"' in line for line in lines] == [False, False, True]


async def test_what_is_not_there_is_named(project: Project) -> None:
    """An unknown session is exit code 1 with the mend on one line; empty lists are sentences, or `[]`."""
    before = await project.command("sessions")
    assert before.code == 1
    assert "posthouse migrate" in before.err
    assert (await project.command("migrate")).code == 0
    ended = await project.command("sessions", "show", "0123456789")
    assert ended.code == 1
    assert "there is no session 0123456789: `posthouse sessions --all` lists" in ended.err
    assert ended.err.count("\n") == 1
    assert (await project.command("sessions")).out.startswith("No live sessions; --all")
    assert (await project.command("sessions", "--all")).out == "No sessions.\n"
    nobody = await project.command("sessions", "legacy", "--hours", "48")
    assert nobody.out == "Nobody pressed a button of a session in the last 48 hours.\n"
    assert (await project.command("sessions", "legacy", "--json")).json["total"]["legacy_percent"] == 0.0
    unknown = await project.command("sessions", "--bot", "nobody")
    assert unknown.code == 2
    assert "it has: echo" in unknown.err


def test_the_share_of_legacy_presses() -> None:
    """Formats of one event make one line; nothing pressed is nothing legacy."""
    shares = [FormatShare("order", "pick", "bare", 1), FormatShare("order", "pick", "rev", 3)]
    assert presses_of([*shares, FormatShare("order", "pay", "id", 1)]) == [
        Presses("order", "pick", rev=3, bare=1),
        Presses("order", "pay", id=1),
    ]
    assert [one.legacy_percent for one in presses_of(shares)] == [25.0]
    assert Presses("", "total").legacy_percent == 0.0


@pytest.mark.parametrize(
    ("is_active", "expires_at", "life"),
    [(True, None, "live"), (True, 101.0, "live"), (True, 100.0, "expired"), (False, 101.0, "ended")],
)
def test_what_becomes_of_a_session(is_active: bool, expires_at: float | None, life: str) -> None:
    """It lives until it ends or has been idle for too long."""
    record = SessionRecord("a", 1, 2, "", "order", Owner(), "s", is_active=is_active, expires_at=expires_at)
    assert life_of(record, 100.0) == life
