"""Many rows in one statement.

One `execute` for a batch instead of one per row: each statement lets go of the interpreter lock and must win it back,
which under load costs more than the row itself. The number of rows is padded to a power of two or to three quarters of
one, so that a handful of texts serves every batch size and stays prepared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
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
    """The smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24 … that is not below `count`."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if count <= power * 3 // 4 else power


def chunks(items: Sequence[Any], size: int = ROWS_MAX) -> list[Sequence[Any]]:
    if len(items) <= size:
        return [items]
    return [items[start : start + size] for start in range(0, len(items), size)]


def with_ids(
    connection: sqlite3.Connection, sql: str, ids: Sequence[int] | Sequence[str], *before: Any
) -> sqlite3.Cursor:
    """Run `sql`, whose `{ids}` becomes a list of marks, with the ids padded by repeating the last one."""
    count = padded(len(ids))
    return connection.execute(_with_marks(sql, count), (*before, *ids, *(ids[-1],) * (count - len(ids))))


def with_values(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run an UPDATE whose `{values}` becomes the rows, padded by repeating the last; returns how many it changed."""
    changed = 0
    for chunk in chunks(rows):
        count = padded(len(chunk))
        flat = list(chain.from_iterable(chunk))
        flat.extend(chunk[-1] * (count - len(chunk)))
        changed += connection.execute(_with_rows(sql, count, len(chunk[0])), flat).rowcount
    return changed


def append(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run an INSERT … SELECT whose `{values}` becomes the rows; its LIMIT, the last parameter, cuts the padding off."""
    for chunk in chunks(rows):
        count = padded(len(chunk))
        flat = list(chain.from_iterable(chunk))
        flat.extend(chunk[-1] * (count - len(chunk)))
        flat.append(len(chunk))
        connection.execute(_with_rows(sql, count, len(chunk[0])), flat)


def insert(connection: sqlite3.Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str = "") -> int:
    """`head` VALUES rows `tail`; returns how many were written. The padding rows are cut off by a LIMIT."""
    written = 0
    for chunk in chunks(rows):
        count = padded(len(chunk))
        flat = list(chain.from_iterable(chunk))
        if count != len(chunk):
            flat.extend(chunk[-1] * (count - len(chunk)))
            flat.append(len(chunk))
        sql = _inserting(head, count, len(chunk[0]), tail, limited=count != len(chunk))
        written += connection.execute(sql, flat).rowcount
    return written


# A text is made once: the connection finds its prepared statement by the text, and knows the hash of one it has met.


@lru_cache(maxsize=512)
def _with_marks(sql: str, count: int) -> str:
    return sql.replace("{ids}", marks(count))


@lru_cache(maxsize=512)
def _with_rows(sql: str, count: int, columns: int) -> str:
    return sql.replace("{values}", values(count, columns))


@lru_cache(maxsize=512)
def _inserting(head: str, count: int, columns: int, tail: str, *, limited: bool) -> str:
    if limited:
        return f"{head} SELECT * FROM (VALUES {values(count, columns)}) LIMIT ? {tail}"
    return f"{head} VALUES {values(count, columns)} {tail}"
