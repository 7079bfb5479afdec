"""Opening Mini Apps and login pages, and what an app sends back."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.keyboards import Button
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.people.writing import check_writing, deliver
from posthouse.simulator.signatures import login_hash
from posthouse.simulator.town import Town
from posthouse.simulator.web_apps import (
    QUERY_LIFETIME_S,
    Launch,
    chat_instance,
    launch_url,
    signed,
    user_field,
)

DATA_BYTES_MAX = 4096


def open_from_button(town: Town, person: Person, chat: Chat, bot: Bot, button: Button) -> Launch:
    """An inline `web_app` button; it works in the private chat with the bot."""
    if not chat.is_private:
        raise Impossible("web_app buttons work in private chats; a group takes a link to the app")
    return _open_with_query(town, person, chat, bot, button["web_app"]["url"], "inline_button", button["text"])


def open_from_menu(town: Town, person: Person, bot: Bot) -> Launch:
    """The bot's menu button."""
    button = bot.profile.menu_button(person.id)
    if button["type"] == "default":
        button = bot.profile.menu_button(0)
    if button["type"] != "web_app":
        raise Impossible(f"the menu button of @{bot.username} opens {button['type']}")
    chat = town.private_chat(bot, person)
    return _open_with_query(town, person, chat, bot, button["web_app"]["url"], "menu", button["text"])


def open_from_keyboard(town: Town, person: Person, chat: Chat, bot: Bot, text: str, url: str) -> Launch:
    """A reply keyboard's `web_app` button: the app is told nothing, and may send data back once."""
    return _opened(town, person, chat, bot, url, "", "keyboard", button_text=text)


def open_from_results(town: Town, person: Person, chat: Chat | None, bot: Bot, text: str, url: str) -> Launch:
    """The button above inline results."""
    return _opened(town, person, chat, bot, url, "", "results", button_text=text)


def open_from_link(town: Town, person: Person, bot: Bot, app: str, start_param: str, chat: Chat | None) -> Launch:
    """`t.me/<bot>?startapp=` and `t.me/<bot>/<app>`, followed in some chat."""
    url = bot.apps.get(app)
    if url is None:
        raise Impossible(f"@{bot.username} has no Mini App {app!r}; register the bot with its address first")
    fields = {"user": user_field(person), "auth_date": str(int(town.now()))}
    fields["chat_instance"] = chat_instance(chat, bot)
    fields["chat_type"] = "sender" if chat is None or chat.is_private else chat.kind
    if start_param:
        fields["start_param"] = start_param
    launch = _opened(town, person, chat, bot, url, signed(bot, fields), "link")
    launch.url = launch_url(url, launch.init_data, start_param)
    return launch


def send_data(town: Town, launch: Launch, data: str) -> Message:
    """What the app of a keyboard button passes to the bot; it closes the app."""
    if launch.source != "keyboard":
        raise Impossible(
            f"sendData works in apps that a keyboard button opened, this one was opened by {launch.source}"
        )
    if launch.closed:
        raise Impossible("the app was closed when it sent its data")
    if not 1 <= len(data.encode()) <= DATA_BYTES_MAX:
        raise Impossible(f"an app sends 1 to {DATA_BYTES_MAX} bytes")
    chat = town.private_chat(launch.bot, launch.person)
    check_writing(launch.person, chat)
    launch.closed = True
    service = {"web_app_data": {"data": data, "button_text": launch.button_text}}
    message = Message(0, chat, launch.person, int(town.now()), service=service)
    deliver(town, message)
    return message


def login_url(town: Town, person: Person, bot: Bot, button: Button, *, agreed: bool) -> str:
    """Where a `login_url` button leads; without the person's consent to the address as the bot wrote it."""
    login = button["login_url"]
    name = str(login.get("bot_username") or bot.username).removeprefix("@").lower()
    owner = next((other for other in town.bots.values() if other.username.lower() == name), None)
    if owner is None:
        raise Impossible(f"nobody is @{name}, for whom the login button asks")
    url = str(login["url"])
    if not agreed:
        return url
    fields = {"id": str(person.id), "first_name": person.first_name, "auth_date": str(int(town.now()))}
    for part in ("last_name", "username"):
        if value := getattr(person, part):
            fields[part] = value
    fields["hash"] = login_hash(owner.token, fields)
    parts = urlsplit(url)
    query = parts.query + ("&" if parts.query else "") + urlencode(fields)
    return urlunsplit(parts._replace(query=query))


def _open_with_query(
    town: Town, person: Person, chat: Chat, bot: Bot, url: str, source: str, button_text: str
) -> Launch:
    query = town.open_query("web_app", bot, person, lifetime_s=QUERY_LIFETIME_S, chat=chat)
    fields = {"query_id": query.id, "user": user_field(person), "auth_date": str(int(town.now()))}
    return _opened(
        town, person, chat, bot, url, signed(bot, fields), source, query_id=query.id, button_text=button_text
    )


def _opened(
    town: Town,
    person: Person,
    chat: Chat | None,
    bot: Bot,
    url: str,
    init_data: str,
    source: str,
    *,
    query_id: str = "",
    button_text: str = "",
) -> Launch:
    launch = Launch(
        town.payments.new_id(size_bytes=9),
        bot,
        person,
        chat,
        source,
        launch_url(url, init_data),
        init_data,
        query_id,
        button_text,
    )
    town.web_apps.keep(launch)
    town.journal.record(
        "web_app.opened",
        bot_id=bot.id,
        chat=None if chat is None else chat.ref,
        person_id=person.id,
        text=url,
        source=source,
        launch=launch.id,
    )
    return launch
