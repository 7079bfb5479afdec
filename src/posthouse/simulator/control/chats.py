"""Routes: chats, and what people do in them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from posthouse.simulator import views
from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message
from posthouse.simulator.control.files import response_of
from posthouse.simulator.control.finder import After, Finder, WithinS
from posthouse.simulator.control.site import here
from posthouse.simulator.formatting import render
from posthouse.simulator.people import buttons, groups, writing


def routes_of_chats() -> APIRouter:
    routes = APIRouter(prefix="/chats", tags=["chats"])
    find = Finder()

    @routes.get("")
    async def list_chats() -> list[str]:
        """The refs of all chats."""
        return list(here().town.chats)

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
        button: Annotated[list[str] | None, Query()] = None,
        media: str | None = None,
    ) -> views.Seen:
        """Wait for a bot's message: one that contains `text`, has every `button` and carries `media` of that kind; the
        `count`-th one; or else the next one.

        With `absent`, wait until no visible message of a bot contains `text`.
        """

        def look() -> Message | bool | None:
            chat = here().town.chats.get(ref)
            shown = [] if chat is None else _bot_messages(chat, after)
            if absent:
                return None if any((text or "") in message.text for message in shown) else True
            if media is not None:
                shown = [m for m in shown if m.media is not None and m.media.kind == media]
            return _awaited(shown, text, count, frozenset(button or ()))

        found = await here().journal.wait_until(look, within_s)
        message = views.of_message(found) if isinstance(found, Message) else None
        return views.Seen(found=found is not None, message=message, chat=find.view(ref))

    @routes.post("/{ref}/messages")
    async def say(ref: str, saying: views.Saying) -> views.Message:
        """A person writes. The first message in a private chat opens it."""
        person = find.person(saying.person)
        chat = find.chat(ref, opened=True)
        reply_to = None if saying.reply_to is None else find.message(chat, saying.reply_to)
        as_chat = None if saying.as_chat is None else find.chat(saying.as_chat)
        text, entities = render(saying.text, saying.parse_mode, saying.entities)
        message = writing.say(
            here().town,
            person,
            chat,
            text,
            entities=entities,
            reply_to=reply_to,
            quote=saying.quote,
            thread_id=saying.thread,
            as_chat=as_chat,
        )
        return views.of_message(message)

    @routes.get("/{ref}/messages/{message_id}/file", response_class=Response)
    async def download(ref: str, message_id: int) -> Response:
        """The file of a message, as a person would save it."""
        return response_of(find.file(find.message(find.chat(ref), message_id)), save=True)

    @routes.patch("/{ref}/messages/{message_id}")
    async def edit(ref: str, message_id: int, rewording: views.Rewording) -> views.Message:
        message = find.message(find.chat(ref), message_id)
        text, entities = render(rewording.text, rewording.parse_mode, rewording.entities)
        writing.edit(here().town, find.person(rewording.person), message, text, entities=entities)
        return views.of_message(message)

    @routes.post("/{ref}/presses")
    async def press(ref: str, press: views.Press) -> views.Query:
        """A person presses an inline button."""
        if press.text is None and press.callback_data is None:
            raise HTTPException(422, "say which button: text or callback_data")
        message, button = buttons.find_button(
            find.chat(ref), text=press.text, data=press.callback_data, message_id=press.message
        )
        return views.Query.model_validate(buttons.press(here().town, find.person(press.person), message, button))

    @routes.put("/{ref}/blocked")
    async def block(ref: str, blocking: views.Blocking) -> views.Chat:
        """The person of a private chat blocks or unblocks the bot."""
        chat = find.chat(ref, opened=True)
        if not chat.is_private:
            raise HTTPException(409, "only the bot of a private chat can be blocked")
        groups.set_blocked(here().town, chat, blocking.blocked)
        return find.view(ref)

    return routes


def _bot_messages(chat: Chat, after: int) -> list[Message]:
    return [m for m in chat.visible() if isinstance(m.sender, Bot) and not m.is_service and m.cursor > after]


def _awaited(shown: list[Message], text: str | None, count: int | None, buttons: frozenset[str]) -> Message | None:
    if count is not None:
        return shown[count - 1] if len(shown) >= count else None
    if text is not None or buttons:
        return next((m for m in reversed(shown) if (text or "") in m.text and buttons <= _button_texts(m)), None)
    return min(shown, key=lambda message: message.cursor, default=None)


def _button_texts(message: Message) -> set[str]:
    return {button["text"] for row in message.inline or [] for button in row}
