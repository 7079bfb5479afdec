"""Errors by who has to act."""

from __future__ import annotations

import inspect
import pickle

import pytest

from posthouse.core import errors
from posthouse.core.errors import (
    AuthorError,
    PlatformError,
    PosthouseError,
    Refused,
    Retryable,
    TelegramError,
    Terminal,
    Unreachable,
)

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, PosthouseError)]
PLAIN = [c for c in CLASSES if c not in (Refused, Unreachable)]


@pytest.mark.parametrize("error", PLAIN)
def test_the_docstring_is_the_default_message(error: type[PosthouseError]) -> None:
    """Without a message an error says the first line of its docstring, which is a sentence."""
    assert str(error()) == (error.__doc__ or "").splitlines()[0]
    assert str(error()).endswith(".")


@pytest.mark.parametrize("error", PLAIN)
def test_a_message_replaces_the_default(error: type[PosthouseError]) -> None:
    """With a message an error says that."""
    assert str(error("no lane 7")) == "no lane 7"


@pytest.mark.parametrize("error", [c for c in CLASSES if c is not PosthouseError])
def test_every_error_says_who_has_to_act(error: type[PosthouseError]) -> None:
    """Every error is one of the author, of Telegram or of the platform, and of one only."""
    assert sum(issubclass(error, kind) for kind in (AuthorError, TelegramError, PlatformError)) == 1


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_stands_in_the_tree(error: type[PosthouseError]) -> None:
    """The tree in the module's docstring names every class."""
    assert error.__name__ in (errors.__doc__ or "")


def test_nothing_hides_from_except_exception() -> None:
    """Every error is an ordinary exception."""
    assert all(issubclass(error, Exception) for error in CLASSES)


def test_a_refusal_carries_what_telegram_said() -> None:
    """A refusal names the method, the code and the description, and carries where and when to go on."""
    error = Refused("sendMessage", 429, "Too Many Requests", retry_after_s=7.0, migrate_to_chat_id=-100)
    assert str(error) == "Telegram refused sendMessage: 429 Too Many Requests"
    assert (error.method, error.code, error.description) == ("sendMessage", 429, "Too Many Requests")
    assert (error.retry_after_s, error.migrate_to_chat_id) == (7.0, -100)
    plain = Refused("sendMessage", 403, "Forbidden")
    assert (plain.retry_after_s, plain.migrate_to_chat_id) == (None, None)


@pytest.mark.parametrize("sent", [True, False])
def test_a_missing_answer_says_whether_the_request_may_have_arrived(sent: bool) -> None:
    """`Unreachable` knows whether the request may have left."""
    error = Unreachable("sendMessage", "connection reset", sent=sent)
    assert str(error) == "No answer from Telegram to sendMessage: connection reset"
    assert (error.method, error.sent) == ("sendMessage", sent)


def test_an_author_says_when_to_try_again_and_why_not() -> None:
    """`Retryable` may carry a delay, `Terminal` a reason; both have defaults."""
    assert Retryable().retry_after_s is None
    assert Retryable("busy", retry_after_s=3.0).retry_after_s == 3.0
    assert Terminal().reason == "terminal"
    assert Terminal("gone", reason="chat_gone").reason == "chat_gone"


@pytest.mark.parametrize("error", PLAIN)
def test_an_error_survives_a_process_boundary(error: type[PosthouseError]) -> None:
    """An error that was raised in a worker process says the same here."""
    copy = pickle.loads(pickle.dumps(error("no lane 7")))
    assert (type(copy), str(copy)) == (error, "no lane 7")
