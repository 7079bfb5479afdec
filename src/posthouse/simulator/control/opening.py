"""Routes: links, buttons that open something, Mini Apps."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException

from posthouse.simulator import views
from posthouse.simulator.chats import Chat
from posthouse.simulator.control.finder import Finder
from posthouse.simulator.control.site import here
from posthouse.simulator.people import buttons, inline, opening, web_apps
from posthouse.simulator.web_apps import PUBLIC_KEY


def routes_of_opening() -> APIRouter:
    routes = APIRouter(tags=["opening"])
    find = Finder()

    @routes.post("/links")
    async def follow(following: views.Following) -> views.Opened:
        """Follow a link: to a bot (`?start=`, `?startgroup=`, `?startapp=`), a chat, an invitation, an invoice, or
        out of Telegram."""
        opened = opening.open_link(
            here().town,
            find.person(following.person),
            following.url,
            chat=None if following.chat is None else find.chat(following.chat),
            group=None if following.group is None else find.chat(following.group),
        )
        return views.of_opened(opened)

    @routes.post("/chats/{ref}/openings")
    async def open_button(ref: str, press: views.ButtonOpening) -> views.Opened:
        """Press an inline button that does not call the bot: a link, pay, a Mini App, a login, inline mode."""
        message, button = buttons.find_button(find.chat(ref), text=press.text, data=None, message_id=press.message)
        opened = opening.open_button(here().town, find.person(press.person), message, button, agreed=press.agreed)
        return views.of_opened(opened)

    @routes.post("/inline_queries/{query_id}/button")
    async def open_results_button(query_id: str) -> views.Opened:
        """Press the button above the results of an inline query."""
        query = here().town.queries.get(query_id)
        if query is None:
            raise HTTPException(404, f"no inline query {query_id}")
        return views.of_opened(opening.open_results_button(here().town, query, inline.answer_of(here().town, query)))

    @routes.post("/web_apps")
    async def open_web_app(asked: views.AppOpening) -> views.WebApp:
        """Open the Mini App of the bot's menu button, or with `text` of that button of the reply keyboard."""
        person, bot = find.person(asked.person), find.bot(asked.bot)
        if asked.text is None:
            return views.of_launch(web_apps.open_from_menu(here().town, person, bot))
        chat = find.chat(f"{bot.id}:{person.id}")
        url = _keyboard_app(chat, asked.text)
        return views.of_launch(web_apps.open_from_keyboard(here().town, person, chat, bot, asked.text, url))

    @routes.post("/web_apps/{launch_id}/data")
    async def send_data(launch_id: str, data: views.AppData) -> views.Message:
        """What `Telegram.WebApp.sendData` does in an app that was opened by a keyboard button."""
        launch = here().town.web_apps.launches.get(launch_id)
        if launch is None:
            raise HTTPException(404, f"no opened Mini App {launch_id!r}")
        return views.of_message(web_apps.send_data(here().town, launch, data.data))

    @routes.get("/web_apps/key")
    async def read_key() -> views.WebAppKey:
        """The public key with which the `signature` of initData is checked."""
        return views.WebAppKey(public_key=PUBLIC_KEY)

    return routes


def _keyboard_app(chat: Chat, text: str) -> str:
    """The address behind a `web_app` button of the newest reply keyboard that has it."""
    for message in chat.newest_first():
        rows: list[list[Any]] = (message.keyboard or {}).get("keyboard", [])
        for button in (button for row in rows for button in row):
            if isinstance(button, dict) and button.get("text") == text and "web_app" in button:
                return str(button["web_app"]["url"])
    raise HTTPException(409, f"no keyboard button {text!r} that opens a Mini App")
