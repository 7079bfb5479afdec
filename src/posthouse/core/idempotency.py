"""Idempotency keys: one name for one repeatable action, the same however often it is asked for (S1-6, S1-18).

    <scope>|<service_id>|<run_id>|<context_id>|<actor_id>|<step>|<fingerprint>

    tg_update|pro|none|none|tg:42|upd:7|-
    artifact_submit|screen|<run_id>|<context_id>|user:<uuid>|type:full_report|fp:<16 to 24 hex digits>

The *fingerprint* is the head of a SHA-256 over the *essentials*: the fields that make two actions of one step
different. What merely differs between two tries of one action (times, correlation ids, counters) is no
essential, and is refused. A missing field is `none`, a missing fingerprint `-`. Upper case is refused rather
than folded: folding would give two different ids one key.

Deliberately absent: scopes for commit and cancel of a charge. Those are keyed by their operation and its
state (B-8)."""

from __future__ import annotations

import datetime
import hashlib
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from posthouse.core.errors import AuthorError

KEY_LENGTH_MAX = 300
UNPRINTED_LENGTH_MAX = 200  # a longer key must carry a fingerprint
NONE = "none"
NO_FINGERPRINT = "-"


class KeyScope(StrEnum):
    """What a key makes repeatable. The list is closed (C1-31)."""

    TG_UPDATE = "tg_update"
    JOB_ENQUEUE = "job_enqueue"
    USAGE_RESERVE = "usage_reserve"
    ARTIFACT_SUBMIT = "artifact_submit"
    OUTBOX = "outbox"


STEP_PREFIXES = ("fsm", "op", "type", "msg", "upd")
_UUID_ACTORS = ("user", "invite")
_WORD = re.compile(r"[a-z0-9_.:@/+=~-]+", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d(?:[t_]|$)|\d{8}t\d{4}", re.ASCII)
_CHAT_ID = re.compile(r"-?\d{1,16}", re.ASCII)
_FINGERPRINT = re.compile(r"(?:fp:)?([0-9a-f]{16,24})", re.ASCII)
_INESSENTIAL = frozenset(
    {"attempt", "attempts", "attempt_count", "retries", "retry", "retry_count"}
    | {"correlation_id", "span_id", "trace", "trace_id", "locked_at", "now"}
    | {"created_at", "received_at", "sent_at", "timestamp", "timestamp_bucket", "ts", "updated_at"}
)


def make_idempotency_key(
    scope: KeyScope | str,
    service_id: str,
    *,
    run_id: str | UUID | None = None,
    context_id: str | UUID | None = None,
    actor_id: str | None = None,
    step: str | None = None,
    fingerprint: str | None = None,
    essentials: Mapping[str, Any] | None = None,
) -> str:
    """The key of one action, or raise `AuthorError` that names the field and the mend.

    `actor_id` is `user:<uuid>`, `invite:<uuid>` or `tg:<chat id>`; `step` is `fsm:<state>`, `op:<operation
    kind>`, `type:<artifact type>`, `msg:<name>` or `upd:<id>`. `run_id` is one launch, the same through its
    retries, and only `tg_update` goes without (C1-34). Give `essentials` to have them fingerprinted, or a
    ready `fingerprint`."""
    known = _scope(scope)
    run = _word("run_id", run_id)
    if run == NONE and known is not KeyScope.TG_UPDATE:
        raise AuthorError(f"scope {known} needs a run_id: make one per launch and reuse it in retries")
    service = _word("service_id", service_id)
    if service == NONE:
        raise AuthorError("service_id is missing: pass the name of the tool or bot, for example 'pro'")
    print_ = _fingerprint(fingerprint, essentials)
    context = _word("context_id", context_id)
    key = "|".join((known, service, run, context, _actor(actor_id), _step(step), print_))
    if len(key) > KEY_LENGTH_MAX:
        raise AuthorError(
            f"an idempotency key has at most {KEY_LENGTH_MAX} characters, this one {len(key)}: "
            "move the long fields into essentials={…}"
        )
    if len(key) > UNPRINTED_LENGTH_MAX and print_ == NO_FINGERPRINT:
        raise AuthorError(
            f"a key of more than {UNPRINTED_LENGTH_MAX} characters ({len(key)}) needs a fingerprint: "
            "pass essentials={…} and shorten the step"
        )
    return key


def fingerprint_of(essentials: Mapping[str, Any], *, digits: int = 16) -> str:
    """The first `digits` (16 to 24) hex digits of the SHA-256 over the essentials as JSON with sorted keys.

    Raises `AuthorError` for what has no stable JSON form, and for fields that differ between two tries of one
    action."""
    if not 16 <= digits <= 24:
        raise AuthorError(f"a fingerprint has 16 to 24 hex digits, not {digits}")
    if not essentials:
        raise AuthorError("essentials is empty: leave it out, or name the fields that tell two actions apart")
    for name in essentials:
        if str(name).lower() in _INESSENTIAL:
            raise AuthorError(f"essentials[{name!r}] differs between two tries of one action: leave it out")
    _refuse_unstable(essentials, "essentials")
    try:
        stable = msgspec.json.encode(essentials, order="sorted")
    except (TypeError, ValueError) as error:
        raise AuthorError(f"essentials cannot be written as JSON ({error}): pass plain values") from None
    return hashlib.sha256(stable).hexdigest()[:digits]


def _refuse_unstable(value: Any, path: str) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            _refuse_unstable(item, f"{path}[{name!r}]")
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _refuse_unstable(item, f"{path}[…]")
    elif isinstance(value, datetime.datetime | datetime.time):
        raise AuthorError(f"{path} is a time: leave it out, or pass it as text if the action is about it")
    elif isinstance(value, float) and not math.isfinite(value):
        raise AuthorError(f"{path} is {value}, which JSON cannot tell from null: pass a finite number")


def _scope(scope: KeyScope | str) -> KeyScope:
    try:
        return KeyScope(scope)
    except ValueError:
        raise AuthorError(f"scope {scope!r} is not one of {', '.join(KeyScope)}") from None


def _word(name: str, value: str | UUID | None) -> str:
    """The value as a field of the key; a missing one is `none`."""
    if value is None:
        return NONE
    text = str(value)
    if text != text.lower():
        raise AuthorError(f"{name} {text!r} has upper-case letters: keys are lower-case, so pass a lower-case id")
    if _WORD.fullmatch(text) is None or text == NO_FINGERPRINT:
        raise AuthorError(f"{name} {text!r} may hold only a-z, 0-9 and _.:@/+=~-, no space, no '|'; None if missing")
    if _TIMESTAMP.search(text):
        raise AuthorError(f"{name} {text!r} holds a timestamp: a retry would get another key; leave it out")
    return text


def _actor(actor_id: str | None) -> str:
    text = _word("actor_id", actor_id)
    if text == NONE:
        return text
    kind, _, who = text.partition(":")
    if kind == "tg" and _CHAT_ID.fullmatch(who):
        return text
    if kind in _UUID_ACTORS:
        try:
            return f"{kind}:{UUID(who)}"
        except ValueError:
            pass
    raise AuthorError(f"actor_id {text!r} is none of user:<uuid>, invite:<uuid>, tg:<chat id>")


def _step(step: str | None) -> str:
    text = _word("step", step)
    prefix, _, rest = text.partition(":")
    if text != NONE and (prefix not in STEP_PREFIXES or not rest):
        raise AuthorError(f"step {text!r} is none of {', '.join(f'{p}:<…>' for p in STEP_PREFIXES)}")
    return text


def _fingerprint(fingerprint: str | None, essentials: Mapping[str, Any] | None) -> str:
    if essentials is not None:
        if fingerprint is not None:
            raise AuthorError("pass essentials or a fingerprint, not both")
        return f"fp:{fingerprint_of(essentials)}"
    if fingerprint is None or fingerprint == NO_FINGERPRINT:
        return NO_FINGERPRINT
    found = _FINGERPRINT.fullmatch(fingerprint)
    if found is None:
        raise AuthorError(f"fingerprint {fingerprint!r} is not 16 to 24 lower-case hex digits: fingerprint_of(…) is")
    return f"fp:{found[1]}"
