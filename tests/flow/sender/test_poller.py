"""Polling over real HTTP: what Telegram may forget, and when; and every way it says no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from sender_stage import BOT, TOKEN, ScriptedGateway
from structlog.testing import capture_logs

from posthouse.adapters.http.bot_api import BotApiGateway
from posthouse.core.entries import Incoming
from posthouse.core.errors import Refused, StoreUnavailable, Unreachable
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.polling import Poller, PollerSettings, conflict_of, raw_update
from posthouse.runtime.webhooks import clear_webhook
from posthouse.simulator import Simulator
from posthouse.testing.clock import ManualClock
from posthouse.testing.town import Person, Town

WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
OTHER_POLLER = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


class Inbox:
    """Keeps what is ingested; may fail, and may be watched."""

    def __init__(self) -> None:
        self.kept: dict[int, Incoming] = {}
        self.failures: list[Exception] = []
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self._news = asyncio.Condition()

    async def ingest(self, batch: Sequence[Incoming]) -> list[bool]:
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        async with self._news:
            new = [incoming.update_id not in self.kept for incoming in batch]
            self.kept |= {incoming.update_id: incoming for incoming in batch}
            self._news.notify_all()
        return new

    async def has(self, count: int) -> list[Incoming]:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.kept) >= count)
        return list(self.kept.values())


class WatchedClock(ManualClock):
    """A clock that says when somebody begins to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.resting = asyncio.Event()

    async def sleep(self, delay_s: float) -> None:
        self.resting.set()
        await super().sleep(delay_s)


class Stage:
    def __init__(self, gateway: Any, **settings: Any) -> None:
        self.inbox = Inbox()
        self.clock = WatchedClock()
        self.metrics = Metrics()
        self.poller = Poller(
            BOT,
            "bot",
            TOKEN,
            gateway,
            self.inbox.ingest,
            self.clock,
            self.metrics,
            PollerSettings(**settings),
        )
        self.task = asyncio.create_task(self.poller.run())

    def counted(self, metric: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"posthouse_{metric}_total", labels) or 0.0

    async def stopped(self) -> None:
        self.poller.stop()
        async with asyncio.timeout(10):
            await self.task


@asynccontextmanager
async def polling(gateway: Any, **settings: Any) -> AsyncIterator[Stage]:
    stage = Stage(gateway, **settings)
    try:
        yield stage
    finally:
        stage.task.cancel()
        await asyncio.gather(stage.task, return_exceptions=True)


def update(number: int, **fields: Any) -> dict[str, Any]:
    return {"update_id": number, "message": {"message_id": 1, "date": 0, "chat": {"id": 7}, **fields}}


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_updates_reach_the_inbox(town: Town, ann: Person, gateway: BotApiGateway) -> None:
    """What people do comes in, in order, with its lane, as Telegram wrote it, and is confirmed."""
    for number in range(3):
        await ann.says(f"hello {number}", to=TOKEN)
    async with polling(gateway) as stage:
        kept = await stage.inbox.has(4)  # /start among them
        assert [json.loads(i.payload)["message"]["text"] for i in kept][1:] == [
            "hello 0",
            "hello 1",
            "hello 2",
        ]
        assert {incoming.lane for incoming in kept} == {ann.id}
        assert stage.counted("updates_received", bot="bot", result="stored") == 4
        await ann.says("more", to=TOKEN)
        await stage.inbox.has(5)
        await stage.stopped()


async def test_the_offset_moves_only_after_the_commit(town: Town, ann: Person, gateway: BotApiGateway) -> None:
    """A poller that dies between receiving and committing loses nothing: the updates come again."""
    await ann.says("important", to=TOKEN)
    async with polling(gateway) as dying:
        dying.inbox.gate = asyncio.Event()  # the disk takes its time
        async with asyncio.timeout(10):
            await dying.inbox.entered.wait()
        assert dying.poller.offset == 0
    async with polling(gateway) as successor:
        kept = await successor.inbox.has(2)
        assert "important" in str(kept[-1].payload)
        assert successor.poller.offset == kept[-1].update_id + 1


async def test_a_store_that_is_away_holds_the_offset() -> None:
    """What could not be stored is asked for again from the same offset."""
    gateway = ScriptedGateway()
    gateway.script = [[update(5)], [update(5), update(6)], _never]
    async with polling(gateway) as stage:
        stage.inbox.failures = [StoreUnavailable()]
        await gateway.was_called(1)
        await settle()
        stage.clock.advance(2)
        await stage.inbox.has(2)
        await gateway.was_called(3)
        assert [body.get("offset") for _, body in gateway.calls] == [None, None, 7]


async def test_an_item_that_is_no_update_is_skipped_alone() -> None:
    """A malformed item is counted and logged; its neighbours are stored, and the offset passes it."""
    gateway = ScriptedGateway()
    items: list[Any] = [
        update(5),
        {"update_id": 6, "message": {"chat": {"id": "x"}}},
        update(7),
        {"message": {}},
    ]
    gateway.script = [items, _never]
    with capture_logs() as logs:
        async with polling(gateway) as stage:
            kept = await stage.inbox.has(2)
            assert [incoming.update_id for incoming in kept] == [5, 7]
            await gateway.was_called(2)
            assert gateway.calls[1][1]["offset"] == 9
            assert stage.counted("updates_received", bot="bot", result="malformed") == 2
    assert [line["event"] for line in logs] == ["update.malformed"] * 2


async def test_nothing_but_nonsense_is_asked_for_again_with_patience() -> None:
    """When not one item names itself there is nothing to skip: the poller waits instead of spinning."""
    gateway = ScriptedGateway()
    gateway.script = [["x"], [update(3)], _never]
    async with polling(gateway) as stage:
        await gateway.was_called(1)
        await settle()
        assert len(gateway.calls) == 1
        stage.clock.advance(2)
        await stage.inbox.has(1)


async def test_numbers_may_begin_again_lower() -> None:
    """After an idle week Telegram may number from a lower start; the offset follows the last item."""
    gateway = ScriptedGateway()
    gateway.script = [[update(1_000_000)], [update(40)], _never]
    async with polling(gateway) as stage:
        await stage.inbox.has(2)
        await gateway.was_called(3)
        assert [body.get("offset") for _, body in gateway.calls] == [None, 1_000_001, 41]


async def test_a_raw_item_is_stored_as_it_came() -> None:
    """An item keeps its bytes; one that was decoded on the way is encoded again."""
    raw = b'{ "update_id":5, "x":1.10 }'
    assert raw_update(msgspec.Raw(raw)) == raw
    assert raw_update({"update_id": 5}) == b'{"update_id":5}'


@pytest.mark.parametrize(
    ("description", "kind", "word"),
    [
        (WEBHOOK_ACTIVE, "webhook", "mode = "),
        (OTHER_POLLER, "poller", "another program polls"),
        ("Conflict: terminated by setWebhook request", "setting", "set a webhook"),
        ("Conflict: something new", "unknown", "another program"),
    ],
)
async def test_a_conflict_says_who_is_in_the_way(description: str, kind: str, word: str) -> None:
    """A 409 is logged with its cause and its mend, waited out, and polling goes on from the same offset."""
    assert conflict_of(description) == kind
    gateway = ScriptedGateway()
    gateway.script = [[update(5)], Refused("getUpdates", 409, description), [update(6)], _never]
    with capture_logs() as logs:
        async with polling(gateway, conflict_s=10) as stage:
            await gateway.was_called(2)
            await settle()
            stage.clock.advance(9.9)
            await settle()
            assert len(gateway.calls) == 2
            stage.clock.advance(0.2)
            await stage.inbox.has(2)
            assert gateway.calls[2][1]["offset"] == 6
            assert stage.counted("polling_errors", bot="bot", code="409") == 1
    refused, *rest = logs
    assert (refused["event"], word in refused["mend"]) == ("polling.refused", True)
    assert rest[0]["event"] == "polling.recovered"


async def test_a_webhook_that_is_set_is_told_by_telegram_and_cleared(
    sim: Simulator, town: Town, ann: Person, gateway: BotApiGateway
) -> None:
    """Telegram refuses polling while a webhook is set; deleting it, and saying so, lets polling begin."""
    await gateway.call(TOKEN, "setWebhook", b'{"url":"http://127.0.0.1:9/hook"}')
    with capture_logs() as logs:
        async with polling(gateway) as stage:
            (call,) = await town.calls("getUpdates", count=1)
            assert call.status == 409
            await settle()
        assert await clear_webhook(gateway, "bot", TOKEN, ManualClock()) is True
        assert await clear_webhook(gateway, "bot", TOKEN, ManualClock()) is False
        assert len(await town.calls("deleteWebhook")) == 1
        async with polling(gateway) as stage:
            await stage.inbox.has(1)
    deleted = next(line for line in logs if line["event"] == "webhook.deleted")
    assert deleted["url"] == "http://127.0.0.1:9/hook"
    assert "polling" in deleted["why"]


async def test_a_second_poller_is_told_by_telegram(town: Town, ann: Person, gateway: BotApiGateway) -> None:
    """Two pollers of one bot end each other's calls; the older is told so with what to do."""
    with capture_logs() as logs:
        async with polling(gateway) as older:
            await older.inbox.has(1)
            async with polling(gateway), asyncio.timeout(10):
                await older.clock.resting.wait()
            assert older.counted("polling_errors", bot="bot", code="409") == 1
    mends = [line["mend"] for line in logs if line["event"] == "polling.refused"]
    assert any("another program polls" in mend for mend in mends)


@pytest.mark.parametrize("code", [401, 404])
async def test_a_refused_token_ends_the_polling_loudly(code: int) -> None:
    """A token that Telegram does not accept is not tried again; an operator is called."""
    gateway = ScriptedGateway()
    gateway.script = [Refused("getUpdates", code, "Unauthorized")]
    with capture_logs() as logs:
        async with polling(gateway) as stage:
            async with asyncio.timeout(10):
                await stage.task
            assert stage.poller.refused
    assert [(line["event"], line["log_level"]) for line in logs] == [("polling.stopped", "critical")]


async def test_silence_and_floods_are_waited_out() -> None:
    """No answer is retried with back-off, a 429 after the time it names."""
    gateway = ScriptedGateway()
    flood = Refused("getUpdates", 429, "Too Many Requests: retry after 33", retry_after_s=33.0)
    gateway.script = [Unreachable("getUpdates", "reset", sent=True), flood, [update(5)], _never]
    async with polling(gateway) as stage:
        await gateway.was_called(1)
        await settle()
        stage.clock.advance(1.0)
        await gateway.was_called(2)
        await settle()
        stage.clock.advance(32)
        await settle()
        assert len(gateway.calls) == 2
        stage.clock.advance(1.5)
        await stage.inbox.has(1)


async def test_a_stop_gives_the_waiting_call_up() -> None:
    """A poller that waits at Telegram stops at once."""
    gateway = ScriptedGateway()
    gateway.script = [_never]
    async with polling(gateway) as stage:
        await gateway.was_called(1)
        await stage.stopped()


async def _never() -> Any:
    await asyncio.Event().wait()
