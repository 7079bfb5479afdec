"""python-telegram-bot as an agent; see `agent_lines.py`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import telegram
from agent_lines import KINDS, SECRET, TOKEN, UnknownMethod, commands, files, snake, tell, typed
from telegram.ext import Application, TypeHandler


def make(name: str, fields: dict[str, Any]) -> Any:
    """An object of that name out of a dict, as a program would build it."""
    if name.startswith("InputMedia"):
        if name != f"InputMedia{fields['type'].title()}":
            raise TypeError(f"this is no {name}")
        fields = {key: value for key, value in fields.items() if key != "type"}
    elif name == "InlineQueryResult":
        name = f"InlineQueryResult{fields['type'].title()}"
        fields = {key: value for key, value in fields.items() if key != "type"}
        fields["input_message_content"] = telegram.InputTextMessageContent(**fields["input_message_content"])
    elif name in ("InputPaidMedia", "InputStoryContent", "InputProfilePhoto"):
        raise TypeError(f"{name} is not built here")
    kind = getattr(telegram, name)
    if any(isinstance(value, bytes) for value in fields.values()) or "InlineQueryResult" in name:
        return kind(**fields)
    made = kind.de_json(fields, None)
    missing = set(fields) - set(made.to_dict())
    if missing and name != "ReplyParameters":
        raise TypeError(f"{name} has no {missing}")
    return made


async def call(command: dict[str, Any]) -> None:
    name, types = command["call"], command["types"]
    app = application(command["url"])
    method = getattr(app.bot, snake(name), None)
    if method is None:
        raise UnknownMethod(name)
    parameters = files(command["parameters"], bytes)
    arguments = {field: typed(value, types.get(field, "String"), make) for field, value in parameters.items()}
    await app.initialize()
    try:
        await method(**arguments)
    except TypeError as error:
        raise UnknownMethod(str(error)) from None
    finally:
        await app.shutdown()


def application(url: str) -> Any:
    builder = Application.builder().token(TOKEN).base_url(f"{url}/bot").base_file_url(f"{url}/file/bot")
    app = builder.build()

    async def seen(update: telegram.Update, _: object) -> None:
        known = [kind for kind in KINDS if getattr(update, kind, None) is not None]
        tell(update=(known or list(update.api_kwargs))[0], id=update.update_id)

    app.add_handler(TypeHandler(telegram.Update, seen))
    return app


async def receive(command: dict[str, Any]) -> None:
    app = application(command["url"])
    await app.initialize()
    await app.start()
    if "poll" in command:
        await app.updater.start_polling(allowed_updates=list(KINDS))
    else:
        port = command["listen"]
        await app.updater.start_webhook(
            "127.0.0.1",
            port,
            "hook",
            webhook_url=f"http://127.0.0.1:{port}/hook",
            allowed_updates=list(KINDS),
            secret_token=SECRET,
        )
    tell(ready=True)
    await asyncio.Event().wait()


async def main() -> None:
    incoming = commands()
    while (command := await asyncio.to_thread(next, incoming, None)) is not None:
        try:
            await (call if "call" in command else receive)(command)
            tell(ok=True)
        except UnknownMethod as unknown:
            tell(unknown=str(unknown))
        except Exception as error:
            tell(error=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
