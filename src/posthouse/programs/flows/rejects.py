"""Saying no: one log line, one count, one line of history, and an answer to the person (S0-28, S0-29, C0-4, E0-9)."""

from __future__ import annotations

import structlog

from posthouse.core.sessions import Reason, SessionEvent
from posthouse.programs.flows.rules import Rejected
from posthouse.programs.flows.screen import clear_pressed
from posthouse.programs.flows.texts import ALERTS, default_text
from posthouse.programs.turn import Turn
from posthouse.telegram.callback_data import CallbackData, Format

log = structlog.get_logger("posthouse.sessions")

ANSWER = "answerCallbackQuery"


def reject(
    turn: Turn,
    rejected: Rejected,
    *,
    flow_kind: str,
    event: str,
    expected_states: tuple[str, ...] = (),
    press: CallbackData | None = None,
    text: str = "",
    show_alert: bool | None = None,
) -> None:
    """Say no to an event. `text` is what the person reads instead of the words for the reason."""
    record, reason = rejected.session, rejected.reason
    format = press.format if press is not None else ""
    log.warning(
        "event.rejected",
        event_type=event,
        flow_kind=flow_kind,
        session_id=record.id if record else press.session_id if press else None,
        current_state=record.state if record else None,
        expected_states=expected_states,
        reason_code=str(reason),
        detail=rejected.detail,
        legacy_callback=format == Format.BARE,
        callback_format=str(format),
        trace=turn.trace,
    )
    turn.count("reject_event", event, reason)
    turn.session_changes.events.append(
        SessionEvent(
            record.id if record else "",
            turn.bot_id,
            flow_kind,
            event,
            record.state if record else "",
            None,
            record.rev if record else 0,
            reason,
            rejected.detail,
            format,
            turn.trace,
            turn.moment,
        )
    )
    if not turn.entry.is_update:
        return  # a job or a timer: nobody waits for an answer
    words = text or _words(turn, rejected)
    if press is None or answered(turn):
        turn.say(words)
    else:
        turn.answer(words, show_alert=reason in ALERTS if show_alert is None else show_alert)


def answered(turn: Turn) -> bool:
    """Whether the press was answered in this turn already: Telegram takes one answer (B-5)."""
    return any(delivery.method == ANSWER for delivery in turn.effects.deliveries)


def outdated(turn: Turn, press: CallbackData) -> None:
    """Say that a button is of a session that nothing here knows, and take it away (C4-6)."""
    reject(turn, Rejected(Reason.NOT_FOUND), flow_kind="", event="unknown", press=press)
    clear_pressed(turn)


def _words(turn: Turn, rejected: Rejected) -> str:
    for name in (rejected.detail, rejected.reason):
        if name and (words := turn.own_text(f"reject.{name}")) is not None:
            return words
    return default_text(rejected.reason, turn.language)
