"""What the runtime asks of a program, whatever framework it is written in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from posthouse.programs.turn import Turn


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """One bot that a program serves. The token prints as stars. `env` is part of its sessions' identity (S0-12)."""

    name: str
    bot_id: int
    token: str
    env: str = "prod"

    def __repr__(self) -> str:
        return f"BotIdentity(name={self.name!r}, bot_id={self.bot_id}, token='***')"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job function and its defaults. `timeout_s` bounds one attempt; 0 means no bound."""

    task: str
    function: Callable[..., Any]
    queue: str = "default"
    attempts_max: int = 5
    timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CronSpec:
    """A schedule that queues a job. `catch_up` says what to do with firings missed while nobody ran:

    `latest` (default) runs the newest one, `all` runs each (at most 1,000), `none` skips them.
    """

    name: str
    expression: str
    task: str
    timezone: str = "UTC"
    catch_up: str = "latest"


class Program(Protocol):
    """Handles the entries of one or more bots."""

    @property
    def jobs(self) -> Mapping[str, JobSpec]: ...

    @property
    def crons(self) -> Mapping[str, CronSpec]: ...

    @property
    def tables(self) -> Any:
        """The SQLAlchemy `MetaData` of its own tables, or None; they are created at start where they do not exist."""
        ...

    @property
    def keeps_sessions(self) -> bool:
        """Whether it has flows or conversations, so that their sessions come with each lease."""
        ...

    def allowed_updates(self) -> list[str]:
        """The update kinds the program has handlers for, for `setWebhook` and `getUpdates`."""
        ...

    async def start(self, bots: list[BotIdentity]) -> None:
        """Run the program's start-up hooks, once, before the first turn."""
        ...

    async def stop(self) -> None:
        """Run the shutdown hooks, once, after the last turn."""
        ...

    async def perform(self, turn: Turn) -> None:
        """Run the handler for one entry; what it wants is written down in `turn.effects`. Raises what it raises."""
        ...


Hook = Callable[[], Awaitable[None]]
