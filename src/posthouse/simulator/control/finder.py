"""Looking up what a request names."""

from __future__ import annotations

from typing import Annotated

from fastapi import HTTPException, Query

from posthouse.simulator import views
from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.control.site import here
from posthouse.simulator.files import File

PREFIX = "/sim/v1"
WAIT_MAX_S = 300.0
LISTED_MAX = 10_000

WithinS = Annotated[float, Query(ge=0, le=WAIT_MAX_S, description="How long to wait, in real seconds.")]
After = Annotated[int, Query(ge=0, description="A cursor; only what is younger counts.")]


class Finder:
    """Looks things up for a request, or answers 404 with what was asked for."""

    def bot(self, bot_id: int) -> Bot:
        bot = here().town.bots.get(bot_id)
        if bot is None:
            raise HTTPException(404, f"no bot {bot_id}; it appears with its first call, or POST {PREFIX}/bots")
        return bot

    def person(self, person_id: int) -> Person:
        person = here().town.people.get(person_id)
        if person is None:
            raise HTTPException(404, f"nobody has the id {person_id}")
        return person

    def user(self, user_id: int) -> Bot | Person:
        """The bot or person of this id."""
        return here().town.bots.get(user_id) or self.person(user_id)

    def chat(self, ref: str, *, opened: bool = False) -> Chat:
        """The chat of this ref; a private chat is opened on request when both sides exist."""
        chat = here().town.chats.get(ref)
        if chat is None and opened and ":" in ref:
            bot_id, _, person_id = ref.partition(":")
            if bot_id.isdecimal() and person_id.isdecimal():
                return here().town.private_chat(self.bot(int(bot_id)), self.person(int(person_id)))
        if chat is None:
            raise HTTPException(404, f"no chat {ref!r}; a private chat is <bot id>:<person id>")
        return chat

    def message(self, chat: Chat, message_id: int) -> Message:
        message = chat.messages.get(message_id)
        if message is None or message.deleted:
            raise HTTPException(404, f"no message {message_id} in chat {chat.ref}")
        return message

    def file(self, message: Message) -> File:
        if message.media is None or message.media.file is None:
            raise HTTPException(404, f"message {message.id} has no file")
        return message.media.file

    def view(self, ref: str) -> views.Chat:
        """The chat as people see it; a private chat that nobody has opened looks empty."""
        chat = here().town.chats.get(ref)
        cursor = here().journal.seq
        if chat is not None:
            return views.of_chat(chat, cursor, here().clock.now())
        if ":" not in ref:
            self.chat(ref)
        return views.Chat(ref=ref, id=0, kind="private", bots=[], people=[], cursor=cursor)
