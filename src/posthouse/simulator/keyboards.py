"""Reply markup: what is accepted under a message, and what the server says when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from posthouse.simulator.invoices import Invoice
from posthouse.simulator.media import Media
from posthouse.simulator.parameters import Parameters
from posthouse.simulator.refusals import bad_request

Button = dict[str, Any]
CALLBACK_DATA_BYTES_MAX = 64
_ACTIONS = (
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
    "disabled",
)


@dataclass(frozen=True, slots=True)
class Markup:
    """A parsed `reply_markup`: buttons under the message, or a keyboard that replaces the person's own."""

    inline: list[list[Button]] | None = None
    keyboard: dict[str, Any] | None = None


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
    if "inline_keyboard" in markup:
        return Markup(inline=_inline_rows(markup["inline_keyboard"]))
    if "keyboard" in markup:
        _check_rows(markup["keyboard"], 'field "keyboard" must be an Array of Arrays')
    return Markup(keyboard=markup or None)


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


def _inline_rows(rows: object) -> list[list[Button]] | None:
    checked = _check_rows(rows, 'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    return [[_inline_button(button) for button in row] for row in checked if row] or None


def _inline_button(button: object) -> Button:
    if not isinstance(button, dict):
        raise bad_request("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    actions = [name for name in _ACTIONS if name in button]
    if not actions:
        raise bad_request("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
    if len(actions) > 1 or not button.get("text"):
        raise bad_request("BUTTON_TYPE_INVALID")
    data = button.get("callback_data")
    if data is not None and not 1 <= len(str(data).encode()) <= CALLBACK_DATA_BYTES_MAX:
        raise bad_request("BUTTON_DATA_INVALID")
    return button
