"""The session router: resolve → transition → reject is the only way to a session (S0-1, S0-2).

    update or event ─► which flow? ─► resolve: which session, may it? ─┬─ no ──► reject: log, count, history, answer
                                                                       └─ yes ─► handler ─► transition ─► screen

Nothing here writes: a transition is a compare-and-set on state and rev that commits with the turn (`core.sessions`),
together with everything that the handler asked for. So "charge, then move" and "move, then charge" are the same thing,
and a double click finds the state that the first click left (S0-41, E0-2).

A press is answered exactly once, after its session was validated (B-5, C0-11): by the handler, by the reject, or here.
"""

from __future__ import annotations

from typing import Any

import structlog

from posthouse.core.errors import AuthorError
from posthouse.core.sessions import Reason, SessionRecord
from posthouse.programs.flows.flow import Flow
from posthouse.programs.flows.rejects import answered, reject
from posthouse.programs.flows.rules import Rejected, Verdict, judge, understood
from posthouse.programs.flows.screen import clear_pressed, is_pressed
from posthouse.programs.flows.session import EVENT_KEY, SESSION_KEY, Session
from posthouse.programs.flows.table import NOOP, On, Refusal
from posthouse.programs.turn import Turn
from posthouse.telegram.callback_data import ASK, CallbackData, Format, parse

log = structlog.get_logger("posthouse.sessions")

_SILENT = frozenset({Reason.WRONG_OWNER, Reason.DB_ERROR})  # what was pressed stays as it is
_SCREENLESS = frozenset({Reason.WRONG_FLOW, Reason.IN_PROGRESS})  # no other screen is to be shown instead


class FlowRouter:
    """Takes what belongs to the flows of one app."""

    def __init__(self) -> None:
        self.flows: dict[str, Flow] = {}
        self._listening: list[Flow] = []  # those that messages move
        self._actions: dict[str, tuple[Flow, str]] = {}

    def add(self, flow: Flow) -> None:
        """Know a flow. Raises `AuthorError` when its name or a button's action is taken."""
        if flow.name in self.flows:
            raise AuthorError(f"two flows are called {flow.name!r}: give one of them another name")
        for event in flow.table.pressed:
            action = flow.table.action(event)
            if action == ASK:
                raise AuthorError(f"flow {flow.name!r}: the action {ASK!r} is that of conversations; choose another")
            other = self._actions.setdefault(action, (flow, event))
            if other[0] is not flow:
                raise AuthorError(
                    f"the flows {other[0].name!r} and {flow.name!r} both have the action {action!r}:"
                    f" give one of the events another with Press(…)"
                )
        self.flows[flow.name] = flow
        if flow.messages:
            self._listening.append(flow)

    async def take(self, turn: Turn) -> bool:
        """Handle an entry that belongs to a flow; False when it does not."""
        match turn.kind:
            case "callback_query":
                return await self._press(turn)
            case "event":
                return await self._event(turn)
            case "message":
                return await self._message(turn)
        return False

    # -- where events come from -----------------------------------------------------------------------------------

    async def _press(self, turn: Turn) -> bool:
        press = parse(turn.update["callback_query"].get("data") or "")
        flow, event = self._actions.get(press.action, (None, press.action))
        record = None if press.session_id is None else await turn.reach.session(press.session_id)
        if flow is None:
            flow = self.flows.get(record.flow_kind) if record is not None and event == NOOP else None
            if flow is None:
                return False
        if not understood(press, flow.policy.formats):
            verdict: Verdict = Rejected(Reason.LEGACY_FORMAT)
        else:
            if press.session_id is None:
                record = await flow.current_record(turn)
            verdict = self._resolve(turn, flow, event, record, press)
        if press.format is Format.BARE:
            turn.count("callback_legacy", event)
            log.warning("callback.legacy", event_type=event, flow_kind=flow.name, trace=turn.trace)
        if isinstance(verdict, Rejected):
            await self.reject(turn, flow, event, verdict, press=press)
        elif verdict.redraw:
            if not answered(turn):
                turn.answer()
            await self._show_current(turn, flow, verdict.session)
        else:
            session = Session(turn, verdict.session, event=event, value=press.value)
            await self._act(turn, flow, verdict.row, session, press=press)
        return True

    async def _event(self, turn: Turn) -> bool:
        """A job or timer of a session. Its end belongs to the session that asked for it, whoever is active now."""
        body = turn.update
        carried = body.get("data")
        if not isinstance(carried, dict) or SESSION_KEY not in carried:
            return False
        record = await turn.reach.session(carried[SESSION_KEY])
        flow = self.flows.get(record.flow_kind) if record is not None else None
        if flow is None or record is None:
            return False
        turn.spoken = record.language
        event = carried.get(EVENT_KEY) or flow.jobs.get((body.get("task", ""), body.get("error") is not None))
        if event is None or event not in flow.table.events:
            log.info("session.event_unknown", flow_kind=flow.name, session_id=record.id, task=body.get("task"))
            return True
        # An end of its own work may come late, so idleness does not count.
        verdict = judge(record, table=flow.table, event=event, owner=record.owner, env=turn.env, now=record.updated_at)
        self._count_resolve(turn, event, verdict)
        if isinstance(verdict, Rejected):
            await self.reject(turn, flow, event, verdict)
            return True
        result = body.get("error") or body.get("result")
        session = Session(turn, record, event=event, result=result, carried=carried.get("data"))
        await self._act(turn, flow, verdict.row, session)
        return True

    async def _message(self, turn: Turn) -> bool:
        """A message goes to the session that changed last among those whose state waits for such a message."""
        waiting: list[tuple[Flow, SessionRecord]] = []
        for flow in self._listening:
            record = await flow.current_record(turn)
            if record is not None:
                waiting.append((flow, record))
        if len(waiting) > 1:
            waiting.sort(key=lambda pair: pair[1].updated_at, reverse=True)
        for flow, record in waiting:
            for event, trigger in flow.messages:
                row = flow.table.pairs.get((record.state, event))
                if row is None or not trigger.fits(turn):
                    continue
                if isinstance(row, On):  # the session is theirs and live: `current_record` looked
                    turn.count("session_resolve", event, "ok", "")
                    await self._act(turn, flow, row, Session(turn, record, event=event))
                else:
                    rejected = Rejected(row.reason, row.detail, record)
                    self._count_resolve(turn, event, rejected)
                    await self.reject(turn, flow, event, rejected)
                return True
        return False

    # -- resolve, transition, reject ------------------------------------------------------------------------------

    def _resolve(
        self, turn: Turn, flow: Flow, event: str, record: SessionRecord | None, press: CallbackData
    ) -> Verdict:
        """Whether this person's press may act in this session (S0-17 … S0-23)."""
        verdict = judge(
            record,
            table=flow.table,
            event=event,
            owner=flow.owner(turn),
            env=turn.env,
            now=turn.moment,
            rev=press.rev,
        )
        self._count_resolve(turn, event, verdict)
        return verdict

    def _count_resolve(self, turn: Turn, event: str, verdict: Verdict) -> None:
        reason = verdict.reason if isinstance(verdict, Rejected) else ""
        turn.count("session_resolve", event, "reject" if reason else "ok", reason)

    async def _act(
        self, turn: Turn, flow: Flow, row: On, session: Session, *, press: CallbackData | None = None
    ) -> None:
        """Run the handler and move the session, or say no for the handler, or for the database."""
        to: Any = row.to
        if row.handler is not None:
            mark = turn.mark()
            try:
                to = await row.handler(turn, session)
            except Exception as error:
                # Nobody presses again for a job or a timer: such an event runs again, like any turn that failed.
                if not turn.entry.is_update or not await turn.reach.forget_transaction(error):
                    raise
                log.error("session.db_error", event_type=session.event, session_id=session.id, error=repr(error))
                to = Rejected(Reason.DB_ERROR, session=session.record)
            if isinstance(to, Refusal | Rejected):
                turn.forget_since(mark)
                await self._say_no(turn, flow, session, to, press)
                return
        chosen = _chosen(flow, row, to)
        if press is not None and not answered(turn):
            turn.answer()
        await flow.enter(turn, session, chosen, event=session.event, format=press.format if press else "")

    async def _say_no(
        self, turn: Turn, flow: Flow, session: Session, no: Refusal | Rejected, press: CallbackData | None
    ) -> None:
        if isinstance(no, Rejected):
            await self.reject(turn, flow, session.event, no, press=press)
            return
        turn.count("session_transition", session.state, session.state, "refused")
        rejected = Rejected(Reason.WRONG_STATE, no.detail, session.record)
        await self.reject(turn, flow, session.event, rejected, press=press, text=no.text, show_alert=no.show_alert)

    async def reject(
        self,
        turn: Turn,
        flow: Flow,
        event: str,
        rejected: Rejected,
        *,
        press: CallbackData | None = None,
        text: str = "",
        show_alert: bool | None = None,
    ) -> None:
        """Say no, and lead on to where the person is (S0-28, S0-29)."""
        reject(
            turn,
            rejected,
            flow_kind=flow.name,
            event=event,
            expected_states=flow.table.expected(event),
            press=press,
            text=text,
            show_alert=show_alert,
        )
        if press is None:
            return
        if not text:  # a handler's own no leaves the menu as it is: it still is the current one
            await self._lead_on(turn, flow, rejected)

    async def _lead_on(self, turn: Turn, flow: Flow, rejected: Rejected) -> None:
        """No dead end: an outdated keyboard goes, and the current screen is shown (C0-6, C0-10).

        The message where the session is now keeps its keyboard, also the last one of a session that has ended.
        """
        record = rejected.session
        if rejected.reason in _SILENT:
            return
        if record is not None and record.is_live(turn.moment):
            await self._show_current(turn, flow, record, screen=rejected.reason not in _SCREENLESS)
        elif record is None or record.is_active or not is_pressed(turn, record):
            clear_pressed(turn)

    async def _show_current(self, turn: Turn, flow: Flow, record: SessionRecord, *, screen: bool = True) -> None:
        """Draw the session where it is now; a press of another message takes that one's keyboard away."""
        is_ui = is_pressed(turn, record)
        if is_ui is False:
            clear_pressed(turn)
        if screen:
            await flow.redraw(turn, record, in_place=is_ui is not None)


def _chosen(flow: Flow, row: On, answer: Any) -> str:
    """The state that a row leads to, by the handler's choice where there is one."""
    choices = (row.to,) if isinstance(row.to, str) else row.to
    if row.handler is None or (answer is None and len(choices) == 1):
        return choices[0]
    if answer in choices:
        return str(answer)
    raise AuthorError(
        f"flow {flow.name!r}: the handler of {row.event} in {row.state} returned {answer!r}; its row leads to"
        f" {' or '.join(choices)}"
    )
