"""aiogram's FSM inside turns: committed with them, rolled back with them, keyed by everything in the key."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from aiogram import Dispatcher, F
from aiogram.filters import Command, StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.fsm.scene import Scene, SceneRegistry, on
from aiogram.fsm.state import State, StatesGroup
from aiogram.fsm.storage.base import StorageKey
from aiogram.fsm.storage.memory import MemoryStorage, SimpleEventIsolation
from aiogram.fsm.strategy import FSMStrategy
from aiogram.types import CallbackQuery, Message
from hosting_stage import BOT, PERSON, World, message, press
from structlog.testing import capture_logs

from posthouse.core.errors import ConfigurationInvalid
from posthouse.programs.aiogram import LaneIsolation, StateNotJson, TurnStorage

KEY = StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON)
PIECE = f"fsm:{PERSON}"


class Form(StatesGroup):
    name = State()
    age = State()


class TestWithTheTurn:
    async def test_state_and_data_commit_with_the_turn(self) -> None:
        """A form filled over several updates is kept in one row of the chat, gone when it is cleared."""
        dp = Dispatcher(storage=MemoryStorage())

        @dp.message(Command("start"))
        async def start(message: Message, state: FSMContext) -> None:
            await state.set_state(Form.name)

        @dp.message(Form.name)
        async def name(message: Message, state: FSMContext) -> None:
            await state.update_data(name=message.text)
            await state.set_state(Form.age)

        @dp.message(Form.age)
        async def age(message: Message, state: FSMContext) -> Any:
            data = await state.update_data({"age": message.text})
            await state.clear()
            return message.answer(f"{data['name']}, {data['age']}")

        async with World(dp) as world:
            await world.tell("/start")
            assert world.store.fsm() == {PIECE: {"state": "Form:name", "data": {}}}
            turn = await world.tell("Ann")
            assert len(turn.effects.states) == 1
            assert world.store.fsm() == {PIECE: {"state": "Form:age", "data": {"name": "Ann"}}}
            await world.tell("30")
            assert world.store.fsm() == {}
        assert [body["text"] for _, body in world.delivered()] == ["Ann, 30"]
        assert dict(dp.storage.storage) == {}  # MemoryStorage itself was never used

    async def test_a_handler_that_raises_leaves_the_state(self) -> None:
        """State written before an exception is forgotten with the turn."""
        dp = Dispatcher()

        @dp.message()
        async def broken(message: Message, state: FSMContext) -> None:
            await state.set_state(Form.name)
            await state.update_data(a=1)
            if message.text == "break":
                raise LookupError

        async with World(dp) as world:
            with pytest.raises(LookupError):
                await world.tell("break")
            assert world.store.fsm() == {}
            await world.tell("go on")
            assert world.store.fsm() == {PIECE: {"state": "Form:name", "data": {"a": 1}}}

    async def test_what_did_not_change_is_not_written(self) -> None:
        """A turn that reads state, or writes what is there, has no state effect."""
        dp = Dispatcher()

        @dp.message()
        async def same(message: Message, state: FSMContext) -> None:
            await state.set_state("on")
            await state.set_data({"ü": [1, None, True, 1.5]})

        async with World(dp) as world:
            assert len((await world.tell("x")).effects.states) == 1
            assert (await world.tell("x")).effects.states == []

    async def test_loaded_data_is_a_copy(self) -> None:
        """Changing what get_data returned changes nothing, down to nested objects."""
        dp = Dispatcher()

        @dp.message()
        async def change(message: Message, state: FSMContext) -> None:
            given: dict[str, Any] = {"cart": ["tea"]}
            merged = await state.update_data(given)
            for copy in (given, merged, await state.get_data()):
                copy["cart"].append("cake")
            assert await state.get_data() == {"cart": ["tea"]}

        async with World(dp) as world:
            await world.tell("x")
            assert world.store.fsm()[PIECE]["data"] == {"cart": ["tea"]}

    async def test_updates_side_by_side_in_a_handler_are_merged(self) -> None:
        """Several update_data at once in one handler lose nothing."""
        dp = Dispatcher()

        @dp.message()
        async def gather(message: Message, state: FSMContext) -> None:
            await asyncio.gather(*(state.update_data({str(n): n}) for n in range(20)))

        async with World(dp) as world:
            await world.tell("x")
            assert len(world.store.fsm()[PIECE]["data"]) == 20

    async def test_state_of_another_chat_commits_with_the_turn(self) -> None:
        """A handler may set the state of another person, and of another bot's, with its own commit."""
        dp = Dispatcher()

        @dp.message()
        async def invite(message: Message, state: FSMContext) -> None:
            for key in (StorageKey(BOT, 9, 9), StorageKey(77, 9, 9)):
                other = FSMContext(state.storage, key)
                assert await other.get_state() == ("old" if key.bot_id == 77 else None)
                await other.set_state("invited")
            if message.text == "break":
                raise LookupError

        async with World(dp) as world:
            world.store.states[77, 9, "fsm:9"] = b'{"state":"old","data":{}}'
            with pytest.raises(LookupError):
                await world.tell("break")
            assert world.store.fsm(lane=9) == {}
            await world.tell("x")
            assert world.store.fsm(lane=9) == {"fsm:9": {"state": "invited", "data": {}}}
            assert world.store.fsm(bot_id=77, lane=9) == {"fsm:9": {"state": "invited", "data": {}}}


class TestKeys:
    async def test_every_field_of_the_key_counts(self) -> None:
        """Keys that differ in any field have states of their own; a separator in an id does not mix them."""
        keys = [
            KEY,
            StorageKey(bot_id=43, chat_id=PERSON, user_id=PERSON),
            StorageKey(bot_id=BOT, chat_id=8, user_id=PERSON),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=8),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, thread_id=1),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, thread_id=0),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, business_connection_id="b"),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, business_connection_id="b:c"),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, business_connection_id="b", destiny="c:default"),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, business_connection_id="b%3Ac"),
            StorageKey(bot_id=BOT, chat_id=PERSON, user_id=PERSON, destiny="aiogd:stack:"),
        ]
        world = World(Dispatcher())
        storage = TurnStorage(world.store)
        for number, key in enumerate(keys):
            assert await storage.get_state(key) is None
            await storage.set_state(key, str(number))
        assert [await storage.get_state(key) for key in keys] == [str(number) for number in range(len(keys))]

    async def test_topics_have_states_of_their_own(self) -> None:
        """With USER_IN_TOPIC the threads of a group do not share state."""
        dp = Dispatcher(fsm_strategy=FSMStrategy.USER_IN_TOPIC)

        @dp.message(StateFilter(None))
        async def first(message: Message, state: FSMContext) -> None:
            await state.set_state("been here")

        async with World(dp) as world:
            for thread in (1, 2, 1):
                await world.tell("x", chat=-100, is_topic_message=True, message_thread_id=thread)
            assert sorted(world.store.fsm(lane=-100)) == ["fsm:7:1::default", "fsm:7:2::default"]

    async def test_scenes_keep_their_history(self) -> None:
        """Scenes work, their history lying beside the state under a destiny of its own."""
        dp = Dispatcher()
        story: list[str] = []

        class Second(Scene, state="second"):
            @on.message.enter()
            async def enter(self, message: Message) -> None:
                story.append("second")

            @on.message(F.text == "back")
            async def back(self, message: Message) -> None:
                await self.wizard.back()

        class First(Scene, state="first"):
            @on.message.enter()
            async def enter(self, message: Message) -> None:
                story.append("first")

            @on.message(F.text == "next")
            async def forward(self, message: Message) -> None:
                await self.wizard.goto(Second)

        SceneRegistry(dp).add(First, Second)
        dp.message.register(First.as_handler(), Command("go"))
        async with World(dp) as world:
            for text in ("/go", "next"):
                await world.tell(text)
            assert sorted(world.store.fsm()) == [PIECE, f"{PIECE}:::scenes_history"]
            await world.tell("back")
            assert story == ["first", "second", "first"]


class TestStrategies:
    @pytest.mark.parametrize(
        ("strategy", "lane_by", "mend"),
        [
            (FSMStrategy.GLOBAL_USER, "chat", 'set lane = "user"'),
            (FSMStrategy.CHAT, "user", 'set lane = "chat"'),
            (FSMStrategy.CHAT_TOPIC, "user", 'set lane = "chat"'),
        ],
    )
    async def test_state_that_lanes_would_share_is_refused(
        self, strategy: FSMStrategy, lane_by: str, mend: str
    ) -> None:
        """A strategy that the bot's lanes cannot serialise fails at the start, with the setting to change."""
        with pytest.raises(ConfigurationInvalid, match=f"bot shop.*{strategy.name}.*{mend}"):
            async with World(Dispatcher(fsm_strategy=strategy), settings={"lane_by": lane_by}):
                pass

    @pytest.mark.parametrize(
        ("strategy", "lane_by"),
        [
            (FSMStrategy.GLOBAL_USER, "user"),
            (FSMStrategy.CHAT, "chat"),
            (FSMStrategy.CHAT_TOPIC, "chat"),
            *(
                (strategy, lane)
                for strategy in (FSMStrategy.USER_IN_CHAT, FSMStrategy.USER_IN_TOPIC)
                for lane in ("chat", "user")
            ),
        ],
    )
    async def test_state_that_one_lane_covers_is_served(self, strategy: FSMStrategy, lane_by: str) -> None:
        """The other combinations start."""
        async with World(Dispatcher(fsm_strategy=strategy), settings={"lane_by": lane_by}):
            pass

    async def test_a_dispatcher_without_fsm_is_not_asked(self) -> None:
        """With `disable_fsm` no strategy matters."""
        dp = Dispatcher(fsm_strategy=FSMStrategy.GLOBAL_USER, disable_fsm=True)

        @dp.message()
        async def echo(message: Message) -> Any:
            return message.answer("x")

        async with World(dp) as world:
            await world.tell("x")
        assert len(world.delivered()) == 1

    async def test_a_person_s_state_is_one_over_all_chats(self) -> None:
        """With GLOBAL_USER and a user lane the state of a person follows them from chat to chat."""
        dp = Dispatcher(fsm_strategy=FSMStrategy.GLOBAL_USER)

        @dp.message()
        async def count(message: Message, state: FSMContext) -> None:
            await state.update_data(count=(await state.get_value("count", 0)) + 1)

        async with World(dp, settings={"lane_by": "user"}) as world:
            await world.run(world.entry(message("x", chat=-100), lane=PERSON))
            await world.run(world.entry(message("x"), lane=PERSON))
            assert world.store.fsm()[PIECE]["data"] == {"count": 2}


class TestValues:
    @pytest.mark.parametrize(
        ("data", "told"),
        [
            ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, r"\bat is datetime"),
            ({"cart": [{"items": {1, 2}}]}, r"cart\[0\]\.items is set"),
            ({"cart": {("a", 1): 2}}, r"a name in cart is tuple"),
            ({"x": float("nan")}, r"\bx is float"),
            ({"raw": b"x"}, r"\braw is bytes"),
            ({"half": ["\ud83d"]}, r"half\[0\] is str"),
        ],
    )
    async def test_a_value_that_json_cannot_say_is_named(self, data: dict[str, Any], told: str) -> None:
        """An object that MemoryStorage would keep raises where it is stored, with place, type and mend."""
        dp = Dispatcher()

        @dp.message()
        async def keep(message: Message, state: FSMContext) -> None:
            await state.update_data(data)

        async with World(dp) as world:
            with pytest.raises(StateNotJson, match=f"user 7 in chat 7: {told}.*store plain values"):
                await world.tell("x")

    async def test_an_aiogram_object_is_named(self) -> None:
        """A message kept in the FSM, the usual case, is told how to mend."""
        dp = Dispatcher()

        @dp.message()
        async def keep(message: Message, state: FSMContext) -> None:
            await state.update_data(last=message)

        async with World(dp) as world:
            with pytest.raises(StateNotJson, match=r"last is Message.*message\.message_id instead of message"):
                await world.tell("x")

    async def test_text_of_any_kind_comes_back(self) -> None:
        """Other alphabets, control characters and a state with quotes survive."""
        storage = TurnStorage(World(Dispatcher()).store)
        data = {"ключ": 'é"\n\x00\u2028'}
        await storage.set_data(KEY, data)
        await storage.set_state(KEY, 'a"b\\c')
        assert await storage.get_data(KEY) == data
        assert await storage.get_state(KEY) == 'a"b\\c'


class TestOutsideATurn:
    async def test_state_is_read_and_written_at_once(self) -> None:
        """Code without a turn reads and writes the store, also after close."""
        async with World(Dispatcher()) as world:
            storage = world.dispatcher.storage
            await storage.close()
            await storage.update_data(KEY, {"a": 1})
            await storage.set_state(KEY, Form.name)
            assert world.store.fsm() == {PIECE: {"state": "Form:name", "data": {"a": 1}}}

    async def test_updates_side_by_side_lose_nothing(self) -> None:
        """Concurrent changes of one key run one after the other, and no lock stays behind."""
        world = World(Dispatcher())
        storage = TurnStorage(world.store)
        await asyncio.gather(*(storage.update_data(KEY, {str(n): n}) for n in range(20)), storage.set_state(KEY, "on"))
        assert len(await storage.get_data(KEY)) == 20
        assert await storage.get_state(KEY) == "on"
        assert len(storage._locks) == 0


class TestIsolation:
    async def test_messages_of_one_person_run_in_order(self) -> None:
        """Four updates of one person, in the order of their lane: command, foo, bar, all (aiogram #1317)."""
        dp, stack = _four_handlers()
        async with World(dp) as world:
            for text in ("/test", "foo", "bar", "baz"):
                await world.tell(text)
        assert stack == ["command", "foo", "bar", "all"]

    async def test_feeds_without_a_lane_are_isolated(self) -> None:
        """Four feeds at once, outside any turn, wait for one another when the author asked for isolation."""
        dp, stack = _four_handlers()
        async with World(dp) as world:
            isolation = dp.fsm.events_isolation
            assert isinstance(isolation, LaneIsolation)
            updates = [{"update_id": n, **message(text)} for n, text in enumerate(("/test", "foo", "bar", "baz"))]
            await asyncio.gather(*(dp.feed_raw_update(world.bot, update) for update in updates))
            assert len(isolation.locks) == 0
        assert stack == ["command", "foo", "bar", "all"]
        assert isinstance(dp.fsm.events_isolation, SimpleEventIsolation)

    async def test_the_default_isolation_stays(self) -> None:
        """A Dispatcher that locks nothing goes on locking nothing: the lane is enough."""
        dp = Dispatcher()
        before = dp.fsm.events_isolation
        async with World(dp):
            assert dp.fsm.events_isolation is before

    async def test_a_cancelled_waiter_leaves_no_lock(self) -> None:
        """A lock is forgotten when its last holder or waiter has gone, however it went."""
        isolation, entered, leave = LaneIsolation(), asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with isolation.lock(KEY):
                entered.set()
                await leave.wait()

        holder = asyncio.create_task(hold())
        await entered.wait()
        waiter = asyncio.create_task(hold())
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert len(isolation.locks) == 1
        leave.set()
        await holder
        assert len(isolation.locks) == 0


class TestTakeOver:
    async def test_hidden_state_is_told(self) -> None:
        """State that lies in MemoryStorage at the start is not seen, and the operator is told."""
        storage = MemoryStorage()
        await storage.set_state(KEY, "old")
        with capture_logs() as logs:
            async with World(Dispatcher(storage=storage)):
                pass
        assert [(line["event"], line["log_level"]) for line in logs] == [("host.state_hidden", "warning")]

    async def test_a_replaced_storage_is_told_and_closed(self) -> None:
        """A storage of the author's is replaced with a line, and closed at the stop."""

        class Mine(MemoryStorage):
            closed = False

            async def close(self) -> None:
                self.closed = True

        class Other(TurnStorage):
            pass

        mine = Mine()
        async with World(Dispatcher(storage=mine)):
            assert not mine.closed
        assert mine.closed

    async def test_presses_share_the_state_of_the_chat(self) -> None:
        """A button press in a private chat sees the state that a message set."""
        dp = Dispatcher()

        @dp.message()
        async def set_it(message: Message, state: FSMContext) -> None:
            await state.set_state("asked")

        @dp.callback_query(StateFilter("asked"))
        async def pressed(query: CallbackQuery) -> Any:
            return query.answer("yes")

        async with World(dp) as world:
            await world.tell("x")
            await world.run(press("y"))
        assert world.delivered()[0][1]["text"] == "yes"


def _four_handlers() -> tuple[Dispatcher, list[str]]:
    class Steps(StatesGroup):
        foo = State()
        bar = State()

    dp, stack = Dispatcher(events_isolation=SimpleEventIsolation()), []

    @dp.message(Command("test"))
    async def command(message: Message, state: FSMContext) -> None:
        stack.append("command")
        await state.set_state(Steps.foo)

    @dp.message(Steps.foo)
    async def foo(message: Message, state: FSMContext) -> None:
        stack.append("foo")
        await state.set_state(Steps.bar)

    @dp.message(Steps.bar)
    async def bar(message: Message, state: FSMContext) -> None:
        stack.append("bar")
        await state.set_state(None)

    @dp.message()
    async def other(message: Message) -> None:
        stack.append("all")

    return dp, stack
