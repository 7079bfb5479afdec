"""The log: one JSON line an event, nothing secret, libraries included."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SCRIPT = """
import logging, sys
import structlog
from posthouse.log import configure
log = structlog.get_logger("posthouse.test")
configure(level={level!r}, format={format!r}, secrets=["hunter2", ""])
{body}
"""


def lines(body: str, *, level: str = "info", format: str = "json") -> list[str]:
    script = SCRIPT.format(level=level, format=format, body=body)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    return ended.stderr.splitlines()


def events(body: str, *, level: str = "info") -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(body, level=level)]


def test_a_line_is_one_json_document() -> None:
    """Time, level and event come first; the logger's name and the fields follow."""
    [event] = events("log.info('turn.done', trace='1:2', lane=7, odd={1, 2}.__class__)")
    assert [*event][:3] == ["timestamp", "level", "event"]
    assert (event["event"], event["logger"], event["trace"], event["lane"]) == (
        "turn.done",
        "posthouse.test",
        "1:2",
        7,
    )


def test_what_is_below_the_level_is_not_written() -> None:
    """The level holds for our loggers and for those of libraries."""
    body = "log.debug('a'); log.info('b'); logging.getLogger('lib').info('c'); logging.getLogger('lib').error('d')"
    assert [event["event"] for event in events(body, level="warning")] == ["d"]
    assert [event["event"] for event in events(body)] == ["b", "c", "d"]


def test_no_secret_is_written() -> None:
    """Known secrets and whatever looks like a token are cut out: of fields, of messages, of tracebacks."""
    body = """
token = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaww"
log.info("call", url=f"https://api.telegram.org/bot{token}/getMe", password="hunter2")
logging.getLogger("aiohttp").warning("cannot reach /bot%s/getMe", token)
try:
    raise ValueError(f"no {token} and no hunter2")
except ValueError:
    log.exception("failed")
"""
    for format in ("json", "console"):
        text = "\n".join(lines(body, format=format))
        assert "AAHdq" not in text
        assert "hunter2" not in text
        assert text.count("[secret]") >= 4
        assert "ValueError" in text


def test_bound_context_is_in_every_line() -> None:
    """A trace id bound to the context is in whatever is logged below it, by libraries too."""
    body = """
structlog.contextvars.bind_contextvars(trace="5:6")
log.info("a")
logging.getLogger("lib").warning("b")
"""
    assert [event["trace"] for event in events(body)] == ["5:6", "5:6"]


def test_people_read_plain_lines() -> None:
    """Without a terminal the console format has no control codes."""
    [line] = lines("log.info('platform.ready', port=8080)", format="console")
    assert "platform.ready" in line
    assert "port=8080" in line
    assert "\x1b" not in line
