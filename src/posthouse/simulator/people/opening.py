"""Following links and pressing buttons that open something: a chat, an invoice, a Mini App, a page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Message, Person
from posthouse.simulator.inline import InlineAnswer
from posthouse.simulator.invites import JoinRequest
from posthouse.simulator.invoices import Invoice
from posthouse.simulator.keyboards import Button
from posthouse.simulator.people import members, payments, web_apps, writing
from posthouse.simulator.people.impossible import Impossible
from posthouse.simulator.town import Query, Town
from posthouse.simulator.web_apps import Launch

HOSTS = ("t.me", "telegram.me", "telegram.dog")
_PARAMETER = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Opened:
    """What is in front of the person now. `kind` says which of the fields matter:

    `chat` (and `message`, if one was sent or is pointed at), `choose_chat` (the link needs a group, or the query a
    chat: `text` is what is typed there), `join_request`, `invoice`, `web_app`, `url`, `copied` (`text`).
    """

    kind: str
    chat: str | None = None
    message: Message | None = None
    invoice: Invoice | None = None
    web_app: Launch | None = None
    url: str = ""
    text: str = ""
    bot: Bot | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A link to something in Telegram: the parts of its path, and its parameters."""

    parts: tuple[str, ...]
    parameters: dict[str, str]


def read_link(url: str) -> Link | None:
    """The parts of a t.me or tg: link, None for any other address."""
    try:
        parsed = urlsplit(url if "://" in url else f"https://{url}")
    except ValueError:
        raise Impossible(f"{url} is no address") from None
    parameters = {name: values[0] for name, values in parse_qs(parsed.query, keep_blank_values=True).items()}
    if parsed.scheme == "tg":
        return _read_tg(parsed.netloc, parameters)
    host = (parsed.hostname or "").lower()
    parts = tuple(part for part in parsed.path.split("/") if part)
    if host.removesuffix(".t.me") != host:  # name.t.me
        return Link((host.removesuffix(".t.me"), *parts), parameters)
    return Link(parts, parameters) if host in HOSTS else None


def _read_tg(action: str, parameters: dict[str, str]) -> Link | None:
    if action == "resolve" and "domain" in parameters:
        app = (parameters["appname"],) if "appname" in parameters else ()
        return Link((parameters["domain"], *app), parameters)
    if action == "join" and "invite" in parameters:
        return Link((f"+{parameters['invite']}",), parameters)
    if action == "invoice" and "slug" in parameters:
        return Link((f"${parameters['slug']}",), parameters)
    return None


def open_link(town: Town, person: Person, url: str, *, chat: Chat | None = None, group: Chat | None = None) -> Opened:
    """Follow a link, seen in `chat`; `group` is the one that the person picks when the link needs one."""
    town.journal.record("link.opened", person_id=person.id, chat=None if chat is None else chat.ref, text=url)
    link = read_link(url)
    if link is None:
        return Opened("url", url=url)
    if not link.parts:
        raise Impossible(f"{url} leads nowhere")
    first = link.parts[0]
    if first.startswith("$") or first == "invoice":
        return Opened(
            "invoice",
            invoice=payments.find_invoice(town, first.removeprefix("$") if first != "invoice" else link.parts[-1]),
        )
    if first.startswith("+") or first == "joinchat":
        return _follow_invite(town, person, first.removeprefix("+") if first != "joinchat" else link.parts[-1])
    if first == "c":
        number = link.parts[1] if len(link.parts) > 1 else ""
        return _point_at(town, person, town.chats.get(f"-100{number}"), "".join(link.parts[2:][-1:]))
    bot = next((bot for bot in town.bots.values() if bot.username.lower() == first.lower()), None)
    if bot is not None:
        return _open_bot(town, person, bot, link, chat, group)
    public = town.chat_by_username(first)
    if public is None:
        raise Impossible(f"nobody is @{first}")
    return _point_at(town, person, public, link.parts[1] if len(link.parts) > 1 else "")


def open_button(town: Town, person: Person, message: Message, button: Button, *, agreed: bool = True) -> Opened:
    """Press an inline button that asks the bot nothing but opens something. `agreed` is for login buttons."""
    bot = message.via_bot or message.sender
    if not isinstance(bot, Bot):
        raise Impossible("only a bot's message has inline buttons")
    town.journal.record(
        "person.pressed",
        bot_id=bot.id,
        chat=message.chat.ref,
        person_id=person.id,
        message_id=message.id,
        text=button["text"],
    )
    if "pay" in button:
        return Opened("invoice", invoice=payments.invoice_of(message), chat=message.chat.ref, message=message)
    if "url" in button:
        return open_link(town, person, button["url"], chat=message.chat)
    if "web_app" in button:
        return Opened("web_app", web_app=web_apps.open_from_button(town, person, message.chat, bot, button))
    if "login_url" in button:
        return Opened("url", url=web_apps.login_url(town, person, bot, button, agreed=agreed))
    if "copy_text" in button:
        return Opened("copied", text=str(button["copy_text"].get("text", "")))
    if "switch_inline_query_current_chat" in button:
        text = f"@{bot.username} {button['switch_inline_query_current_chat']}"
        return Opened("chat", chat=message.chat.ref, text=text, bot=bot)
    if "switch_inline_query" in button:
        return Opened("choose_chat", text=f"@{bot.username} {button['switch_inline_query']}", bot=bot)
    if "switch_inline_query_chosen_chat" in button:
        query = button["switch_inline_query_chosen_chat"].get("query", "")
        return Opened("choose_chat", text=f"@{bot.username} {query}", bot=bot)
    raise Impossible(f"the button {button['text']!r} opens nothing: {sorted(button)}")


def open_results_button(town: Town, query: Query, answer: InlineAnswer) -> Opened:
    """Press the button above inline results: a Mini App, or the bot's private chat with a parameter."""
    button = answer.button
    if button is None:
        raise Impossible("there is no button above the results")
    if "web_app" in button:
        launch = web_apps.open_from_results(
            town, query.person, query.chat, query.bot, button["text"], button["web_app"]["url"]
        )
        return Opened("web_app", web_app=launch)
    return _start(town, query.person, query.bot, button["start_parameter"])


def _open_bot(town: Town, person: Person, bot: Bot, link: Link, chat: Chat | None, group: Chat | None) -> Opened:
    given = link.parameters
    if len(link.parts) > 1 or "startapp" in given:
        app = link.parts[1] if len(link.parts) > 1 else ""
        parameter = given.get("startapp", "")
        if parameter:
            _check(parameter)
        return Opened("web_app", web_app=web_apps.open_from_link(town, person, bot, app, parameter, chat))
    if "startgroup" in given or "startchannel" in given:
        return _start_in_group(town, person, bot, given, group)
    if given.get("start"):
        return _start(town, person, bot, given["start"])
    return Opened("chat", chat=f"{bot.id}:{person.id}", bot=bot)


def _start(town: Town, person: Person, bot: Bot, parameter: str) -> Opened:
    _check(parameter)
    private = town.private_chat(bot, person)
    message = writing.say(town, person, private, f"/start {parameter}")
    return Opened("chat", chat=private.ref, message=message, bot=bot)


def _start_in_group(town: Town, person: Person, bot: Bot, given: dict[str, str], group: Chat | None) -> Opened:
    if group is None:
        return Opened("choose_chat", bot=bot)
    parameter = given.get("startgroup", "")
    if parameter:
        _check(parameter)
    if bot.id not in group.bots:
        members.add(town, person, group, bot)
    rights = given.get("admin", "").replace("+", " ").split()
    if rights:
        members.promote(town, person, group, bot, frozenset(f"can_{right}" for right in rights))
    if "startgroup" not in given:
        return Opened("chat", chat=group.ref, bot=bot)
    text = f"/start@{bot.username} {parameter}".strip()
    return Opened("chat", chat=group.ref, message=writing.say(town, person, group, text), bot=bot)


def _follow_invite(town: Town, person: Person, secret: str) -> Opened:
    for chat in town.chats.values():
        for link in chat.links.values():
            if link.url.endswith((f"/+{secret}", f"/joinchat/{secret}")):
                if person.id in chat.people:
                    return Opened("chat", chat=chat.ref)
                request: JoinRequest | None = members.join(town, person, chat, link)
                return Opened("chat" if request is None else "join_request", chat=chat.ref)
    raise Impossible("this invite link is not valid")


def _point_at(town: Town, person: Person, chat: Chat | None, message_id: str) -> Opened:
    """A chat, or a message in it."""
    if chat is None or (not chat.username and person.id not in chat.people):
        raise Impossible("the link leads to a chat that this person is not in")
    if not message_id.isdecimal():
        return Opened("chat", chat=chat.ref)
    message = chat.messages.get(int(message_id)) if len(message_id) < 20 else None  # int() refuses very long ones
    if message is None or message.deleted:
        raise Impossible(f"there is no message {message_id} any more")
    return Opened("chat", chat=chat.ref, message=message)


def _check(parameter: str) -> None:
    if not _PARAMETER.fullmatch(parameter):
        raise Impossible(f"START_PARAM_INVALID: {parameter!r} is not 1 to 64 of A-Z, a-z, 0-9, _ and -")
