"""Reply markup: what is accepted under a message, and what the server says when it is not.

    inline_keyboard   buttons under the message; they are part of it and every bot and person sees them
    keyboard          replaces the keyboard of the people it is for, until another or a removal
    remove_keyboard   takes that away
    force_reply       opens the answer to this message; both keyboards may ask for it too

Unknown fields of a button are dropped, as the server does. The field that says what a button does is the first of
`_ACTIONS` that is there; the server does not complain about a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from posthouse.simulator.formatting.links import check_link
from posthouse.simulator.invoices import Invoice
from posthouse.simulator.media import Media
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

Button = dict[str, Any]
CALLBACK_DATA_BYTES_MAX = 64
COPY_TEXT_CHARACTERS_MAX = 256
PLACEHOLDER_CHARACTERS_MAX = 64
INLINE_BUTTONS_MAX = 100
KEYBOARD_BUTTONS_MAX = 300
_STYLES = ("danger", "success", "primary")
_LOOKS = ("text", "icon_custom_emoji_id", "style")


class _Unreadable(Exception):
    """What is wrong with one button."""


@dataclass(frozen=True, slots=True)
class Markup:
    """A parsed `reply_markup`: buttons under the message, or a keyboard that replaces the person's own."""

    inline: list[list[Button]] | None = None
    keyboard: dict[str, Any] | None = None
    """A reply keyboard, its removal, or a forced reply, with the fields of the Bot API."""
    force_reply: bool = False
    """Whether this message asks to be answered, with any of the markups."""


def parse_markup(parameters: Parameters) -> Markup:
    """Read `reply_markup`, or raise Refusal with the server's text."""
    if not parameters.has("reply_markup"):
        return Markup()
    try:
        markup = parameters.json("reply_markup")
    except msgspec.DecodeError:
        raise bad_request("can't parse reply keyboard markup JSON object") from None
    if markup is None:
        return Markup()
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    return read_markup(markup)


def read_markup(markup: dict[str, Any]) -> Markup:
    """The same from an object that was parsed already, as in the results of an inline query."""
    force_reply = markup.get("force_reply") is True
    if "inline_keyboard" in markup:
        return Markup(_inline_rows(markup["inline_keyboard"]), force_reply=force_reply)
    if "keyboard" in markup:
        rows = _keyboard_rows(markup["keyboard"])
        return Markup(keyboard=_reply_keyboard(markup, rows) if rows else None, force_reply=force_reply)
    if markup.get("remove_keyboard") is True or markup.get("hide_keyboard") is True:
        return Markup(keyboard={"remove_keyboard": True, **_flags(markup, "selective")})
    if force_reply:
        reply = {"force_reply": True, **_placeholder(markup), **_flags(markup, "selective")}
        return Markup(keyboard=reply, force_reply=True)
    return Markup()


def check_pay_button(markup: Markup, media: Media | None) -> Markup:
    """The markup of an invoice begins with a pay button, which is added when there is none at all; nothing else
    has one. Or raise Refusal."""
    if not isinstance(media, Invoice):
        if any("pay" in button for row in markup.inline or [] for button in row):
            raise bad_request("BUTTON_TYPE_INVALID")
        return markup
    if markup.inline is None:
        return Markup([[{"text": media.pay_text, "pay": True}]], markup.keyboard)
    if "pay" not in markup.inline[0][0]:
        raise bad_request("REPLY_MARKUP_BUY_EMPTY")
    return markup


def _check_rows(rows: object, text: str) -> list[list[Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(text)
    return rows


# Inline keyboards.


def _inline_rows(rows: object) -> list[list[Button]] | None:
    checked = _check_rows(rows, 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    if sum(map(len, checked)) > INLINE_BUTTONS_MAX:
        raise bad_request("reply markup is too long")
    try:
        return [[_inline_button(button) for button in row] for row in checked if row] or None
    except _Unreadable as error:
        raise bad_request(f"can't parse inline keyboard button: {error}") from None


def _inline_button(button: object) -> Button:
    if not isinstance(button, dict):
        raise _Unreadable("InlineKeyboardButton must be an Object")
    shown = _looks(button)
    for name, read in _ACTIONS.items():
        value = button.get(name)
        if value is not None and (action := read(value)) is not None:
            return {**shown, name: action}
    raise _Unreadable("Text buttons are unallowed in the inline keyboard")


def _looks(button: Button) -> Button:
    """Text, icon and colour."""
    text = button.get("text")
    if not isinstance(text, str):
        raise _Unreadable('Can\'t find field "text"' if text is None else 'Field "text" must be of type String')
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    if button.get("style") not in (None, *_STYLES):
        raise _Unreadable("Invalid button style specified")
    return {name: button[name] for name in _LOOKS if button.get(name)}


def _callback_data(value: object) -> str | None:
    data = str(value)
    if len(data.encode()) > CALLBACK_DATA_BYTES_MAX:
        raise bad_request("BUTTON_DATA_INVALID")
    return data or None


def _url(value: object) -> str | None:
    return _link(str(value), "URL") if value else None


def _web_app(value: object) -> Button:
    url = _required(value, "url", "WebAppInfo")
    checked = _link(url, "Web App URL")
    if not checked.startswith("https://") and not checked.startswith(("http://127.", "http://localhost.")):
        raise bad_request(f"inline keyboard button Web App URL '{url}' is invalid: Only HTTPS links are allowed")
    return {"url": url}


def _login_url(value: object) -> Button:
    url = _required(value, "url", "LoginUrl")
    _link(url, "login URL")
    assert isinstance(value, dict)
    return {
        name: value[name] for name in ("url", "forward_text", "bot_username", "request_write_access") if name in value
    }


def _link(url: str, what: str) -> str:
    try:
        return check_link(url)
    except ValueError as error:
        raise bad_request(f"inline keyboard button {what} '{url}' is invalid: {error}") from None


def _copy_text(value: object) -> Button:
    text = _required(value, "text", "CopyTextButton")
    if not 1 <= len(text) <= COPY_TEXT_CHARACTERS_MAX:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return {"text": text}


def _chosen_chat(value: object) -> Button:
    if not isinstance(value, dict):
        raise _Unreadable("SwitchInlineQueryChosenChat must be an Object")
    allowed = _flags(value, *(f"allow_{kind}_chats" for kind in ("user", "bot", "group", "channel")))
    if not allowed:
        raise bad_request("at least one chat type must be allowed")
    return {"query": str(value.get("query", "")), **allowed}


def _required(value: object, name: str, what: str) -> str:
    if not isinstance(value, dict):
        raise _Unreadable(f"{what} must be an Object")
    if not isinstance(value.get(name), str):
        raise _Unreadable(f'Can\'t find field "{name}"')
    return str(value[name])


def _nothing(value: object) -> Button | None:
    return {} if isinstance(value, dict) else None


def _query(value: object) -> str:
    return str(value)


def _yes(value: object) -> bool | None:
    return True if value is True else None


_ACTIONS: dict[str, Callable[[object], object]] = {
    "url": _url,
    "callback_data": _callback_data,
    "callback_game": _nothing,
    "pay": _yes,
    "switch_inline_query": _query,
    "switch_inline_query_current_chat": _query,
    "switch_inline_query_chosen_chat": _chosen_chat,
    "login_url": _login_url,
    "web_app": _web_app,
    "copy_text": _copy_text,
    "disabled": _nothing,
}


# Reply keyboards.


def _keyboard_rows(rows: object) -> list[list[Button]]:
    checked = _check_rows(rows, 'field "keyboard" must be an Array of Arrays')
    if sum(map(len, checked)) > KEYBOARD_BUTTONS_MAX:
        raise bad_request("reply markup is too long")
    try:
        return [[_keyboard_button(button) for button in row] for row in checked if row]
    except _Unreadable as error:
        raise bad_request(f"can't parse keyboard button: {error}") from None


def _keyboard_button(button: object) -> Button:
    if isinstance(button, str):
        button = {"text": button}
    if not isinstance(button, dict):
        raise _Unreadable("KeyboardButton must be a String or an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise _Unreadable('Can\'t find field "text"')
    if not text.strip():
        raise bad_request("keyboard button text must be non-empty")
    shown = {name: button[name] for name in _LOOKS if button.get(name)}
    for name in ("request_contact", "request_location"):
        if button.get(name) is True:
            return {**shown, name: True}
    for name, wanted in _REQUESTS.items():
        if (request := button.get(name)) is not None:
            if not isinstance(request, dict):
                raise _Unreadable(f'Field "{name}" must be of type Object')
            for field in wanted:
                if field not in request:
                    raise _Unreadable(f'Can\'t find field "{field}"')
            return {**shown, name: request}
    return shown


_REQUESTS: dict[str, tuple[str, ...]] = {
    "request_poll": (),
    "web_app": ("url",),
    "request_user": ("request_id",),
    "request_users": ("request_id",),
    "request_chat": ("request_id", "chat_is_channel"),
    "request_managed_bot": ("request_id",),
}
PRIVATE_REQUESTS = ("request_contact", "request_location", *_REQUESTS)
"""What buttons may ask for in private chats only."""


def _reply_keyboard(markup: dict[str, Any], rows: list[list[Button]]) -> dict[str, Any]:
    flags = _flags(markup, "is_persistent", "resize_keyboard", "one_time_keyboard", "selective", "force_reply")
    return {"keyboard": rows, **flags, **_placeholder(markup)}


def _placeholder(markup: dict[str, Any]) -> dict[str, Any]:
    placeholder = str(markup.get("input_field_placeholder") or "").strip()
    return {"input_field_placeholder": placeholder[:PLACEHOLDER_CHARACTERS_MAX]} if placeholder else {}


def _flags(markup: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: True for name in names if markup.get(name) is True}


def check_place(markup: Markup, *, is_private: bool, is_channel: bool) -> None:
    """Raise Refusal for a markup that this kind of chat does not have."""
    if markup.keyboard is None:
        return
    if is_channel:
        raise bad_request("reply keyboard can't be used in channels")
    buttons = [button for row in markup.keyboard.get("keyboard", ()) for button in row]
    if not is_private:
        for name in PRIVATE_REQUESTS:
            if any(name in button for button in buttons):
                raise bad_request(f"{_ASKED[name]} can be requested in private chats only")


_ASKED = {
    "request_contact": "phone number",
    "request_location": "location",
    "request_poll": "poll",
    "web_app": "Web App",
    "request_user": "user",
    "request_users": "users",
    "request_chat": "chat",
    "request_managed_bot": "bot",
}
