"""What the demo shows: the conversation as it happens and, on a terminal, a line of counters that stays below it."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

PLAIN_EVERY_S = 5.0


class Screen:
    """A terminal, or a file that gets plain lines and no control codes."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._quiet = quiet
        self._status = ""
        self._shown_at = 0.0

    def tell(self, line: str) -> None:
        """Something about the demo itself."""
        self._print(self._painted(line, "1"))

    def converse(self, speaker: str, hearer: str, text: str, *, bot: bool) -> None:
        """Somebody said something."""
        if not self._quiet:
            head = f"{speaker:>9} → {hearer:<9}"
            self._print(f"{self._painted(head, '36' if bot else '33')} {' '.join(text.split())}")

    def count(self, status: str) -> None:
        """The newest counters."""
        self._status = status[: shutil.get_terminal_size().columns - 1] if self._terminal else status
        if self._terminal:
            self._stream.write(f"\r\x1b[2K{self._painted(self._status, '2')}")
            self._stream.flush()
        elif time.monotonic() - self._shown_at >= PLAIN_EVERY_S:
            self._shown_at = time.monotonic()
            self._print(status)

    def end_counting(self) -> None:
        self._status = ""
        if self._terminal:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _print(self, line: str) -> None:
        try:
            if self._terminal:
                self._stream.write(f"\r\x1b[2K{line}\n{self._painted(self._status, '2')}")
            else:
                self._stream.write(f"{line}\n")
            self._stream.flush()
        except BrokenPipeError:
            pass

    def _painted(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._terminal and text else text
