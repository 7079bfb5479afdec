"""Which session an event means and whether it may act: by enumeration against the requirement, read aloud."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from posthouse.core.sessions import (
    Owner,
    Reason,
    SessionRecord,
    SessionWrite,
    Strategy,
    moved,
    new_session_id,
    owner_of,
)
from posthouse.programs.flows import NOOP, Flow, On, Refuse
from posthouse.programs.flows.rejects import ALERTS
from posthouse.programs.flows.rules import Found, Rejected, judge, misplaced, newest, understood
from posthouse.programs.flows.texts import TEXTS, default_text
from posthouse.telegram.callback_data import Format, parse

ANN, BOB = Owner(501, 77), Owner(502, 77)
NOW = 10_000.0
ID = "0aZ9bY8cX7"

FLOW = Flow(
    "pack",
    states=dict.fromkeys(["carousel", "payment", "generating", "canceled"]),
    start="carousel",
    final=("canceled",),
    rows=[
        On("carousel", "try", to="payment"),
        On("payment", "back", to="carousel"),
        On("carousel", "back", to="carousel", idempotent=True),
        On("payment", "pay", to="generating"),
        Refuse("carousel", "pay", Reason.WRONG_STATE, "wrong_step"),
        Refuse("generating", "pay", Reason.IN_PROGRESS, "already_generating"),
        Refuse("canceled", "pay", Reason.ALREADY_DONE, "was_canceled"),
        On("generating", "cancel", to="canceled"),
    ],
)
TABLE = FLOW.table


def record(state: str = "payment", **fields: Any) -> SessionRecord:
    usual: dict[str, Any] = {
        "bot_id": 1,
        "lane": 77,
        "env": "prod",
        "flow_kind": "pack",
        "owner": ANN,
        "rev": 5,
        "is_active": state not in TABLE.final,
        "created_at": 1.0,
        "updated_at": 2.0,
        "expires_at": NOW + 60,
    }
    return SessionRecord(fields.pop("id", ID), **{**usual, **fields}, state=state)


def ask(session: SessionRecord | None, event: str, **asked: Any) -> Found | Rejected:
    return judge(session, **{"table": TABLE, "event": event, "owner": ANN, "env": "prod", "now": NOW, **asked})


# The rule, in its order: the first line that is true is the reason. What the rows say is the table's business.
def reason_of(session: SessionRecord | None, event: str, *, owner: Owner, env: str, rev: int | None) -> str:
    row = None if session is None else TABLE.row(session.state, event)
    if session is None or session.env != env:
        return "not_found"
    if session.owner != owner:
        return "wrong_owner"
    if session.flow_kind != "pack":
        return "wrong_flow"
    if session.is_active and session.expires_at is not None and session.expires_at <= NOW:
        return "expired"
    if isinstance(row, Refuse):
        return str(row.reason)
    if not session.is_active:
        return "already_done"
    if event == NOOP:
        return "in_progress"
    if rev is not None and rev != session.rev:
        return "redraw" if isinstance(row, On) and row.idempotent else "stale_rev"
    return "found" if isinstance(row, On) else "wrong_state"


@pytest.mark.req("S0-17", "S0-18", "S0-19", "S0-20", "S0-21", "S0-22", "S0-52", "C0-3", "B-1", "B-2", "E0-1", "E0-4")
def test_every_combination_comes_to_exactly_one_verdict() -> None:
    """State × event × revision × person × environment × flow × expiry: one reason of the closed list, or the row."""
    owners, envs, kinds = (ANN, BOB), ("prod", "dev"), ("pack", "assistant")
    expiries = (None, NOW + 0.001, NOW, NOW - 1)
    revs = (None, 4, 5, 6)
    seen: set[str] = set()
    for state, event, rev, owner, env, kind, expires_at in product(
        TABLE.states, (*TABLE.events, NOOP, "unheard.of"), revs, owners, envs, kinds, expiries
    ):
        session = record(state, flow_kind=kind, expires_at=expires_at)
        wanted = reason_of(session, event, owner=owner, env=env, rev=rev)
        verdict = ask(session, event, owner=owner, env=env, rev=rev)
        if isinstance(verdict, Found):
            assert wanted == ("redraw" if verdict.redraw else "found"), (state, event, rev, owner, env, kind)
            assert verdict.session is session
            assert verdict.row is TABLE.row(state, event)
            assert isinstance(verdict.row, On)
        else:
            assert verdict.reason is Reason(wanted), (state, event, rev, owner, env, kind, expires_at)
            # What is not this person's is not shown: neither to the handler, nor in the reject's line, nor on a screen.
            assert verdict.session is (None if wanted in ("not_found", "wrong_owner") else session)
        seen.add(wanted)
    # The others come of the format, and of the database.
    assert seen == {"found", "redraw"} | {str(r) for r in Reason} - {"legacy_format", "db_error"}


@pytest.mark.req("S0-19", "E0-4")
def test_no_session_is_not_found() -> None:
    """An id that is nobody's, or no active session for an event that names none."""
    assert ask(None, "pay") == Rejected(Reason.NOT_FOUND)
    assert misplaced(None, flow_kind="pack", owner=ANN, env="prod", now=NOW) == Rejected(Reason.NOT_FOUND)


@pytest.mark.req("S0-12", "E0-5")
def test_a_session_of_another_environment_does_not_exist() -> None:
    """Not even its owner learns that it is there."""
    assert ask(record(env="dev"), "pay") == Rejected(Reason.NOT_FOUND)
    assert ask(record(env="dev"), "pay", env="dev") == Found(record(env="dev"), TABLE.pairs["payment", "pay"])  # type: ignore[arg-type]


ORDER = [
    ("not_found", {"env": "dev"}, {}),
    ("wrong_owner", {"owner": BOB}, {}),
    ("wrong_flow", {"flow_kind": "assistant"}, {}),
    ("expired", {"expires_at": NOW}, {}),
    ("stale_rev", {}, {"rev": 4}),
    ("wrong_state", {}, {"event": "cancel"}),
]


@pytest.mark.req("S0-19", "S0-20", "S0-21", "S0-22", "C0-5", "B-1")
@pytest.mark.parametrize(("first", "second"), [(a, b) for a, b in product(range(len(ORDER)), repeat=2) if a < b])
def test_of_two_things_that_are_wrong_the_first_is_told(first: int, second: int) -> None:
    """Where the session is, whose, of which flow, how old, then which revision, then which state."""
    wrong = [ORDER[first], ORDER[second]]
    fields = {name: value for _, given, _ in wrong for name, value in given.items()}
    asked = {name: value for _, _, given in wrong for name, value in given.items()}
    verdict = ask(record("payment", **fields), asked.pop("event", "pay"), **asked)
    assert isinstance(verdict, Rejected)
    assert str(verdict.reason) == ORDER[first][0]


@pytest.mark.req("S0-36", "S0-37", "E0-2", "E0-3", "B-1")
@pytest.mark.parametrize("rev", [None, 4, 5, 6])
def test_a_pair_that_is_refused_by_name_is_told_before_the_revision(rev: int | None) -> None:
    """A double click hears what goes on, whatever its button's age; the detail is beside the shared reason."""
    assert ask(record("generating"), "pay", rev=rev) == Rejected(
        Reason.IN_PROGRESS, "already_generating", record("generating")
    )
    assert ask(record("carousel"), "pay", rev=rev) == Rejected(Reason.WRONG_STATE, "wrong_step", record("carousel"))
    # It is told of an ended session too, but not of an idle one, of another flow, or of somebody else's.
    assert ask(record("canceled"), "pay", rev=rev) == Rejected(Reason.ALREADY_DONE, "was_canceled", record("canceled"))
    assert ask(record("generating"), "pay", rev=rev, owner=BOB) == Rejected(Reason.WRONG_OWNER)


@pytest.mark.req("S0-33", "S0-34", "S0-21", "S0-27")
def test_only_an_idempotent_pair_takes_a_stale_button_and_it_moves_nothing() -> None:
    """The screen is drawn again; with the right revision the same pair is a transition like any other."""
    carousel = record("carousel")
    row: Any = TABLE.pairs["carousel", "back"]
    assert ask(carousel, "back", rev=4) == Found(carousel, row, redraw=True)
    assert ask(carousel, "back", rev=5) == Found(carousel, row)
    assert ask(carousel, "back") == Found(carousel, row)
    assert ask(record("payment"), "back", rev=4) == Rejected(Reason.STALE_REV, session=record("payment"))


@pytest.mark.req("C0-12")
def test_a_button_that_only_shows_something_is_told_as_work_in_progress() -> None:
    """`noop` never moves anything, whatever its revision; in a session that has ended it says so."""
    for state, rev in product(("carousel", "payment", "generating"), (None, 4, 5)):
        assert ask(record(state), NOOP, rev=rev) == Rejected(Reason.IN_PROGRESS, NOOP, record(state))
    assert ask(record("canceled"), NOOP) == Rejected(Reason.ALREADY_DONE, session=record("canceled"))


@pytest.mark.req("S0-12")
@pytest.mark.parametrize(
    ("expires_at", "lives"), [(None, True), (NOW + 0.001, True), (NOW, False), (NOW - 0.001, False), (0.0, False)]
)
def test_a_session_lives_until_the_moment_at_which_it_expires(expires_at: float | None, lives: bool) -> None:
    """Without a moment it lives until it ends; one that has ended does not live, however new it is."""
    assert record(expires_at=expires_at).is_live(NOW) is lives
    assert not record("canceled", expires_at=expires_at).is_live(NOW)


# -- the session that an event without a reference means -----------------------------------------------------------


def find(*records: SessionRecord, **asked: Any) -> SessionRecord | None:
    return newest(list(records), **{"flow_kind": "pack", "owner": ANN, "env": "prod", "now": NOW, **asked})


@pytest.mark.req("S0-23", "E0-6")
def test_the_session_that_changed_last_is_meant() -> None:
    """Whatever the order in which they are found; of two that changed at once the younger one."""
    old, new = record(id="a" * 10, updated_at=5.0), record(id="b" * 10, updated_at=6.0)
    younger = record(id="c" * 10, updated_at=6.0, created_at=3.0)
    for found in permutations([old, new, younger]):
        assert find(*found) is younger
    assert find(old, new) is find(new, old) is new
    assert find() is None


@pytest.mark.req("S0-23", "S0-20", "E0-4", "E0-5", "E0-6")
@pytest.mark.parametrize(
    "fields",
    [
        {"flow_kind": "assistant"},
        {"owner": BOB},
        {"owner": Owner(501, 78)},
        {"owner": Owner(501, 77, 3)},
        {"env": "dev"},
        {"expires_at": NOW},
        {"is_active": False},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_no_other_session_is_meant(fields: dict[str, Any]) -> None:
    """Another flow's, person's, chat's, topic's or environment's, an idle or an ended one: never, however new."""
    other, mine = record(id="o" * 10, updated_at=9.0, **fields), record(id="m" * 10, updated_at=1.0)
    assert find(other) is None
    assert find(other, mine) is mine


@pytest.mark.req("S0-15", "S0-16", "S0-44", "E0-8")
@pytest.mark.parametrize("data", ["pay", f"pay:{ID}", f"pay:{ID}:3"])
@pytest.mark.parametrize("formats", [("rev",), ("rev", "id"), ("rev", "bare"), ("rev", "id", "bare")])
def test_a_button_is_understood_where_its_format_is_allowed(data: str, formats: tuple[str, ...]) -> None:
    """Legacy buttons are switched off flow by flow, each format by itself."""
    press = parse(data)
    assert understood(press, frozenset(Format(name) for name in formats)) is (str(press.format) in formats)


# -- whose a session is --------------------------------------------------------------------------------------------


@pytest.mark.req("B-22")
@pytest.mark.parametrize(
    ("strategy", "same", "others"),
    [
        ("user_in_chat", [(1, 5, 0), (1, 5, 3)], [(2, 5, 0), (1, 6, 0)]),
        ("chat", [(1, 5, 0), (2, 5, 3)], [(1, 6, 0)]),
        ("global_user", [(1, 5, 0), (1, 6, 3)], [(2, 5, 0)]),
        ("user_in_topic", [(1, 5, 3)], [(1, 5, 4), (2, 5, 3), (1, 6, 3), (1, 5, 0)]),
        ("chat_topic", [(1, 5, 3), (2, 5, 3)], [(1, 5, 4), (1, 6, 3), (1, 5, 0)]),
    ],
)
def test_a_strategy_says_whose_a_session_is(strategy: str, same: Any, others: Any) -> None:
    """(person, chat, topic): some parts are in the key, and the others make no difference."""

    def of(place: tuple[int, int, int]) -> Owner:
        return owner_of(Strategy(strategy), user_id=place[0], chat_id=place[1], thread_id=place[2])

    assert len({of(place) for place in same}) == 1
    assert {of(place) for place in others}.isdisjoint({of(same[0])})


def test_every_strategy_has_a_key() -> None:
    """None of them falls through."""
    keys = {strategy: owner_of(strategy, user_id=1, chat_id=2, thread_id=3) for strategy in Strategy}
    assert len(set(keys.values())) == len(Strategy)


# -- the compare of the compare-and-set ----------------------------------------------------------------------------


@pytest.mark.req("S0-26", "S0-27", "B-2", "E0-7")
@pytest.mark.parametrize("state", ["carousel", "payment"])
@pytest.mark.parametrize("rev", [4, 5, 6])
def test_state_and_revision_must_both_be_as_the_turn_saw_them(state: str, rev: int) -> None:
    """A → B → A is another revision, so a turn that saw the first A does not move the second."""
    write = SessionWrite(record("generating", rev=6), "payment", 5)
    assert (moved([write], {ID: (state, rev)}) is None) is ((state, rev) == ("payment", 5))


def test_writes_of_one_turn_follow_one_another() -> None:
    """A session may be made, moved and ended by one turn; a second beginning of the same id is refused."""
    made = SessionWrite(record("carousel", rev=1))
    then = SessionWrite(record("payment", rev=2), "carousel", 1)
    assert moved([made, then], {}) is None
    assert moved([then], {}) == ID
    assert moved([made], {ID: ("carousel", 1)}) == ID
    assert moved([then, then], {ID: ("carousel", 1)}) == ID
    other = SessionWrite(record("carousel", id=new_session_id(), rev=1))
    assert moved([other, then], {ID: ("payment", 2)}) == ID
    assert moved([], {ID: ("payment", 2)}) is None


# -- what the person reads -----------------------------------------------------------------------------------------


@pytest.mark.req("C0-8", "C0-10", "C0-12", "B-1")
@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("language", ["en", "ru", "ru-ru", "pt-br", ""])
def test_every_reason_has_words_that_fit_an_answer(reason: Reason, language: str) -> None:
    """In English and Russian, other languages read English; Telegram takes 200 characters."""
    words = default_text(reason, language)
    assert 0 < len(words) <= 200
    assert words == TEXTS["ru" if language.startswith("ru") else "en"][reason]


@pytest.mark.req("C0-10")
def test_a_person_must_stop_and_look_where_something_was_expected() -> None:
    """An alert for what is outdated, somebody else's or broken; a passing note for what is done or under way."""
    assert {str(reason) for reason in ALERTS} >= {"wrong_state", "stale_rev", "not_found"}
    assert set(Reason) - ALERTS == {Reason.ALREADY_DONE, Reason.IN_PROGRESS}
