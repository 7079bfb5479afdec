"""Idempotency keys: Appendix C to the letter."""

from __future__ import annotations

import datetime
import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.errors import AuthorError
from posthouse.core.idempotency import KeyScope, fingerprint_of, make_idempotency_key

RUN = "0b3c2f6e-0000-4000-8000-000000000001"
CONTEXT = "0b3c2f6e-0000-4000-8000-000000000002"
PERSON = "0b3c2f6e-0000-4000-8000-000000000003"
HASH16 = "0123456789abcdef"

CANONICAL: list[tuple[str, dict[str, Any]]] = [
    (
        "tg_update|pro|none|none|tg:4001|upd:77|-",
        {"scope": "tg_update", "service_id": "pro", "actor_id": "tg:4001", "step": "upd:77"},
    ),
    (
        f"job_enqueue|interpretator|{RUN}|{CONTEXT}|user:{PERSON}|op:run|-",
        {
            "scope": "job_enqueue",
            "service_id": "interpretator",
            "actor_id": f"user:{PERSON}",
            "step": "op:run",
        },
    ),
    (
        f"usage_reserve|interpretator|{RUN}|{CONTEXT}|user:{PERSON}|op:run|-",
        {
            "scope": "usage_reserve",
            "service_id": "interpretator",
            "actor_id": f"user:{PERSON}",
            "step": "op:run",
        },
    ),
    (
        f"artifact_submit|interpretator|{RUN}|{CONTEXT}|user:{PERSON}|type:full_report|fp:{HASH16}",
        {
            "scope": "artifact_submit",
            "service_id": "interpretator",
            "actor_id": f"user:{PERSON}",
            "step": "type:full_report",
            "fingerprint": HASH16,
        },
    ),
    (
        f"outbox|pro|{RUN}|{CONTEXT}|tg:4001|msg:final|fp:{HASH16}",
        {
            "scope": "outbox",
            "service_id": "pro",
            "actor_id": "tg:4001",
            "step": "msg:final",
            "fingerprint": f"fp:{HASH16}",
        },
    ),
]


@pytest.mark.req("S1-18", "C1-30", "C1-33")
@pytest.mark.parametrize(("key", "fields"), CANONICAL, ids=[key.split("|")[0] for key, _ in CANONICAL])
def test_the_canonical_examples(key: str, fields: dict[str, Any]) -> None:
    """The examples of Appendix C come out verbatim."""
    run = {} if fields["scope"] == "tg_update" else {"run_id": RUN, "context_id": CONTEXT}
    assert make_idempotency_key(**run, **fields) == key


@pytest.mark.req("C1-31")
def test_the_list_of_scopes_is_closed() -> None:
    """There are five scopes; another is refused with the list."""
    assert [*KeyScope] == ["tg_update", "job_enqueue", "usage_reserve", "artifact_submit", "outbox"]
    with pytest.raises(AuthorError, match="'usage_commit' is not one of tg_update, job_enqueue"):
        make_idempotency_key("usage_commit", "pro", run_id=RUN)


@pytest.mark.req("C1-34")
@pytest.mark.parametrize("scope", [*KeyScope])
def test_a_run_is_mandatory_but_for_updates(scope: KeyScope) -> None:
    """Every scope but `tg_update` needs a run_id, and `none` does not count as one."""
    if scope is KeyScope.TG_UPDATE:
        assert make_idempotency_key(scope, "pro") == "tg_update|pro|none|none|none|none|-"
        return
    for run_id in (None, "none"):
        with pytest.raises(AuthorError, match=f"scope {scope} needs a run_id"):
            make_idempotency_key(scope, "pro", run_id=run_id)


def key(**fields: Any) -> str:
    return make_idempotency_key(**({"scope": "outbox", "service_id": "pro", "run_id": RUN} | fields))


@pytest.mark.req("C1-30", "C1-31")
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"service_id": "Pro"}, "service_id 'Pro' has upper-case letters"),
        ({"service_id": "none"}, "service_id is missing"),
        ({"service_id": ""}, "service_id '' may hold only"),
        ({"context_id": "a b"}, "context_id 'a b' may hold only"),
        ({"context_id": "a|b"}, "context_id 'a|b' may hold only"),
        ({"context_id": "a\n"}, "context_id"),
        ({"context_id": "-"}, "None if missing"),
        ({"context_id": "é"}, "context_id 'é' may hold only"),
        ({"step": "op:2026-01-02t10:00"}, "holds a timestamp"),
        ({"step": "op:20260102t1000"}, "holds a timestamp"),
        ({"step": "run"}, "step 'run' is none of fsm:<…>, op:<…>"),
        ({"step": "op:"}, "step 'op:' is none of"),
        ({"actor_id": "4001"}, "actor_id '4001' is none of user:<uuid>"),
        ({"actor_id": "user:7"}, "actor_id 'user:7' is none of"),
        ({"actor_id": "tg:abc"}, "actor_id 'tg:abc' is none of"),
        ({"fingerprint": "xyz"}, "fingerprint 'xyz' is not 16 to 24"),
        ({"fingerprint": "a" * 25}, "16 to 24"),
        ({"fingerprint": "a" * 15}, "16 to 24"),
        ({"fingerprint": HASH16, "essentials": {"a": 1}}, "not both"),
        ({"context_id": "c" * 150}, "more than 200 characters (2"),
        ({"context_id": "c" * 300, "essentials": {"a": 1}}, "at most 300 characters"),
        ({"essentials": {}}, "essentials is empty"),
        ({"essentials": {"attempt_count": 1}}, "essentials['attempt_count'] differs between two tries"),
        ({"essentials": {"correlation_id": "x"}}, "leave it out"),
        ({"essentials": {"timestamp_bucket": 1}}, "leave it out"),
        (
            {"essentials": {"slots": [{"at": datetime.datetime(2026, 1, 1)}]}},
            "essentials['slots'][…]['at'] is a time",
        ),
        ({"essentials": {"x": float("nan")}}, "essentials['x'] is nan"),
        ({"essentials": {"x": object()}}, "pass plain values"),
    ],
)
def test_a_wrong_field_is_named_with_the_mend(fields: dict[str, Any], says: str) -> None:
    """A key is never bent into shape: what does not fit is refused, and the message says what to do."""
    with pytest.raises(AuthorError, match=re.escape(says)):
        key(**fields)


@pytest.mark.req("C1-30")
def test_a_long_key_needs_a_fingerprint() -> None:
    """Between 200 and 300 characters a key carries a fingerprint."""
    assert len(key(context_id="c" * 150, essentials={"a": 1})) > 200


@pytest.mark.req("C1-32")
def test_the_fingerprint_is_stable() -> None:
    """The order of fields does not matter, their values do; the hash is pinned, for keys outlive releases."""
    essentials = {"text": "привет", "n": 3, "nested": {"b": 1, "a": [1, 2]}}
    turned = {"nested": {"a": [1, 2], "b": 1}, "n": 3, "text": "привет"}
    assert fingerprint_of(essentials) == fingerprint_of(turned) == "01bec3e307a05769"
    assert fingerprint_of(essentials | {"n": 4}) != fingerprint_of(essentials)
    assert key(essentials=essentials).endswith("|fp:01bec3e307a05769")


@pytest.mark.req("C1-32")
def test_a_fingerprint_has_16_to_24_digits() -> None:
    """A longer one begins with the shorter one."""
    assert fingerprint_of({"a": 1}, digits=24).startswith(fingerprint_of({"a": 1}))
    for digits in (15, 25):
        with pytest.raises(AuthorError, match="16 to 24"):
            fingerprint_of({"a": 1}, digits=digits)


def test_ids_may_be_uuid_objects_and_groups_are_chats() -> None:
    """A UUID is written in its canonical form; a group's negative id is a chat id."""
    found = key(run_id=UUID(RUN), actor_id="tg:-1001234567890", step="fsm:wait_photo")
    assert found == f"outbox|pro|{RUN}|none|tg:-1001234567890|fsm:wait_photo|-"


words = st.from_regex(r"[a-z0-9_]{1,20}", fullmatch=True).filter(lambda word: word != "none" and "t" not in word)


@pytest.mark.req("C1-30")
@given(st.lists(st.tuples(words, words, words, words), min_size=2, max_size=2, unique=True))
def test_two_actions_have_two_keys(actions: list[tuple[str, str, str, str]]) -> None:
    """Different fields never make the same key, and every key has the seven parts of the format."""
    keys = [
        make_idempotency_key("outbox", service, run_id=run, context_id=context, step=f"msg:{name}")
        for service, run, context, name in actions
    ]
    assert keys[0] != keys[1]
    for made in keys:
        assert len(made.split("|")) == 7
        assert made == made.lower()
        assert " " not in made
