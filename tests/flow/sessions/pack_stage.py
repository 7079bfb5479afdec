"""The stage of the session router's tests: the photo bot of S0, whole, between a database and the simulator.

    person ──press──► simulator ──webhook──► turn ──► commit ──► sender ──► simulator ──► what the person sees

`pack` is the flow of S0-30 … S0-40 with the ways on that C0-14 adds; `single` and `assistant` are beside it. Credits
are a table of integers, changed in the turn's own transaction. `Studio` makes the pictures: a test may hold a job, or
let it fail. `/put` makes a session in any state, with a button for each event, and `/credits` gives: those two are the
stage's own. `Stage.shows_old` shows a person a button that the bot wrote once and has long replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import types
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, insert, select, text, update

from posthouse import App, Job, Terminal, Turn
from posthouse.bootstrap import build
from posthouse.core.sessions import Reason, SessionEvent, SessionRecord, SessionWrite, new_session_id
from posthouse.ports.store import Filter, SessionFilter, Store
from posthouse.programs.flows import (
    Button,
    Command,
    Content,
    Flow,
    JobDone,
    JobFailed,
    On,
    Press,
    Refusal,
    Refuse,
    Screen,
    Session,
    Text,
)
from posthouse.runtime.platform import Platform
from posthouse.settings import (
    BlobsSection,
    BotSection,
    ExecutorSection,
    HttpSection,
    Settings,
    StoreSection,
    TelegramSection,
)
from posthouse.simulator import Simulator
from posthouse.telegram.callback_data import pack as packed
from posthouse.testing.actor import Question
from posthouse.testing.town import Chat, Person, Town

ALPHA, BETA = "4242:alpha", "4343:beta"
ALPHA_ID, BETA_ID = 4242, 4343
SECRET = "pack-secret"
PICTURE = b64decode(  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PACK_CREDITS = 4  # C0-14: the whole pack; its preview costs one of them
WAIT_S = 20.0
_programs = count()


# -- credits ------------------------------------------------------------------------------------------------------

TABLES = MetaData()
CREDITS = Table(
    "credit",
    TABLES,
    Column("person", BigInteger, primary_key=True),
    Column("given", Integer, nullable=False),
    Column("left", Integer, nullable=False),
)
LEDGER = Table(
    "ledger",
    TABLES,
    Column("person", BigInteger, nullable=False),
    Column("session", String, nullable=False),
    Column("rev", Integer, nullable=False),
    Column("what", String, nullable=False),
    Column("amount", Integer, nullable=False),
)


def give(connection: Connection, person: int, amount: int) -> None:
    connection.execute(insert(CREDITS).values(person=person, given=amount, left=amount))


def charge(connection: Connection, person: int, session: str, rev: int, what: str, amount: int) -> bool:
    """Take credits if there are so many (C0-18); a negative amount gives back."""
    there = update(CREDITS).where(CREDITS.c.person == person, CREDITS.c.left >= amount)
    if not connection.execute(there.values(left=CREDITS.c.left - amount)).rowcount:
        return False
    connection.execute(insert(LEDGER).values(person=person, session=session, rev=rev, what=what, amount=amount))
    return True


def fail(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")


# -- pictures -----------------------------------------------------------------------------------------------------


class Studio:
    """Where pictures are made. It is quick unless a session's work is held, and lucky unless it is to fail."""

    def __init__(self) -> None:
        self.luck: random.Random | None = None  # with luck, every third picture fails
        self.made: Counter[tuple[str, str]] = Counter()
        self.failing: set[str] = set()
        self._held: dict[str, asyncio.Event] = {}

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def hold(self, session_id: str) -> None:
        self._held[session_id] = asyncio.Event()

    def release(self, session_id: str) -> None:
        self._held.pop(session_id).set()

    async def work(self, what: str, session_id: str) -> str:
        self.made[what, session_id] += 1
        held = self._held.get(session_id)
        if held is not None:
            await held.wait()
        if session_id in self.failing or (self.luck is not None and self.luck.random() < 0.3):
            raise Terminal("the model said no", reason="model_refused")
        return f"{what} of {session_id}"


# -- the flows ----------------------------------------------------------------------------------------------------


def screen(*rows: list[Button]) -> Callable[[Turn, Session], Screen]:
    """A screen that says where the session is."""

    def draw(turn: Turn, session: Session) -> Screen:
        return Screen(line(session.record), rows)

    return draw


def line(record: SessionRecord) -> str:
    return f"{record.flow_kind} · {record.state} · rev {record.rev}"


GENERATING = [Button("⏳ Generating…")]
PACK_SCREENS = {
    "wait_pack_carousel": screen([Button("Try", "pack.try"), Button("First page", "pack.back.carousel")]),
    "wait_pack_photo": screen(),
    "wait_pack_preview_payment": screen([Button("Pay", "pack.preview.pay"), Button("Back", "pack.back.carousel")]),
    "generating_pack_preview": screen(GENERATING),
    "wait_pack_approval": screen(
        [Button("Approve", "pack.approve"), Button("Again", "pack.regenerate"), Button("Cancel", "pack.cancel")]
    ),
    "processing_pack": screen(GENERATING),
    "confirm_sticker": screen(),
    "canceled": screen(),
}
PACK_EVENTS = {
    "pack.photo": Content("photo"),
    "pack.preview.made": JobDone("pack.preview"),
    "pack.preview.failed": JobFailed("pack.preview"),
    "pack.made": JobDone("pack.whole"),
    "pack.failed": JobFailed("pack.whole"),
}
SINGLE_SCREENS = {
    "wait_style": screen([Button("Comic", "single.style", value="comic")]),
    "wait_emotion": screen([Button("Joy", "single.emotion"), Button("Style", "single.back")]),
    "confirm_sticker": screen(),
}


def photo_bot(studio: Studio) -> App:
    """The bot of S0."""
    app = App(
        "photo",
        tables=TABLES,
        texts={
            "en": {
                "reject.already_generating": "Your preview is being made.",
                "reject.wrong_step": "First choose a pack.",
            }
        },
    )

    @app.job("pack.preview", attempts_max=1)
    async def make_preview(job: Job, session: str) -> str:
        return await studio.work("preview", session)

    @app.job("pack.whole", attempts_max=1)
    async def make_pack(job: Job, session: str) -> str:
        return await studio.work("pack", session)

    async def photo_or_payment(turn: Turn, session: Session) -> str:
        return "wait_pack_preview_payment" if session.data.get("photo") else "wait_pack_photo"

    async def keep_photo(turn: Turn, session: Session) -> None:
        session.data["photo"] = turn.update["message"]["photo"][-1]["file_id"]

    async def pay_preview(turn: Turn, session: Session) -> Refusal | None:
        return await pay(turn, session, "pack.preview", 1)

    async def pay_pack(turn: Turn, session: Session) -> Refusal | None:
        return await pay(turn, session, "pack.whole", PACK_CREDITS - 1)

    async def pay(turn: Turn, session: Session, task: str, amount: int) -> Refusal | None:
        if not await turn.transact(charge, turn.person["id"], session.id, session.rev, task, amount):
            return Refusal("no_credits", "You have no credits left.")
        session.data["payer"] = turn.person["id"]
        session.enqueue(task, session=session.id)
        return None

    async def refund_preview(turn: Turn, session: Session) -> None:
        await turn.transact(charge, session.data["payer"], session.id, session.rev, "refund", -1)

    async def refund_pack(turn: Turn, session: Session) -> None:
        await turn.transact(charge, session.data["payer"], session.id, session.rev, "refund", -(PACK_CREDITS - 1))

    app.add(
        Flow(
            "pack",
            states=PACK_SCREENS,
            start="wait_pack_carousel",
            final=("canceled", "confirm_sticker"),
            events=PACK_EVENTS,
            formats=("rev", "id", "bare"),
            rows=[
                On(
                    "wait_pack_carousel",
                    "pack.try",
                    to=("wait_pack_photo", "wait_pack_preview_payment"),
                    handler=photo_or_payment,
                ),
                On("wait_pack_preview_payment", "pack.back.carousel", to="wait_pack_carousel"),
                On("wait_pack_carousel", "pack.back.carousel", to="wait_pack_carousel", idempotent=True),
                On("wait_pack_preview_payment", "pack.preview.pay", to="generating_pack_preview", handler=pay_preview),
                Refuse("wait_pack_carousel", "pack.preview.pay", Reason.WRONG_STATE, "wrong_step"),
                Refuse("generating_pack_preview", "pack.preview.pay", Reason.IN_PROGRESS, "already_generating"),
                On("wait_pack_approval", "pack.approve", to="processing_pack", handler=pay_pack),
                On("wait_pack_approval", "pack.regenerate", to="generating_pack_preview", handler=pay_preview),
                On("wait_pack_approval", "pack.cancel", to="canceled"),
                # C0-14
                On("wait_pack_photo", "pack.photo", to="wait_pack_preview_payment", handler=keep_photo),
                On("generating_pack_preview", "pack.preview.made", to="wait_pack_approval"),
                On(
                    "generating_pack_preview",
                    "pack.preview.failed",
                    to="wait_pack_preview_payment",
                    handler=refund_preview,
                ),
                On("processing_pack", "pack.made", to="confirm_sticker"),
                On("processing_pack", "pack.failed", to="wait_pack_approval", handler=refund_pack),
            ],
        )
    )

    async def keep_style(turn: Turn, session: Session) -> None:
        session.data["style"] = session.value

    app.add(
        Flow(
            "single",
            states=SINGLE_SCREENS,
            start="wait_style",
            final=("confirm_sticker",),
            rows=[
                On("wait_style", "single.style", to="wait_emotion", handler=keep_style),
                On("wait_emotion", "single.back", to="wait_style"),
                On("wait_emotion", "single.emotion", to="confirm_sticker"),
            ],
        )
    )

    async def listen(turn: Turn, session: Session) -> None:
        session.data.setdefault("heard", []).append(turn.text)

    app.add(
        Flow(
            "assistant",
            states={
                "assistant_chat": screen([Button("Make it", "assistant.confirm")]),
                "assistant_done": screen(),
            },
            start="assistant_chat",
            final=("assistant_done",),
            events={"assistant.text": Text(), "assistant.stop": Command("stop"), "assistant.confirm": Press("a.ok")},
            rows=[
                On("assistant_chat", "assistant.text", to="assistant_chat", handler=listen),
                On("assistant_chat", "assistant.confirm", to="assistant_done"),
                On("assistant_chat", "assistant.stop", to="assistant_done"),
            ],
        )
    )
    _add_commands(app)
    return app


def _add_commands(app: App) -> None:
    for name, flow in app.flows.items():
        app.command(name)(_begins(flow))

    @app.command("credits")
    async def credits(turn: Turn) -> None:
        await turn.transact(give, turn.person["id"], int(turn.text.split()[1]))
        turn.say(f"credits {turn.text.split()[1]}")

    @app.command("put")
    async def put(turn: Turn) -> None:
        """A session in any state, at any revision, and a message with a button for each event that is a press."""
        _, name, state, rev, lives_s = turn.text.split()
        flow = app.flows[name]
        record = SessionRecord(
            new_session_id(),
            turn.bot_id,
            turn.lane,
            turn.env,
            name,
            flow.owner(turn),
            state,
            int(rev),
            state not in flow.table.final,
            data=b'{"payer":%d}' % turn.person["id"],
            created_at=turn.moment,
            updated_at=turn.moment,
            expires_at=turn.moment + float(lives_s),
        )
        turn.session_changes.writes.append(SessionWrite(record))
        events = [Button(event, event) for event in flow.table.pressed]
        turn.say(f"put {record.id}", reply_markup=board(events, flow, record))

    @app.command("late")
    async def late(turn: Turn) -> None:
        """The end of a job that a session asked for, whatever state it is in when it comes."""
        _, task, session_id = turn.text.split()
        record = await turn.reach.session(session_id)
        assert record is not None
        Session(turn, record).enqueue(task, session=session_id)

    @app.on("message")
    async def otherwise(turn: Turn) -> None:
        turn.say("nobody waits for this")


def board(events: list[Button], flow: Flow, record: SessionRecord) -> dict[str, Any]:
    rows = [
        [{"text": e.text, "callback_data": packed(flow.table.action(e.event), e.value, record.id, record.rev)}]
        for e in events
    ]
    return {"inline_keyboard": rows}


def _begins(flow: Flow) -> Callable[[Turn], Awaitable[None]]:
    async def begin(turn: Turn) -> None:
        await flow.begin(turn, data={"photo": "given"} if turn.text.endswith(" photo") else None)

    return begin


async def keyboards(chat: Chat) -> dict[int, list[str]]:
    """Message → the data of its buttons, for those that have some: what a person could press now."""
    return {
        message.id: [button.callback_data or button.url or "" for row in message.buttons for button in row]
        for message in await chat.messages()
        if message.buttons
    }


# -- the stage ----------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """One running platform, the simulator in front of and behind it, and what both databases know."""

    sim: Simulator
    town: Town
    settings: Settings
    app: App
    studio: Studio
    http: aiohttp.ClientSession
    platform: Platform | None = None
    task: asyncio.Task[None] | None = None

    @property
    def store(self) -> Store:
        assert self.platform is not None
        return self.platform.store

    # People.

    async def person(self, name: str = "Ann", *, credits: int = 0, token: str = ALPHA) -> Person:
        """Somebody new, who has started the bot."""
        person = await self.town.person(name, talks_to=token)
        await person.says(f"/credits {credits}")
        await person.chat.shows(f"credits {credits}")
        return person

    async def begins(self, person: Person, flow: str = "pack", *, to: Any = None) -> SessionRecord:
        """The session that the person's command has begun."""
        wanted: dict[str, Any] = {"user_id": person.id, "flow_kind": flow.split()[0], "live": False, "limit": 1_000}
        before = {record.id for record in await self.sessions(**wanted)}
        await person.says(f"/{flow}", to=to)

        async def begun() -> SessionRecord | None:
            return next((found for found in await self.sessions(**wanted) if found.id not in before), None)

        record: SessionRecord = await self.until(begun)
        await person.chat.shows(line(record))
        return record

    async def put(
        self, person: Person, state: str, *, flow: str = "pack", rev: int = 7, lives_s: float = 3600.0
    ) -> SessionRecord:
        """A session of the person in this state."""
        said = await person.says(f"/put {flow} {state} {rev} {lives_s}")
        shown = await person.chat.shows("put ", after=said)
        found = await self.session(shown.text.removeprefix("put "))
        assert found is not None
        return found

    async def answer(self, person: Person, button: str, **where: Any) -> dict[str, Any]:
        """Press a button that is in sight; what the person is answered."""
        return await (await person.presses(button, **where)).answer()

    async def shows_old(self, person: Person, data: str, *, chat: Chat | None = None) -> int:
        """A message with an old button: the bot wrote it once, and it is still there. Its id."""
        where = chat or person.chat
        token = ALPHA if where.ref.startswith("-") else self._token(where)
        keyboard = {"inline_keyboard": [[{"text": "old", "callback_data": data}]]}
        sent = await self.call("sendMessage", token, chat_id=where.id, text="old", reply_markup=keyboard)
        return int(sent["message_id"])

    async def presses(self, person: Person, data: str, *, on: int | None = None, chat: Chat | None = None) -> Question:
        """Press a button by what it carries: on that message, or on an old one that is shown for it."""
        message = on or await self.shows_old(person, data, chat=chat)
        body = {"person": person.id, "callback_data": data, "message": message}
        asked = await self.town.request("POST", f"/chats/{(chat or person.chat).ref}/presses", body)
        return Question(self.town, asked["id"])

    async def shows_outdated(self, person: Person, data: str, *, on: int) -> None:
        """A person's client that is behind: this message still has a button that the bot has replaced."""
        keyboard = {"inline_keyboard": [[{"text": "old", "callback_data": data}]]}
        await self.call("editMessageReplyMarkup", chat_id=person.chat.id, message_id=on, reply_markup=keyboard)

    async def slow_screen(self, person: Person) -> None:
        """The next change of the person's screen is on its way for a while: they go on seeing the old buttons."""
        await self.town.fault("slow", chat=person.chat, method="editMessageText", delay_s=0.3)

    async def answered(self, person: Person, data: str, **where: Any) -> dict[str, Any]:
        return await (await self.presses(person, data, **where)).answer()

    async def call(self, method: str, token: str = ALPHA, **parameters: Any) -> Any:
        """Call the Bot API as the bot would."""
        async with self.http.post(f"{self.sim.url}/bot{token}/{method}", json=parameters) as response:
            reply = await response.json()
        assert reply["ok"], reply
        return reply["result"]

    @staticmethod
    def _token(chat: Chat) -> str:
        return BETA if chat.ref.startswith(f"{BETA_ID}:") else ALPHA

    # What is written down.

    async def session(self, session_id: str) -> SessionRecord | None:
        return await self.store.sessions.get(session_id)

    async def where(self, session_id: str) -> tuple[str, int]:
        """State and revision."""
        record = await self.session(session_id)
        assert record is not None
        return record.state, record.rev

    async def sessions(self, **wanted: Any) -> list[SessionRecord]:
        return await self.store.sessions.find(SessionFilter(**wanted))

    async def history(self, session_id: str) -> list[SessionEvent]:
        return await self.store.sessions.history(session_id, limit=10_000)

    async def nobodys(self) -> list[SessionEvent]:
        """The rejects that belong to no session: of an unknown one, or of somebody else's."""
        columns = "bot_id, flow_kind, event, from_state, to_state, rev, reason, detail, format, trace"
        rows = await self.query(text(f"SELECT {columns} FROM session_event WHERE session_id = '' ORDER BY id"))
        return [SessionEvent("", *row) for row in rows]

    async def moves(self, session_id: str) -> list[tuple[str, str, str | None]]:
        """(from, event, to) of the history; a reject has its reason and detail for `to`."""
        return [(e.from_state, e.event, e.to_state or f"{e.reason}/{e.detail}") for e in await self.history(session_id)]

    async def credits(self, person: Person) -> tuple[int, int, list[tuple[str, int]]]:
        """(given, left, what was charged or given back)."""
        left = await self.query(select(CREDITS.c.given, CREDITS.c.left).where(CREDITS.c.person == person.id))
        spent = await self.query(select(LEDGER.c.what, LEDGER.c.amount).where(LEDGER.c.person == person.id))
        return left[0][0], left[0][1], [(what, amount) for what, amount in spent]

    async def query(self, statement: Any) -> list[Any]:
        """Ask the author's tables from outside."""
        url = self.settings.store.url
        if url.startswith("sqlite"):
            return await asyncio.to_thread(_query_sqlite, url, statement)
        return await _query_postgres(url, statement)

    async def metric(self, name: str, **labels: str) -> float:
        """One counter of the metrics page."""
        assert self.platform is not None
        port = self.platform.server.port  # type: ignore[union-attr]
        async with self.http.get(f"http://127.0.0.1:{port}/metrics") as response:
            page = await response.text()
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        for row in page.splitlines():
            if row.startswith(name + "{") and wanted <= set(row[len(name) + 1 : row.rindex("}")].split(",")):
                return float(row.rsplit(" ", 1)[1])
        return 0.0

    async def until(self, fact: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until the store shows something. Nothing signals that, so it is asked again and again."""
        async with asyncio.timeout(WAIT_S):
            while not (found := await fact()):  # noqa: ASYNC110 - a database sets no event
                await asyncio.sleep(0.005)
        return found

    async def comes_to(self, session_id: str, state: str) -> SessionRecord:
        async def there() -> SessionRecord | None:
            record = await self.session(session_id)
            return record if record is not None and record.state == state else None

        found: SessionRecord = await self.until(there)
        return found

    async def idle(self) -> None:
        """Wait until nothing waits any more: no update, no message, and no job but those that are held."""

        async def empty() -> bool:
            names = ("inbox", "outbox") if self.studio.holds else ("inbox", "outbox", "jobs")
            lists = [await self.store.desk.list(name, Filter(limit=1)) for name in names]
            return not any(lists)

        await self.until(empty)

    # Lives of the platform.

    async def start(self) -> None:
        """Run the platform on its database, and let Telegram know where."""
        self.platform = build(self.settings)
        self.task = asyncio.create_task(self.platform.run())
        ready = asyncio.create_task(self.platform.ready.wait())
        async with asyncio.timeout(WAIT_S):
            await asyncio.wait({self.task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self.task.done():
            self.task.result()
        await self.is_at(self.platform.server.port)  # type: ignore[union-attr]

    async def is_at(self, port: int) -> None:
        """Let Telegram know where the bots are."""
        for name, bot in self.settings.bots.items():
            url = f"http://127.0.0.1:{port}/webhook/{name}"
            await self.call("setWebhook", bot.token, url=url, secret_token=bot.secret)

    async def stop(self) -> None:
        if self.platform is None or self.task is None:
            return
        self.platform.stop()
        async with asyncio.timeout(40):
            await self.task
        self.platform = self.task = None


def _query_sqlite(url: str, statement: Any) -> list[Any]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        found = connection.execute(statement).fetchall()
    engine.dispose()
    return list(found)


async def _query_postgres(url: str, statement: Any) -> list[Any]:
    import asyncpg
    from sqlalchemy.dialects import postgresql

    sql = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def published(program: Any) -> str:
    """The reference under which a program made by a test can be configured."""
    name = f"sessions_program_{next(_programs)}"
    module = types.ModuleType(name)
    module.app = program  # type: ignore[attr-defined]
    sys.modules[name] = module
    return f"{name}:app"


def settings_for(url: str, folder: Path, api_url: str, program: Any, **envs: str) -> Settings:
    """Both bots with one program; `envs` says whose sessions each of them sees."""
    reference = published(program)
    usual: dict[str, Any] = {"retry_base_s": 0.01, "retry_cap_s": 0.02, "limits": "none", "secret": SECRET}
    return Settings(
        bots={
            name: BotSection(program=reference, token=token, env=envs.get(name), **usual)
            for name, token in (("alpha", ALPHA), ("beta", BETA))
        },
        store=StoreSection(url=url),
        http=HttpSection(port=0, register_webhooks=False),
        telegram=TelegramSection(api_url=api_url),
        blobs=BlobsSection(url=str(folder / "blobs")),
        executor=ExecutorSection(stop_deadline_s=2.0),
        root=str(folder),
    )


@asynccontextmanager
async def staged(
    url: str, folder: Path, make: Callable[[Studio], App] = photo_bot, *, starts: bool = True, **envs: str
) -> AsyncIterator[Stage]:
    """A simulator and, unless the test starts it, a platform until the end of the `with`."""
    studio = Studio()
    app = make(studio)
    async with Simulator(limits="off", seed=1) as sim, Town(sim.url) as town, aiohttp.ClientSession() as http:
        for token in (ALPHA, BETA):
            await town.bot(token)
        stage = Stage(sim, town, settings_for(url, folder, sim.url, app, **envs), app, studio, http)
        if starts:
            await stage.start()
        try:
            yield stage
        finally:
            with contextlib.suppress(Exception):
                await stage.stop()
