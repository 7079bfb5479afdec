"""What an answer that is none means: who has to act, and when.

| status | | reason |
|---|---|---|
| 408, 409, 425, 429, 5xx with 529 | unavailable | the worker asks again, after `Retry-After` |
| 400, 422 and other 4xx, 3xx | refused | `bad_request`, or `context_length` where the text says so |
| 401, 403, 404, 413 | refused | `unauthorized`, `forbidden`, `not_found`, `too_large` |
| 402, and 429 of a used-up account | refused | `quota`: waiting does not fill it |

A failure inside a stream carries a kind instead of a status; the kind has the status that it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from posthouse.ports.model import ModelRefused, ModelUnavailable, RefusalReason, Usage

_WAITING = {408, 409, 425, 429}
_REASONS = {
    401: RefusalReason.UNAUTHORIZED,
    402: RefusalReason.QUOTA,
    403: RefusalReason.FORBIDDEN,
    404: RefusalReason.NOT_FOUND,
    413: RefusalReason.TOO_LARGE,
}
_KINDS = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TOO_LONG = (
    "context_length",
    "context length",
    "context limit",
    "context size",
    "context window",
    "prompt is too long",
)
_USED_UP = ("insufficient_quota", "credit balance is too low", "billing_error")


class Problem(msgspec.Struct, frozen=True):
    """The `error` object of both dialects."""

    message: str | None = None
    type: str | None = None
    code: str | int | float | None = None


class _Body(msgspec.Struct):
    error: Problem | str | None = None
    message: str | None = None  # some compatible servers have no `error` around it


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer, before it becomes an exception. `reason` None: it is worth asking again.

    `is_billable` when the provider may have begun to work on the question.
    """

    message: str
    status: int | None = None
    retry_after_s: float | None = None
    reason: RefusalReason | None = None
    is_billable: bool = False

    def error(self, usage: Usage | None = None) -> ModelUnavailable | ModelRefused:
        if self.reason is not None:
            return ModelRefused(self.message, reason=self.reason, status=self.status)
        return ModelUnavailable(self.message, status=self.status, retry_after_s=self.retry_after_s, usage=usage)


def failure_of(status: int, headers: Mapping[str, str], content: bytes) -> Failure:
    """The failure that an HTTP answer other than 200 tells of."""
    return _judged(status, problem_in(content), retry_after_s=retry_after_s(headers))


def failure_in_stream(problem: Problem) -> Failure:
    """The failure that an event of a stream tells of: the answer had begun, so it is billed."""
    status = next((_KINDS[word] for word in (problem.code, problem.type) if word in _KINDS), None)
    if status is None:
        coded = problem.code
        status = int(coded) if isinstance(coded, int | float) and 400 <= coded < 600 else 500
    return msgspec.structs.replace(_judged(status, problem), is_billable=True)


def problem_in(content: bytes) -> Problem:
    """The explanation in an answer's body, empty when there is none that we understand."""
    try:
        body = msgspec.json.decode(content, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Problem()
    if isinstance(body.error, Problem):
        return body.error
    return Problem(message=body.error or body.message)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`; a date counts from the answer's own `Date`, so that no clock of ours matters."""
    wanted = headers.get("Retry-After", "").strip()
    try:
        seconds = float(wanted)
    except ValueError:
        try:
            then, now = parsedate_to_datetime(wanted), parsedate_to_datetime(headers.get("Date", ""))
            seconds = (then - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _judged(status: int, problem: Problem, *, retry_after_s: float | None = None) -> Failure:
    told = f"{problem.code or ''} {problem.type or ''} {problem.message or ''}".lower()
    reason: RefusalReason | None
    if any(words in told for words in _USED_UP):
        reason = RefusalReason.QUOTA
    elif status in _WAITING or status >= 500:
        reason = None
    elif status in (400, 413, 422) and any(words in told for words in _TOO_LONG):
        reason = RefusalReason.CONTEXT_LENGTH
    else:
        reason = _REASONS.get(status, RefusalReason.BAD_REQUEST)
    return Failure(
        message=_explained(status, problem, reason),
        status=status,
        retry_after_s=retry_after_s if reason is None else None,
        reason=reason,
    )


def _explained(status: int, problem: Problem, reason: RefusalReason | None) -> str:
    if reason is RefusalReason.UNAUTHORIZED:  # the provider's own words like to quote the key
        return f"answered {status}: it does not accept the key; check api_key"
    if 300 <= status < 400:
        return f"answered {status}, a redirect; check base_url"
    words = " ".join((problem.message or "no explanation").split())
    kind = f" {problem.type}" if problem.type else ""
    return f"answered {status}{kind}: {words}"
