"""What aiogram's tests ask for, made of our parts.

Their parameters name aiogram's storages; here each name is one way to use ours:

    memory_storage    outside a turn, over a dictionary
    redis_storage     outside a turn, over a real SQLite store
    mongo_storage     inside one turn, over a dictionary
    pymongo_storage   inside one turn, over a real SQLite store
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiogram import Dispatcher
from aiogram.fsm.storage.base import BaseEventIsolation, BaseStorage, StateType, StorageKey
from tests.mocked_bot import MockedBot

from posthouse.adapters.sqlite import SqliteSettings, SqliteStore
from posthouse.adapters.sqlite.schema import migrate
from posthouse.core.effects import StateWrite, WhenUncertain
from posthouse.core.entries import Entry
from posthouse.core.leases import CallRecord
from posthouse.programs.aiogram import LaneIsolation, StateKeeper, TurnStorage
from posthouse.programs.aiogram.hosted import HostedTurn, current
from posthouse.programs.aiogram.replay import Replay
from posthouse.programs.turn import Turn

CHAT_ID = -42
USER_ID = 42


class DictionaryKeeper:
    def __init__(self) -> None:
        self.rows: dict[tuple[int, int, str], bytes] = {}

    async def read_states(self, bot_id: int, lane: int, names: Sequence[str]) -> dict[str, bytes]:
        return {name: self.rows[bot_id, lane, name] for name in names if (bot_id, lane, name) in self.rows}

    async def write_states(self, writes: Sequence[StateWrite]) -> None:
        for write in writes:
            self.rows.pop((write.bot_id, write.lane, write.name), None)
            if write.data is not None:
                self.rows[write.bot_id, write.lane, write.name] = write.data


class KeeperReach:
    """The reach of a turn that uses nothing but state."""

    def __init__(self, keeper: StateKeeper, bot_id: int) -> None:
        self._keeper = keeper
        self._bot_id = bot_id

    async def read_states(self, lane: int, names: Iterable[str]) -> dict[str, bytes]:
        return await self._keeper.read_states(self._bot_id, lane, tuple(names))

    async def transact(self, function: Callable[..., Any], *args: Any) -> Any:
        raise NotImplementedError

    async def recall(self) -> list[CallRecord]:
        return []

    async def begin_call(self, record: CallRecord) -> None: ...

    async def end_call(self, record: CallRecord) -> None: ...


class StorageInATurn(BaseStorage):
    """Every call is made inside the same running turn."""

    def __init__(self, storage: TurnStorage, hosted: HostedTurn) -> None:
        self._storage = storage
        self._hosted = hosted

    async def _in_turn(self, method: str, *args: Any) -> Any:
        token = current.set(self._hosted)
        try:
            return await getattr(self._storage, method)(*args)
        finally:
            current.reset(token)

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        await self._in_turn("set_state", key, state)

    async def get_state(self, key: StorageKey) -> str | None:
        return await self._in_turn("get_state", key)

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        await self._in_turn("set_data", key, data)

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        return await self._in_turn("get_data", key)

    async def update_data(self, key: StorageKey, data: Mapping[str, Any]) -> dict[str, Any]:
        return await self._in_turn("update_data", key, data)

    async def close(self) -> None:
        await self._storage.close()


@pytest.fixture
def bot() -> MockedBot:
    return MockedBot()


@pytest.fixture
def storage_key(bot: MockedBot) -> StorageKey:
    return StorageKey(chat_id=CHAT_ID, user_id=USER_ID, bot_id=bot.id)


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    path = str(tmp_path / "posthouse.db")
    migrate(path)
    store = SqliteStore(SqliteSettings(path=path))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def storage(request: pytest.FixtureRequest, sqlite_store: SqliteStore, bot: MockedBot) -> BaseStorage:
    keeper: StateKeeper = (
        sqlite_store.turns if "redis" in request.param or "pymongo" in request.param else DictionaryKeeper()
    )
    storage = TurnStorage(keeper)
    if "mongo" not in request.param:
        return storage
    entry = Entry(bot.id, CHAT_ID, 1, b"{}", 0.0)
    turn = Turn(entry, reach=KeeperReach(keeper, bot.id), states={})
    hosted = HostedTurn(turn, None, Replay([], "1"), uncertain_calls=WhenUncertain.RESEND, deadline=0.0)
    return StorageInATurn(storage, hosted)


@pytest.fixture
def isolation(request: pytest.FixtureRequest) -> BaseEventIsolation:
    return LaneIsolation()


@pytest.fixture(autouse=True)
def ours_for_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that build storages themselves build ours under the names of aiogram's."""
    from tests.test_fsm import test_scene
    from tests.test_issues import test_1317_state_vs_isolation as issue

    monkeypatch.setattr(test_scene, "MemoryStorage", lambda: TurnStorage(DictionaryKeeper()))
    monkeypatch.setattr(issue, "SimpleEventIsolation", LaneIsolation)
    monkeypatch.setattr(
        issue, "Dispatcher", lambda **options: Dispatcher(storage=TurnStorage(DictionaryKeeper()), **options)
    )
