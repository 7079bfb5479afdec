"""Many rows in one statement.

One `execute` for a batch instead of one per row: each statement lets go of the interpreter lock and must win it back,
which under load costs more than the row itself. The number of rows is padded to a power of two, so that a handful of
texts serves every batch size and stays prepared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

ROWS_MAX = 256


@lru_cache(maxsize=512)
def values(rows: int, columns: int) -> str:
    """`(?,?),(?,?)…`"""
    row = "(" + ",".join("?" * columns) + ")"
    return ",".join([row] * rows)


@lru_cache(maxsize=512)
def marks(count: int) -> str:
    return ",".join("?" * count)


def padded(count: int) -> int:
    """The smallest power of two that is not below `count`."""
    return 1 << (count - 1).bit_length()


def chunks(items: Sequence[Any], size: int = ROWS_MAX) -> list[Sequence[Any]]:
    if len(items) <= size:
        return [items]
    return [items[start : start + size] for start in range(0, len(items), size)]


def with_ids(connection: sqlite3.Connection, sql: str, ids: Sequence[int], *before: Any) -> sqlite3.Cursor:
    """Run `sql`, whose `{ids}` becomes a list of marks, with the ids padded by repeating the last one."""
    count = padded(len(ids))
    return connection.execute(sql.replace("{ids}", marks(count)), (*before, *ids, *(ids[-1],) * (count - len(ids))))


def insert(connection: sqlite3.Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str = "") -> None:
    """`head` VALUES rows `tail`; the padding rows are cut off by a LIMIT."""
    columns = len(rows[0])
    for chunk in chunks(rows):
        count = padded(len(chunk))
        flat = [value for row in chunk for value in row]
        if count != len(chunk):
            flat.extend(chunk[-1] * (count - len(chunk)))
            flat.append(len(chunk))
            sql = f"{head} SELECT * FROM (VALUES {values(count, columns)}) LIMIT ? {tail}"
        else:
            sql = f"{head} VALUES {values(count, columns)} {tail}"
        connection.execute(sql, flat)
