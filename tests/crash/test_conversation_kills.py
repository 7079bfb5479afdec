"""A dialogue whose process is killed at each of its awaits, and at each point of the road around its commits (E4-4)."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import talk_app
from crash_stage import Connection, LedgerStore, Life, message

WAIT_S = 30.0
ASLEEP = "asleep"
"""Not a point of the process's own: it is killed from outside while the dialogue waits for the person."""
ROAD = [
    "ingesting",
    "ingested",
    "claimed",
    "performed",
    "settled",
    "transacting",
    "transacted",
    "delivery claimed",
    "sent",
    "delivered",
    "timers fired",
    "job claimed",
    "job done",
    "job settled",
]


class TalkLife(Life):
    """A process that is warm and waits to be told where it will die."""

    runner: ClassVar[Path] = Path(__file__).with_name("talk_platform.py")

    async def begin(self, point: str, after: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"point": point, "after": after}).encode() + b"\n")
        await self.wait_ready()


class Stage:
    """Lives of a platform, one after the other: each dies at the next point. A person talks through all of it."""

    def __init__(self, store: LedgerStore, deaths: list[tuple[str, int]]) -> None:
        self.store = store
        self.left = list(deaths)
        self.died: list[tuple[str, int]] = []
        self.point: tuple[str, int] = ("", 0)
        self.names = itertools.count()
        self.numbers: Iterator[int] = itertools.count(1_000)
        self.connection = Connection()

    async def open(self) -> None:
        """The first life has nothing to die of."""
        self.life = await self._spawn()
        self.spare = asyncio.create_task(self._spawn())
        await self.life.begin("", 0)

    async def close(self) -> None:
        self.connection.close()
        await self.life.stop()
        await (await self.spare).kill()

    async def _spawn(self) -> TalkLife:
        life = await TalkLife.spawn(self.store, f"life-{next(self.names)}")
        assert isinstance(life, TalkLife)
        return life

    async def kill(self) -> None:
        await self.life.kill()
        await self.next_life()

    async def next_life(self) -> None:
        """Somebody has died: the next one lives until the next point."""
        if self.point[0]:
            self.died.append(self.point)
        self.connection.close()
        while True:
            self.point = self.left.pop(0) if self.left else ("", 0)
            self.life = await self.spare
            self.spare = asyncio.create_task(self._spawn())
            try:
                await self.life.begin(*self.point)
                return
            except AssertionError:  # it died before it was ready: what was left for it to do came by its point
                if await self.life.dead() != -9:
                    raise
                self.died.append(self.point)

    async def look_after(self) -> None:
        if self.life.process.returncode is not None:
            assert await self.life.dead() == -9, self.life.log.read_text()[-4000:]
            await self.next_life()

    async def happens(self, update: dict[str, Any]) -> None:
        """Telegram repeats an update until it has its 200."""
        while await self.connection.post(self.life.port, update) != 200:
            await self.look_after()
            await asyncio.sleep(0.01)

    async def sees(self, chat: int, text: str) -> dict[str, Any]:
        """Wait, over deaths, until a text was sent to a chat; a file is all that tells, so it is polled."""
        until = time.monotonic() + WAIT_S
        while True:
            for _, method, body in calls(self.store, chat):
                if method == "sendMessage" and body["text"] == text:
                    if self.point[0] == ASLEEP:
                        await self.kill()
                    return body
            if time.monotonic() > until:
                raise AssertionError(f"{text!r} was never sent after {self.died}:\n{await self.life.tell()}")
            await self.look_after()
            await asyncio.sleep(0.01)

    # -- the person -----------------------------------------------------------------------------------------------

    async def talks(self, chat: int) -> None:
        """One dialogue from its beginning to its end."""
        await self.says(chat, "/trip")
        await self.sees(chat, "Name?")
        await self.says(chat, "Ann")
        await self.presses(chat, await self.sees(chat, f"Size, with token-{chat % 7}?"), "L")
        await self.presses(chat, await self.sees(chat, "A photo?"), "Skip")
        await self.sees(chat, "skip Skip, paid True. Rating?")
        await self.says(chat, "ten")
        await self.sees(chat, "1 to 5!")
        await self.says(chat, "5")
        await self.sees(chat, "Thank you, Ann: 5 True")

    async def says(self, chat: int, text: str) -> None:
        await self.happens(message(next(self.numbers), chat, text))

    async def presses(self, chat: int, asked: dict[str, Any], label: str) -> None:
        (data,) = [
            key["callback_data"]
            for row in asked["reply_markup"]["inline_keyboard"]
            for key in row
            if key["text"] == label
        ]
        number = next(self.numbers)
        shown = message(number, chat, asked["text"])["message"] | {"message_id": zlib.crc32(asked["text"].encode())}
        query = {"id": f"{chat}-{label}", "from": shown["from"], "chat_instance": "1", "data": data, "message": shown}
        await self.happens({"update_id": number, "callback_query": query})


# -- what came of it ----------------------------------------------------------------------------------------------


def lines(store: LedgerStore) -> list[tuple[str, str, str]]:
    """(life, `step` or `call`, the rest) of everything recorded, in its order."""
    found = []
    for line in store.record.read_text().splitlines():
        life, kind, rest = line.split(" ", 2)
        found.append((life, kind, rest))
    return found


def calls(store: LedgerStore, chat: int) -> list[tuple[str, str, dict[str, Any]]]:
    """(life, method, parameters) of the calls for a chat."""
    found = []
    for life, kind, rest in lines(store):
        if kind == "call":
            method, body = json.loads(rest)
            if body.get("chat_id", int(str(body.get("callback_query_id", "0-")).split("-")[0])) == chat:
                found.append((life, method, body))
    return found


def transcript(store: LedgerStore, chat: int) -> tuple[list[str], list[str]]:
    """What a person sees in their chat, each once: messages and edits in their order, and the answers to buttons.

    A message that was on the wire when the process died is sent again (`when_uncertain="resend"`): counted once.
    """
    shown: dict[str, None] = {}
    answers: dict[str, None] = {}
    for _, method, body in calls(store, chat):
        if method == "answerCallbackQuery":
            answers[body["callback_query_id"].split("-")[1]] = None
        else:
            labels = [key["text"] for row in (body.get("reply_markup") or {}).get("inline_keyboard", ()) for key in row]
            shown[f"{method} {body.get('text', body.get('message_id'))} {labels}"] = None
    return [line.replace(f"token-{chat % 7}", "token") for line in shown], sorted(answers)


async def check(store: LedgerStore, chats: list[int], died: list[tuple[str, int]]) -> None:
    """Each chat is as the first one, whose dialogue nobody disturbed, and each effect happened once."""
    whole, answers = transcript(store, chats[0])
    assert len(whole) == 11, whole
    edited = {f"editMessageReplyMarkup {zlib.crc32(text.encode())} []" for text in _questions(chats[0])}
    assert edited <= set(whole)
    rows = Counter(await store.app_rows())
    steps = Counter(rest for _, kind, rest in lines(store) if kind == "step")
    for chat in chats:
        seen, answered = transcript(store, chat)
        assert _without_ids(seen, chat) == _without_ids(whole, chats[0]), f"chat {chat} of {chats}, died at {died}"
        assert answered == answers
        assert {row: rows[chat, row] for row in (1, 2)} == {1: 1, 2: 1}
        assert steps[f"{chat} charge"] == 1
    tokens = [steps[f"{chat} token"] for chat in chats]
    again = sum(point == talk_app.RUNS_AGAIN for point, _ in died)  # the one window that a step has
    assert min(tokens) == 1 or again
    assert sum(tokens) == len(chats) + again
    for chat in chats:
        sent = Counter((life, method, json.dumps(body)) for life, method, body in calls(store, chat))
        assert [key for key, times in sent.items() if times > 1] == [], "sent twice by one life"
    _, left = await store.look(chats)
    assert {what: len(found) for what, found in left.items()} == dict.fromkeys(left, 0), left


def _questions(chat: int) -> list[str]:
    return [f"Size, with token-{chat % 7}?", "A photo?"]


def _without_ids(shown: list[str], chat: int) -> list[str]:
    """Message ids come from texts, and one text has the chat's token in it."""
    crc = str(zlib.crc32(_questions(chat)[0].encode()))
    return [line.replace(crc, "SIZE") for line in shown]


async def play(store: LedgerStore, deaths: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Dialogues one after the other until each death was died; the first is undisturbed."""
    stage = Stage(store, deaths)
    await stage.open()
    chats = [1]
    await stage.talks(1)
    await stage.kill()
    while stage.left or stage.point[0]:
        chats.append(chats[-1] + 1)
        before = len(stage.died)
        await stage.talks(chats[-1])
        assert len(stage.died) > before, f"nobody came by {stage.point} in a whole dialogue"
    await idle(stage, chats)
    await stage.close()
    await check(store, chats, stage.died)
    return stage.died


async def idle(stage: Stage, chats: list[int]) -> None:
    """Wait until the last calls were made: edits and answers that nobody waited for."""
    until = time.monotonic() + WAIT_S
    whole = transcript(stage.store, chats[0])
    while any(
        len(transcript(stage.store, chat)[0]) < len(whole[0]) or transcript(stage.store, chat)[1] != whole[1]
        for chat in chats
    ):
        assert time.monotonic() < until, f"something was never sent: {[transcript(stage.store, c) for c in chats]}"
        await asyncio.sleep(0.02)


@pytest.mark.req("E4-4", "S4-2", "S4-9", "B-12")
async def test_e4_4_a_dialogue_that_is_killed_at_each_of_its_awaits_is_told_as_if_nobody_had_died(
    ledger_store: LedgerStore,
) -> None:
    """Between any two awaits, inside steps and jobs, and while it waits: rows, steps, job and messages come once."""
    deaths = [(point, 1) for point in talk_app.POINTS] + [(ASLEEP, 1)] * 5
    assert await play(ledger_store, deaths) == deaths


@pytest.mark.req("E4-4", "S4-9")
async def test_e4_4_a_dialogue_survives_each_point_of_the_road(ledger_store: LedgerStore) -> None:
    """Before, in and after the commits of its turns, of its job, of its timer and of its messages."""
    deaths = [(point, 1 + place % 2 if point in ROAD[:5] else 1) for place, point in enumerate(ROAD)]
    assert await play(ledger_store, deaths) == deaths


@pytest.mark.soak
@pytest.mark.req("E4-4")
@pytest.mark.parametrize("point", ROAD)
async def test_e4_4_a_dialogue_survives_each_passing_of_a_point(ledger_store: LedgerStore, point: str) -> None:
    """The first, second, … time that its process comes by that point."""
    times = {"transacting": 2, "transacted": 2, "timers fired": 1, "job claimed": 1, "job done": 1, "job settled": 1}
    deaths = [(point, after) for after in range(1, times.get(point, 6) + 1)]
    assert await play(ledger_store, deaths) == deaths


@pytest.mark.soak
@pytest.mark.req("E4-4")
@pytest.mark.parametrize("point", talk_app.POINTS)
async def test_e4_4_a_dialogue_survives_dying_in_its_replay(ledger_store: LedgerStore, point: str) -> None:
    """Killed at a point, and again at the same point when the next process comes by it."""
    deaths = [(point, 1), (point, 1)]
    assert await play(ledger_store, deaths) == deaths
