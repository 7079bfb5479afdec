"""What a person reads when a command fails: one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from posthouse.core.errors import ConfigurationInvalid, PosthouseError

USAGE = 2  # wrong options or a wrong configuration: nothing was tried
FAILED = 1


def exit_code(error: PosthouseError) -> int:
    """2 when the configuration is wrong, 1 for everything else."""
    return USAGE if isinstance(error, ConfigurationInvalid) else FAILED


@contextmanager
def only_cause() -> Generator[None, None, None]:
    """Let a `PosthouseError` that a task group wrapped come out by itself; anything else keeps its whole story."""
    try:
        yield
    except BaseExceptionGroup as group:
        ours, others = group.split(PosthouseError)
        if ours is None or others is not None:
            raise
        raise _first(ours) from None


def _first(group: BaseExceptionGroup[PosthouseError]) -> PosthouseError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
