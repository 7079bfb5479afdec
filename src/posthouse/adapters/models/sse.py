"""Server-sent events: bytes in, events out, however the bytes are cut.

The rules are those of the HTML standard, "Interpreting an event stream": lines end in LF, CR or CRLF; several `data`
lines are one text with line feeds between; a line that begins with a colon is a comment; an empty line dispatches; what
follows the last empty line is forgotten. Bytes that are no UTF-8 become U+FFFD. `id` and `retry` are for clients that
reconnect, and an answer of a model cannot be resumed.
"""

from __future__ import annotations

import codecs

import msgspec

EVENT_CHARACTERS_MAX = 4 * 1024 * 1024  # of one event: an answer is far smaller, an endless line is not


class EventTooLong(ValueError):
    """An event of the stream has no end within the bound."""


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One dispatched event; `name` is `message` where the server gave none."""

    data: str
    name: str = "message"


class SseReader:
    """Reads one stream. `feed` it what arrives, in any pieces."""

    def __init__(self, *, event_characters_max: int = EVENT_CHARACTERS_MAX) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._event_characters_max = event_characters_max
        self._at_start = True
        self._line: list[str] = []  # pieces of the line that has not ended
        self._line_size = 0
        self._skips_lf = False  # the last character was CR: an LF right after it is the same line end
        self._data: list[str] = []
        self._data_size = 0
        self._name = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete. Raises `EventTooLong`."""
        text = self._decode(chunk)
        if not text:
            return []
        if self._at_start:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        if self._skips_lf and text:
            text = text.removeprefix("\n")
            self._skips_lf = False
        self._skips_lf = text.endswith("\r")
        *ended, rest = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        events = []
        for line in ended:
            event = self._end_line("".join([*self._line, line]))
            self._line, self._line_size = [], 0
            if event is not None:
                events.append(event)
        self._line.append(rest)
        self._line_size += len(rest)
        if self._line_size + self._data_size > self._event_characters_max:
            raise EventTooLong(f"an event of the stream is longer than {self._event_characters_max} characters")
        return events

    def _end_line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._data_size += len(value)
        elif field == "event":
            self._name = value
        return None  # a comment has an empty field name, and other fields mean nothing here

    def _dispatch(self) -> ServerSentEvent | None:
        data, name = self._data, self._name
        self._data, self._data_size, self._name = [], 0, ""
        return ServerSentEvent("\n".join(data), name or "message") if data else None
