"""A flow's table is checked when it is made: what cannot be is refused with all that is wrong; the picture is drawn."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import Owner, Reason, SessionRecord, Strategy, new_session_id
from posthouse.programs.app import App
from posthouse.programs.flows import (
    NOOP,
    Button,
    Command,
    Content,
    Flow,
    JobDone,
    JobFailed,
    On,
    Press,
    Refuse,
    Screen,
    Text,
    Timer,
)
from posthouse.programs.flows.screen import markup
from posthouse.telegram.callback_data import ACTION_BYTES_MAX, Format


def flow(*rows: Any, states: str = "a b z", start: Any = "a", final: tuple[str, ...] = ("z",), **more: Any) -> Flow:
    """A flow of states without screens."""
    return Flow("f", states=dict.fromkeys(states.split()), start=start, final=final, rows=rows, **more)


ALONG = (On("a", "go", to="b"), On("b", "end", to="z"))  # a table with which nothing is wrong


async def choose(turn: Any, session: Any) -> str:
    return "b"


IMPOSSIBLE: dict[str, tuple[Callable[[], Flow], list[str]]] = {
    "a row from a state that there is not": (
        lambda: flow(*ALONG, On("nowhere", "go", to="b")),
        ["the row for go names the state nowhere"],
    ),
    "a row to a state that there is not": (
        lambda: flow(*ALONG, On("a", "jump", to="nowhere")),
        ["the row for jump names the state nowhere"],
    ),
    "a refused pair of a state that there is not": (
        lambda: flow(*ALONG, Refuse("nowhere", "go", Reason.WRONG_STATE)),
        ["the row for go names the state nowhere"],
    ),
    "a start that there is not": (lambda: flow(*ALONG, start=("a", "dawn")), ["start names the state dawn"]),
    "no start": (lambda: flow(*ALONG, start=()), ["no row leads to the state a: it is unreachable"]),
    "a final state that there is not": (lambda: flow(*ALONG, final=("z", "dusk")), ["final names the state dusk"]),
    "a state that nothing leads to": (
        lambda: flow(*ALONG, On("island", "go", to="b"), states="a b z island"),
        ["no row leads to the state island: it is unreachable"],
    ),
    "states that only lead to each other": (
        lambda: flow(*ALONG, On("c", "go", to="d"), On("d", "go", to="c"), states="a b z c d"),
        ["no row leads to the state c", "no row leads to the state d"],
    ),
    "a state that only refusals name": (
        lambda: flow(*ALONG, Refuse("island", "go", Reason.WRONG_STATE), states="a b z island"),
        ["no row leads to the state island", "no row leaves the state island"],
    ),
    "a pair with two transitions": (
        lambda: flow(*ALONG, On("a", "go", to="z")),
        ["the pair (a, go) has two rows"],
    ),
    "a pair that leads on and is refused": (
        lambda: flow(*ALONG, Refuse(("a", "z"), "go", Reason.IN_PROGRESS)),
        ["the pair (a, go) has two rows"],
    ),
    "a dead end": (
        lambda: flow(On("a", "go", to="b"), On("a", "end", to="z")),
        ["no row leaves the state b: say that it is final, or what leads on"],
    ),
    "a dead end that refuses something": (
        lambda: flow(On("a", "go", to="b"), On("a", "end", to="z"), Refuse("b", "go", Reason.IN_PROGRESS)),
        ["no row leaves the state b"],
    ),
    "a final state that leads on": (
        lambda: flow(*ALONG, On("z", "again", to="a")),
        ["the final state z has a row that leads on"],
    ),
    "several targets and nobody to choose": (
        lambda: flow(On("a", "go", to=("b", "z")), On("b", "end", to="z")),
        ["the row for go leads to several states and has no handler that would choose"],
    ),
    "an idempotent row that leads elsewhere": (
        lambda: flow(On("a", "go", to="b", idempotent=True), On("b", "end", to="z")),
        ["the row for go is idempotent, but leads to another state"],
    ),
    "an event that is too long for a button": (
        lambda: flow(On("a", "go" * 25, to="b"), On("b", "end", to="z")),
        ["takes 50 bytes", f"only {ACTION_BYTES_MAX} of Telegram's 64 are left"],
    ),
    "an action that is too long for a button": (
        lambda: flow(*ALONG, events={"go": Press("g" * (ACTION_BYTES_MAX + 1))}),
        [f"takes {ACTION_BYTES_MAX + 1} bytes"],
    ),
    "an action with letters of several bytes": (
        lambda: flow(On("a", "оплатить", to="b"), On("b", "end", to="z")),
        ["the action 'оплатить' must be lower-case letters"],
    ),
    "an action with a separator in it": (
        lambda: flow(*ALONG, events={"go": Press("go:on")}),
        ["the action 'go:on' must be lower-case letters"],
    ),
    "an action with a value in it": (
        lambda: flow(*ALONG, events={"go": Press("go=on")}),
        ["the action 'go=on' must be lower-case letters"],
    ),
    "an action in capitals": (lambda: flow(*ALONG, events={"go": Press("Go")}), ["the action 'Go' must be"]),
    "the action of every flow": (
        lambda: flow(*ALONG, events={"go": Press(NOOP)}),
        ["the action 'noop' of go is taken by every flow"],
    ),
    "the event of every flow": (
        lambda: flow(*ALONG, On("a", NOOP, to="b")),
        ["the action 'noop' of noop is taken by every flow"],
    ),
    "one action for two events": (
        lambda: flow(*ALONG, events={"go": Press("x"), "end": Press("x")}),
        ["the action 'x' of end is taken by go"],
    ),
    "an action that is another event's name": (
        lambda: flow(*ALONG, events={"go": Press("end")}),
        ["the action 'end' of end is taken by go"],
    ),
    "a trigger of an event without a row": (
        lambda: flow(*ALONG, events={"never": Timer()}),
        ["the event never has a trigger, but no row"],
    ),
}


@pytest.mark.req("B-3", "S0-13", "C0-3")
@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_table_is_refused_when_it_is_made(case: str) -> None:
    """Nothing waits for a person to press something: the module does not import, and the error says what to do."""
    make, problems = IMPOSSIBLE[case]
    with pytest.raises(AuthorError) as refused:
        make()
    assert "flow 'f' is not possible" in str(refused.value)
    for problem in problems:
        assert problem in str(refused.value)


def test_every_problem_of_a_table_is_named_at_once() -> None:
    """One error has them all, each on a line of its own: an author mends a table in one go."""
    with pytest.raises(AuthorError) as refused:
        flow(
            On("a", "go", to="nowhere"),
            On("a", "go", to="b"),
            On("a", "split", to=("b", "z")),
            On("z", "again", to="a"),
            On("a", "X", to="a"),
            start=("a", "dawn"),
            states="a b z island",
            events={"never": Timer()},
        )
    found = str(refused.value).splitlines()[1:]
    wanted = [
        "the pair (a, go) has two rows",
        "names the state nowhere",
        "start names the state dawn",
        "the final state z has a row that leads on",
        "no row leads to the state island",
        "no row leaves the state island",
        "no row leaves the state b",
        "the row for split leads to several states",
        "the event never has a trigger",
        "the action 'X' must be",
    ]
    assert all(line.startswith("- ") for line in found)
    for problem in wanted:
        assert sum(problem in line for line in found) == 1, problem
    assert len(found) == len(wanted)


@pytest.mark.req("B-3")
@pytest.mark.parametrize("length", [1, ACTION_BYTES_MAX])
def test_an_action_that_fits_makes_a_button_of_at_most_64_bytes(length: int) -> None:
    """What the table takes, every session at every revision can be written with: nothing has to be dropped later."""
    made = flow(*ALONG, events={"go": Press("g" * length)})
    record = SessionRecord(new_session_id(), 1, 1, "prod", "f", Owner(), "a", rev=9_999_999)
    (row,) = markup([[Button("Go", "go")]], made.table, record)["inline_keyboard"]
    assert len(row[0]["callback_data"].encode()) == length + 19 <= 64


def test_an_event_that_no_button_makes_needs_no_room_in_one() -> None:
    """Names of jobs, timers and messages may be long: they are written on no button."""
    long = "pack.preview.was.made." * 4
    for trigger in (Timer(), JobDone("t"), JobFailed("t"), Text(), Content("photo"), Command("x")):
        made = flow(*ALONG, On("a", long, to="a"), events={long: trigger})
        assert long in made.table.events


@pytest.mark.parametrize("trigger", [Timer(), JobDone("t"), JobFailed("t"), Text(), Content("photo"), Command("x")])
def test_a_button_cannot_ask_for_what_is_no_button(trigger: Any) -> None:
    """A screen whose button names the end of a job is refused as it is drawn: nobody could ever press it."""
    made = flow(*ALONG, On("a", "done", to="b"), events={"done": trigger})
    record = SessionRecord(new_session_id(), 1, 1, "prod", "f", Owner(), "a")
    with pytest.raises(AuthorError, match="done"):
        markup([[Button("Done", "done")]], made.table, record)


def test_a_button_of_an_unknown_event_is_refused() -> None:
    """The error names state, button, event, and the events that there are."""
    record = SessionRecord(new_session_id(), 1, 1, "prod", "f", Owner(), "a")
    with pytest.raises(AuthorError, match=r"state a: the button 'Off' asks for the event 'off'.*go, end"):
        markup([[Button("Off", "off")]], flow(*ALONG).table, record)


@pytest.mark.req("B-3")
@pytest.mark.parametrize("value", ["x" * 49, "я" * 25, "a:b"])
def test_a_value_that_does_not_fit_is_refused_and_never_dropped(value: str) -> None:
    """Bytes count, and a colon would be read as the session: the author hears of it, nobody presses half a button."""
    record = SessionRecord(new_session_id(), 1, 1, "prod", "f", Owner(), "a")
    with pytest.raises(AuthorError):
        markup([[Button("Go", "go", value=value)]], flow(*ALONG).table, record)


@pytest.mark.req("C0-12")
def test_a_button_without_an_event_only_shows_something() -> None:
    """It still names its session, so that a press of it can be told from one of another screen; a link asks nothing."""
    record = SessionRecord("0123456789", 1, 1, "prod", "f", Owner(), "a", rev=3)
    rows = markup([[Button("⏳ Generating…")], [Button("Site", url="https://x.test")]], flow(*ALONG).table, record)
    assert rows == {
        "inline_keyboard": [
            [{"text": "⏳ Generating…", "callback_data": "noop:0123456789:3"}],
            [{"text": "Site", "url": "https://x.test"}],
        ]
    }


# -- several flows ------------------------------------------------------------------------------------------------


def named(name: str, *, event: str = "go", trigger: Any = None, **more: Any) -> Flow:
    rows = [On("a", event, to="z")]
    events = {} if trigger is None else {event: trigger}
    return Flow(name, states={"a": None, "z": None}, start="a", final=("z",), rows=rows, events=events, **more)


def test_two_flows_with_one_action_are_refused() -> None:
    """A press would not say which is meant; the error names both flows and how to mend it."""
    app = App("x")
    app.add(named("first"))
    with pytest.raises(AuthorError, match=r"'first' and 'second' both have the action 'go'.*Press"):
        app.add(named("second"))
    app.add(named("third", trigger=Press("third.go")))
    with pytest.raises(AuthorError, match=r"'third' and 'fourth' both have the action 'third.go'"):
        app.add(named("fourth", event="third.go"))


def test_flows_may_share_the_names_of_events_that_are_no_buttons() -> None:
    """Jobs, timers and messages find their session without an action: their names clash with nothing."""
    app = App("x")
    app.add(named("first", event="ready", trigger=JobDone("render")))
    app.add(named("second", event="ready", trigger=Timer()))
    app.add(named("third", event="ready"))
    assert list(app.flows) == ["first", "second", "third"]


def test_the_action_of_conversations_is_refused() -> None:
    """`ask` belongs to the buttons of conversations, which must not reach a flow."""
    with pytest.raises(AuthorError, match="the action 'ask' is that of conversations"):
        App("x").add(named("f", event="ask"))
    with pytest.raises(AuthorError, match="the action 'ask' is that of conversations"):
        App("x").add(named("f", trigger=Press("ask")))


def test_two_flows_of_one_name_are_refused() -> None:
    """The name is what a session keeps: it must mean one table. A conversation's is taken as well."""
    app = App("x")
    app.add(named("first"))
    with pytest.raises(AuthorError, match="a flow or conversation 'first' already"):
        app.add(named("first", event="other"))

    @app.conversation("talk")
    async def talk(talk: Any) -> None:
        return

    with pytest.raises(AuthorError, match="'talk'"):
        app.add(named("talk", event="third"))


@pytest.mark.parametrize("task", [print, lambda job: None])
def test_a_trigger_of_something_that_is_no_job_is_refused(task: Any) -> None:
    """The end of a function that was never registered would never come."""
    with pytest.raises(AuthorError, match=r"is not a job: decorate it with @app.job"):
        named("f", trigger=JobDone(task))


def test_a_flow_says_how_its_sessions_live_in_words_that_are_checked() -> None:
    """A strategy or format that does not exist is refused; the full format is always understood."""
    with pytest.raises(AuthorError, match="everybody"):
        named("f", strategy="everybody")
    with pytest.raises(AuthorError, match="short"):
        named("f", formats=("short",))
    assert named("f").policy.formats == {Format.REV}
    assert named("f", formats=()).policy.formats == {Format.REV}
    assert named("f", formats=("bare", "id")).policy.formats == set(Format)
    assert named("f", strategy="chat").policy.strategy is Strategy.CHAT


# -- the picture --------------------------------------------------------------------------------------------------


def rich() -> Flow:
    """Every kind of row."""
    return flow(
        On("a", "go", to=("b", "z"), handler=choose),
        On(("a", "b"), "stay", to="a"),
        On("b", "redraw", to="b", idempotent=True),
        On("b", "ready", to="z"),
        Refuse("a", "redraw", Reason.WRONG_STATE, "wrong_step"),
        Refuse(("b", "z"), "go", Reason.IN_PROGRESS),
        start=("a", "b"),
        events={"ready": JobDone("render")},
    )


@pytest.mark.req("C0-3")
def test_the_diagram_is_the_table() -> None:
    """Each transition, start, end and refusal of the table is in the picture once, and nothing else is."""
    made = rich()
    lines = [line.strip() for line in made.diagram().splitlines()]
    arrows = {tuple(re.fullmatch(r"(\S+) --> (\S+) : (\S+)", line).groups()) for line in lines if " : " in line}  # type: ignore[union-attr]
    wanted = {
        (state, to, event)
        for (state, event), row in made.table.pairs.items()
        if isinstance(row, On)
        for to in ([row.to] if isinstance(row.to, str) else row.to)
    }
    assert arrows == wanted
    assert sum(" : " in line for line in lines) == len(wanted)
    assert [line for line in lines if line.startswith("[*]")] == ["[*] --> a", "[*] --> b"]
    assert [line for line in lines if line.endswith("[*]")] == ["z --> [*]"]
    refused: set[tuple[str, str, str]] = set()
    state = ""
    for line in lines:
        if line.startswith("note right of "):
            state = line.removeprefix("note right of ")
        elif found := re.fullmatch(r"(\S+) is refused, (\S+)(?: \((\S+)\))?", line):
            refused.add((state, found[1], found[2]))
    assert refused == {
        (state, event, str(row.reason)) for (state, event), row in made.table.pairs.items() if isinstance(row, Refuse)
    }
    assert lines.count("end note") == len({state for state, _, _ in refused})
    assert "redraw is refused, wrong_state (wrong_step)" in lines


def test_the_table_answers_for_every_pair() -> None:
    """A state and an event come to a transition, a refusal by name, or nothing; `expected` lists where it leads on."""
    table = rich().table
    assert set(table.events) == {"go", "stay", "redraw", "ready"}
    for state, event in product(table.states, table.events):
        row = table.row(state, event)
        leads = isinstance(row, On)
        assert (state in table.expected(event)) is leads
    assert table.expected("stay") == ("a", "b")
    assert table.expected("never") == ()
    assert table.action("go") == "go"


def test_a_screen_that_is_only_text_needs_nothing_else() -> None:
    """The smallest screen is its text."""
    assert Screen("hello") == Screen("hello", (), None, False, {})
