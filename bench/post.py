"""A few updates by hand: what a figure needs beside its load."""

import http.client
import json
from collections.abc import Iterable
from urllib.parse import urlsplit


def update_of(update_id: int, chat: int, text: str) -> bytes:
    """A text message as Telegram sends it."""
    person = {"id": chat, "is_bot": False, "first_name": f"Person {chat}", "language_code": "en"}
    message = {
        "message_id": update_id,
        "from": person,
        "chat": {"id": chat, "first_name": person["first_name"], "type": "private"},
        "date": 1_700_000_000,
        "text": text,
    }
    return json.dumps({"update_id": update_id, "message": message}, separators=(",", ":")).encode()


def post_texts(url: str, secret: str, texts: Iterable[tuple[int, str]], *, update_id_first: int) -> int:
    """Post (chat, text) one after the other over one connection; returns the next free update id."""
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret, "Content-Type": "application/json"}
    update_id = update_id_first
    for chat, text in texts:
        connection.request("POST", target.path, update_of(update_id, chat, text), headers)
        response = connection.getresponse()
        response.read()
        if response.status != 200:
            raise RuntimeError(f"update {update_id} was answered with {response.status}")
        update_id += 1
    connection.close()
    return update_id
