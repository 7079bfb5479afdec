"""Fills an SQLite file by SQL before a process opens it: what would take minutes to bring about by running.

The rows are those that the store itself would have written; the first process that opens the file takes them for its
own history.
"""

import json
import sqlite3
import time
from collections.abc import Iterable

from bench.post import update_of

BOT_NO = 1


def add_bots(connection: sqlite3.Connection, bot_ids: Iterable[int]) -> dict[int, int]:
    """Register bots in this order; returns their numbers in the file."""
    numbers = {bot_id: number for number, bot_id in enumerate(bot_ids, BOT_NO)}
    connection.executemany("INSERT INTO bot (bot_no, bot_id) VALUES (?, ?)", [(n, b) for b, n in numbers.items()])
    return numbers


def add_known_chats(connection: sqlite3.Connection, chats: int, *, chat_first: int, update_id_first: int) -> None:
    """Chats that wrote one update each, today: their session and the memory of that update."""
    from posthouse.adapters.sqlite.keys import pack_entry, pack_lane

    now_us = int(time.time() * 1_000_000)
    connection.executemany(
        "INSERT INTO chat_state (lane, name, data) VALUES (?, '', ?)",
        ((pack_lane(BOT_NO, chat_first + chat), b'{"count":1}') for chat in range(chats)),
    )
    connection.executemany(
        "INSERT INTO inbox (id, lane, received_us, done_us) VALUES (?, ?, ?, ?)",
        (
            (pack_entry(BOT_NO, update_id_first + chat), pack_lane(BOT_NO, chat_first + chat), now_us, now_us)
            for chat in range(chats)
        ),
    )


def add_waiting(
    connection: sqlite3.Connection, entries: int, *, chats: int, chat_first: int, update_id_first: int, text: str
) -> None:
    """Updates that were acknowledged and not worked on, spread evenly over the chats."""
    from posthouse.adapters.sqlite.keys import pack_entry, pack_lane

    now_us = int(time.time() * 1_000_000)
    connection.executemany(
        "INSERT INTO inbox (id, lane, received_us, payload) VALUES (?, ?, ?, ?)",
        (
            (
                pack_entry(BOT_NO, update_id_first + number),
                pack_lane(BOT_NO, chat_first + number % chats),
                now_us,
                update_of(update_id_first + number, chat_first + number % chats, text),
            )
            for number in range(entries)
        ),
    )


def add_deliveries(connection: sqlite3.Connection, chats: Iterable[tuple[int, int, int]]) -> int:
    """Messages in the outbox: for each (bot number, chat, how many), in turns over the chats; returns how many."""
    from posthouse.adapters.sqlite.keys import pack_lane

    now_us = int(time.time() * 1_000_000)
    waiting = [list(chat) for chat in chats]
    rows = []
    number = 0
    while waiting:
        for bot_no, chat, _ in waiting:
            number += 1
            payload = json.dumps({"chat_id": chat, "text": f"Message {number} of the bench"}, separators=(",", ":"))
            rows.append((pack_lane(bot_no, chat), payload.encode(), f"{bot_no}:{number}", now_us))
        for chat_left in waiting:
            chat_left[2] -= 1
        waiting = [chat_left for chat_left in waiting if chat_left[2] > 0]
    connection.executemany(
        "INSERT INTO outbox (lane, priority, method, payload, when_uncertain, cause, trace, created_us)"
        " VALUES (?, 1, 'sendMessage', ?, 'resend', 0, ?, ?)",
        rows,
    )
    return number
