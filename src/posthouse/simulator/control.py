"""The control API under `/sim/v1`: people act, tests look and wait, faults are set.

Waiting happens here and not in the client: a `wait` request is answered by the event that fulfils it, or
when its (real) time is over. The OpenAPI document is at `/sim/v1/openapi.json`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from posthouse.simulator import people, views
from posthouse.simulator import town as state
from posthouse.simulator.files import StoredFile
from posthouse.simulator.refusals import Refusal
from posthouse.simulator.world import CallRecord, World

PREFIX = "/sim/v1"
WAIT_MAX_S = 300.0
LISTED_MAX = 10_000

WithinS = Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="How long to wait, in real seconds.")]
After = Annotated[int, Query(ge=0, description="A cursor; only what is younger counts.")]


def control_app(world: World) -> FastAPI:
    """The application for one world."""
    app = FastAPI(
        title="Posthouse simulator",
        summary="People, faults and the journal of a simulated Telegram.",
        version="1",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=f"{PREFIX}/docs",
        redoc_url=None,
    )
    for routes in (_bots(world), _people(world), _chats(world), _journal(world), _rules(world)):
        app.include_router(routes, prefix=PREFIX)
    app.add_exception_handler(people.Impossible, _conflict)
    app.add_exception_handler(Refusal, _refused)
    return app


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=409)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=422)


class Finder:
    """Looks things up for a request, or answers 404 with what was asked for."""

    def __init__(self, world: World) -> None:
        self.world = world

    def bot(self, bot_id: int) -> state.Bot:
        bot = self.world.town.bots.get(bot_id)
        if bot is None:
            raise HTTPException(404, f"no bot {bot_id}; it appears with its first call, or POST {PREFIX}/bots")
        return bot

    def person(self, person_id: int) -> state.Person:
        person = self.world.town.people.get(person_id)
        if person is None:
            raise HTTPException(404, f"nobody has the id {person_id}")
        return person

    def chat(self, ref: str, *, opened: bool = False) -> state.Chat:
        """The chat of this ref; a private chat is opened on request when both sides exist."""
        chat = self.world.town.chats.get(ref)
        if chat is None and opened and ":" in ref:
            bot_id, _, person_id = ref.partition(":")
            if bot_id.isdecimal() and person_id.isdecimal():
                return self.world.town.private_chat(self.bot(int(bot_id)), self.person(int(person_id)))
        if chat is None:
            raise HTTPException(404, f"no chat {ref!r}; a private chat is <bot id>:<person id>")
        return chat

    def message(self, chat: state.Chat, message_id: int) -> state.Message:
        message = chat.messages.get(message_id)
        if message is None or message.deleted:
            raise HTTPException(404, f"no message {message_id} in chat {chat.ref}")
        return message

    def file(self, message: state.Message) -> StoredFile:
        for media in message.media.values():
            newest = media[-1] if isinstance(media, list) else media
            for bot in message.chat.bots.values():
                if (file := bot.files.by_id(newest["file_id"])) is not None:
                    return file
        raise HTTPException(404, f"message {message.id} has no file")

    def view(self, ref: str) -> views.Chat:
        """The chat as people see it; a private chat that nobody has opened looks empty."""
        chat = self.world.town.chats.get(ref)
        cursor = self.world.journal.seq
        if chat is not None:
            return views.of_chat(chat, cursor)
        if ":" not in ref:
            self.chat(ref)
        return views.Chat(ref=ref, id=0, kind="private", bots=[], people=[], cursor=cursor)


def _bots(world: World) -> APIRouter:
    routes = APIRouter(tags=["bots"])

    @routes.post("/bots")
    async def register_bot(new: views.NewBot) -> views.Bot:
        """Register a bot, or rename it."""
        bot = world.town.register_bot(new.token, first_name=new.first_name, username=new.username, privacy=new.privacy)
        return views.of_bot(bot)

    @routes.get("/bots")
    async def list_bots() -> list[views.Bot]:
        return [views.of_bot(bot) for bot in world.town.bots.values()]

    return routes


def _people(world: World) -> APIRouter:
    routes = APIRouter(tags=["people"])
    find = Finder(world)

    @routes.post("/people")
    async def add_person(new: views.NewPerson) -> views.Person:
        if new.id in world.town.people:
            raise HTTPException(409, f"the id {new.id} is taken by {world.town.people[new.id].first_name}")
        person = world.town.add_person(
            new.first_name,
            last_name=new.last_name,
            username=new.username,
            language_code=new.language_code,
            person_id=new.id,
        )
        return views.Person.model_validate(person)

    @routes.get("/people")
    async def list_people() -> list[views.Person]:
        return [views.Person.model_validate(person) for person in world.town.people.values()]

    @routes.post("/groups")
    async def open_group(new: views.NewGroup) -> views.Chat:
        """Create a group with people and bots in it; the bots learn that they were added."""
        chat = people.open_group(
            world.town,
            new.kind,
            new.title,
            [find.person(person) for person in new.people],
            [find.bot(bot) for bot in new.bots],
            set(new.admins),
        )
        return find.view(chat.ref)

    @routes.post("/groups/{ref}/migration")
    async def migrate(ref: str, migration: views.Migration) -> views.Chat:
        """Turn the group into a supergroup and return that."""
        return find.view(people.migrate(world.town, find.chat(ref), find.person(migration.person)).ref)

    @routes.post("/inline_queries")
    async def ask_inline(asking: views.InlineAsking) -> views.Query:
        query = people.ask_inline(world.town, find.person(asking.person), find.bot(asking.bot), asking.text)
        return views.Query.model_validate(query)

    @routes.post("/checkouts")
    async def check_out(checkout: views.Checkout) -> views.Query:
        """Confirm a payment: the bot gets a pre_checkout_query and, once it agrees, a successful_payment."""
        query = people.check_out(
            world.town,
            find.person(checkout.person),
            find.bot(checkout.bot),
            currency=checkout.currency,
            amount=checkout.amount,
            payload=checkout.payload,
        )
        return views.Query.model_validate(query)

    @routes.get("/queries/{query_id}")
    async def read_query(query_id: str, within_s: WithinS = 0) -> views.Query:
        """A query, once it is answered or the time is over."""
        query = world.town.queries.get(query_id)
        if query is None:
            raise HTTPException(404, f"no query {query_id}")
        await world.journal.wait_until(lambda: query.answer, within_s)
        return views.Query.model_validate(query)

    return routes


def _chats(world: World) -> APIRouter:
    routes = APIRouter(prefix="/chats", tags=["chats"])
    find = Finder(world)

    @routes.get("")
    async def list_chats() -> list[str]:
        """The refs of all chats."""
        return list(world.town.chats)

    @routes.get("/{ref}")
    async def read_chat(ref: str) -> views.Chat:
        return find.view(ref)

    @routes.get("/{ref}/wait")
    async def wait(
        ref: str,
        within_s: WithinS = 5,
        after: After = 0,
        text: str | None = None,
        count: Annotated[int | None, Query(ge=1)] = None,
        absent: bool = False,
    ) -> views.Seen:
        """Wait for a bot's message: one that contains `text`, the `count`-th one, or else the next one.

        With `absent`, wait until no visible message of a bot contains `text`.
        """

        def look() -> state.Message | bool | None:
            chat = world.town.chats.get(ref)
            shown = [] if chat is None else _bot_messages(chat, after)
            if absent:
                return None if any((text or "") in message.text for message in shown) else True
            return _awaited(shown, text, count)

        found = await world.journal.wait_until(look, within_s)
        message = views.of_message(found) if isinstance(found, state.Message) else None
        return views.Seen(found=found is not None, message=message, chat=find.view(ref))

    @routes.post("/{ref}/messages")
    async def say(ref: str, saying: views.Saying) -> views.Message:
        """A person writes. The first message in a private chat opens it."""
        person = find.person(saying.person)
        chat = find.chat(ref, opened=True)
        reply_to = None if saying.reply_to is None else find.message(chat, saying.reply_to)
        return views.of_message(people.say(world.town, person, chat, saying.text, reply_to=reply_to))

    @routes.get("/{ref}/messages/{message_id}/file", response_class=Response)
    async def download(ref: str, message_id: int) -> Response:
        """The file of a message, as a person would save it."""
        file = find.file(find.message(find.chat(ref), message_id))
        return Response(file.data, media_type=file.mime_type)

    @routes.patch("/{ref}/messages/{message_id}")
    async def edit(ref: str, message_id: int, rewording: views.Rewording) -> views.Message:
        message = find.message(find.chat(ref), message_id)
        people.edit(world.town, find.person(rewording.person), message, rewording.text)
        return views.of_message(message)

    @routes.post("/{ref}/presses")
    async def press(ref: str, press: views.Press) -> views.Query:
        """A person presses an inline button."""
        if press.text is None and press.callback_data is None:
            raise HTTPException(422, "say which button: text or callback_data")
        message, button = people.find_button(
            find.chat(ref), text=press.text, data=press.callback_data, message_id=press.message
        )
        return views.Query.model_validate(people.press(world.town, find.person(press.person), message, button))

    @routes.put("/{ref}/blocked")
    async def block(ref: str, blocking: views.Blocking) -> views.Chat:
        """The person of a private chat blocks or unblocks the bot."""
        chat = find.chat(ref, opened=True)
        if not chat.is_private:
            raise HTTPException(409, "only the bot of a private chat can be blocked")
        people.set_blocked(world.town, chat, blocking.blocked)
        return find.view(ref)

    return routes


def _bot_messages(chat: state.Chat, after: int) -> list[state.Message]:
    return [m for m in chat.visible() if isinstance(m.sender, state.Bot) and m.cursor > after]


def _awaited(shown: list[state.Message], text: str | None, count: int | None) -> state.Message | None:
    if count is not None:
        return shown[count - 1] if len(shown) >= count else None
    if text is not None:
        return next((message for message in reversed(shown) if text in message.text), None)
    return min(shown, key=lambda message: message.cursor, default=None)


def _journal(world: World) -> APIRouter:
    routes = APIRouter(tags=["journal"])

    @routes.get("/events")
    async def read_events(
        after: After = 0,
        kind: str | None = None,
        within_s: WithinS = 0,
        limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = 1000,
    ) -> views.Events:
        """Events after a cursor; with `within_s`, wait for the first."""

        def look() -> list[Any] | None:
            return [e for e in world.journal.after(after) if kind in (None, e.kind)][:limit] or None

        found = await world.journal.wait_until(look, within_s) or []
        cursor = found[-1].seq if found else max(after, world.journal.seq)
        return views.Events(events=[views.Event.model_validate(e) for e in found], cursor=cursor)

    @routes.get("/events/stream")
    async def stream_events(after: After = 0) -> StreamingResponse:
        """All events from a cursor on, as server-sent events."""
        return StreamingResponse(_stream(world, after), media_type="text/event-stream")

    @routes.get("/calls")
    async def list_calls(
        method: str | None = None,
        bot: int | None = None,
        chat: int | None = None,
        after: After = 0,
        count: Annotated[int, Query(ge=1)] = 1,
        within_s: WithinS = 0,
    ) -> list[views.Call]:
        """Bot API calls in order, oldest first; with `within_s`, wait until there are `count` of them."""

        def select() -> list[CallRecord]:
            return [
                call
                for call in world.calls.records
                if call.seq > after
                and (method is None or call.method.lower() == method.lower())
                and bot in (None, call.bot_id)
                and chat in (None, call.chat_id)
            ]

        await world.journal.wait_until(lambda: True if len(select()) >= count else None, within_s)
        return [views.Call.model_validate(call) for call in select()]

    @routes.get("/counters")
    async def read_counters() -> views.Counters:
        return views.Counters(
            calls=world.calls.counts,
            events=world.journal.counts,
            pending={bot.id: len(bot.queue) for bot in world.town.bots.values()},
            people=len(world.town.people),
            chats=len(world.town.chats),
        )

    return routes


async def _stream(world: World, after: int) -> AsyncIterator[str]:
    while True:
        ring = world.journal.bell.next_ring()
        for event in world.journal.after(after):
            after = event.seq
            yield f"id: {event.seq}\ndata: {views.Event.model_validate(event).model_dump_json()}\n\n"
        if after >= world.journal.seq:
            await ring


def _rules(world: World) -> APIRouter:
    routes = APIRouter(tags=["rules"])

    @routes.post("/faults")
    async def add_fault(new: views.NewFault) -> views.Fault:
        try:
            return views.Fault.model_validate(world.faults.add(**new.model_dump()))
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    @routes.get("/faults")
    async def list_faults() -> list[views.Fault]:
        return [views.Fault.model_validate(rule) for rule in world.faults.rules.values()]

    @routes.delete("/faults/{rule_id}")
    async def remove_fault(rule_id: int) -> None:
        world.faults.rules.pop(rule_id, None)

    @routes.delete("/faults")
    async def clear_faults() -> None:
        world.faults.clear()

    @routes.get("/settings")
    async def read_settings() -> views.Settings:
        return views.Settings(limits="on" if world.limits else "off", strict_bots=world.town.strict)

    @routes.put("/settings")
    async def change_settings(settings: views.Settings) -> views.Settings:
        world.limits = settings.limits == "on"
        world.town.strict = world.strict_bots = settings.strict_bots
        return settings

    @routes.post("/reset")
    async def reset() -> None:
        """Forget everybody and everything; limits and strictness stay."""
        world.reset()

    return routes
