"""A simulated Telegram, a gateway to it, an outbox and a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("posthouse.testing.contracts")  # as tests/contract does, whoever comes first

from sender_stage import BOT, TOKEN, ScriptedGateway, WatchedOutbox  # noqa: E402

from posthouse.adapters.blobs.folder import FolderBlobs  # noqa: E402
from posthouse.adapters.http.bot_api import BotApiGateway  # noqa: E402
from posthouse.simulator import Simulator  # noqa: E402
from posthouse.testing.clock import ManualClock  # noqa: E402
from posthouse.testing.contracts.examples import UNLIMITED  # noqa: E402
from posthouse.testing.contracts.model import ModelStore  # noqa: E402
from posthouse.testing.fixtures import simulator, simulator_options, town  # noqa: E402
from posthouse.testing.town import Person, Town  # noqa: E402

__all__ = ["simulator", "simulator_options", "town"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def outbox(clock: ManualClock) -> WatchedOutbox:
    """An outbox without limits of its own: chats are paced by what the sender asks for."""
    outbox = WatchedOutbox(ModelStore(clock, lease_ttl_s=3600.0))
    outbox.store.set_limits(BOT, UNLIMITED)
    return outbox


@pytest.fixture
def scripted() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    return simulator


@pytest.fixture
async def gateway(sim: Simulator, blobs: FolderBlobs) -> AsyncIterator[BotApiGateway]:
    gateway = BotApiGateway(sim.url, blobs)
    yield gateway
    await gateway.close()


@pytest.fixture
async def ann(town: Town) -> Person:
    """Ann, who has started the bot."""
    ann = await town.person("Ann")
    await ann.starts(TOKEN)
    return ann
