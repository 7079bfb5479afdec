"""Whose a session is, in groups, topics and private chats: the strategy of its flow says it, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from pack_stage import ALPHA, TABLES, Stage, Studio, give, keyboards, line, screen

from posthouse import App, Turn
from posthouse.core.sessions import SessionRecord, Strategy
from posthouse.programs.flows import Button, Flow, On, Session, Text
from posthouse.programs.flows.texts import TEXTS
from posthouse.testing.town import Group

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_MINE, NONE = TEXTS["en"]["wrong_owner"], TEXTS["en"]["not_found"]  # type: ignore[index]


def group_bot(studio: Studio) -> App:
    """One flow for each strategy: a counter that goes round."""
    app = App("groups", tables=TABLES)

    async def counts(turn: Turn, session: Session) -> None:
        if meeting is not None:
            await meeting.attend()
        session.data["by"] = [*session.data.get("by", []), turn.person["id"]]

    for strategy in Strategy:
        name = strategy.value

        def begins(flow: Flow) -> Any:
            async def begin(turn: Turn) -> None:
                await flow.begin(turn)

            return begin

        flow = Flow(
            name,
            states={"open": screen([Button("Next", f"{name}.next"), Button("Close", f"{name}.close")]), "closed": None},
            start="open",
            final=("closed",),
            strategy=strategy,
            formats=("rev", "bare"),
            events={f"{name}.word": Text(name)},
            rows=[
                On("open", f"{name}.next", to="open", handler=counts),
                On("open", f"{name}.word", to="open", handler=counts),
                On("open", f"{name}.close", to="closed"),
            ],
        )
        app.add(flow)
        app.command(name)(begins(flow))

    @app.command("credits")
    async def credits(turn: Turn) -> None:
        await turn.transact(give, turn.person["id"], 0)
        turn.say("credits 0")

    return app


@pytest.fixture(scope="module")
def program() -> Any:
    return group_bot


class Meeting:
    """Turns of several lanes that wait for one another: each has seen the session before any of them has moved it."""

    def __init__(self, size: int) -> None:
        self.missing = size
        self.complete = asyncio.Event()

    async def attend(self) -> None:
        self.missing -= 1
        if self.missing <= 0:
            self.complete.set()
        await self.complete.wait()


meeting: Meeting | None = None


class Place:
    """Ann and Bob in a forum with two topics."""

    def __init__(self, stage: Stage, ann: Any, bob: Any, group: Group, topics: list[int]) -> None:
        self.stage = stage
        self.ann, self.bob = ann, bob
        self.group = group
        self.topics = topics

    async def begins(self, person: Any, flow: str, *, topic: int = 0) -> SessionRecord:
        """The session that a person's command in a topic (0: in the group) has begun."""
        wanted: dict[str, Any] = {"flow_kind": flow, "live": False, "limit": 1_000}
        before = {record.id for record in await self.stage.sessions(**wanted)}
        await person.says(f"/{flow}", to=self.group, thread=topic)

        async def begun() -> SessionRecord | None:
            return next((found for found in await self.stage.sessions(**wanted) if found.id not in before), None)

        record: SessionRecord = await self.stage.until(begun)
        await self.group.shows(line(record), buttons=["Next"])
        await self.stage.idle()
        return record

    async def message_of(self, session: SessionRecord) -> Any:
        shown = await self.group.messages()
        return next(m for m in shown if any(f":{session.id}:" in (b.callback_data or "") for r in m.buttons for b in r))

    async def says(self, person: Any, flow: str, *, topic: int = 0) -> None:
        await person.says(flow, to=self.group, thread=topic)


@pytest_asyncio.fixture(loop_scope="module")
async def place(stage: Stage) -> Place:
    ann, bob = await stage.person("Ann"), await stage.person("Bob")
    group = await stage.town.group("Forum", people=[ann, bob], bots=[ALPHA], admins=[ALPHA], kind="supergroup")
    await group.changes(by=ann, is_forum=True)
    topics = [(await group.opens_topic(name, by=ann)).id for name in ("Cats", "Dogs")]
    return Place(stage, ann, bob, group, topics)


@pytest.mark.req("B-22", "E0-4", "S0-19")
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_who_may_press_is_who_the_session_belongs_to(stage: Stage, place: Place, strategy: Strategy) -> None:
    """Ann began it in a topic; Bob presses the same message: he may where the chat or the topic shares it."""
    session = await place.begins(place.ann, strategy, topic=place.topics[0])
    shared = strategy in (Strategy.CHAT, Strategy.CHAT_TOPIC)
    assert session.owner.user_id == (0 if shared else place.ann.id)
    shown = await place.message_of(session)
    pressed = await stage.answer(place.bob, "Next", on=shown)
    assert pressed["text"] == ("" if shared else NOT_MINE)
    assert await stage.where(session.id) == ("open", 2 if shared else 1)
    await stage.idle()
    assert (await stage.answer(place.ann, "Next", on=await place.message_of(session)))["text"] == ""
    assert await stage.where(session.id) == ("open", 3 if shared else 2)


# strategy → for whom a text "strategy" is an event of Ann's session: (who, where) of these four
HEARD: dict[Strategy, set[str]] = {
    Strategy.USER_IN_CHAT: {"ann, same topic", "ann, other topic"},
    Strategy.CHAT: {"ann, same topic", "ann, other topic", "bob, same topic", "bob, other topic"},
    Strategy.GLOBAL_USER: {"ann, same topic", "ann, other topic", "ann, in private"},
    Strategy.USER_IN_TOPIC: {"ann, same topic"},
    Strategy.CHAT_TOPIC: {"ann, same topic", "bob, same topic"},
}


@pytest.mark.req("B-22", "S0-23")
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_a_message_is_for_the_session_that_its_author_has_there(
    stage: Stage, place: Place, strategy: Strategy
) -> None:
    """The same words by two people in two topics and in private: those that the strategy means move the session."""
    session = await place.begins(place.ann, strategy, topic=place.topics[0])
    rev = 1
    for who, person in (("ann", place.ann), ("bob", place.bob)):
        for where, topic in (("same topic", place.topics[0]), ("other topic", place.topics[1]), ("in private", 0)):
            if where == "in private":
                await person.says(strategy.value, to=ALPHA)
            else:
                await person.says(strategy.value, to=place.group, thread=topic)
            if f"{who}, {where}" in HEARD[strategy]:
                rev += 1
                await stage.until(lambda rev=rev: _is_at(stage, session.id, rev))  # type: ignore[misc]
    # Whoever was not meant has been heard too by now: their lanes are done before these presses are answered.
    for person in (place.ann, place.bob):
        await stage.answered(person, "nothing", chat=place.group)
        await stage.answered(person, "nothing", chat=person.chat_with(ALPHA))
    assert await stage.where(session.id) == ("open", rev)


async def _is_at(stage: Stage, session_id: str, rev: int) -> bool:
    return (await stage.where(session_id))[1] == rev


@pytest.mark.req("B-22", "E0-6")
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_two_people_in_two_topics_have_as_many_sessions_as_the_strategy_says(
    stage: Stage, place: Place, strategy: Strategy
) -> None:
    """Each begins one in each topic; what is somebody's own stays, what is shared is begun anew."""
    for person in (place.ann, place.bob):
        for topic in place.topics:
            await place.begins(person, strategy, topic=topic)
    people = (0, place.ann.id, place.bob.id)
    live = [
        record for record in await stage.sessions(flow_kind=strategy, limit=1_000) if record.owner.user_id in people
    ]
    live = [record for record in live if record.owner.chat_id in (0, place.group.id)]
    wanted = {"user_in_chat": 2, "chat": 1, "global_user": 2, "user_in_topic": 4, "chat_topic": 2}[strategy]
    assert len(live) == wanted
    assert len({record.owner for record in live}) == wanted
    buttons = await keyboards(place.group)
    assert len(buttons) == wanted


@pytest.mark.req("B-22", "C0-6")
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_the_screen_appears_in_the_topic_where_it_was_asked_for(
    stage: Stage, place: Place, strategy: Strategy
) -> None:
    """Also where the topic is no part of the key: people see what they asked for, where they asked."""
    session = await place.begins(place.ann, strategy, topic=place.topics[1])
    assert (await place.message_of(session)).thread == place.topics[1]
    said = await place.ann.says(strategy.value, to=place.group, thread=place.topics[1])
    await place.group.shows(f"{strategy.value} · open · rev 2", after=said)
    assert (await place.message_of(session)).thread == place.topics[1]


@pytest.mark.req("B-22", "S0-52")
async def test_a_person_takes_a_session_along_into_every_chat(stage: Stage, place: Place) -> None:
    """`global_user`: begun in private, moved by a legacy button in the group, and back; always the same session."""
    await place.ann.says("/global_user", to=ALPHA)
    private = place.ann.chat_with(ALPHA)
    await private.shows("global_user · open", buttons=["Next"])
    (session,) = await stage.sessions(user_id=place.ann.id, flow_kind="global_user")
    assert session.owner.chat_id == 0
    assert (await stage.answered(place.ann, "global_user.next", chat=place.group))["text"] == ""
    assert (await stage.answered(place.bob, "global_user.next", chat=place.group))["text"] == NONE
    assert (await stage.answered(place.ann, f"global_user.next:{session.id}:2", chat=private))["text"] == ""
    assert (await stage.answered(place.ann, f"global_user.next:{session.id}:3", chat=place.group))["text"] == ""
    moved = await stage.session(session.id)
    assert moved is not None
    assert (moved.rev, moved.ui_chat_id, moved.lane) == (4, place.group.id, place.ann.id)
    await stage.idle()
    assert await keyboards(private) == {}


@pytest.mark.req("B-22", "S0-26", "B-2")
async def test_a_session_that_many_chats_move_at_once_moves_step_by_step(stage: Stage, place: Place) -> None:
    """Lanes of three chats race for one `global_user` session: no move is lost, none is made twice."""
    other = await stage.town.group("Other", people=[place.ann], bots=[ALPHA], admins=[ALPHA])
    places = [place.group, other, place.ann.chat_with(ALPHA)]
    await place.ann.says("/global_user", to=ALPHA)
    await places[2].shows("global_user · open", buttons=["Next"])
    (session,) = await stage.sessions(user_id=place.ann.id, flow_kind="global_user")
    old = [(chat, await stage.shows_old(place.ann, "global_user.next", chat=chat)) for chat in places for _ in range(4)]
    step = {"from": "open", "to": "open", "result": "ok"}
    before = await stage.metric("session_transition_total", **step)
    global meeting
    meeting = Meeting(len(places))
    clicks = await asyncio.gather(
        *(stage.presses(place.ann, "global_user.next", on=message, chat=chat) for chat, message in old)
    )
    answers = [(await click.answer(within_s=15))["text"] for click in clicks]
    meeting = None
    assert answers == [""] * 12
    assert await stage.where(session.id) == ("open", 13)
    assert [event.rev for event in await stage.history(session.id)] == list(range(1, 14))
    await stage.idle()
    assert await stage.metric("session_transition_total", **step) == before + 12  # not the tries that came too late
