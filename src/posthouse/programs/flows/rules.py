"""Which session an event means, and whether it may act: values in, values out (S0-17 … S0-23).

    the row named by the button, strictly of this person and env       not_found, wrong_owner
    of the flow that the event belongs to                              wrong_flow
    not idle for longer than it may be                                 expired
    a pair that the table refuses by name: that reason                 (already_generating …)
    not ended                                                          already_done
    the revision that the button carries                               stale_rev
    a state in which the event leads on                                wrong_state

A pair refused by name is told before the revision is compared: a double click on "pay" should hear that the picture is
being made, not that its button is old (E0-2, E0-3). Either way nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from posthouse.core.sessions import Owner, Reason, SessionRecord
from posthouse.programs.flows.table import NOOP, On, Refuse, Table
from posthouse.telegram.callback_data import CallbackData


class Found(msgspec.Struct, frozen=True):
    """The session of an event, and the row that says what it comes to. `redraw`: show the screen, move nothing."""

    session: SessionRecord
    row: On
    redraw: bool = False


class Rejected(msgspec.Struct, frozen=True):
    """Why an event does not act. `session` is the one that was meant, when it is this person's."""

    reason: Reason
    detail: str = ""
    session: SessionRecord | None = None


Verdict = Found | Rejected


def misplaced(record: SessionRecord | None, *, flow_kind: str, owner: Owner, env: str, now: float) -> Rejected | None:
    """Why a session cannot be meant by this person's event, whatever its state; None when it can (S0-19, S0-20)."""
    if record is None or record.env != env:
        return Rejected(Reason.NOT_FOUND)
    if record.owner != owner:
        return Rejected(Reason.WRONG_OWNER)
    if record.flow_kind != flow_kind:
        return Rejected(Reason.WRONG_FLOW, session=record)
    if record.is_active and not record.is_live(now):
        return Rejected(Reason.EXPIRED, session=record)
    return None


def judge(
    record: SessionRecord | None,
    *,
    table: Table,
    event: str,
    owner: Owner,
    env: str,
    now: float,
    rev: int | None = None,
) -> Verdict:
    """What an event comes to in the session that it means; `rev` is what its button carries, if it carries one."""
    no = misplaced(record, flow_kind=table.name, owner=owner, env=env, now=now)
    if no is not None or record is None:
        return no or Rejected(Reason.NOT_FOUND)
    row = table.row(record.state, event)
    if isinstance(row, Refuse):
        return Rejected(row.reason, row.detail, record)
    if not record.is_active:
        return Rejected(Reason.ALREADY_DONE, session=record)
    if event == NOOP:
        return Rejected(Reason.IN_PROGRESS, NOOP, record)
    stale = rev is not None and rev != record.rev
    if row is not None and row.idempotent and stale:
        return Found(record, row, redraw=True)
    if stale:
        return Rejected(Reason.STALE_REV, session=record)
    if row is None:
        return Rejected(Reason.WRONG_STATE, session=record)
    return Found(record, row)


def newest(
    records: Iterable[SessionRecord], *, flow_kind: str, owner: Owner, env: str, now: float
) -> SessionRecord | None:
    """The active session of a flow that a person has now, for events that name none (S0-23)."""
    best: SessionRecord | None = None
    for record in records:
        if (
            record.flow_kind == flow_kind
            and record.owner == owner
            and record.env == env
            and record.is_live(now)
            and (best is None or _age(record) > _age(best))
        ):
            best = record
    return best


def _age(record: SessionRecord) -> tuple[float, float]:
    return record.updated_at, record.created_at


def understood(press: CallbackData, formats: frozenset[str]) -> bool:
    """Whether a flow still takes buttons of this format (S0-16, S0-44)."""
    return press.format in formats
