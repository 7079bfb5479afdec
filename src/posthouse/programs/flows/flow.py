"""A flow: a checked table, a screen for each state, and how its sessions live.

    order = Flow(
        "order",
        start="choosing",
        states={"choosing": choose, "confirming": confirm, "ordered": thanks},
        final=("ordered",),
        rows=[
            On("choosing", "order.pick", to="confirming", handler=pick),
            On("confirming", "order.back", to="choosing"),
            On("confirming", "order.confirm", to="ordered", handler=place),
            Refuse("ordered", "order.confirm", Reason.ALREADY_DONE),
        ],
    )
    app.add(order)

`await order.begin(turn)` makes a session and shows its first screen; from then on buttons, messages, jobs and timers
move it, and nothing else does.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import (
    Owner,
    SessionEvent,
    SessionRecord,
    SessionWrite,
    Strategy,
    new_session_id,
    owner_of,
    strategy_named,
)
from posthouse.programs.actions import seconds_of
from posthouse.programs.flows.rules import newest
from posthouse.programs.flows.screen import Screen, clear_keyboard, clear_pressed, is_pressed, show
from posthouse.programs.flows.session import Session
from posthouse.programs.flows.table import Policy, Row, Screens, Table, mermaid
from posthouse.programs.flows.triggers import JobDone, JobFailed, Message, Trigger, task_name
from posthouse.programs.turn import Turn
from posthouse.telegram.callback_data import Format

BEGIN = "begin"  # in the history: how a session came to be


class Flow:
    """States, events and screens of one kind of session. Raises `AuthorError` when the table is not possible.

    `states` maps each state to its screen (None: it has none). `start` are the states in which a session may begin,
    the first by default; `final` those in which it ends. `events` says what makes an event happen, where that is not
    the button of that name. `strategy` says whose a session is (B-22), `ttl` how long it may be idle (None: for ever),
    `formats` which legacy buttons are still understood besides the full ones (S0-16).
    """

    def __init__(
        self,
        name: str,
        *,
        states: Mapping[str, Screens | None],
        start: str | tuple[str, ...],
        rows: Iterable[Row],
        final: str | Iterable[str] = (),
        events: Mapping[str, Trigger] | None = None,
        strategy: Strategy | str = Strategy.USER_IN_CHAT,
        ttl: timedelta | float | None = timedelta(hours=24),
        formats: Iterable[str] = (Format.REV,),
    ) -> None:
        self.name = name
        self.screens = dict(states)
        self.table = Table(
            name,
            tuple(states),
            (start,) if isinstance(start, str) else tuple(start),
            frozenset((final,) if isinstance(final, str) else final),
            tuple(rows),
            dict(events or {}),
        )
        self.policy = Policy(
            strategy_named(strategy),
            None if ttl is None else seconds_of(ttl),
            frozenset(map(_format_named, formats)) | {Format.REV},
        )
        self.messages: list[tuple[str, Message]] = []
        self.jobs: dict[tuple[str, bool], str] = {}
        for event, trigger in self.table.triggers.items():
            if isinstance(trigger, JobDone | JobFailed):
                self.jobs[task_name(trigger.task), isinstance(trigger, JobFailed)] = event
            elif isinstance(trigger, Message):
                self.messages.append((event, trigger))

    def diagram(self) -> str:
        """The state diagram, for Mermaid."""
        return mermaid(self.table)

    # -- what a handler may ask -----------------------------------------------------------------------------------

    async def current(self, turn: Turn) -> Session | None:
        """The person's active session of this flow, or None."""
        record = await self.current_record(turn)
        return None if record is None else Session(turn, record)

    async def begin(self, turn: Turn, *, state: str | None = None, data: Mapping[str, Any] | None = None) -> Session:
        """Begin a session and show its screen; one that the person has already ends, and loses its buttons.

        Raises `AuthorError` when `state` is none in which the flow starts.
        """
        first = state or self.table.start[0]
        if first not in self.table.start:
            raise AuthorError(f"flow {self.name!r} does not start in {first!r}: choose {' or '.join(self.table.start)}")
        before = await self.current_record(turn)
        if before is not None:
            self._end(turn, before)
        record = SessionRecord(
            new_session_id(),
            turn.bot_id,
            self._lane(turn),
            turn.env,
            self.name,
            self.owner(turn),
            first,
            created_at=turn.moment,
        )
        session = Session(turn, record, event=BEGIN)
        session.data.update(data or {})
        await self.enter(turn, session, first, event=BEGIN, made=True)
        return session

    async def end(self, turn: Turn) -> bool:
        """End the person's active session, whatever its state; False when there is none."""
        record = await self.current_record(turn)
        if record is not None:
            self._end(turn, record)
        return record is not None

    # -- how sessions change --------------------------------------------------------------------------------------

    async def enter(
        self, turn: Turn, session: Session, to: str, *, event: str, format: str = "", made: bool = False
    ) -> None:
        """Move a session to a state (or make it: `made`), and show what the person sees there.

        Raises `AuthorError` when the turn has moved it already: a handler cannot begin or end its own flow.
        """
        before = session.record
        changes = turn.session_changes
        if changes.writes and not made and any(write.record.id == before.id for write in changes.writes):
            raise AuthorError(
                f"flow {self.name!r}: the handler of {event} in {before.state} has begun or ended its own session;"
                " let the row lead to a start or a final state instead"
            )
        ttl_s = self.policy.ttl_s
        record = msgspec.structs.replace(
            before,
            state=to,
            rev=before.rev if made else before.rev + 1,
            is_active=to not in self.table.final,
            data=session.packed(),
            language=turn.language,
            updated_at=turn.moment,
            expires_at=None if ttl_s is None else turn.moment + ttl_s,
        )
        session.record = record
        record = session.record = await self._show(turn, session, made=made)
        changes.writes.append(
            SessionWrite(record) if made else SessionWrite(record, from_state=before.state, from_rev=before.rev)
        )
        changes.events.append(
            SessionEvent(
                record.id,
                record.bot_id,
                self.name,
                event,
                "" if made else before.state,
                to,
                record.rev,
                format=format,
                trace=turn.trace,
                at=turn.moment,
            )
        )
        turn.count("session_transition", "" if made else before.state, to, "ok")

    async def redraw(self, turn: Turn, record: SessionRecord, *, in_place: bool = False) -> None:
        """Show the screen of a session as it is, without moving it; `in_place`: where it is, not where was pressed."""
        await self._show(turn, Session(turn, record), in_place=in_place)

    async def _show(self, turn: Turn, session: Session, *, in_place: bool = False, made: bool = False) -> SessionRecord:
        draw = self.screens[session.state]
        if draw is None:  # what is seen was drawn before: its buttons are of a revision that is over
            clear_keyboard(turn, session.record)
            if not (in_place or made or is_pressed(turn, session.record)):
                clear_pressed(turn)
            return session.record
        screen = draw(turn, session)
        if not isinstance(screen, Screen):
            screen = await screen if inspect.isawaitable(screen) else screen
            if not isinstance(screen, Screen):
                raise AuthorError(
                    f"flow {self.name!r}: the screen of the state {session.state} gave {screen!r}: return a Screen"
                )
        return show(turn, session.record, screen, self.table, in_place=in_place)

    def _end(self, turn: Turn, record: SessionRecord) -> None:
        ended = msgspec.structs.replace(record, rev=record.rev + 1, is_active=False, updated_at=turn.moment)
        clear_keyboard(turn, record)
        changes = turn.session_changes
        changes.writes.append(SessionWrite(ended, record.state, record.rev))
        changes.events.append(
            SessionEvent(
                record.id,
                record.bot_id,
                self.name,
                "end",
                record.state,
                record.state,
                ended.rev,
                trace=turn.trace,
                at=turn.moment,
            )
        )

    # -- whose it is ----------------------------------------------------------------------------------------------

    def current_record(self, turn: Turn) -> Awaitable[SessionRecord | None]:
        """The person's active session, as it is stored; it may have been moved by this turn already."""
        return newest_of(turn, self.name, self.owner(turn), self._lane(turn))

    def owner(self, turn: Turn) -> Owner:
        """Who a session belongs to when this person does something in this chat."""
        return owner_in(turn, self.policy.strategy)

    def _lane(self, turn: Turn) -> int:
        """The lane that loads the session: its chat's; a person's own in all chats lies with their private chat."""
        return user_of(turn) if self.policy.strategy is Strategy.GLOBAL_USER else turn.lane


def owner_in(turn: Turn, strategy: Strategy) -> Owner:
    """Whose the sessions of a strategy are for what happens in this turn."""
    owners = turn.owners
    if owners is None:
        owners = turn.owners = {}
    owner = owners.get(strategy)
    if owner is None:
        owner = owner_of(strategy, user_id=user_of(turn), chat_id=turn.chat_id or 0, thread_id=turn.thread_id)
        owners[strategy] = owner
    return owner


async def newest_of(turn: Turn, flow_kind: str, owner: Owner, lane: int) -> SessionRecord | None:
    """The active session of a kind that somebody has now; it may have been moved by this turn already."""
    records: Iterable[SessionRecord]
    if lane == turn.lane and turn.sessions_complete:
        records = turn.sessions.values() if turn.sessions else ()  # they came with the lease
    else:
        records = await turn.reach.sessions(lane, [owner.user_id, 0])
    if turn.effects.sessions is not None:
        known = {record.id: record for record in records}
        records = (known | {move.record.id: move.record for move in turn.effects.sessions.writes}).values()
    return newest(records, flow_kind=flow_kind, owner=owner, env=turn.env, now=turn.moment)


def user_of(turn: Turn) -> int:
    """Who did it: the person of the update; for jobs and timers of a private chat its person; else 0."""
    person: int = turn.person.get("id", 0)
    return person or (turn.chat_id if turn.chat_id is not None and turn.chat_id > 0 else 0)


def _format_named(name: Format | str) -> Format:
    try:
        return Format(name)
    except ValueError:
        raise AuthorError(f"formats={name!r}: choose from {', '.join(Format)}") from None
