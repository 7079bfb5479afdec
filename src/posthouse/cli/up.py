"""`posthouse up`: one process of the platform, from the configuration file to a clean end.

    settings ─► log ─► (new SQLite file: migrate) ─► build ─► run ─┬─ ready: freeze the heap, say where it listens
                                                                   ├─ SIGINT, SIGTERM: stop gracefully
                                                                   └─ a second signal: leave at once

Beside the platform runs the operator's socket (`cli.operator`), because SQLite lets no second process look.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from posthouse import bootstrap
from posthouse.cli import operator
from posthouse.cli.errors import only_cause
from posthouse.log import configure
from posthouse.runtime.platform import Platform
from posthouse.settings import Settings, load

log = structlog.get_logger("posthouse.up")

# How long one thread may keep the interpreter while another wants it. Python's 5 ms is as long as several turns: the
# thread that commits would wait that long for its next step. Chosen with bench/.
SWITCH_INTERVAL_S = 0.001

# What lives when the process is ready lives as long as it does: it is frozen, and full collections become rare.
GC_THRESHOLDS = (20_000, 20, 50)


def up(
    config: Path, *, roles: Sequence[str] = bootstrap.ROLES, host: str | None = None, port: int | None = None
) -> None:
    """Serve until a signal comes. Raises `PosthouseError` when it cannot start."""
    began = time.monotonic()
    settings = load(config)
    if host is not None or port is not None:
        chosen = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
        settings = msgspec.structs.replace(settings, http=msgspec.structs.replace(settings.http, **chosen))
    configure(level=settings.log.level, format=settings.log.format, secrets=secrets_of(settings))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    runner()(_up(settings, roles, began))


def runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.run
    import uvloop

    return uvloop.run


def secrets_of(settings: Settings) -> list[str]:
    """What must never be printed: tokens, webhook secrets, and the password in the store's URL."""
    found = [secret for bot in settings.bots.values() for secret in (bot.token, bot.secret) if secret]
    credentials = settings.store.url.partition("://")[2].rpartition("@")[0]
    password = credentials.partition(":")[2]
    return [*found, password] if password else found


async def _up(settings: Settings, roles: Sequence[str], began: float) -> None:
    if bootstrap.is_new(settings):
        await bootstrap.create(settings)
        log.info("store.created", url=settings.store.url)
    platform = bootstrap.build(settings, roles=roles)
    if socket := operator.socket_of(settings):
        operator.attach(platform, socket)
    _heed_signals(platform)
    announced = asyncio.create_task(_announce(platform, settings, began), name="announce")
    try:
        with only_cause():
            await platform.run()
    finally:
        announced.cancel()


async def _announce(platform: Platform, settings: Settings, began: float) -> None:
    """When it is ready: settle the heap and say where it listens and who lives here."""
    await platform.ready.wait()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    for line in greeting(platform, settings):
        print(line)
    print(f"ready in {time.monotonic() - began:.2f} s", flush=True)


def greeting(platform: Platform, settings: Settings) -> list[str]:
    """Where this process listens and what is registered, for a person."""
    lines = [f"posthouse, pid {os.getpid()}, configured by {settings.path}"]
    port = getattr(platform.server, "port", None)
    if port is not None:
        host = f"[{settings.http.host}]" if ":" in settings.http.host else settings.http.host
        lines.append(f"  listening on http://{host}:{port} (/healthz, /readyz, /metrics)")
    for name, bot in settings.bots.items():
        if bot.mode == "polling":
            way = "polling"
        elif settings.http.register_webhooks:
            way = f"webhook {(settings.http.public_url or '').rstrip('/')}{bot.path or f'/webhook/{name}'}"
        else:
            way = f"webhook {bot.path or f'/webhook/{name}'}, which you register yourself"
        lines.append(f"  bot {name}: {bot.program}, {way}")
    return lines


def _heed_signals(platform: Platform) -> None:
    """The first signal stops gracefully, the second at once."""
    loop = asyncio.get_running_loop()

    def heed(number: int) -> None:
        if platform.stopping:
            print("posthouse: stopped at once; what was not finished is done at the next start", file=sys.stderr)
            os._exit(128 + number)
        log.info("platform.signalled", signal=signal.Signals(number).name)
        platform.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, heed, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(heed, number))
