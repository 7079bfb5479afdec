"""Bots whose chats are remembered in Redis, on the whole road: native, with conversations, and hosted aiogram."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiogram import Dispatcher
from aiogram.fsm.context import FSMContext
from aiogram.fsm.state import State, StatesGroup
from aiogram.types import Message
from redis.asyncio import Redis
from road_stage import BOT, echo
from structlog.testing import capture_logs
from support_redis import RedisServer

from posthouse import App, Talk
from posthouse.adapters.sqlite.schema import migrate
from posthouse.bootstrap import resolve
from posthouse.programs.conversations import choice
from posthouse.settings import SessionsSection, parse
from posthouse.simulator import Simulator
from posthouse.testing import running
from posthouse.testing.town import Town

ANN_CHAT = f"{BOT}:session:1"


def ordering() -> App:
    """One dialogue of two questions, begun by /order."""
    app = App("redis")

    @app.conversation("order", version=1)
    async def order(talk: Talk) -> None:
        size = await talk.ask("Size?", choice(["S", "L"]))
        name = await talk.ask("Name?")
        talk.say(f"{size} for {name}")

    @app.command("order")
    async def begin(turn: Any) -> None:
        await order.begin(turn)

    return app


class TestNativeBot:
    @pytest.mark.req("E4-3", "S4-10", "B-12")
    async def test_e4_3_parallel_updates_of_one_person_have_all_their_effects(
        self, on_redis: Any, redis: Redis
    ) -> None:
        """Twenty messages at once over five connections: each counts, none is counted twice, and so says Redis."""
        async with on_redis(echo()) as stage:
            clients = [await stage.road.client() for _ in range(5)]

            async def writes(place: int) -> None:
                for number in range(4):
                    await stage.road.post(
                        {"update_id": 100 + 4 * place + number, "message": text_of_ann("hi")}, client=clients[place]
                    )

            await asyncio.gather(*(writes(place) for place in range(5)))
            await stage.road.gateway.sent("hi 20")
            await stage.road.idle()
            assert sorted(stage.ann.read, key=lambda said: int(said.split()[1])) == [f"hi {n}" for n in range(1, 21)]
        assert json.loads(await redis.hget(ANN_CHAT, "p:")) == {"count": 20}

    @pytest.mark.req("S4-8", "S4-6")
    async def test_a_session_begins_empty_and_is_kept_in_redis(
        self, on_redis: Any, redis: Redis, tmp_path: Path
    ) -> None:
        """A new chat has {} as its session; what it becomes lies in Redis and not in the database."""
        seen: list[dict[str, Any]] = []
        app = App("empty")

        @app.text()
        async def remember(turn: Any) -> None:
            seen.append(dict(turn.session))
            turn.session["word"] = turn.text
            turn.say("ok")

        async with on_redis(app) as stage:
            await stage.ann.says("one")
            await stage.ann.reads("ok")
            await stage.ann.says("two")
            await stage.ann.reads_times("ok", 2)
            await stage.idle()
        assert seen == [{}, {"word": "one"}]
        assert json.loads(await redis.hget(ANN_CHAT, "p:")) == {"word": "two"}
        connection = sqlite3.connect(tmp_path / "redis.db")
        assert connection.execute("SELECT DISTINCT name FROM chat_state").fetchall() == [("posthouse:redis",)]
        connection.close()


class TestConversation:
    @pytest.mark.req("E4-1", "S4-2", "S4-3", "S4-9")
    async def test_a_dialogue_survives_a_restart_of_everything(self, on_redis: Any, redis_server: RedisServer) -> None:
        """A press in one life, Redis killed in between, a text in the next: nothing is asked or said twice."""
        async with on_redis(ordering()) as stage:
            await stage.ann.says("/order")
            await stage.ann.reads("Size?")
            await stage.ann.presses("L")
            await stage.ann.reads("Name?")
            await stage.idle()
        await asyncio.to_thread(redis_server.kill)
        await asyncio.to_thread(redis_server.start)
        async with on_redis(ordering()) as stage:
            await stage.ann.says("Ann")
            await stage.ann.reads("L for Ann")
            await stage.idle()
            assert stage.ann.read == ["Size?", "Name?", "L for Ann"]
            record = await stage.session("order")
            assert (record.state, record.is_active) == ("done", False)
            assert [event.event for event in await stage.history(record.id)] == ["begin", "ask", "answer"]
            assert await stage.road.store.sessions.journal(record.id) == []

    @pytest.mark.req("E4-2", "S4-7")
    async def test_a_chat_that_redis_forgot_has_outdated_buttons(self, on_redis: Any, redis: Redis) -> None:
        """After its day the session is gone: an old button says so, and the dialogue can begin anew."""
        async with on_redis(ordering()) as stage:
            await stage.ann.says("/order")
            await stage.ann.reads("Size?")
            await stage.idle()
            await redis.pexpire(ANN_CHAT, 1)
            while await redis.exists(ANN_CHAT):  # noqa: ASYNC110 - Redis tells nobody here
                await asyncio.sleep(0.005)
            assert await stage.sessions(live=True) == []
            answer = await stage.ann.answered(await stage.ann.presses("L"))
            assert answer["show_alert"] is True
            assert "outdated" in answer["text"]
            await stage.ann.says("/order")
            await stage.ann.reads_times("Size?", 2)
            await stage.ann.presses("S")
            await stage.ann.reads("Name?")


class Order(StatesGroup):
    what = State()


dispatcher = Dispatcher()


@dispatcher.message(Order.what)
async def taken(message: Message, state: FSMContext) -> Any:
    data = await state.update_data(what=message.text)
    return message.answer(f"One {data['what']}, number {data['number']}")


@dispatcher.message()
async def asked(message: Message, state: FSMContext) -> Any:
    await state.set_state(Order.what)
    await state.set_data({"number": 7})
    return message.answer("What shall it be?")


class TestAiogram:
    @pytest.mark.req("S4-6", "B-20")
    async def test_the_fsm_of_a_hosted_dispatcher_is_in_redis(
        self, simulator: Simulator, town: Town, tmp_path: Path, sessions: SessionsSection, redis: Redis
    ) -> None:
        """Nothing in the bot knows of it: its state and data are a piece of its chat, and survive a restart."""
        migrate(str(tmp_path / "posthouse.db"))
        token = "4242:secret"
        raw = {
            "bots": {
                "road": {"program": "test_redis_road:dispatcher", "token": "${T}", "mode": "polling", "limits": "none"}
            },
            "telegram": {"api_url": simulator.url},
            "store": {"url": f"sqlite:///{tmp_path}/posthouse.db"},
            "sessions": {"store": "redis", "redis_url": sessions.redis_url},
        }
        settings = parse(raw, path=tmp_path / "posthouse.toml", environment={"T": token})
        assert resolve("test_redis_road:dispatcher", key="bots.road.program", root=settings.root) is dispatcher
        ann = await town.person("Ann")
        chat = ann.chat_with(token)
        with capture_logs():
            async with running(settings):
                await ann.says("hello", to=token)
                await chat.shows("What shall it be?")
            async with running(settings):
                await ann.says("tea", to=token)
                await chat.shows("One tea, number 7")
        [key] = await redis.keys("*:session:*")
        [(name, piece)] = [(k, v) for k, v in (await redis.hgetall(key)).items() if k.startswith(b"p:")]
        assert name.startswith(b"p:fsm:")
        assert json.loads(piece) == {"state": "Order:what", "data": {"number": 7, "what": "tea"}}


def text_of_ann(text: str) -> dict[str, Any]:
    person = {"id": 1, "is_bot": False, "first_name": "Ann"}
    return {"message_id": 1, "date": 1_750_000_000, "chat": {"id": 1, "type": "private"}, "from": person, "text": text}
