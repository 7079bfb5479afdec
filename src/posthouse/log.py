"""Structured logs: one line an event, for people on a terminal or as JSON for machines, with nothing secret in it.

    log.info("platform.ready")  ─►  level ─► bound context ─► time, name ─► render ─► redact ─► stderr
    logging.getLogger("aiogram") ──┘ (libraries that use the standard library come in at the same door)

A trace id is a field like any other (`trace=…`), from ingress to the last send. Calls below the level cost a method
that does nothing. Secrets are removed from the finished line, so no formatter and no traceback can show one.
Deliberately absent: log files and rotation, which are the supervisor's (systemd, Docker).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

TOKEN = r"\d{5,}:[A-Za-z0-9_-]{30,}"  # what BotFather hands out
REDACTED = "[secret]"

# Libraries that say something about every update or request at INFO: the road says it already, at debug.
CHATTY = (
    "aiogram.event",
    "aiogram.dispatcher",
    "aiohttp.access",
    "uvicorn.access",
    "uvicorn.error",
    "alembic",
)


def configure(
    *, level: str = "info", format: str = "auto", secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Set up logging for this process, once, before anything logs. `secrets` never appear in a line."""
    stream = stream or sys.stderr
    number: int = logging.getLevelNamesMapping()[level.upper()]
    console = format == "console" or (format == "auto" and stream.isatty())
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _add_name,
        *(_for_people(stream) if console else _for_machines()),
        _Redactor(secrets),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Lines(stream),
        cache_logger_on_first_use=True,
    )
    _bridge_standard_library(number)


def _for_people(stream: TextIO) -> list[Processor]:
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            pad_event_to=24,
            exception_formatter=structlog.dev.plain_traceback,  # the rich one prints local variables, hence tokens
        ),
    ]


def _for_machines() -> list[Processor]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _as_json,
    ]


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    head = {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event}
    return msgspec.json.encode({**head, **event}, enc_hook=repr).decode()


def _add_name(logger: WrappedLogger, _: str, event: EventDict) -> EventDict:
    event["logger"] = logger.name
    return event


class _Redactor:
    """Takes secrets out of a finished line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [re.escape(secret) for secret in sorted(set(secrets), key=len, reverse=True) if secret]
        self._pattern = re.compile("|".join([*known, TOKEN]))

    def __call__(self, _: WrappedLogger, __: str, line: str | EventDict) -> str:
        return self._pattern.sub(REDACTED, str(line))


class _Line:
    """Writes finished lines. One write a line, so that lines of threads do not mix."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self.name = name

    def msg(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            pass  # nobody reads the log any more; that is no reason to stop serving

    debug = info = warning = error = critical = exception = fatal = log = failure = warn = msg


class _Lines:
    """Makes the writer of one named logger."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, *names: Any) -> _Line:
        return _Line(self._stream, str(names[0]) if names else "")


class _Bridge(logging.Handler):
    """Hands records of the standard library's `logging` to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info else {}
            structlog.get_logger(record.name).log(record.levelno, record.getMessage(), **fields)
        except Exception:
            self.handleError(record)


def _bridge_standard_library(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    logging.captureWarnings(True)
