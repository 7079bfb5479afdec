"""The turn that is running, for code that aiogram calls without it: FSM storage, isolation, session."""

from __future__ import annotations

import asyncio
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING

import structlog

from posthouse.core.effects import StateWrite, WhenUncertain
from posthouse.programs.aiogram.replay import Replay
from posthouse.programs.turn import Turn

if TYPE_CHECKING:
    from aiogram.fsm.storage.base import StorageKey

    from posthouse.programs.aiogram.storage import Piece

log = structlog.get_logger("posthouse.aiogram")


class HostedTurn:
    """What the host keeps for one turn, from the first filter to the last middleware.

    `pieces` are the FSM records that the handler has touched, written with the commit. `verdict` is an
    outcome that the handler may have swallowed; it is raised again when the handler has returned. After
    `ended`, whoever still holds this (a task of the handler's) works outside every promise.
    """

    __slots__ = (
        "deadline",
        "ended",
        "handled_error",
        "host",
        "in_flight",
        "pieces",
        "replay",
        "turn",
        "uncertain_calls",
        "verdict",
    )

    def __init__(
        self, turn: Turn, host: object, replay: Replay, *, uncertain_calls: WhenUncertain, deadline: float
    ) -> None:
        self.turn = turn
        self.host = host
        self.replay = replay
        self.uncertain_calls = uncertain_calls
        self.deadline = deadline
        self.pieces: dict[StorageKey, Piece] = {}
        self.ended = False
        self.verdict: BaseException | None = None
        self.handled_error: BaseException | None = None
        self.in_flight = sys.exc_info()[1]

    @property
    def aftermath(self) -> bool:
        """True in code that runs because of an exception: inside `except`, `finally`, or an error handler."""
        error = sys.exc_info()[1]
        return error is not None and error is not self.in_flight

    def remaining_s(self) -> float:
        """The time that the handler has left."""
        return self.deadline - asyncio.get_running_loop().time()

    def pack_states(self) -> None:
        """Turn the changed FSM records into effects of the turn."""
        for key, piece in self.pieces.items():
            if piece.changed and (packed := piece.pack()) != piece.loaded:
                self.turn.effects.states.append(StateWrite(key.bot_id, key.chat_id, piece.name, packed))


current: ContextVar[HostedTurn | None] = ContextVar("posthouse_hosted_turn", default=None)


class Latecomers:
    """Says once, for each host, that something of a turn went on after the turn had ended."""

    def __init__(self) -> None:
        self._told = False

    def came(self, hosted: HostedTurn, what: str) -> None:
        if self._told:
            return
        self._told = True
        task = asyncio.current_task()
        code = getattr(task.get_coro() if task is not None else None, "__qualname__", "unknown code")
        log.warning(
            "turn.outlived",
            trace=hosted.turn.trace,
            what=what,
            task=task.get_name() if task is not None else None,
            code=code,
            mend="a task started by a handler is lost in a crash and outside the journal: "
            "await it before the handler returns, or use turn.enqueue(job) or turn.after(...)",
        )
