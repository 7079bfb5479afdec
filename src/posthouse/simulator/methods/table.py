"""Which method does what, and which methods exist at all.

A name in `METHODS` has behaviour. Another name in `KNOWN` exists in Bot API 10.3 but has none here yet, and
answers an honest 501. Any other name is 404, as on the real server. `KNOWN` is checked against aiogram by a
test.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from posthouse.simulator.methods import bots, media, messages, polls, queries, webhooks
from posthouse.simulator.methods.call import Call

METHODS: dict[str, Callable[[Call], object]] = {
    "getMe": bots.get_me,
    "logOut": bots.log_out,
    "close": bots.log_out,
    "setMyCommands": bots.set_my_commands,
    "getMyCommands": bots.get_my_commands,
    "getUpdates": polls.get_updates,
    "setWebhook": webhooks.set_webhook,
    "deleteWebhook": webhooks.delete_webhook,
    "getWebhookInfo": webhooks.get_webhook_info,
    "sendMessage": messages.send_message,
    "editMessageText": messages.edit_message_text,
    "editMessageReplyMarkup": messages.edit_message_reply_markup,
    "deleteMessage": messages.delete_message,
    "sendChatAction": messages.send_chat_action,
    "getChat": messages.get_chat,
    "sendDocument": media.send_document,
    "sendPhoto": media.send_photo,
    "getFile": media.get_file,
    "answerCallbackQuery": queries.answer_callback_query,
    "answerInlineQuery": queries.answer_inline_query,
    "answerPreCheckoutQuery": queries.answer_pre_checkout_query,
}
KNOWN = frozenset(resources.files(__package__).joinpath("known.txt").read_text().split())
CANONICAL = {name.lower(): name for name in (*KNOWN, *METHODS)}
"""Method names are case-insensitive."""
