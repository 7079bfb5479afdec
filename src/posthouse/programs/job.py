"""A job as its function sees it: arguments come as keywords, effects commit with the job's end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.core.leases import JobLease
from posthouse.programs.actions import Actions

DOWNLOAD_BYTES_MAX = 20 * 1024 * 1024
"""What Telegram's own server lets a bot download."""


class JobReach(Protocol):
    """What a job can reach while it runs; the runtime gives it."""

    async def call(self, job: Job, method: str, parameters: dict[str, Any]) -> Any: ...

    async def download(self, job: Job, file_id: str, size_max_bytes: int) -> bytes: ...

    async def keep(self, content: bytes) -> str: ...

    def model(self, name: str) -> Any:
        """A `posthouse.ports.model.LanguageModel`, or None."""
        ...


class Job(Actions):
    """One attempt of one job. What it asks for (`say`, `document`, `enqueue`, …) is committed with its result.

    `attempt` is 1 for the first try. `cancelled` becomes True when an operator cancels the job; a function that runs
    long looks at it now and then. Raise `Retryable` or `Terminal` to decide; any other exception is retried with
    back-off. Source: S1-45, architecture §9.
    """

    __slots__ = ("_progress", "_reach", "attempt", "attempts_max", "bot", "cancelled", "id", "queue", "task")

    def __init__(
        self,
        lease: JobLease,
        *,
        bot: str = "",
        progress: Callable[[Job, str], None] | None = None,
        reach: JobReach | None = None,
    ) -> None:
        lane = lease.lane
        super().__init__(
            lease.bot_id,
            lane,
            lane if lease.bot_id and lane and lane > -(2**51) else None,
            cause=-lease.id,
            trace=lease.trace,
        )
        self.id = lease.id
        self.task = lease.task
        self.queue = lease.queue
        self.attempt = lease.attempts
        self.attempts_max = lease.attempts_max
        self.bot = bot
        self.cancelled = False
        self._progress = progress
        self._reach = reach

    def progress(self, text: str) -> Awaitable[None]:
        """Show `text` in the chat now: one message that is edited in place, at most about once in 2 s.

        Unlike every other effect it does not wait for the job's end. A text that comes too soon replaces the one
        that waits; the last one is always shown. A sync job just calls it; `await` gives way to others once.
        """
        if self._progress is not None and self.chat_id is not None:
            self._progress(self, text)
        return _BREATH

    async def telegram(self, method: str, **parameters: Any) -> Any:
        """Call the Bot API now and return its result: for what a job must know before it goes on. Files are `File`s.

        Nothing of it waits for the commit, and a job that runs again calls again: use it for reads, and for calls that
        may be repeated. What people are to see goes by `say`, `photo`, … Raises `Refused`, `Unreachable`, and
        `Retryable` for a 429.
        """
        return await self._reached().call(self, method, parameters)

    async def download(self, file_id: str, *, size_max_bytes: int = DOWNLOAD_BYTES_MAX) -> bytes:
        """The bytes of a file that a person sent. Raises `Refused` when it is gone or larger than allowed."""
        return await self._reached().download(self, file_id, size_max_bytes)

    async def keep(self, content: bytes) -> str:
        """Put bytes into the blob store, and return their key: a later turn sends them as `File(Kept(key))`."""
        return await self._reached().keep(content)

    def model(self, name: str = "default") -> Any:
        """The language model `[models.NAME]` of the configuration (`posthouse.ports.model.LanguageModel`), or None."""
        return self._reached().model(name)

    def _reached(self) -> JobReach:
        if self._reach is None:
            raise AuthorError(f"job {self.task} runs without a platform, so it reaches neither Telegram nor files")
        return self._reach

    @property
    def progress_handle(self) -> str:
        """The handle of the progress message, to `edit` or `delete` it at the end."""
        return f"job-{self.id}"


class _Breath:
    """Awaiting it lets the event loop turn once; a thread may leave it alone."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield


_BREATH = _Breath()


def job_arguments(lease: JobLease) -> dict[str, Any]:
    return msgspec.json.decode(lease.args, type=dict[str, Any])
