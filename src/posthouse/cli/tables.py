"""Rows for people: aligned columns in plain text, so that a list reads the same on a terminal and in a file."""

from __future__ import annotations

import time
from collections.abc import Sequence

WIDTH_MAX = 60  # of one cell


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with a heading; columns that are empty in every row are left out."""
    cells = [[_cell(value) for value in row] for row in rows]
    kept = [n for n in range(len(headings)) if any(row[n] for row in cells)]
    lines = [[headings[n].upper() for n in kept], *([row[n] for n in kept] for row in cells)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(kept))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def moment(seconds: float | None) -> str:
    """Epoch seconds as local time; empty for none."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else ""


def last_line(text: str) -> str:
    """What matters of a traceback in a list."""
    return text.strip().rpartition("\n")[2]


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDTH_MAX else f"{text[: WIDTH_MAX - 1]}…"
