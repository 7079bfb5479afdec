"""The operator's commands: look at what waits and what failed, and decide what becomes of it.

    posthouse inbox|outbox|jobs|dead|lanes [list] [filters]      newest last; `--after ID` pages on
    posthouse inbox|outbox|jobs|dead show ID                     one row with its payload
    posthouse dead replay|discard ID… | --all [filters]
    posthouse jobs cancel ID…; posthouse jobs pause|resume QUEUE
    posthouse lanes release --bot B --chat C [--skip-head]

They work while `up` runs and while it does not (`cli.operator`). They need no token: a bot's name is found in the
configuration, and where its token is not in the environment its id can be given.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import typer

from posthouse.cli.operator import ask
from posthouse.cli.tables import last_line, moment, table
from posthouse.core.errors import ConfigurationInvalid
from posthouse.ports.store import Desk, Filter, Row
from posthouse.settings import Settings, load

R = TypeVar("R")

PAGE = 500
STATES = {
    "inbox": ("waiting", "leased", "held"),
    "outbox": ("waiting", "sending", "uncertain"),
    "jobs": ("waiting", "running"),
    "dead": ("dead", "replayed", "discarded"),
    "lanes": ("held", "backing off", "waiting"),
}
COLUMNS: dict[str, dict[str, Callable[[Row], object]]] = {
    "inbox": {
        "id": lambda row: row.id,
        "state": lambda row: row.state,
        "bot": lambda row: row.bot_id,
        "chat": lambda row: row.lane,
        "what": lambda row: row.what,
        "attempts": lambda row: row.attempts,
        "received": lambda row: moment(row.at),
        "due": lambda row: moment(row.due_at),
        "reason": lambda row: row.reason,
    },
    "outbox": {
        "id": lambda row: row.id,
        "state": lambda row: row.state,
        "bot": lambda row: row.bot_id,
        "chat": lambda row: row.lane,
        "method": lambda row: row.what,
        "attempts": lambda row: row.attempts,
        "created": lambda row: moment(row.at),
        "due": lambda row: moment(row.due_at),
    },
    "jobs": {
        "id": lambda row: row.id,
        "state": lambda row: row.state,
        "queue": lambda row: row.queue,
        "task": lambda row: row.what,
        "bot": lambda row: row.bot_id or "",
        "chat": lambda row: row.lane or "",
        "attempts": lambda row: row.attempts,
        "created": lambda row: moment(row.at),
        "due": lambda row: moment(row.due_at),
        "error": lambda row: last_line(row.error),
    },
    "dead": {
        "id": lambda row: row.id,
        "kind": lambda row: row.kind,
        "reason": lambda row: row.reason,
        "bot": lambda row: row.bot_id or "",
        "chat": lambda row: row.lane or "",
        "what": lambda row: row.what,
        "attempts": lambda row: row.attempts,
        "died": lambda row: moment(row.at),
        "state": lambda row: "" if row.state == "dead" else row.state,
        "error": lambda row: last_line(row.error),
    },
    "lanes": {
        "bot": lambda row: row.bot_id,
        "chat": lambda row: row.lane,
        "state": lambda row: row.state,
        "attempts": lambda row: row.attempts,
        "due": lambda row: moment(row.due_at),
        "reason": lambda row: row.reason,
    },
}
EMPTY = {
    "inbox": "Nothing waits in the inbox.",
    "outbox": "Nothing waits in the outbox.",
    "jobs": "No job waits or runs.",
    "dead": "No dead letters.",
    "lanes": "No lane is held or backing off.",
}


def show_list(
    config: Path,
    what: str,
    *,
    json: bool,
    bot: str | None = None,
    chat: int | None = None,
    state: str | None = None,
    kind: str | None = None,
    reason: str | None = None,
    queue: str | None = None,
    limit: int = 50,
    after: int | None = None,
) -> None:
    """Print a list."""
    if state is not None and state not in STATES[what]:
        raise typer.BadParameter(f"{state!r}: choose among {', '.join(STATES[what])}", param_hint="--state")
    settings = operator_settings(config)

    async def read(desk: Desk, bots: dict[str, int]) -> list[Row]:
        filter = Filter(bot_id_of(settings, bots, bot), chat, state, kind, reason, queue, after, limit)
        return await desk.list(what, filter)

    rows = _run(settings, read)
    if json:
        print_json([_plain(row) for row in rows])
        return
    if not rows:
        typer.echo(EMPTY[what])
        return
    columns = COLUMNS[what]
    for line in table([*columns], [[value(row) for value in columns.values()] for row in rows]):
        typer.echo(line)
    if len(rows) == limit:
        typer.echo(f"There may be more: --after {rows[-1].id}")


def show_one(config: Path, what: str, id: int, *, json: bool) -> None:
    """Print one row with its payload."""
    row = _run(operator_settings(config), lambda desk, _: desk.show(what, id))
    fields = _plain(row) | {"payload": _payload(row.payload)}
    if json:
        print_json(fields)
        return
    for name, value in fields.items():
        if name in ("at", "due_at"):
            value = moment(value)
        if name == "payload" and not isinstance(value, str):
            value = "\n" + msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
        if value not in ("", None):
            typer.echo(f"{name:>9}  {value}")


def move_dead(
    config: Path, move: str, ids: list[int], *, all: bool, json: bool, bot: str | None, filter: Filter
) -> None:
    """Replay or discard dead letters, by id or all that fit the filter."""
    if bool(ids) == all:
        raise typer.BadParameter("name dead letters by id, or pass --all (with filters, or without)")
    settings = operator_settings(config)

    async def act(desk: Desk, bots: dict[str, int]) -> tuple[list[int], list[int]]:
        chosen = ids
        if not ids:  # all of them before the first moves, so that what dies again is not replayed again
            wanted = msgspec.structs.replace(filter, bot_id=bot_id_of(settings, bots, bot), limit=PAGE)
            chosen = [id async for id in _all_dead(desk, wanted)]
        moved: list[int] = []
        for start in range(0, len(chosen), PAGE):
            page = chosen[start : start + PAGE]
            moved += await (desk.replay(page) if move == "replay" else desk.discard(page))
        return chosen, moved

    chosen, moved = _run(settings, act)
    left = sorted(set(chosen) - set(moved))
    if json:
        print_json({"moved": moved, "not_open": left})
        return
    typer.echo(f"{len(moved)} {'replayed' if move == 'replay' else 'discarded'}.")
    if left:
        typer.echo(f"Not open, so left alone: {', '.join(map(str, left))}.")


def cancel_jobs(config: Path, ids: list[int], *, json: bool) -> None:
    """Cancel waiting jobs, and tell the workers of running ones to stop."""

    async def act(desk: Desk, _: dict[str, int]) -> dict[str, list[int]]:
        done: dict[str, list[int]] = {"cancelled": [], "not_live": []}
        for id in ids:
            done["cancelled" if await desk.cancel_job(id) else "not_live"].append(id)
        return done

    done = _run(operator_settings(config), act)
    if json:
        print_json(done)
        return
    typer.echo(f"{len(done['cancelled'])} cancelled.")
    if done["not_live"]:
        typer.echo(f"Not live, so left alone: {', '.join(map(str, done['not_live']))}.")


def pause_queue(config: Path, queue: str, *, paused: bool, json: bool) -> None:
    """Stop claims from a queue, or let them go on."""
    _run(operator_settings(config), lambda desk, _: desk.pause_queue(queue, paused))
    if json:
        print_json({"queue": queue, "paused": paused})
    else:
        typer.echo(f"Queue {queue} is paused; what runs ends." if paused else f"Queue {queue} goes on.")


def release_lane(config: Path, bot: str, chat: int, *, skip_head: bool, json: bool) -> None:
    """Let a held lane go on."""
    settings = operator_settings(config)

    async def act(desk: Desk, bots: dict[str, int]) -> tuple[int, bool]:
        bot_id = bot_id_of(settings, bots, bot)
        assert bot_id is not None
        return bot_id, await desk.release_lane(bot_id, chat, skip_head=skip_head)

    bot_id, released = _run(settings, act)
    if json:
        print_json({"bot_id": bot_id, "chat": chat, "released": released})
    else:
        typer.echo(f"Lane {bot_id}/{chat} goes on." if released else f"Lane {bot_id}/{chat} is not held.")


# -- settings without secrets ---------------------------------------------------------------------------------------


STAND_IN = "99999999999"  # longer than any bot's id


def operator_settings(config: Path) -> Settings:
    """The configuration as an operator needs it: tokens and secrets may be absent from the environment."""
    try:
        raw = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        raw = {}  # `load` says what is wrong
    secrets = dict.fromkeys([*_variables(raw, "bots", "secret"), *_variables(raw, "models", "api_key")], "unset")
    tokens = {name: f"{STAND_IN}{n}:unset" for n, name in enumerate(_variables(raw, "bots", "token"))}  # no two alike
    return load(config, environment=secrets | tokens | dict(os.environ))


def _variables(raw: dict[str, Any], section: str, key: str) -> Iterator[str]:
    """The environment variables that stand for this key in the tables of a section."""
    tables = raw.get(section)
    for one in tables.values() if isinstance(tables, dict) else ():
        if isinstance(one, dict) and (found := re.fullmatch(r"\$\{(\w+)\}", str(one.get(key)))):
            yield found[1]


def bot_id_of(settings: Settings, running: dict[str, int], bot: str | None) -> int | None:
    """The id of a bot named by its name, or by its id. A running process knows its bots without our environment."""
    if bot is None:
        return None
    if bot in running:
        return running[bot]
    section = settings.bots.get(bot)
    if section is None:
        if bot.isdecimal():
            return int(bot)
        known = ", ".join(settings.bots) or "none"
        raise ConfigurationInvalid(f"--bot {bot}: {settings.path} has no such bot (it has: {known}); its id works too")
    number = section.token.partition(":")[0]
    if number.startswith(STAND_IN):
        raise ConfigurationInvalid(f"--bot {bot}: its token is not in the environment; set it, or pass the bot's id")
    return int(number)


# -- in and out -----------------------------------------------------------------------------------------------------


def _run(settings: Settings, act: Callable[[Desk, dict[str, int]], Awaitable[R]]) -> R:
    return ask(settings, lambda opened: act(opened.desk, opened.bots))


async def _all_dead(desk: Desk, filter: Filter) -> AsyncIterator[int]:
    while rows := await desk.list("dead", filter):
        for row in rows:
            yield row.id
        filter = msgspec.structs.replace(filter, after=rows[-1].id)


def _plain(row: Row) -> dict[str, Any]:
    """A row with all its fields but the payload, which `show` alone shows."""
    fields = msgspec.structs.asdict(row)
    del fields["payload"]
    return fields


def _payload(payload: str | None) -> Any:
    try:
        return msgspec.json.decode(payload or "null")
    except msgspec.DecodeError:
        return payload


def print_json(document: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
