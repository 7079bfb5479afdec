"""pyTelegramBotAPI as an agent; see `agent_lines.py`."""

from __future__ import annotations

import inspect
import io
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import telebot
from agent_lines import KINDS, SECRET, TOKEN, UnknownMethod, commands, files, snake, tell, typed
from telebot import apihelper, types, util

RENAMED = {
    "sendVideoNote": {"video_note": "data"},
    "sendInvoice": {"payload": "invoice_payload"},
}
NOT_TAKEN = {"purchased_paid_media", "stopped_message_generation", "subscription", "managed_bot", "guest_message"}
"""Kinds that it cannot read, or at which it loses the rest of what it polled."""
TAKEN = [kind for kind in KINDS if kind not in NOT_TAKEN]
HANDLERS = {"inline_query": "inline_handler", "chosen_inline_result": "chosen_inline_handler"}


def upload(data: bytes) -> Any:
    file = io.BytesIO(data)
    file.name = "file.bin"
    return types.InputFile(file)


def make(name: str, fields: dict[str, Any]) -> Any:
    """An object of that name out of a dict, as a program would build it."""
    if name.startswith("InputMedia") and name != f"InputMedia{fields['type'].title()}":
        raise TypeError(f"this is no {name}")
    if name.startswith(("InputMedia", "InlineQueryResult")):
        name = f"InlineQueryResult{fields['type'].title()}" if name.startswith("Inline") else name
        fields = {key: value for key, value in fields.items() if key != "type"}
        if "input_message_content" in fields:
            fields["input_message_content"] = types.InputTextMessageContent(**fields["input_message_content"])
    elif name == "MenuButton":
        return types.MenuButtonCommands()
    kind = getattr(types, name)
    if issubclass(kind, types.JsonDeserializable):
        return kind.de_json(fields)
    if name == "ShippingOption":
        return kind(fields["id"], fields["title"]).add_price(*(types.LabeledPrice(**p) for p in fields["prices"]))
    return kind(**fields)


def call(command: dict[str, Any]) -> None:
    name = command["call"]
    apihelper.API_URL, apihelper.FILE_URL = command["url"] + "/bot{0}/{1}", command["url"] + "/file/bot{0}/{1}"
    bot = telebot.TeleBot(TOKEN, threaded=False)
    method = getattr(bot, snake(name), None)
    if method is None:
        raise UnknownMethod(name)
    arguments = {
        RENAMED.get(name, {}).get(field, field): typed(
            files(value, upload), command["types"].get(field, "String"), make
        )
        for field, value in command["parameters"].items()
    }
    for field, parameter in inspect.signature(method).parameters.items():
        if (
            field not in arguments
            and parameter.default is parameter.empty
            and parameter.kind == parameter.POSITIONAL_OR_KEYWORD
        ):
            arguments[field] = ""  # it insists on what Telegram does not need, such as a provider_token
    try:
        method(**arguments)
    except TypeError as error:
        raise UnknownMethod(str(error)) from None


def receiving_bot(url: str) -> telebot.TeleBot:
    apihelper.API_URL = url + "/bot{0}/{1}"
    bot = telebot.TeleBot(TOKEN, threaded=False)
    for kind in KINDS:
        register = getattr(bot, HANDLERS.get(kind, f"{kind}_handler"), None)
        if register is None:
            continue
        options: dict[str, Any] = {"func": lambda _: True}
        if ("message" in kind and "reaction" not in kind and "deleted" not in kind) or kind.endswith("channel_post"):
            options["content_types"] = util.content_type_media + util.content_type_service
        register(**options)(lambda _, kind=kind: tell(update=kind, id=0))
    return bot


def poll(url: str) -> None:
    bot = receiving_bot(url)
    tell(ready=True)
    bot.infinity_polling(allowed_updates=TAKEN, timeout=20, long_polling_timeout=20, skip_pending=False)


def listen(url: str, port: int) -> None:
    bot = receiving_bot(url)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["X-Telegram-Bot-Api-Secret-Token"] == SECRET
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            bot.process_new_updates([types.Update.de_json(json.loads(body))])

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", port), Hook)
    bot.set_webhook(f"http://127.0.0.1:{port}/hook", allowed_updates=TAKEN, secret_token=SECRET)
    tell(ready=True)
    server.serve_forever()


def main() -> None:
    for command in commands():
        try:
            if "call" in command:
                call(command)
                tell(ok=True)
            elif "poll" in command:
                poll(command["url"])
            else:
                listen(command["url"], command["listen"])
        except UnknownMethod as unknown:
            tell(unknown=str(unknown))
        except Exception as error:
            tell(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
