"""`posthouse sessions`: where people are in flows and conversations, how they came there, and which buttons they press.

    posthouse sessions [list] [filters]      the session that changed last first
    posthouse sessions show ID               one session with its data and its history
    posthouse sessions legacy [--hours N]    which format the presses of each event had (S0-48)

They go where the commands of `cli.desk` go. Deliberately absent: a way to move a session. It changes with a turn of its
lane alone, so what an operator can do is replay, release or repair what the turn needs.

A press whose session is not known (`not_found`, `wrong_owner`, a legacy button that is refused) is in no session's
history; it is counted, and it is in the log line `event.rejected`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import typer

from posthouse.cli.desk import bot_id_of, operator_settings, print_json
from posthouse.cli.operator import Opened, ask
from posthouse.cli.tables import moment, table
from posthouse.core.errors import NotFound
from posthouse.core.sessions import SessionEvent, SessionRecord
from posthouse.ports.store import FormatShare, SessionFilter
from posthouse.telegram.callback_data import Format

# -- the list -------------------------------------------------------------------------------------------------------


def show_sessions(
    config: Path,
    *,
    json: bool,
    bot: str | None = None,
    env: str | None = None,
    user: int | None = None,
    flow: str | None = None,
    state: str | None = None,
    all: bool = False,
    limit: int = 50,
) -> None:
    """Print the sessions that fit, without their data."""
    settings = operator_settings(config)

    async def read(opened: Opened) -> list[SessionRecord]:
        bot_id = bot_id_of(settings, opened.bots, bot)
        return await opened.sessions.find(SessionFilter(bot_id, env, user, flow, state, not all, limit))

    records, now = ask(settings, read), time.time()
    if json:
        print_json([_plain(record, now) for record in records])
        return
    if not records:
        typer.echo("No sessions." if all else "No live sessions; --all has those that ended or expired too.")
        return
    headings = ("id", "flow", "state", "rev", "life", "bot", "env", "user", "chat", "topic", "changed", "expires")
    for line in table(headings, [_row(record, now) for record in records]):
        typer.echo(line)
    if len(records) == limit:
        typer.echo("There may be more: raise --limit, or narrow the list.")


def _row(record: SessionRecord, now: float) -> tuple[object, ...]:
    life, owner = life_of(record, now), record.owner
    return (
        record.id,
        record.flow_kind,
        record.state,
        record.rev,
        "" if life == "live" else life,
        record.bot_id,
        record.env,
        owner.user_id or "",
        owner.chat_id or "",
        owner.thread_id or "",
        moment(record.updated_at),
        moment(record.expires_at) if life == "live" else "",
    )


def life_of(record: SessionRecord, now: float) -> str:
    """Whether a session is live, ended, or expired: idle for longer than its flow allows."""
    if not record.is_active:
        return "ended"
    return "live" if record.is_live(now) else "expired"


def _plain(record: SessionRecord, now: float) -> dict[str, Any]:
    """A session with all its fields but the data, which `show` alone shows."""
    fields = msgspec.structs.asdict(record)
    del fields["data"], fields["owner"]
    return fields | msgspec.structs.asdict(record.owner) | {"life": life_of(record, now)}


# -- one session ----------------------------------------------------------------------------------------------------


def show_session(config: Path, id: str, *, json: bool, limit: int = 100) -> None:
    """Print one session with its data and the last lines of its history. Raises `NotFound`."""

    async def read(opened: Opened) -> tuple[SessionRecord | None, list[SessionEvent]]:
        return await opened.sessions.get(id), await opened.sessions.history(id, limit=limit)

    record, history = ask(operator_settings(config), read)
    now = time.time()
    if record is None:
        raise NotFound(
            f"there is no session {id}: `posthouse sessions --all` lists those that are kept, and [retention]"
            f" sessions_days says for how long"
        )
    if json:
        lines = [_plain_event(event) for event in history]
        print_json(_plain(record, now) | {"data": _data(record), "history": lines})
        return
    for name, value in _told(record, now):
        if value not in ("", None):
            typer.echo(f"{name:>10}  {value}")
    if history:
        typer.echo("")
        rows = [
            (moment(event.at), event.event, _came_to(event), event.rev or "", event.format, event.trace)
            for event in history
        ]
        for line in table(("at", "event", "came to", "rev", "format", "trace"), rows):
            typer.echo(line)
    if len(history) == limit:
        typer.echo("There may be older lines: raise --limit.")


def _told(record: SessionRecord, now: float) -> Iterable[tuple[str, object]]:
    yield "id", record.id
    yield "flow", record.flow_kind
    yield "version", record.version
    yield "life", life_of(record, now)
    yield "state", record.state
    yield "rev", record.rev
    yield "bot", record.bot_id
    yield "env", record.env
    yield "lane", record.lane
    yield "user", record.owner.user_id or ""
    yield "chat", record.owner.chat_id or ""
    yield "topic", record.owner.thread_id or ""
    yield "ui message", _ui(record)
    yield "created", moment(record.created_at)
    yield "changed", moment(record.updated_at)
    yield "expires", moment(record.expires_at)
    yield "data", "\n" + msgspec.json.format(msgspec.json.encode(_data(record)), indent=2).decode()


def _ui(record: SessionRecord) -> str:
    """Where the session's message is (S0-8). Its id is known when one of its buttons was pressed."""
    if record.ui_message_id is not None:
        return f"{record.ui_message_id} in chat {record.ui_chat_id}"
    if record.ui_handle is not None:
        return f"sent as {record.ui_handle} in chat {record.ui_chat_id}, no button pressed yet"
    return ""


def _came_to(event: SessionEvent) -> str:
    if event.to_state is not None:
        return f"{event.from_state} → {event.to_state}".strip()
    where = f"stays {event.from_state}: " if event.from_state else ""
    return f"{where}{event.reason}" + (f" ({event.detail})" if event.detail else "")


def _plain_event(event: SessionEvent) -> dict[str, Any]:
    """A line of the history without what it shares with its session."""
    fields = msgspec.structs.asdict(event)
    for shared in ("session_id", "bot_id", "flow_kind"):
        del fields[shared]
    return fields


def _data(record: SessionRecord) -> Any:
    try:
        return msgspec.json.decode(record.data)
    except msgspec.DecodeError:  # not written by us
        return record.data.decode(errors="replace")


# -- legacy buttons -------------------------------------------------------------------------------------------------


def show_legacy(config: Path, *, hours: float, json: bool) -> None:
    """Print how presses named their sessions, by flow and event, with the share of legacy ones."""
    shares = ask(operator_settings(config), lambda opened: opened.sessions.formats(since_s=hours * 3600.0))
    presses = presses_of(shares)
    total = Presses("", "total")
    for one in presses:
        total += one
    if json:
        print_json({"hours": hours, "events": [one.plain() for one in presses], "total": total.plain()})
        return
    if not presses:
        typer.echo(f"Nobody pressed a button of a session in the last {hours:g} hours.")
        return
    headings = ("flow", "event", *Format, "presses", "legacy")
    for line in table(headings, [one.row() for one in (*presses, total)]):
        typer.echo(line)


class Presses(msgspec.Struct, frozen=True):
    """The presses of one event, by format. Legacy is `bare`: a button that names no session (S0-15)."""

    flow_kind: str
    event: str
    rev: int = 0
    id: int = 0
    bare: int = 0

    def __add__(self, other: Presses) -> Presses:
        return Presses(self.flow_kind, self.event, self.rev + other.rev, self.id + other.id, self.bare + other.bare)

    @property
    def all(self) -> int:
        return self.rev + self.id + self.bare

    @property
    def legacy_percent(self) -> float:
        return round(100 * self.bare / self.all, 1) if self.all else 0.0

    def row(self) -> tuple[object, ...]:
        return self.flow_kind, self.event, self.rev, self.id, self.bare, self.all, f"{self.legacy_percent:.1f} %"

    def plain(self) -> dict[str, Any]:
        named = {"flow_kind": self.flow_kind, "event": self.event} if self.flow_kind else {}
        counted = {"rev": self.rev, "id": self.id, "bare": self.bare, "presses": self.all}
        return named | counted | {"legacy_percent": self.legacy_percent}


def presses_of(shares: Iterable[FormatShare]) -> list[Presses]:
    """One line for each event of each flow, in the order of the shares."""
    found: dict[tuple[str, str], Presses] = {}
    for share in shares:
        key = (share.flow_kind, share.event)
        before = found.get(key, Presses(*key))
        found[key] = msgspec.structs.replace(before, **{share.format: getattr(before, share.format) + share.presses})
    return [*found.values()]
