"""The operator's socket: how `posthouse inbox`, `dead`, … work while `posthouse up` owns an SQLite file.

    posthouse dead list ─► DeskClient ─► <database>.sock ─► DeskServer (inside `up`) ─► store.desk, store.sessions

A line of JSON each way: `{"call": "desk.list", "args": {…}}` gets `{"ok": …}` or `{"error": …, "message": …}`.
What can be called is the whole `Desk`, and of `Sessions` what only looks: nobody moves a session but a turn of it.
The socket's mode is 0600: whoever may read the database file may use it, nobody else. It is bound only after the
store is open, hence under the file lock, so a file that is left of a dead process may be removed safely.

PostgreSQL takes many processes, so there a command opens the store itself and no socket exists.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import structlog

from posthouse.core import errors
from posthouse.core.errors import PosthouseError, StoreLocked, StoreUnavailable
from posthouse.core.sessions import SessionEvent, SessionRecord
from posthouse.ports.store import Desk, Filter, FormatShare, Row, SessionFilter
from posthouse.runtime.platform import Platform
from posthouse.settings import Settings, sqlite_path

log = structlog.get_logger("posthouse.operator")

PATH_MAX = 100  # the kernel's limit is 104 or 108 bytes
LINE_MAX = 64 * 1024 * 1024  # a list with payloads
STARTING_S = 5.0  # how long a command waits for a process that has the file but no socket yet

R = TypeVar("R")
Rows = list[Row]
Ids = list[int]


class SessionDesk(Protocol):
    """What an operator may ask about sessions: the part of `Sessions` that looks and is not for turns."""

    async def get(self, session_id: str) -> SessionRecord | None: ...

    async def find(self, filter: SessionFilter) -> list[SessionRecord]: ...

    async def history(self, session_id: str, *, limit: int = 100) -> list[SessionEvent]: ...

    async def formats(self, *, since_s: float) -> list[FormatShare]: ...


class OperatedStore(Protocol):
    """The parts of a `Store` at which operators are served."""

    @property
    def desk(self) -> Desk: ...

    @property
    def sessions(self) -> SessionDesk: ...


class Opened(NamedTuple):
    """What a command works with. `bots` are ids by name, as far as a running process tells them."""

    desk: Desk
    sessions: SessionDesk
    bots: dict[str, int]


class Request(msgspec.Struct):
    """One call. `args` are those of the `Desk` or `Sessions` method, by name."""

    call: str
    args: dict[str, Any] = {}


class Reply(msgspec.Struct, omit_defaults=True):
    """What it returned, or which error it raised."""

    ok: Any = None
    error: str = ""
    message: str = ""


# -- where ----------------------------------------------------------------------------------------------------------


def socket_of(settings: Settings) -> Path | None:
    """The socket beside the database; None where none is needed (PostgreSQL) or possible (Windows)."""
    if not settings.store.url.startswith("sqlite:///") or not hasattr(socket, "AF_UNIX"):
        return None
    beside = Path(f"{Path(sqlite_path(settings)).resolve()}.sock")
    if len(os.fsencode(beside)) <= PATH_MAX:
        return beside
    name = hashlib.sha256(os.fsencode(beside)).hexdigest()[:24]
    return Path(tempfile.gettempdir()) / f"posthouse-{os.getuid()}" / f"{name}.sock"


# -- the side of `up` -----------------------------------------------------------------------------------------------


def attach(platform: Platform, path: Path) -> None:
    """Serve the socket for as long as the platform's store is open."""
    names = {bot.name: bot.bot_id for _, bots in platform.programs for bot in bots}
    server = DeskServer(path, lambda: platform.store, names)
    register = platform.register

    async def open_then_register() -> None:
        await server.open()
        if register is not None:
            await register()

    platform.register = open_then_register
    platform.closing = [server.close, *platform.closing]


class DeskServer:
    """Answers operator calls on a Unix socket, one connection after the other or many at once."""

    def __init__(self, path: Path, store: Callable[[], OperatedStore], bots: dict[str, int]) -> None:
        self._path = path
        self._store = store
        self._bots = bots
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. Without a socket the platform still serves; the operator's commands then say why they cannot."""
        try:
            listener = _listen(self._path)
        except OSError as error:
            log.warning("operator.closed", path=str(self._path), error=str(error))
            return
        self._server = await asyncio.start_unix_server(self._talk, sock=listener, limit=LINE_MAX)

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        with suppress(OSError):
            self._path.unlink()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the other side left, or sent a line without an end
        finally:
            self._talks.discard(task)
            writer.close()

    async def _answer(self, line: bytes) -> Reply:
        try:
            request = msgspec.json.decode(line, type=Request)
            if request.call == "bots":
                return Reply(ok=self._bots)
            call = CALLS.get(request.call)
            if call is None:
                return Reply(error="NotFound", message=f"there is no call {request.call!r}")
            return Reply(ok=await call(self._store(), request.args))
        except PosthouseError as error:
            return Reply(error=type(error).__name__, message=str(error))
        except (msgspec.DecodeError, TypeError, KeyError) as error:
            return Reply(error="Conflict", message=f"not a call that this process understands: {error}")
        except Exception as error:  # an operator's question never takes the platform down
            log.exception("operator.failed")
            return Reply(error="PlatformError", message=f"{type(error).__name__}: {error}")


async def _list(store: OperatedStore, args: dict[str, Any]) -> Any:
    return await store.desk.list(args["what"], msgspec.convert(args["filter"], Filter))


async def _find(store: OperatedStore, args: dict[str, Any]) -> Any:
    return await store.sessions.find(msgspec.convert(args["filter"], SessionFilter))


CALLS: dict[str, Callable[[OperatedStore, dict[str, Any]], Awaitable[Any]]] = {
    "desk.list": _list,
    "desk.show": lambda store, args: store.desk.show(args["what"], args["id"]),
    "desk.replay": lambda store, args: store.desk.replay(args["dead_ids"]),
    "desk.discard": lambda store, args: store.desk.discard(args["dead_ids"]),
    "desk.release_lane": lambda store, args: store.desk.release_lane(
        args["bot_id"], args["lane"], skip_head=args["skip_head"]
    ),
    "desk.cancel_job": lambda store, args: store.desk.cancel_job(args["job_id"]),
    "desk.pause_queue": lambda store, args: store.desk.pause_queue(args["queue"], args["paused"]),
    "sessions.get": lambda store, args: store.sessions.get(args["session_id"]),
    "sessions.find": _find,
    "sessions.history": lambda store, args: store.sessions.history(args["session_id"], limit=args["limit"]),
    "sessions.formats": lambda store, args: store.sessions.formats(since_s=args["since_s"]),
}


def _listen(path: Path) -> socket.socket:
    """A bound socket that only its owner may connect to. What a dead process left there is removed first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid() and path.parent.name.startswith("posthouse-"):
        raise PermissionError(f"{path.parent} belongs to somebody else")
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # before `listen`: until then nobody can connect
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


# -- the side of a command ------------------------------------------------------------------------------------------


class DeskClient:
    """`Desk` through the socket of a running process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.sessions = SessionClient(self._ask)

    async def bots(self) -> dict[str, int]:
        """The ids of the bots that the process runs, by name: it has their tokens, which a command may not have."""
        return msgspec.convert(await self._ask("bots"), dict[str, int])

    async def list(self, what: str, filter: Filter) -> Rows:
        return msgspec.convert(await self._ask("desk.list", what=what, filter=msgspec.to_builtins(filter)), Rows)

    async def show(self, what: str, id: int) -> Row:
        return msgspec.convert(await self._ask("desk.show", what=what, id=id), Row)

    async def replay(self, dead_ids: Sequence[int]) -> Ids:
        return msgspec.convert(await self._ask("desk.replay", dead_ids=[*dead_ids]), Ids)

    async def discard(self, dead_ids: Sequence[int]) -> Ids:
        return msgspec.convert(await self._ask("desk.discard", dead_ids=[*dead_ids]), Ids)

    async def release_lane(self, bot_id: int, lane: int, *, skip_head: bool) -> bool:
        return bool(await self._ask("desk.release_lane", bot_id=bot_id, lane=lane, skip_head=skip_head))

    async def cancel_job(self, job_id: int) -> bool:
        return bool(await self._ask("desk.cancel_job", job_id=job_id))

    async def pause_queue(self, queue: str, paused: bool) -> None:
        await self._ask("desk.pause_queue", queue=queue, paused=paused)

    async def _ask(self, call: str, **args: Any) -> Any:
        try:
            self._writer.write(msgspec.json.encode(Request(call, args)) + b"\n")
            await self._writer.drain()
            line = await self._reader.readline()
        except (ConnectionError, ValueError) as error:
            raise StoreUnavailable(f"the running process did not answer {call}: {error}") from None
        if not line:
            raise StoreUnavailable(f"the running process ended before it answered {call}: try again")
        reply = msgspec.json.decode(line, type=Reply)
        if reply.error:
            raise _raised(reply)
        return reply.ok


class SessionClient:
    """`SessionDesk` through the same socket."""

    def __init__(self, ask: Callable[..., Awaitable[Any]]) -> None:
        self._ask = ask

    async def get(self, session_id: str) -> SessionRecord | None:
        found = await self._ask("sessions.get", session_id=session_id)
        return None if found is None else msgspec.convert(found, SessionRecord)

    async def find(self, filter: SessionFilter) -> list[SessionRecord]:
        found = await self._ask("sessions.find", filter=msgspec.to_builtins(filter))
        return msgspec.convert(found, list[SessionRecord])

    async def history(self, session_id: str, *, limit: int = 100) -> list[SessionEvent]:
        found = await self._ask("sessions.history", session_id=session_id, limit=limit)
        return msgspec.convert(found, list[SessionEvent])

    async def formats(self, *, since_s: float) -> list[FormatShare]:
        return msgspec.convert(await self._ask("sessions.formats", since_s=since_s), list[FormatShare])


def _raised(reply: Reply) -> PosthouseError:
    """The error that the other side raised; a plain `PlatformError` when its class takes more than a message."""
    kind = getattr(errors, reply.error, None)
    if isinstance(kind, type) and issubclass(kind, PosthouseError) and not issubclass(kind, errors.TelegramError):
        return kind(reply.message)
    return errors.PlatformError(reply.message)


def ask(settings: Settings, act: Callable[[Opened], Awaitable[R]]) -> R:
    """Do what a command is for, with logs that do not get between its lines."""
    from posthouse.log import configure

    configure(level="warning", format="console")

    async def run() -> R:
        async with open_desk(settings) as opened:
            return await act(opened)

    return asyncio.run(run())


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Opened]:
    """Desk and sessions of this configuration's store: those of the process that runs, else of the store, opened here.

    Raises `StoreLocked` when somebody has the file and does not answer, `SchemaMismatch` when it has to be migrated.
    """
    path = socket_of(settings)
    deadline = time.monotonic() + STARTING_S
    while True:
        if path is not None:
            try:
                reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_MAX)
            except OSError:
                pass  # nobody runs, or not yet
            else:
                client = DeskClient(reader, writer)
                try:
                    yield Opened(client, client.sessions, await client.bots())
                finally:
                    writer.close()
                return
        from posthouse.bootstrap import open_store

        store, _ = open_store(settings)
        try:
            await store.open()
        except StoreLocked:
            if path is None or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)  # it starts or stops at this moment: ask again
            continue
        try:
            yield Opened(store.desk, store.sessions, {})
        finally:
            await store.close()
        return
