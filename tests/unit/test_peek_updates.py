"""Peeking: update id, kind and lane of every kind of update, and of what is none."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.core.entries import LANE_KEY_BOUND, UPDATE_ID_MAX
from posthouse.telegram.peek import UPDATE_KINDS, MalformedUpdate, hashed_lane, peek

CORPUS = Path(__file__).parents[1] / "corpus"
LINES = [json.loads(line) for line in (CORPUS / "updates.jsonl").read_text("utf-8").splitlines()]
BOT = 42


def id_of(part: Any) -> int | None:
    return part.get("id") if isinstance(part, dict) else None


def expected_lane(kind: str, part: dict[str, Any]) -> int:
    """The lane by the words of the documentation, written without looking at `peek`."""
    chats = [part.get("chat"), (part.get("message") or {}).get("chat"), part.get("voter_chat")]
    people = [part.get("from"), part.get("user")]
    for found in map(id_of, chats + people):
        if found is not None:
            return found if abs(found) < LANE_KEY_BOUND else hashed_lane(str(found))
    return hashed_lane(f"{kind}:{part.get('poll_id') or part.get('id') or ''}")


def body(update: dict[str, Any]) -> bytes:
    return json.dumps(update, ensure_ascii=False).encode()


def with_line(line: dict[str, Any]) -> str:
    update = line["update"]
    return f"{next(k for k in update if k != 'update_id')}-{line['source'].rsplit('/', 1)[-1]}"


def test_the_corpus_is_whole() -> None:
    """202 updates of 26 kinds, and the licence notice lies beside them."""
    assert len(LINES) == 202
    kinds = Counter(next(key for key in line["update"] if key != "update_id") for line in LINES)
    assert len(kinds) == 26
    assert set(kinds) <= set(UPDATE_KINDS)
    assert "Licence" in (CORPUS / "README.md").read_text("utf-8")


@pytest.mark.req("S0-6", "C1-17")
@pytest.mark.parametrize("line", LINES, ids=with_line)
def test_every_update_gets_its_kind_and_lane(line: dict[str, Any]) -> None:
    """Valid or not, an update is kept whole under its id, with its kind and the lane of its chat or
    person."""
    update = line["update"]
    kind = next(key for key in update if key != "update_id")
    raw = body(update)
    if not 0 <= update["update_id"] < UPDATE_ID_MAX:
        with pytest.raises(MalformedUpdate):
            peek(BOT, raw)
        return
    found = peek(BOT, raw)
    assert (found.bot_id, found.update_id, found.kind, found.payload) == (BOT, update["update_id"], kind, raw)
    assert found.lane == expected_lane(kind, update[kind])
    assert abs(found.lane) < LANE_KEY_BOUND


def test_what_names_neither_chat_nor_person_has_a_lane_of_its_own() -> None:
    """Five polls and an anonymous answer get lanes where Telegram has no chats, the same for the same
    poll."""
    orphans = [(peek(BOT, body(line["update"])), line["update"]) for line in LINES]
    orphans = [(found, update) for found, update in orphans if found.lane <= -(2**51)]
    assert Counter(found.kind for found, _ in orphans if found.kind.startswith("poll")) == {
        "poll": 5,
        "poll_answer": 1,
    }
    for found, update in orphans:
        again = peek(BOT, body(update | {"update_id": 1}))
        assert again.lane == found.lane


@pytest.mark.parametrize("kind", UPDATE_KINDS)
def test_every_known_kind_is_named(kind: str) -> None:
    """Each kind in the table is read as itself, also when its content is empty."""
    assert peek(BOT, body({"update_id": 1, kind: {}})).kind == kind
    assert peek(BOT, body({"update_id": 1, kind: {"chat": {"id": 9}}})).lane == 9


def test_a_kind_of_tomorrow_is_kept() -> None:
    """An update of a kind we do not know is kept under its own name, in a lane of that kind."""
    found = peek(BOT, body({"update_id": 1, "telepathy": {"chat": {"id": 5}}}))
    assert found.kind == "telepathy"
    assert peek(BOT, body({"update_id": 2, "telepathy": 3})).lane == found.lane
    assert peek(BOT, b'{"update_id":3}').kind == "empty"


def test_a_press_belongs_to_the_chat_of_its_message() -> None:
    """A button press goes to the chat, so that it keeps its order with messages; without one to the
    person."""
    press = {"id": "1", "from": {"id": 7}, "message": {"chat": {"id": -100}}}
    assert peek(BOT, body({"update_id": 1, "callback_query": press})).lane == -100
    del press["message"]
    assert peek(BOT, body({"update_id": 1, "callback_query": press})).lane == 7


def test_an_anonymous_vote_belongs_to_the_voting_chat() -> None:
    """A chat that votes in its own name gives the lane; a person's vote goes to the person."""
    vote: dict[str, Any] = {"poll_id": "5", "voter_chat": {"id": -100}}
    assert peek(BOT, body({"update_id": 1, "poll_answer": vote})).lane == -100
    assert peek(BOT, body({"update_id": 1, "poll_answer": {"poll_id": "5", "user": {"id": 7}}})).lane == 7


@pytest.mark.req("B-22")
def test_lanes_by_user() -> None:
    """With `lane_by="user"` each person of a group has a lane; a post of nobody stays with its chat."""
    message = {"chat": {"id": -100}, "from": {"id": 7}}
    assert peek(BOT, body({"update_id": 1, "message": message}), lane_by="user").lane == 7
    assert peek(BOT, body({"update_id": 1, "channel_post": {"chat": {"id": -100}}}), lane_by="user").lane == -100


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{}",
        b"{",
        b'{"update_id":null}',
        b'{"update_id":"1"}',
        b'{"update_id":1.5}',
        b'{"update_id":true}',
        b'{"update_id":-1}',
        b'{"update_id":1099511627776}',
        b'{"update_id":123456789012345678901234567890}',
        b'{"update_id":1,"message":7}',
        b'{"update_id":1,"message":[]}',
        b'{"update_id":1,"message":{"chat":{"id":"x"}}}',
        b'{"update_id":1,"message":{"chat":{"id":1.5}}}',
        b'{"update_id":1}x',
        b"\xff\xfe",
        b'{"update_id":1,"message":{"text":"\xff"}}',
        b'{"update_id":1,"x":' + b"[" * 100_000,
        b'{"update_id":1,"message":' + b'{"message":' * 50_000,
        b'{"\xff":1,"update_id":1}',
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_update_is_malformed(raw: bytes) -> None:
    """A body that is no update is refused as malformed, and never with another error; or it can be kept."""
    try:
        found = peek(BOT, raw)
    except MalformedUpdate:
        return
    assert 0 <= found.update_id < UPDATE_ID_MAX
    assert raw.startswith(b'{"update_id":1,"message":{"text"')


def bodies() -> st.SearchStrategy[bytes]:
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    keys = st.sampled_from(
        [*UPDATE_KINDS, "update_id", "chat", "from", "user", "id", "message", "voter_chat", "poll_id"]
    )
    value: st.SearchStrategy[Any] = st.deferred(
        lambda: scalar | st.lists(value, max_size=3) | st.dictionaries(keys | st.text(max_size=8), value, max_size=5)
    )
    updates = st.dictionaries(keys, value, max_size=4).map(lambda update: {"update_id": 7} | update)
    return st.binary(max_size=200) | (value | updates).map(lambda found: json.dumps(found).encode("utf-8", "replace"))


@settings(max_examples=600)
@given(raw=bodies(), by=st.sampled_from(["chat", "user"]))
def test_no_body_raises_anything_else(raw: bytes, by: Any) -> None:
    """Whatever bytes arrive: an update with a lane in bounds, or `MalformedUpdate`."""
    try:
        found = peek(BOT, raw, lane_by=by)
    except MalformedUpdate:
        return
    assert abs(found.lane) < LANE_KEY_BOUND
    assert 0 <= found.update_id < UPDATE_ID_MAX
    assert found.payload is raw
    assert len(found.kind) <= 64


@settings(max_examples=300)
@given(line=st.sampled_from(LINES), data=st.data())
def test_a_damaged_update_raises_nothing_else(line: dict[str, Any], data: st.DataObject) -> None:
    """A real update with bytes cut out or changed is read, or is malformed."""
    raw = bytearray(body(line["update"]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not raw:
            return
    try:
        peek(BOT, bytes(raw))
    except MalformedUpdate:
        pass
