"""What the Python agents share: commands come in as lines of JSON, answers and updates go out the same way.

    {"call": method, "url": …, "parameters": {…}, "types": {…}}   a call with the client's own typed method
    {"poll": true, "url": …}                                       the client's own polling from now on
    {"listen": port, "url": …}                                     the client's own setWebhook and receiver

A call is answered `{"ok": true}`, `{"unknown": reason}` when the client has no such method, or `{"error": …}`.
Receiving is answered `{"ready": true}` and then one `{"update": kind, "id": number}` for each update. A file is
`{"$file": base64}`.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

TOKEN = "4242:secret"
SECRET = "s3cret"
KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "subscription",
    "stopped_message_generation",
)
BUILT_IN = {"Integer", "Float", "String", "Boolean", "True", "InputFile"}


class UnknownMethod(Exception):
    """The client library has no such method or cannot express the call."""


def tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def files(value: Any, make: Callable[[bytes], Any]) -> Any:
    """The value with every `$file` in it replaced by the client's own kind of upload."""
    if isinstance(value, dict):
        if "$file" in value:
            return make(base64.b64decode(value["$file"]))
        return {name: files(item, make) for name, item in value.items()}
    return [files(item, make) for item in value] if isinstance(value, list) else value


def typed(value: Any, expression: str, make: Callable[[str, dict[str, Any]], Any]) -> Any:
    """The value with its objects made by `make(type name, fields)`; the first name of a union that fits is taken."""
    if isinstance(value, list):
        return [typed(item, expression[1:-1], make) for item in value] if expression.startswith("[") else value
    if not isinstance(value, dict):
        return value
    failure: Exception | None = None
    for name in expression.strip("[]").split(" | "):
        if name in BUILT_IN:
            continue
        try:
            return make(name, value)
        except (AttributeError, TypeError, KeyError, ValueError) as error:
            failure = error
    raise UnknownMethod(f"{expression} cannot be made of {sorted(value)}: {failure}")


def snake(name: str) -> str:
    """`sendMessage` as `send_message`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def commands() -> Any:
    """The commands, as they come in."""
    for line in sys.stdin:
        yield json.loads(line)
