"""aiogram's FSM kept with the chat's other state, and committed with the turn.

    handler ── set_state / set_data ──► piece in the turn ── commit ──► state row of the chat
                                             ╲── raised ──► forgotten

One *piece* is the state and the data of one `StorageKey`, one row: the two cannot disagree after a crash. It
is named by everything in the key (aiogram's own key builder forgets the bot); its lane is `key.chat_id`.
Outside a turn (a task of the bot's own, a test) every call reads and writes the store at once, one call of a
key after the other within this process; between processes the last write wins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from math import isfinite
from typing import Any, Protocol

import msgspec
from aiogram.exceptions import DataNotDictLikeError
from aiogram.fsm.state import State
from aiogram.fsm.storage.base import DEFAULT_DESTINY, BaseStorage, StateType, StorageKey

from posthouse.core.effects import StateWrite
from posthouse.programs.aiogram.errors import StateNotJson
from posthouse.programs.aiogram.hosted import HostedTurn, Latecomers, current
from posthouse.programs.aiogram.isolation import KeyLocks

_NO_DATA = "{}"
_SURROGATE = re.compile("[\ud800-\udfff]")


class StateKeeper(Protocol):
    """State outside any turn, at once and unfenced: the store's `turns` port."""

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]: ...

    async def write_states(self, writes: Sequence[StateWrite]) -> None: ...


class _Row(msgspec.Struct):
    state: str | None = None
    data: msgspec.Raw = msgspec.Raw(_NO_DATA)


_read_row = msgspec.json.Decoder(_Row).decode


class Piece:
    """State and data of one key, as read and as to be written. Data stays JSON text: every load is a copy."""

    __slots__ = ("changed", "data", "loaded", "name", "state")

    def __init__(self, name: str, loaded: bytes | None) -> None:
        self.name = name
        self.loaded = loaded
        self.changed = False
        self.state: str | None = None
        self.data = _NO_DATA
        if loaded is not None:
            row = _read_row(loaded)
            self.state, self.data = row.state, bytes(row.data).decode()

    def pack(self) -> bytes | None:
        """The row to write, or None when nothing is left to remember."""
        if self.state is None and self.data == _NO_DATA:
            return None
        return f'{{"state":{json.dumps(self.state)},"data":{self.data}}}'.encode()


def piece_name(key: StorageKey) -> str:
    """The name of a key's piece within its lane: `fsm:<user>`, and the rest of the key where it says more."""
    if key.thread_id is None and key.business_connection_id is None and key.destiny == DEFAULT_DESTINY:
        return f"fsm:{key.user_id}"
    thread = "" if key.thread_id is None else key.thread_id
    business = (key.business_connection_id or "").replace("%", "%25").replace(":", "%3A")
    return f"fsm:{key.user_id}:{thread}:{business}:{key.destiny}"


class TurnStorage(BaseStorage):
    """FSM storage of a hosted Dispatcher. Works after `close`, which aiogram calls before other hooks."""

    def __init__(self, keeper: StateKeeper, latecomers: Latecomers | None = None) -> None:
        self._keeper = keeper
        self._locks = KeyLocks()
        self._latecomers = latecomers or Latecomers()

    async def get_state(self, key: StorageKey) -> str | None:
        return (await self._look(key)).state

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        name = state.state if isinstance(state, State) else state
        async with self._change(key) as piece:
            piece.state = name

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((await self._look(key)).data)
        return data

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        if not isinstance(data, dict):
            raise DataNotDictLikeError(f"Data must be a dict or dict-like object, got {type(data).__name__}")
        text = _json_text(key, data)
        async with self._change(key) as piece:
            piece.data = text

    async def update_data(self, key: StorageKey, data: Mapping[str, Any]) -> dict[str, Any]:
        """Merge `data` in, with nothing in between, and return a copy of the whole."""
        async with self._change(key) as piece:
            merged: dict[str, Any] = json.loads(piece.data)
            merged.update(data)
            piece.data = _json_text(key, merged)
            return merged

    async def close(self) -> None:
        """Nothing to close: the store belongs to the runtime."""

    async def _look(self, key: StorageKey) -> Piece:
        hosted = self._hosted("read state of the FSM")
        return await self._load(key) if hosted is None else await self._piece(hosted, key)

    @asynccontextmanager
    async def _change(self, key: StorageKey) -> Any:
        """The piece of `key`, to be changed without awaiting anything."""
        hosted = self._hosted("wrote state of the FSM")
        if hosted is not None:
            piece = await self._piece(hosted, key)
            yield piece
            piece.changed = True
            return
        async with self._locks.hold(key):
            piece = await self._load(key)
            yield piece
            await self._keeper.write_states([StateWrite(key.bot_id, key.chat_id, piece.name, piece.pack())])

    def _hosted(self, what: str) -> HostedTurn | None:
        hosted = current.get()
        if hosted is not None and hosted.ended:
            self._latecomers.came(hosted, what)
            return None
        return hosted

    async def _piece(self, hosted: HostedTurn, key: StorageKey) -> Piece:
        piece = hosted.pieces.get(key)
        if piece is None:
            fresh = await self._load_in_turn(hosted, key)
            piece = hosted.pieces.setdefault(key, fresh)  # another task of the handler may have been faster
        return piece

    async def _load_in_turn(self, hosted: HostedTurn, key: StorageKey) -> Piece:
        turn = hosted.turn
        if key.bot_id != turn.bot_id:
            return await self._load(key)
        name = piece_name(key)
        if key.chat_id == turn.lane and (known := turn.states.get(name)) is not None:
            return Piece(name, known)
        found = await turn.reach.read_states(key.chat_id, (name,))
        return Piece(name, found.get(name))

    async def _load(self, key: StorageKey) -> Piece:
        name = piece_name(key)
        found = await self._keeper.read_states(key.bot_id, key.chat_id, (name,))
        return Piece(name, found.get(name))


def _json_text(key: StorageKey, data: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        path, value = next(_misfits(data, "", 0), ("", data))
        raise StateNotJson(
            f"FSM data of user {key.user_id} in chat {key.chat_id}: {path or 'the data'} is "
            f"{type(value).__name__}, which cannot be written as JSON ({error}). MemoryStorage kept any "
            "object; Posthouse keeps state across restarts, so store plain values: numbers, strings, lists, "
            "dicts (for instance message.message_id instead of message, moment.isoformat() instead of moment)"
        ) from None
    return text


def _misfits(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Where in `value` lies what JSON cannot say, outermost first."""
    if depth > 100:
        yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            if name is not None and not isinstance(name, (str, int, float)):
                yield f"a name in {path or 'the data'}", name
            yield from _misfits(part, f"{path}.{name}" if path else str(name), depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from _misfits(part, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float):
        if not isfinite(value):
            yield path, value
    elif isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            yield path, value
    elif value is not None and not isinstance(value, int):
        yield path, value
