"""Mini Apps as they are opened: where, by whom, and what they are handed (`initData`, signed).

launched from          initData                              may
inline button, menu    user, query_id                        answerWebAppQuery
link (?startapp=)      user, chat_type, chat_instance, start_param
keyboard button        empty                                 sendData ─► web_app_data
button over results    empty
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from zlib import crc32

import msgspec

from posthouse.simulator.bots import Bot
from posthouse.simulator.chats import Chat, Person
from posthouse.simulator.keeping import keep_newest
from posthouse.simulator.signatures import public_key, third_party_signature, web_app_hash

VERSION = "9.1"
THEME = {"bg_color": "#ffffff", "text_color": "#000000", "button_color": "#2481cc", "button_text_color": "#ffffff"}
SEED = hashlib.sha256(b"the simulator's Telegram").digest()
"""The secret of the key pair that stands for Telegram's. Not random, so that a verifier is configured once."""
PUBLIC_KEY = public_key(SEED).hex()
LAUNCHES_KEPT = 20_000
QUERY_LIFETIME_S = 86_400.0
"""An app may stay open for long; no number is published."""


@dataclass(slots=True, eq=False)
class Launch:
    """One opened Mini App. `source` is `inline_button`, `menu`, `keyboard`, `link` or `results`."""

    id: str
    bot: Bot
    person: Person
    chat: Chat | None
    source: str
    url: str
    init_data: str
    query_id: str = ""
    button_text: str = ""
    closed: bool = False
    """The data was sent, which closes an app."""


@dataclass(slots=True, eq=False)
class WebApps:
    """The Mini Apps that people have opened last, by id."""

    launches: dict[str, Launch] = field(default_factory=dict)

    def keep(self, launch: Launch) -> None:
        keep_newest(self.launches, launch.id, launch, LAUNCHES_KEPT)


def signed(bot: Bot, fields: dict[str, str]) -> str:
    """initData: the fields with the signature for third parties and the hash for the bot."""
    whole = {**fields, "signature": third_party_signature(SEED, bot.id, fields)}
    return urlencode({**whole, "hash": web_app_hash(bot.token, whole)})


def user_field(person: Person) -> str:
    user = {name: value for name, value in person.wire().items() if name != "is_bot"}
    return msgspec.json.encode({**user, "allows_write_to_pm": True}).decode()


def launch_url(url: str, init_data: str, start_param: str = "") -> str:
    """The address that the person's app opens."""
    parts = urlsplit(url)
    query = parts.query
    if start_param:
        query += ("&" if query else "") + urlencode({"tgWebAppStartParam": start_param})
    handed = {
        "tgWebAppData": init_data,
        "tgWebAppVersion": VERSION,
        "tgWebAppPlatform": "web",
        "tgWebAppThemeParams": msgspec.json.encode(THEME).decode(),
    }
    fragment = "&".join(f"{name}={quote(value, safe='')}" for name, value in handed.items() if value)
    return urlunsplit(parts._replace(query=query, fragment=fragment))


def chat_instance(chat: Chat | None, bot: Bot) -> str:
    return str(crc32(f"{bot.id}/{chat.ref if chat else ''}".encode()))
